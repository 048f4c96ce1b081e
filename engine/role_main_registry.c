/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients ask a registry without wanting an image: a login, a manifest, a search,
 * what refers to an image. Runs in
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

static void on_answer(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct registry_work *registry = owner;

	(void)peer;
	if (reply)
		work_reply(&registry->work, reply->body);
	else
		work_fail(&registry->work, err);
}

/* What to ask, in `place` or as a type of artifact, and the settings of the reference's registry.
 */
struct question {
	uint16_t type;
	struct str reference, place;
	struct str user, password, token;
};

static int ask(struct registry_work *registry, const struct question *question, struct err *err)
{
	struct engine *engine = registry->work.engine;
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	char reference[OCI_REFERENCE_MAX];
	struct pull_start start;
	int64_t r = oci_reference_normalise(question->reference, reference, err);

	if (r < 0)
		return (int)r;
	arena_init(&arena, 4 << 20);
	buf_init(&body, PULL_START_MAX);
	manager_pull_hosts(&engine->manager, reference, &arena, &start);
	engine_take_login(question->user, question->password, question->token, reference, &arena,
			  &start);
	wire_put_str(&body, question->place);
	pull_start_encode(&start, &body);
	if (buf_error(&body))
		return err_set(err, buf_error(&body), "the configuration of %s", reference);
	r = worker_start(&registry->role, &engine->loop, "pull", NULL, 0, NULL, 0, NULL, registry,
			 err);
	if (r >= 0)
		r = msg_peer_call(&registry->role.peer, question->type, buf_str(&body), NULL, 0,
				  on_answer, registry, err);
	return r < 0 ? (int)r : 0;
}

static int read_question(const struct msg *msg, struct question *ret, struct err *err)
{
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	*ret = (struct question){ .type = PULL_MSG_REFERRERS };
	ret->reference = wire_str(&in, ENGINE_REF_MAX);
	ret->place = wire_str(&in, PULL_PLACE_MAX - 1);
	if (msg->type == ENGINE_MSG_REGISTRY) {
		ret->type = PULL_MSG_DOCUMENT;
		ret->user = wire_str(&in, PULL_SECRET_MAX);
		ret->password = wire_str(&in, PULL_SECRET_MAX);
		ret->token = wire_str(&in, PULL_SECRET_MAX);
	}
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "malformed request") : 0;
}

void engine_registry_call(struct msg_peer *peer, struct msg *msg)
{
	struct registry_work *registry = work_new(peer, msg, sizeof(*registry), registry_free);
	struct question question;
	struct err err = { 0 };

	if (!registry)
		return;
	registry->role.pidfd = registry->role.peer.fd = -1;
	if (read_question(msg, &question, &err) < 0 || ask(registry, &question, &err) < 0)
		work_fail(&registry->work, &err);
}
