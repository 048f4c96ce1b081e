/* SPDX-License-Identifier: Apache-2.0 */
/* cosign's documents and signatures of a stranger: none is good by a key that he has not. */
#include <stdlib.h>
#include "engine/registry/cosign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key[] = "-----BEGIN PUBLIC KEY-----\n"
			  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIQYtyAD0YhWd47pR0TuCGTW6YKts\n"
			  "MZkdF4nRSs67WKmLR81sZVRN41QQDjTaSNtP5vYqdUUzgsH32OzulvIf1A==\n"
			  "-----END PUBLIC KEY-----\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cosign_signature list[COSIGN_SIGNATURES_MAX];
	const struct digest digest = { { 0 } };
	struct str text = str_make(data, size);
	struct arena arena;
	int count;

	arena_init(&arena, 1 << 20);
	count = cosign_manifest_parse(text, &arena, list, COSIGN_SIGNATURES_MAX, NULL);
	if (count > COSIGN_SIGNATURES_MAX)
		abort();
	for (int i = 0; i < count && i < 2; i++) {
		if (list[i].size > COSIGN_PAYLOAD_MAX ||
		    cosign_verify(text, list[i].signature, &digest, key, NULL) != 0)
			abort();
	}
	if (size > 0 && size < 2048 && data[size - 1] == 0)
		(void)cosign_verify(STR("x"), "AAAA", &digest, (const char *)data, NULL);
	arena_done(&arena);
	return 0;
}
