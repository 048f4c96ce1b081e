/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of /data/containers/<id>/state. Runs in engine main, on what it wrote itself, maybe
 * before a power cut. Pure; must never take a file whose sum is wrong, nor one of another shape.
 *
 *   offset 0   8 bytes "hoycont1"
 *          8   32 bytes SHA-256 over the rest
 *         40   i64 created (seconds since 1970), then the definition (def_wire.c) to the end
 */
#include <errno.h>
#include <string.h>
#include "engine/container/def.h"

static const char state_magic[8] = { 'h', 'o', 'y', 'c', 'o', 'n', 't', '1' };

enum { STATE_HEAD = 8 + SHA256_SIZE };

static void state_sum(const void *data, size_t len, struct digest *ret_digest)
{
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, data, len);
	sha256_end(&hash, ret_digest);
}

int container_state_encode(const struct container_def *def, int64_t created_s, struct buf *out,
			   struct err *err)
{
	static const char blank[STATE_HEAD];
	struct digest sum;

	buf_clear(out);
	(void)buf_add(out, blank, sizeof(blank));
	wire_put_i64(out, created_s);
	container_def_encode(def, out);
	if (buf_error(out))
		return err_set(err, buf_error(out), "state of container %s", def->name);
	state_sum(out->data + STATE_HEAD, out->len - STATE_HEAD, &sum);
	memcpy(out->data, state_magic, sizeof(state_magic));
	memcpy(out->data + sizeof(state_magic), sum.bytes, SHA256_SIZE);
	return 0;
}

int container_state_decode(struct str file, struct arena *arena, int64_t *ret_created_s,
			   struct container_def *ret_def, struct err *err)
{
	struct container_def def;
	struct digest sum;
	int64_t created_s;
	struct wire in;
	int r;

	if (file.len < STATE_HEAD || memcmp(file.ptr, state_magic, sizeof(state_magic)) != 0)
		return err_set(err, -EBADMSG, "the state file is not one of ours");
	state_sum(file.ptr + STATE_HEAD, file.len - STATE_HEAD, &sum);
	if (memcmp(file.ptr + sizeof(state_magic), sum.bytes, SHA256_SIZE) != 0)
		return err_set(err, -EBADMSG, "the state file is damaged: its sum does not fit");
	wire_init(&in, file.ptr + STATE_HEAD, file.len - STATE_HEAD);
	created_s = wire_i64(&in);
	r = container_def_decode(&in, arena, &def, err);
	if (r < 0)
		return r;
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "the state file has something behind its end");
	*ret_created_s = created_s;
	*ret_def = def;
	return 0;
}
