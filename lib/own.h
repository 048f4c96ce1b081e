/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_OWN_H
#define HOY_LIB_OWN_H

#include <stddef.h>

/*
 * Ownership by scope: a variable marked OWN_FD, OWN_FREE or OWN(x_done) is released when it goes
 * out of scope; take_fd() and take_ptr() move it out and leave the empty value behind.
 */
#define OWN(fn)	 __attribute__((cleanup(fn)))
#define OWN_FD	 OWN(own_close)
#define OWN_FREE OWN(own_free)

/* Closes *fd when it is >= 0 and sets it to -1; errno is kept. */
void own_close(int *fd);

/* Frees *(void **)ptr and sets it to NULL. For OWN_FREE only. */
void own_free(void *ptr);

/* Returns *fd and leaves -1. */
int take_fd(int *fd);

/* Returns *ptr and leaves NULL; the type is kept by the macro. */
#define take_ptr(ptr)                               \
	({                                          \
		__typeof__(*(ptr)) taken_ = *(ptr); \
		*(ptr) = NULL;                      \
		taken_;                             \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The struct of type T whose member M is *ptr. */
#define CONTAINER_OF(ptr, T, M) ((T *)(void *)((char *)(ptr)-offsetof(T, M)))

#endif
