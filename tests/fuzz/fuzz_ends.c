/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of how services ended. As it comes it must have its sum; with the sum put right, what
 * is taken is written again to the very same bytes.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/service/ends.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 8 + 32 };

struct again {
	struct buf body;
	uint32_t count;
};

static void on_ends(void *owner, const char *name, const struct service_ends *ends)
{
	struct again *again = owner;

	if (ends->count > SERVICE_ENDS_MAX)
		abort();
	again->count++;
	wire_put_text(&again->body, name);
	service_ends_put(&again->body, ends);
}

static void check(struct str file)
{
	struct buf out OWN(buf_done) = { 0 };
	struct again again = { .count = 0 };
	struct err err = { 0 };

	buf_init(&again.body, 1 << 20);
	if (service_ends_read(file, on_ends, &again, &err) < 0) {
		if (err.code != -EBADMSG || again.count)
			abort();
		buf_done(&again.body);
		return;
	}
	buf_init(&out, 1 << 20);
	service_ends_begin(&out, again.count);
	(void)buf_add_str(&out, buf_str(&again.body));
	buf_done(&again.body);
	if (service_ends_seal(&out) < 0 || !str_eq(buf_str(&out), file))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file OWN(buf_done) = { 0 };

	if (size > 65536)
		return 0;
	check(str_make(data, size));
	if (size < HEAD)
		return 0;
	buf_init(&file, 1 << 20);
	(void)buf_add(&file, "hoyends1", 8);
	(void)buf_add(&file, data + 8, size - 8);
	if (service_ends_seal(&file) == 0)
		check(buf_str(&file));
	return 0;
}
