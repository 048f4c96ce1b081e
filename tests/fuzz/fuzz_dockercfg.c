/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's config.json: texts that are whole, or an error. */
#include <stdlib.h>
#include <string.h>
#include "engine/registry/dockercfg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const registries[] = { "docker.io", "r.example:5000", "r" };
	struct dockercfg_login login;
	struct arena arena;

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < 3; i++) {
		int r = dockercfg_find(str_make(data, size), registries[i], &arena, &login, NULL);

		if (r > 1)
			abort();
		/* Read to their NUL. */
		if (r == 1 && strlen(login.user) + strlen(login.token) == 0)
			abort();
		if (r == 1 && strlen(login.password) > size)
			abort();
	}
	arena_done(&arena);
	return 0;
}
