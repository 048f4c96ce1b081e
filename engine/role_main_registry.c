/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients ask a registry without wanting an image: a login, a manifest, a search. Runs in
 * engine main; a pull role of its own asks, and nothing of the answer is read here.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/oci/reference.h"
#include "engine/role_main_work.h"
#include "lib/own.h"

struct registry_work {
	struct engine_work work;
	struct worker role;
};

static void registry_free(struct engine_work *work)
{
	struct registry_work *registry =
		(struct registry_work *)(void *)work; /* its first member */

	worker_stop(&registry->role);
}

static void on_document(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct registry_work *registry = owner;

	(void)peer;
	if (reply)
		work_reply(&registry->work, reply->body);
	else
		work_fail(&registry->work, err);
}

static int begin(struct registry_work *registry, struct wire *in, struct err *err)
{
	struct engine *engine = registry->work.engine;
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct str text = wire_str(in, ENGINE_REF_MAX), place = wire_str(in, PULL_PLACE_MAX - 1);
	struct str user = wire_str(in, PULL_SECRET_MAX), password = wire_str(in, PULL_SECRET_MAX);
	struct str token = wire_str(in, PULL_SECRET_MAX);
	char reference[OCI_REFERENCE_MAX];
	struct pull_start start;
	int64_t r;

	if (wire_end(in) < 0)
		return err_set(err, -EBADMSG, "malformed request");
	r = oci_reference_normalise(text, reference, err);
	if (r < 0)
		return (int)r;
	arena_init(&arena, 4 << 20);
	buf_init(&body, PULL_START_MAX);
	manager_pull_hosts(&engine->manager, reference, &arena, &start);
	engine_take_login(user, password, token, reference, &arena, &start);
	wire_put_str(&body, place);
	pull_start_encode(&start, &body);
	if (buf_error(&body))
		return err_set(err, buf_error(&body), "the configuration of %s", reference);
	r = worker_start(&registry->role, &engine->loop, "pull", NULL, 0, NULL, 0, NULL, registry,
			 err);
	if (r >= 0)
		r = msg_peer_call(&registry->role.peer, PULL_MSG_DOCUMENT, buf_str(&body), NULL, 0,
				  on_document, registry, err);
	return r < 0 ? (int)r : 0;
}

void engine_registry_call(struct msg_peer *peer, struct msg *msg)
{
	struct registry_work *registry = work_new(peer, msg, sizeof(*registry), registry_free);
	struct err err = { 0 };
	struct wire in;

	if (!registry)
		return;
	registry->role.pidfd = registry->role.peer.fd = -1;
	wire_init(&in, msg->body.ptr, msg->body.len);
	if (begin(registry, &in, &err) < 0)
		work_fail(&registry->work, &err);
}
