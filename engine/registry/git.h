/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_GIT_H
#define HOY_ENGINE_REGISTRY_GIT_H

#include "engine/api/git_msg.h"
#include "engine/api/pull_msg.h"
#include "engine/git/git.h"
#include "lib/err.h"

struct git_wanted {
	char url[GIT_URL_MAX]; /* http, https or git */
	char ref[GIT_REF_MAX]; /* "" = HEAD */
	char authorization[PULL_SECRET_MAX];
	uint64_t most; /* bytes */
	int out_fd;
	struct str system_ca;
};

struct git_fetched {
	uint64_t size;
	struct git_found found;
};

/*
 * The pack with one commit and its tree into out_fd, by version 2 of git's protocol: smart HTTP, or
 * the server's own port. Where it may lead to: as fetch_url(). A login follows no redirect.
 * -ENOENT: no such reference; -ENOTSUP: another protocol; else as fetch_url().
 */
int git_fetch(const struct git_wanted *wanted, const struct pull_start *settings,
	      struct git_fetched *ret, struct err *err);
/* PULL_MSG_GIT (engine/api/git_msg.h): its body, and the reply's. */
int git_serve(struct str body, struct str system_ca, int out_fd, struct buf *reply,
	      struct err *err);

#endif
