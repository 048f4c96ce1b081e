/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the api role asks about single containers: both kinds, declared ones and those of the table,
 * behind one set of calls. Runs in engine main; the error texts are Docker's where clients match
 * them.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "engine/role_main_work.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum { BOX_SIGNAL_MAX = 64, BOX_PREFIX_MIN = 1 };

/* ---- one container by any of its names ---- */

static struct service *declared_by_id(struct engine *engine, const char *name, bool *ret_many)
{
	struct service *found = NULL;
	size_t len = strlen(name);

	for (struct service *s = engine->manager.services; s; s = s->next) {
		if (len < BOX_PREFIX_MIN || !*s->container_id ||
		    strncmp(s->container_id, name, len) != 0)
			continue;
		*ret_many = *ret_many || found;
		found = s;
	}
	return found;
}

int engine_target(struct engine *engine, const char *name, struct engine_target *ret_target,
		  struct err *err)
{
	struct engine_target target = { manager_find(&engine->manager, name), NULL };
	char shown[ENGINE_NAME_MAX];
	bool many = false;

	if (target.service && !target.service->declared && !target.service->container)
		target.service = NULL; /* its section went long ago */
	if (!target.service)
		target.entry = table_find(&engine->table, name, &many);
	if (!target.service && !target.entry && !many)
		target.service = declared_by_id(engine, name, &many);
	(void)str_escape(str_from(name), shown, sizeof(shown));
	if (many)
		return err_set(err, -EINVAL, "multiple IDs found with provided prefix: %s", shown);
	if (!target.service && !target.entry)
		return err_set(err, -ENOENT, "No such container: %s", shown);
	*ret_target = target;
	return 0;
}

struct container *engine_target_container(const struct engine_target *target)
{
	return target->entry ? target->entry->container : target->service->container;
}

const char *engine_target_id(const struct engine_target *target)
{
	return target->entry ? target->entry->id : target->service->container_id;
}

/* ---- answers, at once or later ---- */

void engine_answer(struct msg_peer *peer, const struct msg *msg, int result, const struct err *err)
{
	if (result < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, STR(""), NULL, 0);
}

static void call_done(void *owner, const struct err *err)
{
	struct engine_box_call *call = owner, **at = &call->engine->box_calls;

	while (*at && *at != call)
		at = &(*at)->next;
	if (*at)
		*at = call->next;
	if (call->peer && err)
		(void)msg_reply_err(call->peer, call->type, call->serial, err);
	else if (call->peer)
		(void)msg_reply(call->peer, call->type, call->serial, STR(""), NULL, 0);
	free(call);
}

static struct engine_box_call *call_new(struct msg_peer *peer, const struct msg *msg,
					struct err *err)
{
	struct engine *engine = engine_of(peer);
	struct engine_box_call *call = calloc(1, sizeof(*call));

	if (!call) {
		err_set(err, -ENOMEM, "no memory for a request");
		return NULL;
	}
	*call = (struct engine_box_call){ engine->box_calls, engine, peer, msg->type, msg->serial };
	engine->box_calls = call;
	return call;
}

/* What was begun goes on; only its answer is wanted no more. */
void engine_box_gone(struct engine *engine, const struct msg_peer *peer)
{
	for (struct engine_box_call *c = engine->box_calls; c; c = c->next) {
		if (c->peer == peer)
			c->peer = NULL;
	}
}

/* The end of a handler: r < 0 answers the error, unless done() has freed the call already. */
static void call_settle(struct engine_box_call *call, int r, const struct err *err)
{
	if (r < 0)
		call_done(call, err);
}

static int malformed(struct err *err)
{
	return err_set(err, -EBADMSG, "malformed request");
}

/* {text name, ...}: the rest stays in `in`. */
static int read_target(struct engine *engine, struct wire *in, struct engine_target *ret_target,
		       struct err *err)
{
	char name[ENGINE_NAME_MAX];

	wire_text(in, name, sizeof(name));
	if (in->error)
		return malformed(err);
	return engine_target(engine, name, ret_target, err);
}

/* ---- create ---- */

static int check_name(struct engine *engine, const struct container_def *def, const char *own_id,
		      struct err *err)
{
	const struct service *service = manager_find(&engine->manager, def->name);
	const char *holder = service ? service->container_id : NULL;

	for (const struct table_entry *e = engine->table.first; e && !holder; e = e->next) {
		if (!strcmp(e->def.name, def->name) && strcmp(e->id, own_id) != 0)
			holder = e->id;
	}
	if (!holder)
		return 0;
	return err_set(err, -EEXIST,
		       "Conflict. The container name \"/%s\" is already in use by container "
		       "\"%s\". You have to remove (or rename) that container to be able to "
		       "reuse that name.",
		       def->name, *holder ? holder : def->name);
}

/* A bind whose source is asked to exist: said now, not at the start. */
static int check_binds(const struct container_def *def, struct err *err)
{
	for (uint32_t i = 0; i < def->mount_count; i++) {
		const struct def_mount *mount = &def->mounts[i];

		if (mount->kind != DEF_MOUNT_BIND)
			continue;
		if (def->mounts_more[i].flags & DEF_MOUNT_MAKE ||
		    fs_exists(-1, mount->source, FS_HOST))
			continue;
		return err_set(err, -EINVAL,
			       "invalid mount config for type \"bind\": bind source path does "
			       "not exist: %s",
			       mount->source);
	}
	return 0;
}

/* Docker's words for a link to what is not there. */
static int check_links(struct engine *engine, const struct container_def *def, struct err *err)
{
	for (uint32_t i = 0; i < def->extra_hosts.count; i++) {
		struct str address = str_from(def->extra_hosts.items[i]), name;
		struct engine_target target;
		struct err bad = { 0 };

		(void)str_cut(&address, ':', &name);
		if (!str_starts(address, STR(DEF_HOST_CONTAINER)))
			continue;
		address = str_skip(address, sizeof(DEF_HOST_CONTAINER) - 1);
		if (engine_target(engine, address.ptr, &target, &bad) < 0)
			return err_set(err, -EINVAL, "could not get container for %.*s: %s",
				       STR_ARG(address), err_text(&bad));
	}
	return 0;
}

static int read_def(struct wire *in, struct arena *arena, struct container_def *ret_def,
		    struct err *err)
{
	struct str bytes = wire_blob(in, DEF_BYTES_MAX);
	struct wire one;
	int r;

	if (wire_end(in) < 0)
		return malformed(err);
	wire_init(&one, bytes.ptr, bytes.len);
	r = container_def_decode(&one, arena, ret_def, err);
	if (r >= 0 && (wire_end(&one) < 0 || !ret_def->host_set || ret_def->declared))
		return malformed(err);
	return r;
}

const struct table_entry *engine_create(struct engine *engine, const char *id,
					const struct container_def *def, struct err *err)
{
	int r = check_name(engine, def, "", err);

	if (r >= 0)
		r = check_binds(def, err);
	if (r >= 0)
		r = check_links(engine, def, err);
	if (r >= 0)
		r = container_userns_check(&engine->containers, def, err);
	if (r >= 0)
		r = engine_volumes_make(engine, def, err);
	return r >= 0 ? table_create(&engine->table, id, def, err) : NULL;
}

void engine_create_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	const struct table_entry *entry = NULL;
	char id[CONTAINER_ID_LEN + 1];
	struct container_def def;
	struct err err = { 0 };
	struct wire in;
	int r;

	arena_init(&arena, DEF_BYTES_MAX * 2);
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, id, sizeof(id));
	r = read_def(&in, &arena, &def, &err);
	if (r >= 0 && !engine->data_ready)
		r = err_set(&err, -EAGAIN, "the data partition is not there");
	if (r >= 0)
		entry = engine_create(engine, id, &def, &err);
	if (!entry) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, 128);
	wire_put_text(&body, entry->id);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

void engine_change_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct arena arena OWN(arena_done) = { 0 };
	struct engine_target target = { 0 };
	struct container_def def;
	struct err err = { 0 };
	struct wire in;
	bool renamed = false;
	int r;

	arena_init(&arena, DEF_BYTES_MAX * 2);
	wire_init(&in, msg->body.ptr, msg->body.len);
	r = read_target(engine, &in, &target, &err);
	if (r >= 0)
		r = read_def(&in, &arena, &def, &err);
	if (r >= 0 && !target.entry)
		r = err_set(&err, -EBUSY,
			    "%s is declared in services.ini: change its section instead",
			    target.service->name);
	if (r >= 0)
		r = check_name(engine, &def, target.entry->id, &err);
	if (r >= 0) {
		renamed = strcmp(def.name, target.entry->def.name) != 0;
		def.host.wanted = target.entry->def.host.wanted;
		r = table_change(target.entry, &def, &err);
	}
	if (r >= 0)
		table_event(target.entry, renamed ? "rename" : "update", 0);
	engine_answer(peer, msg, r, &err);
}

/* ---- start, stop, restart ---- */

void engine_start_entry(struct msg_peer *peer, const struct msg *msg, struct table_entry *entry)
{
	struct err err = { 0 };
	struct engine_box_call *call = call_new(peer, msg, &err);

	if (!call)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		call_settle(call, table_start(entry, call_done, call, &err), &err);
}

static struct container *running(void *owner, const char *id)
{
	struct engine_target target;

	return engine_target(owner, id, &target, NULL) < 0 ? NULL
							   : engine_target_container(&target);
}

/* A link of old says what it leads to by an address: of what does not run there is none. */
static int links_run(struct engine *engine, const struct container_def *def, struct err *err)
{
	for (uint32_t i = 0; def->host.link_env.count && i < def->extra_hosts.count; i++) {
		struct str other = str_from(def->extra_hosts.items[i]), alias;
		const char *name;

		(void)str_cut(&other, ':', &alias);
		if (!str_starts(other, STR(DEF_HOST_CONTAINER)))
			continue;
		name = other.ptr + sizeof(DEF_HOST_CONTAINER) - 1; /* to the text's own NUL */
		if (!running(engine, name))
			return err_set(err, -EIO,
				       "Cannot link to a non running container: /%s AS /%s/%.*s",
				       name, def->name, STR_ARG(alias));
	}
	return 0;
}

void engine_start_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct engine_target target = { 0 };
	struct err err = { 0 };
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	r = read_target(engine, &in, &target, &err);
	if (r >= 0 && target.service) {
		if (target.service->state == SERVICE_STATE_RUNNING)
			r = err_set(&err, -EALREADY, "it runs already");
		else
			r = manager_act(&engine->manager, target.service->name, ENGINE_ACT_START,
					-1, &err);
	}
	if (r >= 0 && target.entry)
		r = links_run(engine, &target.entry->def, &err);
	if (r < 0 || target.service)
		engine_answer(peer, msg, r, &err);
	else
		engine_start_entry(peer, msg, target.entry);
}

static int declared_stop(struct engine *engine, const struct service *service, bool restart,
			 int64_t grace_ms, struct err *err)
{
	if (!restart && !service->container && service->state != SERVICE_STATE_WAITING &&
	    service->state != SERVICE_STATE_RESTARTING && service->state != SERVICE_STATE_RETRYING)
		return err_set(err, -EALREADY, "it does not run");
	return manager_act(&engine->manager, service->name,
			   restart ? ENGINE_ACT_RESTART : ENGINE_ACT_STOP, grace_ms, err);
}

/* STOP and RESTART. */
void engine_stop_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	bool restart = msg->type == ENGINE_MSG_RESTART;
	struct engine_target target = { 0 };
	struct engine_box_call *call;
	struct err err = { 0 };
	int64_t grace_ms;
	uint32_t signal;
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	r = read_target(engine, &in, &target, &err);
	grace_ms = wire_i64(&in);
	signal = wire_u32(&in);
	if (r >= 0 && (wire_end(&in) < 0 || signal > BOX_SIGNAL_MAX))
		r = malformed(&err);
	if (r >= 0 && target.service)
		r = declared_stop(engine, target.service, restart, grace_ms, &err);
	if (r < 0 || target.service) {
		engine_answer(peer, msg, r, &err);
		return;
	}
	call = call_new(peer, msg, &err);
	if (!call)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else if (restart)
		call_settle(
			call,
			table_restart(target.entry, grace_ms, (int)signal, call_done, call, &err),
			&err);
	else
		call_settle(call,
			    table_stop(target.entry, grace_ms, (int)signal, call_done, call, &err),
			    &err);
}

void engine_kill_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct engine_target target = { 0 };
	struct engine_box_call *call;
	struct err err = { 0 };
	uint32_t signal;
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	r = read_target(engine, &in, &target, &err);
	signal = wire_u32(&in);
	if (r >= 0 && (wire_end(&in) < 0 || !signal || signal > BOX_SIGNAL_MAX))
		r = malformed(&err);
	if (r >= 0 && target.entry) {
		call = call_new(peer, msg, &err);
		if (!call)
			(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		else
			call_settle(call,
				    table_kill(target.entry, (int)signal, call_done, call, &err),
				    &err);
		return;
	}
	if (r >= 0 && !target.service->container)
		r = err_set(&err, -EBUSY, "cannot kill container: %s: container %s is not running",
			    target.service->name, target.service->container_id);
	else if (r >= 0)
		r = manager_act(&engine->manager, target.service->name, ENGINE_ACT_KILL, signal,
				&err);
	engine_answer(peer, msg, r, &err);
}

void engine_remove_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct engine_target target = { 0 };
	struct engine_box_call *call;
	struct err err = { 0 };
	bool force, volumes;
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	r = read_target(engine, &in, &target, &err);
	force = wire_bool(&in);
	volumes = wire_bool(&in);
	if (r >= 0 && wire_end(&in) < 0)
		r = malformed(&err);
	if (r >= 0 && target.service)
		r = err_set(&err, -EEXIST,
			    "%s is declared in services.ini; take its section out to remove it",
			    target.service->name);
	call = r >= 0 ? call_new(peer, msg, &err) : NULL;
	if (!call)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		call_settle(call, table_remove(target.entry, force, volumes, call_done, call, &err),
			    &err);
}

void engine_pause_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct engine_target target = { 0 };
	struct err err = { 0 };
	struct wire in;
	bool pause;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	r = read_target(engine, &in, &target, &err);
	pause = wire_bool(&in);
	if (r >= 0 && wire_end(&in) < 0)
		r = malformed(&err);
	if (r >= 0 && target.service)
		r = err_set(&err, -EBUSY,
			    "%s is declared in services.ini and supervised: it cannot be paused",
			    target.service->name);
	if (r >= 0)
		r = table_pause(target.entry, pause, &err);
	engine_answer(peer, msg, r, &err);
}

/* ---- what the table reports ---- */

static void on_event(void *owner, const struct table_entry *entry, const char *action,
		     int32_t number)
{
	struct engine *engine = owner;

	if (!strcmp(action, "destroy"))
		engine_attach_removed(engine, entry->id);
	if (!strcmp(action, "destroy") || !strcmp(action, "die"))
		engine_waits_over(entry->id, !strcmp(action, "die"), number);
	engine_event_of_box(engine, action, entry->id, entry->def.name, &entry->def, number,
			    entry->ran_s);
}

static void on_launched(void *owner, struct table_entry *entry)
{
	engine_attach_launched(owner, entry->id, entry->container);
}

static void on_removed(void *owner, const struct table_entry *entry, bool volumes)
{
	if (volumes)
		engine_volumes_drop(owner, &entry->def);
}

void engine_table_init(struct engine *engine)
{
	static const struct table_ops ops = { on_event, engine_exec_ended, engine_container_gone,
					      on_launched, on_removed };

	table_init(&engine->table, &engine->containers, &ops, engine);
	engine->containers.running = running;
}
