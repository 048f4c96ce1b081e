/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_GIT_MSG_H
#define HOY_ENGINE_API_GIT_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * Repositories: what engine main asks the pull and unpack roles (pull_msg.h, unpack_msg.h).
 *
 * PULL_MSG_GIT (call)   text URL (http, https or git), text reference ("" = HEAD), text
 *     Authorization ("" = none), u64 most bytes, struct pull_start: authorities and proxies; fds
 *     [0] a regular file for the pack
 *   reply: u64 bytes, text name of the object, text name of the reference ("" = none). -ENOENT: no
 *     such repository or reference; -EPERM: it leads to this machine; -EFBIG
 *
 * UNPACK_MSG_GIT (call) struct unpack_git; fds [0] a pack, a regular file, [1] entry records out
 *   reply: struct unpack_git_result. Errors as of UNPACK_MSG_START; -ENOENT: no such subdirectory.
 * The role closes both fds before it answers.
 */
enum { PULL_MSG_GIT = 14, UNPACK_MSG_GIT = 2 };

enum {
	UNPACK_GIT_MODULES_MAX = 64,
	UNPACK_GIT_NAME_MAX = 256,
	UNPACK_GIT_PATH_MAX = 1024,
	UNPACK_GIT_URL_MAX = 2048
};

/* {text oid, text name, text remote, text subdir, u8 keep, u64 bytes max, u32 entries max} */
struct unpack_git {
	char oid[41];			  /* what was fetched: a commit or a tag */
	char name[UNPACK_GIT_NAME_MAX];	  /* "refs/heads/main", "" = none; with keep */
	char remote[UNPACK_GIT_URL_MAX];  /* with keep */
	char subdir[UNPACK_GIT_PATH_MAX]; /* "" = all */
	bool keep;			  /* a .git too */
	uint64_t bytes_max;
	uint32_t entries_max;
};

/* {text commit, i64 time, u64 entries, u64 bytes, u32 count, {text path, text url, text commit}...}
 */
struct unpack_git_result {
	char commit[41];
	int64_t time_s; /* its committer's */
	uint64_t entries, bytes;
	uint32_t module_count;
	struct unpack_git_module {
		char path[UNPACK_GIT_PATH_MAX]; /* below what was unpacked */
		char url[UNPACK_GIT_URL_MAX];	/* as .gitmodules says it, "" = it does not */
		char commit[41];
	} modules[UNPACK_GIT_MODULES_MAX];
};

void unpack_git_encode(const struct unpack_git *wanted, struct buf *out);
int unpack_git_decode(struct str body, struct unpack_git *ret_wanted, struct err *err);
void unpack_git_result_encode(const struct unpack_git_result *result, struct buf *out);
int unpack_git_result_decode(struct str body, struct unpack_git_result *ret_result,
			     struct err *err);

#endif
