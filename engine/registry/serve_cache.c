/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls about caches of builds: the steps that one names, and one layer of it. Runs in the pull
 * role. Must never answer with a step whose layer the manifest does not name.
 */
#include "engine/registry/serve_cache.h"

#include <errno.h>
#include "engine/api/cache_msg.h"
#include "engine/registry/pull.h"
#include "lib/own.h"
#include "lib/wire.h"

enum { CACHE_ARENA_MAX = 64 << 20 };

/* Counted and checked here; main only looks keys up in it. */
int serve_cache_steps(struct str body, struct str system_ca, struct buf *reply, struct err *err)
{
	struct arena arena OWN(arena_done);
	struct oci_cache_step *steps;
	struct pull_start start;
	uint32_t count;
	int r;

	arena_init(&arena, CACHE_ARENA_MAX);
	r = pull_start_decode(body, &arena, &start, err);
	if (r == 0)
		r = pull_cache(&start, system_ca, &arena, &steps, &count, err);
	if (r < 0)
		return r;
	wire_put_u32(reply, count);
	for (uint32_t i = 0; i < count; i++) {
		wire_put_bytes(reply, steps[i].key.bytes, SHA256_SIZE);
		wire_put_u8(reply, steps[i].has_layer);
		wire_put_bytes(reply, steps[i].layer.bytes, SHA256_SIZE);
		wire_put_u64(reply, steps[i].size);
	}
	return buf_error(reply) < 0 ? err_set(err, -E2BIG, "the cache names too many steps") : 0;
}

int serve_cache_layer(struct str body, struct str system_ca, const struct pull_sink *sink,
		      struct err *err)
{
	struct arena arena OWN(arena_done);
	struct pull_start start;
	struct digest layer;
	struct wire in;
	uint64_t size;
	int r;

	arena_init(&arena, CACHE_ARENA_MAX);
	wire_init(&in, body.ptr, body.len);
	wire_bytes(&in, layer.bytes, sizeof(layer.bytes));
	size = wire_u64(&in);
	if (in.error)
		return err_set(err, -EBADMSG, "malformed request for a layer");
	r = pull_start_decode(str_make(in.ptr, in.left), &arena, &start, err);
	return r < 0 ? r : pull_cache_layer(&start, system_ca, &layer, size, sink, &arena, err);
}
