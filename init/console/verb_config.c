/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: the revisions that are edited here. Runs in the console program; the disk role of init
 * keeps them, and each daemon says what a change would mean to it. Must never let a change count
 * that has mistakes of its own, unless a person insists.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "init/api/config_msg.h"
#include "init/api/init_msg.h"
#include "init/conf_text.h"
#include "init/console/config.h"
#include "init/console/console.h"
#include "init/console/gateway.h"
#include "init/console/key_words.h"
#include "init/console/verb_json.h"
#include "lib/mono.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"

/* ---- revisions ---- */

struct act {
	enum init_config_act act;
	uint32_t number;
	struct str a, b;
	const struct words *words; /* values are words->items[first] and on; NULL = none */
	int first;
};

/* A call about revisions; the answer stays in *reply. */
static int ask(struct console *console, const struct act *act, struct msg *reply, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int count = act->words ? act->words->count - act->first : 0;

	buf_init(&body, CONF_TEXT_MAX + 4096);
	wire_put_u8(&body, (uint8_t)act->act);
	wire_put_u32(&body, act->number);
	wire_put_str(&body, act->a);
	wire_put_str(&body, act->b);
	wire_put_u32(&body, (uint32_t)count);
	for (int i = 0; i < count; i++)
		wire_put_text(&body, act->words->items[act->first + i]);
	if (buf_error(&body) || count > INIT_CONFIG_VALUES_MAX)
		return err_set(err, -E2BIG, "a configuration has at most %d KiB, a key %d values",
			       CONF_TEXT_MAX / 1024, INIT_CONFIG_VALUES_MAX);
	return console_own_call(console, INIT_MSG_CONFIG_ACT, buf_str(&body), reply, err);
}

static struct str answer(const struct msg *reply)
{
	struct wire in;

	wire_init(&in, reply->body.ptr, reply->body.len);
	return wire_str(&in, MSG_BODY_INLINE_MAX);
}

/* The answer is a configuration, not a sentence. */
static bool is_text(enum init_config_act act)
{
	return act == INIT_CONFIG_CANDIDATE || act == INIT_CONFIG_CURRENT ||
	       act == INIT_CONFIG_SECRETS;
}

/* {u32 count, text...} of what was edited and has no effect, where the answer has it. */
static void show_notes(struct console *console, struct wire *in)
{
	uint32_t count = in->error || !in->left ? 0 : wire_count(in, 65536);

	for (uint32_t i = 0; i < count && !in->error; i++) {
		struct str note = wire_str(in, 4096);

		if (console->json)
			console_json_text(console, "note", note);
		else
			console_foreign(console, note);
	}
}

static void show_answer_notes(struct console *console, const struct msg *reply)
{
	struct wire in;

	wire_init(&in, reply->body.ptr, reply->body.len);
	(void)wire_str(&in, MSG_BODY_INLINE_MAX);
	show_notes(console, &in);
}

/* A call whose text is printed. */
static int say(struct console *console, const struct act *act, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	int r = ask(console, act, &reply, err);
	struct str text;

	if (r < 0)
		return r;
	text = answer(&reply);
	if (act->act == INIT_CONFIG_HISTORY && console->json)
		console_json_history(console, text);
	else if (console->json)
		console_json_text(console, is_text(act->act) ? "text" : "result", text);
	else if (text.len)
		console_foreign(console, text);
	show_answer_notes(console, &reply);
	return 0;
}

/* A text of the disk role's, copied: the next call needs the buffer it came in. */
static int fetch(struct console *console, enum init_config_act act, uint32_t number,
		 struct buf *out, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	const struct act call = { .act = act, .number = number };
	int r = ask(console, &call, &reply, err);

	buf_init(out, MSG_BODY_INLINE_MAX);
	return r < 0 ? r : buf_add_str(out, answer(&reply));
}

static int config_diff(struct console *console, uint32_t number, struct err *err)
{
	struct buf from OWN(buf_done) = { 0 }, to OWN(buf_done) = { 0 }, diff OWN(buf_done) = { 0 };
	int r = fetch(console, INIT_CONFIG_CURRENT, number, &from, err);

	if (r >= 0)
		r = fetch(console, number ? INIT_CONFIG_CURRENT : INIT_CONFIG_CANDIDATE, 0, &to,
			  err);
	if (r < 0)
		return r;
	buf_init(&diff, 4 * CONF_TEXT_MAX);
	(void)conf_text_diff(buf_str(&from), buf_str(&to), &diff);
	console->json_name = "diff";
	if (console->json && !diff.len)
		return 0;
	if (diff.len)
		console_foreign(console, str_head(buf_str(&diff), diff.len - 1));
	else
		console_printf(console, "they are the same\n");
	return 0;
}

/* ---- for the other parts ---- */

int console_config_candidate(struct console *console, struct buf *ret_text, struct err *err)
{
	return fetch(console, INIT_CONFIG_CANDIDATE, 0, ret_text, err);
}

int console_config_current(struct console *console, struct buf *ret_text, struct err *err)
{
	return fetch(console, INIT_CONFIG_CURRENT, 0, ret_text, err);
}

int console_config_put(struct console *console, struct str text, uint32_t base, struct err *err)
{
	const struct act act = { .act = INIT_CONFIG_PUT, .number = base, .a = text };
	struct msg reply OWN(msg_done) = { 0 };

	return ask(console, &act, &reply, err);
}

int console_config_try(struct console *console, struct str text, struct msg *ret_reply,
		       struct err *err)
{
	const struct act act = { .act = INIT_CONFIG_TRY, .number = 1, .a = text };

	return ask(console, &act, ret_reply, err);
}

int console_config_key(struct console *console, struct str section, struct str key,
		       const char *value, struct err *err)
{
	const struct words values = { .items = { value }, .count = 1 };
	const struct act act = { .act = INIT_CONFIG_SET, .a = section, .b = key, .words = &values };
	struct msg reply OWN(msg_done) = { 0 };
	int r = ask(console, &act, &reply, err);

	if (r >= 0)
		show_answer_notes(console, &reply);
	return r;
}

/* ---- trying ---- */

struct trial {
	uint32_t mistakes; /* in what is edited here; other layers have their own */
	uint32_t changes;
	uint32_t network; /* of them, netd's */
};

/* {u32 count, text issue..., text changes} of one daemon. */
static void show_trial(struct console *console, struct wire *in, struct trial *trial)
{
	uint32_t count = wire_count(in, 65536);
	struct str changes;

	for (uint32_t i = 0; i < count && !in->error; i++) {
		struct str issue = wire_str(in, 4096);

		if (!str_starts(issue, STR("data:")))
			continue;
		console_config_issue(console, issue);
		trial->mistakes++;
	}
	changes = wire_str(in, 1 << 20);
	if (in->error || !changes.len)
		return;
	console->json_name = "change";
	console_foreign(console, str_head(changes, changes.len - 1));
	trial->changes++;
}

static void try_daemon(struct console *console, enum console_server server, uint16_t type,
		       int bodies, struct trial *trial)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct err err = { 0 };
	struct wire in;

	if (console_call(console, server, type, STR(""), &reply, &err) < 0) {
		console->json_name = "not_checked";
		console_printf(console, "%s%s\n",
			       console->json ? "" : "not checked: ", err_text(&err));
		return;
	}
	wire_init(&in, reply.body.ptr, reply.body.len);
	for (int i = 0; i < bodies; i++)
		show_trial(console, &in, trial);
}

/* What would change, and what is wrong with it, from each daemon. */
static int config_try(struct console *console, struct trial *trial, struct err *err)
{
	const struct act act = { .act = INIT_CONFIG_TRY };
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	int r = ask(console, &act, &reply, err);

	*trial = (struct trial){ 0 };
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	show_trial(console, &in, trial);
	show_notes(console, &in);
	msg_done(&reply);
	reply = (struct msg){ 0 };
	trial->network = trial->changes;
	try_daemon(console, CONSOLE_SERVER_NETD, NETD_MSG_CHECK, 1, trial);
	trial->network = trial->changes - trial->network;
	try_daemon(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_CHECK, 2, trial);
	return 0;
}

static int config_validate(struct console *console, struct err *err)
{
	struct trial trial;
	int r = config_try(console, &trial, err);

	if (r < 0)
		return r;
	if (trial.mistakes)
		return err_set(err, -EINVAL,
			       "%u mistake%s; the sections with mistakes are left out",
			       trial.mistakes, trial.mistakes == 1 ? "" : "s");
	if (console->json)
		CONSOLE_OBJECT(console, JSON_NUMBER("mistakes", 0),
			       JSON_BOOL("changes", trial.changes > 0));
	else
		console_printf(console, trial.changes
						? "no mistakes found\n"
						: "no mistakes found; nothing would change\n");
	return 0;
}

static int apply_usage(struct err *err)
{
	return err_set(err, -EINVAL,
		       "usage: config apply [--confirm TIME] [--gateway TIME] [--force] [-m NOTE]");
}

/* ---- the way out ---- */

enum { GATEWAY_TAKE_UP_MS = 10000, GATEWAY_SPARE_MS = 30000 };

/* The change waits to be confirmed: unless a person wants to, it is once the gateways stand; where
 * they do not it is taken back at once. */
static int watch_gateway(struct console *console, unsigned before, int64_t away_ms, bool by_person,
			 struct err *err)
{
	const struct act back = { .act = INIT_CONFIG_ROLLBACK };
	const struct act confirm = { .act = INIT_CONFIG_CONFIRM };
	struct mono taken_up = mono_add_ms(mono_now(), GATEWAY_TAKE_UP_MS);
	enum gateway_verdict verdict = GATEWAY_WAIT;
	struct gateway_watch watch;
	unsigned now = 0;
	int r = 0;

	while (r >= 0 && mono_before(mono_now(), taken_up) && console_netd_behind(console))
		r = console_gateway_pause(console, err);
	gateway_begin(&watch, mono_now().ns / 1000000, away_ms);
	while (r >= 0 && verdict == GATEWAY_WAIT) {
		r = console_gateway_pause(console, err);
		now = console_gateways(console);
		verdict = gateway_look(&watch, (now & before) == before, mono_now().ns / 1000000);
	}
	if (r < 0 || verdict == GATEWAY_GOOD)
		return r < 0 || by_person ? r : say(console, &confirm, err);
	r = say(console, &back, err);
	if (r < 0)
		return r;
	return err_set(err, -ENETUNREACH,
		       "%s: the change is taken back; `config apply --gateway 0s` does without "
		       "this",
		       (now & before & GATEWAY_ROUTES) == (before & GATEWAY_ROUTES)
			       ? "the gateway does not answer any more"
			       : "the default route is gone");
}

static int config_apply(struct console *console, const struct words *words, struct err *err)
{
	struct act act = { .act = INIT_CONFIG_APPLY };
	struct trial trial;
	int64_t ms = 0, away_ms = GATEWAY_AWAY_MS;
	unsigned guard = 0; /* the default routes that have to stay */
	bool force = false;
	int r;

	for (int i = 2; i < words->count; i++) {
		bool value = i + 1 < words->count;

		if (!strcmp(words->items[i], "--force")) {
			force = true;
		} else if (!strcmp(words->items[i], "--confirm") && value) {
			if (str_to_duration_ms(str_from(words->items[++i]),
					       INIT_CONFIG_CONFIRM_MAX_S * INT64_C(1000),
					       &ms) < 0 ||
			    ms < 1000)
				return err_set(err, -EINVAL,
					       "--confirm takes a time from 1s to 1d");
		} else if (!strcmp(words->items[i], "--gateway") && value) {
			if (str_to_duration_ms(str_from(words->items[++i]), 600000, &away_ms) < 0)
				return err_set(err, -EINVAL,
					       "--gateway takes a time up to 10m; 0s: without");
		} else if (!strcmp(words->items[i], "-m") && value) {
			act.a = str_from(words->items[++i]);
		} else {
			return apply_usage(err);
		}
	}
	act.number = (uint32_t)(ms / 1000);
	r = config_try(console, &trial, err);
	if (r < 0)
		return r;
	if (trial.mistakes && !force)
		return err_set(err, -EINVAL,
			       "%u mistake%s: nothing was applied; `config apply "
			       "--force` leaves out what is wrong",
			       trial.mistakes, trial.mistakes == 1 ? "" : "s");
	if (away_ms && trial.network)
		guard = console_gateways_before(console);
	if (guard && !ms)
		act.number = (uint32_t)((away_ms + GATEWAY_SPARE_MS) / 1000);
	r = say(console, &act, err);
	return r < 0 || !guard ? r : watch_gateway(console, guard, away_ms, ms > 0, err);
}

/* ---- whole texts ---- */

static int read_all(struct console *console, struct buf *text)
{
	char bytes[4096];
	ssize_t n;

	while ((n = console_read(console, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EAGAIN))
		(void)buf_add(text, bytes, n > 0 ? (size_t)n : 0);
	if (console->quit) /* half of it */
		return -EINTR;
	return n < 0 ? -errno : buf_error(text);
}

/* Lines until one that is a dot. */
static int read_lines(struct console *console, struct buf *text)
{
	char line[EDIT_LINE_MAX];

	console_printf(console, "The whole text; a line with a dot ends it, Ctrl-C leaves.\n");
	for (;;) {
		if (!console_ask(console, "", false, line, sizeof(line)))
			return -EINTR;
		if (!strcmp(line, "."))
			return buf_error(text);
		(void)buf_printf(text, "%s\n", line);
	}
}

static int config_import(struct console *console, struct err *err)
{
	struct act act = { .act = INIT_CONFIG_PUT };
	struct buf text OWN(buf_done) = { 0 };
	int r;

	buf_init(&text, CONF_TEXT_MAX);
	r = console->keys ? read_lines(console, &text) : read_all(console, &text);
	if (r == -EINTR)
		return err_set(err, -ECANCELED, "nothing was changed");
	if (r < 0)
		return err_set(err, r, "a configuration has at most %d KiB", CONF_TEXT_MAX / 1024);
	act.a = buf_str(&text);
	r = say(console, &act, err);
	return r < 0 ? r : config_validate(console, err);
}

static int config_set(struct console *console, const struct words *words, struct err *err)
{
	bool unset = !strcmp(words->items[1], "unset");
	struct act act = { .act = INIT_CONFIG_SET };

	if (unset ? words->count < 3 || words->count > 4 : words->count < 5)
		return err_set(err, -EINVAL,
			       "usage: config set \"SECTION NAME\" KEY VALUE..., "
			       "config unset \"SECTION NAME\" [KEY]");
	if (!unset && key_words_section(str_from(words->items[2]), err) < 0)
		return -EINVAL;
	act.a = str_from(words->items[2]);
	act.b = words->count > 3 ? str_from(words->items[3]) : STR("");
	act.words = unset ? NULL : words;
	act.first = 4;
	return say(console, &act, err);
}

/* ---- the verb ---- */

/* Those that take at most a number. */
static int config_simple(struct console *console, const struct words *words, struct err *err)
{
	static const struct {
		const char *name;
		enum init_config_act act;
	} acts[] = { { "discard", INIT_CONFIG_DISCARD },   { "confirm", INIT_CONFIG_CONFIRM },
		     { "rollback", INIT_CONFIG_ROLLBACK }, { "history", INIT_CONFIG_HISTORY },
		     { "export", INIT_CONFIG_CURRENT },	   { "candidate", INIT_CONFIG_CANDIDATE } };
	const char *name = words->items[1];
	struct act act = { 0 };
	uint64_t number = 0;

	if (words->count > 3)
		return err_set(err, -EINVAL, "usage: config %s [NUMBER]", name);
	if (words->count == 3 && !strcmp(name, "export") && !strcmp(words->items[2], "--secrets")) {
		act.act = INIT_CONFIG_SECRETS;
		return say(console, &act, err);
	}
	if (words->count == 3 && str_to_u64(str_from(words->items[2]), 1, 99999999, &number) < 0)
		return err_set(err, -EINVAL, "'%s' is no number of a revision", words->items[2]);
	act.number = (uint32_t)number;
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		if (strcmp(name, acts[i].name) != 0)
			continue;
		act.act = acts[i].act;
		return say(console, &act, err);
	}
	if (!strcmp(name, "diff"))
		return config_diff(console, act.number, err);
	return err_set(err, -EINVAL, "there is no `config %s`; `help config` lists what there is",
		       name);
}

int verb_config(struct console *console, const struct words *words, struct err *err)
{
	const char *name = words->items[1];

	if (!strcmp(name, "show") && words->count <= 3)
		return console_config_show(console, words->count > 2 ? words->items[2] : NULL, err);
	if (!strcmp(name, "issues"))
		return console_config_issues(console, err);
	if (!strcmp(name, "media") && words->count == 3 && !strcmp(words->items[2], "confirm"))
		return console_config_media(console, err);
	if (!strcmp(name, "set") || !strcmp(name, "unset"))
		return config_set(console, words, err);
	if (!strcmp(name, "validate"))
		return config_validate(console, err);
	if (!strcmp(name, "apply"))
		return config_apply(console, words, err);
	if (!strcmp(name, "pin") && words->count == 3)
		return console_config_pin(console, words->items[2], err);
	if (!strcmp(name, "edit") && console->keys && !console->json && !console->capture)
		return console_config_edit(console, err);
	if (!strcmp(name, "import") || !strcmp(name, "edit"))
		return config_import(console, err);
	return config_simple(console, words, err);
}
