/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers: whatever comes, the records that go out are taken by the strict parser, and only a good
 * layer has an end. The first byte chooses the step of reading and whether it is a layer.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "engine/tar/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	const uint8_t *data;
	size_t len, at, step;
};

static ssize_t read_memory(void *owner, void *dst, size_t cap, struct err *err)
{
	struct memory *m = owner;
	size_t n = m->len - m->at < cap ? m->len - m->at : cap;

	(void)err;
	if (m->step && n > m->step)
		n = m->step;
	if (n)
		memcpy(dst, m->data + m->at, n);
	m->at += n;
	return (ssize_t)n;
}

/* 0 = a whole stream, 1 = none; a record that is refused is our fault. */
static int read_back(int fd)
{
	static struct entry entry;
	struct entry_reader reader;
	int r;

	lseek(fd, 0, SEEK_SET);
	entry_reader_init(&reader, fd);
	do
		r = entry_read(&reader, &entry, NULL);
	while (r == 1);
	/* Cut off is fine, everything else that is refused is not. */
	if (r < 0 && reader.at != reader.buf.len) {
		struct entry_state state = reader.state;

		if (entry_parse(&state, str_skip(buf_str(&reader.buf), reader.at), &entry, NULL) <
		    0)
			abort();
	}
	entry_reader_done(&reader);
	return r != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct unpack_start start = { .bytes_max = 16 << 20, .entries_max = 1000 };
	struct unpack_result result;
	struct entry_writer writer;
	struct memory memory;
	int r;

	if (size == 0)
		return 0;
	if (fd < 0)
		fd = memfd_create("records", 0);
	if (fd < 0 || ftruncate(fd, 0) < 0)
		abort();
	lseek(fd, 0, SEEK_SET);
	memory = (struct memory){ .data = data + 1, .len = size - 1, .step = data[0] >> 1 };
	start.flags = data[0] & 1 ? 0 : UNPACK_FLAG_LAYER;
	if ((data[0] & 0x81) == 0x81)
		start.flags = UNPACK_FLAG_TEXT | UNPACK_FLAG_WHOLE;
	entry_writer_init(&writer, fd);
	r = tar_unpack(read_memory, &memory, &start, 0, &writer, &result, NULL);
	entry_writer_done(&writer);
	if (read_back(fd) != (r < 0))
		abort();
	return 0;
}
