/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_SECCOMP_H
#define HOY_ENGINE_RUN_SECCOMP_H

#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"

/*
 * Docker's default profile as a table (seccomp_table.c): each row allows a list of system calls,
 * perhaps only on some architectures, only with (or only without) some capability, only for some
 * value of one argument.
 */
enum seccomp_arch {
	SECCOMP_ARCH_ANY = 0,
	SECCOMP_ARCH_AMD64 = 1,
	SECCOMP_ARCH_X32 = 2,
	SECCOMP_ARCH_X86 = 4,
	SECCOMP_ARCH_ARM64 = 8,
	SECCOMP_ARCH_ARM = 16,
	SECCOMP_ARCH_OTHER = 32,
};

enum seccomp_compare {
	SECCOMP_COMPARE_NONE,
	SECCOMP_COMPARE_LESS,
	SECCOMP_COMPARE_EQUAL,
	SECCOMP_COMPARE_GREATER,
	SECCOMP_COMPARE_MASKED, /* (argument & value) == 0 */
};

struct seccomp_rule {
	const char *names;  /* separated by spaces */
	uint32_t arches;    /* enum seccomp_arch bits, 0 = all */
	int8_t with_cap;    /* capability number, -1 = none needed */
	int8_t without_cap; /* not with this capability, -1 = none */
	uint8_t deny_errno; /* 0 = allow */
	uint8_t argument;   /* index */
	enum seccomp_compare compare;
	uint64_t value;
};

extern const struct seccomp_rule seccomp_table[];
extern const size_t seccomp_table_count;

/*
 * The BPF program (struct sock_filter[]) for a process with these capabilities: unlisted calls give
 * EPERM, calls newer than the newest one in the table ENOSYS (so that a libc falls back), a foreign
 * architecture kills. -EINVAL when libseccomp refuses.
 */
int seccomp_compile(uint64_t caps, struct buf *out, struct err *err);

/* The same, always through libseccomp: what was compiled when Hoy was built has to be equal. */
int seccomp_compile_fresh(uint64_t caps, struct buf *out, struct err *err);

/*
 * In front of libseccomp's program, for profiles that refuse what they do not list: a call newer
 * than `newest` answers ENOSYS, so that a C library takes its older way; EPERM would make it fail.
 */
void seccomp_put_prefix(struct buf *out, uint32_t newest);
/*
 * In front of a whole program: nobody takes a file out of its quota project (quota.h), which its
 * owner may in the host's user namespace: ioctls that change a file's attributes give EPERM.
 */
void seccomp_put_keep_project(struct buf *out);
/* The program that allows everything, to stand behind it. */
void seccomp_put_allow(struct buf *out);
/* Appends the program of ctx, a scmp_filter_ctx. */
int seccomp_put_program(struct buf *out, void *ctx, struct err *err);

#endif
