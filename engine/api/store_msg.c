/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of the records in the store's messages. Pure; linked by engine main and the store role.
 * Must never allocate beyond the caller's buffer.
 */
#include "engine/api/store_msg.h"

void store_digest_put(struct buf *out, const struct digest *digest)
{
	wire_put_bytes(out, digest->bytes, sizeof(digest->bytes));
}

void store_digest_get(struct wire *in, struct digest *ret_digest)
{
	wire_bytes(in, ret_digest->bytes, sizeof(ret_digest->bytes));
}

void store_layer_put(struct buf *out, const struct store_layer *layer)
{
	store_digest_put(out, &layer->digest);
	store_digest_put(out, &layer->diff);
	wire_put_u64(out, layer->size);
}

void store_layer_get(struct wire *in, struct store_layer *ret_layer)
{
	store_digest_get(in, &ret_layer->digest);
	store_digest_get(in, &ret_layer->diff);
	ret_layer->size = wire_u64(in);
}

void store_cached_put(struct buf *out, const struct store_cached *cached)
{
	wire_put_u8(out, cached->has_layer);
	store_layer_put(out, &cached->layer);
}

void store_cached_get(struct wire *in, struct store_cached *ret_cached)
{
	ret_cached->has_layer = wire_bool(in);
	store_layer_get(in, &ret_cached->layer);
}

void store_put_args_put(struct buf *out, const struct store_put_args *args)
{
	store_digest_put(out, &args->digest);
	wire_put_u64(out, args->size);
	wire_put_u8(out, args->keep);
}

void store_put_args_get(struct wire *in, struct store_put_args *ret_args)
{
	store_digest_get(in, &ret_args->digest);
	ret_args->size = wire_u64(in);
	ret_args->keep = wire_bool(in);
}
