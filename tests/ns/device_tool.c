/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_tool DIR: hangs a program on a control group, then another without CAP_SYS_ADMIN, which
 * may ask for the first one's id but not open it. Prints the code of both and how many hang there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "engine/run/device.h"
#include "lib/own.h"

static int count_programs(int group)
{
	uint32_t ids[8] = { 0 };
	union bpf_attr attr = { .query = { .target_fd = (uint32_t)group,
					   .attach_type = BPF_CGROUP_DEVICE,
					   .prog_ids = (uintptr_t)ids,
					   .prog_cnt = 8 } };

	return syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof(attr)) < 0 ? -errno
									 : (int)attr.query.prog_cnt;
}

static int drop_admin(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	data[CAP_NET_ADMIN / 32].effective |= 1u << CAP_NET_ADMIN % 32;
	data[CAP_BPF / 32].effective |= 1u << CAP_BPF % 32;
	for (int i = 0; i < 2; i++)
		data[i].permitted = data[i].effective;
	return (int)syscall(SYS_capset, &head, data);
}

int main(int argc, char **argv)
{
	/* r0 = 1, exit: everything is allowed. */
	static const struct bpf_insn allow[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	OWN_FD int group = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct err err = { 0 };
	int first, second;

	if (group < 0) {
		perror("device_tool DIR");
		return 2;
	}
	first = device_attach(group, allow, sizeof(allow), &err);
	if (first < 0 || drop_admin() < 0) {
		fprintf(stderr, "device_tool: %s\n", first < 0 ? err_text(&err) : "capset");
		return 2;
	}
	second = device_attach(group, allow, sizeof(allow), &err);
	printf("%d %d %d %s\n", first, second, count_programs(group),
	       second < 0 ? err_text(&err) : "");
	return 0;
}
