/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /containers/NAME/top: what `ps` with some arguments (-ef, aux, -o LIST) says of a container's
 * processes. Engine main hands over the kernel's files unread; they are read here, for a process
 * says itself what its name is. Runs in the api role.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "engine/api/engine_msg.h"
#include "engine/docker/handlers.h"
#include "engine/docker/text.h"
#include "lib/own.h"

enum {
	TOP_PROCESSES_MAX = 4096,
	TOP_FILE_MAX = 64 << 10,
	TOP_TICKS = 100,
	TOP_COLUMNS_MAX = 24,
	STAT_FIELDS = 25,
	PAGE_KIB = 4,
	DAY_S = 86400,
};

struct process {
	uint32_t pid;
	uint64_t parent, ticks, tty, threads, start_ticks, vsize_bytes, rss_pages;
	char state;
	struct str uid, gid, name;
	char command[512];
};

/* "12 (name with ) in it) S 1 ...": the fields behind the last parenthesis, by their number. */
static void read_stat(struct str stat, struct process *process)
{
	struct str field;
	size_t end = stat.len;
	uint64_t number;

	while (end > 0 && stat.ptr[end - 1] != ')')
		end--;
	stat = str_skip(stat, end + 1 < stat.len ? end + 1 : stat.len);
	for (unsigned n = 3; n < STAT_FIELDS && str_cut(&stat, ' ', &field); n++) {
		if (n == 3 && field.len)
			process->state = field.ptr[0];
		if (str_to_u64(field, 0, INT64_MAX, &number) < 0)
			continue;
		switch (n) {
		case 4:
			process->parent = number;
			break;
		case 7:
			process->tty = number;
			break;
		case 14:
		case 15:
			process->ticks += number;
			break;
		case 20:
			process->threads = number;
			break;
		case 22:
			process->start_ticks = number;
			break;
		case 23:
			process->vsize_bytes = number;
			break;
		case 24:
			process->rss_pages = number;
			break;
		default:
			break;
		}
	}
}

/* The words of the command line; a kernel thread or a zombie has its name from status. */
static void read_command(struct str cmdline, struct str status, struct process *process)
{
	struct str line;
	size_t len =
		cmdline.len < sizeof(process->command) ? cmdline.len : sizeof(process->command) - 1;

	process->uid = process->gid = process->name = STR("?");
	while (str_cut(&status, '\n', &line)) {
		if (str_starts(line, STR("Name:\t")))
			process->name = str_skip(line, 6);
		if (str_starts(line, STR("Uid:\t"))) {
			line = str_skip(line, 5);
			(void)str_cut(&line, '\t', &process->uid);
		}
		if (str_starts(line, STR("Gid:\t"))) {
			line = str_skip(line, 5);
			(void)str_cut(&line, '\t', &process->gid);
		}
	}
	if (!len) {
		(void)snprintf(process->command, sizeof(process->command), "[%.*s]",
			       STR_ARG(str_head(process->name, 64)));
		return;
	}
	memcpy(process->command, cmdline.ptr, len);
	for (size_t i = 0; i < len; i++) {
		if (!process->command[i])
			process->command[i] = ' ';
	}
	while (len && process->command[len - 1] == ' ')
		len--;
	process->command[len] = 0;
}

/* ---- columns ---- */

enum column {
	COLUMN_USER,
	COLUMN_UID,
	COLUMN_GROUP,
	COLUMN_PID,
	COLUMN_PPID,
	COLUMN_NOTHING, /* a share that is not told: "0" */
	COLUMN_SHARE,	/* of the same kind: "0.0" */
	COLUMN_START,
	COLUMN_TTY,
	COLUMN_TIME,
	COLUMN_COMMAND,
	COLUMN_NAME,
	COLUMN_STATE,
	COLUMN_VSZ,
	COLUMN_RSS,
	COLUMN_THREADS,
	COLUMN_ELAPSED,
};

static const struct {
	const char *name, *title;
	enum column column;
} columns[] = {
	{ "user", "USER", COLUMN_USER },
	{ "euser", "EUSER", COLUMN_USER },
	{ "ruser", "RUSER", COLUMN_USER },
	{ "uid", "UID", COLUMN_UID },
	{ "euid", "EUID", COLUMN_UID },
	{ "group", "GROUP", COLUMN_GROUP },
	{ "gid", "GID", COLUMN_GROUP },
	{ "pid", "PID", COLUMN_PID },
	{ "ppid", "PPID", COLUMN_PPID },
	{ "c", "C", COLUMN_NOTHING },
	{ "%cpu", "%CPU", COLUMN_SHARE },
	{ "pcpu", "%CPU", COLUMN_SHARE },
	{ "%mem", "%MEM", COLUMN_SHARE },
	{ "pmem", "%MEM", COLUMN_SHARE },
	{ "stime", "STIME", COLUMN_START },
	{ "start", "STARTED", COLUMN_START },
	{ "start_time", "START", COLUMN_START },
	{ "tty", "TT", COLUMN_TTY },
	{ "tt", "TT", COLUMN_TTY },
	{ "tname", "TTY", COLUMN_TTY },
	{ "time", "TIME", COLUMN_TIME },
	{ "cputime", "TIME", COLUMN_TIME },
	{ "cmd", "CMD", COLUMN_COMMAND },
	{ "args", "COMMAND", COLUMN_COMMAND },
	{ "command", "COMMAND", COLUMN_COMMAND },
	{ "comm", "COMMAND", COLUMN_NAME },
	{ "ucmd", "CMD", COLUMN_NAME },
	{ "stat", "STAT", COLUMN_STATE },
	{ "state", "S", COLUMN_STATE },
	{ "s", "S", COLUMN_STATE },
	{ "vsz", "VSZ", COLUMN_VSZ },
	{ "rss", "RSS", COLUMN_RSS },
	{ "nlwp", "NLWP", COLUMN_THREADS },
	{ "etime", "ELAPSED", COLUMN_ELAPSED },
};

struct table {
	size_t rows[TOP_COLUMNS_MAX]; /* of columns[] */
	const char *titles[TOP_COLUMNS_MAX];
	size_t count;
};

static bool add_column(struct table *table, struct str name, const char *title)
{
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		if (!str_is_nocase(name, columns[i].name) || table->count == TOP_COLUMNS_MAX)
			continue;
		table->titles[table->count] = title ? title : columns[i].title;
		table->rows[table->count++] = i;
		return true;
	}
	return false;
}

static void add_columns(struct table *table, const char *words)
{
	struct str rest = str_from(words), word;

	while (str_cut(&rest, ' ', &word))
		(void)add_column(table, word, NULL);
}

/*
 * "-ef", "aux", "-o pid,comm", "-eo pid -o user": what ps would show. 0, or -EINVAL with ps's
 * words.
 */
static int read_args(const char *text, struct table *table, struct err *err)
{
	struct str rest = str_from(text), word, name;
	bool listed = false, wanted = false, bsd = false, full = false;

	while (str_cut(&rest, ' ', &word)) {
		ptrdiff_t o = str_find(word, 'o');

		if (str_starts(word, STR("--")))
			return err_set(err, -EINVAL, "ps: error: unknown gnu long option");
		if (!wanted && o >= 0 && !str_starts(word, STR("aux"))) {
			listed = wanted = true;
			word = str_skip(word, (size_t)o + 1);
		}
		if (wanted && word.len) {
			while (str_cut(&word, ',', &name)) {
				if (name.len && !add_column(table, name, NULL))
					return err_set(err, -EINVAL,
						       "ps: error: unknown user-defined format "
						       "specifier \"%.*s\"",
						       STR_ARG(name));
			}
			wanted = false;
			continue;
		}
		bsd |= word.len && word.ptr[0] != '-' && str_find(word, 'u') >= 0;
		full |= str_find(word, 'f') >= 0;
	}
	if (listed)
		return 0;
	if (bsd) {
		add_columns(table, "user pid %cpu %mem vsz rss tname stat start_time");
		(void)add_column(table, STR("time"), NULL);
		(void)add_column(table, STR("args"), NULL);
	} else if (full) {
		(void)add_column(table, STR("user"), "UID");
		add_columns(table, "pid ppid c stime tname time cmd");
	} else {
		add_columns(table, "pid tname time cmd");
	}
	return 0;
}

static uint64_t started_s(const struct process *process)
{
	struct timespec up = { 0 };
	uint64_t now = (uint64_t)(docker_now_ns() / 1000000000);
	uint64_t since = process->start_ticks / TOP_TICKS;

	(void)clock_gettime(CLOCK_BOOTTIME, &up);
	return (uint64_t)up.tv_sec > since ? now - ((uint64_t)up.tv_sec - since) : now;
}

static void put_moment(const struct process *process, char dst[64])
{
	time_t at = (time_t)started_s(process);
	struct tm tm;

	dst[0] = 0;
	if (gmtime_r(&at, &tm))
		(void)strftime(dst, 64,
			       docker_now_ns() / 1000000000 - at < DAY_S ? "%H:%M" : "%b%d", &tm);
}

static void put_hours(uint64_t seconds, char dst[64])
{
	(void)snprintf(dst, 64, "%02llu:%02llu:%02llu", (unsigned long long)(seconds / 3600),
		       (unsigned long long)(seconds / 60 % 60), (unsigned long long)(seconds % 60));
}

static void put_number(uint64_t number, char dst[64])
{
	(void)snprintf(dst, 64, "%llu", (unsigned long long)number);
}

static struct str root_name(struct str id)
{
	return str_is(id, "0") ? STR("root") : id;
}

static void put_cell(struct json_writer *w, const struct process *process, enum column column)
{
	char text[64] = "";

	switch (column) {
	case COLUMN_USER:
		json_put_str(w, root_name(process->uid));
		return;
	case COLUMN_GROUP:
		json_put_str(w, root_name(process->gid));
		return;
	case COLUMN_UID:
		json_put_str(w, process->uid);
		return;
	case COLUMN_COMMAND:
		json_put_text(w, process->command);
		return;
	case COLUMN_NAME:
		json_put_str(w, process->name);
		return;
	case COLUMN_PID:
		put_number(process->pid, text);
		break;
	case COLUMN_PPID:
		put_number(process->parent, text);
		break;
	case COLUMN_NOTHING:
		(void)snprintf(text, sizeof(text), "0");
		break;
	case COLUMN_SHARE:
		(void)snprintf(text, sizeof(text), "0.0");
		break;
	case COLUMN_START:
		put_moment(process, text);
		break;
	case COLUMN_TTY:
		(void)snprintf(text, sizeof(text), "%s", process->tty ? "pts/0" : "?");
		break;
	case COLUMN_TIME:
		put_hours(process->ticks / TOP_TICKS, text);
		break;
	case COLUMN_STATE:
		(void)snprintf(text, sizeof(text), "%c", process->state ? process->state : '?');
		break;
	case COLUMN_VSZ:
		put_number(process->vsize_bytes >> 10, text);
		break;
	case COLUMN_RSS:
		put_number(process->rss_pages * PAGE_KIB, text);
		break;
	case COLUMN_THREADS:
		put_number(process->threads, text);
		break;
	case COLUMN_ELAPSED:
		put_hours((uint64_t)(docker_now_ns() / 1000000000) - started_s(process), text);
		break;
	}
	json_put_text(w, text);
}

static void put_titles(struct json_writer *w, const struct table *table)
{
	json_key(w, "Titles");
	json_begin_array(w);
	for (size_t i = 0; i < table->count; i++)
		json_put_text(w, table->titles[i]);
	json_end_array(w);
}

static bool has_pid(const struct table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		if (columns[table->rows[i]].column == COLUMN_PID)
			return true;
	}
	return false;
}

static void on_processes(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct docker_client *client = owner;
	const struct table *table = client->step;
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	struct wire in;
	uint32_t count;

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	count = wire_count(&in, TOP_PROCESSES_MAX);
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	put_titles(&w, table);
	json_key(&w, "Processes");
	json_begin_array(&w);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		struct process process = { .pid = wire_u32(&in) };
		struct str stat = wire_blob(&in, TOP_FILE_MAX);
		struct str cmdline = wire_blob(&in, TOP_FILE_MAX);
		struct str status = wire_blob(&in, TOP_FILE_MAX);

		if (!stat.len)
			continue; /* it ended meanwhile */
		read_stat(stat, &process);
		read_command(cmdline, status, &process);
		json_begin_array(&w);
		for (size_t k = 0; k < table->count; k++)
			put_cell(&w, &process, columns[table->rows[k]].column);
		json_end_array(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

void docker_top(struct docker_client *client)
{
	struct table *table = arena_alloc(&client->arena, sizeof(*table));
	struct err err = { 0 };
	char args[256] = "";

	if (!docker_query(client, "ps_args", args, sizeof(args)) || !*args)
		(void)str_copy(STR("-ef"), args, sizeof(args));
	if (!table)
		docker_reply_error(client, 500, "no memory for a request");
	else if (read_args(args, table, &err) < 0)
		docker_reply_error(client, 500, err_text(&err));
	else if (!has_pid(table))
		docker_reply_error(client, 500, "Couldn't find PID field in ps output");
	else {
		client->step = table;
		docker_ask_argument(client, ENGINE_MSG_PROCESSES, on_processes);
	}
}
