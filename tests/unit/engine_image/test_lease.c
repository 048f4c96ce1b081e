/* SPDX-License-Identifier: Apache-2.0 */
/* Leases: what is held, what the store hears of it and in which order, when a collection is due. */
#include <errno.h>
#include <stdlib.h>
#include "engine/api/store_msg.h"
#include "engine/image/lease.h"
#include "lib/loop.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

/* The store's end of a connection: the last lease heard of each number. */
static struct heard {
	char name[24];
	uint32_t count;
	struct digest first;
} heard[8];
static unsigned messages, collections;

static struct loop loop;
static struct msg_peer ours, theirs;

static void on_lease(struct msg_peer *peer, struct msg *msg)
{
	struct heard *slot = &heard[messages++ % ARRAY_LEN(heard)];
	struct digest other;
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, slot->name, sizeof(slot->name));
	slot->count = wire_count(&in, STORE_LEASE_DIGESTS_MAX);
	for (uint32_t i = 0; i < slot->count; i++)
		store_digest_get(&in, i ? &other : &slot->first);
	is_int(wire_end(&in), 0, "message %u is whole", messages);
	(void)msg_reply(peer, msg->type, msg->serial, STR(""), NULL, 0);
}

static const struct msg_rule rules[] = {
	{ STORE_MSG_LEASE, "lease", 8, 4096 + STORE_LEASE_DIGESTS_MAX *SHA256_SIZE, 0, 0, 1,
	  on_lease },
};

static void quit(struct loop_timer *timer)
{
	(void)timer;
	loop.quit = true;
}

/* Until what was sent has been heard. */
static void settle(unsigned want)
{
	struct loop_timer timer = { 0 };

	for (int i = 0; i < 1000 && messages < want; i++) {
		loop.quit = false;
		loop_timer_set(&loop, &timer, 5, quit, NULL);
		(void)loop_run(&loop, NULL);
	}
	is_int(messages, want, "messages");
}

static void collect(void *owner)
{
	(void)owner;
	collections++;
}

static struct digest digest_of(unsigned char byte)
{
	struct digest digest;

	memset(digest.bytes, byte, sizeof(digest.bytes));
	return digest;
}

static void test_order(struct image_leases *leases)
{
	struct image_lease one = { 0 }, two = { 0 };
	const struct digest a = digest_of(1), b = digest_of(2);

	is_int(image_lease_add(leases, &one, &a, 1, NULL), 0, "a first digest");
	settle(1);
	is_int(heard[0].count, 1, "is told");
	ok(memcmp(&heard[0].first, &a, sizeof(a)) == 0, "as it is");
	is_int(image_lease_add(leases, &one, &a, 1, NULL), 0, "the same again");
	is_int(image_lease_add(leases, &two, &b, 1, NULL), 0, "another lease");
	settle(2);
	ok(strcmp(heard[0].name, heard[1].name) != 0,
	   "has another name, the same digest told nothing");
	ok(image_leases_hold(leases, &a) && image_leases_hold(leases, &b), "both are held");
	image_leases_renew(leases);
	settle(4);
	image_lease_drop(leases, &one);
	settle(5);
	ok(!image_leases_hold(leases, &a) && image_leases_hold(leases, &b), "one is given up");
	is_text(heard[4].name, heard[0].name, "that one");
	is_int(heard[4].count, 0, "wholly");
	is_int(collections, 0, "nobody asked for a collection");
	image_lease_drop(leases, &one);
	image_leases_collect(leases);
	is_int(collections, 1, "an image went");
	leases->held = true; /* what the collection found */
	image_lease_drop(leases, &two);
	is_int(collections, 2, "what a lease kept from it goes when that ends");
	settle(6);
	ok(!leases->first, "none is left");
}

/* More than there may be calls under way, as at a start with many containers. */
static void test_many(struct image_leases *leases)
{
	static struct image_lease many[3 * MSG_CALLS_MAX];
	const unsigned before = messages;

	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		const struct digest digest = digest_of((unsigned char)i);

		is_int(image_lease_add(leases, &many[i], &digest, 1, NULL), 0, "lease %zu", i);
	}
	settle(before + (unsigned)ARRAY_LEN(many));
	image_leases_renew(leases);
	settle(before + 2 * (unsigned)ARRAY_LEN(many));
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		image_lease_drop(leases, &many[i]);
	settle(before + 3 * (unsigned)ARRAY_LEN(many));
	ok(!leases->first && !leases->gone_count, "none is left, and the store has heard of each");
	free(leases->gone);
	leases->gone = NULL;
	leases->gone_room = 0;
}

static void test_limit(struct image_leases *leases)
{
	struct image_lease lease = { 0 };
	struct digest digest = { { 0 } };
	struct err err = { 0 };
	uint32_t added = 0;
	int r = 0;

	leases->store = NULL; /* it is down: nothing is told, nothing is forgotten */
	while (r == 0 && added <= STORE_LEASE_DIGESTS_MAX) {
		digest.bytes[0] = (uint8_t)added;
		digest.bytes[1] = (uint8_t)(added >> 8);
		r = image_lease_add(leases, &lease, &digest, 1, &err);
		added += r == 0;
	}
	is_int(r, -ENOSPC, "a lease has its end: %s", err.text);
	is_int(added, STORE_LEASE_DIGESTS_MAX, "that of the message");
	digest.bytes[0] = digest.bytes[1] = 0;
	ok(image_leases_hold(leases, &digest), "and keeps what it has");
	image_lease_drop(leases, &lease);
	ok(!image_leases_hold(leases, &digest), "until it is dropped");
}

int main(void)
{
	struct image_leases leases = { .store = &ours, .collect = collect };
	int pair[2];

	if (loop_init(&loop, NULL) < 0 || msg_pair(pair, NULL) < 0 ||
	    msg_peer_init(&ours, &loop, pair[0], 1, NULL, 0, 1 << 20, NULL, NULL, NULL) < 0 ||
	    msg_peer_init(&theirs, &loop, pair[1], 1, rules, ARRAY_LEN(rules), 1 << 20, NULL, NULL,
			  NULL) < 0)
		return 1;
	test_order(&leases);
	test_many(&leases);
	test_limit(&leases);
	msg_peer_done(&ours);
	msg_peer_done(&theirs);
	return tap_done();
}
