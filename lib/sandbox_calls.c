/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the one table of system calls that sandboxed roles make. Data only. A row must never be
 * added for convenience: each widens what a captured parser can do.
 *
 * The first row that fits a process's groups decides.
 */
#include "lib/sandbox_calls.h"

#include <sys/syscall.h>

/* Newer than the lists of the C libraries; the numbers are the same on all architectures. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
/* Where musl gives 64-bit architectures another name. */
#ifndef SYS_newfstatat
#define SYS_newfstatat SYS_fstatat
#endif

#define BASE(name)                                  \
	{                                           \
		SYS_##name, GROUP_BASE, WHEN_ALWAYS \
	}
/* Also of those who have their whole input in memory and one fd for the answer. */
#define PURE(name)                                               \
	{                                                        \
		SYS_##name, GROUP_BASE | GROUP_PURE, WHEN_ALWAYS \
	}
#define READ(name)                                             \
	{                                                      \
		SYS_##name, GROUP_READ | GROUP_FS, WHEN_ALWAYS \
	}
#define FILES(name)                               \
	{                                         \
		SYS_##name, GROUP_FS, WHEN_ALWAYS \
	}
#define OWNER(name)                                  \
	{                                            \
		SYS_##name, GROUP_OWNER, WHEN_ALWAYS \
	}
#define SPAWN(name)                                  \
	{                                            \
		SYS_##name, GROUP_SPAWN, WHEN_ALWAYS \
	}
#define SANITIZE(name)                                   \
	{                                                \
		SYS_##name, GROUP_SANITIZER, WHEN_ALWAYS \
	}

const struct sandbox_call sandbox_calls[] = {
	/* data and waiting come first: they are the calls of the hot paths */
	PURE(read),
	PURE(write),
	BASE(readv),
	PURE(writev),
	BASE(pread64),
	BASE(pwrite64),
	BASE(preadv),
	BASE(pwritev),
	BASE(sendmsg),
	BASE(recvmsg),
	BASE(sendto),
	BASE(recvfrom),
	BASE(ppoll),
	BASE(epoll_pwait),
	BASE(epoll_pwait2),
	BASE(epoll_ctl),
	BASE(epoll_create1),
	BASE(splice),
	BASE(tee),
	BASE(vmsplice),
	BASE(sendfile),
	BASE(copy_file_range),
	BASE(sendmmsg),
	BASE(recvmmsg),
	BASE(shutdown),
	BASE(getsockopt),
	BASE(setsockopt),
	BASE(getsockname),
	BASE(getpeername),
	BASE(close),
	BASE(close_range),
	BASE(fcntl),
	BASE(dup),
	BASE(dup3),
	BASE(pipe2),
	BASE(socketpair),
	BASE(lseek),
	BASE(fstat),
	BASE(ftruncate),
	BASE(fallocate),
	BASE(fsync),
	BASE(fdatasync),
	BASE(fadvise64),
	BASE(memfd_create),
	BASE(eventfd2),
	BASE(timerfd_create),
	BASE(timerfd_settime),
	BASE(timerfd_gettime),
	BASE(signalfd4),
	{ SYS_ioctl, GROUP_BASE, WHEN_REQUEST },

	/* memory: never executable */
	{ SYS_mmap, GROUP_BASE | GROUP_PURE, WHEN_NOT_EXEC },
	{ SYS_mprotect, GROUP_BASE | GROUP_PURE, WHEN_NOT_EXEC },
	PURE(munmap),
	PURE(mremap),
	PURE(brk),
	PURE(madvise),
	BASE(mlock),
	BASE(munlock),
	PURE(futex),

	/* time, chance, oneself */
	PURE(clock_gettime),
	BASE(clock_getres),
	BASE(clock_nanosleep),
	BASE(nanosleep),
	BASE(gettimeofday),
	BASE(getrandom),
	PURE(getpid),
	PURE(gettid),
	BASE(getppid),
	BASE(getuid),
	BASE(geteuid),
	BASE(getgid),
	BASE(getegid),
	BASE(getgroups),
	BASE(getrusage),
	BASE(prlimit64),
	BASE(getrlimit),
	BASE(setrlimit),
	BASE(sched_yield),
	BASE(uname),
	BASE(sysinfo),
	BASE(getcpu),
	BASE(set_tid_address),
	BASE(set_robust_list),

	/* ending, signals to oneself */
	PURE(exit),
	PURE(exit_group),
	PURE(rt_sigreturn),
	PURE(rt_sigaction),
	PURE(rt_sigprocmask),
	BASE(rt_sigtimedwait),
	BASE(sigaltstack),
	BASE(restart_syscall),
	{ SYS_tgkill, GROUP_BASE | GROUP_PURE, WHEN_SELF },
	{ SYS_tkill, GROUP_BASE | GROUP_PURE, WHEN_SELF },
	{ SYS_kill, GROUP_BASE, WHEN_SELF },

/* the older forms, which 64-bit ARM never had */
#ifdef SYS_open
	BASE(poll),
	BASE(select),
	BASE(epoll_wait),
	BASE(epoll_create),
	BASE(pipe),
	BASE(dup2),
	BASE(eventfd),
	BASE(time),
	BASE(getpgrp),
	{ SYS_open, GROUP_FS | GROUP_TTY, WHEN_ALWAYS },
	{ SYS_open, GROUP_READ, WHEN_READING_1 },
	READ(stat),
	READ(lstat),
	READ(access),
	READ(readlink),
	FILES(mkdir),
	FILES(rmdir),
	FILES(unlink),
	FILES(rename),
	FILES(link),
	FILES(symlink),
	FILES(chmod),
	OWNER(chown),
	OWNER(lchown),
	OWNER(mknod),
	SPAWN(arch_prctl),
	SPAWN(vfork),
	SPAWN(fork),
	SANITIZE(open),
	SANITIZE(readlink),
	SANITIZE(arch_prctl),
#else
	BASE(pselect6),
#endif

	/* files; openat2 hides its flags from the filter, so who only reads has no openat2 */
	{ SYS_openat, GROUP_FS | GROUP_TTY, WHEN_ALWAYS },
	{ SYS_openat2, GROUP_FS | GROUP_TTY, WHEN_ALWAYS },
	{ SYS_openat, GROUP_READ, WHEN_READING_2 },
	READ(newfstatat),
	READ(statx),
	READ(faccessat),
	READ(readlinkat),
	READ(getdents64),
	READ(statfs),
	READ(fstatfs),
	READ(faccessat2),
	READ(fchdir),
	READ(chdir),
	READ(getcwd),
	FILES(unlinkat),
	FILES(mkdirat),
	FILES(linkat),
	FILES(symlinkat),
	FILES(renameat),
	FILES(renameat2),
	FILES(fchmod),
	FILES(fchmodat),
	FILES(fchmodat2),
	FILES(utimensat),
	FILES(flock),
	FILES(umask),
	FILES(truncate),
	FILES(syncfs),
	FILES(sync_file_range),
	FILES(fgetxattr),
	FILES(flistxattr),
	OWNER(fchown),
	OWNER(fchownat),
	OWNER(mknodat),
	OWNER(getxattr),
	OWNER(lgetxattr),
	OWNER(listxattr),
	OWNER(llistxattr),
	OWNER(setxattr),
	OWNER(lsetxattr),
	OWNER(fsetxattr),
	OWNER(removexattr),
	OWNER(lremovexattr),
	OWNER(fremovexattr),

	/* sockets */
	{ SYS_accept4, GROUP_ACCEPT, WHEN_ALWAYS },
	{ SYS_accept, GROUP_ACCEPT, WHEN_ALWAYS },
	{ SYS_listen, GROUP_ACCEPT, WHEN_ALWAYS },
	{ SYS_socket, GROUP_INET | GROUP_LOCAL | GROUP_LINK, WHEN_DOMAIN },
	{ SYS_connect, GROUP_INET | GROUP_LOCAL, WHEN_ALWAYS },
	{ SYS_bind, GROUP_INET | GROUP_LINK, WHEN_ALWAYS },

	/* netd main sets the clock (with CAP_SYS_TIME; the ntp role only says by how much) */
	{ SYS_clock_settime, GROUP_LINK, WHEN_ALWAYS },
	{ SYS_clock_adjtime, GROUP_LINK, WHEN_ALWAYS },
	{ SYS_adjtimex, GROUP_LINK, WHEN_ALWAYS },

	/* a daemon that starts roles; they pass through here on the way to their own sandbox */
	SPAWN(clone3),
	SPAWN(clone),
	SPAWN(execve),
	SPAWN(execveat),
	SPAWN(wait4),
	SPAWN(waitid),
	SPAWN(pidfd_open),
	SPAWN(pidfd_send_signal),
	SPAWN(setsid),
	SPAWN(prctl),
	SPAWN(seccomp),
	SPAWN(setgroups),
	SPAWN(setresuid),
	SPAWN(setresgid),
	SPAWN(capset),
	SPAWN(capget),
	SPAWN(chroot),
	SPAWN(rseq),
	SPAWN(membarrier),

	SANITIZE(openat),
	SANITIZE(readlinkat),
	SANITIZE(clone),
	SANITIZE(clone3),
	SANITIZE(wait4),
	SANITIZE(ptrace),
	SANITIZE(prctl),
	SANITIZE(sched_getaffinity),
	SANITIZE(sched_yield),
	SANITIZE(sigaltstack),
	SANITIZE(prlimit64),
	SANITIZE(getrusage),
	SANITIZE(getuid),
	SANITIZE(close),
	SANITIZE(pread64),
	SANITIZE(lseek),
	SANITIZE(fstat),
	SANITIZE(kill),
	SANITIZE(tgkill),
	SANITIZE(rseq),
	SANITIZE(newfstatat),
	SANITIZE(statx),
	SANITIZE(getdents64),
	SANITIZE(capget),
	SANITIZE(setitimer),
	SANITIZE(process_vm_readv),

	/* what a C library tries first and can do without */
	{ SYS_newfstatat, GROUP_BASE, WHEN_EMPTY_PATH_3 },
	{ SYS_statx, GROUP_BASE, WHEN_ABSENT },
	{ SYS_rseq, GROUP_BASE, WHEN_ABSENT },
	{ SYS_membarrier, GROUP_BASE, WHEN_ABSENT },
	{ SYS_clone3, GROUP_BASE, WHEN_ABSENT },
};

const size_t sandbox_call_count = sizeof(sandbox_calls) / sizeof(sandbox_calls[0]);
