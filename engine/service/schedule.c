/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to come before a start: the times of jobs, which the api role reads and computes, and
 * what wait_for names. Runs in engine main. Must never read a schedule itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "engine/api/schedule_msg.h"
#include "engine/service/manager.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum {
	SCHEDULE_AGAIN_MS = 1000,      /* the api role is not there yet */
	SCHEDULE_SLEEP_MAX_MS = 60000, /* then the wall clock is looked at again */
	WAITS_AGAIN_MS = 2000,
};

bool service_in_group(const struct service *service, const char *group)
{
	return !strcmp(service->group, group);
}

/* ---- times of jobs ---- */

static void ask(struct loop_timer *timer);

static void due_text(struct service *service)
{
	time_t due = (time_t)service->due_s;
	char text[64] = "";
	struct tm tm;

	if (gmtime_r(&due, &tm))
		(void)strftime(text, sizeof(text), "next run %Y-%m-%d %H:%M:%S UTC", &tm);
	service_reason(service, text);
}

static void sleep_on(struct loop_timer *timer)
{
	struct service *service = timer->owner;
	int64_t left_ms = (service->due_s - wall_now_s()) * 1000;

	if (left_ms <= 0) {
		service_reason(service, "");
		service_event(service, SERVICE_EVENT_TIMER);
		return;
	}
	/* In pieces: an hour of the wall clock need not be one of ours. */
	loop_timer_set(service->manager->env.loop, timer,
		       left_ms < SCHEDULE_SLEEP_MAX_MS ? left_ms : SCHEDULE_SLEEP_MAX_MS, sleep_on,
		       service);
}

static void interval_over(struct loop_timer *timer)
{
	service_reason(timer->owner, "");
	service_event(timer->owner, SERVICE_EVENT_TIMER);
}

static void refuse(struct service *service, const struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, ENGINE_STATUS_MAX - 1);
	(void)buf_printf(&text, "%s: %s", service->spec ? service->spec->schedule_at : "",
			 err_text(err));
	service_reason(service, buf_text(&text));
	log_err("service %s is refused: %s", service->name, service->reason);
	service_event(service, SERVICE_EVENT_REFUSE);
}

static void on_next(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct service *service = owner;
	struct loop *loop = service->manager->env.loop;
	struct wire in;

	(void)peer;
	service->schedule_asked = false;
	if (!reply && (err->code == -EINVAL || err->code == -ERANGE)) {
		refuse(service, err);
		return;
	}
	if (!reply) {
		loop_timer_set(loop, &service->schedule, SCHEDULE_AGAIN_MS, ask, service);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	service->due_s = wire_i64(&in);
	service->schedule_every = wire_bool(&in);
	if (wire_end(&in) < 0)
		return;
	due_text(service);
	if (service->schedule_every)
		loop_timer_set(loop, &service->schedule, (service->due_s - wall_now_s()) * 1000,
			       interval_over, service);
	else
		sleep_on(&service->schedule);
}

static void ask(struct loop_timer *timer)
{
	struct service *service = timer->owner;
	struct manager *manager = service->manager;
	struct msg_peer *api = manager->env.containers->api;
	struct buf body OWN(buf_done) = { 0 };
	const char *zone = getenv("TZ");

	if (!service->spec)
		return;
	buf_init(&body, 512);
	wire_put_text(&body, service->spec->schedule);
	wire_put_text(&body, zone && strlen(zone) < SCHEDULE_ZONE_MAX ? zone : "");
	wire_put_i64(&body, wall_now_s());
	if (!api || !msg_peer_alive(api) ||
	    msg_peer_call(api, SCHEDULE_MSG_NEXT, buf_str(&body), NULL, 0, on_next, service, NULL) <
		    0)
		loop_timer_set(manager->env.loop, &service->schedule, SCHEDULE_AGAIN_MS, ask,
			       service);
	else
		service->schedule_asked = true;
}

void service_schedule(struct service *service)
{
	service->due_s = 0;
	service_reason(service, "its next time is being computed");
	loop_timer_set(service->manager->env.loop, &service->schedule, 0, ask, service);
}

void service_schedule_stop(struct service *service)
{
	struct msg_peer *api = service->manager->env.containers->api;

	loop_timer_stop(service->manager->env.loop, &service->schedule);
	if (service->schedule_asked && api)
		msg_peer_forget(api, service);
	service->schedule_asked = false;
}

/* ---- wait_for ---- */

static bool wait_over(const struct service *service, const struct service_wait_for *wait)
{
	const struct manager *manager = service->manager;
	struct buf path OWN(buf_done) = { 0 };

	buf_init(&path, 1024);
	switch (wait->kind) {
	case SERVICE_WAIT_NETWORK:
		return manager->network_up;
	case SERVICE_WAIT_CLOCK:
		return manager->clock_good;
	case SERVICE_WAIT_VOLUME:
		(void)buf_printf(&path, "volumes/%s", wait->name);
		return fs_exists(manager->env.containers->data_fd, buf_text(&path), FS_BENEATH);
	case SERVICE_WAIT_DEVICE:
		(void)buf_add_text(&path, wait->name);
		return fs_exists(-1, buf_text(&path), FS_HOST);
	}
	return true;
}

static void look_again(struct loop_timer *timer)
{
	struct service *service = timer->owner;

	if (service->state == SERVICE_STATE_WAITING)
		service_event(service, SERVICE_EVENT_KICK);
}

bool service_waits_over(struct service *service)
{
	static const char *const what[] = { [SERVICE_WAIT_NETWORK] = "the network",
					    [SERVICE_WAIT_CLOCK] = "the clock to be set",
					    [SERVICE_WAIT_VOLUME] = "volume",
					    [SERVICE_WAIT_DEVICE] = "device" };
	struct buf text OWN(buf_done) = { 0 };

	for (uint32_t i = 0; i < service->spec->wait_count; i++) {
		const struct service_wait_for *wait = &service->spec->wait_for[i];

		if (wait_over(service, wait))
			continue;
		buf_init(&text, 400);
		(void)buf_printf(&text, "waits for %s%s%s", what[wait->kind],
				 *wait->name ? " " : "", wait->name);
		service_reason(service, buf_text(&text));
		/* Nobody tells of a directory or a device node that comes. */
		loop_timer_set(service->manager->env.loop, &service->waits, WAITS_AGAIN_MS,
			       look_again, service);
		return false;
	}
	return true;
}

void manager_network(struct manager *manager, bool up, const char *why)
{
	manager->network_up = up;
	if (up)
		manager_kick(manager, why);
}

void manager_clock(struct manager *manager, bool good)
{
	manager->clock_good = good;
	for (struct service *s = manager->services; s && !manager->stopping; s = s->next) {
		if (!s->schedule_every)
			service_event(s, SERVICE_EVENT_CLOCK);
	}
	manager_kick(manager, "the clock was set");
}
