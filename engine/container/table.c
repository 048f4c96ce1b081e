/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of containers made over the API: entries, their starts and ends, restart policies. Runs
 * in engine main. Must never forget an entry whose directory is still there.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "engine/container/table.h"
#include "engine/service/machine.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"

enum {
	TABLE_RESTART_BASE_MS = 100,
	TABLE_RESTART_CAP_MS = 60000,
	TABLE_CALM_MS = 10000, /* a run as long as this forgets the restarts before it */
	TABLE_EXIT_NOT_FOUND = 127,
	TABLE_EXIT_NOT_EXECUTABLE = 126,
	TABLE_EXIT_ENGINE = 128,
};

void table_init(struct table *table, struct container_env *env, const struct table_ops *ops,
		void *owner)
{
	*table = (struct table){ .env = env, .ops = ops, .owner = owner };
}

void table_event(const struct table_entry *entry, const char *action, int32_t number)
{
	entry->table->ops->event(entry->table->owner, entry, action, number);
}

/* ---- who waits ---- */

int table_call_add(struct table_entry *entry, enum table_wait kind,
		   void (*done)(void *owner, const struct err *err), void *owner, struct err *err)
{
	struct table_call *call;

	if (!done)
		return 0;
	call = calloc(1, sizeof(*call));
	if (!call)
		return err_set(err, -ENOMEM, "no memory for a request");
	*call = (struct table_call){ entry->calls, kind, done, owner };
	entry->calls = call;
	return 0;
}

void table_calls_done(struct table_entry *entry, enum table_wait kind, const struct err *err)
{
	struct table_call **at = &entry->calls;

	while (*at) {
		struct table_call *call = *at;

		if (call->kind != kind) {
			at = &call->next;
			continue;
		}
		*at = call->next;
		call->done(call->owner, err);
		free(call);
		at = &entry->calls; /* done() may have added one */
	}
}

void table_forget(struct table *table, const void *owner)
{
	for (struct table_entry *e = table->first; e; e = e->next) {
		struct table_call **at = &e->calls;

		while (*at) {
			struct table_call *call = *at;

			if (call->owner != owner) {
				at = &call->next;
				continue;
			}
			*at = call->next;
			free(call);
		}
	}
}

/* ---- entries ---- */

struct table_entry *table_find(struct table *table, const char *text, bool *ret_many)
{
	struct table_entry *found = NULL;
	size_t len = strlen(text);

	*ret_many = false;
	for (struct table_entry *e = table->first; e; e = e->next) {
		if (!strcmp(e->def.name, text) || !strcmp(e->id, text))
			return e;
	}
	for (struct table_entry *e = table->first; len && e; e = e->next) {
		if (strncmp(e->id, text, len) != 0)
			continue;
		*ret_many = found != NULL;
		found = e;
		if (*ret_many)
			return NULL;
	}
	return found;
}

void table_edit(struct table_entry *entry)
{
	static uint64_t last;

	entry->edition = ++last;
}

int table_take_def(struct table_entry *entry, const struct container_def *def, struct err *err)
{
	struct buf copy OWN(buf_done) = { 0 };
	struct container_def own;
	struct arena arena = { 0 };
	struct wire in;
	int r;

	buf_init(&copy, DEF_BYTES_MAX);
	container_def_encode(def, &copy);
	if (buf_error(&copy))
		return err_set(err, buf_error(&copy), "definition of container %s", def->name);
	arena_init(&arena, DEF_BYTES_MAX * 2);
	wire_init(&in, copy.data, copy.len);
	r = container_def_decode(&in, &arena, &own, err);
	if (r < 0) {
		arena_done(&arena);
		return r;
	}
	arena_done(&entry->arena);
	entry->arena = arena;
	entry->def = own;
	table_edit(entry);
	return 0;
}

struct table_entry *table_add(struct table *table, const char *id, const struct container_def *def,
			      struct err *err)
{
	struct table_entry *entry = calloc(1, sizeof(*entry)), **end = &table->first;

	if (!entry || table->count >= TABLE_MAX) {
		err_set(err, -ENOMEM, "there are %u containers already", table->count);
		free(entry);
		return NULL;
	}
	entry->table = table;
	memcpy(entry->id, id, sizeof(entry->id));
	if (table_take_def(entry, def, err) < 0 ||
	    container_lease(table->env->leases, &entry->lease, &entry->def, err) < 0) {
		image_lease_drop(table->env->leases, &entry->lease);
		arena_done(&entry->arena);
		free(entry);
		return NULL;
	}
	while (*end)
		end = &(*end)->next;
	*end = entry;
	table->count++;
	return entry;
}

static void table_bury(struct loop_timer *timer)
{
	struct table_entry *entry = timer->owner;

	arena_done(&entry->arena);
	free(entry);
}

/* Out of the table; its memory goes once nobody above us on the stack looks at it. */
void table_drop(struct table_entry *entry)
{
	struct table_entry **at = &entry->table->first;
	struct err gone = { 0 };

	while (*at && *at != entry)
		at = &(*at)->next;
	if (*at)
		*at = entry->next;
	entry->table->count--;
	loop_timer_stop(entry->table->env->loop, &entry->timer);
	loop_timer_stop(entry->table->env->loop, &entry->killed);
	image_lease_drop(entry->table->env->leases, &entry->lease);
	err_set(&gone, -ENOENT, "No such container: %s", entry->id);
	table_calls_done(entry, TABLE_WAIT_START, &gone);
	table_calls_done(entry, TABLE_WAIT_STOP, NULL);
	table_calls_done(entry, TABLE_WAIT_REMOVE, NULL);
	loop_timer_set(entry->table->env->loop, &entry->burial, 0, table_bury, entry);
}

/* What runs decides: it has the ports that were picked. */
int table_write(struct table_entry *entry, struct err *err)
{
	struct container_def def = entry->def;

	if (entry->container) {
		def.ports = entry->container->def.ports;
		def.port_count = entry->container->def.port_count;
	}
	return container_define(entry->table->env, entry->id, &def, entry->created_s, err);
}

struct table_entry *table_create(struct table *table, const char *id,
				 const struct container_def *def, struct err *err)
{
	struct table_entry *entry;
	uint8_t bytes[CONTAINER_ID_LEN / 2];
	bool many;

	if (str_unhex(str_from(id), bytes, sizeof(bytes)) < 0 || table_find(table, id, &many)) {
		err_set(err, -EINVAL, "a new id is wanted");
		return NULL;
	}
	entry = table_add(table, id, def, err);
	if (!entry)
		return NULL;
	entry->created_s = wall_now_s();
	entry->state = TABLE_STATE_CREATED;
	if (table_write(entry, err) < 0) {
		(void)container_remove(table->env, id, NULL);
		table_drop(entry);
		return NULL;
	}
	table_event(entry, "create", 0);
	return entry;
}

/* ---- what its container reports ---- */

static void on_started(void *owner, struct container *container)
{
	struct table_entry *entry = owner;

	entry->container = container;
	entry->state = TABLE_STATE_RUNNING;
	entry->started_ns = container->started_ns;
	entry->finished_ns = 0;
	entry->exit_code = 0;
	entry->oom = false;
	entry->error[0] = 0;
	entry->running_since = mono_now();
	table_event(entry, "start", 0);
	if (entry->tell_restart)
		table_event(entry, "restart", 0);
	entry->tell_restart = false;
	table_calls_done(entry, TABLE_WAIT_START, NULL);
	if (entry->removing || entry->table->stopping)
		(void)container_stop(container, -1, NULL);
}

static int32_t start_exit_code(const struct err *err)
{
	if (strstr(err->text, "not found in PATH") || strstr(err->text, "No such file"))
		return TABLE_EXIT_NOT_FOUND;
	if (strstr(err->text, "ermission denied") || strstr(err->text, "is a directory"))
		return TABLE_EXIT_NOT_EXECUTABLE;
	return TABLE_EXIT_ENGINE;
}

static void on_failed(void *owner, struct container *container, const struct err *err)
{
	struct table_entry *entry = owner;
	bool again = entry->state == TABLE_STATE_RESTARTING || entry->restarts;

	entry->container = NULL;
	entry->ran_s = 0;
	entry->tell_restart = false;
	entry->table->ops->container_gone(entry->table->owner, container);
	container_free(container);
	entry->state = entry->finished_ns ? TABLE_STATE_EXITED : TABLE_STATE_CREATED;
	entry->exit_code = start_exit_code(err);
	entry->def.host.wanted = false;
	(void)str_copy(str_head(str_from(err_text(err)), sizeof(entry->error) - 1), entry->error,
		       sizeof(entry->error));
	log_warn("container %s: %s", entry->def.name, err_text(err));
	(void)table_write(entry, NULL);
	table_event(entry, "die", entry->exit_code);
	table_calls_done(entry, TABLE_WAIT_START, err);
	if (again && !entry->manual_stop && !entry->removing && !entry->table->stopping)
		table_arm_restart(entry);
	else
		table_settled(entry);
}

static bool wants_again(const struct table_entry *entry)
{
	const struct def_host *host = &entry->def.host;

	if (entry->manual_stop || entry->removing || entry->table->stopping)
		return false;
	return service_machine_exit((enum service_restart)host->restart, entry->exit_code,
				    entry->restarts,
				    host->restart_max) == SERVICE_EVENT_ENDED_AGAIN;
}

static void on_ended(void *owner, struct container *container, const struct shim_exit *status)
{
	struct table_entry *entry = owner;

	loop_timer_stop(entry->table->env->loop, &entry->killed);
	entry->container = NULL;
	entry->paused = false;
	entry->ran_s = container_ran_s(container, entry->running_since);
	entry->table->ops->container_gone(entry->table->owner, container);
	container_free(container);
	entry->exit_code = status->code;
	entry->oom = entry->oom || status->oom;
	entry->finished_ns = status->finished_ns;
	if (mono_diff_ms(mono_now(), entry->running_since) >= TABLE_CALM_MS)
		entry->restarts = 0;
	if (wants_again(entry)) {
		entry->state = TABLE_STATE_RESTARTING;
		table_event(entry, "die", entry->exit_code);
		table_calls_done(entry, TABLE_WAIT_STOP, NULL);
		table_arm_restart(entry);
		return;
	}
	entry->state = TABLE_STATE_EXITED;
	table_event(entry, "die", entry->exit_code);
	if (entry->manual_stop)
		table_event(entry, "stop", 0);
	table_settled(entry);
}

static void on_exec_ended(void *owner, struct container *container, uint32_t exec_id, int32_t code)
{
	const struct table_entry *entry = owner;

	entry->table->ops->exec_ended(entry->table->owner, container, exec_id, code);
}

static void on_launched(void *owner, struct container *container)
{
	struct table_entry *entry = owner;

	entry->container = container;
	entry->table->ops->launched(entry->table->owner, entry);
}

static void on_health(void *owner, struct container *container)
{
	const struct table_entry *entry = owner;
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, 64);
	(void)buf_printf(&text, "health_status: %s", health_word(container));
	table_event(entry, buf_text(&text), 0);
}

static void on_oom(void *owner, struct container *container)
{
	struct table_entry *entry = owner;

	(void)container;
	entry->oom = true;
	table_event(entry, "oom", 0);
}

static void on_killed(void *owner, struct container *container)
{
	(void)container;
	table_event(owner, "kill", SIGKILL);
}

const struct container_ops table_container_ops = {
	.started = on_started,
	.failed = on_failed,
	.ended = on_ended,
	.exec_ended = on_exec_ended,
	.launched = on_launched,
	.oom = on_oom,
	.health = on_health,
	.killed = on_killed,
};

/* ---- restart policies ---- */

static void on_restart_timer(struct loop_timer *timer)
{
	struct table_entry *entry = timer->owner;
	struct err err = { 0 };

	if (table_begin(entry, &err) < 0) {
		log_warn("container %s: %s", entry->def.name, err_text(&err));
		entry->state = TABLE_STATE_RESTARTING;
		table_arm_restart(entry);
	}
}

void table_arm_restart(struct table_entry *entry)
{
	int64_t ms = backoff_ms(entry->restarts++, TABLE_RESTART_BASE_MS, TABLE_RESTART_CAP_MS,
				random_jitter());

	entry->state = TABLE_STATE_RESTARTING;
	loop_timer_set(entry->table->env->loop, &entry->timer, ms, on_restart_timer, entry);
}
