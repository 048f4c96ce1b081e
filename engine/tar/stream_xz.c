/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompression of .xz by liblzma. Runs in the unpack role. Must never take more memory than what
 * `xz -9` asks for, whatever a header wants.
 */
#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include "engine/tar/stream_decode.h"

enum { XZ_MEMORY_MAX = 96 << 20 };

int stream_open_xz(struct tar_stream *stream, struct err *err)
{
	lzma_stream *z = calloc(1, sizeof(*z));

	if (!z || lzma_stream_decoder(z, XZ_MEMORY_MAX, LZMA_CONCATENATED) != LZMA_OK) {
		free(z);
		return err_set(err, -ENOMEM, "xz: no memory");
	}
	stream->decoder = z;
	return 0;
}

void stream_close_xz(struct tar_stream *stream)
{
	lzma_end(stream->decoder);
	free(stream->decoder);
}

static int fault(lzma_ret code, struct err *err)
{
	if (code == LZMA_MEM_ERROR || code == LZMA_MEMLIMIT_ERROR)
		return err_set(err, -EFBIG,
			       "xz: the archive needs more than %d MiB of memory (compress it with "
			       "a smaller dictionary)",
			       XZ_MEMORY_MAX >> 20);
	if (code == LZMA_OPTIONS_ERROR)
		return err_set(err, -ENOTSUP,
			       "xz: the archive uses a filter that is not read here");
	return err_set(err, -EBADMSG,
		       code == LZMA_BUF_ERROR ? "xz: the stream is cut off" : "xz: damaged data");
}

ssize_t stream_read_xz(struct tar_stream *stream, void *dst, size_t cap, struct err *err)
{
	lzma_stream *z = stream->decoder;

	z->next_out = dst;
	z->avail_out = cap;
	for (;;) {
		int r = tar_stream_fill(stream, err);
		lzma_ret code;

		if (r < 0)
			return r;
		z->next_in = stream->in + stream->in_at;
		z->avail_in = stream->in_len - stream->in_at;
		code = lzma_code(z, r == 0 ? LZMA_FINISH : LZMA_RUN);
		stream->in_at = stream->in_len - z->avail_in;
		if (code != LZMA_OK && code != LZMA_STREAM_END)
			return fault(code, err);
		if (z->avail_out < cap || code == LZMA_STREAM_END)
			return (ssize_t)(cap - z->avail_out);
	}
}
