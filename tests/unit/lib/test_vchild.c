/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/own.h"
#include "lib/vchild.h"
#include "tests/unit/tap.h"

enum { STACK = 64 << 10, STATUS = 7 };

#ifdef __SANITIZE_ADDRESS__
static const char own_stack = 0;
#else
static const char own_stack = 1;
#endif

struct story {
	char *shared; /* a page that a copied child would share as well */
};

static _Alignas(16) char stack[STACK];

/* Deep enough to need the stack that was given. */
static void live(void *owner)
{
	struct story *story = owner;
	char text[STACK / 2];
	uintptr_t here = (uintptr_t)text;

	memset(text, 'x', sizeof(text));
	story->shared[1] = here >= (uintptr_t)stack && here < (uintptr_t)stack + STACK;
	story->shared[0] = text[STACK / 4];
	_exit(STATUS);
}

static void execute(void *owner)
{
	static char name[] = "true";
	char *const argv[] = { name, NULL };

	(void)owner;
	execve("/bin/true", argv, NULL);
	_exit(1);
}

static int status_of(int pidfd)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		return -errno;
	return info.si_code == CLD_EXITED ? info.si_status : -1;
}

int main(void)
{
	struct story story = { .shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					      MAP_SHARED | MAP_ANONYMOUS, -1, 0) };
	int pidfd = -1;
	long pid = vchild_start(0, -1, &pidfd, stack, sizeof(stack), live, &story);

	ok(pid > 0 && pidfd >= 0, "a child is there: %ld", pid);
	is_int(status_of(pidfd), STATUS, "it ends as it says");
	ok(story.shared[0] == 'x' && story.shared[1] == own_stack, "and ran on its own stack");
	own_close(&pidfd);
	pid = vchild_start(0, -1, &pidfd, stack, sizeof(stack), execute, NULL);
	ok(pid > 0, "another one executes a program");
	is_int(status_of(pidfd), 0, "which ends as it does");
	own_close(&pidfd);
	is_int((int)vchild_start(0, 0x7fffffff, &pidfd, stack, sizeof(stack), execute, NULL),
	       -EBADF, "what the kernel refuses is an error");
	return tap_done();
}
