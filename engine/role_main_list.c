/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What console and scripts ask about containers, declared ones and those made over the Docker API
 * alike: the list, one row, how it ended, and start, stop, restart, kill, remove. Runs in engine
 * main. Must never wait: what takes time is begun, and only a start answers when it is done.
 */
#include <errno.h>
#include <string.h>
#include "engine/oci/reference.h"
#include "engine/role_main.h"
#include "lib/own.h"

enum { LIST_REPLY_MAX = 8 << 20, LIST_ROW_MAX = 8192, NS_PER_S = 1000000000 };

static void malformed(struct msg_peer *peer, struct msg *msg)
{
	struct err err = { 0 };

	err_set(&err, -EBADMSG, "malformed request 0x%x", msg->type);
	(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}

/* As engine_target(), but what cannot be found is told as the console tells it. */
static int find(struct engine *engine, const char *name, struct engine_target *ret_target,
		struct err *err)
{
	int r = engine_target(engine, name, ret_target, err);

	return r == -ENOENT ? manager_unknown(&engine->manager, name, err) : r;
}

/* ---- rows ---- */

static const char *entry_state(const struct table_entry *entry)
{
	static const char *const names[] = {
		[TABLE_STATE_CREATED] = "created",	 [TABLE_STATE_STARTING] = "starting",
		[TABLE_STATE_RUNNING] = "running",	 [TABLE_STATE_EXITED] = "exited",
		[TABLE_STATE_RESTARTING] = "restarting",
	};

	if (entry->removing)
		return "removing";
	return entry->paused ? "paused" : names[entry->state];
}

static void entry_status(const struct table_entry *entry, struct buf *out)
{
	char span[SPAN_TEXT_MAX];

	if (entry->state == TABLE_STATE_RUNNING) {
		(void)buf_printf(
			out, "up %s",
			span_text(mono_diff_ms(mono_now(), entry->running_since) / 1000, span));
		if (entry->container && health_of(entry->container))
			(void)buf_printf(out, " (%s)", health_word(entry->container));
	} else if (*entry->error) {
		(void)buf_add_text(out, entry->error);
	} else if (entry->finished_ns) {
		(void)buf_printf(out, "exit code %d%s, %s ago", entry->exit_code,
				 entry->oom ? " (out of memory)" : "",
				 span_text(wall_now_s() - entry->finished_ns / NS_PER_S, span));
	} else {
		(void)buf_add_text(out, "-");
	}
}

/* As a person would type it: "busybox" for docker.io/library/busybox:latest. */
static void put_image(const char *text, char *dst, size_t cap)
{
	char shown[OCI_REFERENCE_MAX];
	struct oci_reference reference;

	if (oci_reference_parse(str_from(text), &reference, NULL) >= 0)
		text = oci_reference_familiar(&reference, shown);
	(void)str_copy(str_from(text), dst, cap);
}

static void put_entry(struct buf *out, const struct table_entry *entry)
{
	const struct container *container = entry->container;
	struct engine_row row = { .created_s = entry->created_s,
				  .exit_code = entry->exit_code,
				  .restarts = entry->restarts,
				  .pid = container ? (int32_t)container->pid : 0 };
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, sizeof(row.status) - 1);
	entry_status(entry, &text);
	(void)str_copy(str_from(entry->id), row.id, sizeof(row.id));
	(void)str_copy(str_from(entry->def.name), row.name, sizeof(row.name));
	put_image(entry->def.reference, row.image, sizeof(row.image));
	(void)str_copy(str_from(entry_state(entry)), row.state, sizeof(row.state));
	(void)str_copy(buf_str(&text), row.status, sizeof(row.status));
	(void)str_copy(str_from(container ? health_word(container) : "none"), row.health,
		       sizeof(row.health));
	if (container)
		container_def_ports(&container->def, row.ports, sizeof(row.ports));
	engine_row_put(out, &row);
}

static void put_service(struct buf *out, const struct service *service)
{
	struct engine_row row;

	manager_row(service, &row);
	engine_row_put(out, &row);
}

void engine_ps_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct buf body OWN(buf_done) = { 0 };
	uint32_t count = engine->table.count;

	for (const struct service *s = engine->manager.services; s; s = s->next)
		count += s->declared || s->container;
	buf_init(&body, LIST_REPLY_MAX);
	wire_put_u32(&body, count);
	for (const struct service *s = engine->manager.services; s; s = s->next) {
		if (s->declared || s->container)
			put_service(&body, s);
	}
	for (const struct table_entry *e = engine->table.first; e; e = e->next)
		put_entry(&body, e);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

/* The container that a request of nothing but a name means; 0, or -1: the answer is given. */
static int named(struct msg_peer *peer, struct msg *msg, struct engine_target *ret_target)
{
	char name[ENGINE_NAME_MAX];
	struct err err = { 0 };
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0) {
		malformed(peer, msg);
		return -1;
	}
	if (find(engine_of(peer), name, ret_target, &err) < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return -1;
	}
	return 0;
}

void engine_inspect_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine_target target = { 0 };
	struct buf body OWN(buf_done) = { 0 };

	if (named(peer, msg, &target) < 0)
		return;
	buf_init(&body, LIST_ROW_MAX);
	if (target.entry)
		put_entry(&body, target.entry);
	else
		put_service(&body, target.service);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

/* Only a declared container's earlier ends are kept; of another the last one is known. */
void engine_ends_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine_target target = { 0 };
	struct service_ends one = { 0 };
	struct buf body OWN(buf_done) = { 0 }, text OWN(buf_done) = { 0 };

	if (named(peer, msg, &target) < 0)
		return;
	buf_init(&body, LIST_ROW_MAX);
	buf_init(&text, SERVICE_END_TEXT_MAX);
	if (target.entry && target.entry->finished_ns) {
		(void)buf_printf(&text, "exit code %d%s", target.entry->exit_code,
				 target.entry->oom ? " (out of memory)" : "");
		service_ends_add(&one, target.entry->finished_ns / NS_PER_S, buf_text(&text));
	}
	service_ends_put(&body, target.entry ? &one : &target.service->ends);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

/* ---- acts ---- */

/* Nobody waits for it: a stop may last as long as the container's grace period. */
static void unheard(void *owner, const struct err *err)
{
	(void)owner;
	(void)err;
}

static int act_on(struct table_entry *entry, enum engine_act act, int64_t argument, struct err *err)
{
	static int nobody;
	int r = 0;

	switch (act) {
	case ENGINE_ACT_START:
		break; /* has an answer of its own */
	case ENGINE_ACT_STOP:
		r = table_stop(entry, -1, 0, unheard, &nobody, err);
		break;
	case ENGINE_ACT_RESTART:
		r = table_restart(entry, -1, 0, unheard, &nobody, err);
		break;
	case ENGINE_ACT_KILL:
		return table_kill(entry, (int)argument, unheard, &nobody, err);
	case ENGINE_ACT_REMOVE:
		return table_remove(entry, false, false, unheard, &nobody, err);
	}
	return r == -EALREADY ? 0 : r;
}

/* A section's name may stand for all its replicas, which are no target. */
static bool names_group(const struct engine *engine, const char *name)
{
	for (const struct service *s = engine->manager.services; s; s = s->next)
		if ((s->declared || s->container) && service_in_group(s, name))
			return true;
	return false;
}

void engine_act_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct engine_target target = { 0 };
	char name[ENGINE_NAME_MAX];
	struct err err = { 0 };
	struct wire in;
	int64_t argument;
	uint8_t act;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	act = wire_u8(&in);
	argument = wire_i64(&in);
	if (wire_end(&in) < 0 || act > ENGINE_ACT_REMOVE) {
		malformed(peer, msg);
		return;
	}
	if (!names_group(engine, name))
		(void)engine_target(engine, name, &target, NULL);
	if (act == ENGINE_ACT_START && target.entry) {
		engine_start_entry(peer, msg, target.entry);
		return;
	}
	if (!target.entry)
		r = manager_act(&engine->manager, target.service ? target.service->name : name,
				(enum engine_act)act, argument, &err);
	else
		r = act_on(target.entry, (enum engine_act)act, argument, &err);
	engine_answer(peer, msg, r, &err);
}
