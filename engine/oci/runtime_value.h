/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_OCI_RUNTIME_VALUE_H
#define HOY_ENGINE_OCI_RUNTIME_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The small shapes that config.json is made of. */

/* A list ends with NULL behind items[count - 1]; NULL items = the key is not there. */
struct runtime_texts {
	const char **items;
	size_t count;
};

struct runtime_pairs {
	struct runtime_pair {
		const char *key, *value;
	} * items;
	size_t count;
};

struct runtime_u32s {
	uint32_t *items;
	size_t count;
};

struct runtime_u64 {
	bool set;
	uint64_t value;
};

struct runtime_i64 {
	bool set;
	int64_t value;
};

struct runtime_idmaps {
	struct runtime_idmap {
		uint32_t container, host, size;
	} * items;
	size_t count;
};

#endif
