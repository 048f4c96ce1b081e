/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the list of what is being worked with, and tells the store about it. Runs in engine main.
 * Must never let a digest be asked about before its lease was sent: messages keep their order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/store_msg.h"
#include "engine/image/lease.h"
#include "lib/log.h"
#include "lib/own.h"

static void tell_waiting(struct image_leases *leases);

static void on_answer(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	if (!reply && (err->code == -EPIPE || err->code == -ECONNRESET))
		return; /* renewed when it is back */
	if (!reply)
		log_warn("store: lease: %s", err_text(err));
	if (msg_peer_alive(peer))
		tell_waiting(owner);
}

/* -EBUSY: as many calls as there may be wait for their answers. */
static int send_lease(struct image_leases *leases, uint64_t number, const struct digest *digests,
		      uint32_t count)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int64_t r;

	if (!leases->store || !msg_peer_alive(leases->store))
		return 0; /* renewed when it is back */
	buf_init(&body, 64 + (size_t)STORE_LEASE_DIGESTS_MAX * SHA256_SIZE);
	wire_put_u32(&body, 20);
	(void)buf_printf(&body, "%020llu", (unsigned long long)number);
	wire_put_u32(&body, count);
	for (uint32_t i = 0; i < count; i++)
		store_digest_put(&body, &digests[i]);
	r = msg_peer_call(leases->store, STORE_MSG_LEASE, buf_str(&body), NULL, 0, on_answer,
			  leases, &err);
	if (r < 0 && r != -EBUSY)
		log_warn("store: lease: %s", err_text(&err));
	return r == -EBUSY ? -EBUSY : 0;
}

static void tell(struct image_leases *leases, struct image_lease *lease)
{
	lease->untold = send_lease(leases, lease->number, lease->digests, lease->count) < 0;
}

static void tell_gone(struct image_leases *leases, uint64_t number)
{
	uint32_t room = leases->gone_room ? leases->gone_room * 2 : 16;
	void *bigger;

	if (send_lease(leases, number, NULL, 0) == 0)
		return;
	if (leases->gone_count == leases->gone_room) {
		bigger = realloc(leases->gone, room * sizeof(*leases->gone));
		if (!bigger) {
			log_warn("store: lease %llu stays until the store starts again: no memory",
				 (unsigned long long)number);
			return;
		}
		leases->gone = bigger;
		leases->gone_room = room;
	}
	leases->gone[leases->gone_count++] = number;
}

/* An answer made room: what had to wait goes first, so that little can come between. */
static void tell_waiting(struct image_leases *leases)
{
	for (struct image_lease *lease = leases->first; lease; lease = lease->next) {
		if (lease->untold)
			tell(leases, lease);
		if (lease->untold)
			return;
	}
	while (leases->gone_count &&
	       send_lease(leases, leases->gone[leases->gone_count - 1], NULL, 0) == 0)
		leases->gone_count--;
}

static bool has(const struct image_lease *lease, const struct digest *digest)
{
	for (uint32_t i = 0; i < lease->count; i++)
		if (memcmp(&lease->digests[i], digest, sizeof(*digest)) == 0)
			return true;
	return false;
}

static int add_one(struct image_lease *lease, const struct digest *digest, struct err *err)
{
	if (lease->count == lease->room) {
		uint32_t room = lease->room ? lease->room * 2 : 16;
		void *bigger = room > STORE_LEASE_DIGESTS_MAX
				       ? NULL
				       : realloc(lease->digests, room * sizeof(*lease->digests));

		if (!bigger)
			return err_set(err, room > STORE_LEASE_DIGESTS_MAX ? -ENOSPC : -ENOMEM,
				       "no room to hold on to more than %u layers", lease->count);
		lease->digests = bigger;
		lease->room = room;
	}
	lease->digests[lease->count++] = *digest;
	return 0;
}

int image_lease_add(struct image_leases *leases, struct image_lease *lease,
		    const struct digest *digests, uint32_t count, struct err *err)
{
	uint32_t before = lease->count;
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < count; i++)
		if (!has(lease, &digests[i]))
			r = add_one(lease, &digests[i], err);
	if (!before && lease->count) {
		lease->number = ++leases->last_number;
		lease->next = leases->first;
		leases->first = lease;
	}
	if (lease->count > before)
		tell(leases, lease);
	return r;
}

void image_lease_drop(struct image_leases *leases, struct image_lease *lease)
{
	struct image_lease **at = &leases->first;

	if (!lease->count)
		return;
	while (*at && *at != lease)
		at = &(*at)->next;
	if (*at)
		*at = lease->next;
	free(lease->digests);
	lease->digests = NULL;
	lease->count = lease->room = 0;
	lease->next = NULL;
	lease->untold = false;
	tell_gone(leases, lease->number);
	if (leases->held)
		image_leases_collect(leases);
}

void image_leases_renew(struct image_leases *leases)
{
	leases->gone_count = 0;
	for (struct image_lease *lease = leases->first; lease; lease = lease->next)
		tell(leases, lease);
}

bool image_leases_hold(const struct image_leases *leases, const struct digest *digest)
{
	for (const struct image_lease *lease = leases->first; lease; lease = lease->next)
		if (has(lease, digest))
			return true;
	return false;
}

void image_leases_collect(struct image_leases *leases)
{
	if (leases->collect)
		leases->collect(leases->owner);
}
