/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The .git of a checkout: the pack that came, its index, the index of the files
 * (gitformat-index(5), version 2), HEAD. Runs in the unpack role. Must never put a foreign word
 * into a file that git reads as its configuration but the repository's own address, which was
 * checked.
 */
#include <endian.h>
#include <errno.h>
#include <mbedtls/sha1.h>
#include <stdio.h>
#include <string.h>
#include "engine/git/tree.h"
#include "lib/own.h"

enum { KEEP_INDEX_MAX = 96 << 20, KEEP_HEAD = 12, KEEP_FIXED = 62, KEEP_BLOCK = 60 << 10 };

static void put_be32(struct buf *out, uint32_t value)
{
	value = htobe32(value);
	(void)buf_add(out, &value, sizeof(value));
}

/* Times, device and inode stay 0: git looks at the content once, then knows them. */
void git_keep_file(struct git_checkout *c, uint32_t mode, const struct git_oid *oid, uint64_t size)
{
	uint16_t flags = htobe16((uint16_t)(c->path_len < 0xfff ? c->path_len : 0xfff));
	size_t zeros = 8 - (KEEP_FIXED + c->path_len) % 8;

	if (!c->wanted->keep)
		return;
	if (c->index.len == 0) {
		(void)buf_add_text(&c->index, "DIRC");
		put_be32(&c->index, 2);
		put_be32(&c->index, 0);
	}
	for (int i = 0; i < 6; i++)
		put_be32(&c->index, 0);
	put_be32(&c->index, mode);
	put_be32(&c->index, 0);
	put_be32(&c->index, 0);
	put_be32(&c->index, (uint32_t)size);
	(void)buf_add(&c->index, oid->bytes, GIT_OID_SIZE);
	(void)buf_add(&c->index, &flags, sizeof(flags));
	(void)buf_add(&c->index, c->path, c->path_len);
	(void)buf_add(&c->index, "\0\0\0\0\0\0\0\0", zeros);
	c->indexed++;
}

static int emit_index(struct git_checkout *c, struct err *err)
{
	uint32_t count = htobe32(c->indexed);
	unsigned char sum[GIT_OID_SIZE];

	if (c->indexed == 0)
		return 0;
	if (buf_error(&c->index))
		return err_set(err, -EFBIG, "git: too many files for --keep-git-dir");
	memcpy(c->index.data + 8, &count, sizeof(count));
	(void)mbedtls_sha1((const unsigned char *)c->index.data, c->index.len, sum);
	(void)buf_add(&c->index, sum, sizeof(sum));
	return buf_error(&c->index)
		       ? err_set(err, -EFBIG, "git: too many files for --keep-git-dir")
		       : git_emit(c, ".git/index", ENTRY_FILE, 0644, buf_str(&c->index), err);
}

/* The pack's bytes, as one file. */
static int emit_pack(struct git_checkout *c, const char *path, struct err *err)
{
	static char block[KEEP_BLOCK];
	struct entry data = { .type = ENTRY_DATA };
	struct entry entry = { .type = ENTRY_FILE,
			       .path = str_from(path),
			       .mode = 0444,
			       .mtime_s = c->time_s,
			       .size = git_pack_bytes(c->pack) };
	int64_t n = 1;
	int r = entry_write(c->out, &entry, err);

	while (r >= 0 && n > 0) {
		n = git_pack_raw(c->pack, data.offset, block, sizeof(block), err);
		data.data = str_make(block, n > 0 ? (size_t)n : 0);
		if (n > 0)
			r = entry_write(c->out, &data, err);
		data.offset += n > 0 ? (uint64_t)n : 0;
	}
	return r < 0 ? r : (int)n;
}

static int emit_packs(struct git_checkout *c, struct err *err)
{
	struct buf index OWN(buf_done) = { 0 };
	char name[GIT_OID_TEXT], path[96];
	int r;

	buf_init(&index, KEEP_INDEX_MAX);
	r = git_pack_index(c->pack, &index, name, err);
	if (r == 0) {
		(void)snprintf(path, sizeof(path), ".git/objects/pack/pack-%s.pack", name);
		r = emit_pack(c, path, err);
	}
	if (r == 0) {
		(void)snprintf(path, sizeof(path), ".git/objects/pack/pack-%s.idx", name);
		r = git_emit(c, path, ENTRY_FILE, 0444, buf_str(&index), err);
	}
	return r;
}

/* The reference that was asked for, below .git. */
static int emit_ref(struct git_checkout *c, struct err *err)
{
	char path[UNPACK_GIT_NAME_MAX + 8], text[GIT_OID_TEXT + 1];
	const char *name = c->wanted->name;

	if (strncmp(name, "refs/", 5) != 0)
		return 0;
	(void)snprintf(path, sizeof(path), ".git/%s", name);
	(void)snprintf(text, sizeof(text), "%s\n", c->wanted->oid);
	if (entry_check_path(str_from(path), false, err) < 0)
		return -EBADMSG;
	return git_emit(c, path, ENTRY_FILE, 0644, str_from(text), err);
}

int git_keep(struct git_checkout *c, const struct git_oid *commit, struct err *err)
{
	static const char *const folders[] = {
		".git",	     ".git/objects",	".git/objects/info", ".git/objects/pack",
		".git/refs", ".git/refs/heads", ".git/refs/tags"
	};
	struct buf config OWN(buf_done) = { 0 };
	char head[GIT_OID_TEXT + 1];
	int r = 0;

	str_hex(commit->bytes, GIT_OID_SIZE, head);
	memcpy(head + GIT_OID_TEXT - 1, "\n", 2);
	buf_init(&config, 8 << 10);
	(void)buf_printf(
		&config,
		"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"
		"[remote \"origin\"]\n\turl = %s\n"
		"\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
		c->wanted->remote);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(folders); i++)
		r = git_emit(c, folders[i], ENTRY_DIR, 0755, (struct str){ 0 }, err);
	if (r == 0)
		r = git_emit(c, ".git/HEAD", ENTRY_FILE, 0644, str_from(head), err);
	if (r == 0)
		r = git_emit(c, ".git/config", ENTRY_FILE, 0644, buf_str(&config), err);
	if (r == 0 && c->grafted)
		r = git_emit(c, ".git/shallow", ENTRY_FILE, 0644, str_from(head), err);
	if (r == 0)
		r = emit_ref(c, err);
	if (r == 0)
		r = emit_index(c, err);
	return r < 0 ? r : emit_packs(c, err);
}
