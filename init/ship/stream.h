/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SHIP_STREAM_H
#define HOY_INIT_SHIP_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include "init/api/ship_msg.h"
#include "init/ship/tls.h"
#include "lib/loop.h"

/* One connection to the server, TCP or TLS; never waits but for the name server. */
enum ship_stream_state {
	SHIP_STREAM_CLOSED,
	SHIP_STREAM_CONNECTING,
	SHIP_STREAM_HANDSHAKE,
	SHIP_STREAM_UP,
};

/* For connection and handshake; with further addresses of the name behind it for each the short
 * one.
 */
enum { SHIP_STREAM_BUFFER = 32768, SHIP_STREAM_LIMIT_MS = 15000, SHIP_STREAM_SHORT_MS = 5000 };

struct ship_stream {
	struct loop *loop;
	const struct ship_wish *wish;
	struct ship_trust *trust; /* NULL without TLS */
	enum ship_stream_state state;
	int fd;
	struct addrinfo *found, *next; /* of its name; the one to be tried next */
	struct loop_io io;
	struct loop_timer limit;
	struct ship_tls *tls;
	struct buf out;	  /* not yet written */
	uint64_t written; /* bytes given to the socket */
	uint64_t base;	  /* what the kernel counted as acknowledged before the first of them */
	void (*up)(struct ship_stream *stream);
	void (*room)(struct ship_stream *stream); /* `out` is empty */
	void (*down)(struct ship_stream *stream, const struct err *why);
};

void ship_stream_init(struct ship_stream *stream, struct loop *loop, const struct ship_wish *wish,
		      struct ship_trust *trust);
/* Begins to connect, to one address of the name after another; up() or down() follows, perhaps
 * before this returns. */
void ship_stream_open(struct ship_stream *stream);
/* Says TLS's goodbye; no callback follows. */
void ship_stream_close(struct ship_stream *stream);
/* Writes what stands in `out` as far as it goes now; the rest, and room(), follow by themselves. */
void ship_stream_flush(struct ship_stream *stream);
/* Bytes that the other side's kernel has acknowledged. */
uint64_t ship_stream_arrived(const struct ship_stream *stream);

#endif
