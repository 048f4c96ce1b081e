/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading and writing of DNS messages. Pure; run by the dns role and fuzzed. It must never
 * follow a pointer that does not point backwards, nor write a name that it did not check.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "netd/dns/dns_codec.h"

enum { HOPS_MAX = 127, LABEL_MAX = 63, RECORDS_MAX = 512, TYPE_SOA = 6, TTL_MAX_S = 86400 };

uint16_t dns_get16(const char *at)
{
	const uint8_t *b = (const uint8_t *)at;

	return (uint16_t)(b[0] << 8 | b[1]);
}

uint32_t dns_get32(const char *at)
{
	return (uint32_t)dns_get16(at) << 16 | dns_get16(at + 2);
}

void dns_put16(char *at, uint16_t v)
{
	at[0] = (char)(v >> 8);
	at[1] = (char)v;
}

/* Reads the name at *at (moved behind it). Each pointer must lead to before the one that came last,
 * so the walk ends. */
static int read_name(struct str message, size_t *at, struct dns_name *ret_name)
{
	size_t pos = *at, limit = *at, len = 0, end = 0;

	for (int hops = 0; hops <= HOPS_MAX; hops++) {
		while (pos < message.len) {
			uint8_t label = (uint8_t)message.ptr[pos];

			if (label >= 0xc0)
				break;
			if (label > LABEL_MAX || pos + 1 + label > message.len ||
			    len + 1 + label > DNS_NAME_MAX)
				return -EBADMSG;
			memcpy(ret_name->wire + len, message.ptr + pos, 1 + (size_t)label);
			len += 1 + (size_t)label;
			pos += 1 + (size_t)label;
			if (label == 0) {
				ret_name->len = (uint8_t)len;
				*at = end ? end : pos;
				return 0;
			}
		}
		if (pos + 2 > message.len)
			return -EBADMSG;
		if (!end)
			end = pos + 2;
		pos = dns_get16(message.ptr + pos) & 0x3fff;
		if (pos < DNS_HEADER || pos >= limit)
			return -EBADMSG;
		limit = pos;
	}
	return -EBADMSG;
}

int dns_name_read(struct str message, size_t *at, struct dns_name *ret_name)
{
	return read_name(message, at, ret_name);
}

static int read_question(struct str message, size_t *at, struct dns_question *ret_question)
{
	if (read_name(message, at, &ret_question->name) < 0 || *at + 4 > message.len)
		return -EBADMSG;
	ret_question->type = dns_get16(message.ptr + *at);
	ret_question->class = dns_get16(message.ptr + *at + 2);
	*at += 4;
	return 0;
}

struct record {
	struct dns_name name;
	uint16_t type, class;
	uint32_t ttl;
	size_t ttl_at, data_at, data_len;
};

static int read_record(struct str message, size_t *at, struct record *ret_record)
{
	if (read_name(message, at, &ret_record->name) < 0 || *at + 10 > message.len)
		return -EBADMSG;
	ret_record->type = dns_get16(message.ptr + *at);
	ret_record->class = dns_get16(message.ptr + *at + 2);
	ret_record->ttl_at = *at + 4;
	ret_record->ttl = dns_get32(message.ptr + *at + 4);
	ret_record->data_len = dns_get16(message.ptr + *at + 8);
	ret_record->data_at = *at + 10;
	*at += 10 + ret_record->data_len;
	return *at <= message.len ? 0 : -EBADMSG;
}

int dns_query_read(struct str message, struct dns_query *ret_query)
{
	struct dns_query query = { .udp_size = DNS_UDP_PLAIN };
	size_t at = DNS_HEADER;
	unsigned additional;

	if (message.len < DNS_HEADER || message.len > DNS_MESSAGE_MAX)
		return -EBADMSG;
	query.id = dns_get16(message.ptr);
	query.flags = dns_get16(message.ptr + 2);
	if (query.flags & DNS_FLAG_REPLY)
		return -EBADMSG; /* never answer an answer */
	*ret_query = query;
	if (query.flags & DNS_FLAG_OPCODE)
		return -EOPNOTSUPP;
	additional = dns_get16(message.ptr + 10);
	if (dns_get16(message.ptr + 4) != 1 || dns_get16(message.ptr + 6) ||
	    dns_get16(message.ptr + 8) || additional > 4 ||
	    read_question(message, &at, &query.question) < 0)
		return -EINVAL;
	while (additional--) {
		struct record record;

		if (read_record(message, &at, &record) < 0)
			return -EINVAL;
		if (record.type != DNS_TYPE_OPT)
			continue;
		if (query.edns)
			return -EINVAL; /* RFC 6891: one at most */
		query.edns = true;
		query.udp_size = record.class < DNS_UDP_PLAIN ? DNS_UDP_PLAIN
				 : record.class > DNS_UDP_MAX ? DNS_UDP_MAX
							      : record.class;
	}
	*ret_query = query;
	return 0;
}

/* The last number of a SOA: how long "no such name" may be kept (RFC 2308). */
static uint32_t soa_minimum(struct str message, const struct record *record)
{
	struct dns_name skipped;
	size_t at = record->data_at;

	if (read_name(message, &at, &skipped) < 0 || read_name(message, &at, &skipped) < 0 ||
	    at + 20 > record->data_at + record->data_len)
		return 0;
	return dns_get32(message.ptr + at + 16);
}

static void note_ttl(struct dns_reply *reply, const struct record *record, uint32_t ttl, bool *any)
{
	if (reply->ttl_count == sizeof(reply->ttl_offsets) / sizeof(reply->ttl_offsets[0])) {
		ttl = 0; /* too many to age: not kept */
	} else {
		reply->ttl_offsets[reply->ttl_count++] = record->ttl_at;
	}
	if (ttl > TTL_MAX_S)
		ttl = ttl >> 31 ? 0 : TTL_MAX_S;
	if (!*any || ttl < reply->ttl_s)
		reply->ttl_s = ttl;
	*any = true;
}

int dns_reply_read(struct str message, struct dns_reply *ret_reply)
{
	struct dns_reply reply = { 0 };
	size_t at = DNS_HEADER;
	unsigned answers, authority, records;
	bool any = false;

	if (message.len < DNS_HEADER || message.len > DNS_MESSAGE_MAX)
		return -EBADMSG;
	reply.id = dns_get16(message.ptr);
	reply.flags = dns_get16(message.ptr + 2);
	answers = dns_get16(message.ptr + 6);
	authority = dns_get16(message.ptr + 8);
	records = answers + authority + dns_get16(message.ptr + 10);
	if (!(reply.flags & DNS_FLAG_REPLY) || (reply.flags & DNS_FLAG_OPCODE) ||
	    dns_get16(message.ptr + 4) != 1 || records > RECORDS_MAX ||
	    read_question(message, &at, &reply.question) < 0)
		return -EBADMSG;
	for (unsigned i = 0; i < records; i++) {
		struct record record;
		uint32_t ttl;

		if (read_record(message, &at, &record) < 0)
			return -EBADMSG;
		if (record.type == DNS_TYPE_OPT)
			continue;
		ttl = record.ttl;
		if (!answers && record.type == TYPE_SOA && i < authority) {
			uint32_t minimum = soa_minimum(message, &record);

			ttl = minimum < ttl ? minimum : ttl;
		}
		note_ttl(&reply, &record, ttl, &any);
	}
	if (!answers && !authority)
		reply.ttl_s = 0;
	*ret_reply = reply;
	return 0;
}

static void put16(struct buf *out, uint16_t v)
{
	buf_add_byte(out, (unsigned char)(v >> 8));
	buf_add_byte(out, (unsigned char)v);
}

static void put32(struct buf *out, uint32_t v)
{
	put16(out, (uint16_t)(v >> 16));
	put16(out, (uint16_t)v);
}

static void put_question(struct buf *out, const struct dns_question *question)
{
	buf_add(out, question->name.wire, question->name.len);
	put16(out, question->type);
	put16(out, question->class);
}

static void put_opt(struct buf *out)
{
	buf_add_byte(out, 0);
	put16(out, DNS_TYPE_OPT);
	put16(out, DNS_UDP_SAFE);
	put32(out, 0);
	put16(out, 0);
}

void dns_query_write(uint16_t id, const struct dns_question *question, struct buf *out)
{
	put16(out, id);
	put16(out, DNS_FLAG_RECURSE);
	put16(out, 1);
	put32(out, 0);
	put16(out, 1);
	put_question(out, question);
	put_opt(out);
}

void dns_query_pad(struct buf *query)
{
	enum { BLOCK = 128, OPTION_HEAD = 4, OPTION_PADDING = 12 };
	size_t len = query->len + OPTION_HEAD;
	uint16_t zeros = (uint16_t)((BLOCK - len % BLOCK) % BLOCK);

	if (buf_error(query) < 0)
		return;
	/* The OPT record comes last, and the length of its options last in it. */
	dns_put16(query->data + query->len - 2, (uint16_t)(OPTION_HEAD + zeros));
	put16(query, OPTION_PADDING);
	put16(query, zeros);
	for (uint16_t i = 0; i < zeros; i++)
		buf_add_byte(query, 0);
}

/* The head of a record about the question's name. */
static void put_record(struct buf *out, uint16_t type, uint32_t ttl_s, uint16_t len)
{
	put16(out, 0xc000 | DNS_HEADER);
	put16(out, type);
	put16(out, DNS_CLASS_IN);
	put32(out, ttl_s);
	put16(out, len);
}

static void put_targets(const struct dns_answer *answer, struct buf *out)
{
	const struct dns_targets *targets = answer->targets;

	for (size_t i = 0; i < targets->count; i++) {
		const struct dns_name *name = &targets->list[i].name;

		put_record(out, DNS_TYPE_SRV, answer->ttl_s, (uint16_t)(6 + name->len));
		put32(out, 0); /* all of the same priority and weight */
		put16(out, targets->port);
		buf_add(out, name->wire, name->len);
	}
}

/* A record about a name that is written out: of targets, behind the answer. */
static void put_address(struct buf *out, const struct dns_name *name, uint16_t type, uint32_t ttl_s,
			const void *address, uint16_t len)
{
	buf_add(out, name->wire, name->len);
	put16(out, type);
	put16(out, DNS_CLASS_IN);
	put32(out, ttl_s);
	put16(out, len);
	buf_add(out, address, len);
}

/* out NULL: counts only. */
static uint16_t put_additional(const struct dns_answer *answer, struct buf *out)
{
	uint16_t count = 0;

	for (size_t i = 0; answer->targets && !answer->bare && i < answer->targets->count; i++) {
		const struct dns_target *target = &answer->targets->list[i];
		uint32_t ip4 = htonl(target->ip4);

		count = (uint16_t)(count + (ip4 != 0) + !ip6_is_zero(&target->ip6));
		if (out && ip4)
			put_address(out, &target->name, DNS_TYPE_A, answer->ttl_s, &ip4, 4);
		if (out && !ip6_is_zero(&target->ip6))
			put_address(out, &target->name, DNS_TYPE_AAAA, answer->ttl_s, target->ip6.b,
				    sizeof(target->ip6.b));
	}
	return count;
}

void dns_answer_write(const struct dns_answer *answer, struct buf *out)
{
	uint16_t flags = (uint16_t)(DNS_FLAG_REPLY | DNS_FLAG_RECURSIVE |
				    (answer->flags & (DNS_FLAG_OPCODE | DNS_FLAG_RECURSE |
						      DNS_FLAG_CHECKING_DISABLED)) |
				    (uint16_t)answer->rcode);

	if (answer->authoritative)
		flags |= DNS_FLAG_AUTHORITATIVE;
	if (answer->truncated)
		flags |= DNS_FLAG_TRUNCATED;
	put16(out, answer->id);
	put16(out, flags);
	put16(out, answer->question ? 1 : 0);
	put16(out, (uint16_t)(answer->address_count + answer->address6_count +
			      (answer->pointer ? 1 : 0) +
			      (answer->targets ? answer->targets->count : 0)));
	put16(out, 0);
	put16(out, (uint16_t)(put_additional(answer, NULL) + (answer->edns ? 1 : 0)));
	if (answer->question)
		put_question(out, answer->question);
	for (size_t i = 0; i < answer->address_count; i++) {
		put_record(out, DNS_TYPE_A, answer->ttl_s, 4);
		put32(out, answer->addresses[i]);
	}
	for (size_t i = 0; i < answer->address6_count; i++) {
		put_record(out, DNS_TYPE_AAAA, answer->ttl_s, sizeof(answer->addresses6->b));
		buf_add(out, answer->addresses6[i].b, sizeof(answer->addresses6->b));
	}
	if (answer->pointer) {
		put_record(out, DNS_TYPE_PTR, answer->ttl_s, answer->pointer->len);
		buf_add(out, answer->pointer->wire, answer->pointer->len);
	}
	if (answer->targets)
		put_targets(answer, out);
	(void)put_additional(answer, out);
	if (answer->edns)
		put_opt(out);
}

int dns_name_parse(struct str text, struct dns_name *ret_name)
{
	struct dns_name name = { .len = 0 };
	struct str label;

	if (text.len && text.ptr[text.len - 1] == '.')
		text.len--;
	while (text.len && str_cut(&text, '.', &label)) {
		if (!label.len || label.len > LABEL_MAX || name.len + label.len + 2 > DNS_NAME_MAX)
			return -EINVAL;
		name.wire[name.len++] = (uint8_t)label.len;
		memcpy(name.wire + name.len, label.ptr, label.len);
		name.len = (uint8_t)(name.len + label.len);
	}
	if (!name.len)
		return -EINVAL;
	name.wire[name.len++] = 0;
	*ret_name = name;
	return 0;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

const char *dns_name_text(const struct dns_name *name, char dst[DNS_NAME_TEXT_MAX])
{
	size_t at = 0, n = 0;

	while (at < name->len && name->wire[at]) {
		uint8_t label = name->wire[at++];

		if (n)
			dst[n++] = '.';
		while (label-- && at < name->len) {
			uint8_t c = lower(name->wire[at++]);
			bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
				    c == '_';

			dst[n++] = fine ? (char)c : '?';
		}
	}
	dst[n] = 0;
	return dst;
}

bool dns_name_same(const struct dns_name *a, const struct dns_name *b)
{
	if (a->len != b->len)
		return false;
	/* Length bytes are below 64, so folding letters cannot make two of them alike. */
	for (size_t i = 0; i < a->len; i++)
		if (lower(a->wire[i]) != lower(b->wire[i]))
			return false;
	return true;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	return a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0;
}

void dns_name_mix_case(struct dns_name *name, const uint8_t *random, size_t len)
{
	for (size_t i = 0; i < name->len && i / 8 < len; i++) {
		uint8_t c = lower(name->wire[i]);

		if (c >= 'a' && c <= 'z' && (random[i / 8] >> (i % 8) & 1))
			c ^= 0x20;
		name->wire[i] = c;
	}
}

bool dns_name_reverse(const struct dns_name *name, uint32_t *ret_ip4)
{
	static const char suffix[] = ".in-addr.arpa";
	char text[DNS_NAME_TEXT_MAX];
	struct str s = str_from(dns_name_text(name, text)), part;
	uint32_t ip4 = 0;

	if (!str_ends(s, STR(suffix)))
		return false;
	s = str_head(s, s.len - (sizeof(suffix) - 1));
	for (int i = 0; i < 4; i++) {
		uint64_t v;

		if (!str_cut(&s, '.', &part) || str_to_u64(part, 0, 255, &v) < 0)
			return false;
		ip4 |= (uint32_t)v << (8 * i);
	}
	if (s.len)
		return false;
	*ret_ip4 = ip4;
	return true;
}

bool dns_name_reverse6(const struct dns_name *name, struct ip6 *ret_ip6)
{
	static const char suffix[] = ".ip6.arpa", digits[] = "0123456789abcdef";
	char text[DNS_NAME_TEXT_MAX];
	struct str s = str_from(dns_name_text(name, text));
	struct ip6 ip6 = { .b = { 0 } };

	if (s.len != 2 * 2 * sizeof(ip6.b) - 1 + sizeof(suffix) - 1 || !str_ends(s, STR(suffix)))
		return false;
	for (size_t i = 0; i < 2 * sizeof(ip6.b); i++) {
		ptrdiff_t digit = str_find(STR(digits), s.ptr[2 * i]);

		if (digit < 0 || s.ptr[2 * i + 1] != '.')
			return false;
		ip6.b[sizeof(ip6.b) - 1 - i / 2] |= (uint8_t)(digit << (4 * (i % 2)));
	}
	*ret_ip6 = ip6;
	return true;
}
