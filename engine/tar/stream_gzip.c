/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompression of gzip (RFC 1952) by ISA-L: members one after the other, each with its checksum
 * and length held. Runs in the unpack and load roles. Must never take what is cut off for an end.
 */
#include <errno.h>
#include <igzip_lib.h>
#include <stdlib.h>
#include "engine/tar/stream_decode.h"

enum { FLAGS_RESERVED = 0xe0 }; /* RFC 1952, 2.3.1.2: what they mean is not known yet */

/* A header that comes in pieces goes on where it was: what it said so far has to be kept. */
struct gzip {
	struct inflate_state state;
	struct isal_gzip_header header;
	bool in_header;
};

static void begin_member(struct tar_stream *stream)
{
	struct gzip *z = stream->decoder;

	isal_inflate_reset(&z->state);
	z->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
	isal_gzip_header_init(&z->header);
	z->in_header = true;
	stream->frame_open = true;
}

int stream_open_gzip(struct tar_stream *stream, struct err *err)
{
	struct gzip *z = calloc(1, sizeof(*z));

	if (!z)
		return err_set(err, -ENOMEM, "gzip: no memory");
	isal_inflate_init(&z->state);
	stream->decoder = z;
	begin_member(stream);
	return 0;
}

void stream_close_gzip(struct tar_stream *stream)
{
	free(stream->decoder);
}

static int fault(int code, struct err *err)
{
	const char *text = "damaged data";

	switch (code) {
	case ISAL_INVALID_BLOCK:
		text = "damaged data: a block's header says what cannot be";
		break;
	case ISAL_INVALID_SYMBOL:
		text = "damaged data: a code that its block does not have";
		break;
	case ISAL_INVALID_LOOKBACK:
		text = "damaged data: a copy from before the beginning";
		break;
	case ISAL_INVALID_WRAPPER:
	case ISAL_UNSUPPORTED_METHOD:
		text = "damaged header";
		break;
	case ISAL_INCORRECT_CHECKSUM:
		text = "wrong checksum or length";
		break;
	}
	return err_set(err, -EBADMSG, "gzip: %s", text);
}

/*
 * Behind a member: another one, zeros (padding of tapes and some tools) or the end. Returns 1 = go
 * on decoding, 0 = end.
 */
static int next_member(struct tar_stream *stream, struct err *err)
{
	int r;

	for (;;) {
		r = tar_stream_fill(stream, err);
		if (r <= 0)
			return r;
		if (stream->in[stream->in_at] != 0)
			break;
		stream->in_at++;
	}
	if (stream->in[stream->in_at] != 0x1f)
		return err_set(err, -EBADMSG, "gzip: bytes behind the end that are no gzip");
	begin_member(stream);
	return 1;
}

/* As much of the member as the input at hand gives: its header, then its data. */
static int decode(struct gzip *z)
{
	int r;

	if (z->in_header) {
		r = isal_read_gzip_header(&z->state, &z->header);
		if (r != ISAL_DECOMP_OK)
			return r == ISAL_END_INPUT ? ISAL_DECOMP_OK : r;
		if (z->header.flags & FLAGS_RESERVED)
			return ISAL_INVALID_WRAPPER;
		z->in_header = false;
	}
	return isal_inflate(&z->state);
}

ssize_t stream_read_gzip(struct tar_stream *stream, void *dst, size_t cap, struct err *err)
{
	struct gzip *z = stream->decoder;
	size_t room = cap < UINT32_MAX ? cap : UINT32_MAX;

	for (;;) {
		int more, r;

		if (!stream->frame_open) {
			r = next_member(stream, err);
			if (r <= 0)
				return r;
		}
		/* Without input too: the decoder holds back what found no room before. */
		more = tar_stream_fill(stream, err);
		if (more < 0)
			return more;
		z->state.next_in = stream->in + stream->in_at;
		z->state.avail_in = (uint32_t)(stream->in_len - stream->in_at);
		z->state.next_out = dst;
		z->state.avail_out = (uint32_t)room;
		r = decode(z);
		stream->in_at = stream->in_len - z->state.avail_in;
		if (r != ISAL_DECOMP_OK)
			return fault(r, err);
		if (!z->in_header && z->state.block_state == ISAL_BLOCK_FINISH)
			stream->frame_open = false;
		if (z->state.avail_out < room)
			return (ssize_t)(room - z->state.avail_out);
		if (more == 0 && stream->frame_open)
			return err_set(err, -EBADMSG, "gzip: the stream is cut off");
	}
}
