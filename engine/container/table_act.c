/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people ask of a container made over the API: start, stop, restart, kill, pause, change,
 * remove. Runs in engine main. Error texts are those that clients of Docker's API match.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "engine/container/table.h"
#include "lib/log.h"
#include "lib/own.h"

/* Ephemeral ports, as Linux picks them for clients by default. */
enum { PORT_FIRST = 32768, PORT_LAST = 60999 };

enum { KILL_MS = 10000 };

/* ---- start ---- */

static bool port_used(const struct table *table, uint8_t proto, uint16_t port)
{
	for (const struct table_entry *e = table->first; e; e = e->next) {
		for (uint32_t i = 0; e->container && i < e->container->def.port_count; i++) {
			const struct service_port *p = &e->container->def.ports[i];

			if (p->proto == proto && port >= p->host_port &&
			    port < p->host_port + p->count)
				return true;
		}
	}
	return false;
}

/* A port of 0 is any that is free: picked here for this start. */
static int pick_ports(struct table_entry *entry, struct arena *arena, struct container_def *def,
		      struct err *err)
{
	static uint16_t last = PORT_FIRST - 1;

	def->ports = arena_array(arena, def->port_count + 1U, sizeof(*def->ports));
	if (!def->ports)
		return err_set(err, -ENOMEM, "no memory for ports");
	for (uint32_t i = 0; i < def->port_count; i++) {
		unsigned tries = PORT_LAST - PORT_FIRST + 1;

		def->ports[i] = entry->def.ports[i];
		if (def->ports[i].host_port)
			continue;
		do {
			last = last >= PORT_LAST ? PORT_FIRST : (uint16_t)(last + 1);
		} while (--tries && port_used(entry->table, def->ports[i].proto, last));
		if (!tries)
			return err_set(err, -ENOSPC, "all ports have been allocated");
		def->ports[i].host_port = last;
	}
	return 0;
}

int table_begin(struct table_entry *entry, struct err *err)
{
	struct container_def def = entry->def;
	struct arena arena OWN(arena_done) = { 0 };
	struct container *container;
	int r;

	arena_init(&arena, 1 << 16);
	r = pick_ports(entry, &arena, &def, err);
	if (r < 0)
		return r;
	entry->def.host.wanted = def.host.wanted = true;
	entry->manual_stop = false;
	container = container_start(entry->table->env, &def, entry->id, &table_container_ops, entry,
				    err);
	if (!container)
		return err->code;
	container->created_s = entry->created_s;
	entry->container = container;
	entry->state = TABLE_STATE_STARTING;
	table_edit(entry);
	return 0;
}

int table_start(struct table_entry *entry, void (*done)(void *owner, const struct err *err),
		void *owner, struct err *err)
{
	int r;

	if (entry->removing)
		return err_set(err, -EEXIST,
			       "container is marked for removal and cannot be started");
	if (entry->paused)
		return err_set(err, -EEXIST,
			       "cannot start a paused container, try unpause instead");
	if (entry->state == TABLE_STATE_RUNNING)
		return err_set(err, -EALREADY, "it runs already");
	r = table_call_add(entry, TABLE_WAIT_START, done, owner, err);
	if (r < 0 || entry->state == TABLE_STATE_STARTING)
		return r;
	loop_timer_stop(entry->table->env->loop, &entry->timer);
	entry->restarts = 0;
	r = table_begin(entry, err);
	if (r < 0)
		table_forget(entry->table, owner);
	return r;
}

/* ---- stop ---- */

static void unpause(struct table_entry *entry)
{
	if (!entry->paused || !entry->container)
		return;
	if (cgroup_freeze(entry->container->cgroup_fd, false, NULL) >= 0) {
		entry->paused = false;
		table_event(entry, "unpause", 0);
	}
}

/* From now on its policy does not bring it back, also not after a restart of the machine. */
static void mark_stopped(struct table_entry *entry)
{
	struct err err = { 0 };

	entry->manual_stop = true;
	if (!entry->def.host.wanted)
		return;
	entry->def.host.wanted = false;
	if (table_write(entry, &err) < 0)
		log_warn("container %s: %s", entry->def.name, err_text(&err));
}

static int stop_now(struct table_entry *entry, int64_t grace_ms, int signal, struct err *err)
{
	struct container *container = entry->container;
	int own = container_signal(entry->def.stop_signal, NULL);
	int r;

	table_event(entry, "kill", signal ? signal : own < 0 ? SIGTERM : own);
	unpause(entry);
	if (signal && container->phase == CONTAINER_PHASE_RUNNING) {
		r = container_stop(container, grace_ms, err);
		return r < 0 || signal == own ? r : container_kill(container, signal, err);
	}
	return container_stop(container, grace_ms, err);
}

int table_stop(struct table_entry *entry, int64_t grace_ms, int signal,
	       void (*done)(void *owner, const struct err *err), void *owner, struct err *err)
{
	int r;

	if (entry->state == TABLE_STATE_RESTARTING) {
		loop_timer_stop(entry->table->env->loop, &entry->timer);
		mark_stopped(entry);
		entry->state = TABLE_STATE_EXITED;
		table_event(entry, "stop", 0);
		if (done)
			done(owner, NULL);
		table_settled(entry);
		return 0;
	}
	if (!entry->container)
		return err_set(err, -EALREADY, "it does not run");
	r = table_call_add(entry, TABLE_WAIT_STOP, done, owner, err);
	if (r < 0)
		return r;
	mark_stopped(entry);
	r = stop_now(entry, grace_ms, signal, err);
	if (r == -ESRCH)
		return 0; /* it is ending by itself */
	if (r < 0 && done)
		table_forget(entry->table, owner);
	return r;
}

int table_restart(struct table_entry *entry, int64_t grace_ms, int signal,
		  void (*done)(void *owner, const struct err *err), void *owner, struct err *err)
{
	int r;

	if (entry->state == TABLE_STATE_RESTARTING || !entry->container) {
		entry->tell_restart = true;
		r = table_start(entry, done, owner, err);
		if (r < 0)
			entry->tell_restart = false;
		return r;
	}
	if (entry->removing)
		return err_set(err, -EEXIST, "container is marked for removal");
	r = table_call_add(entry, TABLE_WAIT_START, done, owner, err);
	if (r < 0)
		return r;
	entry->restart_asked = true;
	r = table_stop(entry, grace_ms, signal, NULL, NULL, err);
	if (r < 0) {
		entry->restart_asked = false;
		table_forget(entry->table, owner);
	}
	return r;
}

/* A process may sleep in the kernel where no signal reaches it: who asked is told. */
static void kill_late(struct loop_timer *timer)
{
	struct table_entry *entry = timer->owner;
	struct err err = { 0 };

	(void)err_set(&err, -ETIMEDOUT,
		      "cannot kill container: %s: it has not ended within %d s of SIGKILL; it is "
		      "still being waited for",
		      entry->def.name, KILL_MS / 1000);
	table_calls_done(entry, TABLE_WAIT_STOP, &err);
}

int table_kill(struct table_entry *entry, int signal,
	       void (*done)(void *owner, const struct err *err), void *owner, struct err *err)
{
	int own = container_signal(entry->def.stop_signal, NULL);
	int r;

	if (!entry->container || entry->state != TABLE_STATE_RUNNING)
		return err_set(err, -EBUSY,
			       "cannot kill container: %s: container %s is not running",
			       entry->def.name, entry->id);
	r = signal == SIGKILL ? table_call_add(entry, TABLE_WAIT_STOP, done, owner, err) : 0;
	if (r < 0)
		return r;
	if (signal == SIGKILL || signal == own)
		mark_stopped(entry);
	if (signal == SIGKILL)
		unpause(entry);
	r = container_kill(entry->container, signal, err);
	if (r < 0) {
		if (done)
			table_forget(entry->table, owner);
		return r;
	}
	table_event(entry, "kill", signal);
	if (signal == SIGKILL)
		loop_timer_set(entry->table->env->loop, &entry->killed, KILL_MS, kill_late, entry);
	if (signal != SIGKILL && done)
		done(owner, NULL);
	return 0;
}

int table_pause(struct table_entry *entry, bool pause, struct err *err)
{
	int r;

	if (!entry->container || entry->state != TABLE_STATE_RUNNING)
		return err_set(err, -EBUSY, "Container %s is not running", entry->id);
	if (pause == entry->paused)
		return err_set(err, -EBUSY, "Container %s is %s", entry->id,
			       pause ? "already paused" : "not paused");
	r = cgroup_freeze(entry->container->cgroup_fd, pause, err);
	if (r < 0)
		return r;
	entry->paused = pause;
	table_event(entry, pause ? "pause" : "unpause", 0);
	return 0;
}

int table_change(struct table_entry *entry, const struct container_def *def, struct err *err)
{
	int r = table_take_def(entry, def, err);

	if (r >= 0)
		r = table_write(entry, err);
	if (r >= 0 && entry->container)
		r = container_limit(entry->container, &entry->def, err);
	return r;
}

/* ---- remove ---- */

void table_remove_now(struct table_entry *entry, bool volumes)
{
	struct err err = { 0 };

	if (container_remove(entry->table->env, entry->id, &err) < 0) {
		log_warn("container %s: %s", entry->def.name, err_text(&err));
		entry->removing = false;
		table_calls_done(entry, TABLE_WAIT_REMOVE, &err);
		return;
	}
	entry->table->ops->removed(entry->table->owner, entry, volumes);
	table_event(entry, "destroy", 0);
	table_drop(entry);
}

/* It does not run any more and nothing brings it back: tells who waited, then --rm. */
void table_settled(struct table_entry *entry)
{
	struct table *table = entry->table;
	struct err err = { 0 };

	table_calls_done(entry, TABLE_WAIT_STOP, NULL);
	if (entry->restart_asked && !table->stopping) {
		entry->restart_asked = false;
		entry->tell_restart = true;
		if (table_begin(entry, &err) < 0) {
			entry->tell_restart = false;
			table_calls_done(entry, TABLE_WAIT_START, &err);
		}
		return;
	}
	if (entry->removing || entry->def.host.auto_remove) {
		entry->removing = true;
		table_remove_now(entry, entry->volumes_too || entry->def.host.auto_remove);
	}
	if (table->stopping)
		table_stop_all(table, 0, NULL, NULL);
}

int table_remove(struct table_entry *entry, bool force, bool volumes,
		 void (*done)(void *owner, const struct err *err), void *owner, struct err *err)
{
	int r;

	if (entry->removing)
		return err_set(err, -EEXIST, "removal of container %s is already in progress",
			       entry->id);
	if (entry->container && entry->paused && !force)
		return err_set(err, -EEXIST,
			       "cannot remove container \"/%s\": container is paused and must be "
			       "unpaused first",
			       entry->def.name);
	if ((entry->container || entry->state == TABLE_STATE_RESTARTING) && !force)
		return err_set(err, -EEXIST,
			       "cannot remove container \"/%s\": container is %s: stop the "
			       "container before removing or force remove",
			       entry->def.name,
			       entry->state == TABLE_STATE_RESTARTING ? "restarting" : "running");
	r = table_call_add(entry, TABLE_WAIT_REMOVE, done, owner, err);
	if (r < 0)
		return r;
	entry->removing = true;
	entry->volumes_too = volumes;
	if (!entry->container) {
		table_remove_now(entry, volumes);
		return 0;
	}
	mark_stopped(entry);
	if (entry->state == TABLE_STATE_RUNNING)
		table_event(entry, "kill", SIGKILL);
	unpause(entry);
	if (entry->container->phase == CONTAINER_PHASE_RUNNING)
		r = container_kill(entry->container, SIGKILL, err);
	else
		r = container_stop(entry->container, 0, err);
	if (r >= 0 || r == -ESRCH)
		return 0; /* its end removes it */
	entry->removing = false;
	table_forget(entry->table, owner);
	return r;
}
