/* SPDX-License-Identifier: Apache-2.0 */
/* Entry records: what pack may rely on. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include "engine/api/entry.h"
#include "tests/unit/tap.h"

static void path_is(const char *path, bool good)
{
	is_int(entry_check_path(str_from(path), false, NULL), good ? 0 : -EBADMSG, "path '%s'",
	       path);
}

static void test_paths(void)
{
	char longest[ENTRY_NAME_MAX + 2];

	path_is("a", true);
	path_is("a/b.c/...", true);
	path_is("", false);
	path_is("/a", false);
	path_is("a/", false);
	path_is("a//b", false);
	path_is("..", false);
	path_is("a/../b", false);
	path_is("./a", false);
	memset(longest, 'x', sizeof(longest));
	longest[ENTRY_NAME_MAX + 1] = 0;
	path_is(longest, false);
	longest[ENTRY_NAME_MAX] = 0;
	path_is(longest, true);
	is_int(entry_check_path(STR("a\0b"), false, NULL), -EBADMSG, "a NUL");
	is_int(entry_check_path(STR(""), true, NULL), 0, "the root where it may stand");
}

/* One record behind an optional FILE record: what the parser says to it. */
static void record_is(const struct entry *entry, uint64_t file, int want, const char *what)
{
	struct entry_state state = { 0 };
	struct entry head = { .type = ENTRY_FILE, .path = STR("f"), .size = file }, got;
	struct err err = { 0 };
	struct buf out;
	int64_t r;

	buf_init(&out, 1 << 20);
	if (file) {
		entry_encode(&head, &out);
		(void)entry_parse(&state, buf_str(&out), &got, NULL);
		buf_clear(&out);
	}
	entry_encode(entry, &out);
	r = entry_parse(&state, buf_str(&out), &got, &err);
	if (!is_int(r < 0 ? (int)r : 0, want, "%s", what))
		note("%s", err_text(&err));
	ok(r < 0 || r == (int64_t)out.len, "%s: all of it", what);
	buf_done(&out);
}

#define REFUSED(what, ...) record_is(&(struct entry){ __VA_ARGS__ }, 0, -EBADMSG, what)
#define TAKEN(what, ...)   record_is(&(struct entry){ __VA_ARGS__ }, 0, 0, what)

static void test_nodes(void)
{
	TAKEN("a file", .type = ENTRY_FILE, .path = STR("a"), .mode = 04755, .size = 3);
	TAKEN("the root", .type = ENTRY_DIR, .mode = 0755);
	TAKEN("a symlink to anywhere", .type = ENTRY_SYMLINK, .path = STR("a"),
	      .target = STR("../../x"));
	TAKEN("a whiteout", .type = ENTRY_WHITEOUT, .path = STR("a/b"));
	TAKEN("an opaque root", .type = ENTRY_OPAQUE);
	TAKEN("a device", .type = ENTRY_CHAR, .path = STR("a"), .rdev_major = 1, .rdev_minor = 3);
	TAKEN("a block device 0:0", .type = ENTRY_BLOCK, .path = STR("a"));
	REFUSED("a file at the root", .type = ENTRY_FILE);
	REFUSED("a whiteout of the root", .type = ENTRY_WHITEOUT);
	REFUSED("a path upwards", .type = ENTRY_DIR, .path = STR("../a"));
	REFUSED("a whiteout upwards", .type = ENTRY_WHITEOUT, .path = STR("a/.."));
	REFUSED("a hard link upwards", .type = ENTRY_HARDLINK, .path = STR("a"),
		.target = STR("../b"));
	REFUSED("a hard link to an absolute path", .type = ENTRY_HARDLINK, .path = STR("a"),
		.target = STR("/b"));
	REFUSED("a hard link to itself", .type = ENTRY_HARDLINK, .path = STR("a"),
		.target = STR("a"));
	REFUSED("a symlink to nothing", .type = ENTRY_SYMLINK, .path = STR("a"));
	REFUSED("a file with a target", .type = ENTRY_FILE, .path = STR("a"), .target = STR("b"));
	REFUSED("overlayfs's whiteout", .type = ENTRY_CHAR, .path = STR("a"));
	REFUSED("a directory with a size", .type = ENTRY_DIR, .path = STR("a"), .size = 1);
	REFUSED("a size of 2^63", .type = ENTRY_FILE, .path = STR("a"), .size = UINT64_C(1) << 63);
	REFUSED("a mode with a file type", .type = ENTRY_FILE, .path = STR("a"), .mode = 0100644);
	REFUSED("owner -1", .type = ENTRY_FILE, .path = STR("a"), .uid = UINT32_MAX);
	REFUSED("a second of a thousand million ns", .type = ENTRY_FILE, .path = STR("a"),
		.mtime_ns = 1000000000);
	REFUSED("an overlayfs xattr", .type = ENTRY_DIR, .path = STR("a"), .xattr_count = 1,
		.xattrs = { { STR("user.overlay.opaque"), STR("y") } });
	REFUSED("a trusted xattr", .type = ENTRY_DIR, .path = STR("a"), .xattr_count = 1,
		.xattrs = { { STR("trusted.overlay.redirect"), STR("/") } });
	REFUSED("an xattr twice", .type = ENTRY_DIR, .path = STR("a"), .xattr_count = 2,
		.xattrs = { { STR("user.a"), STR("y") }, { STR("user.a"), STR("z") } });
	REFUSED("data without a file", .type = ENTRY_DATA, .data = STR("x"));
	REFUSED("an end with wrong sums", .type = ENTRY_END, .entries = 1);
	REFUSED("an unknown type", .type = (enum entry_type)99);
}

static void test_data(void)
{
	struct entry data = { .type = ENTRY_DATA, .data = STR("xyz") };

	record_is(&data, 3, 0, "data of a file");
	record_is(&data, 2, -EBADMSG, "data longer than its file");
	data.offset = 1;
	record_is(&data, 4, 0, "data behind a hole");
	record_is(&data, 3, -EBADMSG, "data over the end");
	data.offset = UINT64_MAX;
	record_is(&data, 3, -EBADMSG, "data at 2^64-1");
	data.offset = 0;
	data.data.len = 0;
	record_is(&data, 3, -EBADMSG, "data of no bytes");
}

/* Writes a stream into a pipe and reads it back. */
static void test_stream(void)
{
	static char big[200000];
	struct entry file = { .type = ENTRY_FILE, .path = STR("dir/f"), .size = sizeof(big) };
	struct entry data = { .type = ENTRY_DATA, .data = str_make(big, sizeof(big)) }, got;
	struct entry_writer writer;
	struct entry_reader reader;
	uint64_t sum = 0;
	int fd = memfd_create("records", 0), r;

	entry_writer_init(&writer, fd);
	ok(entry_write(&writer, &file, NULL) == 0 && entry_write(&writer, &data, NULL) == 0 &&
		   entry_write_end(&writer, NULL) == 0,
	   "written");
	entry_writer_done(&writer);
	lseek(fd, 0, SEEK_SET);
	entry_reader_init(&reader, fd);
	is_int(entry_read(&reader, &got, NULL), 1, "the file's record");
	ok(str_is(got.path, "dir/f") && got.size == sizeof(big), "as it was written");
	while ((r = entry_read(&reader, &got, NULL)) == 1 && got.offset == sum)
		sum += got.data.len;
	is_int(r, 0, "the end");
	is_int((long long)sum, sizeof(big), "all data, cut into records");
	entry_reader_done(&reader);

	is_int(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1), 0, "one byte cut off");
	lseek(fd, 0, SEEK_SET);
	entry_reader_init(&reader, fd);
	do
		r = entry_read(&reader, &got, NULL);
	while (r == 1);
	is_int(r, -EBADMSG, "is told from a whole stream");
	entry_reader_done(&reader);
	close(fd);
}

static void test_behind_end(void)
{
	struct entry end = { .type = ENTRY_END }, got;
	struct entry_state state = { 0 };
	struct buf out;

	buf_init(&out, 4096);
	entry_encode(&end, &out);
	ok(entry_parse(&state, buf_str(&out), &got, NULL) > 0, "an empty stream");
	is_int((int)entry_parse(&state, buf_str(&out), &got, NULL), -EBADMSG,
	       "nothing comes behind");
	buf_done(&out);
}

int main(void)
{
	test_paths();
	test_nodes();
	test_data();
	test_stream();
	test_behind_end();
	return tap_done();
}
