/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No test: the first process of a container, which looks at every process that comes after it and
 * says so when it sees one that is not of the container: its program, its files, its memory. With
 * the path of a device it tries to open that, and says so when it could. tests/ns/run_race.py
 * builds it static.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AHEAD = 4 };

static const char *const ours[] = { "/bin/hunter", "/bin/busybox" };

/* What a link of /proc/PID says, when it may be read and is not of this container. */
static int look(int pid, const char *name)
{
	char path[64], link[256];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	n = readlink(path, link, sizeof(link) - 1);
	if (n <= 0)
		return 0;
	link[n] = '\0';
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(link, ours[i]) == 0)
			return 1;
	(void)printf("saw %s: %s\n", path, link);
	return 1;
}

/* A process that can be traced has to have the program of the container. */
static void hold(int pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return;
	(void)look(pid, "exe");
	(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

/* Tries to open a device that is denied, all the time. */
static int try_device(const char *path)
{
	for (;;) {
		int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0)
			continue;
		(void)puts("opened");
		(void)close(fd);
	}
}

/* The pid that was given last in this container: who missed some would look behind them for ever.
 */
static int last_pid(void)
{
	char text[128] = "";
	int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC), last = 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);

	(void)close(fd);
	for (const char *at = n > 0 ? strrchr(text, ' ') : NULL; at && at[1] > ' '; at++)
		last = last * 10 + at[1] - '0';
	return last;
}

int main(int argc, char **argv)
{
	int newest = 1;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)puts("hunts");
	if (argc == 2)
		return try_device(argv[1]);
	for (unsigned turn = 0;; turn++) {
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
			;
		if (turn % 64 == 0 && last_pid() - AHEAD > newest)
			newest = last_pid() - 1;
		for (int pid = newest + 1; pid <= newest + AHEAD; pid++) {
			if (look(pid, "exe"))
				newest = pid;
			else if (turn % 8 == 0)
				hold(pid);
		}
	}
}
