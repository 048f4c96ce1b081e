/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_COSIGN_H
#define HOY_ENGINE_REGISTRY_COSIGN_H

#include <stdint.h>
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/str.h"

/*
 * Signatures as cosign makes them with a key: a manifest whose layers are payloads ("simple
 * signing" JSON that names the signed digest), each with its ECDSA P-256 signature over SHA-256 as
 * an annotation. Pure.
 */
enum {
	COSIGN_SIGNATURES_MAX = 32, /* of one manifest */
	COSIGN_PAYLOAD_MAX = 64 << 10,
	COSIGN_KEYS_MAX = 64 << 10, /* PEM text */
};

#define COSIGN_ARTIFACT_TYPE "application/vnd.dev.cosign.artifact.sig.v1+json"

struct cosign_signature {
	struct digest payload; /* the blob that was signed */
	uint64_t size;
	const char *signature; /* base64 of the DER form */
};

/* The signatures in a manifest, at most `max`, texts in the arena: their count, -EBADMSG. */
int cosign_manifest_parse(struct str text, struct arena *arena, struct cosign_signature *ret_list,
			  uint32_t max, struct err *err);

/*
 * Whether one of the public keys (PEM, one behind another) made this signature of this payload, and
 * the payload names this digest: 1, 0 = no. -EINVAL: a key that is no ECDSA P-256 public key.
 */
int cosign_verify(struct str payload, const char *signature, const struct digest *digest,
		  const char *keys, struct err *err);

#endif
