/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tar of plain files (POSIX.1-1988 ustar). Pure; runs in the console program.
 */
#include "init/console/ustar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The fields of a header, offset by offset. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
	char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
	char pad[12];
};

static void octal(char *field, size_t cap, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%0*llo", (int)cap - 1, (unsigned long long)value);
	memcpy(field, text, cap);
}

int ustar_put_file(struct buf *out, const char *name, struct str content, int64_t mtime_s)
{
	static const char zeroes[USTAR_BLOCK];
	struct header header = { .type = '0' };
	const unsigned char *bytes = (const unsigned char *)&header;
	unsigned sum = 0;

	_Static_assert(sizeof(struct header) == USTAR_BLOCK, "a header is a block");
	if (strlen(name) > USTAR_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(header.name, name, strlen(name));
	octal(header.mode, sizeof(header.mode), 0600);
	octal(header.uid, sizeof(header.uid), 0);
	octal(header.gid, sizeof(header.gid), 0);
	octal(header.size, sizeof(header.size), content.len & 077777777777);
	octal(header.mtime, sizeof(header.mtime), mtime_s > 0 ? (uint64_t)mtime_s : 0);
	memcpy(header.magic, "ustar", sizeof(header.magic));
	memcpy(header.version, "00", sizeof(header.version));
	memset(header.checksum, ' ', sizeof(header.checksum));
	for (size_t i = 0; i < sizeof(header); i++)
		sum += bytes[i];
	octal(header.checksum, sizeof(header.checksum) - 1, sum);
	(void)buf_add(out, &header, sizeof(header));
	(void)buf_add_str(out, content);
	(void)buf_add(out, zeroes, (USTAR_BLOCK - content.len % USTAR_BLOCK) % USTAR_BLOCK);
	return buf_error(out);
}

int ustar_put_end(struct buf *out)
{
	static const char zeroes[2 * USTAR_BLOCK];

	(void)buf_add(out, zeroes, sizeof(zeroes));
	return buf_error(out);
}
