/* SPDX-License-Identifier: Apache-2.0 */
/* Layers: names, whiteouts, what is refused, limits; tars are made here byte by byte. */
#include <errno.h>
#include <sys/mman.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include "engine/tar/name.h"
#include "engine/tar/unpack.h"
#include "lib/sha256.h"
#include "tests/unit/tap.h"

enum { TAR_MAX = 64 << 20, LISTING_MAX = 1 << 16 };

static struct buf tar;

struct head {
	const char *name, *link;
	char type;
	unsigned mode, major_number, minor_number;
	size_t size;
	const char *uid; /* octal text, NULL = 0 */
};

/* POSIX ustar: 512 bytes, the checksum over all of them with itself as spaces. */
static void put_head(const struct head *h)
{
	char block[512] = { 0 };
	unsigned sum = 0;

	snprintf(block, 100, "%s", h->name);
	snprintf(block + 100, 8, "%07o", (h->mode ? h->mode : 0644) & 07777);
	snprintf(block + 108, 8, "%s", h->uid ? h->uid : "0000000");
	snprintf(block + 116, 8, "%07o", 0);
	snprintf(block + 124, 12, "%011zo", h->size & 0xffffffff);
	snprintf(block + 136, 12, "%011o", 7);
	memset(block + 148, ' ', 8);
	block[156] = h->type;
	if (h->link)
		snprintf(block + 157, 100, "%s", h->link);
	memcpy(block + 257,
	       "ustar\0"
	       "00",
	       8);
	snprintf(block + 329, 8, "%07o", h->major_number & 0xfff);
	snprintf(block + 337, 8, "%07o", h->minor_number & 0xfff);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum & 0777777);
	buf_add(&tar, block, sizeof(block));
}

static void put_data(const void *data, size_t size)
{
	static const char zeros[512];

	buf_add(&tar, data, size);
	if (size % 512)
		buf_add(&tar, zeros, 512 - size % 512);
}

static void put_end(void)
{
	static const char zeros[1024];

	buf_add(&tar, zeros, sizeof(zeros));
}

static void put_pax(const char *key, struct str value)
{
	char line[600];
	size_t len = strlen(key) + value.len + 3, digits = len + 2 < 100 ? 2 : 3;
	int n;

	if (len + 1 < 10)
		digits = 1;
	n = snprintf(line, sizeof(line), "%zu %s=", len + digits, key);
	memcpy(line + n, value.ptr, value.len);
	line[(size_t)n + value.len] = '\n';
	put_head(&(struct head){ .name = "pax", .type = 'x', .size = (size_t)n + value.len + 1 });
	put_data(line, (size_t)n + value.len + 1);
}

struct memory {
	const char *data;
	size_t len, at, step;
};

static ssize_t read_memory(void *owner, void *dst, size_t cap, struct err *err)
{
	struct memory *m = owner;
	size_t n = m->len - m->at < cap ? m->len - m->at : cap;

	(void)err;
	if (m->step && n > m->step)
		n = m->step;
	memcpy(dst, m->data + m->at, n);
	m->at += n;
	return (ssize_t)n;
}

static const char *kinds[] = { "?",	"file", "dir",	"link",	  "hard", "char",
			       "block", "fifo", "gone", "opaque", "data", "end" };

/* The records as text: "file a 3; data 3; dir b; ". */
static void list(int fd, char text[LISTING_MAX])
{
	struct entry_reader reader;
	struct entry e;
	size_t len = 0;
	int r;

	text[0] = 0;
	lseek(fd, 0, SEEK_SET);
	entry_reader_init(&reader, fd);
	while ((r = entry_read(&reader, &e, NULL)) == 1 && len < LISTING_MAX - 600) {
		len += (size_t)snprintf(text + len, LISTING_MAX - len, "%s", kinds[e.type]);
		if (e.type == ENTRY_DATA)
			len += (size_t)snprintf(text + len, LISTING_MAX - len, " %zu", e.data.len);
		else
			len += (size_t)snprintf(text + len, LISTING_MAX - len, " %.*s%s%.*s",
						STR_ARG(e.path), e.target.len ? ">" : "",
						STR_ARG(e.target));
		for (uint32_t i = 0; i < e.xattr_count; i++)
			len += (size_t)snprintf(text + len, LISTING_MAX - len, " %.*s",
						STR_ARG(e.xattrs[i].name));
		len += (size_t)snprintf(text + len, LISTING_MAX - len, "; ");
	}
	if (r != 0)
		snprintf(text + len, LISTING_MAX - len, "(no end)");
	entry_reader_done(&reader);
}

static int unpack(struct str bytes, size_t step, const struct unpack_start *start,
		  struct unpack_result *result, char listing[LISTING_MAX], struct err *err)
{
	struct memory memory = { .data = bytes.ptr, .len = bytes.len, .step = step };
	struct entry_writer writer;
	int fd = memfd_create("records", 0), r;

	entry_writer_init(&writer, fd);
	r = tar_unpack(read_memory, &memory, start, 0, &writer, result, err);
	entry_writer_done(&writer);
	list(fd, listing);
	close(fd);
	return r;
}

static const struct unpack_start layer = { .flags = UNPACK_FLAG_LAYER };

/* Ends the tar, unpacks it, compares the records; begins a new one. */
static void gives(const char *want, const char *what)
{
	static char listing[LISTING_MAX];
	struct unpack_result result;
	struct err err = { 0 };
	int r;

	put_end();
	r = unpack(buf_str(&tar), 0, &layer, &result, listing, &err);
	if (r < 0)
		snprintf(listing, sizeof(listing), "error: %s", err.text);
	is_text(listing, want, "%s", what);
	buf_clear(&tar);
}

static void refused(const char *what)
{
	static char listing[LISTING_MAX];
	struct unpack_result result;
	struct err err = { 0 };
	int r;

	put_end();
	r = unpack(buf_str(&tar), 0, &layer, &result, listing, &err);
	ok(r < 0 && err.text[0], "refused: %s (%s)", what, err_text(&err));
	ok(strstr(listing, "(no end)") != NULL, "%s: the records have no end", what);
	buf_clear(&tar);
}

#define PUT(...) put_head(&(struct head){ __VA_ARGS__ })

static void test_names(void)
{
	PUT(.name = "./", .type = '5', .mode = 0755);
	PUT(.name = "./a/", .type = '5', .mode = 0755);
	PUT(.name = "/a//./b", .type = '0', .size = 3);
	put_data("xyz", 3);
	PUT(.name = "l", .link = "../../etc/passwd", .type = '2');
	PUT(.name = "h", .link = "/a/b", .type = '1');
	PUT(.name = "c", .type = '3', .major_number = 1, .minor_number = 3);
	PUT(.name = "p", .type = '6');
	gives("dir ; dir a; file a/b; data 3; link l>../../etc/passwd; hard h>a/b; char c; fifo "
	      "p; ",
	      "names are brought below the root, symlinks stay as they are");
	put_pax("path", STR("na\xc3\xafve e\xcc\x81"));
	PUT(.name = "x", .type = '0');
	gives("file na\xc3\xafve e\xcc\x81; ", "a UTF-8 name keeps its bytes, decomposed ones too");
	put_pax("path", STR("\xff\xfe"));
	PUT(.name = "x", .type = '0');
	gives("file \xff\xfe; ", "and so does one that is no UTF-8");
	put_pax("linkpath", STR("\xc3\xbc"));
	PUT(.name = "x", .link = "y", .type = '2');
	gives("link x>\xc3\xbc; ", "and a link's target");
}

static void test_bad_names(void)
{
	PUT(.name = "../a", .type = '0');
	refused("a name upwards");
	PUT(.name = "a/../../b", .type = '0');
	refused("a name upwards inside");
	PUT(.name = "..", .type = '5');
	refused("the parent");
	PUT(.name = "a", .link = "../b", .type = '1');
	refused("a hard link upwards");
	PUT(.name = "/", .link = "x", .type = '2');
	refused("the root as a symlink");
	PUT(.name = ".", .type = '0');
	refused("the root as a file");
	PUT(.name = "a", .type = '3');
	refused("character device 0:0");
	PUT(.name = "a", .link = "", .type = '2');
	refused("a symlink to nothing");
	put_pax("uid", STR("4294967295"));
	PUT(.name = "a", .type = '0');
	refused("owner -1");
	put_pax("uid", STR("4294967294"));
	PUT(.name = "a", .type = '0');
	gives("file a; ", "the highest owner");
}

static void test_whiteouts(void)
{
	PUT(.name = "a/.wh.b", .type = '0');
	PUT(.name = "a/.wh..wh..opq", .type = '0');
	PUT(.name = ".wh.c", .type = '0');
	PUT(.name = ".wh..wh..opq", .type = '0');
	PUT(.name = "a/b", .type = '0');
	gives("gone a/b; opaque a; gone c; opaque ; file a/b; ",
	      "whiteouts and opaque directories");
	PUT(.name = ".wh..wh.aufs", .type = '0');
	PUT(.name = ".wh..wh.plnk/1.2", .type = '0');
	PUT(.name = "x.wh.y", .type = '0');
	gives("file x.wh.y; ", "aufs's bookkeeping is passed over");
	PUT(.name = ".wh.", .type = '0');
	refused("a whiteout of nothing");
	PUT(.name = "a/.wh..", .type = '0');
	refused("a whiteout of '.'");
	PUT(.name = "a/.wh...", .type = '0');
	refused("a whiteout of '..'");
	PUT(.name = ".wh.a/b", .type = '0');
	refused("a whiteout in the middle");
	PUT(.name = ".wh.a", .type = '5');
	refused("a whiteout that is a directory");
	PUT(.name = "a/.wh..wh.x", .type = '0');
	refused("an unknown kind of whiteout");
	PUT(.name = "a", .link = ".wh.b", .type = '1');
	refused("a hard link to a whiteout");
}

static void test_xattrs(void)
{
	put_pax("SCHILY.xattr.user.x", STR("1"));
	PUT(.name = "a", .type = '0');
	gives("file a user.x; ", "user xattrs are kept");
	put_pax("SCHILY.xattr.trusted.overlay.opaque", STR("y"));
	PUT(.name = "a", .type = '5');
	gives("dir a; ", "overlayfs's own are dropped");
	put_pax("SCHILY.xattr.user.overlay.redirect", STR("/etc"));
	PUT(.name = "a", .type = '5');
	gives("dir a; ", "in both name spaces");
	put_pax("SCHILY.xattr.security.capability", STR("x"));
	PUT(.name = "a", .type = '0');
	gives("file a security.capability; ", "file capabilities are kept");
	put_pax("SCHILY.xattr.security.selinux", STR("x"));
	PUT(.name = "a", .type = '0');
	gives("file a; ", "labels of another host are not");
}

/* Cut between two entries, a tar is a shorter tar: only its end mark tells. */
static void test_whole(void)
{
	const struct unpack_start whole = { .flags = UNPACK_FLAG_WHOLE };
	const struct unpack_start empty = { .flags = UNPACK_FLAG_WHOLE | UNPACK_FLAG_EMPTY };
	static char listing[LISTING_MAX];
	static const char zeros[1024];
	struct unpack_result result;
	struct err err = { 0 };

	buf_clear(&tar);
	PUT(.name = "a", .type = '0', .size = sizeof(zeros));
	put_data(zeros, sizeof(zeros));
	is_int(unpack(buf_str(&tar), 0, &layer, &result, listing, &err), 0, "a layer has a digest");
	is_int(unpack(buf_str(&tar), 0, &whole, &result, listing, &err), -EBADMSG,
	       "cut behind a file of zeros");
	ok(strstr(err.text, "cut off"), "%s", err.text);
	is_int(unpack(buf_str(&tar), 0, &empty, &result, listing, &err), -EBADMSG,
	       "also where no byte at all would do");
	is_int(unpack(STR(""), 0, &whole, &result, listing, &err), -EBADMSG, "cut before all");
	is_int(unpack(STR(""), 0, &empty, &result, listing, &err), 0, "an archive of nothing");
	buf_add(&tar, zeros, 512);
	is_int(unpack(buf_str(&tar), 0, &whole, &result, listing, &err), 0,
	       "one block of its mark");
	put_end();
	is_int(unpack(buf_str(&tar), 0, &whole, &result, listing, &err), 0, "more than it needs");
	buf_clear(&tar);
}

static void test_damage(void)
{
	static char listing[LISTING_MAX];
	struct unpack_result result;
	struct err err = { 0 };

	PUT(.name = "a", .type = '0', .size = 2000);
	buf_add(&tar, "x", 1);
	is_int(unpack(buf_str(&tar), 0, &layer, &result, listing, &err), -EBADMSG, "data cut off");
	buf_clear(&tar);
	PUT(.name = "a", .type = '0');
	tar.data[0] = 'b';
	is_int(unpack(buf_str(&tar), 0, &layer, &result, listing, &err), -EBADMSG,
	       "a wrong checksum");
	buf_clear(&tar);
	is_int(unpack(STR(""), 0, &layer, &result, listing, &err), 0,
	       "no bytes are an empty layer");
	put_end();
	is_int(unpack(buf_str(&tar), 0, &layer, &result, listing, &err), 0,
	       "and so is an empty tar");
	buf_clear(&tar);
	put_pax("x", STR("y"));
	memcpy(tar.data + 512, "99", 2);
	PUT(.name = "a", .type = '0');
	refused("a malformed pax record");
}

static struct str gzipped(struct str in, struct buf *out)
{
	z_stream z = { 0 };
	union {
		const char *in;
		unsigned char *out;
	} input = { .in = in.ptr };

	buf_clear(out);
	deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
	buf_reserve(out, deflateBound(&z, in.len));
	z.next_in = input.out;
	z.avail_in = (uInt)in.len;
	z.next_out = (unsigned char *)out->data;
	z.avail_out = (uInt)deflateBound(&z, in.len);
	deflate(&z, Z_FINISH);
	out->len = z.total_out;
	deflateEnd(&z);
	return buf_str(out);
}

static struct str zstandard(struct str in, int window_log, struct buf *out)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();

	buf_clear(out);
	buf_reserve(out, ZSTD_compressBound(in.len));
	if (window_log)
		ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window_log);
	ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0);
	out->len = ZSTD_compress2(z, out->data, ZSTD_compressBound(in.len), in.ptr, in.len);
	ZSTD_freeCCtx(z);
	return buf_str(out);
}

static void sample(void)
{
	static char noise[100000];
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(noise); i++) {
		x = x * 1664525 + 1013904223;
		noise[i] = (char)(x >> 24);
	}
	PUT(.name = "a", .type = '0', .size = sizeof(noise));
	put_data(noise, sizeof(noise));
	put_end();
	buf_add_text(&tar, "behind the end");
}

static void test_compression(void)
{
	static char listing[LISTING_MAX];
	struct unpack_start start = layer;
	struct unpack_result plain, result;
	struct sha256 hash;
	struct digest whole;
	struct buf packed;
	struct err err = { 0 };
	struct str bytes;

	buf_init(&packed, TAR_MAX);
	sample();
	sha256_init(&hash);
	sha256_add(&hash, tar.data, tar.len);
	sha256_end(&hash, &whole);
	is_int(unpack(buf_str(&tar), 0, &layer, &plain, listing, &err), 0, "plain");
	ok(!memcmp(&plain.diff, &whole, sizeof(whole)), "the diffID is of the whole stream");
	bytes = gzipped(buf_str(&tar), &packed);
	for (size_t step = 0; step < 4; step++) {
		is_int(unpack(bytes, step, &layer, &result, listing, &err), 0,
		       "gzip in pieces of %zu", step);
		ok(!memcmp(&result.diff, &whole, sizeof(whole)), "the same diffID");
	}
	is_int(unpack(str_head(bytes, bytes.len - 5), 0, &layer, &result, listing, &err), -EBADMSG,
	       "gzip cut off");
	start.has_diff = true;
	is_int(unpack(bytes, 0, &start, &result, listing, &err), -EBADMSG, "another diffID");
	ok(strstr(listing, "(no end)") != NULL, "then the records have no end");
	start.diff = whole;
	is_int(unpack(bytes, 0, &start, &result, listing, &err), 0, "the right one");
	buf_add_text(&packed, "garbage");
	is_int(unpack(buf_str(&packed), 0, &layer, &result, listing, &err), -EBADMSG,
	       "bytes behind gzip");
	bytes = zstandard(buf_str(&tar), 0, &packed);
	for (size_t step = 0; step < 4; step++)
		is_int(unpack(bytes, step, &layer, &result, listing, &err), 0,
		       "zstd in pieces of %zu", step);
	ok(!memcmp(&result.diff, &whole, sizeof(whole)), "the same diffID");
	is_int(unpack(str_head(bytes, bytes.len - 5), 0, &layer, &result, listing, &err), -EBADMSG,
	       "zstd cut off");
	buf_done(&packed);
	buf_clear(&tar);
}

static void test_members(void)
{
	static char listing[LISTING_MAX];
	struct buf packed, both;
	struct unpack_result result;
	struct str bytes;

	buf_init(&packed, TAR_MAX);
	buf_init(&both, TAR_MAX);
	PUT(.name = "a", .type = '0');
	put_end();
	bytes = gzipped(str_head(buf_str(&tar), 700), &packed);
	buf_add_str(&both, bytes);
	bytes = gzipped(str_skip(buf_str(&tar), 700), &packed);
	buf_add_str(&both, bytes);
	is_int(unpack(buf_str(&both), 1, &layer, &result, listing, NULL), 0, "two gzip members");
	is_text(listing, "file a; ", "are one stream");
	buf_add(&both, "\0\0\0\0", 4);
	is_int(unpack(buf_str(&both), 1, &layer, &result, listing, NULL), 0, "zeros behind them");
	buf_done(&packed);
	buf_done(&both);
	buf_clear(&tar);
}

static void test_limits(void)
{
	static char listing[LISTING_MAX];
	struct unpack_start start = layer;
	struct unpack_result result;
	struct buf packed, zeros;
	struct err err = { 0 };
	struct str bytes;

	buf_init(&packed, TAR_MAX);
	buf_init(&zeros, TAR_MAX);
	start.entries_max = 2;
	for (int i = 0; i < 3; i++)
		PUT(.name = (const char *[]){ "a", "b", "c" }[i], .type = '0');
	put_end();
	is_int(unpack(buf_str(&tar), 0, &start, &result, listing, &err), -EFBIG, "entries");
	start.entries_max = 0;
	start.bytes_max = 1000;
	is_int(unpack(buf_str(&tar), 0, &start, &result, listing, &err), -EFBIG, "bytes");
	buf_clear(&tar);
	PUT(.name = "z", .type = '0', .size = 40 << 20);
	buf_reserve(&tar, 40 << 20);
	memset(tar.data + tar.len, 0, 40 << 20);
	tar.len += 40 << 20;
	put_end();
	bytes = gzipped(buf_str(&tar), &packed);
	is_int(unpack(bytes, 0, &layer, &result, listing, &err), -EFBIG, "a bomb");
	bytes = zstandard(buf_str(&tar), 25, &packed);
	is_int(unpack(bytes, 0, &layer, &result, listing, &err), -EFBIG, "a huge window");
	start = (struct unpack_start){ .flags = UNPACK_FLAG_LAYER, .media_type = "application/x" };
	is_int(unpack(bytes, 0, &start, &result, listing, &err), -ENOTSUP, "another media type");
	buf_clear(&tar);
	PUT(.name = ".wh.x", .type = '0');
	put_end();
	start = (struct unpack_start){ 0 };
	is_int(unpack(buf_str(&tar), 0, &start, &result, listing, &err), -EBADMSG,
	       "a whiteout where no layer is meant");
	buf_done(&packed);
	buf_done(&zeros);
	buf_clear(&tar);
}

/* A context of docker's CLI may lack the zeros behind its last file, and never a byte of it. */
static void test_cut(void)
{
	const struct unpack_start archive = { 0 };
	struct unpack_result result;
	char listing[LISTING_MAX];
	struct err err = { 0 };
	struct str whole;

	buf_clear(&tar);
	PUT(.name = "a", .type = '0', .size = 700);
	put_data(listing, 700);
	PUT(.name = "b", .type = '0', .size = 30);
	put_data(listing, 30);
	whole = str_head(buf_str(&tar), tar.len - 512 + 30);
	is_int(unpack(whole, 0, &archive, &result, listing, &err), 0, "cut behind the last byte");
	is_text(listing, "file a; data 700; file b; data 30; ", "all of it is there");
	is_int(unpack(whole, 0, &layer, &result, listing, &err), -EBADMSG, "no layer may be cut");
	whole = str_head(whole, whole.len - 1);
	is_int(unpack(whole, 0, &archive, &result, listing, &err), -EBADMSG, "one byte is missing");
	whole = str_head(whole, 512 + 1024 + 100);
	is_int(unpack(whole, 0, &archive, &result, listing, &err), -EBADMSG, "cut in a head");
	buf_clear(&tar);
}

/* What a URL leads to may be a Dockerfile alone: only where that is asked for. */
static void test_text(void)
{
	static const struct unpack_start text = { .flags = UNPACK_FLAG_TEXT | UNPACK_FLAG_WHOLE };
	static char listing[LISTING_MAX], big[UNPACK_TEXT_MAX + 1];
	struct unpack_result result;
	struct err err = { 0 };

	for (size_t step = 0; step < 4; step++) {
		ok(unpack(STR("FROM busybox\n"), step, &text, &result, listing, &err) == 0 &&
			   !strcmp(listing, "file Dockerfile; data 13; "),
		   "a text in steps of %zu: %s", step, listing);
	}
	buf_clear(&tar);
	put_head(&(struct head){ .name = "a", .type = '0', .size = 3 });
	put_data("abc", 3);
	put_end();
	ok(unpack(buf_str(&tar), 7, &text, &result, listing, &err) == 0 &&
		   !strcmp(listing, "file a; data 3; "),
	   "an archive is one: %s", listing);
	is_int(unpack(str_head(buf_str(&tar), tar.len - 1024), 0, &text, &result, listing, &err),
	       -EBADMSG, "and whole");
	memset(big, 'x', sizeof(big));
	is_int(unpack(str_make(big, sizeof(big)), 0, &text, &result, listing, &err), -EFBIG,
	       "a text that is too long");
	ok(unpack(str_make(big, sizeof(big) - 1), 0, &text, &result, listing, &err) == 0,
	   "the longest one");
	ok(unpack(STR("FROM busybox\n"), 0, &layer, &result, listing, &err) < 0,
	   "no layer is a text");
	buf_clear(&tar);
}

int main(void)
{
	buf_init(&tar, TAR_MAX);
	test_names();
	test_bad_names();
	test_whiteouts();
	test_xattrs();
	test_whole();
	test_damage();
	test_compression();
	test_members();
	test_limits();
	test_cut();
	test_text();
	buf_done(&tar);
	return tap_done();
}
