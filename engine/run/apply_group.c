/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns finding the control group for a further process where the container's own takes none: one
 * that hands controllers down, as systemd does in a container that may write there, has processes
 * in the groups below it only (cgroup-v2.rst, "No Internal Process Constraint"). Runs in the shim
 * and hoy-oci. Must never allocate memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/run/apply.h"
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/str.h"

enum { GROUP_TEXT_MAX = 4096 };

/* What is behind `prefix` in the line of `path` that begins with it: NULL = no such line. */
static char *read_line(const char *path, const char *prefix, char text[GROUP_TEXT_MAX])
{
	OWN_FD int fd = fs_open(-1, path, FS_HOST, O_RDONLY, 0, NULL);
	ssize_t n = fd < 0 ? -1 : read(fd, text, GROUP_TEXT_MAX - 1);
	char *line = n > 0 ? text : NULL;

	if (n > 0)
		text[n] = '\0';
	while (line && strncmp(line, prefix, strlen(prefix)) != 0) {
		line = strchr(line, '\n');
		line = line && line[1] ? line + 1 : NULL;
	}
	if (!line)
		return NULL;
	line += strlen(prefix);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* The top of version 2, on a hybrid host too. */
static int open_top(struct err *err)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		OWN_FD int fd =
			fs_open(AT_FDCWD, places[i], FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

		if (fd >= 0 && k_fs_type(fd) == K_CGROUP_MAGIC)
			return take_fd(&fd);
	}
	return err_set(err, -ENOENT, "the machine has no control groups of version 2");
}

int apply_group_of(int pidfd, struct err *err)
{
	char path[64], text[GROUP_TEXT_MAX], *found;
	OWN_FD int top = open_top(err);
	uint64_t pid = 0;

	if (top < 0)
		return top;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	found = read_line(path, "Pid:\t", text);
	if (!found || str_to_u64(str_from(found), 1, INT32_MAX, &pid) < 0)
		return err_set(err, -ESRCH, "the container's first process is gone");
	(void)snprintf(path, sizeof(path), "/proc/%u/cgroup", (unsigned)pid);
	found = read_line(path, "0::/", text);
	if (!found || !*found)
		return err_set(err, -ENOENT, "the container's first process has no control group");
	return fs_open(top, found, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
}
