/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompression of bzip2, one stream behind the other as parallel packers write them. Runs in the
 * unpack role. Must never print: the library's own message for its defects ends the role.
 */
#include <bzlib.h>
#include <errno.h>
#include <stdlib.h>
#include "engine/tar/stream_decode.h"

/* The library calls this where its own logic failed: nothing it gave can be trusted then. */
void bz_internal_error(int code);
void bz_internal_error(int code)
{
	(void)code;
	__builtin_trap();
}

int stream_open_bzip2(struct tar_stream *stream, struct err *err)
{
	bz_stream *z = calloc(1, sizeof(*z));

	if (!z || BZ2_bzDecompressInit(z, 0, 0) != BZ_OK) {
		free(z);
		return err_set(err, -ENOMEM, "bzip2: no memory");
	}
	stream->decoder = z;
	stream->frame_open = true;
	return 0;
}

void stream_close_bzip2(struct tar_stream *stream)
{
	(void)BZ2_bzDecompressEnd(stream->decoder);
	free(stream->decoder);
}

/* Behind one stream: the next, or the end of all. 1 = go on, 0 = end. */
static int next_stream(struct tar_stream *stream, struct err *err)
{
	bz_stream *z = stream->decoder;
	int r = tar_stream_fill(stream, err);

	if (r <= 0)
		return r;
	if (stream->in[stream->in_at] != 'B')
		return err_set(err, -EBADMSG, "bzip2: bytes behind the end that are no bzip2");
	(void)BZ2_bzDecompressEnd(z);
	*z = (bz_stream){ 0 };
	if (BZ2_bzDecompressInit(z, 0, 0) != BZ_OK)
		return err_set(err, -ENOMEM, "bzip2: no memory");
	stream->frame_open = true;
	return 1;
}

ssize_t stream_read_bzip2(struct tar_stream *stream, void *dst, size_t cap, struct err *err)
{
	bz_stream *z = stream->decoder;

	for (;;) {
		int r = stream->frame_open ? 1 : next_stream(stream, err), code;

		if (r <= 0)
			return r;
		r = tar_stream_fill(stream, err);
		if (r < 0)
			return r;
		if (r == 0)
			return err_set(err, -EBADMSG, "bzip2: the stream is cut off");
		z->next_in = (char *)stream->in + stream->in_at;
		z->avail_in = (unsigned)(stream->in_len - stream->in_at);
		z->next_out = dst;
		z->avail_out = (unsigned)cap;
		code = BZ2_bzDecompress(z);
		stream->in_at = stream->in_len - z->avail_in;
		if (code == BZ_STREAM_END)
			stream->frame_open = false;
		else if (code != BZ_OK)
			return err_set(err, code == BZ_MEM_ERROR ? -ENOMEM : -EBADMSG,
				       "bzip2: damaged data");
		if (z->avail_out < cap)
			return (ssize_t)(cap - z->avail_out);
	}
}
