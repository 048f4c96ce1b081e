/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way to the kernel's random numbers: bytes, names in hex, jitter. Called by every role;
 * it must never hand out a fixed value where a name has to be nobody else's.
 */
#include "lib/random.h"

#include <errno.h>
#include <sys/random.h>

#include "lib/log.h"
#include "lib/str.h"

static int fill(void *dst, size_t len)
{
	return getrandom(dst, len, 0) == (ssize_t)len ? 0 : -EAGAIN;
}

int random_fill(void *dst, size_t len, const char *what, struct err *err)
{
	if (fill(dst, len) < 0)
		return err_set(err, -EAGAIN, "no random bytes for %s", what);
	return 0;
}

int random_hex(char *dst, size_t digits, const char *what, struct err *err)
{
	uint8_t bytes[RANDOM_HEX_MAX / 2];
	int r;

	if (digits % 2 || digits > RANDOM_HEX_MAX)
		return err_set(err, -EINVAL, "%zu digits cannot be made for %s", digits, what);
	r = random_fill(bytes, digits / 2, what, err);
	if (r >= 0)
		str_hex(bytes, digits / 2, dst);
	return r;
}

void random_must(void *dst, size_t len)
{
	if (fill(dst, len) < 0)
		fatal("no random numbers from the kernel");
}

uint32_t random_u32(void)
{
	uint32_t number;

	random_must(&number, sizeof(number));
	return number;
}

uint32_t random_jitter(void)
{
	uint32_t number = 0;

	(void)!getrandom(&number, sizeof(number), GRND_NONBLOCK);
	return number;
}
