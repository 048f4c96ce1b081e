/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_DEVICE_H
#define HOY_ENGINE_RUN_DEVICE_H

#include "engine/run/spec.h"

/*
 * The device program of a cgroup (BPF_PROG_TYPE_CGROUP_DEVICE, bpf(2)): one block of instructions
 * for each row, the last row first; what no row says anything about gets the answer `rest`.
 */

/*
 * Appends struct bpf_insn[]. Pure. Rows may each allow a part of what is asked for; one row that
 * denies a part of it, and no later one allows, is enough for a no.
 */
int device_program(const struct run_device_rule *rules, size_t count, bool rest, struct buf *out,
		   struct err *err);

/* The rows every container has: mknod of all, the seven standard nodes, pts and ptmx. */
size_t device_default_rules(const struct run_device_rule **ret_rules);

/*
 * Loads the instructions and attaches them to the cgroup. A program that was attached before is
 * replaced in one step, so that no moment without a program exists. No heap: the shim calls it.
 */
int device_attach(int cgroup_fd, const void *instructions, size_t size_bytes, struct err *err);

#endif
