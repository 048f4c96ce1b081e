/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_SECCOMP_PROFILE_H
#define HOY_ENGINE_RUN_SECCOMP_PROFILE_H

#include <stdint.h>
#include "engine/oci/runtime_seccomp.h"
#include "engine/run/spec_process.h"
#include "lib/buf.h"
#include "lib/err.h"

/*
 * Compiles a profile that a person wrote (config.json's linux.seccomp, a client's
 * --security-opt seccomp=FILE) by libseccomp; `what` names it in messages. The program stands in
 * `program`, which *ret_filter points into. Before a sandbox is entered seccomp_api_get() has to be
 * called once: the library asks the kernel what it can. -EINVAL names the place in the profile,
 * -ENOTSUP an architecture that the library does not know.
 */
int seccomp_profile_compile(const struct runtime_seccomp *profile, const char *what,
			    struct buf *program, struct run_seccomp_filter *ret_filter,
			    struct err *err);

/* The library's token of "SCMP_ARCH_X86_64", 0 = it does not know it. */
uint32_t seccomp_profile_arch(const char *name);
/* "2.6.0", in static memory. */
const char *seccomp_profile_library(void);

#endif
