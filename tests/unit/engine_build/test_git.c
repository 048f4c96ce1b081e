/* SPDX-License-Identifier: Apache-2.0 */
/* Repositories: their names, the dialog with a server, packs and trees, good and hostile. */
#include <endian.h>
#include <errno.h>
#include <mbedtls/sha1.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include "engine/git/tree.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

/* ---- names ---- */

static const struct {
	const char *text;
	bool is;
} forms[] = {
	{ "https://example.com/foo.git", true },
	{ "https://example.com/foo.git#ref:dir", true },
	{ "https://example.com/foo.git?tag=v1", true },
	{ "http://example.com/foo.git#a/b", true },
	{ "git://example.com/foo", true },
	{ "ssh://git@example.com/foo", true },
	{ "git@example.com:foo/bar", true },
	{ "https://example.com/foo", false },
	{ "https://example.com/foo.git/", false },
	{ "https://example.com/foo.git.tar", false },
	{ "https://example.com/x?y=foo.git", false },
	{ "foo.git", false },
	{ "user@host/path", false },
	{ "a:b", false },
};

static const struct {
	const char *text, *remote, *ref, *subdir, *checksum;
	int code;
} sources[] = {
	{ "https://h/x.git", "https://h/x.git", "", "", "", 0 },
	{ "https://h/x.git#v1:a//b/./", "https://h/x.git", "v1", "a/b", "", 0 },
	{ "https://h/x.git#:dir", "https://h/x.git", "", "dir", "", 0 },
	{ "https://h/x.git#a/b", "https://h/x.git", "a/b", "", "", 0 },
	{ "git://h:99/x#r", "git://h:99/x", "r", "", "", 0 },
	{ "https://h/x.git?tag=v1&subdir=/d/", "https://h/x.git", "refs/tags/v1", "d", "", 0 },
	{ "https://h/x.git?branch=m&checksum=ABC", "https://h/x.git", "refs/heads/m", "", "ABC",
	  0 },
	{ "https://h/x.git?ref=pull/1/head&commit=ab", "https://h/x.git", "pull/1/head", "", "ab",
	  0 },
	{ "https://h/x.git?tag=a&branch=b", NULL, NULL, NULL, NULL, -EINVAL },
	{ "https://h/x.git?depth=1", NULL, NULL, NULL, NULL, -EINVAL },
	{ "https://h/x.git#:../a", NULL, NULL, NULL, NULL, -EINVAL },
	{ "https://h/x.git#a..b", NULL, NULL, NULL, NULL, -EINVAL },
	{ "https://h/x.git#-x", NULL, NULL, NULL, NULL, -EINVAL },
	{ "https://h/x.git#a b", NULL, NULL, NULL, NULL, -EINVAL },
	{ "https://h/x.git#a.lock", NULL, NULL, NULL, NULL, -EINVAL },
	{ "https://me:pw@h/x.git", NULL, NULL, NULL, NULL, -EINVAL },
	{ "https://h/\"x.git", NULL, NULL, NULL, NULL, -EINVAL },
	{ "https://h/x.git?checksum=xyz", NULL, NULL, NULL, NULL, -EINVAL },
	{ "git@h:x.git", NULL, NULL, NULL, NULL, -ENOTSUP },
	{ "ssh://h/x.git", NULL, NULL, NULL, NULL, -ENOTSUP },
};

static const struct {
	const char *remote, *url, *joined;
} modules[] = {
	{ "https://h/a/b.git", "../c.git", "https://h/a/c.git" },
	{ "https://h/a/b.git", "./c.git", "https://h/a/b.git/c.git" },
	{ "https://h/a/b.git/", "../../c", "https://h/c" },
	{ "https://h/a.git", "../../../../etc", "https://h/etc" },
	{ "https://h/a.git", "https://other/x.git", "https://other/x.git" },
	{ "https://h/a.git", "/etc/passwd", NULL },
	{ "https://h/a.git", "file:///etc/passwd", NULL },
	{ "https://h/a.git", "git@h:x", NULL },
	{ "https://h/a.git", "https://me@h/x", NULL },
};

static void test_names(void)
{
	struct arena arena OWN(arena_done);
	char joined[GIT_URL_MAX];

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		ok(git_source_is(str_from(forms[i].text)) == forms[i].is, "%s: %s", forms[i].text,
		   forms[i].is ? "a repository" : "none");
	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		struct git_source s = { 0 };

		is_int(git_source_parse(str_from(sources[i].text), &arena, &s, NULL),
		       sources[i].code, "%s", sources[i].text);
		if (sources[i].code)
			continue;
		is_text(s.remote, sources[i].remote, "its address");
		is_text(s.ref, sources[i].ref, "its reference");
		is_text(s.subdir, sources[i].subdir, "its directory");
		is_text(s.checksum, sources[i].checksum, "its checksum");
	}
	for (size_t i = 0; i < ARRAY_LEN(modules); i++) {
		int r = git_source_join(modules[i].remote, str_from(modules[i].url), joined, NULL);

		ok((r == 0) == (modules[i].joined != NULL), "submodule %s", modules[i].url);
		if (r == 0 && modules[i].joined)
			is_text(joined, modules[i].joined, "its address");
	}
}

static void test_modules_file(void)
{
	static const char file[] = "# x\n[submodule \"a\"]\n\tpath = a/b\n\turl = \"../x.git\"\n"
				   "[submodule \"c\"]\n\turl=https://h/c.git ; why\n\tpath=c\r\n";
	struct arena arena OWN(arena_done);
	const char *url;

	arena_init(&arena, 1 << 16);
	ok(git_module_url(str_from(file), STR("a/b"), &arena, &url, NULL) == 0 &&
		   strcmp(url, "../x.git") == 0,
	   "a value in quotes");
	ok(git_module_url(str_from(file), STR("c"), &arena, &url, NULL) == 0 &&
		   strcmp(url, "https://h/c.git") == 0,
	   "a comment behind a value");
	ok(git_module_url(str_from(file), STR("d"), &arena, &url, NULL) == 0 && !*url,
	   "a path that it does not know");
}

/* ---- the dialog ---- */

static ssize_t read_text(void *owner, void *dst, size_t cap, struct err *err)
{
	struct str *text = owner;
	size_t n = text->len < cap ? text->len : cap;

	(void)err;
	n = n > 3 ? 3 : n; /* never a whole line at once */
	memcpy(dst, text->ptr, n);
	*text = str_skip(*text, n);
	return (ssize_t)n;
}

static struct git_reader *reading(struct str *text)
{
	static struct git_reader reader;

	reader.read = read_text;
	reader.owner = text;
	reader.at = reader.len = 0;
	return &reader;
}

static int greet(const char *text, bool http)
{
	struct str rest = str_from(text);

	return git_read_greeting(reading(&rest), http, NULL);
}

#define OID  "0123456789012345678901234567890123456789"
#define OID2 "abcdefabcdefabcdefabcdefabcdefabcdefabcd"

static int find(const char *text, const char *ref, struct git_found *ret)
{
	struct str rest = str_from(text);

	return git_read_refs(reading(&rest), ref, ret, NULL);
}

static int collect(void *owner, struct str data, struct err *err)
{
	(void)err;
	return buf_add_str(owner, data);
}

static void test_dialog(void)
{
	static const char pack[] = "0011shallow-info\n"
				   "0000";
	struct buf got OWN(buf_done);
	struct git_found found;
	struct str rest;

	is_int(greet("000eversion 2\n0011fetch=shallow0000", false), 0, "a greeting");
	is_int(greet("001e# service=git-upload-pack\n0000000eversion 2\n000afetch\n0000", true), 0,
	       "over HTTP");
	is_int(greet("000eversion 1\n0000", false), -ENOTSUP, "another version");
	is_int(greet("000eversion 2\n0019object-format=sha256\n000afetch\n0000", false), -ENOTSUP,
	       "another hash");
	is_int(greet("<html>", true), -EBADMSG, "a page");
	is_int(greet("000eversion 2\n00", false), -EBADMSG, "cut off");
	is_int(greet("000fERR no such", false), -EREMOTEIO, "an error of the server");
	is_int(find("003f" OID " refs/tags/main\n0040" OID2 " refs/heads/main\n0000", "main",
		    &found),
	       -EBADMSG, "a wrong length");
	is_int(find("003c" OID " refs/tags/main\n003d" OID2 " refs/heads/main\n0000", "main",
		    &found),
	       0, "a branch and a tag of one name");
	is_text(found.oid, OID2, "the branch counts");
	is_text(found.name, "refs/heads/main", "by its whole name");
	is_int(find("004f" OID " HEAD symref-target:refs/heads/dev\n0000", "", &found), 0, "HEAD");
	is_text(found.name, "refs/heads/dev", "is a branch");
	is_int(find("003f" OID " refs/heads/maint2\n0000", "main", &found), -ENOENT,
	       "only what begins like it");
	buf_init(&got, 1 << 16);
	rest = STR("000dpackfile\n0008\1abc0009\2hush0006\1d0000");
	is_int(git_read_pack(reading(&rest), collect, &got, NULL), 0, "a pack in its band");
	is_text(buf_text(&got), "abcd", "its bytes alone");
	rest = STR("000dpackfile\n000b\3broken0000");
	is_int(git_read_pack(reading(&rest), collect, &got, NULL), -EREMOTEIO, "the third band");
	rest = str_from(pack);
	is_int(git_read_pack(reading(&rest), collect, &got, NULL), -EBADMSG, "no pack");
}

/* ---- packs ---- */

struct made {
	struct buf bytes;
	uint32_t count;
};

static void put_head(struct buf *out, unsigned kind, size_t size)
{
	unsigned char c = (unsigned char)(kind << 4 | (size & 15));

	for (size >>= 4; size; size >>= 7) {
		(void)buf_add_byte(out, c | 128);
		c = (unsigned char)(size & 127);
	}
	(void)buf_add_byte(out, c);
}

static void put_data(struct buf *out, struct str data)
{
	unsigned char packed[70000];
	uLongf len = sizeof(packed);

	(void)compress(packed, &len, (const unsigned char *)data.ptr, data.len);
	(void)buf_add(out, packed, len);
}

static struct git_oid name_of(enum git_type type, struct str data)
{
	static const char *const names[] = { "", "commit", "tree", "blob", "tag" };
	struct buf text OWN(buf_done);
	struct git_oid oid;

	buf_init(&text, 1 << 20);
	(void)buf_printf(&text, "%s %zu", names[type], data.len);
	(void)buf_add_byte(&text, 0);
	(void)buf_add_str(&text, data);
	(void)mbedtls_sha1((const unsigned char *)text.data, text.len, oid.bytes);
	return oid;
}

static struct git_oid add(struct made *pack, enum git_type type, struct str data)
{
	if (pack->count++ == 0) {
		buf_init(&pack->bytes, 1 << 20);
		(void)buf_add(&pack->bytes, "PACK\0\0\0\2\0\0\0\0", 12);
	}
	put_head(&pack->bytes, type, data.len);
	put_data(&pack->bytes, data);
	return name_of(type, data);
}

static void add_delta(struct made *pack, const struct git_oid *base, size_t back, struct str delta)
{
	pack->count++;
	put_head(&pack->bytes, base ? 7 : 6, delta.len);
	if (base)
		(void)buf_add(&pack->bytes, base->bytes, GIT_OID_SIZE);
	else
		(void)buf_add_byte(&pack->bytes, (unsigned char)back);
	put_data(&pack->bytes, delta);
}

static int finish(struct made *pack)
{
	uint32_t count = htobe32(pack->count);
	unsigned char sum[GIT_OID_SIZE];
	int fd = memfd_create("pack", 0);

	memcpy(pack->bytes.data + 8, &count, 4);
	(void)mbedtls_sha1((const unsigned char *)pack->bytes.data, pack->bytes.len, sum);
	(void)buf_add(&pack->bytes, sum, sizeof(sum));
	if (write(fd, pack->bytes.data, pack->bytes.len) != (ssize_t)pack->bytes.len)
		fd = -1;
	buf_done(&pack->bytes);
	return fd;
}

static void put_row(struct buf *tree, const char *mode, const char *name, struct git_oid oid)
{
	(void)buf_printf(tree, "%s %s", mode, name);
	(void)buf_add_byte(tree, 0);
	(void)buf_add(tree, oid.bytes, GIT_OID_SIZE);
}

/* A commit of this tree, and what it says as records: the errno, or how many entries. */
static int64_t check_out(struct made *pack, struct git_oid tree, struct unpack_git *wanted)
{
	static struct unpack_git_result result;
	struct buf text OWN(buf_done);
	struct git_pack *opened = NULL;
	struct entry_writer writer;
	struct err err = { 0 };
	struct git_oid commit;
	char hex[GIT_OID_TEXT];
	int fd, out = memfd_create("records", 0), r;

	buf_init(&text, 1000);
	str_hex(tree.bytes, GIT_OID_SIZE, hex);
	(void)buf_printf(&text, "tree %s\ncommitter a <b> 77 +0000\n\nx\n", hex);
	commit = add(pack, GIT_TYPE_COMMIT, buf_str(&text));
	str_hex(commit.bytes, GIT_OID_SIZE, wanted->oid);
	wanted->bytes_max = wanted->bytes_max ? wanted->bytes_max : 1 << 20;
	wanted->entries_max = 100;
	fd = finish(pack);
	r = git_pack_open(fd, 1 << 24, &opened, &err);
	if (r == 0) {
		entry_writer_init(&writer, out);
		r = git_checkout(opened, wanted, &writer, &result, &err);
		entry_writer_done(&writer);
	}
	git_pack_free(opened);
	close(fd);
	close(out);
	if (r < 0)
		note("%s", err_text(&err));
	return r < 0 ? r : (int64_t)result.entries;
}

/* One file of a name and mode in a tree of its own. */
static int64_t check_row(const char *mode, const char *name, const char *content)
{
	struct unpack_git wanted = { .keep = false };
	struct buf tree OWN(buf_done);
	struct made pack = { 0 };
	struct git_oid blob = add(&pack, GIT_TYPE_BLOB, str_from(content)), oid;

	buf_init(&tree, 10000);
	put_row(&tree, mode, name, blob);
	oid = add(&pack, GIT_TYPE_TREE, buf_str(&tree));
	return check_out(&pack, oid, &wanted);
}

static void test_hostile_trees(void)
{
	static const char *const bad[] = { "..",   ".",	   "",	    "a/b",	   "../x",
					   ".git", ".GIT", ".wh.x", ".wh..wh..opq" };
	char name[300];

	is_int(check_row("100644", "plain", "x"), 1, "a file");
	is_int(check_row("100755", ".github", "x"), 1, "a name that only begins like git's own");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(check_row("100644", bad[i], "x"), -EBADMSG, "the name \"%s\" is refused",
		       bad[i]);
	memset(name, 'n', sizeof(name));
	name[299] = 0;
	is_int(check_row("100644", name, "x"), -EBADMSG, "a name of 299 bytes is refused");
	is_int(check_row("120000", "link", ""), -EBADMSG, "a link without a target is refused");
	is_int(check_row("120000", "link", "/etc/passwd"), 1, "a link leads where it wants");
	is_int(check_row("40000", "dir", "x"), -EBADMSG, "a file in the place of a directory");
	is_int(check_row("20000", "dev", "x"), -EBADMSG, "a device is refused");
	is_int(check_row("9", "x", "x"), -EBADMSG, "a mode that is none");
}

/* Ten times the same directory in itself, again and again: more than may come out. */
static void test_bomb(void)
{
	struct unpack_git wanted = { .keep = false };
	struct made pack = { 0 };
	struct git_oid oid = add(&pack, GIT_TYPE_BLOB, STR("boom"));
	const char *mode = "100644";

	for (int level = 0; level < 10; level++) {
		struct buf tree OWN(buf_done);

		buf_init(&tree, 10000);
		for (int i = 0; i < 10; i++) {
			char name[2] = { (char)('0' + i), 0 };

			put_row(&tree, mode, name, oid);
		}
		oid = add(&pack, GIT_TYPE_TREE, buf_str(&tree));
		mode = "40000";
	}
	is_int(check_out(&pack, oid, &wanted), -EFBIG, "a tree of 10^10 files ends at its bound");
	wanted = (struct unpack_git){ .bytes_max = 3 };
	pack = (struct made){ 0 };
	oid = add(&pack, GIT_TYPE_BLOB, STR("boom"));
	{
		struct buf tree OWN(buf_done);

		buf_init(&tree, 1000);
		put_row(&tree, "100644", "x", oid);
		oid = add(&pack, GIT_TYPE_TREE, buf_str(&tree));
	}
	is_int(check_out(&pack, oid, &wanted), -EFBIG, "more bytes than there may be");
}

static int delta(const char *base, struct str data, const char *result)
{
	struct buf out OWN(buf_done) = { 0 };
	int r = git_delta_apply(str_from(base), data, &out, NULL);

	return r < 0 ? r : strcmp(buf_text(&out), result) == 0 ? 0 : 1;
}

static void test_deltas(void)
{
	is_int(delta("hello", STR("\5\7\x90\5\2!!"), "hello!!"), 0, "a copy, then bytes");
	is_int(delta("hello", STR("\5\3\x91\2\3"), "llo"), 0, "a copy from within");
	is_int(delta("hello", STR("\5\3\x91\3\3"), ""), -EBADMSG, "past the base's end");
	is_int(delta("hello", STR("\5\2\x90\5"), ""), -EBADMSG, "more than announced");
	is_int(delta("hello", STR("\5\6\x90\5"), ""), -EBADMSG, "less than announced");
	is_int(delta("hello", STR("\4\5\x90\5"), ""), -EBADMSG, "of another base");
	is_int(delta("hello", STR("\5\1\0"), ""), -EBADMSG, "the command that is reserved");
	is_int(delta("hello", STR("\5\4\4ab"), ""), -EBADMSG, "cut off");
	is_int(delta("hello", STR("\5\xff\xff\xff\xff\x7f"), ""), -EFBIG, "of 32 GiB");
}

static int open_pack(struct made *made)
{
	struct git_pack *pack = NULL;
	int fd = finish(made);
	int r = git_pack_open(fd, 1 << 20, &pack, NULL);

	git_pack_free(pack);
	close(fd);
	return r;
}

static void test_packs(void)
{
	struct git_oid base = name_of(GIT_TYPE_BLOB, STR("hello")), missing = { { 1 } };
	struct git_oid made = name_of(GIT_TYPE_BLOB, STR("hello!!"));
	const struct str more = STR("\5\7\x90\5\2!!");
	struct git_pack *opened = NULL;
	struct made pack = { 0 };
	size_t before;
	int fd;

	(void)add(&pack, GIT_TYPE_BLOB, STR("x"));
	add_delta(&pack, &base, 0, more); /* its base comes behind it */
	before = pack.bytes.len;
	(void)add(&pack, GIT_TYPE_BLOB, STR("hello"));
	add_delta(&pack, NULL, pack.bytes.len - before, more);
	fd = finish(&pack);
	is_int(git_pack_open(fd, 1 << 20, &opened, NULL), 0, "deltas by name and by distance");
	ok(opened && git_pack_find(opened, &made) >= 0, "what they make has its name");
	git_pack_free(opened);
	close(fd);
	pack = (struct made){ 0 };
	(void)add(&pack, GIT_TYPE_BLOB, STR("x"));
	add_delta(&pack, &missing, 0, more);
	is_int(open_pack(&pack), -EBADMSG, "a delta whose base is not there");
	pack = (struct made){ 0 };
	(void)add(&pack, GIT_TYPE_BLOB, STR("hello"));
	add_delta(&pack, NULL, 3, more);
	is_int(open_pack(&pack), -EBADMSG, "a base in the middle of an object");
	pack = (struct made){ 0 };
	(void)add(&pack, GIT_TYPE_BLOB, STR("x"));
	(void)buf_add_byte(&pack.bytes, 'y');
	is_int(open_pack(&pack), -EBADMSG, "a byte behind the last object");
	pack = (struct made){ 0 };
	(void)add(&pack, GIT_TYPE_BLOB, STR("x"));
	pack.count = 3;
	is_int(open_pack(&pack), -EBADMSG, "fewer objects than it says");
	pack = (struct made){ 0 };
	(void)add(&pack, GIT_TYPE_BLOB, STR("x"));
	pack.count = UINT32_MAX;
	is_int(open_pack(&pack), -EFBIG, "four milliards of objects");
	pack = (struct made){ 0 };
	(void)add(&pack, GIT_TYPE_BLOB, STR("x"));
	put_head(&pack.bytes, 3, (size_t)1 << 40);
	put_data(&pack.bytes, STR("y"));
	pack.count++;
	is_int(open_pack(&pack), -EFBIG, "an object of a tebibyte");
	pack = (struct made){ 0 };
	(void)add(&pack, GIT_TYPE_BLOB, STR("x"));
	pack.bytes.data[7] = 3;
	is_int(open_pack(&pack), -ENOTSUP, "another version");
}

int main(void)
{
	test_names();
	test_modules_file();
	test_dialog();
	test_deltas();
	test_packs();
	test_hostile_trees();
	test_bomb();
	return tap_done();
}
