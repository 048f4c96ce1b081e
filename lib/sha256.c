/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns SHA-256 (FIPS 180-4) and the text form of digests. Engine roles run it. It must never choose
 * instructions that the CPU was not seen to have.
 */
#include "lib/sha256.h"

#include <errno.h>
#include <string.h>
#include "lib/sha256_block.h"

enum { BLOCK = 64, LENGTH_AT = 56 };

static sha256_block_fn *blocks;

static void choose(void)
{
	blocks = sha256_hardware();
	if (!blocks)
		blocks = sha256_blocks_portable;
}

void sha256_init(struct sha256 *ctx)
{
	/* FIPS 180-4, 5.3.3 */
	static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	if (!blocks)
		choose();
	*ctx = (struct sha256){ 0 };
	memcpy(ctx->state, start, sizeof(start));
}

void sha256_add(struct sha256 *ctx, const void *data, size_t len)
{
	const uint8_t *at = data;
	size_t have = (size_t)(ctx->total % BLOCK);
	size_t whole;

	if (len == 0)
		return;
	ctx->total += len;
	if (have > 0) {
		size_t part = len < BLOCK - have ? len : BLOCK - have;

		memcpy(ctx->block + have, at, part);
		at += part;
		len -= part;
		if (have + part < BLOCK)
			return;
		blocks(ctx->state, ctx->block, 1);
	}
	whole = len / BLOCK;
	if (whole > 0)
		blocks(ctx->state, at, whole);
	if (len % BLOCK > 0)
		memcpy(ctx->block, at + whole * BLOCK, len % BLOCK);
}

void sha256_end(struct sha256 *ctx, struct digest *ret_digest)
{
	size_t have = (size_t)(ctx->total % BLOCK);
	uint64_t bits = ctx->total * 8;

	/* 5.1.1: a one bit, zeros, and the length in the last eight bytes of a block */
	ctx->block[have++] = 0x80;
	if (have > LENGTH_AT) {
		memset(ctx->block + have, 0, BLOCK - have);
		blocks(ctx->state, ctx->block, 1);
		have = 0;
	}
	memset(ctx->block + have, 0, LENGTH_AT - have);
	for (size_t i = 0; i < 8; i++)
		ctx->block[LENGTH_AT + i] = (uint8_t)(bits >> (56 - 8 * i));
	blocks(ctx->state, ctx->block, 1);
	for (size_t i = 0; i < SHA256_SIZE; i++)
		ret_digest->bytes[i] = (uint8_t)(ctx->state[i / 4] >> (24 - 8 * (i % 4)));
}

bool digest_is_zero(const struct digest *digest)
{
	static const struct digest zero;

	return memcmp(digest, &zero, sizeof(zero)) == 0;
}

int digest_parse(struct str text, struct digest *ret_digest, struct err *err)
{
	static const char prefix[] = "sha256:";
	struct str hex = str_skip(text, sizeof(prefix) - 1);
	struct digest digest;
	char shown[120];
	bool good = str_starts(text, STR(prefix)) && hex.len == 2 * (size_t)SHA256_SIZE;

	/* One spelling for one digest: it becomes a file name. */
	for (size_t i = 0; good && i < hex.len; i++)
		good = !(hex.ptr[i] >= 'A' && hex.ptr[i] <= 'F');
	if (!good || str_unhex(hex, digest.bytes, SHA256_SIZE) < 0) {
		(void)str_escape(text, shown, sizeof(shown));
		return err_set(err, -EINVAL,
			       "'%s' is not a digest: expected sha256: and 64 hex digits", shown);
	}
	*ret_digest = digest;
	return 0;
}

const char *digest_text(const struct digest *digest, char dst[DIGEST_TEXT_MAX])
{
	static const char prefix[] = "sha256:";

	memcpy(dst, prefix, sizeof(prefix) - 1);
	str_hex(digest->bytes, SHA256_SIZE, dst + sizeof(prefix) - 1);
	return dst;
}
