/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A commit's tree into entry records. Runs in the unpack role, with a pack that a foreign server
 * sent. Must never write a name that leads out of the tree, nor one that git or a layer would take
 * for something of its own; nor more than it may.
 */
#include "engine/git/tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/own.h"

enum {
	TREE_DEPTH_MAX = 512,
	TREE_HELD_MAX = 48 << 20,
	TREE_TAGS_MAX = 8, /* tags of tags */
	TREE_MODULES_FILE_MAX = 256 << 10,
};

static int damaged(const char *what, struct err *err)
{
	return err_set(err, -EBADMSG, "git: %s", what);
}

static int load(struct git_checkout *c, const struct git_oid *oid, enum git_type type,
		struct buf *ret, struct err *err)
{
	int64_t index = git_pack_find(c->pack, oid);
	char text[GIT_OID_TEXT];

	str_hex(oid->bytes, sizeof(oid->bytes), text);
	if (index < 0)
		return err_set(err, -EBADMSG, "git: object %s is not in the pack", text);
	if (git_pack_type(c->pack, (uint32_t)index) != type)
		return err_set(err, -EBADMSG, "git: object %s is of another kind than its use",
			       text);
	return git_pack_load(c->pack, (uint32_t)index, ret, err);
}

/* ---- records ---- */

static int begin_entry(struct git_checkout *c, const struct entry *entry, struct err *err)
{
	if (c->out->entries >= c->entries_max)
		return err_set(err, -EFBIG, "git: more than %u entries", c->entries_max);
	if (entry->size > c->bytes_max - c->bytes)
		return err_set(err, -EFBIG, "git: the files are larger than %llu MiB",
			       (unsigned long long)(c->bytes_max >> 20));
	c->bytes += entry->size;
	return entry_write(c->out, entry, err);
}

struct piece {
	struct git_checkout *c;
	uint64_t at;
};

static int write_piece(void *owner, struct str data, struct err *err)
{
	struct piece *piece = owner;
	struct entry entry = { .type = ENTRY_DATA, .offset = piece->at, .data = data };

	piece->at += data.len;
	return data.len > 0 ? entry_write(piece->c->out, &entry, err) : 0;
}

int git_emit(struct git_checkout *c, const char *path, enum entry_type type, uint32_t mode,
	     struct str data, struct err *err)
{
	struct entry entry = { .type = type,
			       .path = str_from(path),
			       .mode = mode,
			       .mtime_s = c->time_s,
			       .size = type == ENTRY_FILE ? data.len : 0 };
	struct piece piece = { c, 0 };
	int r;

	if (type == ENTRY_SYMLINK)
		entry.target = data;
	r = begin_entry(c, &entry, err);
	return r < 0 || type != ENTRY_FILE ? r : write_piece(&piece, data, err);
}

static int emit_blob(struct git_checkout *c, uint32_t index, uint32_t mode, struct err *err)
{
	struct entry entry = { .type = ENTRY_FILE,
			       .path = str_from(c->path),
			       .mode = mode,
			       .mtime_s = c->time_s,
			       .size = git_pack_size(c->pack, index) };
	struct piece piece = { c, 0 };
	int r = begin_entry(c, &entry, err);

	return r < 0 ? r : git_pack_stream(c->pack, index, write_piece, &piece, err);
}

static int emit_link(struct git_checkout *c, const struct git_oid *oid, struct err *err)
{
	struct buf target OWN(buf_done) = { 0 };
	int r = load(c, oid, GIT_TYPE_BLOB, &target, err);

	if (r == 0 &&
	    (target.len == 0 || target.len > ENTRY_PATH_MAX || memchr(target.data, 0, target.len)))
		return damaged("a symbolic link without a target, or with one over 4095 bytes",
			       err);
	if (r == 0)
		git_keep_file(c, 0120000, oid, target.len);
	return r < 0 ? r : git_emit(c, c->path, ENTRY_SYMLINK, 0777, buf_str(&target), err);
}

static int emit_file(struct git_checkout *c, const struct git_oid *oid, uint32_t mode,
		     struct err *err)
{
	int64_t index = git_pack_find(c->pack, oid);

	if (index < 0 || git_pack_type(c->pack, (uint32_t)index) != GIT_TYPE_BLOB)
		return damaged("a file's content is not in the pack", err);
	git_keep_file(c, mode & 0100 ? 0100755 : 0100644, oid,
		      git_pack_size(c->pack, (uint32_t)index));
	return emit_blob(c, (uint32_t)index, mode & 0100 ? 0755 : 0644, err);
}

/* Another repository's commit: its directory, and a row for whoever fetches it. */
static int emit_module(struct git_checkout *c, const struct git_oid *oid, struct err *err)
{
	struct unpack_git_result *result = c->result;
	struct unpack_git_module *module = &result->modules[result->module_count];

	git_keep_file(c, 0160000, oid, 0);
	if (result->module_count == UNPACK_GIT_MODULES_MAX)
		return err_set(err, -EFBIG, "git: more than %d submodules", UNPACK_GIT_MODULES_MAX);
	if (str_copy(str_from(c->path), module->path, sizeof(module->path)) < 0)
		return damaged("the path of a submodule is too long", err);
	str_hex(oid->bytes, sizeof(oid->bytes), module->commit);
	result->module_count++;
	return git_emit(c, c->path, ENTRY_DIR, 0755, (struct str){ 0 }, err);
}

/* ---- trees ---- */

static int check_name(struct str name, struct err *err)
{
	if (entry_check_path(name, false, NULL) < 0 || str_find(name, '/') >= 0 ||
	    str_is_nocase(name, ".git"))
		return damaged("a tree has a name that no file may have", err);
	if (str_starts(name, STR(".wh.")))
		return damaged("a name that begins with .wh. cannot be kept in a layer", err);
	return 0;
}

/* "MODE NAME" NUL OID; false at the end, or where it is malformed (*ret_error). */
static bool next_row(struct str *tree, uint32_t *ret_mode, struct str *ret_name,
		     struct git_oid *ret_oid, int *ret_error)
{
	uint32_t mode = 0;
	size_t i = 0;
	const char *end;

	*ret_error = 0;
	if (tree->len == 0)
		return false;
	*ret_error = -EBADMSG;
	for (; i < tree->len && i < 7 && tree->ptr[i] >= '0' && tree->ptr[i] <= '7'; i++)
		mode = mode << 3 | (uint32_t)(tree->ptr[i] - '0');
	if (i == 0 || i == tree->len || tree->ptr[i] != ' ')
		return false;
	*tree = str_skip(*tree, i + 1);
	end = memchr(tree->ptr, 0, tree->len);
	if (!end || (size_t)(tree->ptr + tree->len - end) < 1 + GIT_OID_SIZE)
		return false;
	*ret_name = str_make(tree->ptr, (size_t)(end - tree->ptr));
	memcpy(ret_oid->bytes, end + 1, GIT_OID_SIZE);
	*tree = str_skip(*tree, ret_name->len + 1 + GIT_OID_SIZE);
	*ret_mode = mode;
	*ret_error = 0;
	return true;
}

static int emit_tree(struct git_checkout *c, const struct git_oid *oid, struct err *err);

static int emit_row(struct git_checkout *c, uint32_t mode, const struct git_oid *oid,
		    struct err *err)
{
	int r;

	switch (mode & 0170000) {
	case 0040000:
		r = git_emit(c, c->path, ENTRY_DIR, 0755, (struct str){ 0 }, err);
		return r < 0 ? r : emit_tree(c, oid, err);
	case 0100000:
		return emit_file(c, oid, mode, err);
	case 0120000:
		return emit_link(c, oid, err);
	case 0160000:
		return emit_module(c, oid, err);
	default:
		return damaged("a tree has an entry of an unknown kind", err);
	}
}

static int emit_rows(struct git_checkout *c, struct str rows, struct err *err)
{
	const size_t base = c->path_len;
	struct git_oid oid;
	struct str name;
	uint32_t mode;
	int bad;

	while (next_row(&rows, &mode, &name, &oid, &bad)) {
		size_t need = base + (base > 0) + name.len;
		int r = check_name(name, err);

		if (r == 0 && need > ENTRY_PATH_MAX)
			r = damaged("a path is longer than 4095 bytes", err);
		if (r < 0)
			return r;
		if (base > 0)
			c->path[base] = '/';
		memcpy(c->path + base + (base > 0), name.ptr, name.len);
		c->path[need] = 0;
		c->path_len = need;
		r = emit_row(c, mode, &oid, err);
		c->path_len = base;
		c->path[base] = 0;
		if (r < 0)
			return r;
	}
	return bad < 0 ? damaged("a malformed tree", err) : 0;
}

static int emit_tree(struct git_checkout *c, const struct git_oid *oid, struct err *err)
{
	struct buf tree OWN(buf_done) = { 0 };
	int r = load(c, oid, GIT_TYPE_TREE, &tree, err);

	if (r < 0)
		return r;
	c->held += tree.len;
	if (++c->depth > TREE_DEPTH_MAX || c->held > TREE_HELD_MAX)
		return err_set(err, -EFBIG, "git: directories are nested too deeply");
	r = emit_rows(c, buf_str(&tree), err);
	c->depth--;
	c->held -= tree.len;
	return r;
}

/* A name in a tree: 0 and its row, -ENOENT. */
static int look_up(struct git_checkout *c, const struct git_oid *tree_oid, struct str wanted,
		   uint32_t *ret_mode, struct git_oid *ret_oid, struct err *err)
{
	struct buf tree OWN(buf_done) = { 0 };
	struct str rows, name;
	int bad, r = load(c, tree_oid, GIT_TYPE_TREE, &tree, err);

	if (r < 0)
		return r;
	rows = buf_str(&tree);
	while (next_row(&rows, ret_mode, &name, ret_oid, &bad))
		if (str_eq(name, wanted))
			return 0;
	return bad < 0 ? damaged("a malformed tree", err) : -ENOENT;
}

static int enter_subdir(struct git_checkout *c, struct git_oid *tree, struct err *err)
{
	struct str rest = str_from(c->wanted->subdir), part;

	while (str_cut(&rest, '/', &part)) {
		struct git_oid next;
		uint32_t mode = 0;
		int r = part.len == 0 ? 0 : look_up(c, tree, part, &mode, &next, err);

		if (part.len == 0)
			continue;
		if (r < 0 && r != -ENOENT)
			return r;
		if (r < 0 || (mode & 0170000) != 0040000)
			return err_set(err, -ENOENT, "the repository has no directory \"%.200s\"",
				       c->wanted->subdir);
		*tree = next;
	}
	return 0;
}

/* ---- commits ---- */

/* The value of a header line such as "tree ", "" = none. */
static struct str header(struct str object, struct str name)
{
	struct str line;

	while (str_cut(&object, '\n', &line) && line.len > 0)
		if (str_starts(line, name))
			return str_skip(line, name.len);
	return (struct str){ 0 };
}

static int header_oid(struct str object, struct str name, struct git_oid *ret, struct err *err)
{
	struct str value = header(object, name);

	return git_is_oid(value) && str_unhex(value, ret->bytes, GIT_OID_SIZE) == 0
		       ? 0
		       : damaged("a malformed commit or tag", err);
}

/* "NAME <MAIL> SECONDS ZONE" */
static int64_t time_of(struct str value)
{
	int64_t time = 0;
	size_t end = value.len;
	struct str number;

	while (end > 0 && value.ptr[end - 1] != ' ')
		end--;
	number = str_trim(str_head(value, end));
	for (end = number.len; end > 0 && number.ptr[end - 1] != ' ';)
		end--;
	return str_to_i64(str_skip(number, end), 0, (int64_t)1 << 40, &time) == 0 ? time : 0;
}

/* Through tags to the commit. */
static int find_commit(struct git_checkout *c, struct git_oid *oid, struct buf *ret,
		       struct err *err)
{
	for (int i = 0; i < TREE_TAGS_MAX; i++) {
		struct buf tag OWN(buf_done) = { 0 };
		int64_t index = git_pack_find(c->pack, oid);
		int r;

		if (index < 0 || git_pack_type(c->pack, (uint32_t)index) != GIT_TYPE_TAG)
			return load(c, oid, GIT_TYPE_COMMIT, ret, err);
		r = git_pack_load(c->pack, (uint32_t)index, &tag, err);
		if (r == 0)
			r = header_oid(buf_str(&tag), STR("object "), oid, err);
		if (r < 0)
			return r;
	}
	return damaged("tags of tags without an end", err);
}

/* Where the submodules are fetched from: .gitmodules says it at the top of the tree alone. */
static int name_modules(struct git_checkout *c, const struct git_oid *top, struct err *err)
{
	struct unpack_git_result *result = c->result;
	struct arena arena OWN(arena_done) = { 0 };
	struct buf file OWN(buf_done) = { 0 };
	struct git_oid oid;
	uint32_t mode;
	int r = 0;

	if (result->module_count == 0)
		return 0;
	arena_init(&arena, 4 << 20);
	r = look_up(c, top, STR(".gitmodules"), &mode, &oid, err);
	if (r == 0)
		r = load(c, &oid, GIT_TYPE_BLOB, &file, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (file.len > TREE_MODULES_FILE_MAX)
		return damaged(".gitmodules is too large", err);
	r = 0;
	for (uint32_t i = 0; r == 0 && i < result->module_count; i++) {
		struct unpack_git_module *module = &result->modules[i];
		const char *url = "", *path = module->path;

		if (*c->wanted->subdir)
			path = arena_printf(&arena, "%s/%s", c->wanted->subdir, module->path);
		if (!path)
			return err_set(err, -ENOMEM, "git: out of memory");
		r = git_module_url(buf_str(&file), str_from(path), &arena, &url, err);
		if (r == 0 && str_copy(str_from(url), module->url, sizeof(module->url)) < 0)
			r = damaged("the URL of a submodule is too long", err);
	}
	return r;
}

int git_checkout(struct git_pack *pack, const struct unpack_git *wanted, struct entry_writer *out,
		 struct unpack_git_result *ret, struct err *err)
{
	static struct git_checkout c; /* one process, one call at a time */
	struct buf commit OWN(buf_done) = { 0 };
	struct git_oid oid, tree, top;
	int r;

	c = (struct git_checkout){ .pack = pack,
				   .out = out,
				   .wanted = wanted,
				   .result = ret,
				   .bytes_max = wanted->bytes_max,
				   .entries_max = wanted->entries_max };
	*ret = (struct unpack_git_result){ 0 };
	buf_init(&c.index, wanted->keep ? 64 << 20 : 0);
	if (str_unhex(str_from(wanted->oid), oid.bytes, GIT_OID_SIZE) < 0)
		return damaged("a malformed name of an object", err);
	r = find_commit(&c, &oid, &commit, err);
	if (r == 0)
		r = header_oid(buf_str(&commit), STR("tree "), &tree, err);
	if (r < 0)
		return r;
	top = tree;
	str_hex(oid.bytes, GIT_OID_SIZE, ret->commit);
	ret->time_s = c.time_s = time_of(header(buf_str(&commit), STR("committer ")));
	c.grafted = header(buf_str(&commit), STR("parent ")).len > 0;
	r = enter_subdir(&c, &tree, err);
	if (r == 0)
		r = emit_tree(&c, &tree, err);
	if (r == 0)
		r = name_modules(&c, &top, err);
	if (r == 0 && wanted->keep)
		r = git_keep(&c, &oid, err);
	buf_done(&c.index);
	ret->entries = out->entries;
	ret->bytes = out->bytes;
	return r < 0 ? r : entry_write_end(out, err);
}
