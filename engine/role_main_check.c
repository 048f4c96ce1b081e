/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of the store and its repair: what is damaged goes, images that lack something are
 * pulled again, or where that fails mean again what they meant before. Asked for by a person, and
 * by itself after an unclean stop. Runs in engine main, which only hears what the store found.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/api/store_msg.h"
#include "engine/image/take.h"
#include "engine/role_main_work.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum { CHECK_LINE_MAX = 4096, CHECK_LATE_MS = 30000, CHECK_RETRY_MS = 1000 };

static const char running_mark[] = "engine-running";

struct check_work {
	struct engine_work work;
	bool repair, own; /* own: nobody asked, it is told in the log */
	uint32_t checked, damaged, repaired;
	const char **names; /* images that lack something */
	uint32_t count, at;
	struct image_take *take;
	struct err why; /* the pull that failed */
};

static void check_done(struct engine_work *work)
{
	struct check_work *check = (struct check_work *)work;

	image_take_cancel(check->take);
}

static void say(const struct check_work *check, const char *line)
{
	struct buf body OWN(buf_done) = { 0 };

	if (check->own)
		log_warn("store check: %s", line);
	buf_init(&body, CHECK_LINE_MAX);
	wire_put_text(&body, line);
	work_more(&check->work, buf_str(&body));
}

static void finish(struct check_work *check)
{
	struct buf body OWN(buf_done) = { 0 };
	char line[128];

	(void)snprintf(line, sizeof(line), "%u checked, %u damaged, %u repaired", check->checked,
		       check->damaged, check->repaired);
	if (check->own)
		log_notice("store check after an unclean stop: %s", line);
	if (check->repair)
		image_leases_collect(&check->work.engine->leases);
	if (check->repaired)
		manager_kick(&check->work.engine->manager, "the store was repaired");
	buf_init(&body, 256);
	wire_put_text(&body, line);
	work_reply(&check->work, buf_str(&body));
}

/* ---- images that lack something are pulled again ---- */

static void next_pull(struct check_work *check);

static void next_image(struct check_work *check)
{
	check->at++;
	next_pull(check);
}

static void say_image(struct check_work *check, const char *text, bool repaired)
{
	char line[ENGINE_REF_MAX + 2 * ERR_TEXT_MAX + 128];

	(void)snprintf(line, sizeof(line), "image %s %s", check->names[check->at], text);
	check->repaired += repaired;
	say(check, line);
}

static void on_fallen_back(struct msg_peer *peer, void *owner, struct msg *reply,
			   const struct err *err)
{
	struct check_work *check = owner;
	char text[2 * ERR_TEXT_MAX + 64], id[DIGEST_TEXT_MAX];
	struct digest config;
	struct wire in;

	(void)peer;
	if (!reply) {
		(void)snprintf(text, sizeof(text), "cannot be repaired: %s; %s", check->why.text,
			       err_text(err));
		say_image(check, text, false);
	} else {
		wire_init(&in, reply->body.ptr, reply->body.len);
		store_digest_get(&in, &config);
		(void)snprintf(text, sizeof(text),
			       "means the image before it again, %s, until it is pulled: %s",
			       digest_text(&config, id), check->why.text);
		say_image(check, text, true);
	}
	next_image(check);
}

/* The registry cannot help: the image that the name meant before may still be whole. */
static void fall_back(struct check_work *check, const struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err bad = { 0 };

	check->why = *err;
	buf_init(&body, 1024);
	wire_put_text(&body, check->names[check->at]);
	if (work_ask(&check->work, STORE_MSG_FALL_BACK, buf_str(&body), on_fallen_back, &bad) >= 0)
		return;
	say_image(check, err_text(&bad), false);
	next_image(check);
}

static void on_pulled(void *owner, const struct err *err)
{
	struct check_work *check = owner;

	check->take = NULL;
	if (err) {
		fall_back(check, err);
		return;
	}
	say_image(check, "was pulled again", true);
	next_image(check);
}

static void next_pull(struct check_work *check)
{
	static const struct image_take_ops ops = { .done = on_pulled };
	struct engine *engine = check->work.engine;
	const struct image_take_env env = { .loop = &engine->loop,
					    .store = &engine->store.peer,
					    .leases = &engine->leases,
					    .keep_blobs = engine->manager.keep_blobs };
	struct arena arena OWN(arena_done) = { 0 };
	struct pull_start start;
	struct err err = { 0 };

	if (check->at == check->count) {
		finish(check);
		return;
	}
	arena_init(&arena, 4 << 20);
	manager_pull_hosts(&engine->manager, check->names[check->at], &arena, &start);
	check->take = image_take_pull(&env, &start, &ops, check, &err);
	if (!check->take)
		on_pulled(check, &err);
}

/* ---- what the store found ---- */

static int take_found(struct check_work *check, struct str body, struct err *err)
{
	char name[STORE_REFERENCE_MAX];
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	check->checked = wire_u32(&in);
	check->damaged = wire_u32(&in);
	check->count = wire_count(&in, 65536);
	check->names = arena_array(&check->work.arena, check->count + 1, sizeof(*check->names));
	for (uint32_t i = 0; check->names && i < check->count; i++) {
		wire_text(&in, name, sizeof(name));
		check->names[i] = arena_text(&check->work.arena, str_from(name));
	}
	return wire_end(&in) < 0 || !check->names
		       ? err_set(err, -EBADMSG, "store: malformed answer to a check")
		       : 0;
}

static void check_late(struct loop_timer *timer);

/* The store ended meanwhile, or cannot say: whoever asked hears it, and what nobody asked for is
 * looked at later. */
static void give_up(struct check_work *check, const struct err *err)
{
	struct engine *engine = check->work.engine;

	if (check->own) {
		log_warn("store check: %s", err_text(err));
		loop_timer_set(&engine->loop, &engine->check_timer, CHECK_LATE_MS, check_late,
			       engine);
	}
	work_fail(&check->work, err);
}

static void on_checked(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct check_work *check = owner;
	struct err bad = { 0 };
	char line[CHECK_LINE_MAX];
	struct wire in;

	(void)peer;
	if (reply && (reply->flags & MSG_FLAG_MORE)) {
		wire_init(&in, reply->body.ptr, reply->body.len);
		wire_text(&in, line, sizeof(line));
		say(check, line);
		return;
	}
	if (reply && take_found(check, reply->body, &bad) == 0) {
		if (!check->repair)
			check->count = 0;
		next_pull(check);
		return;
	}
	give_up(check, reply ? &bad : err);
}

static void ask_store(struct check_work *check)
{
	const uint8_t repair = check->repair;
	struct err err = { 0 };

	if (work_ask(&check->work, STORE_MSG_CHECK, str_make(&repair, 1), on_checked, &err) < 0)
		give_up(check, &err);
}

void engine_check_call(struct msg_peer *peer, struct msg *msg)
{
	struct check_work *check = work_new(peer, msg, sizeof(*check), check_done);

	if (!check)
		return;
	check->repair = msg->body.ptr[0] != 0;
	ask_store(check);
}

/* ---- after an unclean stop ---- */

static void check_late(struct loop_timer *timer)
{
	struct engine *engine = timer->owner;
	const struct msg nobody = { .type = ENGINE_MSG_STORE_CHECK };
	struct check_work *check;

	if (!engine->store_up) {
		loop_timer_set(&engine->loop, timer, CHECK_RETRY_MS, check_late, engine);
		return;
	}
	check = work_new(&engine->store.peer, &nobody, sizeof(*check), check_done);
	if (!check)
		return;
	check->work.peer = NULL;
	check->own = check->repair = true;
	ask_store(check);
}

static int state_dir(const struct engine *engine)
{
	return fs_open_dir(engine->containers.data_fd, "state", FS_BENEATH, 0700, NULL);
}

void engine_check_started(struct engine *engine)
{
	int state OWN_FD = state_dir(engine);
	struct err err = { 0 };

	if (state < 0)
		return;
	if (fs_exists(state, running_mark, FS_BENEATH))
		loop_timer_set(&engine->loop, &engine->check_timer, CHECK_LATE_MS, check_late,
			       engine);
	else if (fs_replace(state, running_mark, "", 0, 0600, &err) < 0)
		log_warn("state: %s", err_text(&err));
}

void engine_check_stopped(const struct engine *engine)
{
	int state OWN_FD = engine->data_ready ? state_dir(engine) : -1;

	if (state >= 0 && fs_unlink(state, running_mark, NULL) >= 0)
		(void)fs_sync_dir(state, NULL);
}
