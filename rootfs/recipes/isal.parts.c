/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of libisal.a as built here: what its inflate needs of the library's other files, which would
 * bring in every CRC and the whole of the compressor. It must never choose instructions that the
 * processor was not seen to have.
 */
#include <string.h>
#include "igzip_lib.h"

uint32_t crc32_gzip_refl(uint32_t seed, const unsigned char *buf, uint64_t len);
uint32_t isal_adler32_bam1(uint32_t adler, const unsigned char *start, uint64_t len);

extern uint32_t crc32_gzip_refl_by8_02(uint32_t seed, const unsigned char *buf, uint64_t len);
extern uint32_t crc32_gzip_refl_by8(uint32_t seed, const unsigned char *buf, uint64_t len);
extern uint32_t crc32_gzip_refl_base(uint32_t seed, const unsigned char *buf, uint64_t len);

uint32_t crc32_gzip_refl(uint32_t seed, const unsigned char *buf, uint64_t len)
{
	if (!__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.1"))
		return crc32_gzip_refl_base(seed, buf, len);
	if (__builtin_cpu_supports("avx"))
		return crc32_gzip_refl_by8_02(seed, buf, len);
	return crc32_gzip_refl_by8(seed, buf, len);
}

/* Of zlib's streams, which nobody opens here. */
uint32_t isal_adler32_bam1(uint32_t adler, const unsigned char *start, uint64_t len)
{
	(void)adler;
	(void)start;
	(void)len;
	__builtin_trap();
}

void isal_gzip_header_init(struct isal_gzip_header *header)
{
	memset(header, 0, sizeof(*header));
}

void isal_zlib_header_init(struct isal_zlib_header *header)
{
	memset(header, 0, sizeof(*header));
}
