/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services and their containers: starting, what their ends mean, stopping in order, taking over
 * after a restart of the engine. Runs in engine main.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "engine/service/manager.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

/* A run shorter than this counts as a failure for the back-off. */
enum { SUPERVISE_SHORT_RUN_MS = 10000, SUPERVISE_LATE_MS = 300000 };

/* Whoever waits for a turn may have it. */
static void start_over(struct service *service)
{
	loop_timer_stop(service->manager->env.loop, &service->late);
	turn_leave(&service->manager->starts, &service->start);
}

static void on_started(void *owner, struct container *container)
{
	struct service *service = owner;
	struct mono now = mono_now();

	start_over(service);
	service->image_stays = service->section_due = service->source_moved = false;
	service->container = container;
	service->running_since = now;
	service->failures = 0;
	service_reason(service, "");
	log_notice("service %s: running (started %lld ms after boot)", service->name,
		   (long long)(now.ns / 1000000));
	if (!service->manager->first_reported) {
		service->manager->first_reported = true;
		log_notice("hoy: mark first_container %lld", (long long)(now.ns / 1000000));
	}
	if (service->manager->env.event)
		service->manager->env.event(service->manager->env.owner, service, "start", 0);
	service_event(service, SERVICE_EVENT_STARTED);
	service_trial_started(service);
	service_rebuild_started(service);
	service_update_arm(service);
}

static void start_failed(struct service *service, const struct err *err)
{
	start_over(service);
	service_reason(service, err_text(err));
	service_event(service, SERVICE_EVENT_FAILED);
}

static void on_failed(void *owner, struct container *container, const struct err *err)
{
	struct service *service = owner;

	service->container = NULL;
	container_free(container);
	start_failed(service, err);
}

/* A volume of its own is filled, or it waits for others to fill theirs, however long that takes:
 * nobody else has to wait for it. */
static void on_filling(void *owner, struct container *container)
{
	struct service *service = owner;

	(void)container;
	turn_leave(&service->manager->starts, &service->start);
}

/* A start that waits for an answer that never comes must not keep the others from theirs. */
static void on_late(struct loop_timer *timer)
{
	struct service *service = timer->owner;
	struct container *container = service->container;
	struct err err = { 0 };

	if (service->state != SERVICE_STATE_STARTING || !container)
		return;
	if (container->phase == CONTAINER_PHASE_VOLUMES ||
	    turn_moved(&service->start, (uint32_t)container->phase + 1)) {
		loop_timer_set(service->manager->env.loop, timer, SUPERVISE_LATE_MS, on_late,
			       service);
		return;
	}
	err_set(&err, -ETIMEDOUT, "its start got no further for %d s: %s does not answer",
		SUPERVISE_LATE_MS / 1000,
		container->phase == CONTAINER_PHASE_LAYERS   ? "the store"
		: container->phase == CONTAINER_PHASE_USER   ? "the reader of its files"
		: container->phase == CONTAINER_PHASE_ATTACH ? "the network"
							     : "its shim");
	service->container = NULL;
	container_release(container);
	container_free(container);
	start_failed(service, &err);
}

static void end_reason(struct service *service, const struct shim_exit *status)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, 200);
	if (status->oom)
		(void)buf_printf(&text, "killed for memory, mem_limit was reached");
	else if (status->signal)
		(void)buf_printf(&text, "killed by signal %u", status->signal);
	else
		(void)buf_printf(&text, "exit code %d", status->code);
	service_reason(service, buf_text(&text));
	(void)str_copy(buf_str(&text), service->end_text, sizeof(service->end_text));
}

/* Whether its end is what it was meant to do. */
static bool ended_well(const struct service *service, const struct shim_exit *status)
{
	return !status->code && service->spec &&
	       (service->spec->restart == SERVICE_RESTART_NO ||
		service->spec->restart == SERVICE_RESTART_ON_FAILURE);
}

static bool is_job(const struct service *service)
{
	return service->declared && service->spec && *service->spec->schedule;
}

static void on_ended(void *owner, struct container *container, const struct shim_exit *status)
{
	struct service *service = owner;
	enum service_event event;
	bool again, failed;

	start_over(service);
	if (service->manager->env.event)
		service->manager->env.event(service->manager->env.owner, service, "die",
					    status->code);
	end_reason(service, status);
	failed = service_trial_ended(service, service->reason, ended_well(service, status));
	service->container = NULL;
	if (service->manager->env.container_gone)
		service->manager->env.container_gone(service->manager->env.owner, container);
	container_free(container);
	service->ran = true;
	service->last_exit = *status;
	if (mono_diff_ms(mono_now(), service->running_since) >= SUPERVISE_SHORT_RUN_MS)
		service->quick_ends = service->retries = 0;
	service_ended(service, service->reason);
	log_notice("service %s: ended (%s)", service->name, service->reason);
	event = service_machine_exit(
		service->spec ? service->spec->restart : SERVICE_RESTART_ALWAYS, status->code,
		service->retries, service->spec ? service->spec->restart_max : 0);
	if (failed) /* whatever its policy: the last good one is started */
		event = SERVICE_EVENT_ENDED_AGAIN;
	/* A job whose definition changed while it ran is not run again for that. */
	again = service->state == SERVICE_STATE_CYCLING && is_job(service);
	if (again)
		service_event(service, SERVICE_EVENT_UNWANT);
	service_event(service, event);
	if (is_job(service) && !service->manager->stopping &&
	    (again || service->state == SERVICE_STATE_EXITED))
		service_event(service, SERVICE_EVENT_SCHEDULE);
}

static void on_exec_ended(void *owner, struct container *container, uint32_t exec_id, int32_t code)
{
	const struct service *service = owner;

	if (service->manager->env.exec_ended)
		service->manager->env.exec_ended(service->manager->env.owner, container, exec_id,
						 code);
}

static void on_health(void *owner, struct container *container)
{
	struct service *service = owner;

	(void)container;
	service_trial_health(service);
	manager_check_waiting(service->manager);
}

static const struct container_ops service_ops = { .started = on_started,
						  .failed = on_failed,
						  .ended = on_ended,
						  .exec_ended = on_exec_ended,
						  .health = on_health,
						  .filling = on_filling };

/* The container of before is used again when nothing in its definition has changed. */
static void keep_or_drop(struct service *service, const struct container_def *def)
{
	struct err err = { 0 };
	struct digest digest;

	if (container_def_digest(def, &digest, &err) < 0)
		return;
	if (*service->container_id &&
	    memcmp(&digest, &service->container_def, sizeof(digest)) != 0) {
		log_info("service %s: its definition changed, a new container is made",
			 service->name);
		if (container_remove(service->manager->env.containers, service->container_id,
				     &err) < 0)
			log_warn("service %s: %s", service->name, err_text(&err));
		service->container_id[0] = 0;
	}
	service->container_def = digest;
}

/* Its turn: the definition is made now, for the configuration may have changed while it waited. */
static void start_now(struct turn *turn)
{
	struct service *service = turn->owner;
	struct arena arena OWN(arena_done) = { 0 };
	const struct container_def *chosen = NULL;
	struct container_def def;
	struct err err = { 0 };

	service_reason(service, "");
	arena_init(&arena, DEF_BYTES_MAX);
	if (!service->spec)
		err_set(&err, -EINVAL, "its section is no longer valid");
	else
		service_trial_load(service);
	if (service->spec &&
	    container_def_service(service->spec, &service->image, &arena, &def, &err) >= 0)
		chosen = service_trial_choose(service, &def);
	else if (service->spec)
		chosen = service_trial_instead(service, err_text(&err));
	if (chosen) {
		err = (struct err){ 0 };
		keep_or_drop(service, chosen);
		service->container =
			container_start(service->manager->env.containers, chosen,
					service->container_id, &service_ops, service, &err);
	}
	if (!service->container) {
		start_failed(service, &err);
		return;
	}
	loop_timer_set(service->manager->env.loop, &service->late, SUPERVISE_LATE_MS, on_late,
		       service);
	memcpy(service->container_id, service->container->id, sizeof(service->container_id));
}

void service_start(struct service *service)
{
	service_reason(service, "waits while others start");
	turn_take(&service->manager->starts, &service->start, start_now, service);
}

void service_stop(struct service *service)
{
	struct err err = { 0 };

	if (service->container && container_stop(service->container, -1, &err) < 0)
		log_warn("service %s: %s", service->name, err_text(&err));
}

/*
 * ---- what an operator stopped ----
 * An empty file of the service's name: /run/hoy/engine/stopped/ while the machine is up, and
 * /data/state/stopped/ for ever where restart = unless-stopped.
 */

static bool is_marked(int base_fd, const char *folder, const struct service *service)
{
	struct buf path OWN(buf_done) = { 0 };

	buf_init(&path, 256);
	(void)buf_printf(&path, "%s/%s", folder, service->name);
	return base_fd >= 0 && fs_exists(base_fd, buf_text(&path), FS_BENEATH);
}

static void mark(int base_fd, const char *folder, const struct service *service, bool stopped)
{
	struct err err = { 0 };
	int dir OWN_FD = base_fd < 0 ? -1 : fs_open_dir(base_fd, folder, FS_BENEATH, 0700, &err);

	if (dir < 0)
		return;
	if (stopped && fs_replace(dir, service->name, "", 0, 0600, &err) < 0)
		log_warn("service %s: that it was stopped is not kept: %s", service->name,
			 err_text(&err));
	else if (!stopped)
		(void)fs_unlink(dir, service->name, NULL);
}

bool service_marked_stopped(const struct service *service)
{
	return is_marked(service->manager->env.containers->run_fd, "stopped", service);
}

void service_mark_stopped(const struct service *service, bool stopped)
{
	const struct container_env *env = service->manager->env.containers;
	bool forever = service->spec && service->spec->restart == SERVICE_RESTART_UNLESS_STOPPED;

	mark(env->run_fd, "stopped", service, stopped);
	if (forever || !stopped)
		mark(env->data_fd, "state/stopped", service, stopped && forever);
}

void manager_recall_stopped(struct manager *manager)
{
	for (struct service *s = manager->services; s; s = s->next) {
		if (!s->spec || s->spec->restart != SERVICE_RESTART_UNLESS_STOPPED ||
		    !is_marked(manager->env.containers->data_fd, "state/stopped", s))
			continue;
		s->operator_stop = true;
		mark(manager->env.containers->run_fd, "stopped", s, true);
		service_reason(s, "stopped by a person");
		service_event(s, SERVICE_EVENT_UNWANT);
	}
}

/* ---- the way down ---- */

static bool busy(const struct service *service)
{
	return service->state == SERVICE_STATE_RUNNING ||
	       service->state == SERVICE_STATE_STOPPING || service->state == SERVICE_STATE_CYCLING;
}

/* Whether somebody that still runs needs this one. */
static bool needed(struct manager *manager, const struct service *service)
{
	for (struct service *s = manager->services; s; s = s->next) {
		for (uint32_t i = 0; busy(s) && s->spec && i < s->spec->depends_count; i++) {
			if (service_in_group(service, s->spec->depends_on[i].name))
				return true;
		}
	}
	return false;
}

void manager_stop_next(struct manager *manager)
{
	bool left = false;

	for (struct service *s = manager->services; s; s = s->next) {
		if (!busy(s)) {
			if (s->state != SERVICE_STATE_STOPPED &&
			    s->state != SERVICE_STATE_REFUSED && s->state != SERVICE_STATE_EXITED)
				service_event(s, SERVICE_EVENT_UNWANT);
			continue;
		}
		left = true;
		if (s->state != SERVICE_STATE_STOPPING && !needed(manager, s))
			service_event(s, SERVICE_EVENT_UNWANT);
	}
	if (!left && manager->stopped) {
		void (*stopped)(void *owner) = manager->stopped;

		manager->stopped = NULL;
		manager_ends_save(manager);
		stopped(manager->owner);
	}
}

void manager_stop(struct manager *manager, int64_t grace_max_ms, void (*stopped)(void *owner),
		  void *owner)
{
	manager->stopping = true;
	manager->starts.most = 0; /* who is cancelled makes no room for another */
	manager->stopped = stopped;
	manager->owner = owner;
	image_take_cancel(manager->preload);
	manager->preload = NULL;
	for (struct service *s = manager->services; s; s = s->next) {
		service_update_stop(s);
		if (s->container && s->container->def.stop_grace_ms > grace_max_ms)
			s->container->def.stop_grace_ms = grace_max_ms;
	}
	manager_stop_next(manager);
}

/* ---- taking over ---- */

/* What is known of a container before its shim has answered. */
static void adopt_one(struct manager *manager, const char *id)
{
	struct container_env *env = manager->env.containers;
	struct container *container;
	struct service *service;
	struct buf run OWN(buf_done) = { 0 };
	struct err err = { 0 };

	if (manager->env.adopt_other && manager->env.adopt_other(manager->env.owner, id))
		return;
	container = container_adopt(env, id, &service_ops, NULL, &err);
	if (!container) {
		log_warn("%s", err_text(&err));
		/* The scratch of a build step has no state; a damaged state is left for a person.
		 */
		if (err.code == -ENOENT)
			(void)container_remove(env, id, NULL);
		return;
	}
	service = manager_find(manager, container->def.name);
	buf_init(&run, 128);
	(void)buf_printf(&run, "c/%s", id);
	if (!service || !container->def.declared || service->container || *service->container_id) {
		log_info("container %s (%s) belongs to nothing declared: removed", id,
			 container->def.name);
		container_release(container);
		container_free(container);
		(void)container_remove(env, id, NULL);
		return;
	}
	(void)str_copy(str_from(id), service->container_id, sizeof(service->container_id));
	(void)container_def_digest(&container->def, &service->container_def, NULL);
	if (!fs_exists(env->run_fd, buf_text(&run), FS_BENEATH)) {
		container_free(container); /* of an earlier boot: nothing of it runs */
		return;
	}
	container->owner = service;
	service->container = container;
	service->running_since = mono_now();
	service->state = SERVICE_STATE_STARTING;
}

static int adopt_entry(int dirfd, const char *name, unsigned char d_type, void *owner,
		       struct err *err)
{
	(void)dirfd;
	(void)d_type;
	(void)err;
	if (strlen(name) == CONTAINER_ID_LEN)
		adopt_one(owner, name);
	return 0;
}

void manager_adopt(struct manager *manager)
{
	int dir OWN_FD = fs_open(manager->env.containers->data_fd, "containers", FS_BENEATH,
				 O_RDONLY | O_DIRECTORY, 0, NULL);
	struct err err = { 0 };

	if (dir >= 0 && fs_each(dir, adopt_entry, manager, &err) < 0)
		log_warn("containers: %s", err_text(&err));
}

/* ---- `ps` ---- */

/* The store is asked whether it has the image, or takes the archives in: nothing is fetched. */
static bool is_asking(const struct service *service)
{
	return service->state == SERVICE_STATE_PREPARING && !service->take && !service->build &&
	       !*service->progress;
}

static void status_text(const struct service *service, struct buf *out)
{
	struct mono now = mono_now();
	int64_t left = mono_diff_ms(service->retry_at, now);
	char span[SPAN_TEXT_MAX];

	if (service->state == SERVICE_STATE_RUNNING) {
		(void)buf_printf(out, "up %s",
				 span_text(mono_diff_ms(now, service->running_since) / 1000, span));
		if (health_of(service->container))
			(void)buf_printf(out, " (%s)", health_word(service->container));
	} else if (is_asking(service)) {
		(void)buf_printf(out, "its image is looked up%s%s",
				 *service->end_text ? "; last: " : "", service->end_text);
	} else if (service->state == SERVICE_STATE_PREPARING) {
		(void)buf_add_text(out, service->progress);
	} else {
		(void)buf_add_text(out, service->reason);
	}
	if (service->state == SERVICE_STATE_RETRYING || service->state == SERVICE_STATE_RESTARTING)
		(void)buf_printf(out, "%sretry in %lld s", out->len ? "; " : "",
				 (long long)((left < 0 ? 0 : left) + 999) / 1000);
	if (service->state == SERVICE_STATE_SCHEDULED && service->ran)
		(void)buf_printf(out, "%slast: %s", out->len ? "; " : "", service->end_text);
	if (!out->len)
		(void)buf_add_text(out, "-");
	if (service->state == SERVICE_STATE_RUNNING && service->restarts)
		(void)buf_printf(out, ", restarted %u times, last: %s", service->restarts,
				 service->end_text);
	service_rebuild_status(service, out);
	if (service->trial.state == TRIAL_STATE_BACK)
		(void)buf_printf(out, "; the last good definition, the newer one failed: %s",
				 service->trial.reason);
}

void manager_row(const struct service *service, struct engine_row *ret_row)
{
	struct engine_row row = { .declared = true,
				  .restarts = service->restarts,
				  .exit_code = service->last_exit.code };
	struct buf text OWN(buf_done) = { 0 };
	const char *state = service_state_name(service->state);

	if (service->state == SERVICE_STATE_PREPARING && service->build)
		state = "building";
	if (is_asking(service))
		state = "starting";
	buf_init(&text, sizeof(row.status) - 1);
	status_text(service, &text);
	(void)str_copy(str_from(service->container_id), row.id, sizeof(row.id));
	(void)str_copy(str_from(service->name), row.name, sizeof(row.name));
	(void)str_copy(str_from(state), row.state, sizeof(row.state));
	(void)str_copy(buf_str(&text), row.status, sizeof(row.status));
	(void)str_copy(str_from(health_word(service->container)), row.health, sizeof(row.health));
	if (service->spec)
		(void)str_copy(str_from(*service->spec->image ? service->spec->image
							      : service->spec->build),
			       row.image, sizeof(row.image));
	if (service->container) {
		row.pid = service->container->pid;
		row.created_s = service->container->created_s;
		container_def_ports(&service->container->def, row.ports, sizeof(row.ports));
	}
	*ret_row = row;
}
