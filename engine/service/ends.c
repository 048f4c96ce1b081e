/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of how services ended. Runs in engine main, on its own file. Pure: must never take a
 * damaged file for a whole one.
 */
#include "engine/service/ends.h"
#include <errno.h>
#include <string.h>
#include "engine/service/spec.h"
#include "lib/own.h"
#include "lib/sha256.h"

enum { ENDS_MAGIC = 8, ENDS_HEAD = ENDS_MAGIC + SHA256_SIZE };

void service_ends_add(struct service_ends *ends, int64_t at_s, const char *text)
{
	if (ends->count < SERVICE_ENDS_MAX)
		ends->count++;
	memmove(&ends->list[1], &ends->list[0], (ends->count - 1U) * sizeof(ends->list[0]));
	ends->list[0].at_s = at_s;
	(void)str_copy(str_head(str_from(text), SERVICE_END_TEXT_MAX - 1), ends->list[0].text,
		       sizeof(ends->list[0].text));
	ends->total++;
}

void service_ends_put(struct buf *out, const struct service_ends *ends)
{
	wire_put_u64(out, ends->total);
	wire_put_u32(out, ends->count);
	for (uint32_t i = 0; i < ends->count; i++) {
		wire_put_i64(out, ends->list[i].at_s);
		wire_put_text(out, ends->list[i].text);
	}
}

void service_ends_get(struct wire *in, struct service_ends *ret_ends)
{
	memset(ret_ends, 0, sizeof(*ret_ends));
	ret_ends->total = wire_u64(in);
	ret_ends->count = wire_count(in, SERVICE_ENDS_MAX);
	for (uint32_t i = 0; i < ret_ends->count; i++) {
		ret_ends->list[i].at_s = wire_i64(in);
		wire_text(in, ret_ends->list[i].text, SERVICE_END_TEXT_MAX);
	}
}

void service_ends_begin(struct buf *out, uint32_t count)
{
	static const char head[ENDS_HEAD] = "hoyends1";

	(void)buf_add(out, head, sizeof(head));
	wire_put_u32(out, count);
}

int service_ends_seal(struct buf *out)
{
	struct digest digest;
	struct sha256 hash;

	if (buf_error(out))
		return buf_error(out);
	sha256_init(&hash);
	sha256_add(&hash, out->data + ENDS_HEAD, out->len - ENDS_HEAD);
	sha256_end(&hash, &digest);
	memcpy(out->data + ENDS_MAGIC, digest.bytes, SHA256_SIZE);
	return 0;
}

static bool sum_right(struct str file)
{
	struct digest digest;
	struct sha256 hash;

	if (file.len < ENDS_HEAD || memcmp(file.ptr, "hoyends1", ENDS_MAGIC) != 0)
		return false;
	sha256_init(&hash);
	sha256_add(&hash, file.ptr + ENDS_HEAD, file.len - ENDS_HEAD);
	sha256_end(&hash, &digest);
	return !memcmp(digest.bytes, file.ptr + ENDS_MAGIC, SHA256_SIZE);
}

static int read_all(struct str file,
		    void (*fn)(void *owner, const char *name, const struct service_ends *ends),
		    void *owner)
{
	char name[SERVICE_NAME_MAX + 1];
	struct service_ends ends;
	struct wire in;
	uint32_t count;

	wire_init(&in, file.ptr + ENDS_HEAD, file.len - ENDS_HEAD);
	count = wire_count(&in, SERVICE_COUNT_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		wire_text(&in, name, sizeof(name));
		service_ends_get(&in, &ends);
		if (fn && !in.error)
			fn(owner, name, &ends);
	}
	return wire_end(&in);
}

int service_ends_read(struct str file,
		      void (*fn)(void *owner, const char *name, const struct service_ends *ends),
		      void *owner, struct err *err)
{
	if (!sum_right(file) || read_all(file, NULL, NULL) < 0)
		return err_set(err, -EBADMSG, "the record of services' ends is damaged");
	return read_all(file, fn, owner);
}
