/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the few instructions between the two: the C libraries have no clone3(2), and the child of a
 * plain system call would come back over a stack that its parent still needs. Runs in hoy-oci. It
 * must never let the child return.
 */
#include "lib/vchild.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
/* What the sanitizer knows of stacks would be wrong: here the child has a copy of all memory. */
static long clone_onto(struct clone_args *args, void (*fn)(void *), void *arg)
{
	long r;

	args->flags &= ~(uint64_t)(CLONE_VM | CLONE_VFORK);
	args->stack = args->stack_size = 0;
	r = syscall(SYS_clone3, args, sizeof(*args));
	if (r == 0)
		fn(arg);
	return r < 0 ? -errno : r;
}
#else
static long clone_onto(struct clone_args *args, void (*fn)(void *), void *arg)
{
#if defined(__x86_64__)
	long r = SYS_clone3;

	__asm__ volatile("syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "movq %[fn], %%rax\n\t"
			 "movq %[arg], %%rdi\n\t"
			 "xorl %%ebp, %%ebp\n\t" /* the last frame; either may have stood in it */
			 "callq *%%rax\n\t"
			 "hlt\n"
			 "1:"
			 : "+a"(r)
			 : "D"(args), "S"(sizeof(*args)), [fn] "r"(fn), [arg] "r"(arg)
			 : "rcx", "r11", "memory", "cc");
	return r;
#elif defined(__aarch64__)
	register long number __asm__("x8") = SYS_clone3;
	register long r __asm__("x0") = (long)args;
	register long size __asm__("x1") = sizeof(*args);

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x9, %[fn]\n\t"
			 "mov x0, %[arg]\n\t"
			 "mov x29, xzr\n\t"
			 "blr x9\n\t"
			 "brk 0\n"
			 "1:"
			 : "+r"(r)
			 : "r"(number), "r"(size), [fn] "r"(fn), [arg] "r"(arg)
			 : "x9", "memory", "cc");
	return r;
#else
#error "vchild knows x86_64 and aarch64"
#endif
}
#endif

long vchild_start(uint64_t flags, int cgroup_fd, int *ret_pidfd, void *stack, size_t size_bytes,
		  void (*fn)(void *), void *arg)
{
	struct clone_args args;

	memset(&args, 0, sizeof(args));
	args.flags = flags | CLONE_PIDFD | CLONE_VM | CLONE_VFORK;
	args.pidfd = (uintptr_t)ret_pidfd;
	args.exit_signal = SIGCHLD;
	args.stack = (uintptr_t)stack;
	args.stack_size = size_bytes;
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned)cgroup_fd;
	}
	return clone_onto(&args, fn, arg);
}
