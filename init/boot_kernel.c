/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the kernel settings made at boot. Run once by PID 1. Must never stop a boot: a setting that
 * the kernel does not have is skipped, one that it refuses is reported.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <unistd.h>
#include "init/boot.h"
#include "lib/fs.h"
#include "lib/own.h"

struct setting {
	const char *path, *value;
};

static const struct setting settings[] = {
	/* what the kernel tells about itself */
	{ "kernel/kptr_restrict", "2" },
	{ "kernel/dmesg_restrict", "1" },
	{ "kernel/perf_event_paranoid", "3" },
	{ "kernel/printk", "4 4 1 7" },
	/* what a process may do to another, or to the kernel */
	{ "kernel/unprivileged_bpf_disabled", "1" },
	/*
	 * Blinds the constants of everybody's programs but those of CAP_BPF, which no container has
	 * by default and whose holder needs no such detour. For all (2) it costs each container
	 * start the square of its filter's length: 0.15 s under emulation.
	 */
	{ "net/core/bpf_jit_harden", "1" },
	{ "kernel/yama/ptrace_scope", "1" },
	{ "fs/protected_symlinks", "1" },
	{ "fs/protected_hardlinks", "1" },
	{ "fs/protected_fifos", "2" },
	{ "fs/protected_regular", "2" },
	{ "fs/suid_dumpable", "0" },
	/* a broken kernel starts again instead of going on */
	{ "kernel/panic", "10" },
	{ "kernel/panic_on_oops", "1" },
	/* packets with false addresses; forwarding is netd's */
	{ "net/ipv4/conf/all/rp_filter", "1" },
	{ "net/ipv4/conf/default/rp_filter", "1" },
	{ "net/ipv4/conf/all/accept_redirects", "0" },
	{ "net/ipv4/conf/default/accept_redirects", "0" },
	{ "net/ipv4/conf/all/send_redirects", "0" },
	{ "net/ipv4/conf/default/send_redirects", "0" },
	{ "net/ipv4/conf/all/accept_source_route", "0" },
	{ "net/ipv4/conf/default/accept_source_route", "0" },
	{ "net/ipv6/conf/all/accept_redirects", "0" },
	{ "net/ipv6/conf/default/accept_redirects", "0" },
	{ "net/ipv4/tcp_syncookies", "1" },
	{ "net/ipv4/icmp_echo_ignore_broadcasts", "1" },
	/* room for many containers */
	{ "net/core/somaxconn", "4096" },
	{ "fs/inotify/max_user_instances", "1024" },
	{ "vm/max_map_count", "262144" },
	/* an open file costs its container's memory: no table of the whole machine runs full */
	{ "fs/file-max", "9223372036854775807" },
};

/* As deep as any call of ours goes, so that it need not grow later. */
static void use_stack(void)
{
	volatile char deep[128 << 10];

	for (size_t i = 0; i < sizeof(deep); i += 1024)
		deep[i] = 0;
}

static void apply_settings(const struct boot_reporter *reporter)
{
	OWN_FD int fd = fs_open(AT_FDCWD, "/proc/sys", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	struct err err;
	int r;

	for (size_t i = 0; fd >= 0 && i < ARRAY_LEN(settings); i++) {
		r = fs_write_control(fd, settings[i].path, str_from(settings[i].value), &err);
		if (r < 0 && r != -ENOENT)
			reporter->complain(reporter->owner, &err);
	}
}

bool boot_shield(void)
{
	return fs_write_control(AT_FDCWD, "/proc/self/oom_score_adj", STR("-1000"), NULL) == 0;
}

void boot_kernel(const struct boot_reporter *reporter)
{
	/* The engine and netd hold some five for each container, of which a thousand may run. */
	struct rlimit files = { 65536, 1048576 };
	struct err err;

	apply_settings(reporter);
	if (setrlimit(RLIMIT_NOFILE, &files) < 0) {
		(void)err_sys(&err, -errno, "limit of open files");
		reporter->complain(reporter->owner, &err);
	}
	/* Every page from now on: under memory pressure PID 1 shall neither wait for one nor ask
	 * for one more. */
	use_stack();
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	/* Ctrl-alt-del comes as SIGINT instead of an instant reset. */
	(void)reboot(RB_DISABLE_CAD);
}
