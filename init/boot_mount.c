/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the kernel's file systems, the cgroup tree and the sockets below /run/hoy. Run once by
 * PID 1. Must never touch a disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "init/api/init_msg.h"
#include "init/boot.h"
#include "lib/fs.h"
#include "lib/msg.h"
#include "lib/own.h"

struct early_mount {
	const char *target, *type, *data;
	unsigned long flags;
	uint32_t magic; /* statfs(2) type once it is mounted */
	bool make_dir;
};

enum { MAGIC_PSTORE = 0x6165676C, MAGIC_SYSFS = 0x62656572, MAGIC_CGROUP2 = 0x63677270 };

#define NO_ALL (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static const struct early_mount mounts[] = {
	{ "/proc", "proc", NULL, NO_ALL, PROC_SUPER_MAGIC, false },
	{ "/sys", "sysfs", NULL, NO_ALL, MAGIC_SYSFS, false },
	{ "/dev", "devtmpfs", "mode=0755", MS_NOSUID, TMPFS_MAGIC, false },
	{ "/dev/pts", "devpts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC,
	  DEVPTS_SUPER_MAGIC, true },
	{ "/dev/shm", "tmpfs", "mode=1777,size=25%", MS_NOSUID | MS_NODEV, 0, true },
	{ "/run", "tmpfs", "mode=0755,size=25%", MS_NOSUID | MS_NODEV, TMPFS_MAGIC, false },
	{ "/tmp", "tmpfs", "mode=1777,size=25%", MS_NOSUID | MS_NODEV, TMPFS_MAGIC, false },
	{ "/sys/fs/cgroup", "cgroup2", "nsdelegate,memory_recursiveprot", NO_ALL, MAGIC_CGROUP2,
	  false },
	{ "/sys/fs/pstore", "pstore", NULL, NO_ALL, MAGIC_PSTORE, false },
};

static bool is_mounted(int fd, const struct early_mount *mount)
{
	struct statfs st;

	return mount->magic != 0 && fstatfs(fd, &st) == 0 && (uint32_t)st.f_type == mount->magic;
}

static int mount_one(const struct early_mount *mount, struct err *err)
{
	OWN_FD int fd = mount->make_dir ? fs_open_dir(AT_FDCWD, mount->target, FS_HOST, 0755, err)
					: fs_open(AT_FDCWD, mount->target, FS_HOST,
						  O_RDONLY | O_DIRECTORY, 0, err);

	if (fd < 0)
		return fd;
	if (is_mounted(fd, mount))
		return 0;
	return fs_mount(mount->type, fd, mount->type, mount->flags, mount->data, err);
}

void boot_mount(const struct boot_reporter *reporter)
{
	static const struct {
		const char *path;
		mode_t mode;
	} dirs[] = { { "/run/hoy", 0755 },	  { "/run/hoy/config", 0700 },
		     { "/run/hoy/net", 0755 },	  { "/run/hoy/net/etc", 0755 },
		     { "/run/hoy/engine", 0711 }, { "/run/hoy/engine/shim", 0700 },
		     { "/run/hoy/log", 0700 } };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(mounts); i++)
		if (mount_one(&mounts[i], &err) < 0)
			reporter->complain(reporter->owner, &err);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		int fd = fs_open_dir(AT_FDCWD, dirs[i].path, FS_HOST, dirs[i].mode, &err);

		if (fd < 0)
			reporter->complain(reporter->owner, &err);
		own_close(&fd);
	}
}

/* ---- cgroups ---- */

/*
 * All at once, for each write costs the kernel a grace period; one by one where that is refused: a
 * kernel without one of them shall still have the others.
 */
static void enable_controllers(int fd)
{
	static const char *const names[] = { "+cpu", "+memory", "+pids", "+io", "+cpuset" };

	if (fs_write_control(fd, "cgroup.subtree_control", STR("+cpu +memory +pids +io +cpuset"),
			     NULL) == 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)fs_write_control(fd, "cgroup.subtree_control", str_from(names[i]), NULL);
}

static int group(const char *path)
{
	char full[96];

	snprintf(full, sizeof(full), "/sys/fs/cgroup/%s", path);
	return fs_open_dir(AT_FDCWD, full, FS_HOST, 0755, NULL);
}

/* Containers together leave some memory to the system, which is also shielded from reclaim. */
static void limit_memory(int hoy_fd, int containers_fd)
{
	struct sysinfo info;
	uint64_t total, reserve;
	char text[32];
	int n;

	if (sysinfo(&info) < 0)
		return;
	total = (uint64_t)info.totalram * info.mem_unit;
	reserve = total / 6 < 128U << 20 ? total / 6 : 128U << 20;
	n = snprintf(text, sizeof(text), "%llu", (unsigned long long)(total - reserve));
	(void)fs_write_control(containers_fd, "memory.max", str_make(text, (size_t)n), NULL);
	n = snprintf(text, sizeof(text), "%llu", (unsigned long long)reserve);
	(void)fs_write_control(hoy_fd, "memory.min", str_make(text, (size_t)n), NULL);
}

void boot_cgroup(const struct boot_reporter *reporter)
{
	OWN_FD int init_fd = group("hoy.init");
	OWN_FD int root_fd =
		fs_open(AT_FDCWD, "/sys/fs/cgroup", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	OWN_FD int hoy_fd = -1;
	OWN_FD int containers_fd = -1;
	OWN_FD int builds_fd = -1;
	OWN_FD int shims_fd = -1;
	struct err err;

	/* Our own process first: a group with processes cannot hand out controllers. */
	if (init_fd < 0 || fs_write_control(init_fd, "cgroup.procs", STR("0"), &err) < 0) {
		(void)err_set(&err, -ENOTSUP, "no cgroup tree: limits will not hold");
		reporter->complain(reporter->owner, &err);
		return;
	}
	enable_controllers(root_fd);
	hoy_fd = group("hoy");
	containers_fd = group("containers");
	builds_fd = group("builds");
	enable_controllers(hoy_fd);
	enable_controllers(containers_fd);
	enable_controllers(builds_fd);
	shims_fd = group("hoy/shims");
	limit_memory(hoy_fd, containers_fd);
	/* Whoever manages a machine that is full of work does not wait behind that work: daemons
	 * and shims have ten times the weight of all containers, and PID 1 as much. */
	(void)fs_write_control(hoy_fd, "cpu.weight", STR("1000"), NULL);
	(void)fs_write_control(init_fd, "cpu.weight", STR("1000"), NULL);
}

int boot_cgroup_unit(const char *name)
{
	OWN_FD int hoy_fd =
		fs_open(AT_FDCWD, "/sys/fs/cgroup/hoy", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

	if (hoy_fd < 0)
		return -1;
	(void)fs_rmdir(hoy_fd, name, NULL); /* refused while something lives in it */
	return fs_open_dir(hoy_fd, name, FS_BENEATH, 0755, NULL);
}

/* ---- sockets ---- */

/* The Docker API speaks a byte stream; bind(2) knows no dirfd, the path is literal. */
static int docker_socket(struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/hoy/docker.sock" };
	OWN_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old = umask(0117);
	int r = 0;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 256) < 0)
		r = err_sys(err, -errno, "docker.sock");
	(void)umask(old);
	return r < 0 ? r : take_fd(&fd);
}

void boot_socket(struct boot_sockets *ret_sockets, const struct boot_reporter *reporter)
{
	static const char *const names[] = { "init.sock", "netd.sock", "engine.sock",
					     "docker.sock" };
	OWN_FD int dir_fd = fs_open_dir(AT_FDCWD, "/run/hoy", FS_HOST, 0755, NULL);
	int fds[ARRAY_LEN(names)];
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)fs_unlink(dir_fd, names[i], NULL);
		fds[i] = i < 3 ? msg_listen(dir_fd, names[i], 0660, &err) : docker_socket(&err);
		if (fds[i] < 0)
			reporter->complain(reporter->owner, &err);
		else if (fchownat(dir_fd, names[i], 0, INIT_CONSOLE_GID, AT_SYMLINK_NOFOLLOW) < 0) {
			(void)err_sys(&err, -errno, "group of %s", names[i]);
			reporter->complain(reporter->owner, &err);
		}
	}
	*ret_sockets = (struct boot_sockets){ fds[0], fds[1], fds[2], fds[3] };
}
