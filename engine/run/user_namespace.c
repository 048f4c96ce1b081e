/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns user namespaces that are made before anybody lives in them, and what is made in their name:
 * network namespaces and mounts that show ids as they count them. Runs in engine main, the shim and
 * hoy-oci. Must never enter one itself: a child does, and it executes nothing.
 */
#include "engine/run/user_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"

static int write_map(int pid, const char *file, const char *map, struct err *err)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return fs_write_control(AT_FDCWD, path, str_from(map), err);
}

static int open_namespace(int pid, const char *name, struct err *err)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	return fs_open(AT_FDCWD, path, FS_HOST, O_RDONLY, 0, err);
}

static void end_child(int pidfd)
{
	siginfo_t info;

	(void)k_pidfd_signal(pidfd, SIGKILL);
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
}

bool user_namespace_is_nested(void)
{
	const ino_t first = 0xeffffffd; /* PROC_USER_INIT_INO of the kernel */
	struct stat st;

	return fs_stat(AT_FDCWD, "/proc/self/ns/user", FS_HOST, &st, NULL) == 0 &&
	       st.st_ino != first;
}

/* A process that does nothing lives in the namespace until its fd is open. */
int user_namespace_new(const char *uid_map, const char *gid_map, struct err *err)
{
	OWN_FD int pidfd = -1;
	long pid = k_fork(CLONE_NEWUSER, -1, &pidfd);
	int fd = -1, r;

	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	if (pid < 0)
		return err_sys(err, (int)pid, "new user namespace");
	r = write_map((int)pid, "uid_map", uid_map, err);
	if (r == 0)
		r = write_map((int)pid, "gid_map", gid_map, err);
	if (r == 0)
		fd = open_namespace((int)pid, "user", err);
	end_child(pidfd);
	return r < 0 ? r : fd;
}

/* In the child. Its answer is an errno, 0 when it lives in the new one. */
static _Noreturn void live_in_net(int userns_fd, int report)
{
	int word = 0;

	if (setns(userns_fd, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNET) < 0)
		word = errno;
	if (write(report, &word, sizeof(word)) != sizeof(word))
		_exit(1);
	for (;;)
		(void)pause();
}

int user_namespace_net(int userns_fd, struct err *err)
{
	OWN_FD int pidfd = -1;
	OWN_FD int ours = -1;
	OWN_FD int theirs = -1;
	int ends[2], word = ECHILD, fd;
	long pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe");
	ours = ends[0];
	theirs = ends[1];
	pid = k_fork(0, -1, &pidfd);
	if (pid == 0)
		live_in_net(userns_fd, theirs);
	if (pid < 0)
		return err_sys(err, (int)pid, "start a process for a network namespace");
	own_close(&theirs);
	if (read(ours, &word, sizeof(word)) != sizeof(word))
		word = ECHILD;
	fd = word ? err_sys(err, -word, "network namespace of a user namespace")
		  : open_namespace((int)pid, "net", err);
	end_child(pidfd);
	return fd;
}

int user_namespace_view(int userns_fd, int fd, struct err *err)
{
	const struct k_mount_change change = { .userns_fd = userns_fd };
	OWN_FD int tree = k_clone_tree(fd, 0);
	int r;

	if (tree < 0)
		return err_sys(err, tree, "clone a mount");
	r = k_change_mount(tree, &change, 0);
	return r < 0 ? err_sys(err, r, "id-map a mount") : take_fd(&tree);
}

int user_namespace_view_dir(int userns_fd, int fd, struct err *err)
{
	OWN_FD int tree = user_namespace_view(userns_fd, fd, err);

	return tree < 0 ? tree : fs_open(tree, ".", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
}
