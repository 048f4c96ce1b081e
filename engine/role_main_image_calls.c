/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients ask about images: lists and removal, which the store answers, pulls and pushes,
 * which take long. Runs in engine main.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/api/image_msg.h"
#include "engine/api/store_msg.h"
#include "engine/image/give.h"
#include "engine/oci/reference.h"
#include "engine/role_main_work.h"
#include "engine/service/trial.h"
#include "lib/log.h"
#include "lib/own.h"

enum { IMAGES_REPLY_MAX = 8 << 20 };

/* A call that is passed on to the store; its answer goes back to who asked. */
struct relay {
	struct relay *next;
	struct engine *engine;
	struct msg_peer *peer; /* NULL once it went away */
	uint16_t type;
	uint32_t serial;
	void (*convert)(struct str body, struct buf *out);
	void (*after)(struct engine *engine, const char *about); /* it went well; may be NULL */
	char about[OCI_REFERENCE_MAX];
};

/* As many as those who ask may have under way: their peers bound them (MSG_CALLS_MAX each). */
static struct relay *relays;

static void relay_free(struct relay *relay)
{
	struct relay **at = &relays;

	while (*at != relay)
		at = &(*at)->next;
	*at = relay->next;
	free(relay);
}

static void on_relayed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct relay *relay = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct msg_peer *target;

	(void)peer;
	if (reply && relay->after)
		relay->after(relay->engine, relay->about);
	target = relay->peer;
	if (target && msg_peer_alive(target) && !reply) {
		(void)msg_reply_err(target, relay->type, relay->serial, err);
	} else if (target && msg_peer_alive(target)) {
		buf_init(&body, IMAGES_REPLY_MAX);
		if (relay->convert)
			relay->convert(reply->body, &body);
		(void)msg_reply(target, relay->type, relay->serial, buf_str(&body), NULL, 0);
	}
	relay_free(relay);
}

static void relay_to_store(struct msg_peer *peer, const struct msg *msg, uint16_t type,
			   struct str body, void (*convert)(struct str body, struct buf *out),
			   void (*after)(struct engine *engine, const char *about),
			   const char *about)
{
	struct engine *engine = engine_of(peer);
	struct relay *relay = calloc(1, sizeof(*relay));
	struct err err = { 0 };

	if (!relay) {
		err_set(&err, -ENOMEM, "no memory for a request");
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	*relay = (struct relay){ relays, engine, peer, msg->type, msg->serial, convert, after, "" };
	relays = relay;
	(void)str_copy(str_from(about), relay->about, sizeof(relay->about));
	if (msg_peer_call(&engine->store.peer, type, body, NULL, 0, on_relayed, relay, &err) >= 0)
		return;
	relay_free(relay);
	(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}

static void copy_body(struct str body, struct buf *out)
{
	(void)buf_add_str(out, body);
}

/* STORE_MSG_IMAGE_LIST -> ENGINE_MSG_IMAGES. */
static void convert_images(struct str body, struct buf *out)
{
	struct wire in;
	uint32_t count;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, 65536);
	wire_put_u32(out, count);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		struct arena arena OWN(arena_done) = { 0 };
		struct str reference = wire_str(&in, STORE_REFERENCE_MAX);
		struct str record = wire_blob(&in, STORE_RECORD_MAX);
		struct engine_image row = { .disk_bytes = wire_u64(&in) };
		struct image image;
		struct wire one;

		(void)wire_i64(&in); /* when it was made */
		arena_init(&arena, 8 << 20);
		wire_init(&one, record.ptr, record.len);
		image_init(&image);
		(void)image_decode(&one, &arena, &image, NULL);
		(void)str_copy(reference, row.reference, sizeof(row.reference));
		(void)digest_text(&image.manifest, row.digest);
		/* What is too long is no time and no machine: left out, not cut. */
		(void)str_copy(str_from(image.created), row.created, sizeof(row.created));
		(void)str_copy(str_from(image.architecture), row.architecture,
			       sizeof(row.architecture));
		row.bytes = image_size(&image);
		row.layers = image.layer_count;
		engine_image_put(out, &row);
	}
}

void engine_images_call(struct msg_peer *peer, struct msg *msg)
{
	relay_to_store(peer, msg, STORE_MSG_IMAGE_LIST, STR(""), convert_images, NULL, "");
}

void engine_records_call(struct msg_peer *peer, struct msg *msg)
{
	relay_to_store(peer, msg, STORE_MSG_IMAGE_LIST, STR(""), copy_body, NULL, "");
}

static int read_reference(struct msg *msg, char dst[OCI_REFERENCE_MAX], struct err *err)
{
	struct wire in;
	struct str text;

	wire_init(&in, msg->body.ptr, msg->body.len);
	text = wire_str(&in, ENGINE_REF_MAX);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "malformed request");
	return oci_reference_normalise(text, dst, err);
}

/* An image that a container runs from stays: the container could not be started again. */
static int image_unused(struct engine *engine, const char *reference, struct err *err)
{
	for (const struct service *s = engine->manager.services; s; s = s->next) {
		if (s->container && !strcmp(s->container->def.reference, reference))
			return err_set(err, -EBUSY, "%s is in use by %s; `stop %s` first",
				       reference, s->name, s->name);
	}
	for (const struct table_entry *e = engine->table.first; e; e = e->next) {
		if (e->container && !strcmp(e->def.reference, reference))
			return err_set(err, -EBUSY, "%s is in use by %s; stop it first", reference,
				       e->def.name);
	}
	return 0;
}

void engine_image_removed(struct engine *engine, const char *reference)
{
	service_trial_image_gone(&engine->manager, reference);
	engine_collect_soon(engine);
}

void engine_image_remove_call(struct msg_peer *peer, struct msg *msg)
{
	char reference[OCI_REFERENCE_MAX];
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };

	if (read_reference(msg, reference, &err) < 0 ||
	    image_unused(engine_of(peer), reference, &err) < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, 1024);
	wire_put_text(&body, reference);
	relay_to_store(peer, msg, STORE_MSG_IMAGE_REMOVE, buf_str(&body), NULL,
		       engine_image_removed, reference);
}

void engine_prune_call(struct msg_peer *peer, struct msg *msg)
{
	engine_unmount_unused(engine_of(peer));
	relay_to_store(peer, msg, STORE_MSG_GC, STR("\1"), copy_body, NULL, "");
}

/* The list, or a prune of it. */
void engine_cache_call(struct msg_peer *peer, struct msg *msg)
{
	bool prune = msg->type == ENGINE_MSG_CACHE_PRUNE;

	if (prune)
		engine_unmount_unused(engine_of(peer));
	relay_to_store(peer, msg, prune ? STORE_MSG_CACHE_PRUNE : STORE_MSG_CACHE_LIST, msg->body,
		       copy_body, NULL, "");
}

static void pull_drop(struct engine_pull *pull)
{
	struct engine_pull **at = &pull->engine->pulls;

	while (*at != pull)
		at = &(*at)->next;
	*at = pull->next;
	free(pull);
}

static void on_pull_progress(void *owner, const char *line)
{
	struct engine_pull *pull = owner;
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 1024);
	wire_put_text(&body, line);
	if (pull->peer)
		(void)msg_reply_more(pull->peer, pull->type, pull->serial, buf_str(&body));
}

static void on_pull_stage(void *owner, const struct pull_progress *progress)
{
	struct engine_pull *pull = owner;
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 1024);
	pull_progress_encode(progress, &body);
	if (pull->peer)
		(void)msg_reply_more(pull->peer, pull->type, pull->serial, buf_str(&body));
}

static void on_pull_image(void *owner, const struct image *image)
{
	struct engine_pull *pull = owner;

	pull->manifest = pull->type == ENGINE_MSG_PULL_AS ? image->source : image->manifest;
	pull->same = image_take_same(pull->take);
}

static void on_pull_done(void *owner, const struct err *err)
{
	struct engine_pull *pull = owner;
	struct buf body OWN(buf_done) = { 0 };
	char digest[DIGEST_TEXT_MAX];

	buf_init(&body, 1024);
	wire_put_text(&body, digest_text(&pull->manifest, digest));
	if (pull->type == ENGINE_MSG_PULL_AS) {
		wire_put_u8(&body, pull->same);
		wire_put_u64(&body, pull->bytes);
	}
	if (pull->peer && err)
		(void)msg_reply_err(pull->peer, pull->type, pull->serial, err);
	else if (pull->peer)
		(void)msg_reply(pull->peer, pull->type, pull->serial, buf_str(&body), NULL, 0);
	if (!err && pull->type != ENGINE_MSG_PUSH)
		manager_kick(&pull->engine->manager, "an image was pulled");
	pull_drop(pull);
}

static void on_pushed(void *owner, const struct image_gave *gave, const struct err *err)
{
	struct engine_pull *pull = owner;

	if (gave) {
		pull->manifest = gave->manifest;
		pull->bytes = gave->bytes;
	}
	on_pull_done(pull, err);
}

/* A client's own login for one call, and whether it is a push. */
struct pull_login {
	struct str user, password, token;
	bool push;
};

/* {text image, text target}; a pull has one text, PULL_AS a login too. */
static int read_pull(struct msg *msg, char image[OCI_REFERENCE_MAX], char target[OCI_REFERENCE_MAX],
		     struct pull_login *ret_login, struct err *err)
{
	struct str text, to = STR("");
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	text = wire_str(&in, ENGINE_REF_MAX);
	*ret_login = (struct pull_login){ .push = msg->type == ENGINE_MSG_PUSH };
	if (msg->type != ENGINE_MSG_PULL)
		to = wire_str(&in, ENGINE_REF_MAX);
	if (msg->type == ENGINE_MSG_PULL_AS) {
		ret_login->user = wire_str(&in, PULL_SECRET_MAX);
		ret_login->password = wire_str(&in, PULL_SECRET_MAX);
		ret_login->token = wire_str(&in, PULL_SECRET_MAX);
		ret_login->push = wire_bool(&in);
	}
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "malformed request");
	r = oci_reference_normalise(text, image, err);
	return r < 0 ? r : oci_reference_normalise(to.len ? to : text, target, err);
}

/* The last host is the registry itself. */
void engine_take_login(struct str user, struct str password, struct str token, const char *target,
		       struct arena *arena, struct pull_start *start)
{
	struct pull_host *host;
	struct oci_reference reference;

	if (!user.len && !token.len)
		return;
	if (!start->host_count && oci_reference_parse(str_from(target), &reference, NULL) >= 0)
		pull_host_init(&start->hosts[start->host_count++],
			       arena_text(arena, str_from(oci_reference_host(&reference))));
	if (!start->host_count)
		return;
	host = &start->hosts[start->host_count - 1];
	host->user = arena_text(arena, user);
	host->password = arena_text(arena, password);
	host->token = arena_text(arena, token);
}

static struct engine_pull *pull_new(struct engine *engine, struct msg_peer *peer,
				    const struct msg *msg, struct err *err)
{
	struct engine_pull *pull = calloc(1, sizeof(*pull));

	if (!pull) {
		err_set(err, -ENOMEM, "no memory for a pull");
		return NULL;
	}
	*pull = (struct engine_pull){ .engine = engine,
				      .peer = peer,
				      .type = msg->type,
				      .serial = msg->serial,
				      .next = engine->pulls };
	engine->pulls = pull;
	return pull;
}

/* A pull or a push. */
void engine_pull_call(struct msg_peer *peer, struct msg *msg)
{
	static const struct image_take_ops ops = { .progress = on_pull_progress,
						   .image = on_pull_image,
						   .done = on_pull_done };
	static const struct image_take_ops ops_as = { .stage = on_pull_stage,
						      .image = on_pull_image,
						      .done = on_pull_done };
	struct engine *engine = engine_of(peer);
	struct image_take_env env = { .loop = &engine->loop,
				      .store = &engine->store.peer,
				      .leases = &engine->leases,
				      .keep_blobs = engine->manager.keep_blobs,
				      .keep_unnamed = peer->identity == ENGINE_PEER_API };
	static const struct image_give_ops push_ops = { .progress = on_pull_progress,
							.done = on_pushed };
	static const struct image_give_ops push_ops_as = { .stage = on_pull_stage,
							   .done = on_pushed };
	bool as = msg->type == ENGINE_MSG_PULL_AS;
	const struct image_give_env give = { .loop = &engine->loop,
					     .store = &engine->store.peer,
					     .leases = &engine->leases,
					     .rootfs = &engine->containers.rootfs };
	struct arena arena OWN(arena_done) = { 0 };
	char image[OCI_REFERENCE_MAX], target[OCI_REFERENCE_MAX];
	struct engine_pull *pull = NULL;
	struct pull_login login;
	struct pull_start start;
	struct err err = { 0 };

	if (read_pull(msg, image, target, &login, &err) == 0)
		pull = pull_new(engine, peer, msg, &err);
	if (!pull) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	arena_init(&arena, 4 << 20);
	manager_pull_hosts(&engine->manager, target, &arena, &start);
	engine_take_login(login.user, login.password, login.token, target, &arena, &start);
	if (login.push)
		pull->give = image_give_push(&give, &start, image, as ? &push_ops_as : &push_ops,
					     pull, &err);
	else
		pull->take = image_take_pull(&env, &start, as ? &ops_as : &ops, pull, &err);
	if (!pull->take && !pull->give) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		pull_drop(pull);
	}
}

void engine_image_calls_gone(struct engine *engine, const struct msg_peer *peer)
{
	for (struct relay *relay = relays; relay; relay = relay->next) {
		if (relay->peer == peer)
			relay->peer = NULL; /* what was begun goes on */
	}
	for (struct engine_pull *p = engine->pulls; p; p = p->next) {
		if (p->peer == peer)
			p->peer = NULL; /* the pull goes on: its result is wanted all the same */
	}
}
