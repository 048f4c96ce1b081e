/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_CACHE_MSG_H
#define HOY_ENGINE_API_CACHE_MSG_H

/*
 * engine main -> pull role, beside those of pull_msg.h: caches of builds
 * (engine/oci/build_cache.h).
 *
 * PULL_MSG_CACHE (call)   struct pull_start: `reference` is a cache of builds; the last host is
 * asked reply: u32 count, {digest key, u8 has layer, digest layer, u64 size}...: what it says, of
 * no other worth; at most OCI_CACHE_STEPS_MAX. -ENOENT, -ENOTSUP (another kind of image)
 * PULL_MSG_CACHE_LAYER (call) 32 bytes digest, u64 size, struct pull_start: one layer of it, a
 * plain tar, offered by PULL_MSG_BLOB like any other reply: empty
 */
enum pull_cache_msg {
	PULL_MSG_CACHE = 12,
	PULL_MSG_CACHE_LAYER = 13,
};

#endif
