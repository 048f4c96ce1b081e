/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_PLATFORM_H
#define HOY_ENGINE_DOCKER_PLATFORM_H

#include "lib/err.h"
#include "lib/str.h"

enum { DOCKER_PLATFORM_MAX = 96 };

struct docker_platform {
	char os[32], architecture[32], variant[32];
};

/*
 * "linux/arm64/v8", "linux" or "arm64", in the names that Docker gives the same ones (aarch64,
 * x86_64); what one part leaves open is this machine's. -EINVAL in containerd's words.
 */
int docker_platform_parse(struct str text, struct docker_platform *ret_platform, struct err *err);
/* As people write it: "linux/arm64". */
void docker_platform_text(const struct docker_platform *platform, char text[DOCKER_PLATFORM_MAX]);
/* Whether it is what this machine runs. */
bool docker_platform_is_own(const struct docker_platform *platform);

#endif
