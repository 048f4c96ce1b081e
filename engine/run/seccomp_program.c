/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what every filter's program has in common, whether its rules are those of the table or of a
 * config.json. Runs in engine main and in hoy-oci's parser. It must never change what a rule says.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include "engine/run/seccomp.h"
#include "lib/own.h"

enum { X32_BIT = 0x40000000 };

/* Of ioctl(2), with the numbers of 64- and of 32-bit programs: FS_IOC_FSSETXATTR, FS_IOC_SETFLAGS.
 */
enum { SET_XATTR = 0x401c5820, SET_FLAGS = 0x40086602, SET_FLAGS_32 = 0x40046602 };

void seccomp_put_prefix(struct buf *out, uint32_t newest)
{
	const struct sock_filter prefix[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, newest, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};

	buf_add(out, prefix, sizeof(prefix));
}

/* Each row is left behind where its architecture or its call is another one. */
static void put_keep_row(struct buf *out, uint32_t arch, uint32_t nr)
{
	const struct sock_filter row[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 7),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 5),
		/* The kernel takes 32 bits of it, on machines that keep the low ones first. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SET_XATTR, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SET_FLAGS, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SET_FLAGS_32, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};

	buf_add(out, row, sizeof(row));
}

void seccomp_put_keep_project(struct buf *out)
{
	/* ioctl(2) of each architecture that a program on this machine may be of. */
	static const struct {
		uint32_t native, arch, nr;
	} rows[] = {
		{ AUDIT_ARCH_X86_64, AUDIT_ARCH_X86_64, 16 },
		{ AUDIT_ARCH_X86_64, AUDIT_ARCH_X86_64, X32_BIT + 514 },
		{ AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, 54 },
		{ AUDIT_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 29 },
		{ AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 54 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].native == seccomp_arch_native())
			put_keep_row(out, rows[i].arch, rows[i].nr);
}

void seccomp_put_allow(struct buf *out)
{
	const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	buf_add(out, &allow, sizeof(allow));
}

int seccomp_put_program(struct buf *out, void *ctx, struct err *err)
{
	size_t len = 0;
	int r = seccomp_export_bpf_mem(ctx, NULL, &len);

	if (r == 0)
		r = buf_reserve(out, len);
	if (r == 0)
		r = seccomp_export_bpf_mem(ctx, out->data + out->len, &len);
	if (r < 0)
		return err_sys(err, r, "seccomp: write the program");
	out->len += len;
	return 0;
}
