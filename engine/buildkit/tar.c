/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes tar archives (POSIX.1-2001 pax). Pure; runs in the api role. Must never write a name that
 * its reader would cut.
 */
#include "engine/buildkit/tar.h"

#include <stdio.h>
#include <string.h>
#include "lib/own.h"

/* Of a ustar head: offset and length of its fields. */
enum {
	TAR_NAME = 0,
	TAR_NAME_LEN = 100,
	TAR_MODE = 100,
	TAR_UID = 108,
	TAR_GID = 116,
	TAR_SIZE = 124,
	TAR_TIME = 136,
	TAR_SUM = 148,
	TAR_TYPE = 156,
	TAR_LINK = 157,
	TAR_MAGIC = 257,
	TAR_MAJOR = 329,
	TAR_MINOR = 337,
	TAR_RECORDS_MAX = 1 << 20,
};

#define TAR_SIZE_MAX 077777777777ULL
#define TAR_ID_MAX   07777777U

static void put_octal(char *head, size_t at, int digits, uint64_t value)
{
	for (int i = digits - 1; i >= 0; i--, value >>= 3)
		head[at + (size_t)i] = (char)('0' + (value & 7));
}

static void put_bytes(char *head, size_t at, size_t max, struct str text)
{
	memcpy(head + at, text.len ? text.ptr : "", text.len < max ? text.len : max);
}

static void put_sum(char *head)
{
	unsigned sum = 0;

	memset(head + TAR_SUM, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += (unsigned char)head[i];
	put_octal(head, TAR_SUM, 6, sum);
	head[TAR_SUM + 6] = 0;
}

static char entry_type(const struct packet_stat *stat)
{
	switch (stat->kind) {
	case PACKET_KIND_FILE:
		return stat->link.len ? '1' : '0';
	case PACKET_KIND_DIR:
		return '5';
	case PACKET_KIND_LINK:
		return '2';
	case PACKET_KIND_CHAR:
		return '3';
	case PACKET_KIND_BLOCK:
		return '4';
	case PACKET_KIND_FIFO:
		return '6';
	case PACKET_KIND_OTHER:
		break;
	}
	return 0;
}

static void put_head(struct buf *out, const struct packet_stat *stat, char type, uint64_t size)
{
	char head[TAR_BLOCK] = { 0 };
	int64_t time_s = stat->time_ns / 1000000000;

	put_bytes(head, TAR_NAME, TAR_NAME_LEN, stat->path);
	put_octal(head, TAR_MODE, 7, stat->mode & 07777);
	put_octal(head, TAR_UID, 7, stat->uid & TAR_ID_MAX);
	put_octal(head, TAR_GID, 7, stat->gid & TAR_ID_MAX);
	put_octal(head, TAR_SIZE, 11, size & TAR_SIZE_MAX);
	put_octal(head, TAR_TIME, 11, time_s > 0 ? (uint64_t)time_s & TAR_SIZE_MAX : 0);
	head[TAR_TYPE] = type;
	put_bytes(head, TAR_LINK, TAR_NAME_LEN, stat->link);
	memcpy(head + TAR_MAGIC, "ustar\00000", 8);
	put_octal(head, TAR_MAJOR, 7, stat->major);
	put_octal(head, TAR_MINOR, 7, stat->minor);
	put_sum(head);
	(void)buf_add(out, head, sizeof(head));
}

/* "LEN key=value\n", where LEN counts its own digits. */
static void put_record(struct buf *records, const char *key, struct str name, struct str value)
{
	size_t bare = strlen(key) + name.len + value.len + 3, len = bare + 1, digits;
	char number[24];

	do {
		digits = (size_t)snprintf(number, sizeof(number), "%zu", len);
		len = bare + digits;
	} while ((size_t)snprintf(number, sizeof(number), "%zu", len) != digits);
	(void)buf_printf(records, "%s %s", number, key);
	(void)buf_add_str(records, name);
	(void)buf_add_byte(records, '=');
	(void)buf_add_str(records, value);
	(void)buf_add_byte(records, '\n');
}

static void put_number(struct buf *records, const char *key, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put_record(records, key, STR(""), str_from(text));
}

static void collect(const struct packet_stat *stat, uint64_t size, struct buf *records)
{
	if (stat->path.len > TAR_NAME_LEN)
		put_record(records, "path", STR(""), stat->path);
	if (stat->link.len > TAR_NAME_LEN)
		put_record(records, "linkpath", STR(""), stat->link);
	if (size > TAR_SIZE_MAX)
		put_number(records, "size", size);
	if (stat->uid > TAR_ID_MAX)
		put_number(records, "uid", stat->uid);
	if (stat->gid > TAR_ID_MAX)
		put_number(records, "gid", stat->gid);
	for (uint32_t i = 0; i < stat->xattr_count; i++) {
		/* A '=' would end the name: no attribute of a file system has one. */
		if (stat->xattrs[i].name.len && str_find(stat->xattrs[i].name, '=') < 0)
			put_record(records, "SCHILY.xattr.", stat->xattrs[i].name,
				   stat->xattrs[i].value);
	}
}

void tar_put_entry(struct buf *out, const struct packet_stat *stat)
{
	const struct packet_stat records_stat = { .path = STR("records"), .mode = 0644 };
	struct buf records OWN(buf_done) = { 0 };
	char type = entry_type(stat);
	uint64_t size = type == '0' ? stat->size : 0;

	if (!type)
		return;
	buf_init(&records, TAR_RECORDS_MAX);
	collect(stat, size, &records);
	if (records.len) {
		put_head(out, &records_stat, 'x', records.len);
		(void)buf_add_str(out, buf_str(&records));
		tar_put_padding(out, records.len);
	}
	put_head(out, stat, type, size);
}

void tar_put_padding(struct buf *out, uint64_t size)
{
	static const char zeros[TAR_BLOCK];

	(void)buf_add(out, zeros, (size_t)(-size & (TAR_BLOCK - 1)));
}

void tar_put_end(struct buf *out)
{
	static const char zeros[2 * TAR_BLOCK];

	(void)buf_add(out, zeros, sizeof(zeros));
}
