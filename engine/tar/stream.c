/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompression behind limits; zstd is here, gzip, xz and bzip2 beside it. Runs in the unpack and
 * load roles, which hold nothing but pipes. It must never give out more than its limits allow,
 * whatever a header promises.
 */
#include "engine/tar/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include "engine/tar/stream_decode.h"

enum {
	WINDOW_LOG_DEFAULT = 23,
	RATIO_FREE_BYTES = 16 << 20, /* small layers of zeros are honest */
};

ssize_t tar_source_fd(void *owner, void *dst, size_t cap, struct err *err)
{
	const int *fd = owner;
	ssize_t n;

	do
		n = read(*fd, dst, cap);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(err, -errno, "read of the compressed stream") : n;
}

int tar_stream_fill(struct tar_stream *stream, struct err *err)
{
	ssize_t n;

	if (stream->in_at < stream->in_len)
		return 1;
	if (stream->in_end)
		return 0;
	n = stream->source(stream->owner, stream->in, TAR_STREAM_BLOCK, err);
	if (n < 0)
		return (int)n;
	stream->in_at = 0;
	stream->in_len = (size_t)n;
	stream->in_bytes += (uint64_t)n;
	stream->in_end = n == 0;
	return n > 0;
}

/* The first bytes decide; a pipe may give them one by one. */
static int read_magic(struct tar_stream *stream, struct err *err)
{
	enum { MAGIC = 6 };
	const unsigned char *p = stream->in;

	while (stream->in_len < MAGIC) {
		ssize_t n = stream->source(stream->owner, stream->in + stream->in_len,
					   MAGIC - stream->in_len, err);

		if (n < 0)
			return (int)n;
		if (n == 0) {
			stream->in_end = true;
			break;
		}
		stream->in_len += (size_t)n;
	}
	stream->in_bytes = stream->in_len;
	stream->compression = TAR_PLAIN;
	if (stream->in_len >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		stream->compression = TAR_GZIP;
	if (stream->in_len >= 4 &&
	    ((p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f) ||
	     ((p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d)) &&
	    p[3] == (p[0] == 0x28 ? 0xfd : 0x18))
		stream->compression = TAR_ZSTD;
	if (stream->in_len >= MAGIC && !memcmp(p,
					       "\xfd"
					       "7zXZ",
					       MAGIC))
		stream->compression = TAR_XZ;
	if (stream->in_len >= 4 && !memcmp(p, "BZh", 3) && p[3] >= '1' && p[3] <= '9')
		stream->compression = TAR_BZIP2;
	return 0;
}

static int open_zstd(struct tar_stream *stream, struct err *err)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();
	unsigned log = stream->limits.window_log ? stream->limits.window_log : WINDOW_LOG_DEFAULT;

	if (!z)
		return err_set(err, -ENOMEM, "zstd: no memory");
	stream->decoder = z;
	if (ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, (int)log)))
		return err_set(err, -EINVAL, "zstd: window of 2^%u bytes cannot be set", log);
	return 0;
}

int tar_stream_init(struct tar_stream *stream, tar_source_fn *source, void *owner,
		    const struct tar_stream_limits *limits, struct err *err)
{
	int r;

	*stream = (struct tar_stream){ .source = source, .owner = owner, .limits = *limits };
	stream->in = malloc(TAR_STREAM_BLOCK);
	if (!stream->in)
		return err_set(err, -ENOMEM, "no memory to read a compressed stream");
	r = read_magic(stream, err);
	if (r == 0 && stream->compression == TAR_GZIP)
		r = stream_open_gzip(stream, err);
	if (r == 0 && stream->compression == TAR_ZSTD)
		r = open_zstd(stream, err);
	if (r == 0 && stream->compression == TAR_XZ)
		r = stream_open_xz(stream, err);
	if (r == 0 && stream->compression == TAR_BZIP2)
		r = stream_open_bzip2(stream, err);
	if (r < 0)
		tar_stream_done(stream);
	return r;
}

void tar_stream_done(struct tar_stream *stream)
{
	if (!stream)
		return;
	if (stream->decoder && stream->compression == TAR_GZIP)
		stream_close_gzip(stream);
	if (stream->decoder && stream->compression == TAR_ZSTD)
		ZSTD_freeDCtx(stream->decoder);
	if (stream->decoder && stream->compression == TAR_XZ)
		stream_close_xz(stream);
	if (stream->decoder && stream->compression == TAR_BZIP2)
		stream_close_bzip2(stream);
	free(stream->in);
	*stream = (struct tar_stream){ 0 };
}

static ssize_t read_plain(struct tar_stream *stream, void *dst, size_t cap, struct err *err)
{
	int r = tar_stream_fill(stream, err);
	size_t n;

	if (r <= 0)
		return r;
	n = stream->in_len - stream->in_at;
	if (n > cap)
		n = cap;
	memcpy(dst, stream->in + stream->in_at, n);
	stream->in_at += n;
	return (ssize_t)n;
}

static int zstd_error(size_t code, struct err *err)
{
	const char *name = ZSTD_getErrorName(code);

	if (strstr(name, "too much memory"))
		return err_set(err, -EFBIG,
			       "zstd: the layer needs a larger window than this machine gives "
			       "(compress it without --long)");
	return err_set(err, -EBADMSG, "zstd: %s", name);
}

static ssize_t read_zstd(struct tar_stream *stream, void *dst, size_t cap, struct err *err)
{
	ZSTD_outBuffer out = { .dst = dst, .size = cap };
	size_t left;
	int r;

	for (;;) {
		ZSTD_inBuffer in;

		r = tar_stream_fill(stream, err);
		if (r < 0)
			return r;
		in = (ZSTD_inBuffer){ .src = stream->in,
				      .size = stream->in_len,
				      .pos = stream->in_at };
		if (r == 0 && !stream->frame_open)
			return 0;
		left = ZSTD_decompressStream(stream->decoder, &out, &in);
		if (ZSTD_isError(left))
			return zstd_error(left, err);
		stream->in_at = in.pos;
		stream->frame_open = left != 0;
		if (out.pos > 0)
			return (ssize_t)out.pos;
		/* Without input and without output nothing will ever come. */
		if (r == 0 && left != 0)
			return err_set(err, -EBADMSG, "zstd: the stream is cut off");
	}
}

static int check_limits(const struct tar_stream *stream, struct err *err)
{
	const struct tar_stream_limits *limits = &stream->limits;

	if (limits->bytes_max && stream->out_bytes > limits->bytes_max)
		return err_set(err, -EFBIG, "the uncompressed layer is over %llu MiB",
			       (unsigned long long)(limits->bytes_max >> 20));
	if (limits->ratio_max && stream->out_bytes > RATIO_FREE_BYTES &&
	    stream->out_bytes / limits->ratio_max > stream->in_bytes)
		return err_set(err, -EFBIG,
			       "the layer grows by more than %u : 1 when uncompressed: refused as "
			       "a decompression bomb",
			       limits->ratio_max);
	return 0;
}

ssize_t tar_stream_read(struct tar_stream *stream, void *dst, size_t cap, struct err *err)
{
	ssize_t n = 0;
	int r;

	if (stream->ended)
		return 0;
	switch (stream->compression) {
	case TAR_PLAIN:
		n = read_plain(stream, dst, cap, err);
		break;
	case TAR_GZIP:
		n = stream_read_gzip(stream, dst, cap, err);
		break;
	case TAR_ZSTD:
		n = read_zstd(stream, dst, cap, err);
		break;
	case TAR_XZ:
		n = stream_read_xz(stream, dst, cap, err);
		break;
	case TAR_BZIP2:
		n = stream_read_bzip2(stream, dst, cap, err);
		break;
	}
	if (n == 0)
		stream->ended = true;
	if (n <= 0)
		return n;
	stream->out_bytes += (uint64_t)n;
	r = check_limits(stream, err);
	return r < 0 ? r : n;
}
