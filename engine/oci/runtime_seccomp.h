/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_OCI_RUNTIME_SECCOMP_H
#define HOY_ENGINE_OCI_RUNTIME_SECCOMP_H

#include "engine/oci/runtime_value.h"

/* The "linux.seccomp" section of config.json: names are resolved, system calls are not. */

enum runtime_seccomp_action {
	RUNTIME_SECCOMP_NONE,
	RUNTIME_SECCOMP_KILL,
	RUNTIME_SECCOMP_KILL_PROCESS,
	RUNTIME_SECCOMP_KILL_THREAD,
	RUNTIME_SECCOMP_TRAP,
	RUNTIME_SECCOMP_ERRNO,
	RUNTIME_SECCOMP_TRACE,
	RUNTIME_SECCOMP_ALLOW,
	RUNTIME_SECCOMP_LOG,
	RUNTIME_SECCOMP_NOTIFY,
};

enum runtime_seccomp_operator {
	RUNTIME_SECCOMP_CMP_NONE,
	RUNTIME_SECCOMP_CMP_NE,
	RUNTIME_SECCOMP_CMP_LT,
	RUNTIME_SECCOMP_CMP_LE,
	RUNTIME_SECCOMP_CMP_EQ,
	RUNTIME_SECCOMP_CMP_GE,
	RUNTIME_SECCOMP_CMP_GT,
	RUNTIME_SECCOMP_CMP_MASKED_EQ,
};

struct runtime_seccomp_arg {
	uint32_t index;
	uint64_t value, value_two;
	enum runtime_seccomp_operator op;
};

struct runtime_seccomp_rule {
	struct runtime_texts names;
	enum runtime_seccomp_action action;
	struct runtime_u64 errno_ret;
	struct {
		struct runtime_seccomp_arg *items;
		size_t count;
	} args;
};

struct runtime_seccomp {
	bool set;
	enum runtime_seccomp_action default_action;
	struct runtime_u64 default_errno;
	uint64_t flags;	 /* bit n: the n-th name of runtime_seccomp_flags */
	uint64_t arches; /* bit n: the n-th name of runtime_seccomp_arches */
	const char *listener_path, *listener_metadata;
	struct {
		struct runtime_seccomp_rule *items;
		size_t count;
	} rules;
};

#endif
