/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_FILES_MSG_H
#define HOY_ENGINE_API_FILES_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/sha256.h"
#include "lib/wire.h"

/*
 * Calls of engine main to a files role (fd 3): everything that walks a tree which an image, a
 * container or a user filled. Roots come as directory fds; every path below one is resolved with
 * it as "/" (openat2 RESOLVE_IN_ROOT), so nothing leads out of it.
 */
enum files_msg {
	/*
	 * {} or {i64 newest time, u32 count, {text path of a mount point}...} (struct
	 * files_diff_rules) fds [0] upper directory of an overlay mounted with userxattr, [1] pipe
	 * for entry records -> {u64 entries, u64 bytes}: what the upper changed, whiteouts and
	 * opaque marks included, sorted by name, ended with the end record.
	 */
	FILES_MSG_DIFF = 0x440,
	/* {struct files_copy} fds [0] source root, [1] destination root -> {u64 files, u64 bytes,
	 * u32 count, {text path}...}; Docker's COPY. The paths are archives that were left out
	 * because of unpack, below the source root */
	FILES_MSG_COPY,
	/* {struct files_copy (sources, ignore and context are used)} fds [0] source root ->
	 * {digest, u64 files, u64 bytes}: of names, types, modes, link targets and contents of what
	 * COPY would take; not of owners and times */
	FILES_MSG_HASH,
	/* {text "user[:group]" with names or numbers, "" = 0:0} fds [0] root -> {struct
	 * files_user}: from /etc/passwd and /etc/group of that root, regular files of at most 1 MiB
	 */
	FILES_MSG_PASSWD,
	/* {text path, u32 max bytes} fds [0] root -> {u8 found, blob content}: a regular file; a
	 * missing one is found = 0, a bigger one -EFBIG */
	FILES_MSG_READ,
	/* {text path, text "user[:group]" that owns what is made} fds [0] root -> {}: WORKDIR.
	 * Missing parents are made too, mode 0755; what is there stays as it is */
	FILES_MSG_MKDIR,
	/* {text path} fds [0] root, [1] empty directory -> {u8 found, u64 files, u64 bytes}: copies
	 * the directory `path` of the root into the other, with owners, modes and links, its own
	 * too; durable when answered. found = 0: the root has no directory there */
	FILES_MSG_FILL,
	/* {text path} fds [0] root -> {} fds [0]: a regular file, open for reading */
	FILES_MSG_OPEN = 0x450,
	/* {text dest, text chown} fds [0] entry records, [1] destination root -> {u64 files, u64
	 * bytes}: an archive's content below dest, which becomes its root */
	FILES_MSG_EXTRACT,
	/* {u8 plain, text path, text name} fds [0] root, [1] pipe for entry records -> {u64
	 * entries, u64 bytes, path stat}: struct files_tree */
	FILES_MSG_TREE,
	/* {text path} fds [0] root -> {path stat}: u64 size, u32 mode, i64 mtime s, text link */
	FILES_MSG_STAT,
	/* {} fds [0] upper directory, [1] the tree below it -> {u32 count, {u8 enum files_change,
	 * text path}...} */
	FILES_MSG_CHANGES,
	/* {} fds [0] root -> {u64 names, u64 bytes on disk} */
	FILES_MSG_USAGE,
	/* {} fds [0] a regular file -> {digest, u64 bytes}: SHA-256 of its content */
	FILES_MSG_SUM,
};

enum files_change {
	FILES_CHANGE_MODIFIED = 0,
	FILES_CHANGE_ADDED = 1,
	FILES_CHANGE_DELETED = 2,
};

enum {
	FILES_PATH_MAX = 4096,
	FILES_SOURCES_MAX = 256,
	FILES_EXCLUDES_MAX = 64,
	FILES_INLINE_MAX = 64,
	FILES_ARCHIVES_MAX = 256,
	FILES_STUBS_MAX = 64,
	FILES_IGNORE_MAX = 1024,
	FILES_GROUPS_MAX = 64,
	FILES_USER_MAX = 256,
	FILES_READ_MAX = 4 << 20,
	FILES_CHANGES_MAX = 65536,
};

/* One pattern of .dockerignore, already cleaned: no leading '/', '!' split off. */
struct files_ignore {
	struct str pattern;
	bool except; /* "!pattern": what it matches is not ignored after all */
};

/* A file that comes with the call: a here-document. */
struct files_inline {
	struct str name, data;
};

/*
 * u32 count, text source...; text dest; text chown; text chmod; u8 context; u32 count, {u8 except,
 * text pattern}...; u32 count, {u8 except, text exclude}...; u32 count, {text name, blob data}...;
 * u8 parents; u8 unpack; i64 time Slices live in the message body or wherever the caller keeps
 * them.
 */
struct files_copy {
	struct str sources[FILES_SOURCES_MAX]; /* relative to the source root, may hold * ? [ */
	uint32_t source_count;
	struct str dest;  /* absolute; ends in '/' when it was written so */
	struct str chown; /* "", "user", "user:group", ":group": names are looked up in the
			     destination root's files */
	struct str chmod; /* "" or octal, or as in chmod(1): "u=rwX,go=rX" */
	bool context; /* the source is a build context: the owner becomes 0:0 unless chown is set */
	struct files_ignore ignore[FILES_IGNORE_MAX]; /* last match wins; applies to the context */
	uint32_t ignore_count;
	struct files_ignore excludes[FILES_EXCLUDES_MAX]; /* below each source */
	uint32_t exclude_count;
	struct files_inline files[FILES_INLINE_MAX];
	uint32_t file_count;
	bool parents; /* what stands before a source (behind its "/./") is made in dest too */
	bool unpack;  /* tar archives that are sources themselves are not copied but named */
	int64_t time; /* of inline files: seconds */
};

/* u32 uid, u32 gid, u32 count, u32 group..., text home, text name */
struct files_user {
	uint32_t uid, gid;
	uint32_t groups[FILES_GROUPS_MAX]; /* supplementary, ascending, without gid */
	uint32_t group_count;
	char home[FILES_PATH_MAX]; /* "/" when unknown */
	char name[FILES_USER_MAX]; /* "" when the root does not name it */
};

void files_copy_put(struct buf *out, const struct files_copy *copy);
void files_copy_get(struct wire *in, struct files_copy *ret_copy);
void files_user_put(struct buf *out, const struct files_user *user);
void files_user_get(struct wire *in, struct files_user *ret_user);

#endif
