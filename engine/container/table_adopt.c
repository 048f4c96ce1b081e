/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers made over the API, found again: after a restart of engine main, and after a boot. Runs
 * in engine main. What a shim or an exit file says counts; what was wanted decides what starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "engine/container/table.h"
#include "engine/service/machine.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

static int read_state(struct table *table, const char *id, struct arena *arena,
		      int64_t *ret_created_s, struct container_def *ret_def, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 }, path OWN(buf_done) = { 0 };
	int r;

	buf_init(&path, 128);
	(void)buf_printf(&path, "containers/%s/state", id);
	buf_init(&file, DEF_BYTES_MAX);
	r = fs_read(table->env->data_fd, buf_text(&path), FS_BENEATH, DEF_BYTES_MAX, &file, err);
	if (r < 0)
		return r;
	return container_state_decode(buf_str(&file), arena, ret_created_s, ret_def, err);
}

static void read_exit(struct table_entry *entry)
{
	struct buf file OWN(buf_done) = { 0 }, path OWN(buf_done) = { 0 };
	struct shim_exit status;

	buf_init(&path, 128);
	(void)buf_printf(&path, "containers/%s/" SHIM_EXIT_FILE, entry->id);
	buf_init(&file, 1024);
	if (fs_read(entry->table->env->data_fd, buf_text(&path), FS_BENEATH, 1024, &file, NULL) <
		    0 ||
	    shim_exit_parse(buf_str(&file), &status, NULL) < 0)
		return;
	entry->state = TABLE_STATE_EXITED;
	entry->exit_code = status.code;
	entry->oom = status.oom;
	entry->started_ns = status.started_ns;
	entry->finished_ns = status.finished_ns;
}

/* It was there in this boot: its shim or its exit file tells. */
static void adopt_running(struct table_entry *entry)
{
	struct err err = { 0 };

	entry->container =
		container_adopt(entry->table->env, entry->id, &table_container_ops, entry, &err);
	if (!entry->container) {
		log_warn("container %s: %s", entry->def.name, err_text(&err));
		return;
	}
	entry->running_since = mono_now();
	entry->state = TABLE_STATE_STARTING;
}

bool table_adopt(struct table *table, const char *id)
{
	struct buf run OWN(buf_done) = { 0 };
	struct arena arena OWN(arena_done) = { 0 };
	struct container_def def;
	struct table_entry *entry;
	struct err err = { 0 };
	int64_t created_s = 0;

	arena_init(&arena, DEF_BYTES_MAX * 2);
	if (read_state(table, id, &arena, &created_s, &def, &err) < 0 || def.declared ||
	    !def.host_set)
		return false;
	entry = table_add(table, id, &def, &err);
	if (!entry) {
		log_err("container %s: %s", id, err_text(&err));
		return true;
	}
	entry->created_s = created_s;
	read_exit(entry);
	buf_init(&run, 128);
	(void)buf_printf(&run, "c/%s", id);
	if (fs_exists(table->env->run_fd, buf_text(&run), FS_BENEATH))
		adopt_running(entry);
	else if (def.host.wanted && !entry->finished_ns) {
		entry->state = TABLE_STATE_EXITED; /* the machine went down under it */
		entry->exit_code = 255;
	}
	return true;
}

static bool boots(const struct table_entry *entry)
{
	const struct def_host *host = &entry->def.host;

	switch ((enum service_restart)host->restart) {
	case SERVICE_RESTART_NO:
		return false;
	case SERVICE_RESTART_ALWAYS:
		return host->wanted || entry->finished_ns;
	case SERVICE_RESTART_ON_FAILURE:
		return host->wanted && entry->exit_code;
	case SERVICE_RESTART_UNLESS_STOPPED:
		return host->wanted;
	}
	return false;
}

void table_boot(struct table *table)
{
	struct table_entry *next;

	for (struct table_entry *e = table->first; e; e = next) {
		next = e->next;
		if (e->container)
			continue;
		if (boots(e)) {
			table_arm_restart(e);
		} else if (e->def.host.auto_remove) {
			e->removing = true;
			table_remove_now(e, true);
		}
	}
}

void table_reattach(struct table *table)
{
	for (struct table_entry *e = table->first; e; e = e->next) {
		if (e->container)
			container_reattach(e->container);
	}
}

/* ---- the way down ---- */

void table_stop_all(struct table *table, int64_t grace_max_ms, void (*stopped)(void *owner),
		    void *owner)
{
	bool left = false;

	if (stopped) {
		table->stopped = stopped;
		table->stopped_owner = owner;
	}
	for (struct table_entry *e = table->first; e; e = e->next) {
		loop_timer_stop(table->env->loop, &e->timer);
		left |= e->container != NULL;
		if (!e->container || table->stopping)
			continue;
		if (e->paused)
			(void)cgroup_freeze(e->container->cgroup_fd, false, NULL);
		(void)container_stop(e->container,
				     e->def.stop_grace_ms > grace_max_ms ? grace_max_ms : -1, NULL);
	}
	table->stopping = true;
	if (!left && table->stopped) {
		stopped = table->stopped;
		table->stopped = NULL;
		stopped(table->stopped_owner);
	}
}
