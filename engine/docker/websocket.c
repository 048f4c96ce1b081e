/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket frames (RFC 6455). Runs in the api role, on what clients send. Pure; must never keep
 * more of a frame than a control frame's payload.
 */
#include "engine/docker/websocket.h"

#include <errno.h>
#include <mbedtls/sha1.h>
#include <string.h>
#include "engine/docker/base64.h"
#include "lib/own.h"

enum {
	FRAME_FIN = 0x80,
	FRAME_RESERVED = 0x70,
	FRAME_OP = 0x0f,
	FRAME_MASKED = 0x80,
	KEY_SIZE = 16
};

int websocket_accept(struct str key, char ret_accept[WEBSOCKET_ACCEPT_MAX], struct err *err)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* section 1.3 */
	struct buf text OWN(buf_done) = { 0 }, bytes OWN(buf_done) = { 0 };
	uint8_t sum[20];

	buf_init(&bytes, 64);
	if (key.len != 24 || !docker_base64_decode(key, &bytes) || bytes.len != KEY_SIZE)
		return err_set(err, -EINVAL, "Sec-WebSocket-Key is not 16 bytes in base64");
	buf_init(&text, 128);
	(void)buf_add_str(&text, key);
	(void)buf_add_text(&text, guid);
	if (buf_error(&text) || mbedtls_sha1((const unsigned char *)text.data, text.len, sum) != 0)
		return err_set(err, -ENOMEM, "no memory for a websocket's handshake");
	buf_clear(&text);
	docker_base64_encode(str_make(sum, sizeof(sum)), &text);
	return str_copy(buf_str(&text), ret_accept, WEBSOCKET_ACCEPT_MAX);
}

void websocket_put(struct buf *out, enum websocket_op op, struct str data)
{
	uint8_t head[10] = { (uint8_t)(FRAME_FIN | (unsigned)op) };
	size_t len = 2;

	if (data.len <= WEBSOCKET_CONTROL_MAX) {
		head[1] = (uint8_t)data.len;
	} else if (data.len <= UINT16_MAX) {
		head[1] = 126;
		head[2] = (uint8_t)(data.len >> 8);
		head[3] = (uint8_t)data.len;
		len = 4;
	} else {
		head[1] = 127;
		for (unsigned i = 0; i < 8; i++)
			head[2 + i] = (uint8_t)((uint64_t)data.len >> (56 - 8 * i));
		len = 10;
	}
	(void)buf_add(out, head, len);
	(void)buf_add_str(out, data);
}

void websocket_close(struct websocket *ws, uint16_t code, struct buf *out)
{
	const uint8_t body[2] = { (uint8_t)(code >> 8), (uint8_t)code };

	if (!ws->closed)
		websocket_put(out, WEBSOCKET_CLOSE, str_make(body, sizeof(body)));
	ws->closed = true;
}

static int broken(struct websocket *ws, struct buf *out, const char *what, struct err *err)
{
	websocket_close(ws, WEBSOCKET_BROKEN, out);
	return err_set(err, -EPROTO, "websocket: %s", what);
}

/* Bytes that the head has with its length and mask, as far as its first two say. */
static unsigned head_size(const struct websocket *ws)
{
	unsigned size = 2 + 4;

	if (ws->head_len < 2)
		return 2;
	if ((ws->head[1] & 0x7f) == 126)
		size += 2;
	if ((ws->head[1] & 0x7f) == 127)
		size += 8;
	return size;
}

/* Section 5.2, on a head that is complete. */
static int read_head(struct websocket *ws, struct buf *out, struct err *err)
{
	unsigned bits = ws->head[1] & 0x7f, wide = bits == 126 ? 2 : bits == 127 ? 8 : 0;
	bool fin = ws->head[0] & FRAME_FIN;
	uint64_t len = wide ? 0 : bits;

	ws->op = ws->head[0] & FRAME_OP;
	for (unsigned i = 0; i < wide; i++)
		len = len << 8 | ws->head[2 + i];
	if (ws->op >= WEBSOCKET_CLOSE) {
		if (ws->op > WEBSOCKET_PONG)
			return broken(ws, out, "an opcode that has no meaning", err);
		if (!fin || len > WEBSOCKET_CONTROL_MAX)
			return broken(ws, out, "a control frame in parts or too long", err);
	} else {
		if (ws->op > WEBSOCKET_BINARY)
			return broken(ws, out, "an opcode that has no meaning", err);
		if ((ws->op == WEBSOCKET_CONTINUATION) != ws->in_message)
			return broken(ws, out, "a message within a message", err);
		ws->in_message = !fin;
	}
	if (len >> 63 || (wide == 2 && len < 126) || (wide == 8 && len <= UINT16_MAX))
		return broken(ws, out, "a length that is not the shortest", err);
	memcpy(ws->mask, ws->head + 2 + wide, sizeof(ws->mask));
	ws->left = len;
	ws->at = ws->head_len = ws->control_len = 0;
	ws->in_frame = true;
	return 0;
}

/* What the first two bytes alone show. */
static int check_start(struct websocket *ws, struct buf *out, struct err *err)
{
	if (ws->head[0] & FRAME_RESERVED)
		return broken(ws, out, "reserved bits", err);
	return ws->head[1] & FRAME_MASKED ? 0 : broken(ws, out, "a frame without a mask", err);
}

static void end_control(struct websocket *ws, struct buf *out)
{
	struct str body = str_make(ws->control, ws->control_len);

	if (ws->op == WEBSOCKET_PING)
		websocket_put(out, WEBSOCKET_PONG, body);
	if (ws->op != WEBSOCKET_CLOSE)
		return;
	/* Its code comes back; without one, none. */
	if (!ws->closed)
		websocket_put(out, WEBSOCKET_CLOSE, str_head(body, body.len >= 2 ? 2 : 0));
	ws->closed = true;
}

static size_t take_payload(struct websocket *ws, struct str raw, size_t room, struct buf *data)
{
	bool control = ws->op >= WEBSOCKET_CLOSE;
	size_t n = ws->left < raw.len ? (size_t)ws->left : raw.len;

	if (!control && n > room - data->len)
		n = room - data->len;
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = (uint8_t)((uint8_t)raw.ptr[i] ^ ws->mask[ws->at++ & 3]);

		if (control)
			ws->control[ws->control_len++] = byte;
		else
			(void)buf_add_byte(data, byte);
	}
	ws->left -= n;
	return n;
}

int64_t websocket_take(struct websocket *ws, struct str raw, size_t room, struct buf *data,
		       struct buf *out, struct err *err)
{
	size_t used = 0;

	while (!ws->closed) {
		if (!ws->in_frame) {
			int r = 0;

			if (used == raw.len)
				break;
			ws->head[ws->head_len++] = (uint8_t)raw.ptr[used++];
			if (ws->head_len == 2)
				r = check_start(ws, out, err);
			if (r >= 0 && ws->head_len >= 2 && ws->head_len == head_size(ws))
				r = read_head(ws, out, err);
			if (r < 0)
				return r;
		} else if (ws->left) {
			size_t n = data->len < room || ws->op >= WEBSOCKET_CLOSE
					   ? take_payload(ws, str_skip(raw, used), room, data)
					   : 0;

			if (!n)
				break;
			used += n;
		}
		if (ws->in_frame && !ws->left) {
			ws->in_frame = false;
			end_control(ws, out);
		}
	}
	return (int64_t)(ws->closed ? raw.len : used);
}
