/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for newer images of services that run, in their times. Runs in engine main. Must never stop
 * a container before its newer image is whole in the store.
 */
#include "engine/service/update.h"
#include <errno.h>
#include <string.h>
#include <time.h>
#include "engine/service/manager.h"
#include "lib/log.h"
#include "lib/own.h"

enum {
	UPDATE_DAY_MS = 24 * 3600 * 1000,
	UPDATE_AGAIN_MS = 600000,    /* the registry did not answer */
	UPDATE_SLEEP_MAX_MS = 60000, /* then the wall clock is looked at again */
	UPDATE_FIRST_MS = 15000,
};

bool update_pinned(const char *reference)
{
	return strchr(reference, '@') != NULL;
}

static bool wanted(const struct service *service)
{
	return service->spec && service->spec->pull == SERVICE_PULL_SCHEDULE &&
	       *service->spec->image && !*service->spec->build &&
	       !update_pinned(service->spec->image) && service->state == SERVICE_STATE_RUNNING &&
	       !service->manager->stopping;
}

/* Milliseconds until the next look is due, 0 = now. One look for each opening of the window. */
static int64_t wait_ms(const struct service *service)
{
	const struct service_update *update = &service->update;
	int64_t ago_ms = update->checked ? mono_diff_ms(mono_now(), update->at) : INT64_MAX;
	time_t now = (time_t)wall_now_s();
	int64_t since_s;
	struct tm tm;

	if (!service->spec->window.days)
		return ago_ms >= UPDATE_DAY_MS ? 0 : UPDATE_DAY_MS - ago_ms;
	if (!service->manager->clock_good || !localtime_r(&now, &tm))
		return UPDATE_SLEEP_MAX_MS;
	since_s = update_window_since_s(&service->spec->window, &tm);
	if (since_s < 0)
		return update_window_wait_s(&service->spec->window, &tm) * 1000;
	/* Open: by a look that came before it opened, or a day ago where it never closes. */
	return ago_ms > since_s * 1000 || ago_ms >= UPDATE_DAY_MS ? 0 : UPDATE_SLEEP_MAX_MS;
}

static void look(struct loop_timer *timer);

static void sleep_for(struct service *service, int64_t ms)
{
	loop_timer_set(service->manager->env.loop, &service->update.timer,
		       ms < UPDATE_SLEEP_MAX_MS ? ms : UPDATE_SLEEP_MAX_MS, look, service);
}

static void on_image(void *owner, const struct image *image)
{
	struct service *service = owner;

	service->update.found = image->config;
}

/* What it was prepared from; one that was taken over knows only its container's. */
static const struct digest *current(const struct service *service)
{
	return service->image.reference ? &service->image.config : &service->container->def.image;
}

static void on_done(void *owner, const struct err *err)
{
	struct service *service = owner;
	struct service_update *update = &service->update;

	update->take = NULL;
	if (!wanted(service) || !service->container)
		return;
	if (err) {
		log_warn("service %s: no look for a newer %s: %s; once more in %d minutes",
			 service->name, service->spec->image, err_text(err),
			 UPDATE_AGAIN_MS / 60000);
		loop_timer_set(service->manager->env.loop, &update->timer, UPDATE_AGAIN_MS, look,
			       service);
		return;
	}
	update->checked = true;
	update->at = mono_now();
	service_update_arm(service);
	if (!memcmp(&update->found, current(service), sizeof(update->found))) {
		log_info("service %s: %s is the newest", service->name, service->spec->image);
		return;
	}
	log_notice("service %s: there is a newer %s: it is started in its place", service->name,
		   service->spec->image);
	service_event(service, SERVICE_EVENT_CYCLE);
}

static void look(struct loop_timer *timer)
{
	static const struct image_take_ops ops = { .image = on_image, .done = on_done };
	struct service *service = timer->owner;
	struct err err = { 0 };
	int64_t ms;

	if (!wanted(service) || service->update.take)
		return;
	ms = wait_ms(service);
	if (ms > 0) {
		sleep_for(service, ms);
		return;
	}
	service->update.take = service_pull(service, &ops, &err);
	if (!service->update.take)
		on_done(service, &err);
}

void service_update_arm(struct service *service)
{
	if (wanted(service) && !service->update.take)
		sleep_for(service, 0);
}

void service_update_stop(struct service *service)
{
	loop_timer_stop(service->manager->env.loop, &service->update.timer);
	image_take_cancel(service->update.take);
	service->update.take = NULL;
	service->update.first = false;
}

/* ---- pull = always ---- */

static void first_over(struct loop_timer *timer)
{
	struct service *service = timer->owner;
	struct err err = { 0 };

	if (!service->update.first || service->state != SERVICE_STATE_PREPARING)
		return;
	(void)err_set(&err, -ETIMEDOUT, "the registry gave no sign for %d s",
		      UPDATE_FIRST_MS / 1000);
	service_keep_stored(service, &err);
}

void service_update_first(struct service *service)
{
	service->update.first = true;
	loop_timer_set(service->manager->env.loop, &service->update.timer, UPDATE_FIRST_MS,
		       first_over, service);
}

void service_update_heard(struct service *service)
{
	if (service->update.first)
		loop_timer_stop(service->manager->env.loop, &service->update.timer);
}
