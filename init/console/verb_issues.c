/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config show, config issues, config media: what is in force, and what is wrong in it. Runs in the
 * console program. Must never need a daemon that is down: it says what is not checked.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "init/api/init_msg.h"
#include "init/console/config.h"
#include "init/console/verb_json.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"

void console_config_issue(struct console *console, struct str issue)
{
	if (console->json)
		console_json_issue(console, issue);
	else
		console_foreign(console, issue);
}

static void show_issues(struct console *console, struct wire *in, uint32_t *total)
{
	uint32_t count = wire_count(in, 65536);

	for (uint32_t i = 0; i < count && !in->error; i++)
		console_config_issue(console, wire_str(in, 4096));
	*total += count;
}

int console_config_issues(struct console *console, struct err *err)
{
	struct msg hoy OWN(msg_done) = { 0 }, engine OWN(msg_done) = { 0 };
	struct msg network OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct err away = { 0 };
	uint32_t total = 0;
	struct wire in;
	int r;

	buf_init(&body, 64);
	wire_put_text(&body, "hoy");
	r = console_call(console, CONSOLE_SERVER_INIT, INIT_MSG_CONFIG_GET, buf_str(&body), &hoy,
			 err);
	if (r < 0)
		return r;
	wire_init(&in, hoy.body.ptr, hoy.body.len);
	(void)wire_str(&in, 65536);
	show_issues(console, &in, &total);
	if (console_call(console, CONSOLE_SERVER_NETD, NETD_MSG_CHECK, STR("\1"), &network,
			 &away) == 0) {
		wire_init(&in, network.body.ptr, network.body.len);
		show_issues(console, &in, &total);
	} else if (!console->json) {
		console_printf(console, "network.ini not checked: %s\n", err_text(&away));
	}
	if (console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_ISSUES, STR(""), &engine,
			 &away) < 0) {
		console->json_name = "not_checked";
		console_printf(console, "%s\n", err_text(&away));
		return 0;
	}
	wire_init(&in, engine.body.ptr, engine.body.len);
	show_issues(console, &in, &total);
	if (!total && !console->json)
		console_printf(console, "no mistakes found\n");
	return 0;
}

/* Only here: the pair with init says that it is the console which asks. */
int console_config_media(struct console *console, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	int r;

	if (!console->is_unit)
		return err_set(err, -EPERM, "config media are confirmed on the console only");
	r = console_unit_call(console, INIT_MSG_CONFIG_MEDIA, STR(""), &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	console->json_name = "result";
	console_foreign(console, wire_str(&in, 1024));
	if (!console->json)
		console_printf(console, "\n");
	return 0;
}

int console_config_show(struct console *console, const char *file, struct err *err)
{
	static const char *const files[] = { "hoy", "network", "engine", "services" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct msg reply OWN(msg_done) = { 0 };
		struct buf body OWN(buf_done) = { 0 };
		struct wire in;
		int r;

		if (file && strcmp(file, files[i]) != 0)
			continue;
		buf_init(&body, 64);
		wire_put_text(&body, files[i]);
		r = console_call(console, CONSOLE_SERVER_INIT, INIT_MSG_CONFIG_GET, buf_str(&body),
				 &reply, err);
		if (r < 0)
			return r;
		wire_init(&in, reply.body.ptr, reply.body.len);
		if (console->json) {
			CONSOLE_OBJECT(console, JSON_TEXT("file", files[i]),
				       JSON_STR("text", wire_str(&in, 65536)));
		} else {
			console_printf(console, "# ---- %s.ini\n", files[i]);
			console_foreign(console, wire_str(&in, 65536));
		}
		if (file)
			return 0;
	}
	return file ? err_set(err, -ENOENT, "files are hoy, network, engine, services") : 0;
}
