/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns answers as text: sections, records, their data (RFC 1035, 2782, 3597, 8659). Pure; run by
 * the probe role and fuzzed. It must never print a byte of a message that is not printable ASCII,
 * nor read behind the record that it prints.
 */
#include "netd/dns/dns_walk.h"
#include <errno.h>
#include <stdio.h>
#include "lib/own.h"
#include "netd/ip4.h"
#include "netd/ip6.h"

enum {
	RECORD_HEAD = 10,
	RECORDS_MAX = 512,
	HEX_MAX = 64,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	TYPE_MX = 15,
	TYPE_TXT = 16,
	TYPE_SRV = 33,
	TYPE_DNAME = 39,
	TYPE_CAA = 257,
};

const char *const dns_section_names[DNS_SECTION_COUNT] = { "question", "answer", "authority",
							   "additional" };

int dns_walk_begin(struct str message, struct dns_walk *ret_walk)
{
	struct dns_walk walk = { .message = message, .at = DNS_HEADER };
	unsigned all = 0;

	if (message.len < DNS_HEADER || message.len > DNS_MESSAGE_MAX ||
	    !(dns_get16(message.ptr + 2) & DNS_FLAG_REPLY))
		return -EBADMSG;
	for (unsigned i = 0; i < DNS_SECTION_COUNT; i++)
		all += walk.left[i] = dns_get16(message.ptr + 4 + 2 * i);
	if (all > RECORDS_MAX)
		return -EBADMSG;
	*ret_walk = walk;
	return 0;
}

/* ---- data ---- */

/* What a record's data is read from: the whole message, but nothing behind its own end. */
struct field {
	struct str message;
	size_t at, end;
	bool bad;
};

static uint32_t take(struct field *field, unsigned bytes)
{
	uint32_t value = 0;

	if (field->bad || field->end - field->at < bytes) {
		field->bad = true;
		return 0;
	}
	while (bytes--)
		value = value << 8 | (uint8_t)field->message.ptr[field->at++];
	return value;
}

static void put_name(struct field *field, struct buf *out)
{
	char text[DNS_NAME_TEXT_MAX];
	struct dns_name name;

	if (field->bad ||
	    dns_name_read(str_head(field->message, field->end), &field->at, &name) < 0)
		field->bad = true;
	else
		(void)buf_printf(out, "%s.", dns_name_text(&name, text));
}

static void put_text(struct str text, struct buf *out)
{
	char shown[5 * 256];

	(void)str_escape(text, shown, sizeof(shown));
	(void)buf_printf(out, "\"%s\"", shown);
}

static void put_strings(struct field *field, struct buf *out)
{
	for (bool first = true; !field->bad && field->at < field->end; first = false) {
		uint32_t len = take(field, 1);

		if (field->end - field->at < len) {
			field->bad = true;
			return;
		}
		(void)buf_add_text(out, first ? "" : " ");
		put_text(str_make(field->message.ptr + field->at, len), out);
		field->at += len;
	}
}

static void put_address(struct field *field, bool v6, struct buf *out)
{
	char text[IP6_TEXT_MAX];
	struct ip6 ip6;

	if (!v6) {
		(void)buf_add_text(out, ip4_text(take(field, 4), text));
		return;
	}
	for (size_t i = 0; i < sizeof(ip6.b); i++)
		ip6.b[i] = (uint8_t)take(field, 1);
	(void)buf_add_text(out, ip6_text(&ip6, text));
}

static void put_soa(struct field *field, struct buf *out)
{
	put_name(field, out);
	(void)buf_add_byte(out, ' ');
	put_name(field, out);
	for (int i = 0; i < 5; i++)
		(void)buf_printf(out, " %u", take(field, 4));
}

static void put_caa(struct field *field, struct buf *out)
{
	uint32_t flags = take(field, 1), len = take(field, 1);
	char tag[5 * 256];

	if (field->bad || field->end - field->at < len) {
		field->bad = true;
		return;
	}
	(void)str_escape(str_make(field->message.ptr + field->at, len), tag, sizeof(tag));
	field->at += len;
	(void)buf_printf(out, "%u %s ", flags, tag);
	put_text(str_head(str_make(field->message.ptr + field->at, field->end - field->at), 255),
		 out);
	field->at = field->end;
}

/* RFC 3597: what has no form of its own here. */
static void put_unknown(struct field *field, struct buf *out)
{
	size_t len = field->end - field->at, shown = len < HEX_MAX ? len : HEX_MAX;

	(void)buf_printf(out, "\\# %zu ", len);
	for (size_t i = 0; i < shown; i++)
		(void)buf_printf(out, "%02x", (uint8_t)field->message.ptr[field->at + i]);
	(void)buf_add_text(out, shown < len ? "..." : "");
	field->at = field->end;
}

static void put_data(struct field *field, uint16_t type, struct buf *out)
{
	switch (type) {
	case DNS_TYPE_A:
		put_address(field, false, out);
		break;
	case DNS_TYPE_AAAA:
		put_address(field, true, out);
		break;
	case TYPE_NS:
	case TYPE_CNAME:
	case TYPE_DNAME:
	case DNS_TYPE_PTR:
		put_name(field, out);
		break;
	case TYPE_MX:
		(void)buf_printf(out, "%u ", take(field, 2));
		put_name(field, out);
		break;
	case TYPE_SRV:
		for (int i = 0; i < 3; i++)
			(void)buf_printf(out, "%u ", take(field, 2));
		put_name(field, out);
		break;
	case TYPE_SOA:
		put_soa(field, out);
		break;
	case TYPE_TXT:
		put_strings(field, out);
		break;
	case TYPE_CAA:
		put_caa(field, out);
		break;
	default:
		put_unknown(field, out);
		break;
	}
}

/* ---- records ---- */

static int read_rest(struct dns_walk *walk, struct dns_walk_record *record, struct buf *data)
{
	struct field field = { .message = walk->message, .at = walk->at };
	size_t before = data->len, len;

	if (walk->message.len - walk->at < RECORD_HEAD)
		return -EBADMSG;
	record->type = dns_get16(walk->message.ptr + walk->at);
	record->class = dns_get16(walk->message.ptr + walk->at + 2);
	record->ttl_s = dns_get32(walk->message.ptr + walk->at + 4);
	len = dns_get16(walk->message.ptr + walk->at + 8);
	field.at = walk->at + RECORD_HEAD;
	if (walk->message.len - field.at < len)
		return -EBADMSG;
	walk->at = field.end = field.at + len;
	put_data(&field, record->type, data);
	if (!field.bad && field.at == field.end)
		return 1;
	/* Not what its type says: as bytes. */
	data->len = before;
	field.at = field.end - len;
	put_unknown(&field, data);
	return 1;
}

int dns_walk_next(struct dns_walk *walk, struct dns_walk_record *ret_record, struct buf *data)
{
	struct dns_walk_record record = { .type = 0 };
	struct dns_name name;
	int r = 1;

	while (walk->section < DNS_SECTION_COUNT && !walk->left[walk->section])
		walk->section++;
	if (walk->section == DNS_SECTION_COUNT)
		return 0;
	walk->left[walk->section]--;
	record.section = (enum dns_section)walk->section;
	if (dns_name_read(walk->message, &walk->at, &name) < 0)
		return -EBADMSG;
	(void)dns_name_text(&name, record.name);
	if (!*record.name)
		record.name[0] = '.';
	if (record.section != DNS_SECTION_QUESTION) {
		r = read_rest(walk, &record, data);
	} else if (walk->message.len - walk->at < 4) {
		r = -EBADMSG;
	} else {
		record.type = dns_get16(walk->message.ptr + walk->at);
		record.class = dns_get16(walk->message.ptr + walk->at + 2);
		walk->at += 4;
	}
	if (r == 1)
		*ret_record = record;
	return r;
}

const char *dns_rcode_name(uint16_t flags, char dst[16])
{
	static const char *const names[] = { "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
					     "NOTIMP",	"REFUSED", "YXDOMAIN", "YXRRSET",
					     "NXRRSET", "NOTAUTH", "NOTZONE" };
	uint16_t code = flags & DNS_FLAG_RCODE;

	if (code < ARRAY_LEN(names))
		return names[code];
	(void)snprintf(dst, 16, "RCODE%u", code);
	return dst;
}
