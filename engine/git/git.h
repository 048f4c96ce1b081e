/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_GIT_GIT_H
#define HOY_ENGINE_GIT_GIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * Git repositories as sources of a build: how they are named, and the dialog with their server
 * (gitprotocol-v2(5)). Pure: bytes come from a callback, the pack is pack.h's.
 */
enum {
	GIT_OID_SIZE = 20,
	GIT_OID_TEXT = 41, /* with the NUL */
	GIT_PKT_MAX = 65520,
	GIT_REF_MAX = 256,
	GIT_URL_MAX = 2048,
	GIT_PORT = 9418,
};

/* "https://host/x.git#REF:SUBDIR", "...git?ref=R&subdir=S", "git://host/x". */
struct git_source {
	const char *remote;   /* without fragment and query */
	const char *ref;      /* "" = what HEAD is; a name, or 40 digits of a commit */
	const char *subdir;   /* "" = all, else clean: "a/b" */
	const char *checksum; /* "" or digits that the commit begins with */
	bool keep, keep_said; /* keep-git-dir= of a query */
	bool no_submodules;
};

/* Whether ADD takes it for a repository: as the Dockerfile reference says, by its form alone. */
bool git_source_is(struct str text);
/* The same for a context of a build: "github.com/..." is one too. */
bool git_source_is_context(struct str text);
/* -EINVAL; -ENOTSUP: ssh, by name. A login in the URL is refused: it would stand in a history. */
int git_source_parse(struct str text, struct arena *arena, struct git_source *ret, struct err *err);
/* A submodule's URL, which may begin with "./" or "../", against that of its repository. -EINVAL */
int git_source_join(const char *remote, struct str url, char dst[GIT_URL_MAX], struct err *err);
/* 40 hexadecimal digits of either case. */
bool git_is_oid(struct str text);

/* ---- the dialog ---- */

/* Bytes of the server: 0 = the end. */
typedef ssize_t git_read_fn(void *owner, void *dst, size_t cap, struct err *err);

/* Zeroed but for read and owner; one for each stream of bytes. */
struct git_reader {
	git_read_fn *read;
	void *owner;
	size_t at, len;
	char bytes[2 * GIT_PKT_MAX];
};

enum git_pkt { GIT_PKT_FLUSH, GIT_PKT_DELIM, GIT_PKT_END, GIT_PKT_LINE };

/* The next pkt-line; its slice lives until the next call. -EBADMSG: malformed, cut off; -EREMOTEIO:
 * the server says "ERR ...". */
int git_pkt_next(struct git_reader *reader, enum git_pkt *ret_kind, struct str *ret_line,
		 struct err *err);
/* The server's greeting: -ENOTSUP where it does not speak version 2, or another hash than SHA-1. */
int git_read_greeting(struct git_reader *reader, bool http, struct err *err);

/* What is found under a name. */
struct git_found {
	char oid[GIT_OID_TEXT];
	char name[GIT_REF_MAX]; /* "refs/heads/main", "" = none: the commit was named itself */
};

/* The request for what `ref` may mean, and its answer: branches come before tags. -ENOENT */
void git_put_ls_refs(struct buf *out, const char *ref);
int git_read_refs(struct git_reader *reader, const char *ref, struct git_found *ret,
		  struct err *err);
/* The request for one commit and its tree, without its past; and the pack that comes. */
void git_put_fetch(struct buf *out, const char *oid);
typedef int git_sink_fn(void *owner, struct str data, struct err *err);
int git_read_pack(struct git_reader *reader, git_sink_fn *sink, void *owner, struct err *err);

#endif
