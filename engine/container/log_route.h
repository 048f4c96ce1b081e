/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_LOG_ROUTE_H
#define HOY_ENGINE_CONTAINER_LOG_ROUTE_H

#include "engine/container/def.h"
#include "lib/buf.h"

/*
 * Where a container's lines go besides its log files: def.host.log_driver of the driver syslog,
 * "syslog SCHEME ADDRESS PORT FACILITY FORMAT TAG" as the api role wrote it, into what the shim is
 * told with START (shim_msg.h).
 */
#define LOG_ROUTE_PLAIN "plain"

enum { LOG_ROUTE_PATH_MAX = 100 };

/* Bytes that stand for a field in TAG. */
enum log_route_field {
	LOG_ROUTE_ID = 1, /* 12 digits */
	LOG_ROUTE_FULL_ID,
	LOG_ROUTE_NAME,
	LOG_ROUTE_IMAGE_ID, /* 12 digits */
	LOG_ROUTE_IMAGE_FULL_ID,
	LOG_ROUTE_IMAGE_NAME,
	LOG_ROUTE_DAEMON,
};

/* Appends the route, nothing for another driver; -EBADMSG when the text is none. */
int log_route_put(const struct container_def *def, const char *id, const char *hostname,
		  struct buf *out, struct err *err);

#endif
