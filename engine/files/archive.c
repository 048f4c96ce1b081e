/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells archives by their first bytes. Runs in the files role. Must never look at more of them:
 * what is in an archive is read by the unpack role, which holds nothing.
 */
#include "engine/files/archive.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include "lib/own.h"

enum { BLOCK = 512, SUM_AT = 148, SUM_LEN = 8 };

static const struct magic {
	const char *bytes;
	size_t len;
} magics[] = {
	{ "\x1f\x8b", 2 },
	{ "\x28\xb5\x2f\xfd", 4 },
	{ "\xfd"
	  "7zXZ",
	  6 },
	{ "BZh", 3 },
};

/* The header's own sum: its bytes, those of the sum taken as blanks (POSIX ustar). */
static bool is_tar(const uint8_t *block)
{
	uint32_t sum = 0, said = 0;
	bool digits = false;
	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= SUM_AT && i < SUM_AT + SUM_LEN ? ' ' : block[i];
	for (size_t i = SUM_AT; i < SUM_AT + SUM_LEN; i++) {
		if (block[i] >= '0' && block[i] <= '7') {
			said = said * 8 + (uint32_t)(block[i] - '0');
			digits = true;
		} else if (block[i] != ' ' && block[i] != 0) {
			return false;
		} else if (digits) {
			break;
		}
	}
	return digits && said == sum;
}

int archive_kind(int fd, struct err *err)
{
	uint8_t block[BLOCK] = { 0 };
	ssize_t n = pread(fd, block, sizeof(block), 0);
	if (n < 0)
		return err_sys(err, -errno, "cannot read");
	for (size_t i = 0; i < ARRAY_LEN(magics); i++)
		if ((size_t)n >= magics[i].len && !memcmp(block, magics[i].bytes, magics[i].len))
			return 1;
	return n == BLOCK && is_tar(block);
}
