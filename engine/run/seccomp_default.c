/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way to the filter that was compiled at build time. Runs in engine main; pure. Must never
 * hand it out for other capabilities or another architecture than it was made for.
 */
#include "engine/run/seccomp_default.h"

struct str seccomp_default_find(uint64_t caps, uint32_t arch)
{
	if (caps != seccomp_default_caps || arch != seccomp_default_arch)
		return (struct str){ 0 };
	return str_make((const char *)seccomp_default_program, seccomp_default_bytes);
}
