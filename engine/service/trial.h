/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_TRIAL_H
#define HOY_ENGINE_SERVICE_TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/container/def.h"
#include "engine/image/lease.h"
#include "lib/loop.h"

/*
 * A changed image or definition is on trial: it has a time (`trial` in services.ini) to become
 * healthy, or without a health check to keep running. One that fails is remembered, and the last
 * good definition runs again until another change comes. The states are a pure table.
 *
 * On disk: /data/state/good/NAME, a container's state file (state_wire.c) with the last good
 * definition; /data/state/bad/NAME, "DIGEST REASON\n" of the one that failed.
 */
enum trial_state {
	TRIAL_STATE_NONE, /* nothing newer is known than what runs */
	TRIAL_STATE_RUNS, /* a newer definition has to show that it works */
	TRIAL_STATE_BACK, /* it did not: the last good one is used */
	TRIAL_STATE_COUNT,
};

enum trial_event {
	TRIAL_EVENT_SAME,  /* what starts is the good one, or the first there ever was */
	TRIAL_EVENT_NEWER, /* what starts is another one */
	TRIAL_EVENT_BAD,   /* what should start failed before */
	TRIAL_EVENT_PASS,  /* it is healthy, or its time is over and it runs */
	TRIAL_EVENT_FAIL,  /* it ended, did not start, or is not healthy in its time */
	TRIAL_EVENT_STOP,  /* a person stopped it: that says nothing */
	TRIAL_EVENT_COUNT,
};

enum trial_action {
	TRIAL_ACTION_ARM = 1,	   /* the trial's time begins */
	TRIAL_ACTION_DISARM = 2,   /* it is over */
	TRIAL_ACTION_KEEP = 4,	   /* what runs is the last good one from here on */
	TRIAL_ACTION_REMEMBER = 8, /* what runs is bad from here on, and is replaced */
};

struct trial_step {
	uint8_t state, actions;
};

struct trial_step trial_machine_step(enum trial_state state, enum trial_event event);

enum { TRIAL_REASON_MAX = 160 };

/* The part of a service. */
struct trial {
	enum trial_state state;
	struct loop_timer timer;
	struct arena arena; /* of good */
	struct container_def good;
	struct digest good_digest, bad_digest, new_digest; /* new: the one on trial */
	bool has_good, has_bad, loaded;
	char reason[TRIAL_REASON_MAX]; /* why the bad one is bad */
	struct image_lease lease;      /* the good one's layers */
};

struct service;
struct manager;
/* Reads what is known of earlier boots, once. */
void service_trial_load(struct service *service);
/* Which definition is to be started: *def, or the last good one where *def failed before. */
const struct container_def *service_trial_choose(struct service *service,
						 const struct container_def *def);
/* Where *def could not even be made: the last good one, or NULL; why is what its state says. */
const struct container_def *service_trial_instead(struct service *service, const char *why);
void service_trial_started(struct service *service);
/* While its container is still there. True: it was on trial and failed by this; the service has to
 * be started again. */
bool service_trial_ended(struct service *service, const char *why, bool well);
void service_trial_health(struct service *service);
/* A person removed an image: services that do not run give up a good definition of that name. */
void service_trial_image_gone(struct manager *manager, const char *reference);
/* Its section is gone: so is what was kept of it. */
void service_trial_gone(struct service *service);
/* Some minutes from now what is kept of sections that nobody declares goes, too. */
void service_trial_sweep(struct manager *manager);
/* A person stopped it, or wants the bad one to be tried again. */
void service_trial_stop(struct service *service, bool forget_bad);

#endif
