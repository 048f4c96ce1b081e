/* SPDX-License-Identifier: Apache-2.0 */
/* Error texts, and the release of what goes out of scope. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "lib/err.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static void test_set(void)
{
	struct err err = { 0 };

	is_text(err_text(&err), "unknown error", "an empty error has a text");
	is_text(err_text(NULL), "unknown error", "so has none at all");
	is_int(err_set(&err, -ENOENT, "open %s", "web"), -ENOENT, "err_set returns the code");
	is_int(err.code, -ENOENT, "and keeps it");
	is_text(err.text, "open web", "and the text");
	is_int(err_set(NULL, -EIO, "nobody asks"), -EIO, "NULL is allowed");
	is_int(err_set(&err, 5, "wrong"), -EINVAL, "a positive code is turned into -EINVAL");
}

static void test_sys(void)
{
	char path[600];
	struct err err = { 0 };
	size_t len;

	is_int(err_sys(&err, -ENOSPC, "write %s", "state"), -ENOSPC, "err_sys returns the code");
	is_text(err.text, "write state: No space left on device", "the errno's text is behind");
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	(void)err_sys(&err, -ENOSPC, "write %s", path);
	len = strlen(err.text);
	is_int((long long)len, ERR_TEXT_MAX - 1, "a long text fills the buffer");
	is_text(err.text + len - 23, "No space left on device", "and never cuts off the errno's");
	is_int(err_sys(NULL, -EIO, "nobody asks"), -EIO, "NULL is allowed");
}

static void test_prefix(void)
{
	struct err err = { 0 };
	char filler[500];

	(void)err_set(&err, -EPERM, "mount proc");
	is_int(err_prefix(&err, "container %d", 7), -EPERM, "the prefix keeps the code");
	is_text(err.text, "container 7: mount proc", "and stands in front");
	memset(filler, 'y', sizeof(filler));
	filler[sizeof(filler) - 1] = '\0';
	(void)err_prefix(&err, "%s", filler);
	is_int((long long)strlen(err.text), ERR_TEXT_MAX - 1, "too long a text is cut at the end");
	is_int(err_prefix(NULL, "nobody"), -EINVAL, "NULL is allowed");
}

static void test_own(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int same = fd, none = -1;
	void *memory = malloc(16), *taken;

	ok(fd >= 0, "an fd to play with");
	errno = ENOTTY;
	own_close(&fd);
	is_int(fd, -1, "own_close leaves -1");
	is_int(errno, ENOTTY, "and errno alone");
	is_int(fcntl(same, F_GETFD), -1, "the fd is closed");
	own_close(&none);
	own_close(NULL);
	fd = 9;
	is_int(take_fd(&fd), 9, "take_fd moves the number out");
	is_int(fd, -1, "and leaves -1");
	taken = take_ptr(&memory);
	ok(taken != NULL && memory == NULL, "take_ptr moves the pointer out");
	own_free(&taken);
	ok(taken == NULL, "own_free leaves NULL");
}

int main(void)
{
	test_set();
	test_sys();
	test_prefix();
	test_own();
	return tap_done();
}
