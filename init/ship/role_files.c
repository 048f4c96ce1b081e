/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns role syslog-files: asks the engine which containers there are and for their log files, and
 * hands these to role syslog, which speaks with the network and may ask the engine nothing. Must
 * never read a byte of what containers wrote.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "init/api/init_msg.h"
#include "init/ship/files_msg.h"
#include "init/ship/place.h"
#include "init/ship/ship.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/msg.h"
#include "lib/own.h"
#include "lib/sandbox.h"

enum {
	PAIR_FD = 3,
	FILES_UID = 937,
	FILES_MAX = SHIP_PLACES_MAX + 64,
	EVERY_MS = 2000,
	ASK_MS = 20000,
	SURE_ROUNDS = 30, /* asks for the files of a silent container all the same */
};

/* One container: its youngest file as it was when its files were asked for last. */
struct box {
	char id[SHIP_FILES_ID_MAX];
	int fd; /* -1 = there is none */
	struct stat seen;
	unsigned round;	 /* that it was listed in */
	unsigned silent; /* rounds without a change */
};

static struct {
	int run_fd, engine_fd;
	struct box boxes[SHIP_PLACES_MAX];
	size_t count;
	unsigned round;
} role;

static void send_on(uint16_t type, struct str body, const struct msg *files)
{
	struct msg msg = { .type = type, .body = body };

	for (size_t i = 0; files != NULL && i < files->nfds; i++)
		msg.fds[msg.nfds++] = files->fds[i];
	if (msg_send(PAIR_FD, &msg, NULL) < 0)
		fatal("role syslog is gone");
}

static int ask(uint16_t type, struct str body, struct msg *ret_reply)
{
	int r;

	if (role.engine_fd < 0)
		role.engine_fd = msg_connect(role.run_fd, "engine.sock", NULL);
	if (role.engine_fd < 0)
		return role.engine_fd;
	r = msg_call_sync(role.engine_fd, type, body, NULL, 0, ASK_MS, ret_reply, NULL);
	if (r == -EPIPE || r == -ECONNRESET || r == -ETIMEDOUT || r == -EBADMSG)
		own_close(&role.engine_fd);
	return r;
}

/* ---- one container ---- */

static struct box *find_box(const char *id)
{
	for (size_t i = 0; i < role.count; i++)
		if (strcmp(role.boxes[i].id, id) == 0)
			return &role.boxes[i];
	if (role.count == SHIP_PLACES_MAX)
		return NULL;
	role.boxes[role.count] = (struct box){ .fd = -1 };
	(void)str_copy(str_from(id), role.boxes[role.count].id, sizeof(role.boxes[0].id));
	return &role.boxes[role.count++];
}

/* Written to, renamed or cut since it was looked at: there may be another file behind it. */
static bool changed(struct box *box)
{
	struct stat now = { 0 };
	bool same;

	if (box->fd < 0 || fstat(box->fd, &now) < 0)
		return true;
	same = now.st_size == box->seen.st_size && now.st_ctim.tv_sec == box->seen.st_ctim.tv_sec &&
	       now.st_ctim.tv_nsec == box->seen.st_ctim.tv_nsec;
	box->seen = now;
	box->silent = same ? box->silent + 1 : 0;
	return !same || box->silent >= SURE_ROUNDS;
}

static void look_at(struct box *box, const char *name)
{
	char memory[SHIP_FILES_ID_MAX + SHIP_FILES_NAME_MAX + 16];
	struct buf body = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };
	struct msg files OWN(msg_done) = { 0 };

	box->round = role.round;
	if (!changed(box))
		return;
	box->silent = 0;
	wire_put_text(&body, box->id);
	if (ask(ENGINE_MSG_LOGS, buf_str(&body), &files) < 0)
		return;
	wire_put_text(&body, name);
	send_on(SHIP_FILES_MSG_LOG, buf_str(&body), &files);
	own_close(&box->fd);
	if (files.nfds > 0)
		box->fd = msg_take_fd(&files, files.nfds - 1);
}

static void forget_gone(void)
{
	for (size_t i = 0; i < role.count;) {
		struct box *box = &role.boxes[i];
		char memory[SHIP_FILES_ID_MAX + 8];
		struct buf body = { .data = memory,
				    .cap = sizeof(memory),
				    .max = sizeof(memory) - 1 };

		if (box->round == role.round) {
			i++;
			continue;
		}
		wire_put_text(&body, box->id);
		send_on(SHIP_FILES_MSG_GONE, buf_str(&body), NULL);
		own_close(&box->fd);
		*box = role.boxes[--role.count];
	}
}

/* ---- all of them ---- */

static void go_round(void)
{
	static struct engine_row row;
	struct msg reply OWN(msg_done) = { 0 };
	struct buf copy OWN(buf_done) = { 0 };
	struct wire in;
	uint32_t count;

	if (ask(ENGINE_MSG_PS, (struct str){ 0 }, &reply) < 0)
		return;
	role.round++;
	/* Of its own: the next reply stands where this one does. */
	buf_init(&copy, MSG_BODY_MAX);
	(void)buf_add_str(&copy, reply.body);
	wire_init(&in, copy.data, copy.len);
	count = wire_count(&in, ENGINE_ROWS_MAX);
	for (uint32_t i = 0; i < count && in.error == 0; i++) {
		struct box *box;

		engine_row_get(&in, &row);
		if (in.error != 0 || row.id[0] == '\0')
			continue;
		box = find_box(row.id);
		if (box != NULL)
			look_at(box, row.name);
	}
	forget_gone();
	send_on(SHIP_FILES_MSG_ROUND, (struct str){ 0 }, NULL);
}

static void confine(void)
{
	const struct sandbox sandbox = { .profile = SANDBOX_PROFILE_TTY,
					 .uid = FILES_UID,
					 .gid = INIT_CONSOLE_GID,
					 .root = "/run/hoy/net",
					 .files_max = FILES_MAX };
	struct err err = { 0 };

	role.run_fd = fs_open(-1, "/run/hoy", FS_HOST, O_RDONLY | O_DIRECTORY, 0, &err);
	if (role.run_fd < 0 || sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
}

int ship_files_main(void)
{
	struct pollfd pair = { .fd = PAIR_FD };

	log_init("syslog", LOG_PRIO_INFO);
	role.engine_fd = -1;
	confine();
	do /* nobody writes to the pair: what comes is its end */
		go_round();
	while (poll(&pair, 1, EVERY_MS) == 0);
	return 0;
}
