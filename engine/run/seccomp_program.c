/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what every filter's program has in common, whether its rules are those of the table or of a
 * config.json. Runs in engine main and in hoy-oci's parser. It must never change what a rule says.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include "engine/run/seccomp.h"

enum { X32_BIT = 0x40000000 };

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
