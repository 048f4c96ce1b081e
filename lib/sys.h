/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_SYS_H
#define HOY_LIB_SYS_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <signal.h>

/*
 * System calls, each with a fault-injection point. For lib only: fs, spawn and msg are built on it,
 * everybody else on those. Results are the call's own, or a negative errno; nothing is retried.
 *
 * Built with HOY_TORTURE, the environment's HOY_FAIL_NTH=N[:ERRNO] (decimal, EIO when left out)
 * makes the Nth call of the process fail, once. Without it the points compile to nothing.
 */
int sys_openat2(int dirfd, const char *path, uint64_t flags, mode_t mode, uint64_t resolve);
ssize_t sys_read(int fd, void *dst, size_t len);
ssize_t sys_pread(int fd, void *dst, size_t len, off_t at);
ssize_t sys_write(int fd, const void *data, size_t len);
int sys_fsync(int fd);
int sys_ftruncate(int fd, off_t len);
int sys_fstat(int fd, struct stat *ret_st);
int sys_fstatat(int dirfd, const char *path, struct stat *ret_st, int flags);
int sys_fchmod(int fd, mode_t mode);
int sys_fchdir(int fd);
int sys_chroot(const char *path);
int sys_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int sys_unlinkat(int dirfd, const char *name, int flags);
int sys_mkdirat(int dirfd, const char *name, mode_t mode);
int sys_symlinkat(const char *target, int dirfd, const char *name);
ssize_t sys_getdents64(int fd, void *dst, size_t len);
int sys_seek_start(int fd);
int sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
	      const void *data);
int sys_umount2(const char *path, int flags);
int sys_open_tree(int dirfd, const char *path, unsigned flags);
int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);

/* As fork(2), with a pidfd and, when cgroup_fd >= 0, born in that cgroup. */
pid_t sys_fork(int cgroup_fd, int *ret_pidfd);
int sys_pipe(int ret_fds[2]);
int sys_wait_pidfd(int pidfd, siginfo_t *ret_info);
int sys_pidfd_signal(int pidfd, int signal);

int sys_socketpair(int ret_fds[2]);
int sys_socket(void); /* AF_UNIX, SOCK_SEQPACKET, CLOEXEC */
int sys_bind(int fd, const struct sockaddr *addr, socklen_t len);
int sys_listen(int fd, int backlog);
int sys_connect(int fd, const struct sockaddr *addr, socklen_t len);
int sys_peercred(int fd, struct ucred *ret_cred);
ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t sys_recvmsg(int fd, struct msghdr *msg, int flags);
int sys_poll(struct pollfd *fds, unsigned count, int timeout_ms);
int sys_memfd(const char *name);		     /* sealable, CLOEXEC, never executable */
int sys_map_read(int fd, size_t len, void **ret_at); /* private, read-only */
int sys_fcntl(int fd, int cmd, long arg);

#ifdef HOY_TORTURE
/* For tests in the same process: the nth call from now on (1-based, 0 = none) fails with code. */
void sys_fault_arm(unsigned nth, int code);
/* Name of the call that failed since the last arming, NULL when none did. */
const char *sys_fault_fired(void);
#endif

#endif
