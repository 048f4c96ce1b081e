/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes of running containers: exec through the shim, TCP by a connect in the container's network,
 * HTTP by the api role over such a connection. Runs in engine main. Must never look at what a probe
 * wrote: it keeps the bytes, and others escape them.
 */
#include "engine/health/monitor.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "engine/api/health_msg.h"
#include "engine/container/exec.h"
#include "engine/health/test.h"
#include "lib/log.h"
#include "lib/own.h"

enum { MONITOR_ARENA_MAX = 8 << 20, MONITOR_AGAIN_MS = 1000, MONITOR_STREAMS = 2 };

struct stream {
	int fd;
	struct loop_io io;
};

struct health_monitor {
	struct container *container;
	struct health health;
	struct loop_timer next, deadline, burial;
	bool probing; /* a result is still to come */
	bool asked;   /* the shim has not answered to EXEC yet */
	uint32_t exec_id;
	struct stream streams[MONITOR_STREAMS];
	int socket_fd;
	struct loop_io connect_io;
	struct health_test test; /* of the probe under way */
	struct arena arena;	 /* the test's words */
	struct mono started;
	int64_t start_ns;
	char output[HEALTH_OUTPUT_MAX + 1];
	size_t output_len;
};

static void probe_due(struct loop_timer *timer);

static struct loop *loop_of(struct health_monitor *monitor)
{
	return monitor->container->env->loop;
}

static int64_t wall_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return 0;
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const struct health *health_of(const struct container *container)
{
	return container && container->health ? &container->health->health : NULL;
}

const char *health_word(const struct container *container)
{
	const struct health *health = health_of(container);

	return health_state_name(health ? health->state : HEALTH_STATE_NONE);
}

/* ---- the end of a probe ---- */

static void close_probe(struct health_monitor *monitor)
{
	struct loop *loop = loop_of(monitor);
	struct msg_peer *api = monitor->container->env->api;

	for (size_t i = 0; i < MONITOR_STREAMS; i++) {
		loop_remove(loop, &monitor->streams[i].io);
		own_close(&monitor->streams[i].fd);
	}
	loop_remove(loop, &monitor->connect_io);
	own_close(&monitor->socket_fd);
	loop_timer_stop(loop, &monitor->deadline);
	if (api)
		msg_peer_forget(api, monitor);
	monitor->probing = false;
	monitor->exec_id = 0;
}

static void arm(struct health_monitor *monitor, int64_t ms)
{
	loop_timer_set(loop_of(monitor), &monitor->next, ms, probe_due, monitor);
}

static void follow(struct health_monitor *monitor, unsigned actions, enum health_state before)
{
	struct container *container = monitor->container;
	const struct health *health = &monitor->health;
	char shown[200];

	if (actions & HEALTH_ACTION_ARM)
		arm(monitor, health_pause_ms(health, mono_now()));
	if (actions & HEALTH_ACTION_DISARM)
		loop_timer_stop(loop_of(monitor), &monitor->next);
	if (!(actions & HEALTH_ACTION_TELL))
		return;
	(void)str_escape(str_head(str_from(monitor->output), 150), shown, sizeof(shown));
	if (health->state == HEALTH_STATE_UNHEALTHY)
		log_warn("container %s: unhealthy, %u probes in a row failed: %s",
			 container->def.name, health->streak, shown);
	else
		log_notice("container %s: healthy (was %s)", container->def.name,
			   health_state_name(before));
	if (container->ops->health)
		container->ops->health(container->owner, container);
}

static void finish(struct health_monitor *monitor, int32_t code)
{
	struct health_result result = { .start_ns = monitor->start_ns,
					.end_ns = wall_ns(),
					.code = code };
	enum health_state before = monitor->health.state;

	monitor->output[monitor->output_len] = 0;
	result.output = strdup(monitor->output);
	close_probe(monitor);
	follow(monitor, health_take(&monitor->health, &result, monitor->started), before);
}

static void finish_text(struct health_monitor *monitor, int32_t code, const char *text)
{
	struct str cut = str_head(str_from(text), HEALTH_OUTPUT_MAX);

	memcpy(monitor->output, cut.ptr, cut.len);
	monitor->output_len = cut.len;
	finish(monitor, code);
}

/* It could not be tried for a reason that lies with us: that says nothing about the container. */
static void postpone(struct health_monitor *monitor)
{
	close_probe(monitor);
	arm(monitor, MONITOR_AGAIN_MS);
}

static void kill_exec(struct health_monitor *monitor, uint32_t exec_id)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 16);
	wire_put_u32(&body, exec_id);
	wire_put_u32(&body, SIGKILL);
	if (msg_peer_alive(&monitor->container->shim))
		(void)msg_peer_call(&monitor->container->shim, SHIM_MSG_SIGNAL, buf_str(&body),
				    NULL, 0, NULL, NULL, NULL);
}

/* As Go prints a duration: "50ms", "1.5s", "1m0s". */
static void put_duration(struct buf *out, int64_t ms)
{
	if (ms < 1000) {
		(void)buf_printf(out, "%lldms", (long long)ms);
		return;
	}
	if (ms >= 3600 * 1000)
		(void)buf_printf(out, "%lldh", (long long)(ms / 3600000));
	if (ms >= 60 * 1000)
		(void)buf_printf(out, "%lldm", (long long)(ms / 60000 % 60));
	(void)buf_printf(out, "%lld", (long long)(ms / 1000 % 60));
	if (ms % 1000) {
		char digits[8];
		size_t len =
			(size_t)snprintf(digits, sizeof(digits), "%03lld", (long long)(ms % 1000));

		while (len && digits[len - 1] == '0')
			digits[--len] = 0;
		(void)buf_printf(out, ".%s", digits);
	}
	(void)buf_add_byte(out, 's');
}

static void probe_late(struct loop_timer *timer)
{
	struct health_monitor *monitor = timer->owner;
	struct buf text OWN(buf_done) = { 0 };

	if (monitor->exec_id)
		kill_exec(monitor, monitor->exec_id);
	monitor->output[monitor->output_len] = 0;
	buf_init(&text, HEALTH_OUTPUT_MAX * 2);
	(void)buf_add_text(&text, "Health check exceeded timeout (");
	put_duration(&text, monitor->health.times.timeout_ms);
	(void)buf_printf(&text, ")%s%s", monitor->output_len ? ": " : "", monitor->output);
	finish_text(monitor, -1, buf_text(&text));
}

/* ---- exec ---- */

static void read_stream(struct health_monitor *monitor, struct stream *stream)
{
	char bytes[4096];
	ssize_t n = read(stream->fd, bytes, sizeof(bytes));
	size_t room = HEALTH_OUTPUT_MAX - monitor->output_len;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		loop_remove(loop_of(monitor), &stream->io);
		own_close(&stream->fd);
		return;
	}
	/* What is over the bound is read all the same: the process must not block on it. */
	room = (size_t)n < room ? (size_t)n : room;
	for (size_t i = 0; i < room; i++)
		monitor->output[monitor->output_len++] = bytes[i] ? bytes[i] : '?';
}

static void stream_ready(struct loop_io *io, uint32_t events)
{
	struct health_monitor *monitor = io->owner;

	(void)events;
	read_stream(monitor, CONTAINER_OF(io, struct stream, io));
}

static void on_exec(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct health_monitor *monitor = owner;
	struct err why = { 0 };
	struct wire in;
	uint32_t id;

	(void)peer;
	monitor->asked = false;
	if (!reply) {
		if (!monitor->probing)
			return;
		if (err->code == -EPIPE || err->code == -EBUSY)
			postpone(monitor); /* the shim is being found again, or has its hands full
					    */
		else
			finish_text(monitor, -1, err_text(err));
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	id = wire_u32(&in);
	if (!monitor->probing) { /* its time was over before it began */
		kill_exec(monitor, id);
		return;
	}
	monitor->exec_id = id;
	for (size_t i = 0; i < MONITOR_STREAMS; i++) {
		struct stream *stream = &monitor->streams[i];

		stream->fd = msg_take_fd(reply, i + 1);
		if (stream->fd < 0)
			continue;
		(void)fcntl(stream->fd, F_SETFL, O_NONBLOCK);
		if (loop_add(loop_of(monitor), &stream->io, stream->fd, EPOLLIN, stream_ready,
			     monitor, &why) < 0)
			own_close(&stream->fd);
	}
}

static int probe_exec(struct health_monitor *monitor, struct err *err)
{
	struct container *container = monitor->container;
	const struct container_exec exec = { .argv = monitor->test.argv.items,
					     .workdir = "",
					     .no_stdin = true };
	int plan OWN_FD = -1;
	int64_t r;

	if (!container->user_known)
		return err_set(err, -EAGAIN, "the user is not known yet");
	if (monitor->asked)
		return err_set(err, -EAGAIN, "the shim has not answered to the last probe");
	plan = container_exec_plan(container, &exec, &monitor->arena, err);
	if (plan < 0)
		return plan;
	r = container_call(container, SHIM_MSG_EXEC, STR(""), &plan, 1, on_exec, monitor, err);
	if (r < 0) /* a shim of another version will never take it */
		return r == -EPROTO ? (int)r : -EAGAIN;
	monitor->asked = true;
	return 0;
}

bool health_monitor_exec_ended(struct container *container, uint32_t exec_id, int32_t code)
{
	struct health_monitor *monitor = container->health;

	if (!monitor || !monitor->exec_id || monitor->exec_id != exec_id)
		return false;
	for (size_t i = 0; i < MONITOR_STREAMS; i++) {
		/* What it wrote before it ended: bounded, a child of it may go on writing. */
		for (int n = 0; n < 16 && monitor->streams[i].fd >= 0; n++)
			read_stream(monitor, &monitor->streams[i]);
	}
	finish(monitor, code);
	return true;
}

/* ---- TCP and HTTP ---- */

static void on_http(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct health_monitor *monitor = owner;
	char text[HEALTH_TEXT_MAX];
	struct wire in;
	int32_t code;

	(void)peer;
	(void)err;
	if (!monitor->probing)
		return;
	if (!reply) { /* the api role went away or is overrun */
		postpone(monitor);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	code = (int32_t)wire_u32(&in);
	wire_text(&in, text, sizeof(text));
	if (wire_end(&in) < 0)
		postpone(monitor);
	else
		finish_text(monitor, code, text);
}

static void ask_http(struct health_monitor *monitor)
{
	struct msg_peer *api = monitor->container->env->api;
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, HEALTH_HOST_MAX + HEALTH_PATH_MAX + 64);
	wire_put_str(&body, monitor->test.host);
	wire_put_str(&body, monitor->test.path);
	wire_put_u32(&body, (uint32_t)(monitor->health.times.timeout_ms + MONITOR_AGAIN_MS));
	if (buf_error(&body))
		finish_text(monitor, -1, "the URL is too long");
	else if (!api || !msg_peer_alive(api) ||
		 msg_peer_call(api, HEALTH_MSG_HTTP, buf_str(&body), &monitor->socket_fd, 1,
			       on_http, monitor, NULL) < 0)
		postpone(monitor);
	else
		own_close(&monitor->socket_fd);
}

static void connected(struct loop_io *io, uint32_t events)
{
	struct health_monitor *monitor = io->owner;
	struct buf text OWN(buf_done) = { 0 };
	socklen_t len = sizeof(int);
	int code = 0;

	(void)events;
	loop_remove(loop_of(monitor), &monitor->connect_io);
	if (getsockopt(monitor->socket_fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
		code = errno;
	if (code) {
		buf_init(&text, 128);
		(void)buf_printf(&text, "connect to port %u: %s", monitor->test.port,
				 err_name(-code));
		finish_text(monitor, 1, buf_text(&text));
	} else if (monitor->test.kind == HEALTH_KIND_TCP) {
		finish_text(monitor, 0, "connected");
	} else {
		ask_http(monitor);
	}
}

static int probe_connect(struct health_monitor *monitor, struct err *err)
{
	const struct container *container = monitor->container;
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(monitor->test.port),
				   .sin_addr.s_addr = monitor->test.ip4 };
	bool host = container->def.network_mode == DEF_NETWORK_HOST;

	if (!host && container->ns.netns_fd < 0)
		return err_set(err, -EAGAIN, "its network is not known");
	monitor->socket_fd = network_namespace_socket(host ? -1 : container->ns.netns_fd, err);
	if (monitor->socket_fd == -ENOTRECOVERABLE)
		fatal("%s", err_text(err));
	if (monitor->socket_fd < 0)
		return monitor->socket_fd;
	if (connect(monitor->socket_fd, (const struct sockaddr *)&sin, sizeof(sin)) < 0 &&
	    errno != EINPROGRESS)
		return err_sys(err, -errno, "connect");
	return loop_add(loop_of(monitor), &monitor->connect_io, monitor->socket_fd, EPOLLOUT,
			connected, monitor, err);
}

/* ---- the life of a monitor ---- */

static void probe_due(struct loop_timer *timer)
{
	struct health_monitor *monitor = timer->owner;
	struct err err = { 0 };
	int r;

	monitor->started = mono_now();
	monitor->start_ns = wall_ns();
	monitor->output_len = 0;
	monitor->probing = true;
	arena_done(&monitor->arena);
	arena_init(&monitor->arena, MONITOR_ARENA_MAX);
	r = health_test_make(&monitor->arena, &monitor->container->def.health.test, &monitor->test,
			     &err);
	if (r >= 0)
		r = monitor->test.kind == HEALTH_KIND_EXEC ? probe_exec(monitor, &err)
							   : probe_connect(monitor, &err);
	if (r == -EAGAIN)
		postpone(monitor);
	else if (r < 0)
		finish_text(monitor, -1, err_text(&err));
	else
		loop_timer_set(loop_of(monitor), &monitor->deadline,
			       monitor->health.times.timeout_ms, probe_late, monitor);
}

void health_monitor_start(struct container *container)
{
	const struct image_health *config = &container->def.health;
	struct health_times times = health_times(config);
	struct health_monitor *monitor;

	if (container->health || !config->test.count || !strcmp(config->test.items[0], "NONE"))
		return;
	monitor = calloc(1, sizeof(*monitor));
	if (!monitor) {
		log_err("container %s: no memory for its health checks", container->def.name);
		return;
	}
	monitor->container = container;
	monitor->socket_fd = -1;
	for (size_t i = 0; i < MONITOR_STREAMS; i++)
		monitor->streams[i].fd = -1;
	container->health = monitor;
	follow(monitor, health_begin(&monitor->health, &times, mono_now()), HEALTH_STATE_NONE);
}

static void monitor_bury(struct loop_timer *timer)
{
	struct health_monitor *monitor = timer->owner;

	arena_done(&monitor->arena);
	health_done(&monitor->health);
	free(monitor);
}

void health_monitor_stop(struct container *container)
{
	struct health_monitor *monitor = container->health;
	struct loop *loop = container->env->loop;

	if (!monitor)
		return;
	container->health = NULL;
	if (monitor->exec_id)
		kill_exec(monitor, monitor->exec_id);
	(void)health_stop(&monitor->health);
	close_probe(monitor);
	if (msg_peer_alive(&container->shim))
		msg_peer_forget(&container->shim, monitor);
	loop_timer_stop(loop, &monitor->next);
	/* We may be inside a callback of it. */
	loop_timer_set(loop, &monitor->burial, 0, monitor_bury, monitor);
}
