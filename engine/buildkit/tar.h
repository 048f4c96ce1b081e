/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_TAR_H
#define HOY_ENGINE_BUILDKIT_TAR_H

#include "engine/buildkit/packet.h"
#include "lib/buf.h"

/*
 * Entries of a context as a tar archive (ustar, with pax records where they are needed): what the
 * unpack role reads as it reads the archive of a client without BuildKit.
 */
enum { TAR_BLOCK = 512 };

/* The head of an entry; `size` bytes and tar_put_padding() come next. A kind that no archive has
 * writes nothing. */
void tar_put_entry(struct buf *out, const struct packet_stat *stat);
/* Bytes up to the next block behind a file of this size. */
void tar_put_padding(struct buf *out, uint64_t size);
void tar_put_end(struct buf *out);

#endif
