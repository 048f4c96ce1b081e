/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the words of `run` to a section of services.ini, and frames of output taken apart. Runs in
 * the console program. Pure; must never let a word become a line of its own in the section.
 */
#include "init/console/run_words.h"

#include <errno.h>
#include <string.h>
#include "init/console/script.h"
#include "lib/own.h"

enum { RUN_PAUSE_MS = 2000, RUN_PAUSE_MAX_MS = 60000, RUN_FRAME_MAX = 16 << 20 };

/* ---- words ---- */

/* docker's option, one letter of it or 0, and the key it stands for. */
static const struct option {
	const char *name;
	char letter;
	bool flag; /* takes no value: the key becomes yes */
	const char *key;
} options[] = {
	{ "add-host", 0, false, "extra_hosts" },
	{ "cap-add", 0, false, "cap_add" },
	{ "cap-drop", 0, false, "cap_drop" },
	{ "cpus", 0, false, "cpus" },
	{ "detach", 'd', true, NULL },
	{ "device", 0, false, "devices" },
	{ "dns", 0, false, "dns" },
	{ "entrypoint", 0, false, "entrypoint" },
	{ "env", 'e', false, "environment" },
	{ "dns-search", 0, false, "dns_search" },
	{ "group-add", 0, false, "group_add" },
	{ "hostname", 'h', false, "hostname" },
	{ "init", 0, true, "init" },
	{ "interactive", 'i', true, NULL },
	{ "label", 'l', false, "labels." },
	{ "memory", 'm', false, "mem_limit" },
	{ "name", 0, false, NULL },
	{ "network", 0, false, "networks" },
	{ "pids-limit", 0, false, "pids_limit" },
	{ "privileged", 0, true, "privileged" },
	{ "publish", 'p', false, "ports" },
	{ "publish-all", 'P', true, NULL },
	{ "read-only", 0, true, "read_only" },
	{ "restart", 0, false, "restart" },
	{ "rm", 0, true, NULL },
	{ "security-opt", 0, false, "security_opt" },
	{ "shm-size", 0, false, "shm_size" },
	{ "stop-signal", 0, false, "stop_signal" },
	{ "sysctl", 0, false, "sysctls" },
	{ "tmpfs", 0, false, "tmpfs" },
	{ "tty", 't', true, "tty" },
	{ "ulimit", 0, false, "ulimits" },
	{ "user", 'u', false, "user" },
	{ "volume", 'v', false, "volumes" },
	{ "workdir", 'w', false, "working_dir" },
};

struct reader {
	struct run_wish wish;
	struct buf *out;
	struct err *err;
	bool restart; /* a policy other than no */
};

static const struct option *by_letter(char letter)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (letter && options[i].letter == letter)
			return &options[i];
	return NULL;
}

static const struct option *by_name(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (str_is(name, options[i].name))
			return &options[i];
	return NULL;
}

static int unknown(struct str name, struct err *err)
{
	const char *names[ARRAY_LEN(options)];
	const char *nearest;
	char shown[64];

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		names[i] = options[i].name;
	nearest = str_nearest(name, names, ARRAY_LEN(names));
	(void)str_escape(name, shown, sizeof(shown));
	if (nearest)
		return err_set(err, -EINVAL, "run: there is no option --%s; did you mean --%s?",
			       shown, nearest);
	return err_set(err, -EINVAL, "run: there is no option %s%s; `help run` lists them",
		       name.len > 1 ? "--" : "-", shown);
}

/* A line of the section holds what has no control character in it and no blank at its ends. */
static int put(struct reader *reader, const char *option, const char *key, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char byte = (unsigned char)value.ptr[i];

		if (byte < 0x20 || byte == 0x7f)
			return err_set(reader->err, -EINVAL,
				       "--%s: a value has neither tabs nor line ends in it",
				       option);
	}
	if (str_trim(value).len != value.len || !value.len)
		return err_set(reader->err, -EINVAL,
			       "--%s: a value that is not empty, without blanks at its ends, is "
			       "expected",
			       option);
	(void)buf_printf(reader->out, "%s = ", key);
	(void)buf_add_str(reader->out, value);
	return buf_add_byte(reader->out, '\n');
}

/* "--label NAME=VALUE" is labels.NAME = VALUE. */
static int put_label(struct reader *reader, struct str value)
{
	ptrdiff_t eq = str_find(value, '=');
	char key[128] = "labels.";

	if (eq <= 0 || str_copy(str_head(value, (size_t)eq), key + 7, sizeof(key) - 7) < 0 ||
	    strcspn(key, " []#;:") != strlen(key))
		return err_set(reader->err, -EINVAL, "--label: NAME=VALUE is expected");
	return put(reader, "label", key, str_skip(value, (size_t)eq + 1));
}

static int take_flag(struct reader *reader, const struct option *option)
{
	struct run_wish *wish = &reader->wish;

	wish->detach = wish->detach || option->letter == 'd';
	wish->tty = wish->tty || option->letter == 't';
	wish->remove = wish->remove || !strcmp(option->name, "rm");
	wish->input = wish->input || option->letter == 'i';
	wish->publish = wish->publish || option->letter == 'P';
	return option->key ? put(reader, option->name, option->key, STR("yes")) : 0;
}

/* Without a side of this machine, "80" or "/data": true when it was taken, or there is no room. */
static bool take_alone(struct reader *reader, const struct option *option, const char *text,
		       int *ret_result)
{
	struct run_wish *wish = &reader->wish;
	bool port = option->letter == 'p', volume = option->letter == 'v';

	if ((!port && !volume) || !*text || strchr(text, ':') || (volume && *text != '/'))
		return false;
	*ret_result = 0;
	if ((port ? wish->port_count : wish->volume_count) == RUN_MORE_MAX)
		*ret_result = err_set(reader->err, -E2BIG, "--%s: at most %d of them", option->name,
				      RUN_MORE_MAX);
	else if (port)
		wish->ports[wish->port_count++] = text;
	else
		wish->volumes[wish->volume_count++] = text;
	return true;
}

static int take_value(struct reader *reader, const struct option *option, const char *text)
{
	struct str value = str_from(text);
	int r;

	if (take_alone(reader, option, text, &r))
		return r;
	if (!option->key) {
		reader->wish.name = text;
		return value.len ? 0 : err_set(reader->err, -EINVAL, "--name: a name is expected");
	}
	if (!strcmp(option->key, "labels."))
		return put_label(reader, value);
	if (!strcmp(option->key, "environment") && str_find(value, '=') <= 0)
		return err_set(reader->err, -EINVAL,
			       "--env: NAME=VALUE is expected; nothing is passed on from here");
	if (!strcmp(option->key, "restart") && !strcmp(text, "no"))
		return 0; /* what is said at the end unless there is another */
	reader->restart = reader->restart || !strcmp(option->key, "restart");
	return put(reader, option->name, option->key, value);
}

/* "-it", "-p8080:80", "-p", "8080:80": how many words were taken, or an error. */
static int take_letters(struct reader *reader, const char *word, const char *next)
{
	for (const char *at = word + 1; *at; at++) {
		const struct option *option = by_letter(*at);
		int r;

		if (!option)
			return unknown(str_make(at, 1), reader->err);
		if (!option->flag && !at[1] && !next)
			return err_set(reader->err, -EINVAL, "-%c: a value is expected", *at);
		if (!option->flag) {
			r = take_value(reader, option, at[1] ? at + 1 : next);
			return r < 0 ? r : at[1] ? 1 : 2;
		}
		r = take_flag(reader, option);
		if (r < 0)
			return r;
	}
	return 1;
}

/* "--publish=8080:80", "--publish", "8080:80". */
static int take_name(struct reader *reader, const char *word, const char *next)
{
	const char *eq = strchr(word, '=');
	struct str name = str_from(word + 2);
	const struct option *option;
	int r;

	if (eq)
		name = str_head(name, (size_t)(eq - word) - 2);
	option = by_name(str_is(name, "net") ? STR("network") : name);
	if (!option)
		return unknown(name, reader->err);
	if (option->flag && eq)
		return err_set(reader->err, -EINVAL, "--%s takes no value", option->name);
	if (option->flag) {
		r = take_flag(reader, option);
		return r < 0 ? r : 1;
	}
	if (!eq && !next)
		return err_set(reader->err, -EINVAL, "--%s: a value is expected", option->name);
	r = take_value(reader, option, eq ? eq + 1 : next);
	return r < 0 ? r : eq ? 1 : 2;
}

static void put_command(struct buf *out, const struct words *words, int at)
{
	if (at >= words->count)
		return;
	(void)buf_add_text(out, "command = [");
	for (int i = at; i < words->count; i++) {
		if (i > at)
			(void)buf_add_text(out, ", ");
		script_put_string(out, str_from(words->items[i]));
	}
	(void)buf_add_text(out, "]\n");
}

/* What goes with what. */
static int check(const struct reader *reader)
{
	const struct run_wish *wish = &reader->wish;

	if (wish->remove && reader->restart)
		return err_set(reader->err, -EINVAL,
			       "--rm and --restart exclude each other: what is gone cannot be "
			       "started again");
	if (wish->tty && wish->detach)
		return err_set(reader->err, -EINVAL,
			       "-t is for who stays: without -d, or `exec -t` later");
	if (buf_error(reader->out))
		return err_set(reader->err, -E2BIG, "run: fewer words");
	return 0;
}

int run_words_parse(const struct words *words, struct run_wish *ret_wish, struct buf *out,
		    struct err *err)
{
	struct reader reader = { .wish = { .name = "" }, .out = out, .err = err };
	int at = 1, r = 0;

	(void)buf_add_text(out, "[service run]\n");
	while (at < words->count && words->items[at][0] == '-' && words->items[at][1]) {
		const char *word = words->items[at], *next = words->items[at + 1];

		if (!strcmp(word, "--")) {
			at++;
			break;
		}
		r = word[1] == '-' ? take_name(&reader, word, next)
				   : take_letters(&reader, word, next);
		if (r < 0)
			return r;
		at += r;
	}
	if (at >= words->count)
		return err_set(err, -EINVAL, "usage: run [OPTION...] IMAGE [COMMAND...]");
	reader.wish.image = words->items[at];
	r = put(&reader, "image", "image", str_from(words->items[at]));
	if (r < 0)
		return r;
	if (!reader.restart) /* a section's own default is to run for ever */
		(void)buf_add_text(out, "restart = no\n");
	put_command(out, words, at + 1);
	r = check(&reader);
	if (r >= 0)
		*ret_wish = reader.wish;
	return r;
}

/* ---- patience ---- */

int run_pause_ms(unsigned attempt)
{
	return attempt < 5 ? RUN_PAUSE_MS << attempt : RUN_PAUSE_MAX_MS;
}

bool run_retry_helps(int code)
{
	return code == -ECONNREFUSED || code == -ECONNRESET || code == -ETIMEDOUT ||
	       code == -EHOSTUNREACH || code == -ENETUNREACH || code == -EAGAIN ||
	       code == -ENETDOWN;
}

/* ---- frames ---- */

int run_frames_next(struct run_frames *frames, struct str *bytes, struct str *ret_piece,
		    int *ret_stream, struct err *err)
{
	*ret_piece = STR("");
	while (bytes->len && !frames->left) {
		const unsigned char *head = frames->head;

		frames->head[frames->head_len++] = (unsigned char)bytes->ptr[0];
		*bytes = str_skip(*bytes, 1);
		if (frames->head_len < RUN_FRAME_HEAD)
			continue;
		frames->head_len = 0;
		frames->stream = head[0];
		frames->left = (size_t)head[4] << 24 | (size_t)head[5] << 16 |
			       (size_t)head[6] << 8 | head[7];
		if (head[0] < 1 || head[0] > 2 || head[1] || head[2] || head[3] ||
		    frames->left > RUN_FRAME_MAX)
			return err_set(err, -EBADMSG, "the container's output is damaged");
	}
	if (!bytes->len)
		return 0;
	*ret_piece = str_head(*bytes, bytes->len < frames->left ? bytes->len : frames->left);
	*bytes = str_skip(*bytes, ret_piece->len);
	frames->left -= ret_piece->len;
	*ret_stream = frames->stream;
	return 0;
}
