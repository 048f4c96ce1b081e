/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_TAR_STREAM_DECODE_H
#define HOY_ENGINE_TAR_STREAM_DECODE_H

#include "engine/tar/stream.h"

/* Between stream.c and its decoders of gzip, xz and bzip2; private to this folder. */

/* Makes sure there is input while the source has any: 1, 0 at its end, -errno. */
int tar_stream_fill(struct tar_stream *stream, struct err *err);

int stream_open_gzip(struct tar_stream *stream, struct err *err);
ssize_t stream_read_gzip(struct tar_stream *stream, void *dst, size_t cap, struct err *err);
void stream_close_gzip(struct tar_stream *stream);

int stream_open_xz(struct tar_stream *stream, struct err *err);
ssize_t stream_read_xz(struct tar_stream *stream, void *dst, size_t cap, struct err *err);
void stream_close_xz(struct tar_stream *stream);

int stream_open_bzip2(struct tar_stream *stream, struct err *err);
ssize_t stream_read_bzip2(struct tar_stream *stream, void *dst, size_t cap, struct err *err);
void stream_close_bzip2(struct tar_stream *stream);

#endif
