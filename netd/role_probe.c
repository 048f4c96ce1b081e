/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the probe role: one question of a person's (ping, traceroute, dig), one process. It has no
 * capability; what comes from the network is parsed here and goes on as rows. It must never outlive
 * whoever asked, nor its time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/probe/probe.h"
#include "netd/role.h"

enum { FD_ASKER = 3, FILES_MAX = 16, CONF_MAX = 65536, ASK_WAIT_MS = 10000 };

/* Ours, written by main; the sandbox lets nothing but the C library open it. */
static void read_resolver(struct probe *probe)
{
	struct buf text OWN(buf_done) = { 0 };
	struct str rest, line;

	buf_init(&text, CONF_MAX);
	if (fs_read(-1, ROLE_ROOT "/etc/resolv.conf", FS_HOST, CONF_MAX, &text, NULL) < 0)
		return;
	rest = buf_str(&text);
	while (rest.len && str_cut(&rest, '\n', &line))
		if (str_starts(line, STR("nameserver "))) {
			(void)str_copy(str_trim(str_skip(line, 11)), probe->resolver,
				       sizeof(probe->resolver));
			return;
		}
}

static void enter_sandbox(void)
{
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_INET,
		.uid = ROLE_UID_PROBE,
		.gid = ROLE_UID_PROBE,
		.root = ROLE_ROOT,
		.files_max = FILES_MAX,
	};
	struct err err = { 0 };

	if (sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
}

/* The question; the message keeps its texts. */
static int take_ask(struct probe *probe, struct msg *msg)
{
	struct pollfd asker = { .fd = probe->fd, .events = POLLIN };
	int r;

	if (poll(&asker, 1, ASK_WAIT_MS) <= 0)
		return -ETIMEDOUT;
	r = msg_recv(probe->fd, msg, NULL);
	if (r <= 0)
		return r < 0 ? r : -EPIPE;
	return msg->type == PROBE_MSG_RUN ? probe_ask_get(msg->body, &probe->ask) : -EBADMSG;
}

static int run(struct probe *probe, struct err *err)
{
	switch ((enum probe_kind)probe->ask.kind) {
	case PROBE_PING:
		return probe_ping(probe, err);
	case PROBE_TRACE:
		return probe_trace(probe, err);
	case PROBE_DIG:
		return probe_dig(probe, err);
	}
	return err_set(err, -EBADMSG, "no such question");
}

static void tell_end(struct probe *probe, int result, const struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct pollfd asker = { .fd = probe->fd, .events = POLLOUT };
	struct msg msg = { .type = PROBE_MSG_END };

	buf_init(&body, 4096);
	wire_put_u32(&body, result < 0 ? (uint32_t)-result : 0);
	wire_put_text(&body, result < 0 ? err_text(err) : "");
	msg.body = buf_str(&body);
	(void)poll(&asker, 1, ASK_WAIT_MS);
	(void)msg_send(probe->fd, &msg, NULL);
}

int role_probe(void)
{
	static struct probe probe = { .fd = FD_ASKER };
	struct msg msg OWN(msg_done) = { 0 };
	struct err err = { 0 };
	int r;

	log_init("probe", LOG_PRIO_INFO);
	read_resolver(&probe);
	if (fcntl(probe.fd, F_SETFL, O_NONBLOCK) < 0)
		fatal("fd %d is no socket of netd main", FD_ASKER);
	enter_sandbox();
	probe.end = mono_add_ms(mono_now(), PROBE_TOTAL_MS);
	r = take_ask(&probe, &msg);
	if (r < 0)
		err_set(&err, r, "a malformed question");
	else
		r = run(&probe, &err);
	tell_end(&probe, r, &err);
	return 0;
}
