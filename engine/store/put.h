/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_STORE_PUT_H
#define HOY_ENGINE_STORE_PUT_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/store/store.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/sha256.h"

/*
 * One blob on its way in: read from a pipe, hashed, written to an unnamed file, copied on into a
 * second pipe, named at the end. Several run side by side on one loop; a slow reader of the second
 * pipe holds up its own blob only.
 */
struct put;
/* Once, at the end; err is NULL when the blob is there. The put may be freed from within. */
typedef void put_done_fn(void *owner, struct put *put, uint64_t size, const struct err *err);

enum { PUT_PIECE = 64 << 10 };

struct put {
	struct loop *loop;
	struct store *store;
	struct store_put_args args;
	int in, tee, file; /* owned; -1 = none */
	struct loop_io io; /* of in, or of tee while a piece waits for it */
	struct sha256 hash;
	uint64_t size;	  /* bytes so far */
	uint64_t checked; /* room was looked at up to here */
	uint8_t *piece;
	size_t piece_len, piece_sent;
	put_done_fn *done;
	void *owner;
};

/* Takes over in_fd and tee_fd (-1 = none) in any case. */
int put_start(struct put *put, struct loop *loop, struct store *store,
	      const struct store_put_args *args, int in_fd, int tee_fd, put_done_fn *done,
	      void *owner, struct err *err);
/* Stops it without calling done(). Accepts a zeroed or ended one. */
void put_stop(struct put *put);

#endif
