/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of declared services: configuration in, events through the machine, actions out. Runs
 * in engine main. Must never wait: everything that takes time comes back as an event.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "engine/service/manager.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"
#include "netd/api/netd_msg.h"

enum {
	RETRY_BASE_MS = 1000,
	RESTART_BASE_MS = 200,
	RESTART_CAP_MS = 60000,
	STARTS_AT_ONCE = 16,
	SYNC_MS = 20
};

void service_reason(struct service *service, const char *text)
{
	(void)str_copy(str_head(str_from(text), sizeof(service->reason) - 1), service->reason,
		       sizeof(service->reason));
}

/* ---- actions ---- */

/* The job has run to its end and ended well; one that runs at its times stays so in between. */
static bool completed(const struct service *other)
{
	return (other->state == SERVICE_STATE_EXITED || other->state == SERVICE_STATE_SCHEDULED) &&
	       other->ran && !other->last_exit.code;
}

static bool need_met(const struct service *other, enum service_need need)
{
	switch (need) {
	case SERVICE_NEED_STARTED:
		return other->state == SERVICE_STATE_RUNNING;
	case SERVICE_NEED_HEALTHY:
		return other->state == SERVICE_STATE_RUNNING && other->container &&
		       !strcmp(health_word(other->container), "healthy");
	case SERVICE_NEED_COMPLETED:
		return completed(other);
	}
	return false;
}

/* "running", or "running, starting" where its health counts. */
static void need_text(const struct service *other, enum service_need need, struct buf *out)
{
	static const char *const wanted[] = { [SERVICE_NEED_STARTED] = "running",
					      [SERVICE_NEED_HEALTHY] = "healthy",
					      [SERVICE_NEED_COMPLETED] = "completed" };

	(void)buf_printf(out, "to be %s (it is %s", wanted[need],
			 other ? service_state_name(other->state) : "not declared");
	if (other && need == SERVICE_NEED_HEALTHY && other->state == SERVICE_STATE_RUNNING)
		(void)buf_printf(out, ", health: %s", health_word(other->container));
	(void)buf_add_text(out, ")");
}

/* All of its replicas have to be there. */
static bool dependency_met(const struct service *service, const struct service_dependency *dep,
			   char *why, size_t cap)
{
	const struct service *missing = NULL;
	struct buf text OWN(buf_done) = { 0 };
	bool found = false;

	for (const struct service *s = service->manager->services; s && !missing; s = s->next) {
		if (!service_in_group(s, dep->name))
			continue;
		found = true;
		missing = need_met(s, dep->need) ? NULL : s;
	}
	if (found && !missing)
		return true;
	buf_init(&text, cap - 1);
	(void)buf_printf(&text, "waits for service %s ", missing ? missing->name : dep->name);
	need_text(missing, dep->need, &text);
	(void)str_copy(buf_str(&text), why, cap);
	return false;
}

static void check_deps(struct service *service)
{
	char why[200];

	if (!service->manager->data_ready) {
		service_reason(service, "waits for the data partition");
		return;
	}
	for (uint32_t i = 0; service->spec && i < service->spec->depends_count; i++) {
		if (dependency_met(service, &service->spec->depends_on[i], why, sizeof(why)))
			continue;
		service_reason(service, why);
		return;
	}
	if (service->spec && !service_waits_over(service))
		return;
	if (!service->spec) { /* its section broke while it ran */
		service_event(service, SERVICE_EVENT_REFUSE);
		return;
	}
	service_reason(service, "");
	service_event(service, SERVICE_EVENT_DEPS_MET);
}

static void on_retry(struct loop_timer *timer)
{
	service_event(timer->owner, SERVICE_EVENT_TIMER);
}

static void arm_retry(struct service *service)
{
	const struct ini_section *section =
		ini_find(&service->manager->engine_config, "engine", "");
	int64_t cap_ms =
		section ? ini_number(&engine_schema, section, "retry_max", 300000) : 300000;
	int64_t ms = backoff_ms(service->failures++, RETRY_BASE_MS, cap_ms, random_jitter());

	service->retry_at = mono_add_ms(mono_now(), ms);
	loop_timer_set(service->manager->env.loop, &service->retry, ms, on_retry, service);
	log_warn("service %s: %s; retry in %lld s", service->name, service->reason,
		 (long long)((ms + 999) / 1000));
}

static void arm_restart(struct service *service)
{
	int64_t ms =
		backoff_ms(service->quick_ends++, RESTART_BASE_MS, RESTART_CAP_MS, random_jitter());

	service->restarts++;
	service->retries++;
	service->retry_at = mono_add_ms(mono_now(), ms);
	loop_timer_set(service->manager->env.loop, &service->restart, ms, on_retry, service);
}

static void act(struct service *service, uint16_t actions)
{
	struct loop *loop = service->manager->env.loop;

	if (actions & SERVICE_ACTION_DISARM) {
		loop_timer_stop(loop, &service->retry);
		loop_timer_stop(loop, &service->restart);
		service_schedule_stop(service);
	}
	if (actions & SERVICE_ACTION_CALM)
		service->failures = service->quick_ends = service->retries = 0;
	if (actions & SERVICE_ACTION_CANCEL)
		service_cancel(service);
	if (actions & SERVICE_ACTION_ARM_RETRY)
		arm_retry(service);
	if (actions & SERVICE_ACTION_ARM_RESTART)
		arm_restart(service);
	if (actions & SERVICE_ACTION_ARM_SCHEDULE)
		service_schedule(service);
	if (actions & SERVICE_ACTION_STOP)
		service_stop(service);
	if (actions & SERVICE_ACTION_START)
		service_start(service);
	if (actions & SERVICE_ACTION_PREPARE)
		service_prepare(service);
	if (actions & SERVICE_ACTION_CHECK_DEPS)
		check_deps(service);
}

void service_event(struct service *service, enum service_event event)
{
	struct service_step step = service_machine_step(service->state, event);
	bool changed = step.state != service->state;

	log_debug("service %s: %s + %s -> %s", service->name, service_state_name(service->state),
		  service_event_name(event), service_state_name((enum service_state)step.state));
	service->state = (enum service_state)step.state;
	act(service, step.actions);
	if (!changed)
		return;
	if (service->state == SERVICE_STATE_STOPPING || service->state == SERVICE_STATE_STOPPED ||
	    service->state == SERVICE_STATE_REFUSED)
		service_rebuild_stop(service);
	manager_check_waiting(service->manager);
	if (service->manager->stopping)
		manager_stop_next(service->manager);
}

void manager_check_waiting(struct manager *manager)
{
	for (struct service *s = manager->services; s; s = s->next) {
		if (s->state == SERVICE_STATE_WAITING && manager->data_ready && !manager->stopping)
			check_deps(s);
	}
}

void manager_kick(struct manager *manager, const char *why)
{
	log_info("services that wait try again: %s", why);
	for (struct service *s = manager->services; s && !manager->stopping; s = s->next) {
		service_event(s, SERVICE_EVENT_KICK);
		if (s->stale && !s->rebuild && s->rebuild_failures)
			service_rebuild(s);
	}
}

/*
 * After a reconnect netd is told who is left, so that it gives back what belongs to nobody. A
 * build's containers are not in the table: while one runs, nothing is said.
 */
static void sync_attached(struct manager *manager)
{
	struct buf body OWN(buf_done) = { 0 };
	uint32_t count = 0;

	for (const struct service *s = manager->services; s; s = s->next) {
		if (s->build || s->rebuild)
			return;
		count += s->container != NULL;
	}
	if (manager->env.put_attached)
		count += manager->env.put_attached(manager->env.owner, NULL);
	buf_init(&body, 1 << 20);
	wire_put_u32(&body, count);
	for (const struct service *s = manager->services; s; s = s->next) {
		if (s->container)
			wire_put_text(&body, s->container->id);
	}
	if (manager->env.put_attached)
		(void)manager->env.put_attached(manager->env.owner, &body);
	(void)msg_peer_call(&manager->env.containers->network->peer, NETD_MSG_SYNC, buf_str(&body),
			    NULL, 0, NULL, NULL, NULL);
}

/* Behind all that is attached again: what netd was not asked for it would take for nobody's. */
static void sync_soon(struct loop_timer *timer)
{
	struct manager *manager = timer->owner;

	if (manager->env.containers->attach_queue)
		loop_timer_set(manager->env.loop, timer, SYNC_MS, sync_soon, manager);
	else if (manager->data_ready) /* before that nobody has been adopted yet */
		sync_attached(manager);
}

void manager_reattach(struct manager *manager)
{
	for (struct service *s = manager->services; s; s = s->next) {
		if (s->container)
			container_reattach(s->container);
	}
	loop_timer_set(manager->env.loop, &manager->sync, 0, sync_soon, manager);
}

struct service *manager_find(struct manager *manager, const char *name)
{
	for (struct service *s = manager->services; s; s = s->next) {
		if (!strcmp(s->name, name))
			return s;
	}
	return NULL;
}

int manager_init(struct manager *manager, const struct manager_env *env, struct err *err)
{
	(void)err;
	memset(manager, 0, sizeof(*manager));
	manager->env = *env;
	turns_init(&manager->starts, STARTS_AT_ONCE);
	ini_init(&manager->config);
	ini_init(&manager->engine_config);
	return 0;
}

void manager_data_ready(struct manager *manager)
{
	if (manager->data_ready)
		return;
	manager->data_ready = true;
	manager_ends_load(manager);
	for (struct service *s = manager->services; s; s = s->next) {
		if (s->spec)
			service_trial_load(s);
	}
	service_trial_sweep(manager);
	manager_adopt(manager);
	manager_recall_stopped(manager);
	manager_preload(manager);
	manager_check_waiting(manager);
}

/* ---- what people ask for ---- */

int manager_unknown(struct manager *manager, const char *name, struct err *err)
{
	static const char *names[SERVICE_COUNT_MAX];
	const char *nearest;
	char shown[ENGINE_NAME_MAX];
	size_t count = 0;

	for (struct service *s = manager->services; s && count < SERVICE_COUNT_MAX; s = s->next)
		names[count++] = s->name;
	nearest = str_nearest(str_from(name), names, count);
	(void)str_escape(str_from(name), shown, sizeof(shown));
	if (nearest)
		return err_set(err, -ENOENT, "no container is called '%s'; did you mean '%s'?",
			       shown, nearest);
	return err_set(err, -ENOENT, "no container is called '%s'; `ps` lists them", shown);
}

static int act_start(struct service *service, struct err *err)
{
	if (!service->spec)
		return err_set(err, -EINVAL, "service %s is refused: %s", service->name,
			       service->reason);
	service->operator_stop = false;
	service->operator_start = true;
	service_mark_stopped(service, false);
	service_event(service, SERVICE_EVENT_WANT);
	return 0;
}

static int act_restart(struct service *service, struct err *err)
{
	if (!service->spec || service->state == SERVICE_STATE_SCHEDULED)
		return act_start(service, err); /* a job is run now, not at its time */
	service->operator_stop = false;
	service_mark_stopped(service, false);
	service_trial_stop(service, true);
	service->stale = true;
	service->image_stays = false;
	service_rebuild_stop(service); /* of a context that may have changed since */
	service_event(service, SERVICE_EVENT_CYCLE);
	return 0;
}

static int act_one(struct service *service, enum engine_act act_kind, int64_t argument,
		   struct err *err)
{
	switch (act_kind) {
	case ENGINE_ACT_START:
		return act_start(service, err);
	case ENGINE_ACT_STOP:
		service_trial_stop(service, false);
		service->operator_stop = true;
		service->operator_start = false;
		service_mark_stopped(service, true);
		service_event(service, SERVICE_EVENT_UNWANT);
		return 0;
	case ENGINE_ACT_RESTART:
		return act_restart(service, err);
	case ENGINE_ACT_KILL:
		if (!service->container)
			return err_set(err, -ESRCH, "%s does not run", service->name);
		return container_kill(service->container, (int)argument, err);
	case ENGINE_ACT_REMOVE:
		return err_set(err, -EBUSY,
			       "%s is declared in services.ini; take its section out to remove it",
			       service->name);
	}
	return err_set(err, -EINVAL, "unknown act");
}

int manager_act(struct manager *manager, const char *name, enum engine_act act_kind,
		int64_t argument, struct err *err)
{
	struct service *service = manager_find(manager, name);
	bool found = false;
	int r = 0;

	if (service)
		return act_one(service, act_kind, argument, err);
	/* A section's name stands for all of its replicas. */
	for (struct service *s = manager->services; s && r >= 0; s = s->next) {
		if (!service_in_group(s, name))
			continue;
		found = true;
		r = act_one(s, act_kind, argument, err);
	}
	return found ? r : manager_unknown(manager, name, err);
}
