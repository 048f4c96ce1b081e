/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns loading the device program and hanging it on a cgroup. Runs in the shim before the container
 * is born, and in engine main for changes; system calls only. Must never leave a cgroup without a
 * program for a moment: a new one replaces the old one in one call.
 */
#include "engine/run/device.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "lib/own.h"

enum { DEVICE_PROGRAMS_MAX = 8 };

static int sys_bpf(int command, union bpf_attr *attr, size_t size)
{
	long r = syscall(SYS_bpf, command, attr, size);

	return r < 0 ? -errno : (int)r;
}

static int load(const void *instructions, size_t size)
{
	static const char license[] = "Apache-2.0";
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)instructions;
	attr.insn_cnt = (uint32_t)(size / sizeof(struct bpf_insn));
	attr.license = (uintptr_t)license;
	return sys_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
}

/* Opens the program that hangs on this cgroup itself: *ret_fd is the caller's, -1 for none. */
static int attached(int cgroup_fd, int *ret_fd, struct err *err)
{
	uint32_t ids[DEVICE_PROGRAMS_MAX] = { 0 };
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = DEVICE_PROGRAMS_MAX;
	r = sys_bpf(BPF_PROG_QUERY, &attr, sizeof(attr));
	if (r < 0)
		return err_sys(err, r, "ask for the device program of the cgroup");
	*ret_fd = -1;
	if (attr.query.prog_cnt == 0)
		return 0;
	if (attr.query.prog_cnt > 1)
		return err_set(err, -EBUSY, "the cgroup has %u device programs, expected one",
			       attr.query.prog_cnt);
	memset(&attr, 0, sizeof(attr));
	attr.prog_id = ids[0];
	r = sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));
	if (r < 0)
		return err_sys(err, r, "open the old device program");
	*ret_fd = r;
	return 0;
}

int device_attach(int cgroup_fd, const void *instructions, size_t size_bytes, struct err *err)
{
	OWN_FD int program = load(instructions, size_bytes);
	OWN_FD int old = -1;
	union bpf_attr attr;
	int r;

	if (program < 0)
		return err_sys(err, program, "load the device program");
	r = attached(cgroup_fd, &old, err);
	if (r < 0)
		return r;
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (old >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)old;
	}
	r = sys_bpf(BPF_PROG_ATTACH, &attr, sizeof(attr));
	return r < 0 ? err_sys(err, r, "attach the device program to the cgroup") : 0;
}
