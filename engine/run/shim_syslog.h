/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_SHIM_SYSLOG_H
#define HOY_ENGINE_RUN_SHIM_SYSLOG_H

#include "engine/api/shim_msg.h"
#include "lib/loop.h"
#include "lib/mono.h"
#include "lib/wire.h"

/* A part of the shim: lines of the container to a syslog server, beside its log files. */
enum {
	SHIM_SYSLOG_OUT = 32768,
	SHIM_SYSLOG_HEAD = 1024, /* more than the longest head of a line */
};

struct shim_room;

struct shim_syslog {
	struct loop *loop;
	struct shim_room *room; /* syslog */
	bool on, stream;	/* stream: TCP or a local stream, else a message for each line */
	enum shim_log_format format;
	unsigned facility;
	char address[128]; /* a struct sockaddr */
	size_t address_len;
	char host[65], tag[401];
	int fd; /* -1 = no connection now */
	struct mono retry;
	struct loop_timer drain;
	size_t waiting; /* bytes that a stream did not take yet */
	uint64_t dropped;
};

/*
 * Reads the route behind a START, if there is one, and connects: waits for a server up to 3 s, for
 * nothing runs yet. An error that names the server's when it cannot be reached.
 */
int shim_syslog_open(struct shim_syslog *syslog, struct loop *loop, struct shim_room *room,
		     struct wire *in, struct err *err);
/* A line, with or without its end; stream 0 = stdout, 1 = stderr. Never waits. */
void shim_syslog_add(struct shim_syslog *syslog, int stream, const char *data, size_t len);
void shim_syslog_flush(struct shim_syslog *syslog);

#endif
