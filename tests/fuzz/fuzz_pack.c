/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a stream of entry records, packed into an image. What is taken has a superblock
 * whose block count is the file's size, the same bytes each time, and is never bigger than was
 * said.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/erofs/pack.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void write_all(int fd, const uint8_t *data, size_t size)
{
	require(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
}

static bool pack_once(int in, int out, struct pack_result *result)
{
	struct err err = { 0 };
	require(lseek(in, 0, SEEK_SET) == 0 && ftruncate(out, 0) == 0);
	int r = pack_stream(in, out, NULL, NULL, result, &err);
	require((r == 0) == (err.code == 0));
	return r == 0;
}

static void check_image(int out, const struct pack_result *result)
{
	static const uint8_t magic[4] = { 0xe2, 0xe1, 0xf5, 0xe0 };
	uint8_t super[128];
	struct stat st;
	require(fstat(out, &st) == 0 && (uint64_t)st.st_size == result->bytes);
	require(pread(out, super, sizeof(super), 1024) == (ssize_t)sizeof(super));
	require(memcmp(super, magic, sizeof(magic)) == 0);
	uint64_t blocks = super[36] | (uint64_t)super[37] << 8 | (uint64_t)super[38] << 16 |
			  (uint64_t)super[39] << 24;
	require(blocks * 4096 == result->bytes);
}

static struct digest digest_file(int fd, uint64_t size)
{
	struct digest digest;
	struct sha256 hash;
	uint8_t block[4096];
	sha256_init(&hash);
	for (uint64_t at = 0; at < size && at < 1 << 20; at += sizeof(block)) {
		require(pread(fd, block, sizeof(block), (off_t)at) == (ssize_t)sizeof(block));
		sha256_add(&hash, block, sizeof(block));
	}
	sha256_end(&hash, &digest);
	return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWN_FD int in = memfd_create("in", MFD_CLOEXEC);
	OWN_FD int out = memfd_create("out", MFD_CLOEXEC);
	struct pack_result first, second;
	require(in >= 0 && out >= 0);
	write_all(in, data, size);
	if (!pack_once(in, out, &first))
		return 0;
	check_image(out, &first);
	struct digest one = digest_file(out, first.bytes);
	require(pack_once(in, out, &second) && second.bytes == first.bytes);
	struct digest two = digest_file(out, second.bytes);
	require(memcmp(&one, &two, sizeof(one)) == 0);
	return 0;
}
