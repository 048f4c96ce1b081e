/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the SHA-256 compression function: portable, with the x86 SHA extensions, with the ARMv8
 * cryptography extension. Engine roles run it. It must never be called for instructions that
 * sha256_hardware() did not find.
 */
#include "lib/sha256_block.h"

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractions of the cube roots of 64 primes. */
const uint32_t sha256_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static uint32_t load_be(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* One of the 64 rounds of 6.2.2, step 3, on a..h. */
static void one_round(uint32_t v[8], uint32_t k_plus_w)
{
	uint32_t a = v[0], e = v[4];
	uint32_t choose = (e & v[5]) ^ (~e & v[6]);
	uint32_t majority = (a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]);
	uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choose + k_plus_w;
	uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;

	for (int i = 7; i > 0; i--)
		v[i] = v[i - 1];
	v[4] += t1;
	v[0] = t1 + t2;
}

void sha256_blocks_portable(uint32_t state[8], const uint8_t *data, size_t blocks)
{
	for (; blocks > 0; blocks--, data += 64) {
		uint32_t w[64], v[8];

		for (int i = 0; i < 16; i++)
			w[i] = load_be(data + 4 * i);
		for (int i = 16; i < 64; i++) {
			uint32_t x = w[i - 15], y = w[i - 2];

			w[i] = w[i - 16] + w[i - 7] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) +
			       (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
		}
		for (int i = 0; i < 8; i++)
			v[i] = state[i];
		for (int i = 0; i < 64; i++)
			one_round(v, sha256_k[i] + w[i]);
		for (int i = 0; i < 8; i++)
			state[i] += v[i];
	}
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

/*
 * The instructions keep the state as ABEF and CDGH. Sixteen steps of four rounds; from the fourth
 * on each makes the four message words that the step four later needs (w[t] from w[t-16..t-1]).
 */
__attribute__((target("sha,sse4.1"))) static void blocks_x86(uint32_t state[8], const uint8_t *data,
							     size_t blocks)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i low = _mm_loadu_si128((const void *)&state[0]);	 /* DCBA */
	__m128i high = _mm_loadu_si128((const void *)&state[4]); /* HGFE */
	__m128i abef, cdgh;

	low = _mm_shuffle_epi32(low, 0xb1);   /* CDAB */
	high = _mm_shuffle_epi32(high, 0x1b); /* EFGH */
	abef = _mm_alignr_epi8(low, high, 8);
	cdgh = _mm_blend_epi16(high, low, 0xf0);

	for (; blocks > 0; blocks--, data += 64) {
		__m128i abef_in = abef, cdgh_in = cdgh, w[4];

		for (int i = 0; i < 4; i++)
			w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(data + 16 * i)),
						swap);
#pragma GCC unroll 16
		for (int i = 0; i < 16; i++) {
			__m128i now = w[i & 3], sum;

			sum = _mm_add_epi32(now, _mm_loadu_si128((const void *)&sha256_k[4 * i]));
			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
			if (i < 12) {
				__m128i next = _mm_sha256msg1_epu32(now, w[(i + 1) & 3]);

				next = _mm_add_epi32(
					next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
				w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
			}
		}
		abef = _mm_add_epi32(abef, abef_in);
		cdgh = _mm_add_epi32(cdgh, cdgh_in);
	}

	low = _mm_shuffle_epi32(abef, 0x1b);  /* FEBA */
	high = _mm_shuffle_epi32(cdgh, 0xb1); /* DCHG */
	_mm_storeu_si128((void *)&state[0], _mm_blend_epi16(low, high, 0xf0));
	_mm_storeu_si128((void *)&state[4], _mm_alignr_epi8(high, low, 8));
}

sha256_block_fn *sha256_hardware(void)
{
	unsigned a, b, c, d;

	/* Leaf 1: SSSE3 (ecx 9) and SSE4.1 (ecx 19); leaf 7: SHA (ebx 29). */
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 9) || !(c & 1u << 19))
		return NULL;
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 29))
		return NULL;
	return blocks_x86;
}

#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>

#ifndef HWCAP_SHA2
#define HWCAP_SHA2 (1 << 6)
#endif

__attribute__((target("+crypto"))) static void blocks_arm(uint32_t state[8], const uint8_t *data,
							  size_t blocks)
{
	uint32x4_t abcd = vld1q_u32(&state[0]);
	uint32x4_t efgh = vld1q_u32(&state[4]);

	for (; blocks > 0; blocks--, data += 64) {
		uint32x4_t abcd_in = abcd, efgh_in = efgh, w[4];

		for (int i = 0; i < 4; i++)
			w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * i)));
#pragma GCC unroll 16
		for (int i = 0; i < 16; i++) {
			uint32x4_t sum = vaddq_u32(w[i & 3], vld1q_u32(&sha256_k[4 * i]));
			uint32x4_t before = abcd;

			abcd = vsha256hq_u32(abcd, efgh, sum);
			efgh = vsha256h2q_u32(efgh, before, sum);
			if (i < 12)
				w[i & 3] =
					vsha256su1q_u32(vsha256su0q_u32(w[i & 3], w[(i + 1) & 3]),
							w[(i + 2) & 3], w[(i + 3) & 3]);
		}
		abcd = vaddq_u32(abcd, abcd_in);
		efgh = vaddq_u32(efgh, efgh_in);
	}
	vst1q_u32(&state[0], abcd);
	vst1q_u32(&state[4], efgh);
}

sha256_block_fn *sha256_hardware(void)
{
	return getauxval(AT_HWCAP) & HWCAP_SHA2 ? blocks_arm : NULL;
}

#else

sha256_block_fn *sha256_hardware(void)
{
	return NULL;
}

#endif
