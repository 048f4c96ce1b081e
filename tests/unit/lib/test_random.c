/* SPDX-License-Identifier: Apache-2.0 */
/* Random names and numbers: their form, and that two are not the same. */
#include <errno.h>
#include <string.h>

#include "lib/own.h"
#include "lib/random.h"
#include "tests/unit/tap.h"

static void test_hex(void)
{
	char first[RANDOM_HEX_MAX + 2], second[RANDOM_HEX_MAX + 2];
	struct err err = { 0 };

	memset(first, 'x', sizeof(first));
	is_int(random_hex(first, RANDOM_HEX_MAX, "a name", &err), 0, "the longest name");
	is_int((int64_t)strspn(first, "0123456789abcdef"), RANDOM_HEX_MAX, "is hex, lower case");
	is_int(first[RANDOM_HEX_MAX], 0, "is ended");
	is_int(first[RANDOM_HEX_MAX + 1], 'x', "and nothing is written behind it");
	is_int(random_hex(second, RANDOM_HEX_MAX, "a name", &err), 0, "another one");
	ok(strcmp(first, second) != 0, "is another one");
	is_int(random_hex(first, 12, "a name", &err), 0, "a short one");
	is_int((int64_t)strlen(first), 12, "has as many digits as asked for");
}

static void test_refused(void)
{
	char dst[RANDOM_HEX_MAX + 3];
	struct err err = { 0 };

	is_int(random_hex(dst, 3, "a name", &err), -EINVAL, "half a byte is refused");
	is_text(err_text(&err), "3 digits cannot be made for a name", "by name");
	is_int(random_hex(dst, RANDOM_HEX_MAX + 2, "a name", &err), -EINVAL, "too many as well");
}

static void test_numbers(void)
{
	uint8_t zero[32] = { 0 }, bytes[32] = { 0 };
	uint32_t seen = 0;

	is_int(random_fill(bytes, sizeof(bytes), "a key", NULL), 0, "bytes");
	ok(memcmp(bytes, zero, sizeof(bytes)) != 0, "are there");
	for (int i = 0; i < 64; i++)
		seen |= random_u32();
	is_int(seen, 0xffffffff, "each bit of a number is set now and then");
	seen = 0;
	for (int i = 0; i < 64; i++)
		seen |= random_jitter();
	is_int(seen, 0xffffffff, "of a pause's number too");
}

int main(void)
{
	test_hex();
	test_refused();
	test_numbers();
	return tap_done();
}
