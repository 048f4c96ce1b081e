/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the release functions behind the OWN_* attributes. Every role runs it. It must never change
 * errno, because it runs on the way out of functions that are about to report one.
 */
#include "lib/own.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

void own_close(int *fd)
{
	int saved = errno;

	/* No retry after EINTR: Linux has released the number by then. */
	if (fd && *fd >= 0) {
		(void)close(*fd);
		*fd = -1;
	}
	errno = saved;
}

void own_free(void *ptr)
{
	void **slot = ptr;

	free(*slot);
	*slot = NULL;
}

int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
