/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong passwords: what they cost, and that no start forgives them. */
#include "init/boot_lockout.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "lib/fs.h"
#include "tests/unit/tap.h"

static struct mono at(int64_t s)
{
	return (struct mono){ s * 1000000000 };
}

int main(void)
{
	char folder[] = "build/test-lockout-XXXXXX";
	struct boot_lockout lockout = { 0 }, next = { 0 }, none = { 0 };
	bool rising = true;
	int fd = -1;

	is_int(boot_lockout_wait_s(LOCKOUT_FREE), 0, "the first tries are free");
	is_int(boot_lockout_wait_s(LOCKOUT_FREE + 1), LOCKOUT_FIRST_S, "the next one costs a wait");
	is_int(boot_lockout_wait_s(LOCKOUT_FREE + 2), 2 * LOCKOUT_FIRST_S, "that doubles");
	for (uint32_t n = 0; n < 1000; n++)
		rising = rising && boot_lockout_wait_s(n) <= boot_lockout_wait_s(n + 1) &&
			 boot_lockout_wait_s(n) <= LOCKOUT_MAX_S;
	ok(rising, "up to a bound");
	if (mkdtemp(folder))
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!ok(fd >= 0, "a directory to work in"))
		return tap_done();
	boot_lockout_read(&lockout, fd, at(100));
	for (int i = 0; i <= LOCKOUT_FREE; i++)
		is_int(boot_lockout_try(&lockout, fd, at(100)), 0, "try %d", i + 1);
	is_int(boot_lockout_try(&lockout, fd, at(110)), LOCKOUT_FIRST_S - 10,
	       "then there is a wait");
	boot_lockout_read(&next, fd, at(5));
	is_int(boot_lockout_try(&next, fd, at(5)), LOCKOUT_FIRST_S, "a start begins it anew");
	is_int(boot_lockout_try(&next, fd, at(5 + LOCKOUT_FIRST_S)), 0, "it ends");
	is_int(boot_lockout_try(&next, fd, at(6 + LOCKOUT_FIRST_S)), 2 * LOCKOUT_FIRST_S - 1,
	       "the next wrong one costs twice that");
	boot_lockout_clear(&next, fd);
	is_int(boot_lockout_try(&next, fd, at(50)), 0, "the right password forgives all");
	boot_lockout_read(&none, fd, at(0));
	is_int(none.tries, 1, "for the next start too");
	(void)fs_unlink(fd, "lockout", NULL);
	(void)close(fd);
	(void)rmdir(folder);
	return tap_done();
}
