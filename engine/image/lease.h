/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_IMAGE_LEASE_H
#define HOY_ENGINE_IMAGE_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/msg.h"
#include "lib/sha256.h"

/*
 * What engine main works with and the store therefore must not drop: the blobs of a pull under way,
 * the layers of a build and of each container. The store forgets leases when it is started again;
 * this list is what they are made again from. Zeroed = empty.
 */
struct image_lease {
	struct image_lease *next; /* in the list; a lease with digests is always in it */
	uint64_t number;
	struct digest *digests; /* heap */
	uint32_t count, room;
	bool untold; /* the store hears of it when it has answered something else */
};

struct image_leases {
	struct msg_peer *store;
	struct image_lease *first;
	uint64_t last_number;
	uint64_t *gone; /* heap: numbers whose end the store has not heard of yet */
	uint32_t gone_count, gone_room;
	/* Something was dropped that nobody may need any more: asks for a collection, soon. */
	void (*collect)(void *owner);
	void *owner;
	/*
	 * `bytes` do not fit: lets go of what may go by itself, then calls done(asker), once,
	 * unless forget_room() came before. May be NULL, both.
	 */
	void (*make_room)(void *owner, uint64_t bytes, void (*done)(void *asker), void *asker);
	void (*forget_room)(void *owner, const void *asker);
	bool held; /* the last collection left something that only a lease kept, or was put off */
};

/*
 * Adds what is not in it yet and tells the store, in this order with every later call to it. An
 * empty lease comes into the list with its first digest. -ENOSPC: over STORE_LEASE_DIGESTS_MAX.
 */
int image_lease_add(struct image_leases *leases, struct image_lease *lease,
		    const struct digest *digests, uint32_t count, struct err *err);
/* Gives all of it up. Accepts an empty one. */
void image_lease_drop(struct image_leases *leases, struct image_lease *lease);

/* After a start of the store: all of them again. */
void image_leases_renew(struct image_leases *leases);
/* Whether any of them has this digest. */
bool image_leases_hold(const struct image_leases *leases, const struct digest *digest);
/* An image was removed or replaced. */
void image_leases_collect(struct image_leases *leases);

#endif
