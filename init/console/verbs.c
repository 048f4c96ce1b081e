/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command table of the console: one row for each verb; help, completion and argument counts
 * come from it. Runs in the console program.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "init/console/alias.h"
#include "init/console/console.h"
#include "init/console/login.h"
#include "init/console/pipe.h"
#include "init/console/script.h"
#include "init/console/verb_json.h"
#include "lib/own.h"

static int verb_help(struct console *console, const struct words *words, struct err *err)
{
	(void)err;
	console_help(console, words->count > 1 ? words->items[1] : "");
	return 0;
}

static int verb_claim(struct console *console, const struct words *words, struct err *err)
{
	(void)words;
	return console_claim(console, err);
}

static int verb_logout(struct console *console, const struct words *words, struct err *err)
{
	(void)words;
	(void)err;
	console->quit = true;
	return 0;
}

static int verb_clear(struct console *console, const struct words *words, struct err *err)
{
	(void)words;
	(void)err;
	console_raw(console, "\x1b[2J\x1b[H", 7);
	return 0;
}

static int verb_version(struct console *console, const struct words *words, struct err *err)
{
	(void)words;
	(void)err;
	if (console->json)
		CONSOLE_OBJECT(console, JSON_TEXT("version", HOY_VERSION));
	else
		console_printf(console, "Hoy %s\n", HOY_VERSION);
	return 0;
}

#define C(name) VERB_COMPLETE_##name

const struct verb console_verbs[] = {
	{ "access",
	  "issue NAME --role ROLE [--host PLACE]... [--days N] | list | revoke NAME|SERIAL",
	  "who may use the Docker API from elsewhere", C(NONE), 1, -1, verb_access },
	{ "boot", "chart", "this boot as SVG: when what was ready", C(NONE), 1, 1, verb_boot },
	{ "build",
	  "[-t NAME] [-f FILE] [--target STAGE] [--build-arg NAME=VALUE] [--secret id=ID,src=FILE] "
	  "[--label NAME=VALUE] [--build-context NAME=WHERE] [--ssh ID=SOCKET] [--platform P] "
	  "[--cache-from NAME] [--cache-to type=registry,ref=NAME] [--network none] [--allow "
	  "network.host] [--iidfile FILE] [--progress auto|plain|tty|quiet] [--pull] "
	  "[--no-cache] [--check] DIR",
	  "make an image out of a directory on the machine", C(NONE), 1, -1, verb_build },
	{ "claim", "", "set the password of this machine", C(NONE), 0, 0, verb_claim },
	{ "clear", "", "clear the screen", C(NONE), 0, 0, verb_clear },
	{ "commit", "NAME [IMAGE]", "what a container changed becomes an image", C(CONTAINER), 1, 2,
	  verb_commit },
	{ "compose", "FILE... | up [--force] FILE... | down FILE...",
	  "a Compose file as sections of services.ini, with what is left out", C(NONE), 1, 10,
	  verb_compose },
	{ "config",
	  "show [FILE] | issues | set \"SECTION NAME\" KEY VALUE... | unset \"SECTION NAME\" [KEY] "
	  "| edit | pin NAME "
	  "| candidate | diff [N] | validate | apply [--confirm TIME] [--gateway TIME] [--force] "
	  "[-m "
	  "NOTE] | confirm "
	  "| "
	  "discard | rollback [N] | history | export [N|--secrets] | import | media confirm",
	  "the configuration: in force, edited, applied, taken back", C(CONFIG), 1, -1,
	  verb_config },
	{ "cp", "FROM TO", "copy; one of the two is NAME:/PATH", C(NONE), 2, 2, verb_cp },
	{ "dashboard", "", "machine, services and errors on one screen; q ends", C(NONE), 0, 0,
	  verb_dashboard },
	{ "df", "", "what takes the room on the data partition", C(NONE), 0, 0, verb_df },
	{ "diff", "NAME", "what a container changed in its files", C(CONTAINER), 1, 1, verb_diff },
	{ "dig", "[@SERVER] [-x ADDRESS] NAME [TYPE] [+short] [+tcp]",
	  "ask a name server, the machine's own when none is named", C(NONE), 1, -1, verb_probe },
	{ "disk", "", "disks, their partitions, and which holds the data", C(NONE), 0, 0,
	  verb_disk },
	{ "exec", "[-i] [-t] [-u USER] [-e NAME=VALUE] [-w DIR] [--privileged] NAME COMMAND...",
	  "run a command in a container", C(CONTAINER), 2, -1, verb_exec },
	{ "export", "NAME FILE", "a container's files as a tar", C(CONTAINER), 2, 2, verb_export },
	{ "factory-reset", "[--keep-data]",
	  "erase all data, or all but images and volumes, and start again", C(NONE), 0, 1,
	  verb_power },
	{ "follow", "NAME...", "what containers write from now on, in the order of its time",
	  C(CONTAINER), 1, 8, verb_follow },
	{ "health", "NAME", "health checks of a container: state, last results", C(CONTAINER), 1, 1,
	  verb_health },
	{ "help", "[COMMAND]", "this list, or one command; ? does the same", C(VERB), 0, 1,
	  verb_help },
	{ "history", "[NAME]", "why the machine started, or how a container ended", C(CONTAINER), 0,
	  1, verb_history },
	{ "image", "sbom NAME | referrers NAME [TYPE]",
	  "packages of an image as SPDX; what refers to it in its registry", C(IMAGE), 2, 3,
	  verb_image },
	{ "images", "", "images in the store", C(NONE), 0, 0, verb_images },
	{ "import", "FILE|URL [IMAGE]", "a tar of files becomes an image", C(NONE), 1, 2,
	  verb_import },
	{ "kill", "NAME [SIGNAL]", "send a signal, KILL when none is named", C(CONTAINER), 1, 2,
	  verb_act },
	{ "load", "[-i] FILE [NAME]", "take the images of an archive in", C(NONE), 1, 3,
	  verb_load },
	{ "lock", "", "nothing goes on this console until the password is typed", C(NONE), 0, 0,
	  verb_lock },
	{ "log",
	  "[UNIT] [-f] [-n N] [-p LEVEL] [--boot -N] [--boots] [--since TIME] [--until TIME] "
	  "[--grep TEXT]",
	  "log of init, netd, engine, kernel; system: all but the kernel", C(UNIT), 0, -1,
	  verb_log },
	{ "logout", "", "leave the console", C(NONE), 0, 0, verb_logout },
	{ "logs", "NAME... [-f] [-n N] [--since TIME] [--until TIME] [--grep TEXT]",
	  "what containers wrote, in the order of its time", C(CONTAINER), 1, -1, verb_logs },
	{ "metrics", "", "counters of the machine and its containers, as Prometheus text", C(NONE),
	  0, 0, verb_metrics },
	{ "network", "[show] WHAT | why ADDRESS:PORT | trace SRC -> ADDRESS:PORT",
	  "links, routes, neigh, dns, ports, rules ...; Tab lists them", C(NETWORK), 0, 4,
	  verb_network },
	{ "passwd", "", "change the password", C(NONE), 0, 0, verb_claim },
	{ "pause", "NAME", "freeze a container that no section declares", C(CONTAINER), 1, 1,
	  verb_pause },
	{ "ping", "[-4|-6] [-c N] [-i S] [-s BYTES] [-W S] HOST",
	  "does HOST answer, and how fast; four packets, Ctrl-C ends it", C(NONE), 1, -1,
	  verb_probe },
	{ "poweroff", "", "stop everything and switch off", C(NONE), 0, 0, verb_power },
	{ "prune",
	  "[images [-a] | containers | volumes | cache] [--filter until=TIME|label=KEY]...",
	  "give back what nothing uses", C(NONE), 0, -1, verb_prune },
	{ "ps", "[-a] [--no-trunc]", "containers and their states, those that ended too", C(NONE),
	  0, 2, verb_ps },
	{ "pull", "IMAGE", "fetch an image from its registry", C(IMAGE), 1, 1, verb_pull },
	{ "push", "IMAGE [REFERENCE]", "send an image to a registry", C(IMAGE), 1, 2, verb_push },
	{ "reboot", "", "stop everything and start again", C(NONE), 0, 0, verb_power },
	{ "resize", "", "ask the terminal for its size again", C(NONE), 0, 0, verb_resize },
	{ "restart", "NAME", "stop and start a container", C(CONTAINER), 1, 1, verb_act },
	{ "rm", "[-f] [-v] NAME...", "remove containers that no section declares", C(CONTAINER), 1,
	  -1, verb_rm },
	{ "rmi", "IMAGE", "remove an image", C(IMAGE), 1, 1, verb_rmi },
	{ "run",
	  "[-d] [--rm] [--name N] [-p HOST:CONTAINER] [-v SOURCE:TARGET] [-e NAME=VALUE] "
	  "[--network N] [-P] [-i] [-t] IMAGE [COMMAND...]",
	  "a container out of an image, which is pulled when it is missing", C(IMAGE), 1, -1,
	  verb_run },
	{ "save", "[--oci] [-o] FILE IMAGE...", "write images into an archive", C(IMAGE), 2, -1,
	  verb_save },
	{ "sessions", "", "the consoles, and who is at them", C(NONE), 0, 0, verb_sessions },
	{ "start", "NAME", "start a container", C(CONTAINER), 1, 1, verb_act },
	{ "stats", "[NAME...]", "what each container uses, as a table", C(CONTAINER), 0, -1,
	  verb_stats },
	{ "status", "", "machine, data disk, clock, system services", C(NONE), 0, 0, verb_status },
	{ "steps", "IMAGE", "the steps that made an image", C(IMAGE), 1, 1, verb_steps },
	{ "stop", "NAME", "stop a container until the next boot", C(CONTAINER), 1, 1, verb_act },
	{ "store", "check [--repair]", "read every blob and layer, mend what is damaged", C(NONE),
	  1, 2, verb_store },
	{ "support", "collect | send [ARCHIVE]",
	  "an archive without secrets for whoever helps; sent to [support]", C(NONE), 1, 2,
	  verb_support },
	{ "tag", "IMAGE NAME", "give an image another name", C(IMAGE), 2, 2, verb_tag },
	{ "time", "", "the clock, whether it is synchronised, and with whom", C(NONE), 0, 0,
	  verb_time },
	{ "top", "", "what the machine and its containers use, on one screen; q ends", C(NONE), 0,
	  0, verb_top },
	{ "traceroute", "[-4|-6] [-m HOPS] [-q N] [-w S] HOST", "the routers on the way to HOST",
	  C(NONE), 1, -1, verb_probe },
	{ "unpause", "NAME", "let a frozen container go on", C(CONTAINER), 1, 1, verb_pause },
	{ "users", "", "who may use this machine, and by what", C(NONE), 0, 0, verb_users },
	{ "version", "", "version of Hoy", C(NONE), 0, 0, verb_version },
};
const size_t console_verb_count = ARRAY_LEN(console_verbs);

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < console_verb_count; i++) {
		if (!strcmp(console_verbs[i].name, name))
			return &console_verbs[i];
	}
	return NULL;
}

static int unknown(const char *name, struct err *err)
{
	const char *names[128];
	const char *nearest;
	size_t count = 0;
	char shown[64];

	for (size_t i = 0; i < console_verb_count; i++)
		names[count++] = console_verbs[i].name;
	for (size_t i = 0; i < console_alias_count; i++)
		names[count++] = console_aliases[i].name;
	nearest = str_nearest(str_from(name), names, count);
	(void)str_escape(str_from(name), shown, sizeof(shown));
	if (nearest)
		return err_set(err, -ENOENT, "there is no command '%s'; did you mean '%s'?", shown,
			       nearest);
	return err_set(err, -ENOENT, "there is no command '%s'; `help` lists them", shown);
}

/* In front of the verb, or the last word of any but those whose words are the container's; a pipe
 * to json puts it in front, and a person may have put it behind. */
static bool take_json(struct words *words)
{
	bool first = words->count > 1 && !strcmp(words->items[0], "--json");
	bool last;

	for (int i = 1; first && i < words->count; i++)
		words->items[i - 1] = words->items[i];
	words->count -= first;
	last = words->count > 1 && strcmp(words->items[0], "exec") != 0 &&
	       strcmp(words->items[0], "run") != 0 &&
	       !strcmp(words->items[words->count - 1], "--json");
	words->count -= last;
	return first || last;
}

void console_error(struct console *console, int code, const struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };

	if (!console->json) {
		console_printf(console, "%s\n", err_text(err));
		return;
	}
	buf_init(&out, 8192);
	(void)buf_add_text(&out, "\"error\":");
	script_put_string(&out, str_from(err_text(err)));
	script_put_number(&out, "code", script_exit_code(code));
	console_json(console, buf_str(&out));
}

static int run_words(struct console *console, struct str line, struct err *err)
{
	static struct words words;
	const struct verb *verb;
	int r = words_split(line, &words, err);

	if (r >= 0 && !words.count)
		return 0;
	console->interrupted = false;
	console->json_name = NULL;
	console->json = r >= 0 && take_json(&words);
	if (r >= 0)
		alias_expand(&words);
	verb = r < 0 ? NULL : find_verb(words.items[0]);
	if (r >= 0 && !verb)
		r = unknown(words.items[0], err);
	if (verb && (words.count - 1 < verb->min_words ||
		     (verb->max_words >= 0 && words.count - 1 > verb->max_words)))
		r = err_set(err, -EINVAL, "usage: %s%s%s", verb->name, *verb->arguments ? " " : "",
			    verb->arguments);
	else if (verb)
		r = verb->run(console, &words, err);
	console_json_end(console);
	return r;
}

static void say_error(struct console *console, int r, const struct err *err)
{
	if (r < 0 && r != -EINTR)
		console_error(console, r, err);
	console->json = false;
}

static int run_command(struct console *console, struct str line)
{
	struct err err = { 0 };
	int r = run_words(console, line, &err);

	say_error(console, r, &err);
	return r;
}

/* ---- pipes ---- */

enum { PIPE_OUTPUT_MAX = 8 << 20 };

/* A page at a time; space: the next one, Enter: a line more, q: no more. */
static void page(struct console *console, struct str text)
{
	unsigned left = console->rows > 2 ? console->rows - 1 : 1;
	struct str line;

	while (text.len > 0 && str_cut(&text, '\n', &line)) {
		unsigned char key = 0;

		console_write(console, line.ptr, line.len);
		console_write(console, "\n", 1);
		if (--left > 0 || text.len == 0)
			continue;
		console_raw(console, "-- more --", 10);
		while (!console->quit && !strchr(" \rq\x03", key ? key : '-'))
			if (!(console_wait(console, -1, -1) & 1) ||
			    console_read(console, &key, 1) != 1)
				key = 'q';
		console_raw(console, "\r\x1b[K", 4);
		if (key == 'q' || key == 3 || console->quit)
			return;
		left = key == '\r' ? 1 : console->rows > 2 ? console->rows - 1 : 1;
	}
}

static int run_pipe(struct console *console, const struct pipe_line *pipe)
{
	struct buf line OWN(buf_done) = { 0 }, raw OWN(buf_done) = { 0 };
	struct buf out OWN(buf_done) = { 0 };
	struct err err = { 0 };
	bool json;
	int r;

	buf_init(&line, EDIT_LINE_MAX + 16);
	buf_init(&raw, PIPE_OUTPUT_MAX);
	buf_init(&out, PIPE_OUTPUT_MAX);
	if (pipe_has(pipe, PIPE_JSON))
		(void)buf_add_text(&line, "--json ");
	(void)buf_add_str(&line, pipe->command);
	console->capture = &raw;
	r = run_words(console, buf_str(&line), &err);
	console->capture = NULL;
	if (pipe_apply(pipe, buf_str(&raw), &out) < 0 || buf_error(&raw))
		console_printf(console, "(it is longer than a pipe holds)\n");
	json = console->json;
	console->json = false; /* its rows are JSON already */
	if (pipe_has(pipe, PIPE_MORE) && console->is_tty)
		page(console, buf_str(&out));
	else
		console_write(console, buf_text(&out), out.len);
	console->json = json;
	say_error(console, r, &err); /* no filter takes an error away */
	return r;
}

int console_run(struct console *console, const char *line)
{
	struct err err = { 0 };
	struct pipe_line pipe;
	int r = pipe_parse(str_from(line), &pipe, &err);

	if (r < 0) {
		console_error(console, r, &err);
		return r;
	}
	/* What runs inside another command's capture is that command's own. */
	return pipe.count && !console->capture ? run_pipe(console, &pipe)
					       : run_command(console, str_from(line));
}
