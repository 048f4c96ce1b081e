/* SPDX-License-Identifier: Apache-2.0 */
/* Records as a tar, and what the unpack role makes of that tar: the same records again. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "engine/tar/unpack.h"
#include "engine/tar/write.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

enum { TAR_MAX = 1 << 20 };

static int keep(void *owner, const void *data, size_t len, struct err *err)
{
	int r = buf_add(owner, data, len);

	return r < 0 ? err_set(err, r, "full") : 0;
}

static ssize_t source(void *owner, void *dst, size_t cap, struct err *err)
{
	struct str *rest = owner;
	size_t n = rest->len < cap ? rest->len : cap;

	(void)err;
	memcpy(dst, rest->ptr, n);
	*rest = str_skip(*rest, n);
	return (ssize_t)n;
}

static char long_name[400], long_target[300];

static uint32_t make_entries(struct entry *e)
{
	uint32_t n = 0;

	memset(long_name, 'n', 200);
	memset(long_name + 200, '/', 1);
	memset(long_name + 201, 'm', 150);
	memset(long_target, 't', sizeof(long_target) - 1);
	e[n++] = (struct entry){ .type = ENTRY_DIR, .path = STR(""), .mode = 0755, .mtime_s = 5 };
	e[n++] = (struct entry){ .type = ENTRY_DIR,
				 .path = STR("etc"),
				 .mode = 01777,
				 .uid = 3000000,
				 .gid = 4294967294U,
				 .mtime_s = -7 };
	e[n++] = (struct entry){ .type = ENTRY_OPAQUE, .path = STR("etc") };
	e[n] = (struct entry){ .type = ENTRY_FILE,
			       .path = STR("etc/su"),
			       .mode = 04755,
			       .mtime_s = 1700000000,
			       .size = 2000,
			       .xattr_count = 1 };
	e[n++].xattrs[0] = (struct entry_xattr){ STR("user.note"), STR("a\nb=c\0d") };
	e[n++] = (struct entry){ .type = ENTRY_DATA, .offset = 700, .data = STR("in a hole") };
	e[n++] = (struct entry){ .type = ENTRY_HARDLINK,
				 .path = STR("etc/su2"),
				 .target = STR("etc/su") };
	e[n++] = (struct entry){ .type = ENTRY_SYMLINK,
				 .path = STR("etc/link"),
				 .target = str_from(long_target),
				 .mode = 0777 };
	e[n++] = (struct entry){ .type = ENTRY_WHITEOUT, .path = STR("etc/gone") };
	e[n++] = (struct entry){ .type = ENTRY_WHITEOUT, .path = STR("gone") };
	e[n++] = (struct entry){ .type = ENTRY_CHAR,
				 .path = STR("null"),
				 .mode = 0666,
				 .rdev_major = 1,
				 .rdev_minor = 3 };
	e[n++] = (struct entry){ .type = ENTRY_FIFO, .path = STR("fifo"), .mode = 0600 };
	e[n++] = (struct entry){
		.type = ENTRY_FILE, .path = str_from(long_name), .mode = 0644, .size = 512
	};
	e[n++] = (struct entry){ .type = ENTRY_FILE, .path = STR("empty"), .mode = 0400 };
	return n;
}

static void write_all(struct tar_writer *tar, const struct entry *entries, uint32_t count,
		      struct buf *out, struct digest *ret_digest)
{
	struct err err = { 0 };
	int r = 0;

	buf_init(out, TAR_MAX);
	tar_writer_init(tar, keep, out);
	for (uint32_t i = 0; r >= 0 && i < count; i++)
		r = tar_write_entry(tar, &entries[i], &err);
	is_int(r, 0, "%u records are written: %s", count, err.text);
	is_int(tar_write_end(tar, ret_digest, &err), 0, "and the end");
}

static bool same(const struct entry *a, const struct entry *b)
{
	bool equal = a->type == b->type && str_eq(a->path, b->path) && str_eq(a->target, b->target);

	if (a->type == ENTRY_WHITEOUT || a->type == ENTRY_OPAQUE || a->type == ENTRY_HARDLINK)
		return equal;
	equal = equal && a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
		a->mtime_s == b->mtime_s && a->size == b->size && a->rdev_major == b->rdev_major &&
		a->rdev_minor == b->rdev_minor && a->xattr_count == b->xattr_count;
	for (uint32_t i = 0; equal && i < a->xattr_count; i++)
		equal = str_eq(a->xattrs[i].name, b->xattrs[i].name) &&
			str_eq(a->xattrs[i].value, b->xattrs[i].value);
	return equal;
}

/* What unpack wrote into fd, beside what went in; data is looked at by its own. */
static void compare(int fd, const struct entry *entries, uint32_t count)
{
	static struct entry entry;
	struct entry_reader reader;
	uint32_t at = 0;
	char file[2000] = { 0 };
	struct err err = { 0 };
	int r;

	entry_reader_init(&reader, fd);
	while ((r = entry_read(&reader, &entry, &err)) == 1) {
		if (entry.type == ENTRY_DATA) {
			if (at == 4)
				memcpy(file + entry.offset, entry.data.ptr, entry.data.len);
			continue;
		}
		while (at < count && entries[at].type == ENTRY_DATA)
			at++;
		if (!ok(at < count && same(&entry, &entries[at]), "record %u comes back: %.*s", at,
			(int)(entry.path.len < 60 ? entry.path.len : 60), entry.path.ptr))
			break;
		at++;
	}
	is_int(r, 0, "the records end well: %s", err.text);
	is_int(at, count, "none is missing");
	ok(memcmp(file + 700, "in a hole", 9) == 0 && file[699] == 0, "data stands where it stood");
	entry_reader_done(&reader);
}

static void test_round(void)
{
	static struct entry entries[16];
	uint32_t count = make_entries(entries);
	const struct unpack_start start = { .flags = UNPACK_FLAG_LAYER };
	struct buf out OWN(buf_done) = { 0 };
	struct tar_writer tar OWN(tar_writer_done) = { 0 };
	struct unpack_result result;
	struct entry_writer writer;
	struct digest digest;
	struct err err = { 0 };
	struct str rest;
	int fds[2];

	write_all(&tar, entries, count, &out, &digest);
	is_int((long long)tar.bytes, (long long)out.len, "the size that is said");
	is_int((long long)(out.len % 512), 0, "whole blocks");
	ok(!tar.names_hidden, "no name means something else");
	if (pipe(fds) < 0 || fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) < 0) {
		ok(false, "a pipe");
		return;
	}
	rest = buf_str(&out);
	entry_writer_init(&writer, fds[1]);
	is_int(tar_unpack(source, &rest, &start, 23, &writer, &result, &err), 0,
	       "the unpack role takes it: %s", err.text);
	entry_writer_done(&writer);
	close(fds[1]);
	ok(memcmp(&result.diff, &digest, sizeof(digest)) == 0, "its digest is the diffID");
	compare(fds[0], entries, count);
	close(fds[0]);
}

static void test_same_bytes(void)
{
	static struct entry entries[16];
	uint32_t count = make_entries(entries);
	struct buf one OWN(buf_done) = { 0 }, two OWN(buf_done) = { 0 };
	struct tar_writer a OWN(tar_writer_done) = { 0 }, b OWN(tar_writer_done) = { 0 };
	struct digest first, second;

	write_all(&a, entries, count, &one, &first);
	entries[1].mtime_ns = 999; /* parts of a second are left out */
	write_all(&b, entries, count, &two, &second);
	ok(str_eq(buf_str(&one), buf_str(&two)), "the same records give the same bytes");
	ok(memcmp(&first, &second, sizeof(first)) == 0, "and digest");
}

static void test_refused(void)
{
	const struct entry hidden = { .type = ENTRY_FILE, .path = STR("a/.wh.b") };
	const struct entry huge = { .type = ENTRY_FILE,
				    .path = STR("x"),
				    .size = UINT64_C(1) << 40 };
	const struct entry end = { .type = ENTRY_END };
	struct tar_writer tar OWN(tar_writer_done) = { 0 };
	struct err err = { 0 };

	tar_writer_init(&tar, NULL, NULL);
	is_int(tar_write_entry(&tar, &hidden, &err), 0, "a name that looks like a whiteout");
	ok(tar.names_hidden, "is told");
	tar.bytes = TAR_WRITE_BYTES_MAX - 4096;
	is_int(tar_write_entry(&tar, &huge, &err), 0, "a hole of 1 TiB is a header");
	is_int(tar_write_entry(&tar, &end, &err), -EFBIG, "and too big: %s", err.text);
}

int main(void)
{
	test_round();
	test_same_bytes();
	test_refused();
	return tap_done();
}
