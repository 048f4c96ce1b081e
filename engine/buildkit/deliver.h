/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_DELIVER_H
#define HOY_ENGINE_BUILDKIT_DELIVER_H

#include "engine/buildkit/sync.h"

/*
 * The files of an image go to a client's session (FileSend.DiffCopy): as a tar, or file by file,
 * as the client asks for them. Engine main writes them into a pipe, for the latter as entry
 * records, as often as it takes.
 *
 *   READ -- all noted --> LIST -- all told --> SERVE (reads again while files are asked for)
 *   -- FIN came and went, or the tar has ended --> LAST -- the call has ended --> told
 */
struct deliver;

struct deliver_wish {
	const char *image;
	const char *who, *from; /* of the client; live as long as it */
	const char *output;	/* the number of it in the client's request */
	bool files;		/* one by one, else a tar */
};

/* NULL with err: the client takes none, or no memory. done() of ops follows, never from within. */
struct deliver *deliver_start(struct session *session, const struct deliver_wish *wish,
			      const struct sync_ops *ops, void *owner, struct err *err);
/* done() is not called. Accepts NULL. */
void deliver_cancel(struct deliver *deliver);

#endif
