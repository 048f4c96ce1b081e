/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a pack as they are meant: deltas put together. Runs in the unpack role. Must never
 * follow a chain without an end, nor hold more than one object and what it is made of.
 */
#include <errno.h>
#include <string.h>
#include "engine/git/pack_parts.h"
#include "lib/own.h"

enum {
	LOAD_ROUNDS_MAX = 256,	   /* of deltas whose bases are named and come later */
	LOAD_KEPT_MAX = 256 << 10, /* bytes of the largest object that is kept */
};

static int sink_buf(void *owner, struct str data, struct err *err)
{
	return buf_add_str(owner, data) < 0 ? err_set(err, -ENOMEM, "git: no memory for an object")
					    : 0;
}

static int load_own(struct git_pack *pack, uint32_t index, struct buf *out, struct err *err)
{
	const struct git_object *o = &pack->objects[index];
	uint64_t end;

	if (o->size > GIT_OBJECT_MAX)
		return err_set(err, -EFBIG, "git: an object of %llu MiB: larger than %d",
			       (unsigned long long)(o->size >> 20), GIT_OBJECT_MAX >> 20);
	buf_init(out, o->size + 1);
	return git_pack_inflate(pack, o->data, o->size, sink_buf, out, &end, err);
}

static void keep(struct git_pack *pack, uint32_t index, struct str data)
{
	struct git_kept *slot = &pack->cache[index % GIT_PACK_CACHE];

	if (data.len > LOAD_KEPT_MAX)
		return;
	buf_done(&slot->data);
	buf_init(&slot->data, data.len + 1);
	slot->index = buf_add_str(&slot->data, data) < 0 ? GIT_NO_OBJECT : index;
}

static bool is_kept(const struct git_pack *pack, uint32_t index)
{
	return pack->cache[index % GIT_PACK_CACHE].index == index;
}

/* From the object down to one that is whole or kept. */
static int chain_of(const struct git_pack *pack, uint32_t index, uint32_t chain[GIT_CHAIN_MAX],
		    uint32_t *ret_count, struct err *err)
{
	uint32_t count = 0;

	for (;;) {
		if (count == GIT_CHAIN_MAX)
			return git_pack_malformed("deltas without an end", err);
		chain[count++] = index;
		if (is_kept(pack, index) || pack->objects[index].base == GIT_NO_OBJECT)
			break;
		index = pack->objects[index].base;
	}
	*ret_count = count;
	return 0;
}

int git_pack_load(struct git_pack *pack, uint32_t index, struct buf *ret, struct err *err)
{
	static uint32_t chain[GIT_CHAIN_MAX];
	struct buf data OWN(buf_done) = { 0 };
	uint32_t count;
	int r = chain_of(pack, index, chain, &count, err);

	if (r < 0)
		return r;
	index = chain[count - 1];
	if (is_kept(pack, index)) {
		const struct buf *old = &pack->cache[index % GIT_PACK_CACHE].data;

		buf_init(&data, old->len + 1);
		r = sink_buf(&data, buf_str(old), err);
	} else {
		r = load_own(pack, index, &data, err);
	}
	for (uint32_t i = count - 1; r == 0 && i-- > 0;) {
		struct buf delta OWN(buf_done) = { 0 }, made = { 0 };

		r = load_own(pack, chain[i], &delta, err);
		if (r == 0)
			r = git_delta_apply(buf_str(&data), buf_str(&delta), &made, err);
		buf_done(&data);
		data = made;
		if (r == 0)
			keep(pack, chain[i], buf_str(&data));
	}
	if (r < 0)
		return r;
	*ret = data;
	data = (struct buf){ 0 };
	return 0;
}

int git_pack_stream(struct git_pack *pack, uint32_t index, git_sink_fn *sink, void *owner,
		    struct err *err)
{
	const struct git_object *o = &pack->objects[index];
	struct buf data OWN(buf_done) = { 0 };
	uint64_t end;
	int r;

	if (o->kind < GIT_OFS_DELTA)
		return git_pack_inflate(pack, o->data, o->size, sink, owner, &end, err);
	r = git_pack_load(pack, index, &data, err);
	return r < 0 || data.len == 0 ? r : sink(owner, buf_str(&data), err);
}

/* A delta whose base is known: 1; 0 = it is not yet. */
static int settle(struct git_pack *pack, uint32_t index, struct err *err)
{
	struct git_object *o = &pack->objects[index];
	struct buf data OWN(buf_done) = { 0 };
	struct git_naming naming;
	int64_t base = o->base;
	int r;

	if (o->base == GIT_NO_OBJECT)
		base = git_pack_find(pack, &o->oid);
	if (base < 0 || pack->objects[base].type == GIT_TYPE_NONE)
		return 0;
	o->base = (uint32_t)base;
	r = git_pack_load(pack, index, &data, err);
	if (r < 0)
		return r;
	o->type = pack->objects[base].type;
	o->whole = data.len;
	git_naming_begin(&naming, (enum git_type)o->type, data.len);
	(void)git_naming_add(&naming, buf_str(&data), err);
	git_naming_end(&naming, &o->oid);
	git_pack_add_name(pack, index);
	return 1;
}

int git_pack_deltas(struct git_pack *pack, struct err *err)
{
	bool moved = true, left = true;

	for (int round = 0; moved && left && round < LOAD_ROUNDS_MAX; round++) {
		moved = left = false;
		for (uint32_t i = 0; i < pack->count; i++) {
			int r;

			if (pack->objects[i].type != GIT_TYPE_NONE)
				continue;
			r = settle(pack, i, err);
			if (r < 0)
				return r;
			moved = moved || r == 1;
			left = left || r == 0;
		}
	}
	return left ? git_pack_malformed("a delta without its base", err) : 0;
}
