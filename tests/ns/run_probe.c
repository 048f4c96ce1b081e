/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No test: runs inside a container and says what each system call answers. The arguments are such
 * that a call which is let through fails or does nothing. tests/ns/run_guard.py builds it static.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROW(name)                 \
	{                         \
#name, SYS_##name \
	}

/* What Docker's profile refuses without further capabilities (those with a number on x86-64). */
static const struct row {
	const char *name;
	long number;
} refused[] = {
	ROW(_sysctl),
	ROW(acct),
	ROW(add_key),
	ROW(afs_syscall),
	ROW(bpf),
	ROW(clock_settime),
	ROW(create_module),
	ROW(delete_module),
	ROW(fanotify_init),
	ROW(finit_module),
	ROW(fsconfig),
	ROW(fsmount),
	ROW(fsopen),
	ROW(fspick),
	ROW(get_kernel_syms),
	ROW(get_mempolicy),
	ROW(getpmsg),
	ROW(init_module),
	ROW(io_uring_enter),
	ROW(io_uring_register),
	ROW(io_uring_setup),
	ROW(ioperm),
	ROW(iopl),
	ROW(kcmp),
	ROW(kexec_file_load),
	ROW(kexec_load),
	ROW(keyctl),
	ROW(lookup_dcookie),
	ROW(mbind),
	ROW(migrate_pages),
	ROW(mount),
	ROW(mount_setattr),
	ROW(move_mount),
	ROW(move_pages),
	ROW(nfsservctl),
	ROW(open_by_handle_at),
	ROW(open_tree),
	ROW(perf_event_open),
	ROW(pidfd_getfd),
	ROW(pivot_root),
	ROW(process_madvise),
	ROW(putpmsg),
	ROW(query_module),
	ROW(quotactl),
	ROW(quotactl_fd),
	ROW(reboot),
	ROW(request_key),
	ROW(security),
	ROW(set_mempolicy),
	ROW(setdomainname),
	ROW(sethostname),
	ROW(setns),
	ROW(settimeofday),
	ROW(swapoff),
	ROW(swapon),
	ROW(sysfs),
	ROW(syslog),
	ROW(tuxcall),
	ROW(umount2),
	ROW(unshare),
	ROW(uselib),
	ROW(userfaultfd),
	ROW(ustat),
	ROW(vhangup),
	ROW(vserver),
};

static void show(const char *name, long number, long a, long b, long c)
{
	long r = syscall(number, a, b, c, -1L, -1L, -1L);

	(void)printf("%s %ld %d\n", name, r, r < 0 ? errno : 0);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc == 5) { /* NUMBER A B C */
		show("call", strtol(argv[1], NULL, 0), strtol(argv[2], NULL, 0),
		     strtol(argv[3], NULL, 0), strtol(argv[4], NULL, 0));
		return 0;
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		show(refused[i].name, refused[i].number, -1, -1, -1);
	show("clone3", SYS_clone3, 0, 0, 0);
	show("newer-1", 600, -1, -1, -1);
	show("newer-2", 1000000, -1, -1, -1);
	return 0;
}
