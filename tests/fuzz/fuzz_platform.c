/* SPDX-License-Identifier: Apache-2.0 */
/* A platform that was taken reads the same once it is written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/docker/platform.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[DOCKER_PLATFORM_MAX], again[DOCKER_PLATFORM_MAX];
	struct docker_platform p;

	if (docker_platform_parse(str_make((const char *)data, size), &p, NULL) < 0)
		return 0;
	docker_platform_text(&p, text);
	if (docker_platform_parse(str_from(text), &p, NULL) < 0)
		abort();
	docker_platform_text(&p, again);
	if (strcmp(text, again) != 0)
		abort();
	return 0;
}
