/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people do with the configuration on the machine: edit, try, apply, confirm, go back. Runs in
 * init's disk role. Must never answer before what was asked for is on the disk.
 */
#include "init/conf_serve.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "init/api/config_msg.h"
#include "init/boot_config.h"
#include "init/boot_cover.h"
#include "init/conf_text.h"
#include "lib/log.h"
#include "lib/own.h"

struct act {
	enum init_config_act act;
	uint32_t number, value_count;
	struct str a, b, values[INIT_CONFIG_VALUES_MAX];
};

void conf_serve_init(struct conf_serve *serve, struct loop *loop, void (*changed)(void))
{
	*serve = (struct conf_serve){ .loop = loop, .changed = changed };
	revisions_init(&serve->revisions);
}

void conf_serve_open(struct conf_serve *serve, int data_fd)
{
	struct err err = { 0 };

	if (revisions_open(&serve->revisions, data_fd, &err) < 0)
		log_err("configuration revisions: %s", err_text(&err));
}

void conf_serve_done(struct conf_serve *serve)
{
	loop_timer_stop(serve->loop, &serve->deadline);
	revisions_done(&serve->revisions);
}

const char *conf_serve_note(const struct conf_serve *serve)
{
	return serve->revisions.damaged ? "data: the configuration was damaged on the disk; an "
					  "older revision counts, see `config history`"
					: "";
}

/* ---- what counts ---- */

static void too_late(struct loop_timer *timer)
{
	struct conf_serve *serve = timer->owner;
	uint32_t was = serve->revisions.current;
	struct err err = { 0 };

	if (revisions_back(&serve->revisions, &err) < 0) {
		log_err("configuration: %s", err_text(&err));
		loop_timer_set(serve->loop, timer, 10000, too_late, serve);
		return;
	}
	log_notice("configuration revision %u was not confirmed in time: back to %u", was,
		   serve->revisions.current);
	serve->changed();
}

static int apply(struct conf_serve *serve, uint32_t confirm_s, const char *note, struct buf *out,
		 struct err *err)
{
	struct revisions *revisions = &serve->revisions;
	int r;

	if (confirm_s > INIT_CONFIG_CONFIRM_MAX_S)
		return err_set(err, -EINVAL, "it has to be confirmed within a day");
	r = revisions_apply(revisions, confirm_s > 0, note, err);
	if (r < 0)
		return r;
	loop_timer_stop(serve->loop, &serve->deadline);
	if (confirm_s)
		loop_timer_set(serve->loop, &serve->deadline, confirm_s * INT64_C(1000), too_late,
			       serve);
	log_notice("configuration revision %u counts%s", revisions->current,
		   confirm_s ? ", unconfirmed" : "");
	(void)buf_printf(out,
			 confirm_s ? "revision %u counts; `config confirm` within %u s, or "
				     "revision %u comes back"
				   : "revision %u counts",
			 revisions->current, confirm_s, revisions->confirmed);
	serve->changed();
	return 0;
}

/* Older texts are put forward again: the history only ever grows. */
static int rollback(struct conf_serve *serve, uint32_t number, struct buf *out, struct err *err)
{
	struct revisions *revisions = &serve->revisions;
	struct buf text OWN(buf_done) = { 0 };
	char note[40];
	int r;

	buf_init(&text, CONF_TEXT_MAX);
	if (!number && revisions->current != revisions->confirmed) {
		loop_timer_set(serve->loop, &serve->deadline, 0, too_late, serve);
		(void)buf_printf(out, "revision %u comes back", revisions->confirmed);
		return 0;
	}
	if (!number && revisions->current < 2)
		return err_set(err, -ENOENT, "there is no revision before the current one");
	number = number ? number : revisions->current - 1;
	r = revisions_text(revisions, number, &text, err);
	if (r == 0)
		r = revisions_put(revisions, buf_str(&text), err);
	(void)snprintf(note, sizeof(note), "as revision %u", number);
	return r < 0 ? r : apply(serve, 0, note, out, err);
}

/* ---- editing ---- */

/* notes: what of it has no effect, as boot_cover_put() says it. */
static int set(struct conf_serve *serve, const struct act *act, struct buf *notes, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 }, next OWN(buf_done) = { 0 };
	int r;

	buf_init(&text, CONF_TEXT_MAX);
	buf_init(&next, CONF_TEXT_MAX);
	r = revisions_candidate(&serve->revisions, &text, err);
	if (r == 0)
		r = conf_text_set(buf_str(&text), act->a, act->b, act->values, act->value_count,
				  &next, err);
	if (r == 0)
		boot_cover_put(buf_str(&text), buf_str(&next), notes);
	return r < 0 ? r : revisions_put(&serve->revisions, buf_str(&next), err);
}

/* Two people at once: who began with another text than this one has to look again. */
static int put(struct conf_serve *serve, const struct act *act, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	int r = 0;

	buf_init(&text, CONF_TEXT_MAX);
	if (act->number)
		r = revisions_candidate(&serve->revisions, &text, err);
	if (r == 0 && act->number && conf_text_sum(buf_str(&text)) != act->number)
		return err_set(err, -EBUSY, "somebody else changed the candidate meanwhile");
	return r < 0 ? r : revisions_put(&serve->revisions, act->a, err);
}

/* The candidate, or with a number the text of the call, which is kept nowhere. */
static int try_text(struct conf_serve *serve, const struct act *act, struct buf *body,
		    struct err *err)
{
	struct buf text OWN(buf_done) = { 0 }, whole OWN(buf_done) = { 0 },
			current OWN(buf_done) = { 0 };
	int r;

	buf_init(&text, CONF_TEXT_MAX);
	buf_init(&current, CONF_TEXT_MAX);
	buf_init(&whole, CONF_TEXT_MAX + CONF_SECRETS_MAX);
	r = act->number ? buf_add_str(&text, act->a)
			: revisions_candidate(&serve->revisions, &text, err);
	if (r == 0)
		r = revisions_reveal(&serve->revisions, buf_str(&text), &whole, err);
	if (r == 0)
		r = boot_config_try(buf_str(&whole), body, err);
	if (r == 0 && revisions_text(&serve->revisions, 0, &current, NULL) == 0)
		boot_cover_put(buf_str(&current), buf_str(&text), body);
	return r;
}

static int run(struct conf_serve *serve, const struct act *act, struct buf *out, struct buf *notes,
	       struct err *err)
{
	struct revisions *revisions = &serve->revisions;
	char note[100];

	switch (act->act) {
	case INIT_CONFIG_CANDIDATE:
		return revisions_candidate(revisions, out, err);
	case INIT_CONFIG_CURRENT:
		return revisions_text(revisions, act->number, out, err);
	case INIT_CONFIG_PUT:
		return put(serve, act, err);
	case INIT_CONFIG_SET:
		return set(serve, act, notes, err);
	case INIT_CONFIG_DISCARD:
		return revisions_discard(revisions, err);
	case INIT_CONFIG_APPLY:
		(void)str_escape(str_head(act->a, 60), note, sizeof(note));
		return apply(serve, act->number, note, out, err);
	case INIT_CONFIG_CONFIRM:
		loop_timer_stop(serve->loop, &serve->deadline);
		return revisions_confirm(revisions, err);
	case INIT_CONFIG_ROLLBACK:
		return rollback(serve, act->number, out, err);
	case INIT_CONFIG_HISTORY:
		return revisions_list(revisions, out);
	case INIT_CONFIG_SECRETS:
		return revisions_layer(revisions, out, err);
	case INIT_CONFIG_TRY:
		break;
	}
	return err_set(err, -EINVAL, "there is no such act on a configuration");
}

static int read_act(struct str body, struct act *act)
{
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	act->act = (enum init_config_act)wire_u8(&in);
	act->number = wire_u32(&in);
	act->a = wire_str(&in, CONF_TEXT_MAX);
	act->b = wire_str(&in, 256);
	act->value_count = wire_count(&in, INIT_CONFIG_VALUES_MAX);
	for (uint32_t i = 0; i < act->value_count; i++)
		act->values[i] = wire_str(&in, CONF_TEXT_MAX);
	return wire_end(&in);
}

void conf_serve_act(struct conf_serve *serve, struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 }, text OWN(buf_done) = { 0 },
			notes OWN(buf_done) = { 0 };
	static struct act act;
	struct err err = { 0 };
	int r = read_act(msg->body, &act);

	buf_init(&body, MSG_BODY_INLINE_MAX - 1024);
	buf_init(&text, MSG_BODY_INLINE_MAX - 2048);
	buf_init(&notes, MSG_BODY_INLINE_MAX - 2048);
	if (r < 0)
		r = err_set(&err, r, "malformed request about the configuration");
	else if (act.act == INIT_CONFIG_TRY)
		r = try_text(serve, &act, &body, &err);
	else
		r = run(serve, &act, &text, &notes, &err);
	if (r >= 0 && act.act != INIT_CONFIG_TRY)
		wire_put_str(&body, buf_str(&text));
	(void)buf_add_str(&body, buf_str(&notes));
	if (r >= 0 && (buf_error(&body) || buf_error(&text)))
		r = err_set(&err, -E2BIG, "the answer is too long to show");
	if (r < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}
