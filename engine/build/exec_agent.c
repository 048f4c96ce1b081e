/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that RUN --mount=type=ssh leads to where the agent is not on this machine: whoever serves
 * the client listens. Runs in engine main. Must never be reached but by a step that mounts it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "engine/build/exec_job.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { AGENT_BACKLOG = 16 };

int build_agent_listen(struct container_env *env, char name[CONTAINER_ID_LEN + 1], struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int dir OWN_FD = fs_open_dir(env->run_fd, BUILD_SECRETS, FS_BENEATH, 0700, err);
	int fd OWN_FD = -1;

	name[0] = 0;
	if (dir < 0 || build_job_name(name, err) < 0)
		return -EIO;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, -errno, "socket of an agent");
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir,
		       name);
	/* Others than the step's users do not get into the directory. */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fchmodat(dir, name, 0666, 0) < 0 || listen(fd, AGENT_BACKLOG) < 0)
		return err_sys(err, -errno, "socket of an agent");
	return take_fd(&fd);
}

int build_agent_own(struct container_env *env, const char *path, const struct build_mount *mount,
		    struct err *err)
{
	static const char below[] = "/" BUILD_SECRETS "/";
	const size_t len = strlen(env->run_path);
	int dir OWN_FD = -1;

	if (strncmp(path, env->run_path, len) != 0 ||
	    strncmp(path + len, below, sizeof(below) - 1) != 0)
		return 0;
	path += len + sizeof(below) - 1;
	dir = fs_open_dir(env->run_fd, BUILD_SECRETS, FS_BENEATH, 0700, err);
	if (dir < 0)
		return dir;
	if (fchownat(dir, path, mount->uid, mount->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dir, path, mount->mode, 0) < 0)
		return err_sys(err, -errno, "socket of an agent");
	return 0;
}

void build_agent_remove(struct container_env *env, const char *name)
{
	int dir OWN_FD =
		*name ? fs_open_dir(env->run_fd, BUILD_SECRETS, FS_BENEATH, 0700, NULL) : -1;

	if (dir >= 0)
		(void)fs_unlink(dir, name, NULL);
}
