/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the system calls of fs, spawn and msg, and the points at which tests make them fail. Every
 * role runs it, PID 1 and forked children before exec included. It must never allocate, retry or
 * decide anything.
 */
#include "lib/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/str.h"

/* Both C libraries lag behind the kernel's lists; the numbers are the same on all architectures. */
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

#ifdef HOY_TORTURE
static struct {
	int read_env;
	unsigned left; /* calls until the fault, 0 = disarmed */
	int code;
	const char *fired;
} fault_state;

void sys_fault_arm(unsigned nth, int code)
{
	fault_state.read_env = 1;
	fault_state.left = nth;
	fault_state.code = code;
	fault_state.fired = NULL;
}

const char *sys_fault_fired(void)
{
	return fault_state.fired;
}

static int fault(const char *name)
{
	if (!fault_state.read_env) {
		struct str code, rest = str_from(getenv("HOY_FAIL_NTH"));
		struct str nth = { 0 };
		uint64_t v = 0;

		fault_state.read_env = 1;
		(void)str_cut(&rest, ':', &nth);
		code = rest;
		if (str_to_u64(nth, 1, UINT32_MAX, &v) == 0)
			fault_state.left = (unsigned)v;
		fault_state.code = str_to_u64(code, 1, 4095, &v) == 0 ? (int)v : EIO;
	}
	if (fault_state.left == 0 || --fault_state.left > 0)
		return 0;
	fault_state.fired = name;
	return -fault_state.code;
}
#else
#define fault(name) 0
#endif

static long result(long r)
{
	return r < 0 ? -(long)errno : r;
}

/* The call, unless a fault is due at this point. */
#define POINT(call)                                         \
	({                                                  \
		long fault_ = fault(__func__);              \
		fault_ < 0 ? fault_ : result((long)(call)); \
	})

int sys_openat2(int dirfd, const char *path, uint64_t flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .mode = mode, .resolve = resolve };

	return (int)POINT(syscall(SYS_openat2, dirfd, path, &how, sizeof(how)));
}

ssize_t sys_read(int fd, void *dst, size_t len)
{
	return POINT(read(fd, dst, len));
}

ssize_t sys_pread(int fd, void *dst, size_t len, off_t at)
{
	return POINT(pread(fd, dst, len, at));
}

ssize_t sys_write(int fd, const void *data, size_t len)
{
	return POINT(write(fd, data, len));
}

int sys_fsync(int fd)
{
	return (int)POINT(fsync(fd));
}

int sys_ftruncate(int fd, off_t len)
{
	return (int)POINT(ftruncate(fd, len));
}

int sys_fstat(int fd, struct stat *ret_st)
{
	return (int)POINT(fstat(fd, ret_st));
}

int sys_fstatat(int dirfd, const char *path, struct stat *ret_st, int flags)
{
	return (int)POINT(fstatat(dirfd, path, ret_st, flags));
}

int sys_fchmod(int fd, mode_t mode)
{
	return (int)POINT(fchmod(fd, mode));
}

int sys_fchdir(int fd)
{
	return (int)POINT(fchdir(fd));
}

int sys_chroot(const char *path)
{
	return (int)POINT(chroot(path));
}

int sys_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return (int)POINT(linkat(from_fd, from, to_fd, to, flags));
}

int sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	return (int)POINT(syscall(SYS_renameat2, from_fd, from, to_fd, to, flags));
}

int sys_unlinkat(int dirfd, const char *name, int flags)
{
	return (int)POINT(unlinkat(dirfd, name, flags));
}

int sys_mkdirat(int dirfd, const char *name, mode_t mode)
{
	return (int)POINT(mkdirat(dirfd, name, mode));
}

int sys_symlinkat(const char *target, int dirfd, const char *name)
{
	return (int)POINT(symlinkat(target, dirfd, name));
}

ssize_t sys_getdents64(int fd, void *dst, size_t len)
{
	return POINT(syscall(SYS_getdents64, fd, dst, len));
}

int sys_seek_start(int fd)
{
	return (int)POINT(lseek(fd, 0, SEEK_SET));
}

int sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
	      const void *data)
{
	return (int)POINT(mount(source, target, type, flags, data));
}

int sys_umount2(const char *path, int flags)
{
	return (int)POINT(umount2(path, flags));
}

int sys_open_tree(int dirfd, const char *path, unsigned flags)
{
	return (int)POINT(syscall(SYS_open_tree, dirfd, path, flags));
}

int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	return (int)POINT(syscall(SYS_move_mount, from_fd, from, to_fd, to, flags));
}

pid_t sys_fork(int cgroup_fd, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
	};

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned)cgroup_fd;
	}
	return (pid_t)POINT(syscall(SYS_clone3, &args, sizeof(args)));
}

int sys_pipe(int ret_fds[2])
{
	return (int)POINT(pipe2(ret_fds, O_CLOEXEC));
}

int sys_wait_pidfd(int pidfd, siginfo_t *ret_info)
{
	return (int)POINT(waitid((idtype_t)P_PIDFD, (id_t)pidfd, ret_info, WEXITED));
}

int sys_pidfd_signal(int pidfd, int signal)
{
	return (int)POINT(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

int sys_socketpair(int ret_fds[2])
{
	return (int)POINT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds));
}

int sys_socket(void)
{
	return (int)POINT(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

int sys_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)POINT(bind(fd, addr, len));
}

int sys_listen(int fd, int backlog)
{
	return (int)POINT(listen(fd, backlog));
}

int sys_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)POINT(connect(fd, addr, len));
}

int sys_peercred(int fd, struct ucred *ret_cred)
{
	socklen_t len = sizeof(*ret_cred);

	return (int)POINT(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_cred, &len));
}

ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return POINT(sendmsg(fd, msg, flags));
}

ssize_t sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return POINT(recvmsg(fd, msg, flags));
}

int sys_poll(struct pollfd *fds, unsigned count, int timeout_ms)
{
	return (int)POINT(poll(fds, count, timeout_ms));
}

int sys_memfd(const char *name)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = (int)POINT(memfd_create(name, flags | MFD_NOEXEC_SEAL));

	/* Kernels before 6.3 do not know the flag. */
	if (fd == -EINVAL)
		fd = (int)result(memfd_create(name, flags));
	return fd;
}

int sys_map_read(int fd, size_t len, void **ret_at)
{
	void *at = NULL;
	int r = (int)POINT((at = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED ? -1
											       : 0);

	if (r == 0)
		*ret_at = at;
	return r;
}

int sys_fcntl(int fd, int cmd, long arg)
{
	return (int)POINT(fcntl(fd, cmd, arg));
}
