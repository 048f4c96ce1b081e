/* SPDX-License-Identifier: Apache-2.0 */
/* Each profile in a forked child: what it may do works, what it may not kills it. Needs root. */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include "lib/msg.h"
#include "lib/sandbox.h"
#include "lib/sandbox_filter.h"
#include "lib/spawn.h"
#include "tests/unit/lib/place.h"
#include "tests/unit/tap.h"

enum { NOBODY = 65534, REFUSED = 99 };

typedef int act_fn(void);

static int place;

/*
 * The result of fn (0..90) in a child within the sandbox, -SIGNAL when it was killed, REFUSED when
 * the sandbox could not be entered. The child leaves by _exit: the leak check of test builds would
 * make calls of its own.
 */
static int within(const struct sandbox *sandbox, act_fn *fn)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct err err;

		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		if (sandbox_enter(sandbox, &err) < 0)
			_exit(REFUSED);
		_exit(fn());
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int in_profile(enum sandbox_profile profile, act_fn *fn)
{
	struct sandbox sandbox = { .profile = profile, .uid = NOBODY, .gid = NOBODY };

	return within(&sandbox, fn);
}

/* ---- what a role might do ---- */

static int act_nothing(void)
{
	return 0;
}

static int act_compute(void)
{
	struct msg sent = { .type = 1 }, got = { 0 };
	char *big = malloc(3 << 20);
	OWN_FD int epoll = -1;
	struct timespec now;
	int ends[2], r = 1;

	if (!big || msg_pair(ends, NULL) < 0)
		return 1;
	memset(big, 1, 3 << 20);
	sent.body = str_make(big, 1 << 20); /* goes by memfd */
	if (msg_send(ends[0], &sent, NULL) == 0 && msg_recv(ends[1], &got, NULL) == 1)
		r = got.body.len == 1 << 20 ? 0 : 2;
	msg_done(&got);
	free(big);
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	(void)getpid();
	errno = 0;
	if (isatty(0) != 0 || errno != ENOTTY)
		return 3;
	return r;
}

/* What a parser does between its input, which lies in memory, and its answer. */
static int act_memory(void)
{
	char *big = malloc(3 << 20), *more = NULL;
	int r = 1;

	if (big) {
		memset(big, 1, 3 << 20);
		more = realloc(big, 6 << 20);
	}
	if (more && write(STDERR_FILENO, more, 1) == 1)
		r = 0;
	free(more ? more : big);
	return r;
}

static int act_open(void)
{
	(void)open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	return 1;
}

static int act_openat2(void)
{
	(void)fs_open(place, "x", FS_BENEATH, O_RDONLY, 0, NULL);
	return 1;
}

static int act_socket(void)
{
	errno = 0;
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 0 : errno == EAFNOSUPPORT;
}

static int act_netlink_socket(void)
{
	errno = 0;
	if (socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0)
		return 0;
	return errno == EAFNOSUPPORT ? 1 : 2;
}

static int act_fork(void)
{
	(void)syscall(SYS_fork);
	return 1;
}

static int act_exec(void)
{
	char *const argv[] = { (char[]){ "role" }, (char[]){ "started" }, NULL };

	(void)execve("/proc/self/exe", argv, NULL);
	return 1;
}

static int act_ptrace(void)
{
	(void)syscall(SYS_process_vm_writev, getpid(), NULL, 0, NULL, 0, 0);
	return 1;
}

static int act_mount(void)
{
	(void)syscall(SYS_mount, "none", "/", NULL, 0, NULL);
	return 1;
}

static int act_bpf(void)
{
	(void)syscall(SYS_bpf, 0, NULL, 0);
	return 1;
}

static int act_setuid(void)
{
	(void)syscall(SYS_setuid, 0);
	return 1;
}

static int act_io_uring(void)
{
	(void)syscall(SYS_io_uring_setup, 1, NULL);
	return 1;
}

static int act_unknown(void)
{
	(void)syscall(1023);
	return 1;
}

static int act_x32(void)
{
	(void)syscall(0x40000000 + SYS_getpid);
	return 1;
}

static int act_kill_parent(void)
{
	errno = 0;
	return kill(getppid(), 0) < 0 && errno == EPERM ? 0 : 1;
}

static int act_abort(void)
{
	(void)signal(SIGABRT, SIG_DFL);
	abort();
}

static int act_clone3(void)
{
	errno = 0;
	return syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS ? 0 : 1;
}

static int act_make_file(void)
{
	return fs_replace(place, "made", "x", 1, 0600, NULL) == 0 ? 0 : 1;
}

static int act_chown(void)
{
	OWN_FD int fd = fs_open(place, "made", FS_BENEATH, O_RDONLY, 0, NULL);

	return fchown(fd, (uid_t)-1, (gid_t)-1) == 0 ? 0 : 1;
}

static int act_read_only(void)
{
	OWN_FD int fd = open("/proc/uptime", O_RDONLY | O_CLOEXEC);

	errno = 0;
	if (fd < 0)
		return 1;
	if (open("/tmp/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 || errno != EROFS)
		return 2;
	return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) < 0 && errno == EROFS ? 0 : 3;
}

static int act_ioctl(void)
{
	int linger = 0;

	(void)syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, &linger);
	return 1;
}

static int act_accept(void)
{
	errno = 0;
	return accept4(0, NULL, NULL, 0) < 0 && errno == ENOTSOCK ? 0 : 1;
}

/* ---- the tests ---- */

static void test_compute(void)
{
	static const struct {
		act_fn *fn;
		const char *what;
	} deadly[] = {
		{ act_exec, "execve" },
		{ act_mount, "mount" },
		{ act_bpf, "bpf" },
		{ act_setuid, "setuid" },
		{ act_io_uring, "io_uring" },
		{ act_unknown, "a number from the future" },
		{ act_x32, "an x32 number" },
		{ act_ioctl, "TIOCSTI" },
		{ act_socket, "socket" },
		{ act_accept, "accept4" },
		{ act_ptrace, "process_vm_writev" },
		{ act_openat2, "openat2" },
		{ act_fork, "fork" },
	};

	is_int(in_profile(SANDBOX_PROFILE_COMPUTE, act_compute), 0,
	       "messages, memory, time and waiting");
	for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
		is_int(in_profile(SANDBOX_PROFILE_COMPUTE, deadly[i].fn), -SIGSYS, "%s kills",
		       deadly[i].what);
	is_int(in_profile(SANDBOX_PROFILE_COMPUTE, act_abort), -SIGABRT, "abort() is still one");
}

static void test_profiles(void)
{
	is_int(in_profile(SANDBOX_PROFILE_STORE, act_chown), -SIGSYS, "STORE may not chown");
	is_int(in_profile(SANDBOX_PROFILE_STORE, act_make_file), 0, "STORE makes files durably");
	is_int(in_profile(SANDBOX_PROFILE_STORE, act_socket), -SIGSYS, "STORE has no network");
	is_int(in_profile(SANDBOX_PROFILE_FILES, act_chown), 0, "FILES may chown");
	is_int(in_profile(SANDBOX_PROFILE_FILES, act_mount), -SIGSYS, "FILES may not mount");
	is_int(in_profile(SANDBOX_PROFILE_INET, act_socket), 0, "INET makes inet sockets");
	is_int(in_profile(SANDBOX_PROFILE_INET, act_netlink_socket), 1, "and no others");
	is_int(in_profile(SANDBOX_PROFILE_INET, act_exec), -SIGSYS, "INET may not exec");
	is_int(in_profile(SANDBOX_PROFILE_SERVER, act_accept), 0, "SERVER accepts");
	is_int(in_profile(SANDBOX_PROFILE_SERVER, act_socket), -SIGSYS, "and makes no sockets");
	is_int(in_profile(SANDBOX_PROFILE_SERVER, act_openat2), -SIGSYS, "and opens nothing");
	is_int(in_profile(SANDBOX_PROFILE_TTY, act_ioctl), -SIGSYS, "TTY may not push input");
	is_int(in_profile(SANDBOX_PROFILE_TTY, act_bpf), -SIGSYS, "TTY stays a small one");
	is_int(in_profile(SANDBOX_PROFILE_NETLINK, act_netlink_socket), 0, "NETLINK does");
	is_int(in_profile(SANDBOX_PROFILE_NETLINK, act_mount), -SIGSYS, "NETLINK may not mount");
	is_int(in_profile(SANDBOX_PROFILE_NETLINK, act_exec), 0, "NETLINK starts its roles");
	is_int(in_profile(SANDBOX_PROFILE_COMPUTE, act_nothing), 0, "doing nothing is allowed");
	is_int(in_profile(SANDBOX_PROFILE_PARSER, act_memory), 0, "PARSER has memory and pipes");
	is_int(in_profile(SANDBOX_PROFILE_PARSER, act_socket), -SIGSYS, "and makes no sockets");
	is_int(in_profile(SANDBOX_PROFILE_PARSER, act_compute), -SIGSYS,
	       "nor fds, and never waits");
}

/* These the run-time of sanitised builds needs itself, so that there they cannot be refused. */
static void test_unsanitised(void)
{
	struct sandbox_filter filter;

	sandbox_filter_profile(&filter, SANDBOX_PROFILE_COMPUTE, 1);
	ok(!filter.overflow && filter.len > 100, "the program of COMPUTE has %zu steps",
	   filter.len);
	sandbox_filter_profile(&filter, SANDBOX_PROFILE_PARSER, 1);
	ok(!filter.overflow && filter.len > 20, "that of PARSER %zu", filter.len);
#ifndef __SANITIZE_ADDRESS__
	ok(filter.len < 80, "and it is a short one");
#endif
	sandbox_filter_profile(&filter, SANDBOX_PROFILE_NETLINK, 1);
	ok(!filter.overflow, "that of NETLINK %zu", filter.len);
	sandbox_filter_deny(&filter);
	ok(!filter.overflow && filter.len > 10, "the deny list %zu", filter.len);
#ifndef __SANITIZE_ADDRESS__
	is_int(in_profile(SANDBOX_PROFILE_COMPUTE, act_open), -SIGSYS, "open kills");
	is_int(in_profile(SANDBOX_PROFILE_COMPUTE, act_clone3), 0, "clone3 is not there");
	is_int(in_profile(SANDBOX_PROFILE_COMPUTE, act_kill_parent), 0, "no signals to others");
	is_int(in_profile(SANDBOX_PROFILE_INET, act_read_only), 0, "INET opens to read only");
#else
	(void)act_open;
	(void)act_clone3;
	(void)act_kill_parent;
	(void)act_read_only;
#endif
}

/* netd main in its sandbox starts a role, which goes into its own. */
static int act_start_role(void)
{
	static const char *const argv[] = { "role", "enters", NULL };
	siginfo_t info = { 0 };
	struct spawn spawn;
	int pidfd = -1;

	spawn_init(&spawn, "/proc/self/exe", argv);
	spawn.log_fd = STDERR_FILENO;
	spawn.oom_score_adj = 100;
	if (spawn_start(&spawn, NULL, &pidfd, NULL) < 0)
		return 1;
	if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		return 2;
	return info.si_code == CLD_EXITED ? info.si_status : 3;
}

static int role_enters(void)
{
	struct sandbox sandbox = { .profile = SANDBOX_PROFILE_COMPUTE,
				   .uid = NOBODY,
				   .gid = NOBODY,
				   .root = "/proc/self/fdinfo",
				   .files_max = 32 };

	return sandbox_enter(&sandbox, NULL) == 0 ? 0 : 4;
}

static void test_start_role(void)
{
	struct sandbox sandbox = { .profile = SANDBOX_PROFILE_NETLINK,
				   .capabilities = 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW |
						   1u << CAP_SETUID | 1u << CAP_SETGID |
						   1u << CAP_SETPCAP | 1u << CAP_SYS_CHROOT |
						   1u << CAP_KILL };

	is_int(within(&sandbox, act_start_role), 0,
	       "a sandboxed daemon starts a role that enters its own sandbox");
}

/* What the kernel says of a process in the sandbox. */
static int act_status(void)
{
	static char text[8192];
	OWN_FD int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return 1;
	if (!strstr(text, "\nUid:\t65534\t65534\t65534\t65534\n") ||
	    !strstr(text, "\nGid:\t65534\t65534\t65534\t65534\n"))
		return 2;
	if (!strstr(text, "\nGroups:\t \n") && !strstr(text, "\nGroups:\t\n"))
		return 3;
	if (!strstr(text, "\nCapInh:\t0000000000000000\n") ||
	    !strstr(text, "\nCapPrm:\t0000000000000400\n") ||
	    !strstr(text, "\nCapEff:\t0000000000000400\n") ||
	    !strstr(text, "\nCapBnd:\t0000000000000400\n") ||
	    !strstr(text, "\nCapAmb:\t0000000000000000\n"))
		return 4;
	if (!strstr(text, "\nNoNewPrivs:\t1\n") || !strstr(text, "\nSeccomp:\t2\n"))
		return 5;
	return 0;
}

static int act_limits(void)
{
	struct rlimit files, core;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || getrlimit(RLIMIT_CORE, &core) < 0)
		return 1;
	return files.rlim_max == 50 && files.rlim_cur == 50 && core.rlim_max == 0 ? 0 : 2;
}

/* As on a machine whose root may not raise limits: the tighter one that is there holds. */
static int act_tight_limit(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { 0 };
	struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_FILES, .uid = NOBODY, .gid = NOBODY, .files_max = 400
	};
	const struct rlimit tight = { 200, 300 };
	struct rlimit files;

	if (syscall(SYS_capget, &head, caps) < 0)
		return 1;
	caps[0].effective &= ~(1u << CAP_SYS_RESOURCE);
	caps[0].permitted &= ~(1u << CAP_SYS_RESOURCE);
	if (syscall(SYS_capset, &head, caps) < 0 || setrlimit(RLIMIT_NOFILE, &tight) < 0)
		return 2;
	if (sandbox_enter(&sandbox, NULL) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 3;
	return files.rlim_max == 300 && files.rlim_cur == 300 ? 0 : 4;
}

static int in_child(act_fn *fn)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int act_root(void)
{
	OWN_FD int up = fs_open(AT_FDCWD, "..", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

	return fs_exists(up, "only", FS_BENEATH) ? 0 : 1;
}

static void test_state(void)
{
	struct sandbox sandbox = { .profile = SANDBOX_PROFILE_FILES,
				   .uid = NOBODY,
				   .gid = NOBODY,
				   .capabilities = 1 << 10,
				   .files_max = 50 };
	char path[FS_FD_PATH_MAX];
	OWN_FD int root = fs_open_dir(place, "root", FS_BENEATH, 0755, NULL);

	is_int(within(&sandbox, act_status), 0, "uid, groups, capabilities, no_new_privs, filter");
	is_int(within(&sandbox, act_limits), 0, "limits");
	is_int(in_child(act_tight_limit), 0, "a tighter limit that cannot be raised stays");
	place_write(root, "only", "x");
	sandbox.root = fs_fd_path(root, path);
	is_int(within(&sandbox, act_root), 0, "its root is all it sees");
	sandbox.root = "/nowhere/at/all";
	is_int(within(&sandbox, act_nothing), REFUSED, "a missing root is an error");
}

static int act_container_like(void)
{
	errno = 0;
	if (syscall(SYS_kexec_load, 0, 0, NULL, 0) == 0 || errno != EPERM)
		return 1;
	if (syscall(SYS_finit_module, -1, "", 0) == 0 || errno != EPERM)
		return 2;
	if (syscall(SYS_bpf, 0, NULL, 0) == 0 || errno == EPERM)
		return 3;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
		return 4;
	return prctl(PR_CAPBSET_READ, 21, 0, 0, 0) == 1 && geteuid() == 0 ? 0 : 5;
}

static void test_keep_setid(void)
{
	struct sandbox sandbox = { .keep_setid = true, .capabilities = UINT64_MAX };

	is_int(within(&sandbox, act_container_like), 0,
	       "main keeps what containers need, but for the deny list");
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "started") == 0)
		_exit(0); /* act_exec() came through */
	if (argc == 2 && strcmp(argv[1], "enters") == 0)
		_exit(role_enters());
	if (geteuid() != 0) {
		skip("sandbox profiles", "needs root");
		return tap_done();
	}
	place = place_make("sandbox");
	(void)fchmod(place, 0777);
	is_int(act_make_file(), 0, "a file");
	test_compute();
	test_profiles();
	test_start_role();
	test_unsanitised();
	test_state();
	test_keep_setid();
	place_remove(place);
	return tap_done();
}
