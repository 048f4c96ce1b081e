/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer of init for its tests: stands in for netd, engine and the console (the name it was started
 * by tells which) and speaks the messages of init/api/init_msg.h. Tells all it is told on stderr.
 *
 * As a console it reads commands from the terminal: status, auth, set HASH, config FILE, log UNIT,
 * unit NAME ACT, lines, reboot, poweroff, reset, fault.
 * As a daemon: a file /tmp/<name>.act decides: "crash" = exit 3 after READY, "mute" = never READY,
 * "deaf" = ignores STOP, "flood" = writes as fast as it can, "named" and "badly named" =
 * names the machine as a DHCP server would.
 *
 * As syslog it asks for the log's lines and says once how that was answered; it leaves a file for
 * metrics behind.
 *
 * As hoy-client it takes the console's commands from stdin and sends them to /run/hoy/init.sock.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "init/api/config_msg.h"
#include "init/api/init_msg.h"
#include "lib/log.h"
#include "lib/msg.h"
#include "lib/own.h"

enum { MAIN_FD = 3, FLOOD_LINES = 20000 };

static const char *name;
static int main_fd = MAIN_FD;
static bool lines_came;

static void send_text(uint16_t type, const char *text)
{
	struct msg msg = { .type = type };
	struct buf body;

	buf_init(&body, 1024);
	wire_put_text(&body, text);
	msg.body = buf_str(&body);
	if (msg_send(main_fd, &msg, NULL) < 0)
		fatal("init does not listen");
	buf_done(&body);
}

static bool act_is(const char *act)
{
	char path[64], text[32] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/tmp/%s.act", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 && strncmp(text, act, strlen(act)) == 0;
}

static void report(const struct msg *msg)
{
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	switch (msg->type) {
	case INIT_MSG_DATA: {
		unsigned ready = wire_u8(&in);
		struct str text = wire_str(&in, 400);

		log_info("told DATA %u %.*s", ready, STR_ARG(text));
		break;
	}
	case INIT_MSG_CLOCK:
		log_info("told CLOCK %u", wire_u8(&in));
		break;
	case INIT_MSG_RELOAD:
		log_info("told RELOAD");
		break;
	case INIT_MSG_LOG_FROM: /* of its own lines, too: not a word about each */
		if (!lines_came)
			log_info("LOG_FROM %s",
				 msg->flags & MSG_FLAG_ERROR ? "refused" : "answered");
		lines_came = true;
		break;
	case INIT_MSG_STOP:
		log_info("told STOP %lld", (long long)wire_i64(&in));
		if (!act_is("deaf"))
			_exit(0);
		break;
	default:
		log_info("told message %u", msg->type);
		break;
	}
}

static void begin_syslog(void)
{
	static const char from[8] = { 1 };
	struct msg msg = { .type = INIT_MSG_LOG_FROM,
			   .flags = MSG_FLAG_CALL,
			   .serial = 1,
			   .body = str_make(from, sizeof(from)) };
	int fd = open("/run/hoy/syslog", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, "connected 1\n", 12) != 12)
		fatal("no file for metrics");
	close(fd);
	if (msg_send(main_fd, &msg, NULL) < 0)
		fatal("init does not listen");
}

static int daemon_main(void)
{
	struct stat st;
	struct msg msg;

	log_info("started fd4=%d fd5=%d fd6=%d %s", fstat(4, &st) == 0, fstat(5, &st) == 0,
		 fstat(6, &st) == 0, getenv("TZ") != NULL ? getenv("TZ") : "no TZ");
	if (!act_is("mute"))
		send_text(INIT_MSG_READY, "fake is up");
	if (act_is("named"))
		send_text(INIT_MSG_HOSTNAME, "boat");
	if (act_is("badly named"))
		send_text(INIT_MSG_HOSTNAME, "a/b");
	if (act_is("crash"))
		_exit(3);
	if (strcmp(name, "syslog") == 0)
		begin_syslog();
	for (int i = 0; act_is("flood") && i < FLOOD_LINES; i++)
		log_info("flood %d", i);
	for (;;) {
		struct pollfd poll_fd = { .fd = MAIN_FD, .events = POLLIN };

		if (poll(&poll_fd, 1, 10000) == 0) {
			msg = (struct msg){ .type = INIT_MSG_ALIVE };
			(void)msg_send(main_fd, &msg, NULL);
			continue;
		}
		if (msg_recv(MAIN_FD, &msg, NULL) <= 0)
			return 0;
		report(&msg);
		msg_done(&msg);
	}
}

/* ---- console ---- */

static void call(uint16_t type, struct buf *body, void (*show)(struct wire *in))
{
	struct msg reply = { 0 };
	struct err err = { 0 };
	struct wire in;

	if (msg_call_sync(main_fd, type, buf_str(body), NULL, 0, 20000, &reply, &err) < 0) {
		printf("error: %s\n", err_text(&err));
	} else {
		wire_init(&in, reply.body.ptr, reply.body.len);
		show(&in);
		if (wire_end(&in) < 0)
			printf("error: malformed reply\n");
	}
	fflush(stdout);
	msg_done(&reply);
	buf_done(body);
}

static void show_nothing(struct wire *in)
{
	(void)in;
	printf("ok\n");
}

static void show_status(struct wire *in)
{
	static struct init_status s;

	if (init_status_get(in, &s) < 0) {
		printf("error: malformed status\n");
		return;
	}
	printf("status host=%s data=%s device=%s text=%s claimed=%d clock=%s reason=%s free=%llu "
	       "mem=%llu/%llu issues=%u\n",
	       s.hostname, init_data_state_name(s.data), s.data_device, s.data_text, s.claimed,
	       init_clock_name(s.clock), s.boot_reason, (unsigned long long)s.data_free_bytes,
	       (unsigned long long)s.mem_available_kib, (unsigned long long)s.mem_kib,
	       s.config_issues);
	for (size_t i = 0; i < s.unit_count; i++)
		printf("unit %s %s pid=%u restarts=%u exits=%u last=%s text=%s\n", s.units[i].name,
		       init_unit_state_name(s.units[i].state), s.units[i].pid, s.units[i].restarts,
		       s.units[i].exit_count,
		       s.units[i].exit_count > 0 ? s.units[i].exits[0].reason : "-",
		       s.units[i].text);
}

static void show_auth(struct wire *in)
{
	unsigned claimed = wire_u8(in);
	struct str hash = wire_str(in, INIT_HASH_MAX);

	printf("auth claimed=%u hash=%.*s login=%u\n", claimed, STR_ARG(hash), wire_u8(in));
	(void)wire_u32(in);
}

static void show_durable(struct wire *in)
{
	printf("durable=%u\n", wire_u8(in));
}

static void show_config(struct wire *in)
{
	struct str text = wire_str(in, 60000);
	uint32_t count;

	printf("config <<%.*s>>\n", STR_ARG(text));
	count = wire_count(in, 1000);
	while (count-- > 0) {
		struct str issue = wire_str(in, 2000);

		printf("issue %.*s\n", STR_ARG(issue));
	}
}

static void show_log(struct wire *in)
{
	uint32_t count = wire_count(in, 10000);

	printf("log %u lines\n", count);
	while (count-- > 0) {
		long long ms = wire_i64(in);
		unsigned prio = wire_u8(in);
		struct str unit = wire_str(in, 32), line = wire_str(in, 2000);

		printf("log %lld <%u> %.*s | %.*s\n", ms, prio, STR_ARG(unit), STR_ARG(line));
	}
}

static void run_power(uint8_t act, const char *confirm)
{
	struct buf body;

	buf_init(&body, 256);
	wire_put_u8(&body, act);
	wire_put_text(&body, confirm);
	call(INIT_MSG_POWER, &body, show_nothing);
}

static void show_text(struct wire *in)
{
	struct str text = wire_str(in, 60000);

	printf("text <<%.*s>>\n", STR_ARG(text));
}

/* An act on the configuration; a value goes to the machine's name. */
static void run_conf(enum init_config_act act, unsigned number, const char *value)
{
	struct buf body;

	buf_init(&body, 4096);
	wire_put_u8(&body, (uint8_t)act);
	wire_put_u32(&body, number);
	wire_put_text(&body, value ? "hoy" : "");
	wire_put_text(&body, value ? "hostname" : "");
	wire_put_u32(&body, value ? 1 : 0);
	if (value)
		wire_put_text(&body, value);
	call(INIT_MSG_CONFIG_ACT, &body, show_text);
}

static void run_more(const char *word, const char *arg, unsigned number)
{
	struct buf body;

	buf_init(&body, 4096);
	if (strcmp(word, "set") == 0) {
		wire_put_text(&body, arg);
		call(INIT_MSG_AUTH_SET, &body, show_durable);
	} else if (strcmp(word, "name") == 0) {
		run_conf(INIT_CONFIG_SET, 0, arg);
	} else if (strcmp(word, "apply") == 0) {
		run_conf(INIT_CONFIG_APPLY, number, NULL);
	} else if (strcmp(word, "confirm") == 0) {
		run_conf(INIT_CONFIG_CONFIRM, 0, NULL);
	} else if (strcmp(word, "rollback") == 0) {
		run_conf(INIT_CONFIG_ROLLBACK, number, NULL);
	} else if (strcmp(word, "secrets") == 0) {
		run_conf(INIT_CONFIG_SECRETS, 0, NULL);
	} else if (strcmp(word, "config") == 0) {
		wire_put_text(&body, arg);
		call(INIT_MSG_CONFIG_GET, &body, show_config);
	} else if (strcmp(word, "log") == 0) {
		wire_put_text(&body, strcmp(arg, "all") == 0 ? "" : arg);
		wire_put_u32(&body, number);
		wire_put_u8(&body, 0);
		call(INIT_MSG_LOG, &body, show_log);
	} else if (strcmp(word, "unit") == 0) {
		wire_put_text(&body, arg);
		wire_put_u8(&body, (uint8_t)number);
		call(INIT_MSG_UNIT, &body, show_nothing);
	} else {
		printf("unknown command\n");
	}
	fflush(stdout);
}

static void run(char *line)
{
	char word[32] = "", arg[128] = "";
	unsigned number = 0;
	struct buf body;

	buf_init(&body, 64);
	if (sscanf(line, "%31s %127s %u", word, arg, &number) < 1)
		return;
	if (strcmp(word, "status") == 0)
		call(INIT_MSG_STATUS_GET, &body, show_status);
	else if (strcmp(word, "auth") == 0)
		call(INIT_MSG_AUTH_GET, &body, show_auth);
	else if (strcmp(word, "reboot") == 0)
		run_power(INIT_POWER_ACT_REBOOT, "");
	else if (strcmp(word, "poweroff") == 0)
		run_power(INIT_POWER_ACT_POWEROFF, "");
	else if (strcmp(word, "reset") == 0)
		run_power(INIT_POWER_ACT_FACTORY_RESET, "erase all data");
	else if (strcmp(word, "wrongreset") == 0)
		run_power(INIT_POWER_ACT_FACTORY_RESET, "erase");
	else if (strcmp(word, "fault") == 0)
		kill(1, SIGSEGV);
	else
		run_more(word, arg, number);
}

static int console_main(void)
{
	char line[256];

	printf("fake console> ");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		run(line);
		printf("fake console> ");
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *base = argv[0] != NULL && strrchr(argv[0], '/') != NULL
				   ? strrchr(argv[0], '/') + 1
				   : argv[0];

	name = base != NULL && strncmp(base, "hoy-", 4) == 0 ? base + 4 : "none";
	(void)argc;
	log_init(name, LOG_PRIO_DEBUG);
	if (strcmp(name, "client") == 0) {
		int dir_fd = open("/run/hoy", O_PATH | O_DIRECTORY | O_CLOEXEC);

		main_fd = msg_connect(dir_fd, "init.sock", NULL);
		if (main_fd < 0)
			fatal("no way to init: %s", err_name(main_fd));
		return console_main();
	}
	if (strcmp(name, "console") != 0)
		return daemon_main();
	send_text(INIT_MSG_READY, "prompt");
	return console_main();
}
