/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_OCI_RUNTIME_CONFIG_H
#define HOY_ENGINE_OCI_RUNTIME_CONFIG_H

#include "engine/json/json.h"
#include "engine/oci/runtime_linux.h"
#include "lib/arena.h"
#include "lib/err.h"

/*
 * The OCI runtime specification's config.json (v1.3, config.md and config-linux.md) as it stands in
 * the file: what it leaves out is zero, NULL or not set. Texts and lists live in the document. Keys
 * that the specification does not know are passed over, as it asks for; everything it knows has to
 * have its type, its range and one of its values.
 */
enum {
	RUNTIME_CONFIG_MAX = 4 << 20, /* bytes of a config.json */
	RUNTIME_ARENA_MAX = 16 << 20,
	RUNTIME_LIST_MAX = 4096,
};

enum runtime_console { RUNTIME_CONSOLE_MAX = 65535 };

struct runtime_rlimit {
	enum runtime_rlimit_type type;
	uint64_t soft, hard;
};

enum runtime_io_class {
	RUNTIME_IO_CLASS_NONE,
	RUNTIME_IO_CLASS_RT,
	RUNTIME_IO_CLASS_BE,
	RUNTIME_IO_CLASS_IDLE,
};

enum runtime_policy { /* the kernel's SCHED_ number + 1 */
		      RUNTIME_POLICY_NONE,
		      RUNTIME_POLICY_OTHER,
		      RUNTIME_POLICY_FIFO,
		      RUNTIME_POLICY_RR,
		      RUNTIME_POLICY_BATCH,
		      RUNTIME_POLICY_ISO,
		      RUNTIME_POLICY_IDLE,
		      RUNTIME_POLICY_DEADLINE,
};

struct runtime_scheduler {
	enum runtime_policy policy;
	int32_t nice, priority;
	uint64_t flags; /* the kernel's SCHED_FLAG_ bits */
	uint64_t runtime, deadline, period;
};

struct runtime_caps {
	bool set;
	struct runtime_texts bounding, permitted, effective, inheritable, ambient;
};

struct runtime_process {
	bool set;
	bool terminal, no_new_privs;
	uint32_t rows, columns;
	uint32_t uid, gid;
	struct runtime_u64 umask;
	struct runtime_u32s groups;
	const char *username;
	struct runtime_texts args, env;
	const char *cwd;
	struct runtime_caps caps;
	struct {
		struct runtime_rlimit *items;
		size_t count;
	} rlimits;
	struct runtime_i64 oom_score_adj;
	const char *apparmor, *selinux;
	struct {
		bool set;
		enum runtime_io_class class;
		int32_t priority;
	} io_priority;
	struct runtime_scheduler scheduler; /* policy NONE = not set */
	const char *affinity_initial, *affinity_final;
};

struct runtime_mount {
	const char *source, *target, *type;
	struct runtime_texts options;
	struct runtime_idmaps uids, gids;
};

struct runtime_hook {
	const char *path;
	struct runtime_texts args, env;
	struct runtime_i64 timeout_s;
};

struct runtime_hooks {
	struct runtime_hook *items;
	size_t count;
};

enum runtime_hook_kind {
	RUNTIME_HOOK_PRESTART,
	RUNTIME_HOOK_CREATE_RUNTIME,
	RUNTIME_HOOK_CREATE_CONTAINER,
	RUNTIME_HOOK_START_CONTAINER,
	RUNTIME_HOOK_POSTSTART,
	RUNTIME_HOOK_POSTSTOP,
	RUNTIME_HOOK_COUNT,
};

struct runtime_config {
	struct json_doc doc;
	struct arena arena;
	const char *version;
	const char *root_path; /* NULL = no root section */
	bool root_readonly;
	const char *hostname, *domainname;
	struct runtime_process process;
	struct {
		struct runtime_mount *items;
		size_t count;
	} mounts;
	struct runtime_hooks hooks[RUNTIME_HOOK_COUNT];
	struct runtime_pairs annotations;
	struct runtime_linux linux_;
};

/*
 * Parses and checks text. -EBADMSG with "config.json: process.args[3]: expected text, found
 * number"; -EINVAL where a value contradicts another one or the specification. Pure. The config is
 * to be given to runtime_config_done() in any case.
 */
int runtime_config_parse(struct str text, struct runtime_config *ret_config, struct err *err);

/* The same for the file of `exec --process` and of `update --resources`: only config->process, only
 * config->linux_.resources is filled. */
int runtime_process_parse(struct str text, struct runtime_config *ret_config, struct err *err);
int runtime_resources_parse(struct str text, struct runtime_config *ret_config, struct err *err);

void runtime_config_done(struct runtime_config *config); /* accepts NULL and zeroed */

/* What the parts contradict each other in; called by the parse functions. */
int runtime_config_check(const struct runtime_config *config, struct err *err);
int runtime_process_check(const struct runtime_process *process, struct err *err);

/* The specification's names, NULL behind the last one: for features. */
extern const char *const runtime_hook_names[];
extern const char *const runtime_namespace_names[];
extern const char *const runtime_seccomp_actions[];
extern const char *const runtime_seccomp_operators[];
extern const char *const runtime_seccomp_flags[];
extern const char *const runtime_seccomp_arches[];

#endif
