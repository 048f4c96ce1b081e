/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of HTTP/1.1 messages: by length, chunked (RFC 9112 7.1) or until the connection ends.
 * Pure; runs in the pull and api roles. It must never give out a byte that is not payload.
 */
#include "engine/http/http.h"

#include <errno.h>
#include <string.h>

enum chunk_state {
	CHUNK_LINE,	/* size [;extension] CRLF */
	CHUNK_DATA,	/* body->left bytes */
	CHUNK_DATA_END, /* the CRLF behind them */
	CHUNK_TRAILER,	/* lines until an empty one */
};

void http_body_init(struct http_body *body, const struct http_head *head)
{
	*body = (struct http_body){
		.framing = head->framing,
		.left = head->framing == HTTP_FRAMING_LENGTH ? head->length : 0,
		.state = CHUNK_LINE,
		.done = head->framing == HTTP_FRAMING_NONE,
	};
}

/* A line that ends in CRLF, at most max bytes: 1 and its length, 0 = more is needed, -EBADMSG. */
static int find_line(struct str in, size_t max, size_t *ret_len, struct err *err)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.ptr[i];

		if (c == '\r') {
			if (i + 1 == in.len)
				return 0;
			if (in.ptr[i + 1] != '\n')
				return err_set(err, -EBADMSG, "HTTP: a bare CR between chunks");
			*ret_len = i;
			return 1;
		}
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return err_set(err, -EBADMSG, "HTTP: byte 0x%02x between chunks", c);
		if (i >= max)
			return err_set(err, -EBADMSG,
				       "HTTP: a line of over %zu bytes between chunks", max);
	}
	return 0;
}

/* chunk-size = 1*HEXDIG; ours: at most 15 digits, so that no sum overflows. */
static int parse_chunk_size(struct str line, uint64_t *ret_size, struct err *err)
{
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < line.len; i++) {
		char c = line.ptr[i];
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else if (c >= 'A' && c <= 'F')
			digit = (unsigned)(c - 'A') + 10;
		else
			break;
		if (i == 15)
			return err_set(err, -EBADMSG, "HTTP: a chunk size of over 15 digits");
		size = size << 4 | digit;
	}
	if (i == 0 || (i < line.len && line.ptr[i] != ';'))
		return err_set(err, -EBADMSG, "HTTP: a chunk size that is no hexadecimal number");
	*ret_size = size;
	return 0;
}

static int chunk_line(struct http_body *body, struct str in, size_t *used, struct err *err)
{
	size_t len;
	int r = find_line(in, HTTP_CHUNK_LINE_MAX, &len, err);

	if (r <= 0)
		return r < 0 ? r : 1;
	r = parse_chunk_size(str_head(in, len), &body->left, err);
	if (r < 0)
		return r;
	*used = len + 2;
	body->state = body->left ? CHUNK_DATA : CHUNK_TRAILER;
	return 1;
}

static int chunk_trailer(struct http_body *body, struct str in, size_t *used, struct err *err)
{
	size_t len;
	int r = find_line(in, HTTP_LINE_MAX, &len, err);

	if (r <= 0)
		return r < 0 ? r : 1;
	*used = len + 2;
	body->trailer_size += len + 2;
	if (body->trailer_size > HTTP_HEAD_MAX)
		return err_set(err, -EBADMSG, "HTTP: trailers of over %d bytes", HTTP_HEAD_MAX);
	if (len > 0)
		return 1;
	body->done = true;
	return 0;
}

static void take_data(struct http_body *body, struct str in, size_t *used, struct str *data)
{
	*used = in.len < body->left ? in.len : (size_t)body->left;
	*data = str_head(in, *used);
	body->left -= *used;
}

static int next_chunked(struct http_body *body, struct str in, size_t *used, struct str *data,
			struct err *err)
{
	switch ((enum chunk_state)body->state) {
	case CHUNK_LINE:
		return chunk_line(body, in, used, err);
	case CHUNK_DATA:
		take_data(body, in, used, data);
		if (body->left == 0)
			body->state = CHUNK_DATA_END;
		return 1;
	case CHUNK_DATA_END:
		if (in.len < 2)
			return 1;
		if (memcmp(in.ptr, "\r\n", 2) != 0)
			return err_set(err, -EBADMSG, "HTTP: a chunk is longer than it said");
		*used = 2;
		body->state = CHUNK_LINE;
		return 1;
	case CHUNK_TRAILER:
		return chunk_trailer(body, in, used, err);
	}
	return err_set(err, -EBADMSG, "HTTP: chunk state %u", body->state);
}

int http_body_next(struct http_body *body, struct str in, size_t *ret_used, struct str *ret_data,
		   struct err *err)
{
	*ret_used = 0;
	*ret_data = (struct str){ 0 };
	if (body->done)
		return 0;
	switch (body->framing) {
	case HTTP_FRAMING_NONE:
		return 0;
	case HTTP_FRAMING_LENGTH:
		take_data(body, in, ret_used, ret_data);
		body->done = body->left == 0;
		return body->done ? 0 : 1;
	case HTTP_FRAMING_CLOSE:
		*ret_used = in.len;
		*ret_data = in;
		return 1;
	case HTTP_FRAMING_CHUNKED:
		return next_chunked(body, in, ret_used, ret_data, err);
	}
	return err_set(err, -EBADMSG, "HTTP: no framing");
}

void http_put_chunk(struct buf *out, struct str data)
{
	if (data.len == 0)
		return;
	buf_printf(out, "%zx\r\n", data.len);
	buf_add_str(out, data);
	buf_add_text(out, "\r\n");
}

void http_put_last_chunk(struct buf *out)
{
	buf_add_text(out, "0\r\n\r\n");
}
