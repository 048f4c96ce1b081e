/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_SHA256_H
#define HOY_LIB_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/str.h"

/* SHA-256 (FIPS 180-4) with the CPU's own instructions where it has them. */
enum { SHA256_SIZE = 32, DIGEST_TEXT_MAX = 72 }; /* "sha256:" + 64 + NUL */

struct sha256 {
	uint32_t state[8];
	uint64_t total;
	uint8_t block[64];
};

struct digest {
	uint8_t bytes[SHA256_SIZE];
};

void sha256_init(struct sha256 *ctx);
void sha256_add(struct sha256 *ctx, const void *data, size_t len);
void sha256_end(struct sha256 *ctx, struct digest *ret_digest);

/* "sha256:<64 lower-case hex>" and nothing else; -EINVAL otherwise. */
int digest_parse(struct str text, struct digest *ret_digest, struct err *err);
/* All bytes 0, which stands for "none". */
bool digest_is_zero(const struct digest *digest);
const char *digest_text(const struct digest *digest, char dst[DIGEST_TEXT_MAX]);

#endif
