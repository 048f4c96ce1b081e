/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks of a container that runs: netd is told the whole new list, and what it has already stays
 * as it is. Runs in engine main. Must never leave a container without what it had when netd says
 * no.
 */
#include <errno.h>
#include <stdlib.h>
#include "engine/container/parts.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"

enum { JOIN_ARENA_MAX = 256 << 10 };

struct container_joining {
	struct arena arena; /* of the lists */
	struct image_texts networks, aliases, addresses;
	void (*done)(void *owner, const struct err *err);
	void *owner;
};

static void joining_end(struct container *container, const struct err *err)
{
	struct container_joining *joining = container->joining;

	container->joining = NULL;
	joining->done(joining->owner, err);
	arena_done(&joining->arena);
	free(joining);
}

void container_join_cancel(struct container *container)
{
	struct err err = { 0 };

	if (!container->joining)
		return;
	err_set(&err, -EBUSY, "container %s has ended", container->id);
	joining_end(container, &err);
}

static int copy(struct arena *arena, const struct image_texts *from, struct image_texts *to,
		struct err *err)
{
	to->count = 0;
	to->items = arena_array(arena, from->count + 1U, sizeof(*to->items));
	for (; to->items && to->count < from->count; to->count++) {
		to->items[to->count] = arena_text(arena, str_from(from->items[to->count]));
		if (!to->items[to->count])
			break;
	}
	return to->items && to->count == from->count
		       ? 0
		       : err_set(err, -ENOMEM, "no memory for networks");
}

/* The lists of the container's definition and those of joining change places. */
static void swap(struct container *container)
{
	struct container_joining *joining = container->joining;
	struct container_def *def = &container->def;
	const struct image_texts networks = def->networks, aliases = def->aliases,
				 addresses = def->host.addresses;

	def->networks = joining->networks;
	def->aliases = joining->aliases;
	def->host.addresses = joining->addresses;
	joining->networks = networks;
	joining->aliases = aliases;
	joining->addresses = addresses;
}

static void on_joined(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct container *container = owner;
	struct container_joining *joining = container->joining;
	struct arena arena OWN(arena_done) = { 0 };
	struct netd_attached attached;
	struct err bad = { 0 };

	(void)peer;
	container_close_sockets(container);
	arena_init(&arena, 65536);
	if (reply && netd_attached_decode(reply->body, &arena, &attached, &bad) < 0)
		err = &bad;
	else if (reply)
		err = NULL;
	if (!joining)
		return;
	swap(container);
	if (!err && container_set_sysctls(container, &attached, &bad) < 0)
		err = &bad;
	if (err) {
		swap(container);
		joining_end(container, err);
		container_reattach(container);
		return;
	}
	arena_done(&container->joined); /* the lists of before, if they were changed before */
	container->joined = joining->arena;
	joining->arena = (struct arena){ 0 };
	container_take_addresses(container, &attached);
	joining_end(container, NULL);
}

int container_join_networks(struct container *container, const struct container_def *def,
			    void (*done)(void *owner, const struct err *err), void *owner,
			    struct err *err)
{
	struct container_joining *joining;
	int r;

	if (container->phase != CONTAINER_PHASE_RUNNING || container->ns.netns_fd < 0)
		return err_set(err, -EBUSY, "container %s is starting or stopping", container->id);
	if (container->joining)
		return err_set(err, -EBUSY, "another change of its networks is under way");
	joining = calloc(1, sizeof(*joining));
	if (!joining)
		return err_set(err, -ENOMEM, "no memory for networks");
	joining->done = done;
	joining->owner = owner;
	arena_init(&joining->arena, JOIN_ARENA_MAX);
	r = copy(&joining->arena, &def->networks, &joining->networks, err);
	if (r >= 0)
		r = copy(&joining->arena, &def->aliases, &joining->aliases, err);
	if (r >= 0)
		r = copy(&joining->arena, &def->host.addresses, &joining->addresses, err);
	if (r >= 0)
		r = container_reopen(container, err);
	if (r >= 0) {
		container->joining = joining;
		swap(container); /* what is asked for is the definition's */
		r = container_attach(container, on_joined, err);
		swap(container);
	}
	if (r >= 0)
		return 0;
	container->joining = NULL;
	arena_done(&joining->arena);
	free(joining);
	return r;
}
