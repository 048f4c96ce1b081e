/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_SYNC_H
#define HOY_ENGINE_BUILDKIT_SYNC_H

#include "engine/buildkit/packet.h"
#include "engine/buildkit/session.h"

/*
 * One directory of a client, fetched over its session (FileSync.DiffCopy): as a tar into a pipe, or
 * a few files into memory.
 *
 *   LIST -- the list has ended, every file is written -- FIN asked --> LAST -- FIN came --> told
 *
 * While the list is still coming, files at its front are asked for already. At most SYNC_AHEAD
 * bytes of files are asked for at once (one file at least), and what the pipe does not take makes
 * the client wait.
 */
enum {
	SYNC_LIST_MAX = 64 << 20,  /* bytes of names and what goes with them */
	SYNC_AHEAD = 1 << 20,	   /* bytes of files that are asked for at once */
	SYNC_FILE_MAX = 1 << 20,   /* of a file that is kept in memory */
	SYNC_OUT_HIGH = 256 << 10, /* bytes that wait for the pipe */
	SYNC_PATTERNS_MAX = 48,
};

struct sync_file {
	const char *name; /* in; the directory's top */
	bool listed;	  /* under this name: sync.c */
	bool found;
	struct buf data;
};

struct sync;
struct sync_ops {
	/* Once; err NULL = all has come. The sync is gone afterwards. */
	void (*done)(void *owner, const struct err *err);
	/* Bytes that were transferred so far; may be NULL. */
	void (*moved)(void *owner, uint64_t bytes);
};

struct sync_request {
	const char *dir;	     /* "context", "dockerfile", or a named one */
	const char *const *excludes; /* patterns, NULL-terminated; NULL = none */
	const char *const *follow;   /* only these and what they link to; NULL = all */
	struct sync_file *files;     /* wanted in memory, else NULL */
	uint32_t file_count;
	const char *part; /* the directory of the tar that it becomes; NULL = its top */
	bool more;	  /* other directories come behind it: the tar does not end */
	int fd;		  /* the pipe, taken over in any case; -1 where files are wanted */
};

/* NULL with err: the client does not offer its files, or no memory. */
struct sync *sync_start(struct session *session, const struct sync_request *request,
			const struct sync_ops *ops, void *owner, struct err *err);
/* done() is not called. Accepts NULL. */
void sync_cancel(struct sync *sync);

#endif
