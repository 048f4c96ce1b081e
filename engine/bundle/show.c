/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what is only looked at: state, list, ps, events. It must never change a container.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "engine/bundle/command.h"
#include "engine/bundle/print.h"
#include "engine/bundle/signals.h"
#include "engine/bundle/stats.h"
#include "engine/json/json.h"
#include "engine/run/cgroup.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/spawn.h"
#include "lib/str.h"

enum { OUTPUT_MAX = 16 << 20, TIME_MAX = 40, PIDS_MAX = 1 << 20, INTERVAL_MS = 5000 };

static const char *time_text(int64_t ns, char dst[TIME_MAX])
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm = { 0 };
	size_t n;

	(void)gmtime_r(&seconds, &tm);
	n = strftime(dst, TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(dst + n, TIME_MAX - n, ".%09dZ", (int)(ns % 1000000000));
	return dst;
}

/* The members of state-schema.json, and those that runc adds. */
static void put_state(struct json_writer *w, const struct state *state, enum state_status status)
{
	char when[TIME_MAX];

	json_begin_object(w);
	json_member_text(w, "ociVersion", "1.2.0");
	json_member_text(w, "id", state->id);
	json_member_u64(w, "pid", status == STATE_STATUS_STOPPED ? 0 : state->pid);
	json_member_text(w, "status", state_status_name(status));
	json_member_text(w, "bundle", state->bundle);
	json_member_text(w, "rootfs", state->root);
	json_member_text(w, "created", time_text(state->created_ns, when));
	json_key(w, "annotations");
	json_begin_object(w);
	for (size_t i = 0; i < state->pair_count; i++)
		json_member_text(w, state->pairs[i].key, state->pairs[i].value);
	json_end_object(w);
	json_member_text(w, "owner", state->uid == 0 ? "root" : "");
	json_end_object(w);
}

int command_state(struct command *cmd, struct err *err)
{
	struct container container OWN(container_done) = { .dir = -1 };
	struct buf out OWN(buf_done) = { 0 };
	struct json_writer w;
	int r = container_open(cmd, cmd->argv[0], &container, err);

	if (r < 0)
		return r;
	buf_init(&out, OUTPUT_MAX);
	json_writer_init(&w, &out);
	put_state(&w, &container.state, state_status(container.dir, &container.state));
	return print_json(&out, err);
}

/* ---- list ---- */

struct listing {
	struct command *cmd;
	struct buf *out;
	struct json_writer json;
	const char **names; /* heap, each of them too */
	size_t count;
	enum { LISTING_TABLE, LISTING_JSON, LISTING_QUIET } form;
};

static int take_name(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	struct listing *listing = owner;
	const char **more;

	(void)dirfd;
	if (type != DT_DIR || name[0] == '.')
		return 0;
	more = realloc(listing->names, (listing->count + 1) * sizeof(*more));
	if (more)
		listing->names = more;
	if (!more || !(more[listing->count] = strdup(name)))
		return err_set(err, -ENOMEM, "list: no memory");
	listing->count++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void list_one(struct listing *listing, const char *name)
{
	struct container container OWN(container_done) = { .dir = -1 };
	const struct state *state = &container.state;
	enum state_status status;
	char when[TIME_MAX];

	if (container_open(listing->cmd, name, &container, NULL) < 0)
		return;
	if (listing->form == LISTING_QUIET) {
		buf_printf(listing->out, "%s\n", name);
		return;
	}
	status = state_status(container.dir, state);
	if (listing->form == LISTING_JSON)
		put_state(&listing->json, state, status);
	else
		buf_printf(listing->out, "%-20s %-9u %-9s %-30s %-31s %s\n", name,
			   status == STATE_STATUS_STOPPED ? 0 : state->pid,
			   state_status_name(status), state->bundle,
			   time_text(state->created_ns, when), state->uid == 0 ? "root" : "?");
}

static void listing_done(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		free((void *)(uintptr_t)listing->names[i]);
	free(listing->names);
}

static int read_form(const char *format, bool *ret_json, struct err *err)
{
	*ret_json = format && strcmp(format, "json") == 0;
	if (!format || *ret_json || strcmp(format, "table") == 0)
		return 0;
	return err_set(err, -EINVAL, "--format: expected table or json");
}

int command_list(struct command *cmd, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };
	struct listing listing OWN(listing_done) = { .cmd = cmd, .out = &out };
	bool json = false;
	int r = read_form(cmd->options.format, &json, err);

	if (r < 0)
		return r;
	buf_init(&out, OUTPUT_MAX);
	json_writer_init(&listing.json, &out);
	listing.form = cmd->options.quiet ? LISTING_QUIET : json ? LISTING_JSON : LISTING_TABLE;
	if (listing.form == LISTING_JSON)
		json_begin_array(&listing.json);
	if (listing.form == LISTING_TABLE)
		buf_printf(&out, "%-20s %-9s %-9s %-30s %-31s %s\n", "ID", "PID", "STATUS",
			   "BUNDLE", "CREATED", "OWNER");
	r = fs_each(cmd->root_fd, take_name, &listing, err);
	if (r < 0)
		return r;
	if (listing.count > 0)
		qsort(listing.names, listing.count, sizeof(*listing.names), by_name);
	for (size_t i = 0; i < listing.count; i++)
		list_one(&listing, listing.names[i]);
	if (listing.form != LISTING_JSON)
		return print_text(&out, err);
	json_end_array(&listing.json);
	buf_add_byte(&out, '\n');
	return print_text(&out, err);
}

/* ---- ps ---- */

struct pids {
	uint32_t *items;
	size_t count;
};

static int add_pid(uint32_t pid, void *owner)
{
	struct pids *pids = owner;

	if (pids->count == PIDS_MAX)
		return -E2BIG;
	pids->items[pids->count++] = pid;
	return 0;
}

static bool has_pid(const struct pids *pids, struct str text)
{
	uint64_t pid;

	if (str_to_u64(text, 1, UINT32_MAX, &pid) < 0)
		return false;
	for (size_t i = 0; i < pids->count; i++)
		if (pids->items[i] == pid)
			return true;
	return false;
}

/* The word number `column` of a line; columns are divided by blanks. */
static struct str word_at(struct str line, int column)
{
	struct str part;

	for (int at = 0; str_cut(&line, ' ', &part);)
		if (part.len > 0 && at++ == column)
			return part;
	return (struct str){ 0 };
}

static int pid_column(struct str head)
{
	for (int column = 0;; column++) {
		struct str word = word_at(head, column);

		if (word.len == 0)
			return -1;
		if (str_is(word, "PID"))
			return column;
	}
}

/* The lines of ps(1) that belong to the container. */
static int filter_ps(const struct pids *pids, struct str text, struct buf *out, struct err *err)
{
	struct str line;
	int column;

	if (!str_cut(&text, '\n', &line) || (column = pid_column(line)) < 0)
		return err_set(err, -EINVAL, "ps: its output has no column PID");
	buf_printf(out, "%.*s\n", STR_ARG(line));
	while (str_cut(&text, '\n', &line))
		if (has_pid(pids, word_at(line, column)))
			buf_printf(out, "%.*s\n", STR_ARG(line));
	return 0;
}

static int run_ps(char *const *options, struct buf *text, struct err *err)
{
	const char *argv[64] = { "ps", "-ef", NULL };
	const char *const paths[] = { "/usr/bin/ps", "/bin/ps" };
	OWN_FD int read_end = -1;
	OWN_FD int pidfd = -1;
	struct spawn spawn;
	siginfo_t info;
	int ends[2], r = -ENOENT;
	pid_t pid;

	for (size_t i = 0; options[i] && i < ARRAY_LEN(argv) - 2; i++) {
		argv[i + 1] = options[i];
		argv[i + 2] = NULL;
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe for ps");
	read_end = ends[0];
	for (size_t i = 0; r == -ENOENT && i < ARRAY_LEN(paths); i++) {
		spawn_init(&spawn, paths[i], argv);
		spawn.log_fd = ends[1];
		r = spawn_start(&spawn, &pid, &pidfd, err);
	}
	(void)close(ends[1]);
	if (r < 0)
		return r;
	for (ssize_t n = 1; n > 0;) {
		if (buf_reserve(text, 65536) < 0)
			break;
		do
			n = read(read_end, text->data + text->len, 65536);
		while (n < 0 && errno == EINTR);
		text->len += n > 0 ? (size_t)n : 0;
	}
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	return 0;
}

static int collect_pids(const struct state *state, struct pids *pids, struct err *err)
{
	OWN_FD int group = state_cgroup_open(state, NULL);

	pids->items = calloc(PIDS_MAX, sizeof(*pids->items));
	if (!pids->items)
		return err_set(err, -ENOMEM, "ps: no memory");
	if (group < 0) {
		OWN_FD int pidfd = state_process_open(state, NULL);

		return pidfd < 0 ? 0 : add_pid(state->pid, pids);
	}
	return signals_each_pid(group, add_pid, pids, err);
}

static int show_pids(struct command *cmd, const struct pids *pids, bool json, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };
	struct buf text OWN(buf_done) = { 0 };
	int r;

	buf_init(&out, OUTPUT_MAX);
	buf_init(&text, OUTPUT_MAX);
	if (json) {
		for (size_t i = 0; i < pids->count; i++)
			buf_printf(&out, "%s%u", i ? "," : "[", pids->items[i]);
		buf_add_text(&out, pids->count ? "]\n" : "[]\n");
		return print_text(&out, err);
	}
	r = run_ps(cmd->argv + 1, &text, err);
	if (r == 0)
		r = filter_ps(pids, buf_str(&text), &out, err);
	return r < 0 ? r : print_text(&out, err);
}

int command_ps(struct command *cmd, struct err *err)
{
	struct container container OWN(container_done) = { .dir = -1 };
	struct pids pids = { 0 };
	bool json = false;
	int r = read_form(cmd->options.format, &json, err);

	if (r == 0)
		r = container_open(cmd, cmd->argv[0], &container, err);
	/* One that has stopped has no processes: an empty table, as runc's. */
	if (r == 0)
		r = collect_pids(&container.state, &pids, err);
	if (r == 0)
		r = show_pids(cmd, &pids, json, err);
	free(pids.items);
	return r;
}

/* ---- events ---- */

static int count_pid(uint32_t pid, void *owner)
{
	uint64_t *count = owner;

	(void)pid;
	(*count)++;
	return 0;
}

static int show_stats(const char *id, int group, uint64_t *oom_kills, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };
	struct cgroup_stats stats;
	struct json_writer w;
	uint64_t processes = 0;
	int r = cgroup_stats(group, &stats, err);

	if (r < 0)
		return r;
	(void)signals_each_pid(group, count_pid, &processes, NULL);
	buf_init(&out, OUTPUT_MAX);
	json_writer_init(&w, &out);
	if (stats.oom_kills > *oom_kills)
		buf_printf(&out, "{\"type\":\"oom\",\"id\":\"%s\"}\n", id);
	*oom_kills = stats.oom_kills;
	json_begin_object(&w);
	json_member_text(&w, "type", "stats");
	json_member_text(&w, "id", id);
	json_key(&w, "data");
	stats_put(&w, group, processes);
	json_end_object(&w);
	buf_add_byte(&out, '\n');
	return print_text(&out, err);
}

int command_events(struct command *cmd, struct err *err)
{
	struct container container OWN(container_done) = { .dir = -1 };
	OWN_FD int group = -1;
	OWN_FD int pidfd = -1;
	int64_t interval_ms = INTERVAL_MS;
	uint64_t oom_kills = 0;
	int r = container_open(cmd, cmd->argv[0], &container, err);

	if (r < 0)
		return r;
	if (cmd->options.interval &&
	    (str_to_duration_ms(str_from(cmd->options.interval), 86400000, &interval_ms) < 0 ||
	     interval_ms <= 0))
		return err_set(err, -EINVAL, "--interval: expected a duration such as 5s");
	pidfd = state_process_open(&container.state, err);
	group = pidfd < 0 ? pidfd : state_cgroup_open(&container.state, err);
	if (group < 0)
		return group;
	do {
		struct pollfd p = { .fd = pidfd, .events = POLLIN };

		r = show_stats(container.state.id, group, &oom_kills, err);
		if (r < 0 || cmd->options.stats)
			return r;
		r = poll(&p, 1, (int)interval_ms);
	} while (r == 0);
	return 0;
}
