/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_SANDBOX_FILTER_H
#define HOY_LIB_SANDBOX_FILTER_H

#include <linux/filter.h>
#include <stddef.h>
#include "lib/sandbox.h"

/* The seccomp programs of the profiles. For lib and its tests only. */

enum { SANDBOX_FILTER_MAX = 1024 };

struct sandbox_filter {
	struct sock_filter code[SANDBOX_FILTER_MAX];
	size_t len;
	bool overflow;
};

/* What a profile's process may call; all else kills it. self = its pid, for tgkill. */
void sandbox_filter_profile(struct sandbox_filter *filter, enum sandbox_profile profile,
			    uint32_t self);

/* The few calls that engine main, the shim and so every container may never make (EPERM). */
void sandbox_filter_deny(struct sandbox_filter *filter);

#endif
