/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns /data/state/ends: why services ended, over reboots. Runs in engine main. Must never write
 * more often than every few seconds, however often a service dies.
 */
#include <errno.h>
#include "engine/service/manager.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

/* A write is saved up every ten seconds, so many at most: an end is written at once unless many
 * were. */
enum { ENDS_WRITE_MS = 10000, ENDS_WRITES_MAX = 16 };

static int state_dir(const struct manager *manager, struct err *err)
{
	if (manager->env.containers->data_fd < 0)
		return err_set(err, -ENODEV, "the data partition is not there");
	return fs_open_dir(manager->env.containers->data_fd, "state", FS_BENEATH, 0755, err);
}

void manager_ends_save(struct manager *manager)
{
	struct buf file OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int dir OWN_FD = state_dir(manager, &err);
	uint32_t count = 0;

	loop_timer_stop(manager->env.loop, &manager->ends_timer);
	for (const struct service *s = manager->services; s; s = s->next)
		count += s->declared && s->ends.count;
	buf_init(&file, SERVICE_ENDS_FILE_MAX);
	service_ends_begin(&file, count);
	for (const struct service *s = manager->services; s; s = s->next) {
		if (!s->declared || !s->ends.count)
			continue;
		wire_put_text(&file, s->name);
		service_ends_put(&file, &s->ends);
	}
	if (dir < 0 || service_ends_seal(&file) < 0 ||
	    fs_replace(dir, "ends", file.data, file.len, 0600, &err) < 0)
		log_warn("why services ended is not kept: %s", err_text(&err));
}

static bool may_write(struct manager *manager)
{
	int64_t regained = mono_diff_ms(mono_now(), manager->ends_since) / ENDS_WRITE_MS;

	if (regained > 0) {
		manager->ends_spent -=
			regained < manager->ends_spent ? (int)regained : manager->ends_spent;
		manager->ends_since = mono_now();
	}
	if (manager->ends_spent == ENDS_WRITES_MAX)
		return false;
	manager->ends_spent++;
	return true;
}

static void save_due(struct loop_timer *timer)
{
	manager_ends_save(timer->owner);
}

void service_ended(struct service *service, const char *text)
{
	struct manager *manager = service->manager;

	service_ends_add(&service->ends, wall_now_s(), text);
	if (!manager->ends_timer.armed)
		loop_timer_set(manager->env.loop, &manager->ends_timer,
			       may_write(manager) ? 0 : ENDS_WRITE_MS, save_due, manager);
}

/* What ended before the file was read stands in front of what it says. */
static void on_ends(void *owner, const char *name, const struct service_ends *ends)
{
	struct service *service = manager_find(owner, name);
	struct service_ends merged = *ends;

	if (!service)
		return;
	for (uint32_t i = service->ends.count; i-- > 0;)
		service_ends_add(&merged, service->ends.list[i].at_s, service->ends.list[i].text);
	service->ends = merged;
}

void manager_ends_load(struct manager *manager)
{
	struct buf file OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int dir OWN_FD = manager->ends_known ? -1 : state_dir(manager, &err);
	int r;

	if (dir < 0)
		return;
	manager->ends_known = true;
	buf_init(&file, SERVICE_ENDS_FILE_MAX);
	r = fs_read(dir, "ends", FS_BENEATH, SERVICE_ENDS_FILE_MAX, &file, &err);
	if (r >= 0)
		r = service_ends_read(buf_str(&file), on_ends, manager, &err);
	if (r < 0 && r != -ENOENT)
		log_warn("why services ended before: %s", err_text(&err));
}
