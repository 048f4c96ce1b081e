/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_STORE_SUM_H
#define HOY_ENGINE_STORE_SUM_H

#include <stdint.h>
#include "engine/store/store.h"
#include "engine/store/trailer.h"
#include "lib/err.h"
#include "lib/loop.h"

/*
 * Work that reads whole files: layer commits and the check of the store, one after another, a slice
 * for each turn of the loop.
 */
/* What a check found; gone: blobs that it took away, as long as the call lasts. */
struct sum_found {
	uint32_t checked, damaged, gone_count;
	const struct digest *gone;
};

struct sum_events {
	void (*commit_done)(void *owner, uint32_t serial, const struct store_layer *layer,
			    const struct err *err);
	void (*check_line)(void *owner, uint32_t serial, const char *line);
	/* Every file was read; what images lack is the owner's to find out. */
	void (*check_done)(void *owner, uint32_t serial, const struct sum_found *found);
};

struct sum_job;
struct sum_queue {
	struct loop *loop;
	struct store *store;
	const struct sum_events *events;
	void *owner;
	struct loop_timer timer;
	struct sum_job *first; /* the one that is under way */
	uint32_t count;
};

enum { SUM_JOBS_MAX = 64 };

void sum_init(struct sum_queue *queue, struct loop *loop, struct store *store,
	      const struct sum_events *events, void *owner);
void sum_done(struct sum_queue *queue);

/*
 * Commits a layer: digest of the image, trailer, publish. Takes over fd. The answer comes through
 * commit_done, never from within.
 */
int sum_commit(struct sum_queue *queue, int fd, const struct store_layer *layer, uint32_t serial,
	       struct err *err);
/* Reads every blob and layer and compares digests; discard: what differs goes to the trash. */
int sum_check(struct sum_queue *queue, uint32_t serial, bool discard, struct err *err);

#endif
