/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns finding the host's control groups and groups at a path of the caller's choice (OCI's
 * cgroupsPath). Runs in hoy-oci. Must never leave the cgroup v2 hierarchy, and never take a
 * controller away from anybody.
 */
#include "engine/run/cgroup_resource.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "engine/run/cgroup.h"
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/str.h"

enum { TYPE_MAX = 64 };

int cgroup_host_open(enum cgroup_host *ret_host, int *ret_fd, struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY;
	OWN_FD int top = fs_open(AT_FDCWD, "/sys/fs/cgroup", FS_HOST, flags, 0, err);
	OWN_FD int unified = -1;

	*ret_fd = -1;
	*ret_host = CGROUP_HOST_LEGACY;
	if (top < 0)
		return top == -ENOENT ? 0 : top;
	if (k_fs_type(top) == K_CGROUP_MAGIC) {
		*ret_host = CGROUP_HOST_UNIFIED;
		*ret_fd = take_fd(&top);
		return 0;
	}
	unified = fs_open(top, "unified", FS_BENEATH_XDEV, flags, 0, NULL);
	if (unified >= 0 && k_fs_type(unified) == K_CGROUP_MAGIC) {
		*ret_host = CGROUP_HOST_HYBRID;
		*ret_fd = take_fd(&unified);
	}
	return 0;
}

static int check_path(const char *path, struct err *err)
{
	struct str rest = str_from(path), part;
	char shown[160];

	if (path[0] && strlen(path) < CGROUP_PATH_MAX) {
		while (str_cut(&rest, '/', &part))
			if (str_is(part, ".") || str_is(part, ".."))
				path = "";
	}
	if (path[strspn(path, "/")])
		return 0;
	str_escape(str_from(path), shown, sizeof(shown));
	return err_set(err, -EINVAL,
		       "cgroup path '%s': expected names without '.' and '..', at most %d bytes",
		       shown, CGROUP_PATH_MAX - 1);
}

/* From the top down, in every group above the last one. */
static void hand_down_path(int top_fd, const char *path, uint32_t wanted)
{
	char above[CGROUP_PATH_MAX];

	cgroup_hand_down(top_fd, wanted);
	for (size_t i = 1; path[i]; i++) {
		OWN_FD int fd = -1;

		if (path[i] != '/')
			continue;
		memcpy(above, path, i);
		above[i] = '\0';
		fd = fs_open(top_fd, above, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
		if (fd >= 0)
			cgroup_hand_down(fd, wanted);
	}
}

/*
 * A new group below a threaded one takes no process until it is threaded too; such a one has the
 * limits of a thread's controllers only. See cgroup-v2.rst, "Threads".
 */
static int fit_in(int fd, uint32_t controllers, struct err *err)
{
	static const uint32_t of_threads =
		CGROUP_CONTROLLER_CPU | CGROUP_CONTROLLER_CPUSET | CGROUP_CONTROLLER_PIDS;
	char type[TYPE_MAX];

	if (!str_is(cgroup_read_line(fd, "cgroup.type", type, sizeof(type)), "domain invalid"))
		return 0;
	if (controllers & ~of_threads)
		return err_set(err, -EOPNOTSUPP,
			       "it is below a threaded group: only limits of cpu, cpuset and pids "
			       "can be set there");
	return fs_write_control(fd, "cgroup.type", STR("threaded"), err);
}

int cgroup_path_make(int top_fd, const char *path, uint32_t controllers, bool *ret_new,
		     struct err *err)
{
	OWN_FD int fd = -1;
	int r = check_path(path, err);

	if (r < 0)
		return r;
	path += strspn(path, "/");
	fd = fs_open(top_fd, path, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	if (ret_new)
		*ret_new = fd < 0;
	if (fd == -ENOENT) {
		fd = fs_open_dir(top_fd, path, FS_BENEATH, 0755, err);
		r = fd < 0 ? fd : fit_in(fd, controllers, err);
		if (r < 0) { /* it may have been made and not opened */
			own_close(&fd);
			fd = r;
			(void)cgroup_path_remove(top_fd, path, NULL);
		}
	} else if (fd < 0) {
		(void)err_sys(err, fd, "open it");
	}
	if (fd < 0)
		return err_prefix(err, "cgroup %s", path);
	/* Not only what is limited now: an update may limit the rest, and all of it is counted. */
	if ((controllers | cgroup_controllers(top_fd)) & ~cgroup_controllers(fd))
		hand_down_path(top_fd, path, UINT32_MAX);
	return take_fd(&fd);
}

int cgroup_path_open(int top_fd, const char *path, struct err *err)
{
	int r = check_path(path, err);

	if (r < 0)
		return r;
	return fs_open(top_fd, path + strspn(path, "/"), FS_BENEATH, O_RDONLY | O_DIRECTORY, 0,
		       err);
}

int cgroup_path_remove(int top_fd, const char *path, struct err *err)
{
	struct cgroup_root above = { .fd = -1 };
	char name[256];
	int r = check_path(path, err);

	if (r < 0)
		return r;
	above.fd = fs_open_parent(top_fd, path + strspn(path, "/"), FS_BENEATH, name, err);
	if (above.fd < 0)
		return above.fd == -ENOENT ? 0 : above.fd;
	r = cgroup_remove(&above, name, err);
	cgroup_root_close(&above);
	return r;
}
