/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the second way of a container's lines: to a syslog server, in the forms of Docker's driver
 * (RFC 3164, RFC 5424, and the short one of a local socket). Runs in the shim, beside the log
 * files, which keep everything. Must never wait for a server: what it does not take is left out and
 * counted.
 */
#include "engine/run/shim.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "engine/api/shim_msg.h"
#include "lib/log.h"
#include "lib/own.h"

enum {
	CONNECT_MS = 3000, /* at the start, before anything of the container runs */
	RETRY_MS = 1000,   /* between attempts later on */
	DRAIN_MS = 100,	   /* while a stream does not take more */
	SEVERITY_ERROR = 3,
	SEVERITY_INFO = 6,
	STAMP_MAX = 48,
};

/* "Nov 22 11:04:05" or RFC 3339, in UTC. */
static void put_stamp(const struct shim_syslog *syslog, char dst[STAMP_MAX])
{
	struct timespec now;
	struct tm tm;
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	dst[0] = '\0';
	if (!gmtime_r(&now.tv_sec, &tm))
		return;
	if (syslog->format == SHIM_LOG_PLAIN || syslog->format == SHIM_LOG_RFC3164) {
		(void)strftime(dst, STAMP_MAX, "%b %e %H:%M:%S", &tm);
		return;
	}
	n = strftime(dst, STAMP_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	if (syslog->format == SHIM_LOG_RFC5424_MICRO)
		(void)snprintf(dst + n, STAMP_MAX - n, ".%06ldZ", now.tv_nsec / 1000);
	else
		(void)snprintf(dst + n, STAMP_MAX - n, "Z");
}

static size_t put_head(const struct shim_syslog *syslog, int stream, char *dst, size_t cap)
{
	unsigned priority = syslog->facility * 8 + (stream ? SEVERITY_ERROR : SEVERITY_INFO);
	char stamp[STAMP_MAX];
	int n = 0, pid = (int)getpid();

	put_stamp(syslog, stamp);
	switch (syslog->format) {
	case SHIM_LOG_PLAIN:
		n = snprintf(dst, cap, "<%u>%s %s[%d]: ", priority, stamp, syslog->tag, pid);
		break;
	case SHIM_LOG_RFC3164:
		n = snprintf(dst, cap, "<%u>%s %s %s[%d]: ", priority, stamp, syslog->host,
			     syslog->tag, pid);
		break;
	case SHIM_LOG_RFC5424:
	case SHIM_LOG_RFC5424_MICRO:
		n = snprintf(dst, cap, "<%u>1 %s %s %s %d %s - ", priority, stamp, syslog->host,
			     syslog->tag, pid, syslog->tag);
		break;
	}
	return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

/* ---- the connection ---- */

static int open_socket(struct shim_syslog *syslog)
{
	int type = (syslog->stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
	struct sockaddr_storage address = { 0 };

	memcpy(&address, syslog->address, syslog->address_len);
	syslog->fd = socket(address.ss_family, type, 0);
	if (syslog->fd < 0)
		return -errno;
	if (connect(syslog->fd, (const struct sockaddr *)&address, (socklen_t)syslog->address_len) <
		    0 &&
	    errno != EINPROGRESS && errno != EAGAIN) {
		int r = -errno;

		own_close(&syslog->fd);
		return r;
	}
	return 0;
}

static int wait_connected(struct shim_syslog *syslog)
{
	struct pollfd look = { .fd = syslog->fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int error = 0;

	if (!syslog->stream)
		return 0;
	if (poll(&look, 1, CONNECT_MS) <= 0)
		return -ETIMEDOUT;
	if (getsockopt(syslog->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return -error;
}

/* A server that has gone away is asked again, at most once a second. */
static bool connected(struct shim_syslog *syslog)
{
	if (syslog->fd >= 0)
		return true;
	if (mono_before(mono_now(), syslog->retry))
		return false;
	syslog->retry = mono_add_ms(mono_now(), RETRY_MS);
	syslog->waiting = 0; /* half of a line may have gone with the old connection */
	return open_socket(syslog) == 0;
}

static void on_drain(struct loop_timer *timer)
{
	shim_syslog_flush(timer->owner);
}

void shim_syslog_flush(struct shim_syslog *syslog)
{
	while (syslog->waiting > 0 && syslog->fd >= 0) {
		ssize_t n = send(syslog->fd, syslog->room->syslog, syslog->waiting,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
			loop_timer_set(syslog->loop, &syslog->drain, DRAIN_MS, on_drain, syslog);
			return;
		}
		if (n < 0) {
			own_close(&syslog->fd);
			syslog->retry = mono_add_ms(mono_now(), RETRY_MS);
			return;
		}
		syslog->waiting -= (size_t)n;
		memmove(syslog->room->syslog, syslog->room->syslog + n, syslog->waiting);
	}
}

/* ---- for the log ---- */

void shim_syslog_add(struct shim_syslog *syslog, int stream, const char *data, size_t len)
{
	char *out = syslog->room->syslog;
	size_t head, size = sizeof(syslog->room->syslog);

	while (len > 0 && data[len - 1] == '\n')
		len--;
	if (!len || !connected(syslog)) {
		syslog->dropped += len > 0;
		return;
	}
	if (!syslog->stream)
		syslog->waiting = 0; /* each line is a message of its own */
	if (syslog->waiting + len + SHIM_SYSLOG_HEAD > size) {
		shim_syslog_flush(syslog);
		if (syslog->waiting + len + SHIM_SYSLOG_HEAD > size) {
			syslog->dropped++;
			return;
		}
	}
	out += syslog->waiting;
	head = put_head(syslog, stream, out, SHIM_SYSLOG_HEAD - 1);
	memcpy(out + head, data, len);
	out[head + len] = '\n';
	if (syslog->stream) {
		syslog->waiting += head + len + 1;
		shim_syslog_flush(syslog);
		return;
	}
	if (send(syslog->fd, out, head + len + 1, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	syslog->dropped++;
	/* Nobody listens on that port yet: the next line may be taken. A local socket is made anew.
	 */
	if (errno != EAGAIN && errno != ECONNREFUSED && errno != EMSGSIZE) {
		own_close(&syslog->fd);
		syslog->retry = mono_add_ms(mono_now(), RETRY_MS);
	}
}

static int read_route(struct wire *in, struct shim_syslog *syslog, struct err *err)
{
	struct str address, host, tag;
	uint8_t format = wire_u8(in);

	syslog->stream = wire_bool(in);
	syslog->facility = wire_u32(in);
	address = wire_blob(in, sizeof(syslog->address));
	host = wire_str(in, sizeof(syslog->host) - 1);
	tag = wire_str(in, sizeof(syslog->tag) - 1);
	if (in->error || format > SHIM_LOG_RFC5424_MICRO || address.len < sizeof(sa_family_t) ||
	    syslog->facility > 23 || str_copy(host, syslog->host, sizeof(syslog->host)) < 0 ||
	    str_copy(tag, syslog->tag, sizeof(syslog->tag)) < 0)
		return err_set(err, -EINVAL, "start: malformed route of the log");
	syslog->format = (enum shim_log_format)format;
	memcpy(syslog->address, address.ptr, address.len);
	syslog->address_len = address.len;
	return 0;
}

int shim_syslog_open(struct shim_syslog *syslog, struct loop *loop, struct shim_room *room,
		     struct wire *in, struct err *err)
{
	int r;

	if (in->error || in->left == 0) /* the page of all this stays untouched */
		return 0;
	syslog->loop = loop;
	syslog->room = room;
	syslog->fd = -1;
	r = read_route(in, syslog, err);
	if (r < 0)
		return r;
	r = open_socket(syslog);
	if (r == 0)
		r = wait_connected(syslog);
	if (r < 0) {
		own_close(&syslog->fd);
		return err_sys(err, r,
			       "failed to create task for container: failed to initialize logging "
			       "driver: connect to the syslog server");
	}
	syslog->on = true;
	return 0;
}
