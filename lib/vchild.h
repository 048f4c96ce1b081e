/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_VCHILD_H
#define HOY_LIB_VCHILD_H

#include <stddef.h>
#include <stdint.h>

/*
 * A child that has the memory of its parent instead of a copy, as with vfork(2); the parent waits
 * until it executes a program or ends. fn(arg) runs on the given stack, whose size is a multiple of
 * 16, and must not return. `flags` are those of clone3(2), cgroup_fd is -1 or where it is born; a
 * pidfd comes back. The child's pid, or -errno.
 *
 * All that fn writes stays written: what the parent still needs it must not touch. (In sanitised
 * builds it is a copy, and so is the stack.)
 */
long vchild_start(uint64_t flags, int cgroup_fd, int *ret_pidfd, void *stack, size_t size_bytes,
		  void (*fn)(void *), void *arg);

#endif
