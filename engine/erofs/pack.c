/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry records in, EROFS image out. Runs in the pack role (and in tests). Must never take a stream
 * without its end record for a whole layer, nor hold more of it than one record.
 */
#include "engine/erofs/pack.h"

#include <errno.h>
#include <unistd.h>
#include "engine/api/entry.h"
#include "engine/erofs/erofs.h"
#include "lib/own.h"

enum { PACK_READ = 128 << 10, PACK_ROOM = PACK_READ + ENTRY_BODY_MAX + 64 };

struct pack {
	int fd;
	struct buf buf;
	struct entry_state state;
	struct erofs_writer *writer;
	pack_each_fn *each;
	void *owner;
};

static void pack_done(struct pack *pack)
{
	buf_done(&pack->buf);
	erofs_writer_free(pack->writer);
}

/* 1 = bytes were added, 0 = end of file. */
static int read_more(struct pack *pack, struct err *err)
{
	ssize_t n;

	if (buf_reserve(&pack->buf, PACK_READ) < 0)
		return err_set(err, -ENOMEM, "out of memory for a layer's records");
	do {
		n = read(pack->fd, pack->buf.data + pack->buf.len, PACK_READ);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, -errno, "cannot read a layer's records");
	pack->buf.len += (size_t)n;
	return n > 0;
}

/* Takes the whole records that are in the buffer. */
static int take_records(struct pack *pack, struct err *err)
{
	struct str rest = buf_str(&pack->buf);

	while (!pack->state.ended) {
		struct entry entry;
		int64_t used = entry_parse(&pack->state, rest, &entry, err);

		if (used < 0)
			return (int)used;
		if (used == 0)
			break;
		if (entry.type != ENTRY_END) {
			int r = erofs_writer_add(pack->writer, &entry, err);

			if (r >= 0 && pack->each)
				r = pack->each(pack->owner, &entry, err);
			if (r < 0)
				return r;
		}
		rest = str_skip(rest, (size_t)used);
	}
	buf_consume(&pack->buf, pack->buf.len - rest.len);
	return 0;
}

int pack_stream(int in_fd, int out_fd, pack_each_fn *each, void *owner,
		struct pack_result *ret_result, struct err *err)
{
	struct pack pack OWN(pack_done) = { .fd = in_fd, .each = each, .owner = owner };
	struct erofs_totals totals;
	int r;

	pack.writer = erofs_writer_new(out_fd);
	if (!pack.writer)
		return err_set(err, -ENOMEM, "out of memory for a layer");
	buf_init(&pack.buf, PACK_ROOM);
	while ((r = read_more(&pack, err)) > 0) {
		if (pack.state.ended)
			return err_set(err, -EBADMSG, "a layer's records go on behind their end");
		r = take_records(&pack, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (pack.state.ended && pack.buf.len > 0)
		return err_set(err, -EBADMSG, "a layer's records go on behind their end");
	if (!pack.state.ended)
		return err_set(err, -EBADMSG, "a layer's records stop before their end");
	r = erofs_writer_finish(pack.writer, &totals, err);
	if (r < 0)
		return r;
	ret_result->bytes = totals.bytes;
	ret_result->entries = totals.entries;
	ret_result->data_bytes = totals.data_bytes;
	return 0;
}
