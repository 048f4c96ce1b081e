/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_SHA256_BLOCK_H
#define HOY_LIB_SHA256_BLOCK_H

#include <stddef.h>
#include <stdint.h>

/* The compression function in its forms. For lib and its tests only. */

typedef void sha256_block_fn(uint32_t state[8], const uint8_t *data, size_t blocks);

/* FIPS 180-4, 4.2.2 */
extern const uint32_t sha256_k[64];

sha256_block_fn sha256_blocks_portable;

/* The form for the instructions of this CPU, NULL when it has none. */
sha256_block_fn *sha256_hardware(void);

#endif
