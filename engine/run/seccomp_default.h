/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_SECCOMP_DEFAULT_H
#define HOY_ENGINE_RUN_SECCOMP_DEFAULT_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/str.h"

/*
 * The program for Docker's default capabilities, compiled when Hoy was built: libseccomp needs
 * 0.35 s for it under emulation, at a moment when the first container could already start. The data
 * is build/<arch>/gen/seccomp_default_program.c, written by seccomp_default_gen.c.
 */
extern const uint64_t seccomp_default_caps; /* UINT64_MAX: there is none for this machine */
extern const uint32_t seccomp_default_arch; /* as seccomp_arch_native() */
extern const struct sock_filter seccomp_default_program[];
extern const size_t seccomp_default_bytes;

/*
 * The program when it was made for exactly these capabilities and this architecture, else empty:
 * then it is compiled at run time. Lives as long as the process.
 */
struct str seccomp_default_find(uint64_t caps, uint32_t arch);

#endif
