/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes tars: layers, exports, image archives. Pure but for its sink; runs in the pack role (from
 * records) and in the load role (archives). Must never put a byte into a tar that depends on when
 * or where it was made.
 */
#include "engine/tar/write.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/tar/name.h"

enum {
	BLOCK = 512,
	PAX_MAX = 256 << 10,
	NAME_FIELD = 100,
	OCTAL7 = 07777777,
};
#define OCTAL11 UINT64_C(077777777777)

/* Offsets of POSIX.1-1988 ustar. */
enum {
	AT_NAME = 0,
	AT_MODE = 100,
	AT_UID = 108,
	AT_GID = 116,
	AT_SIZE = 124,
	AT_MTIME = 136,
	AT_SUM = 148,
	AT_TYPE = 156,
	AT_LINK = 157,
	AT_MAGIC = 257,
	AT_MAJOR = 329,
	AT_MINOR = 337,
};

void tar_writer_init(struct tar_writer *writer, tar_sink_fn *sink, void *owner)
{
	*writer = (struct tar_writer){ .sink = sink, .owner = owner, .front = "" };
	sha256_init(&writer->hash);
	buf_init(&writer->pax, PAX_MAX);
}

void tar_writer_done(struct tar_writer *writer)
{
	buf_done(&writer->pax);
}

static int put(struct tar_writer *writer, const void *data, size_t len, struct err *err)
{
	if (len > TAR_WRITE_BYTES_MAX - writer->bytes)
		return err_set(err, -EFBIG, "tar: over %llu GiB with its holes filled",
			       (unsigned long long)(TAR_WRITE_BYTES_MAX >> 30));
	writer->bytes += len;
	sha256_add(&writer->hash, data, len);
	return writer->sink ? writer->sink(writer->owner, data, len, err) : 0;
}

static int put_zeros(struct tar_writer *writer, uint64_t len, struct err *err)
{
	static const char zeros[64 << 10];
	int r = 0;

	for (; r >= 0 && len > 0; len -= len < sizeof(zeros) ? len : sizeof(zeros))
		r = put(writer, zeros, len < sizeof(zeros) ? (size_t)len : sizeof(zeros), err);
	return r;
}

static uint64_t padding(uint64_t size)
{
	return (BLOCK - size % BLOCK) % BLOCK;
}

/* ---- headers ---- */

static void put_octal(char *field, size_t width, uint64_t value)
{
	field[width - 1] = 0;
	for (size_t i = width - 1; i-- > 0; value >>= 3)
		field[i] = (char)('0' + (value & 7));
}

static void put_text(char *field, size_t width, struct str text)
{
	memcpy(field, text.ptr, text.len < width ? text.len : width);
}

/* One pax record; its length counts its own digits. */
static void add_pax(struct tar_writer *writer, struct str key, struct str value)
{
	size_t rest = key.len + value.len + 3, len = rest + 1;
	char digits[24];

	while (len != rest + (size_t)snprintf(digits, sizeof(digits), "%zu", len))
		len = rest + strlen(digits);
	(void)buf_printf(&writer->pax, "%zu ", len);
	(void)buf_add_str(&writer->pax, key);
	(void)buf_add_byte(&writer->pax, '=');
	(void)buf_add_str(&writer->pax, value);
	(void)buf_add_byte(&writer->pax, '\n');
}

static void add_pax_number(struct tar_writer *writer, const char *key, int64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	add_pax(writer, str_from(key), str_from(text));
}

static int put_header(struct tar_writer *writer, char block[BLOCK], struct err *err)
{
	unsigned sum = 0;

	memcpy(block + AT_MAGIC, "ustar\00000", 8);
	memset(block + AT_SUM, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)block[i];
	put_octal(block + AT_SUM, 7, sum);
	return put(writer, block, BLOCK, err);
}

/* What the fields cannot hold goes in front. */
static int put_pax(struct tar_writer *writer, struct err *err)
{
	char block[BLOCK] = { 0 };
	struct str body = buf_str(&writer->pax);
	int r = buf_error(&writer->pax);

	if (r < 0)
		return err_set(err, r, "tar: an entry's attributes are over %d bytes", PAX_MAX);
	if (body.len == 0)
		return 0;
	put_text(block + AT_NAME, NAME_FIELD, STR("././@PaxHeader"));
	put_octal(block + AT_MODE, 8, 0644);
	put_octal(block + AT_UID, 8, 0);
	put_octal(block + AT_GID, 8, 0);
	put_octal(block + AT_SIZE, 12, body.len);
	put_octal(block + AT_MTIME, 12, 0);
	block[AT_TYPE] = 'x';
	r = put_header(writer, block, err);
	if (r >= 0)
		r = put(writer, body.ptr, body.len, err);
	return r < 0 ? r : put_zeros(writer, padding(body.len), err);
}

static void put_name(struct tar_writer *writer, char *field, const char *key, struct str text)
{
	put_text(field, NAME_FIELD, text);
	if (text.len > NAME_FIELD)
		add_pax(writer, str_from(key), text);
}

static void put_number(struct tar_writer *writer, char *field, size_t width, const char *key,
		       int64_t value, uint64_t max)
{
	bool fits = value >= 0 && (uint64_t)value <= max;

	put_octal(field, width, fits ? (uint64_t)value : 0);
	if (!fits)
		add_pax_number(writer, key, value);
}

static char type_flag(enum entry_type type)
{
	switch (type) {
	case ENTRY_HARDLINK:
		return '1';
	case ENTRY_SYMLINK:
		return '2';
	case ENTRY_CHAR:
		return '3';
	case ENTRY_BLOCK:
		return '4';
	case ENTRY_DIR:
		return '5';
	case ENTRY_FIFO:
		return '6';
	case ENTRY_FILE:
	case ENTRY_WHITEOUT:
	case ENTRY_OPAQUE:
	case ENTRY_DATA:
	case ENTRY_END:
		break;
	}
	return '0';
}

static int put_entry(struct tar_writer *writer, const struct entry *entry, struct str name,
		     struct err *err)
{
	char block[BLOCK] = { 0 }, key[ENTRY_XATTR_NAME_MAX + 16], target[ENTRY_PATH_MAX + 8];
	bool link = entry->type == ENTRY_HARDLINK || entry->type == ENTRY_SYMLINK;
	int r, n;

	buf_clear(&writer->pax);
	put_name(writer, block + AT_NAME, "path", name);
	if (entry->type == ENTRY_HARDLINK && *writer->front) {
		n = snprintf(target, sizeof(target), "%s%.*s", writer->front,
			     STR_ARG(entry->target));
		put_name(writer, block + AT_LINK, "linkpath", str_make(target, (size_t)n));
	} else if (link) {
		put_name(writer, block + AT_LINK, "linkpath", entry->target);
	}
	put_octal(block + AT_MODE, 8, entry->mode & 07777);
	put_number(writer, block + AT_UID, 8, "uid", entry->uid, OCTAL7);
	put_number(writer, block + AT_GID, 8, "gid", entry->gid, OCTAL7);
	if (entry->size > INT64_MAX)
		return err_set(err, -EFBIG, "tar: a file of %llu bytes",
			       (unsigned long long)entry->size);
	put_number(writer, block + AT_SIZE, 12, "size", (int64_t)entry->size, OCTAL11);
	put_number(writer, block + AT_MTIME, 12, "mtime", entry->mtime_s, OCTAL11);
	put_octal(block + AT_MAJOR, 8, entry->rdev_major);
	put_octal(block + AT_MINOR, 8, entry->rdev_minor);
	block[AT_TYPE] = type_flag(entry->type);
	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		n = snprintf(key, sizeof(key), "SCHILY.xattr.%.*s", STR_ARG(entry->xattrs[i].name));
		add_pax(writer, str_make(key, (size_t)n), entry->xattrs[i].value);
	}
	r = put_pax(writer, err);
	return r < 0 ? r : put_header(writer, block, err);
}

/* ---- records ---- */

static int end_file(struct tar_writer *writer, struct err *err)
{
	uint64_t size = writer->file_size;
	int r = put_zeros(writer, size - writer->file_at, err);

	writer->file_size = writer->file_at = 0;
	return r < 0 ? r : put_zeros(writer, padding(size), err);
}

static int write_data(struct tar_writer *writer, const struct entry *entry, struct err *err)
{
	int r;

	if (entry->offset < writer->file_at || entry->offset > writer->file_size ||
	    entry->data.len > writer->file_size - entry->offset)
		return err_set(err, -EBADMSG, "tar: file data out of order");
	r = put_zeros(writer, entry->offset - writer->file_at, err);
	if (r >= 0)
		r = put(writer, entry->data.ptr, entry->data.len, err);
	writer->file_at = entry->offset + entry->data.len;
	return r;
}

/* "DIR/.wh.NAME"; an opaque directory's mark stands in it. */
static int write_mark(struct tar_writer *writer, const struct entry *entry, struct err *err)
{
	const struct entry file = { .type = ENTRY_FILE };
	char name[ENTRY_PATH_MAX + 32];
	struct str dir = entry->path, last = entry->path;
	size_t cut = 0;
	int n;

	for (size_t i = 0; i < entry->path.len; i++)
		cut = entry->path.ptr[i] == '/' ? i + 1 : cut;
	dir.len = cut;
	last = str_skip(entry->path, cut);
	if (entry->type == ENTRY_OPAQUE)
		n = snprintf(name, sizeof(name), "%.*s/.wh..wh..opq", STR_ARG(entry->path));
	else
		n = snprintf(name, sizeof(name), "%.*s.wh.%.*s", STR_ARG(dir), STR_ARG(last));
	return put_entry(writer, &file, str_make(name, (size_t)n), err);
}

static bool is_hidden(struct str path)
{
	size_t cut = 0;

	for (size_t i = 0; i < path.len; i++)
		cut = path.ptr[i] == '/' ? i + 1 : cut;
	return str_starts(str_skip(path, cut), STR(".wh."));
}

int tar_write_entry(struct tar_writer *writer, const struct entry *entry, struct err *err)
{
	char name[ENTRY_PATH_MAX + 8];
	int r, n;

	if (entry->type == ENTRY_DATA)
		return write_data(writer, entry, err);
	r = end_file(writer, err);
	if (r < 0 || entry->type == ENTRY_END)
		return r;
	if (entry->type == ENTRY_WHITEOUT || entry->type == ENTRY_OPAQUE)
		return write_mark(writer, entry, err);
	writer->names_hidden |= is_hidden(entry->path);
	if (entry->path.len == 0)
		return put_entry(writer, entry,
				 *writer->front ? str_from(writer->front) : STR("./"), err);
	n = snprintf(name, sizeof(name), "%s%.*s%s", writer->front, STR_ARG(entry->path),
		     entry->type == ENTRY_DIR ? "/" : "");
	r = put_entry(writer, entry, str_make(name, (size_t)n), err);
	if (entry->type == ENTRY_FILE)
		writer->file_size = entry->size;
	return r;
}

int tar_write_end(struct tar_writer *writer, struct digest *ret_digest, struct err *err)
{
	int r = end_file(writer, err);

	if (r >= 0)
		r = put_zeros(writer, 2 * BLOCK, err);
	sha256_end(&writer->hash, ret_digest);
	return r;
}

/* ---- files of an archive ---- */

int tar_write_file(struct tar_writer *writer, const char *name, uint64_t size, struct err *err)
{
	const struct entry file = {
		.type = ENTRY_FILE, .path = str_from(name), .mode = 0644, .size = size
	};

	return tar_write_entry(writer, &file, err);
}

int tar_write_data(struct tar_writer *writer, const void *data, size_t len, struct err *err)
{
	const struct entry piece = { .type = ENTRY_DATA,
				     .offset = writer->file_at,
				     .data = str_make(data, len) };

	return write_data(writer, &piece, err);
}
