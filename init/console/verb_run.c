/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs that do something: start stop restart kill pull rmi reboot poweroff. Runs in the console
 * program.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "init/api/init_msg.h"
#include "init/console/console.h"
#include "init/console/verb_json.h"
#include "lib/fs.h"
#include "lib/own.h"

/* ---- start stop restart kill ---- */

static const struct {
	const char *name;
	int number;
} signals[] = { { "KILL", SIGKILL }, { "TERM", SIGTERM }, { "HUP", SIGHUP },
		{ "INT", SIGINT },   { "QUIT", SIGQUIT }, { "USR1", SIGUSR1 },
		{ "USR2", SIGUSR2 }, { "STOP", SIGSTOP }, { "CONT", SIGCONT } };

static int signal_number(const char *name, struct err *err)
{
	uint64_t number;

	if (!strncmp(name, "SIG", 3))
		name += 3;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (!strcmp(name, signals[i].name))
			return signals[i].number;
	}
	if (!str_to_u64(str_from(name), 1, 64, &number))
		return (int)number;
	return err_set(err, -EINVAL, "'%s' is no signal; KILL, TERM, HUP, INT, USR1 ...", name);
}

int verb_act(struct console *console, const struct words *words, struct err *err)
{
	static const struct {
		const char *verb;
		enum engine_act act;
	} acts[] = { { "start", ENGINE_ACT_START },
		     { "stop", ENGINE_ACT_STOP },
		     { "restart", ENGINE_ACT_RESTART },
		     { "kill", ENGINE_ACT_KILL } };
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	enum engine_act act = ENGINE_ACT_START;
	int64_t argument = -1;

	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		act = !strcmp(words->items[0], acts[i].verb) ? acts[i].act : act;
	if (act == ENGINE_ACT_KILL) {
		argument = signal_number(words->count > 2 ? words->items[2] : "KILL", err);
		if (argument < 0)
			return (int)argument;
	}
	buf_init(&body, 512);
	wire_put_text(&body, words->items[1]);
	wire_put_u8(&body, (uint8_t)act);
	wire_put_i64(&body, argument);
	return console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_ACT, buf_str(&body), &reply,
			    err);
}

/* ---- images ---- */

static const char background[] = "it goes on in the background";
static const char silence[] = "waiting for the registry to answer";
static const struct console_job pull_job = { .type = ENGINE_MSG_PULL,
					     .done = "",
					     .name = "digest",
					     .background = background,
					     .one_line = true,
					     .silence = silence };
static const struct console_job push_job = { .type = ENGINE_MSG_PUSH,
					     .done = "",
					     .name = "digest",
					     .background = background,
					     .one_line = true,
					     .silence = silence };

/* A service tries again by itself; what a person asked for is theirs to repeat. */
static int follow_once(struct console *console, const struct console_job *job, const char *image,
		       struct str body, struct err *err)
{
	struct err why = { 0 };
	int r = console_follow(console, job, body, &why);

	if (r >= 0)
		return r;
	return r == -EINTR
		       ? err_set(err, r, "%s", err_text(&why))
		       : err_set(err, r, "%s: %s; it is not tried again", image, err_text(&why));
}

int verb_pull(struct console *console, const struct words *words, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 1024);
	wire_put_text(&body, words->items[1]);
	return follow_once(console, &pull_job, words->items[1], buf_str(&body), err);
}

int verb_push(struct console *console, const struct words *words, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 2048);
	wire_put_text(&body, words->items[1]);
	wire_put_text(&body, words->count > 2 ? words->items[2] : "");
	return follow_once(console, &push_job, words->items[1], buf_str(&body), err);
}

int verb_rmi(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 1024);
	wire_put_text(&body, words->items[1]);
	return console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_IMAGE_REMOVE, buf_str(&body),
			    &reply, err);
}

int verb_prune(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	uint64_t bytes;
	uint32_t files;
	int r;

	if (words->count > 1)
		return verb_prune_kind(console, words, err);
	r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_PRUNE, STR(""), &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	bytes = wire_u64(&in);
	files = wire_u32(&in);
	(void)wire_u32(&in);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "engine: malformed answer");
	if (console->json) {
		CONSOLE_OBJECT(console, JSON_TEXT("kind", "unused"), JSON_NUMBER("count", files),
			       JSON_NUMBER("bytes", bytes));
		return 0;
	}
	console_printf(console, "%llu KiB in %u unused files are given back\n",
		       (unsigned long long)(bytes >> 10), files);
	return 0;
}

/* ---- power ---- */

/* Only on the machine's own console, and only with the words typed out. */
static int factory_reset(struct console *console, bool keep, struct err *err)
{
	const char *words = keep ? "erase all settings" : "erase all data";
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	char typed[64], question[64];
	int r;

	if (!console->is_unit)
		return err_set(err, -EPERM, "only on the machine's own console");
	console_printf(console,
		       keep ? "Configuration, secrets, password, access, containers and logs are "
			      "erased; images and volumes stay.\n"
			    : "All images, volumes, logs and the password are erased.\n");
	(void)snprintf(question, sizeof(question), "type \"%s\" to go on: ", words);
	if (!console_ask(console, question, false, typed, sizeof(typed)) ||
	    strcmp(typed, words) != 0)
		return err_set(err, -ECANCELED, "nothing was changed");
	buf_init(&body, 128);
	wire_put_u8(&body, keep ? INIT_POWER_ACT_RESET_SETTINGS : INIT_POWER_ACT_FACTORY_RESET);
	wire_put_text(&body, typed);
	r = console_unit_call(console, INIT_MSG_POWER, buf_str(&body), &reply, err);
	if (r >= 0)
		console_printf(console, "services are being stopped\n");
	return r;
}

int verb_power(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	bool reboot = !strcmp(words->items[0], "reboot");
	int r;

	if (!strcmp(words->items[0], "factory-reset")) {
		if (words->count > 1 && strcmp(words->items[1], "--keep-data") != 0)
			return err_set(err, -EINVAL, "factory-reset [--keep-data]");
		return factory_reset(console, words->count > 1, err);
	}

	console->json_name = "state";
	buf_init(&body, 64);
	wire_put_u8(&body, reboot ? INIT_POWER_ACT_REBOOT : INIT_POWER_ACT_POWEROFF);
	wire_put_text(&body, "");
	r = console_own_call(console, INIT_MSG_POWER, buf_str(&body), &reply, err);
	if (r >= 0)
		console_printf(console, "services are being stopped\n");
	return r;
}
