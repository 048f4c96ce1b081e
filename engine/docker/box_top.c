/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /containers/NAME/top: what `ps -ef` (or `ps aux` as far as it goes) says of a container's
 * processes. Engine main hands over the kernel's files unread; they are read here, for a process
 * says itself what its name is. Runs in the api role.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/docker/handlers.h"
#include "lib/own.h"

enum { TOP_PROCESSES_MAX = 4096, TOP_FILE_MAX = 64 << 10, TOP_TICKS = 100, STAT_FIELDS = 22 };

struct process {
	uint32_t pid;
	uint64_t parent, ticks, tty;
	struct str uid;
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
		if (str_to_u64(field, 0, INT64_MAX, &number) < 0)
			continue;
		if (n == 4)
			process->parent = number;
		else if (n == 7)
			process->tty = number;
		else if (n == 14 || n == 15)
			process->ticks += number;
	}
}

/* The words of the command line; a kernel thread or a zombie has its name from status. */
static void read_command(struct str cmdline, struct str status, struct process *process)
{
	struct str line, name = STR("?");
	size_t len =
		cmdline.len < sizeof(process->command) ? cmdline.len : sizeof(process->command) - 1;

	process->uid = STR("?");
	while (str_cut(&status, '\n', &line)) {
		if (str_starts(line, STR("Name:\t")))
			name = str_skip(line, 6);
		if (str_starts(line, STR("Uid:\t"))) {
			line = str_skip(line, 5);
			(void)str_cut(&line, '\t', &process->uid);
		}
	}
	if (!len) {
		(void)snprintf(process->command, sizeof(process->command), "[%.*s]",
			       STR_ARG(str_head(name, 64)));
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

static void put_process(struct json_writer *w, const struct process *process, bool full)
{
	uint64_t seconds = process->ticks / TOP_TICKS;
	char text[64];

	json_begin_array(w);
	if (full)
		json_put_str(w, str_is(process->uid, "0") ? STR("root") : process->uid);
	(void)snprintf(text, sizeof(text), "%u", process->pid);
	json_put_text(w, text);
	if (full) {
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)process->parent);
		json_put_text(w, text);
		json_put_text(w, "0");
		json_put_text(w, "?");
	}
	json_put_text(w, process->tty ? "pts/0" : "?");
	(void)snprintf(text, sizeof(text), "%02llu:%02llu:%02llu",
		       (unsigned long long)(seconds / 3600),
		       (unsigned long long)(seconds / 60 % 60), (unsigned long long)(seconds % 60));
	json_put_text(w, text);
	json_put_text(w, process->command);
	json_end_array(w);
}

static void on_processes(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	static const char *const full_titles[] = { "UID",   "PID", "PPID", "C",
						   "STIME", "TTY", "TIME", "CMD" };
	static const char *const short_titles[] = { "PID", "TTY", "TIME", "CMD" };
	struct docker_client *client = owner;
	struct buf body OWN(buf_done) = { 0 };
	char args[64] = "-ef";
	struct json_writer w;
	struct wire in;
	uint32_t count;
	bool full;

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	(void)docker_query(client, "ps_args", args, sizeof(args));
	full = strchr(args, 'f') || strchr(args, 'u');
	wire_init(&in, reply->body.ptr, reply->body.len);
	count = wire_count(&in, TOP_PROCESSES_MAX);
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_key(&w, "Titles");
	json_begin_array(&w);
	for (size_t i = 0; i < (full ? ARRAY_LEN(full_titles) : ARRAY_LEN(short_titles)); i++)
		json_put_text(&w, full ? full_titles[i] : short_titles[i]);
	json_end_array(&w);
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
		put_process(&w, &process, full);
	}
	json_end_array(&w);
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

void docker_top(struct docker_client *client)
{
	docker_ask_argument(client, ENGINE_MSG_PROCESSES, on_processes);
}
