/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_WEBSOCKET_H
#define HOY_ENGINE_DOCKER_WEBSOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * The server's side of RFC 6455, pure: bytes in, bytes out. A message is a stream here: its frames
 * are handed on as they come, so none is too long. Text is not checked for UTF-8, it goes to a
 * process as it is.
 */
enum websocket_op {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

enum {
	WEBSOCKET_NORMAL = 1000, /* codes of a close frame */
	WEBSOCKET_BROKEN = 1002,
	WEBSOCKET_HEAD_MAX = 14,
	WEBSOCKET_CONTROL_MAX = 125,
	WEBSOCKET_ACCEPT_MAX = 32, /* 28 characters and a NUL */
};

/* One connection's way in; zeroed is its start. */
struct websocket {
	uint8_t head[WEBSOCKET_HEAD_MAX];
	unsigned head_len;
	bool in_frame;	 /* the head is complete, its payload is under way */
	bool in_message; /* a frame without FIN was seen */
	bool closed;	 /* a close frame came, or went out */
	uint8_t op;
	uint64_t left; /* of the payload */
	unsigned at;   /* place in the mask */
	uint8_t mask[4];
	uint8_t control[WEBSOCKET_CONTROL_MAX];
	unsigned control_len;
};

/* The answer to Sec-WebSocket-Key (section 4.2.2); -EINVAL unless it is 16 bytes in base64. */
int websocket_accept(struct str key, char ret_accept[WEBSOCKET_ACCEPT_MAX], struct err *err);

/*
 * Takes what it can of `raw`: payload is added to `data` as long as it holds less than `room`
 * bytes, pongs and the answer to a close frame to `out`. Returns how many bytes of raw are done
 * with; -EPROTO when the client breaks the protocol (a close frame that says so is in `out`). After
 * a close frame `closed` is set and everything is taken and dropped.
 */
int64_t websocket_take(struct websocket *ws, struct str raw, size_t room, struct buf *data,
		       struct buf *out, struct err *err);

/* One whole frame. */
void websocket_put(struct buf *out, enum websocket_op op, struct str data);
/* A close frame, unless one went out already. */
void websocket_close(struct websocket *ws, uint16_t code, struct buf *out);

#endif
