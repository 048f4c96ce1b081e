/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_LOG_LINES_H
#define HOY_ENGINE_DOCKER_LOG_LINES_H

#include "engine/docker/server.h"

/*
 * Lines of a log as the shim writes them (JSON, an object each), chosen and framed for a client: of
 * `logs`, and of an attach that wants what was before.
 */
enum { DOCKER_LOG_LINE_MAX = 256 << 10 };

struct docker_log_lines {
	struct buf line; /* one without its end, which comes with the next block */
	int64_t since_ns, until_ns;
	bool out, err, times, tty;
	bool over; /* a line is later than until_ns */
};

void docker_log_lines_init(struct docker_log_lines *lines);
void docker_log_lines_done(struct docker_log_lines *lines);
/* A block of the file; stops at the first line that is too late. */
void docker_log_lines_put(struct docker_log_lines *lines, struct str block, struct buf *out);

#endif
