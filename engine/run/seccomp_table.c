/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the facts of Docker's default seccomp profile: which system calls a container may make. Data
 * only; engine main compiles it (seccomp.c). Must never be widened by hand: a unit test compares it
 * row by row with the profile's facts.
 */
#include "engine/run/seccomp.h"

#include "lib/own.h"

/* Capability numbers as in linux/capability.h; -1 = does not matter. */
const struct seccomp_rule seccomp_table[] = {
	{ .names = "accept accept4 access adjtimex alarm bind brk cachestat capget capset "
		   "chdir chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres "
		   "clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
		   "clock_nanosleep_time64 close close_range connect copy_file_range creat "
		   "dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old "
		   "epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 "
		   "execve execveat exit exit_group faccessat faccessat2 fadvise64 "
		   "fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 "
		   "fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr "
		   "flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs "
		   "fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 "
		   "futex_wait futex_waitv futex_wake futimesat getcpu getcwd getdents "
		   "getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups "
		   "getgroups32 getitimer getpeername getpgid getpgrp getpid getppid "
		   "getpriority getrandom getresgid getresgid32 getresuid getresuid32 "
		   "getrlimit get_robust_list getrusage getsid getsockname getsockopt "
		   "get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat "
		   "inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel "
		   "ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 "
		   "ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule "
		   "landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr "
		   "link linkat listen listmount listxattr listxattrat llistxattr _llseek "
		   "lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack "
		   "membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat "
		   "mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify "
		   "mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
		   "mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd "
		   "msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat "
		   "_newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe "
		   "pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl "
		   "pread64 preadv preadv2 prlimit64 process_mrelease pselect6 "
		   "pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink "
		   "readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg "
		   "remap_file_pages removexattr removexattrat rename renameat renameat2 "
		   "restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending "
		   "rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "
		   "rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo "
		   "sched_getaffinity sched_getattr sched_getparam sched_get_priority_max "
		   "sched_get_priority_min sched_getscheduler sched_rr_get_interval "
		   "sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
		   "sched_setparam sched_setscheduler sched_yield seccomp select semctl "
		   "semget semop semtimedop semtimedop_time64 send sendfile sendfile64 "
		   "sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid "
		   "setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid "
		   "setregid32 setresgid setresgid32 setresuid setresuid32 setreuid "
		   "setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area "
		   "set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl shmdt "
		   "shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn "
		   "socketcall socketpair splice stat stat64 statfs statfs64 statmount statx "
		   "symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time "
		   "timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 "
		   "timer_settime timer_settime64 timerfd_create timerfd_gettime "
		   "timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate "
		   "truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime "
		   "utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid "
		   "write writev",
	  .with_cap = -1,
	  .without_cap = -1 },
	{ .names = "process_vm_readv process_vm_writev ptrace", .with_cap = -1, .without_cap = -1 },
	{ .names = "socket",
	  .with_cap = -1,
	  .without_cap = -1,
	  .argument = 0,
	  .compare = SECCOMP_COMPARE_LESS,
	  .value = 0x26 },
	{ .names = "socket",
	  .with_cap = -1,
	  .without_cap = -1,
	  .argument = 0,
	  .compare = SECCOMP_COMPARE_EQUAL,
	  .value = 0x27 },
	{ .names = "socket",
	  .with_cap = -1,
	  .without_cap = -1,
	  .argument = 0,
	  .compare = SECCOMP_COMPARE_GREATER,
	  .value = 0x28 },
	{ .names = "personality",
	  .with_cap = -1,
	  .without_cap = -1,
	  .argument = 0,
	  .compare = SECCOMP_COMPARE_EQUAL,
	  .value = 0x0 },
	{ .names = "personality",
	  .with_cap = -1,
	  .without_cap = -1,
	  .argument = 0,
	  .compare = SECCOMP_COMPARE_EQUAL,
	  .value = 0x8 },
	{ .names = "personality",
	  .with_cap = -1,
	  .without_cap = -1,
	  .argument = 0,
	  .compare = SECCOMP_COMPARE_EQUAL,
	  .value = 0x20000 },
	{ .names = "personality",
	  .with_cap = -1,
	  .without_cap = -1,
	  .argument = 0,
	  .compare = SECCOMP_COMPARE_EQUAL,
	  .value = 0x20008 },
	{ .names = "personality",
	  .with_cap = -1,
	  .without_cap = -1,
	  .argument = 0,
	  .compare = SECCOMP_COMPARE_EQUAL,
	  .value = 0xffffffff },
	{ .names = "sync_file_range2 swapcontext",
	  .arches = SECCOMP_ARCH_OTHER,
	  .with_cap = -1,
	  .without_cap = -1 },
	{ .names = "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint "
		   "cacheflush set_tls",
	  .arches = SECCOMP_ARCH_ARM | SECCOMP_ARCH_ARM64,
	  .with_cap = -1,
	  .without_cap = -1 },
	{ .names = "arch_prctl",
	  .arches = SECCOMP_ARCH_AMD64 | SECCOMP_ARCH_X32,
	  .with_cap = -1,
	  .without_cap = -1 },
	{ .names = "modify_ldt",
	  .arches = SECCOMP_ARCH_AMD64 | SECCOMP_ARCH_X32 | SECCOMP_ARCH_X86,
	  .with_cap = -1,
	  .without_cap = -1 },
	{ .names = "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
	  .arches = SECCOMP_ARCH_OTHER,
	  .with_cap = -1,
	  .without_cap = -1 },
	{ .names = "riscv_flush_icache",
	  .arches = SECCOMP_ARCH_OTHER,
	  .with_cap = -1,
	  .without_cap = -1 },
	{ .names = "open_by_handle_at", .with_cap = 2, .without_cap = -1 },
	{ .names = "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick "
		   "lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr "
		   "mount mount_setattr move_mount open_tree perf_event_open quotactl "
		   "quotactl_fd setdomainname sethostname setns syslog umount umount2 "
		   "unshare",
	  .with_cap = 21,
	  .without_cap = -1 },
	{ .names = "clone",
	  .with_cap = -1,
	  .without_cap = 21,
	  .argument = 0,
	  .compare = SECCOMP_COMPARE_MASKED,
	  .value = 0x7e020000 },
	{ .names = "clone",
	  .arches = SECCOMP_ARCH_OTHER,
	  .with_cap = -1,
	  .without_cap = 21,
	  .argument = 1,
	  .compare = SECCOMP_COMPARE_MASKED,
	  .value = 0x7e020000 },
	{ .names = "clone3", .with_cap = -1, .without_cap = 21, .deny_errno = 38 },
	{ .names = "reboot", .with_cap = 22, .without_cap = -1 },
	{ .names = "chroot", .with_cap = 18, .without_cap = -1 },
	{ .names = "delete_module init_module finit_module", .with_cap = 16, .without_cap = -1 },
	{ .names = "acct", .with_cap = 20, .without_cap = -1 },
	{ .names = "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev "
		   "ptrace",
	  .with_cap = 19,
	  .without_cap = -1 },
	{ .names = "iopl ioperm", .with_cap = 17, .without_cap = -1 },
	{ .names = "settimeofday stime clock_settime clock_settime64",
	  .with_cap = 25,
	  .without_cap = -1 },
	{ .names = "vhangup", .with_cap = 26, .without_cap = -1 },
	{ .names = "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
	  .with_cap = 23,
	  .without_cap = -1 },
	{ .names = "syslog", .with_cap = 34, .without_cap = -1 },
	{ .names = "bpf", .with_cap = 39, .without_cap = -1 },
	{ .names = "perf_event_open", .with_cap = 38, .without_cap = -1 },
};

const size_t seccomp_table_count = ARRAY_LEN(seccomp_table);
