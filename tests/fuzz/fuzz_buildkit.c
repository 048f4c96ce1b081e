/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of BuildKit's protocol: packets of a context become archives of whole blocks whose paths
 * stay below their top; requests become builds. The first byte chooses.
 */
#include <stdint.h>
#include <stdlib.h>
#include "engine/buildkit/fileset.h"
#include "engine/buildkit/packet.h"
#include "engine/buildkit/request.h"
#include "engine/buildkit/tar.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_packet(struct str message)
{
	static struct packet packet;
	struct buf out OWN(buf_done) = { 0 };
	struct str rest, part;

	if (packet_get(message, &packet, NULL) < 0 || !packet.has_stat)
		return;
	rest = packet.stat.path;
	while (str_cut(&rest, '/', &part)) {
		if (!part.len || str_is(part, "..") || str_is(part, "."))
			abort();
	}
	buf_init(&out, 4 << 20);
	tar_put_entry(&out, &packet.stat);
	if (buf_error(&out) || out.len % TAR_BLOCK)
		abort();
}

static void try_request(struct str message, bool frontend)
{
	struct solve_request request = { .ref = "", .session = "", .frontend = "", .exporter = "" };
	struct arena arena OWN(arena_done) = { 0 };
	static struct engine_context context;
	int r;

	arena_init(&arena, 16 << 20);
	r = frontend ? solve_request_frontend(message, &arena, &request, NULL)
		     : solve_request_get(message, &arena, &request, NULL);
	if (r < 0 || solve_request_translate(&request, &arena, &context, NULL) < 0)
		return;
	for (uint32_t i = 0; i < context.name_count; i++) {
		if (!*context.names[i])
			abort();
	}
}

/* Records of a tree, read twice, with each of its files asked for. */
static void read_records(struct fileset *set, struct str rest)
{
	struct buf out OWN(buf_done) = { 0 };
	size_t used;
	int steps = 0;

	buf_init(&out, 4 << 20);
	fileset_again(set);
	while (!set->state.ended && steps++ < 4096 &&
	       fileset_step(set, rest, &out, &used, NULL) > 0) {
		rest = str_skip(rest, used);
		buf_clear(&out);
	}
}

static void try_records(struct str records)
{
	struct buf out OWN(buf_done) = { 0 };
	struct fileset set;

	buf_init(&out, 4 << 20);
	fileset_init(&set);
	read_records(&set, records);
	if (fileset_sort(&set, NULL) >= 0) {
		while (fileset_tell(&set, &out))
			buf_clear(&out);
		for (uint32_t i = 0; i <= set.count; i++)
			(void)fileset_want(&set, i, NULL);
		read_records(&set, records);
	}
	fileset_done(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str message;

	if (size < 1 || size > 65536)
		return 0;
	message = str_make(data + 1, size - 1);
	if (data[0] == 0xff)
		try_records(message);
	else if (data[0] % 3 == 0)
		try_packet(message);
	else
		try_request(message, data[0] % 3 == 1);
	return 0;
}
