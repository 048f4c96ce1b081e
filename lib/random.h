/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_RANDOM_H
#define HOY_LIB_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/*
 * Numbers that nobody can foretell, from the kernel (getrandom(2)). It waits until the kernel has
 * some, which on a machine that boots may take a moment; only random_jitter() never waits.
 */

/* Fills dst. -EAGAIN, with a sentence that names `what` they were for ("a container id"). */
int random_fill(void *dst, size_t len, const char *what, struct err *err);

/* As random_fill(), written as `digits` lower-case hex digits and NUL: dst holds digits + 1 bytes.
 * digits: even, at most RANDOM_HEX_MAX. */
enum { RANDOM_HEX_MAX = 64 };
int random_hex(char *dst, size_t digits, const char *what, struct err *err);

/* For those to whom a kernel without random numbers is a reason to end: ends the process then. */
void random_must(void *dst, size_t len);
uint32_t random_u32(void);

/* For pauses and made-up names, which a poor number does no harm: 0 where the kernel has none. */
uint32_t random_jitter(void);

#endif
