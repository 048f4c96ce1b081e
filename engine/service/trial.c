/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changed definitions of services on trial, and the way back to the last good one. Runs in engine
 * main. Must never judge a container for what a person did to it.
 */
#include "engine/service/trial.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "engine/service/manager.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum { TRIAL_BAD_FILE_MAX = 512, TRIAL_ARENA_MAX = 4 * DEF_BYTES_MAX };

static int folder(const struct service *service, const char *name, struct err *err)
{
	if (service->manager->env.containers->data_fd < 0)
		return err_set(err, -ENODEV, "the data partition is not there");
	return fs_open_dir(service->manager->env.containers->data_fd, name, FS_BENEATH, 0700, err);
}

/* ---- what is kept ---- */

/* The bytes of a state file become the good definition; its layers stay in the store. */
static int take_good(struct service *service, struct str file, struct err *err)
{
	struct image_leases *leases = service->manager->env.containers->leases;
	struct trial *trial = &service->trial;
	int64_t created_s;
	int r;

	trial->has_good = false;
	arena_done(&trial->arena);
	arena_init(&trial->arena, TRIAL_ARENA_MAX);
	image_lease_drop(leases, &trial->lease);
	r = container_state_decode(file, &trial->arena, &created_s, &trial->good, err);
	if (r >= 0)
		r = container_def_digest(&trial->good, &trial->good_digest, err);
	if (r >= 0)
		r = image_lease_add(leases, &trial->lease, trial->good.layers,
				    trial->good.layer_count, err);
	trial->has_good = r >= 0;
	return r;
}

static void keep_good(struct service *service)
{
	struct trial *trial = &service->trial;
	struct buf file OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int dir OWN_FD = -1;
	int r;

	if (!service->container ||
	    (trial->has_good &&
	     !memcmp(&trial->good_digest, &service->container_def, sizeof(trial->good_digest))))
		return;
	dir = folder(service, "state/good", &err);
	buf_init(&file, DEF_BYTES_MAX);
	r = dir;
	if (r >= 0)
		r = container_state_encode(&service->container->def, wall_now_s(), &file, &err);
	if (r >= 0)
		r = fs_replace(dir, service->name, file.data, file.len, 0600, &err);
	if (r >= 0)
		r = take_good(service, buf_str(&file), &err);
	if (r >= 0)
		log_info("service %s: its definition is good, and comes back if a newer one fails",
			 service->name);
	if (r < 0)
		log_warn("service %s: its good definition is not kept: %s", service->name,
			 err_text(&err));
}

static void keep_bad(struct service *service, const char *why)
{
	struct trial *trial = &service->trial;
	struct buf file OWN(buf_done) = { 0 };
	char hex[2 * SHA256_SIZE + 1];
	struct err err = { 0 };
	int dir OWN_FD = folder(service, "state/bad", &err);

	trial->bad_digest = service->container_def;
	trial->has_bad = true;
	(void)str_escape(str_head(str_from(why), TRIAL_REASON_MAX / 4), trial->reason,
			 sizeof(trial->reason));
	str_hex(trial->bad_digest.bytes, SHA256_SIZE, hex);
	buf_init(&file, TRIAL_BAD_FILE_MAX);
	(void)buf_printf(&file, "%s %s\n", hex, trial->reason);
	if (dir < 0 || fs_replace(dir, service->name, file.data, file.len, 0600, &err) < 0)
		log_warn("service %s: its bad definition is not remembered: %s", service->name,
			 err_text(&err));
}

static void forget_bad(struct service *service)
{
	int dir OWN_FD = service->trial.has_bad ? folder(service, "state/bad", NULL) : -1;

	service->trial.has_bad = false;
	if (dir >= 0)
		(void)fs_unlink(dir, service->name, NULL);
}

static void load_bad(struct service *service, struct str file)
{
	struct trial *trial = &service->trial;
	struct str hex;

	if (!str_cut(&file, ' ', &hex) ||
	    str_unhex(hex, trial->bad_digest.bytes, SHA256_SIZE) < 0 || !file.len)
		return;
	trial->has_bad = true;
	(void)str_escape(
		str_head(file, str_find(file, '\n') < 0 ? file.len : (size_t)str_find(file, '\n')),
		trial->reason, sizeof(trial->reason));
}

void service_trial_load(struct service *service)
{
	int good OWN_FD = service->trial.loaded ? -1 : folder(service, "state/good", NULL);
	int bad OWN_FD = good < 0 ? -1 : folder(service, "state/bad", NULL);
	struct buf file OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int r;

	if (good < 0)
		return;
	service->trial.loaded = true;
	buf_init(&file, DEF_BYTES_MAX);
	r = good < 0 ? good : fs_read(good, service->name, FS_BENEATH, DEF_BYTES_MAX, &file, &err);
	if (r >= 0)
		r = take_good(service, buf_str(&file), &err);
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		log_warn("service %s: its good definition: %s", service->name, err_text(&err));
	buf_clear(&file);
	if (bad >= 0 &&
	    fs_read(bad, service->name, FS_BENEATH, TRIAL_BAD_FILE_MAX, &file, NULL) >= 0)
		load_bad(service, buf_str(&file));
}

void service_trial_image_gone(struct manager *manager, const char *reference)
{
	for (struct service *s = manager->services; s; s = s->next) {
		struct trial *trial = &s->trial;
		int dir OWN_FD = -1;

		if (s->container || !trial->has_good || strcmp(trial->good.reference, reference))
			continue;
		dir = folder(s, "state/good", NULL);
		if (dir >= 0)
			(void)fs_unlink(dir, s->name, NULL);
		trial->has_good = false;
		image_lease_drop(manager->env.containers->leases, &trial->lease);
	}
}

/* ---- sections that are gone ---- */

enum { TRIAL_SWEEP_MS = 600000 }; /* behind the start: media may be plugged in late */

void service_trial_gone(struct service *service)
{
	static const char *const folders[] = { "state/good", "state/bad" };
	struct trial *trial = &service->trial;

	loop_timer_stop(service->manager->env.loop, &trial->timer);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		int dir OWN_FD = folder(service, folders[i], NULL);

		if (dir >= 0)
			(void)fs_unlink(dir, service->name, NULL);
	}
	if (trial->has_good)
		image_lease_drop(service->manager->env.containers->leases, &trial->lease);
	arena_done(&trial->arena);
	trial->has_good = trial->has_bad = trial->loaded = false;
	trial->state = TRIAL_STATE_NONE;
}

static int sweep_one(int dir_fd, const char *name, unsigned char type, void *owner, struct err *err)
{
	const struct service *service = manager_find(owner, name);

	(void)type;
	(void)err;
	if (!service || !service->declared) {
		log_info("service %s is declared no more: what was kept of its trials goes", name);
		(void)fs_unlink(dir_fd, name, NULL);
	}
	return 0;
}

static void sweep_due(struct loop_timer *timer)
{
	static const char *const folders[] = { "state/good", "state/bad" };
	struct manager *manager = timer->owner;

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		int dir OWN_FD = fs_open(manager->env.containers->data_fd, folders[i], FS_BENEATH,
					 O_RDONLY | O_DIRECTORY, 0, NULL);

		if (dir >= 0)
			(void)fs_each(dir, sweep_one, manager, NULL);
	}
}

void service_trial_sweep(struct manager *manager)
{
	loop_timer_set(manager->env.loop, &manager->sweep, TRIAL_SWEEP_MS, sweep_due, manager);
}

/* ---- the trial ---- */

static unsigned trial_event(struct service *service, enum trial_event event, const char *why);

/* One that runs on has to make room for the good one. */
static void fail(struct service *service, const char *why)
{
	if (trial_event(service, TRIAL_EVENT_FAIL, why) & TRIAL_ACTION_REMEMBER)
		service_event(service, SERVICE_EVENT_CYCLE);
}

static int64_t time_ms(const struct service *service)
{
	return service->spec ? service->spec->trial_ms : 0;
}

static void time_over(struct loop_timer *timer)
{
	struct service *service = timer->owner;
	char why[TRIAL_REASON_MAX];

	/* Pulling and starting are not its time, however long a busy machine takes for them. */
	if (service->state == SERVICE_STATE_PREPARING || service->state == SERVICE_STATE_STARTING) {
		loop_timer_set(service->manager->env.loop, timer, time_ms(service), time_over,
			       service);
		return;
	}

	if (service->state == SERVICE_STATE_RUNNING && !health_of(service->container)) {
		(void)trial_event(service, TRIAL_EVENT_PASS, "");
		return;
	}
	/* A copy: the reason is about to change. */
	(void)str_copy(str_head(str_from(*service->reason ? service->reason
							  : "it was not healthy in its time"),
				sizeof(why) - 1),
		       why, sizeof(why));
	fail(service, why);
}

/* The actions that were carried out. */
static unsigned trial_event(struct service *service, enum trial_event event, const char *why)
{
	struct trial *trial = &service->trial;
	struct trial_step step = trial_machine_step(trial->state, event);
	struct loop *loop = service->manager->env.loop;

	trial->state = (enum trial_state)step.state;
	if (step.actions & TRIAL_ACTION_DISARM)
		loop_timer_stop(loop, &trial->timer);
	if (step.actions & TRIAL_ACTION_ARM)
		loop_timer_set(loop, &trial->timer, time_ms(service), time_over, service);
	if (step.actions & TRIAL_ACTION_KEEP)
		keep_good(service);
	if (!(step.actions & TRIAL_ACTION_REMEMBER))
		return step.actions;
	keep_bad(service, why);
	log_err("service %s: its new definition failed its trial (%s): the last good one comes "
		"back",
		service->name, why);
	return step.actions;
}

static bool same(const struct digest *a, const struct digest *b)
{
	return !memcmp(a, b, sizeof(*a));
}

const struct container_def *service_trial_choose(struct service *service,
						 const struct container_def *def)
{
	struct trial *trial = &service->trial;
	struct digest digest;

	if (!time_ms(service) || !trial->has_good || container_def_digest(def, &digest, NULL) < 0) {
		(void)trial_event(service, TRIAL_EVENT_SAME, "");
		return def;
	}
	if (trial->has_bad && same(&digest, &trial->bad_digest)) {
		(void)trial_event(service, TRIAL_EVENT_BAD, "");
		return &trial->good;
	}
	if (trial->state == TRIAL_STATE_RUNS && same(&digest, &trial->new_digest))
		return def; /* one more try of the same: its time goes on */
	if (trial->has_bad)
		forget_bad(service);
	trial->new_digest = digest;
	(void)trial_event(service,
			  same(&digest, &trial->good_digest) ? TRIAL_EVENT_SAME : TRIAL_EVENT_NEWER,
			  "");
	return def;
}

const struct container_def *service_trial_instead(struct service *service, const char *why)
{
	struct trial *trial = &service->trial;

	if (!time_ms(service) || !trial->has_good)
		return NULL;
	forget_bad(service); /* this one is newer, and has no digest to be known by */
	(void)str_escape(str_head(str_from(why), TRIAL_REASON_MAX / 4), trial->reason,
			 sizeof(trial->reason));
	(void)trial_event(service, TRIAL_EVENT_BAD, "");
	log_err("service %s: its new definition cannot be run (%s): the last good one is started",
		service->name, why);
	return &trial->good;
}

/* The first one there ever was has nothing to go back to, and one that was taken over from an
 * engine that ended is not judged again: it becomes good when it shows to be. */
static void first_over(struct loop_timer *timer)
{
	struct service *service = timer->owner;

	if (service->state == SERVICE_STATE_RUNNING && !health_of(service->container))
		(void)trial_event(service, TRIAL_EVENT_PASS, "");
}

void service_trial_started(struct service *service)
{
	struct trial *trial = &service->trial;

	if (trial->state == TRIAL_STATE_RUNS) /* pulling and starting are not its time */
		loop_timer_set(service->manager->env.loop, &trial->timer, time_ms(service),
			       time_over, service);
	else if (trial->state == TRIAL_STATE_NONE && time_ms(service) &&
		 !(trial->has_good && same(&trial->good_digest, &service->container_def)))
		loop_timer_set(service->manager->env.loop, &trial->timer, time_ms(service),
			       first_over, service);
}

bool service_trial_ended(struct service *service, const char *why, bool well)
{
	char text[TRIAL_REASON_MAX];

	if (!time_ms(service))
		return false;
	(void)str_copy(str_head(str_from(why), sizeof(text) - 1), text, sizeof(text));
	loop_timer_stop(service->manager->env.loop, &service->trial.timer);
	if (service->state == SERVICE_STATE_STOPPING || service->state == SERVICE_STATE_CYCLING) {
		(void)trial_event(service, TRIAL_EVENT_STOP, "");
		return false;
	}
	return trial_event(service, well ? TRIAL_EVENT_PASS : TRIAL_EVENT_FAIL, text) &
	       TRIAL_ACTION_REMEMBER;
}

void service_trial_health(struct service *service)
{
	const char *health = health_word(service->container);

	if (!strcmp(health, "healthy") && service->trial.state != TRIAL_STATE_BACK &&
	    time_ms(service))
		(void)trial_event(service, TRIAL_EVENT_PASS, "");
	else if (!strcmp(health, "unhealthy"))
		fail(service, "it is unhealthy");
}

void service_trial_stop(struct service *service, bool forget)
{
	(void)trial_event(service, TRIAL_EVENT_STOP, "");
	loop_timer_stop(service->manager->env.loop, &service->trial.timer);
	if (forget)
		forget_bad(service);
}
