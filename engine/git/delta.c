/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deltas of packs: copies out of the base and bytes of their own. Pure; runs in the unpack role.
 * Must never copy from outside of the base, nor make more than the delta announced.
 */
#include <errno.h>
#include "engine/git/pack.h"

/* Seven bits a byte, the lowest first. */
static int read_size(struct str *in, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 63; shift += 7) {
		unsigned char c;

		if (in->len == 0)
			return -EBADMSG;
		c = (unsigned char)in->ptr[0];
		*in = str_skip(*in, 1);
		value |= (uint64_t)(c & 127) << shift;
		if (!(c & 128)) {
			*ret = value;
			return 0;
		}
	}
	return -EBADMSG;
}

/* Four bytes of an offset, three of a size, as far as the bits of the command say. */
static int read_copy(struct str *in, unsigned command, uint64_t *ret_from, uint64_t *ret_size)
{
	uint64_t value[2] = { 0, 0 };

	for (unsigned bit = 0; bit < 7; bit++) {
		if (!(command & 1U << bit))
			continue;
		if (in->len == 0)
			return -EBADMSG;
		value[bit >= 4] |= (uint64_t)(unsigned char)in->ptr[0]
				   << (8 * (bit >= 4 ? bit - 4 : bit));
		*in = str_skip(*in, 1);
	}
	*ret_from = value[0];
	*ret_size = value[1] ? value[1] : 0x10000;
	return 0;
}

static int malformed(struct err *err)
{
	return err_set(err, -EBADMSG, "git: a malformed delta");
}

int git_delta_apply(struct str base, struct str delta, struct buf *out, struct err *err)
{
	uint64_t base_size, size, from, count;

	if (read_size(&delta, &base_size) < 0 || read_size(&delta, &size) < 0 ||
	    base_size != base.len)
		return malformed(err);
	if (size > GIT_OBJECT_MAX)
		return err_set(err, -EFBIG, "git: an object of %llu MiB: larger than %d",
			       (unsigned long long)(size >> 20), GIT_OBJECT_MAX >> 20);
	buf_init(out, size + 1);
	while (delta.len > 0) {
		unsigned command = (unsigned char)delta.ptr[0];

		delta = str_skip(delta, 1);
		if (command & 128) {
			if (read_copy(&delta, command, &from, &count) < 0 || from > base.len ||
			    count > base.len - from || count > size - out->len)
				return malformed(err);
			(void)buf_add(out, base.ptr + from, count);
		} else {
			if (command == 0 || command > delta.len || command > size - out->len)
				return malformed(err);
			(void)buf_add(out, delta.ptr, command);
			delta = str_skip(delta, command);
		}
		if (buf_error(out))
			return err_set(err, -ENOMEM, "git: no memory for an object");
	}
	return out->len == size ? 0 : malformed(err);
}
