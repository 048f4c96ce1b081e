/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the tables of config.json outside of "linux", and the way from bytes to a config. Runs in
 * hoy-oci's sandboxed parser; pure. It must never hold anything of the text back from the checks.
 */
#include "engine/oci/runtime_config.h"

#include <errno.h>
#include "engine/oci/runtime_read.h"
#include "lib/own.h"

const char *const runtime_hook_names[] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
	NULL
};

static const char *const rlimit_names[] = {
	"RLIMIT_CPU",
	"RLIMIT_FSIZE",
	"RLIMIT_DATA",
	"RLIMIT_STACK",
	"RLIMIT_CORE",
	"RLIMIT_RSS",
	"RLIMIT_NPROC",
	"RLIMIT_NOFILE",
	"RLIMIT_MEMLOCK",
	"RLIMIT_AS",
	"RLIMIT_LOCKS",
	"RLIMIT_SIGPENDING",
	"RLIMIT_MSGQUEUE",
	"RLIMIT_NICE",
	"RLIMIT_RTPRIO",
	"RLIMIT_RTTIME",
	NULL,
};
_Static_assert(ARRAY_LEN(rlimit_names) - 1 == RUNTIME_RLIMIT_TYPE_RTTIME, "a name for each limit");

static const char *const policy_names[] = {
	"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR",       "SCHED_BATCH",
	"SCHED_ISO",   "SCHED_IDLE", "SCHED_DEADLINE", NULL,
};

static const char *const scheduler_flags[] = {
	"SCHED_FLAG_RESET_ON_FORK",  "SCHED_FLAG_RECLAIM",
	"SCHED_FLAG_DL_OVERRUN",     "SCHED_FLAG_KEEP_POLICY",
	"SCHED_FLAG_KEEP_PARAMS",    "SCHED_FLAG_UTIL_CLAMP_MIN",
	"SCHED_FLAG_UTIL_CLAMP_MAX", NULL,
};

static const char *const io_classes[] = { "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE",
					  NULL };

/* ---- one row: S is the struct, M the member ---- */
#define AT(S, M) .offset = offsetof(struct S, M)
#define TEXT(K, S, M)                                         \
	{                                                     \
		.key = K, .type = RUNTIME_TYPE_TEXT, AT(S, M) \
	}
#define BOOLEAN(K, S, M)                                      \
	{                                                     \
		.key = K, .type = RUNTIME_TYPE_BOOL, AT(S, M) \
	}
#define TEXTS(K, S, M)                                                                  \
	{                                                                               \
		.key = K, .type = RUNTIME_TYPE_TEXTS, AT(S, M), .max = RUNTIME_LIST_MAX \
	}
#define U32(K, S, M)                                                            \
	{                                                                       \
		.key = K, .type = RUNTIME_TYPE_U32, AT(S, M), .max = UINT32_MAX \
	}
#define U64(K, S, M)                                                            \
	{                                                                       \
		.key = K, .type = RUNTIME_TYPE_U64, AT(S, M), .max = UINT64_MAX \
	}
#define I32(K, S, M)                                                                             \
	{                                                                                        \
		.key = K, .type = RUNTIME_TYPE_I32, AT(S, M), .min = INT32_MIN, .max = INT32_MAX \
	}
#define OBJECT(K, SCHEMA)                                                  \
	{                                                                  \
		.key = K, .type = RUNTIME_TYPE_OBJECT, .schema = &(SCHEMA) \
	}
#define LIST(K, S, M, SCHEMA, MAX)                                                               \
	{                                                                                        \
		.key = K, .type = RUNTIME_TYPE_LIST, AT(S, M), .schema = &(SCHEMA), .max = (MAX) \
	}
#define SCHEMA(FIELDS, SIZE, SET)                                                             \
	{                                                                                     \
		.fields = FIELDS, .count = ARRAY_LEN(FIELDS), .size = SIZE, .set_offset = SET \
	}

enum { MOUNTS_MAX = 1024, HOOKS_MAX = 256, RLIMITS_MAX = 64, GROUPS_MAX = 4096 };

static const struct runtime_field console_fields[] = {
	{ .key = "height",
	  .type = RUNTIME_TYPE_U32,
	  .required = true,
	  AT(runtime_process, rows),
	  .max = RUNTIME_CONSOLE_MAX },
	{ .key = "width",
	  .type = RUNTIME_TYPE_U32,
	  .required = true,
	  AT(runtime_process, columns),
	  .max = RUNTIME_CONSOLE_MAX },
};
static const struct runtime_schema console = SCHEMA(console_fields, 0, SIZE_MAX);

static const struct runtime_field user_fields[] = {
	U32("uid", runtime_process, uid),
	U32("gid", runtime_process, gid),
	{ .key = "umask", .type = RUNTIME_TYPE_OPT_U, AT(runtime_process, umask), .max = 0777 },
	{ .key = "additionalGids",
	  .type = RUNTIME_TYPE_U32S,
	  AT(runtime_process, groups),
	  .max = GROUPS_MAX },
	TEXT("username", runtime_process, username),
};
static const struct runtime_schema user = SCHEMA(user_fields, 0, SIZE_MAX);

static const struct runtime_field caps_fields[] = {
	TEXTS("bounding", runtime_process, caps.bounding),
	TEXTS("permitted", runtime_process, caps.permitted),
	TEXTS("effective", runtime_process, caps.effective),
	TEXTS("inheritable", runtime_process, caps.inheritable),
	TEXTS("ambient", runtime_process, caps.ambient),
};
static const struct runtime_schema caps =
	SCHEMA(caps_fields, 0, offsetof(struct runtime_process, caps.set));

static const struct runtime_field rlimit_fields[] = {
	{ .key = "type",
	  .type = RUNTIME_TYPE_ENUM,
	  .required = true,
	  AT(runtime_rlimit, type),
	  .names = rlimit_names },
	{ .key = "soft",
	  .type = RUNTIME_TYPE_U64,
	  .required = true,
	  AT(runtime_rlimit, soft),
	  .max = UINT64_MAX },
	{ .key = "hard",
	  .type = RUNTIME_TYPE_U64,
	  .required = true,
	  AT(runtime_rlimit, hard),
	  .max = UINT64_MAX },
};
static const struct runtime_schema rlimit =
	SCHEMA(rlimit_fields, sizeof(struct runtime_rlimit), SIZE_MAX);

static const struct runtime_field io_priority_fields[] = {
	{ .key = "class",
	  .type = RUNTIME_TYPE_ENUM,
	  .required = true,
	  AT(runtime_process, io_priority.class),
	  .names = io_classes },
	I32("priority", runtime_process, io_priority.priority),
};
static const struct runtime_schema io_priority =
	SCHEMA(io_priority_fields, 0, offsetof(struct runtime_process, io_priority.set));

static const struct runtime_field scheduler_fields[] = {
	{ .key = "policy",
	  .type = RUNTIME_TYPE_ENUM,
	  .required = true,
	  AT(runtime_process, scheduler.policy),
	  .names = policy_names },
	I32("nice", runtime_process, scheduler.nice),
	I32("priority", runtime_process, scheduler.priority),
	{ .key = "flags",
	  .type = RUNTIME_TYPE_SET,
	  AT(runtime_process, scheduler.flags),
	  .names = scheduler_flags },
	U64("runtime", runtime_process, scheduler.runtime),
	U64("deadline", runtime_process, scheduler.deadline),
	U64("period", runtime_process, scheduler.period),
};
static const struct runtime_schema scheduler = SCHEMA(scheduler_fields, 0, SIZE_MAX);

static const struct runtime_field affinity_fields[] = {
	TEXT("initial", runtime_process, affinity_initial),
	TEXT("final", runtime_process, affinity_final),
};
static const struct runtime_schema affinity = SCHEMA(affinity_fields, 0, SIZE_MAX);

static const struct runtime_field process_fields[] = {
	BOOLEAN("terminal", runtime_process, terminal),
	OBJECT("consoleSize", console),
	OBJECT("user", user),
	TEXTS("args", runtime_process, args),
	TEXTS("env", runtime_process, env),
	{ .key = "cwd", .type = RUNTIME_TYPE_TEXT, .required = true, AT(runtime_process, cwd) },
	OBJECT("capabilities", caps),
	LIST("rlimits", runtime_process, rlimits, rlimit, RLIMITS_MAX),
	BOOLEAN("noNewPrivileges", runtime_process, no_new_privs),
	{ .key = "oomScoreAdj",
	  .type = RUNTIME_TYPE_OPT_I,
	  AT(runtime_process, oom_score_adj),
	  .min = -1000,
	  .max = 1000 },
	TEXT("apparmorProfile", runtime_process, apparmor),
	TEXT("selinuxLabel", runtime_process, selinux),
	OBJECT("ioPriority", io_priority),
	OBJECT("scheduler", scheduler),
	OBJECT("execCPUAffinity", affinity),
};
const struct runtime_schema runtime_process_schema =
	SCHEMA(process_fields, 0, offsetof(struct runtime_process, set));

/* ---- the rest ---- */

static const struct runtime_field mount_fields[] = {
	{ .key = "destination",
	  .type = RUNTIME_TYPE_TEXT,
	  .required = true,
	  AT(runtime_mount, target) },
	TEXT("source", runtime_mount, source),
	TEXT("type", runtime_mount, type),
	TEXTS("options", runtime_mount, options),
	LIST("uidMappings", runtime_mount, uids, runtime_idmap_schema, RUNTIME_LIST_MAX),
	LIST("gidMappings", runtime_mount, gids, runtime_idmap_schema, RUNTIME_LIST_MAX),
};
static const struct runtime_schema mount =
	SCHEMA(mount_fields, sizeof(struct runtime_mount), SIZE_MAX);

static const struct runtime_field hook_fields[] = {
	{ .key = "path", .type = RUNTIME_TYPE_TEXT, .required = true, AT(runtime_hook, path) },
	TEXTS("args", runtime_hook, args),
	TEXTS("env", runtime_hook, env),
	{ .key = "timeout",
	  .type = RUNTIME_TYPE_OPT_I,
	  AT(runtime_hook, timeout_s),
	  .min = 1,
	  .max = INT32_MAX },
};
static const struct runtime_schema hook =
	SCHEMA(hook_fields, sizeof(struct runtime_hook), SIZE_MAX);

#define HOOKS(K, KIND) LIST(K, runtime_config, hooks[KIND], hook, HOOKS_MAX)
static const struct runtime_field hooks_fields[] = {
	HOOKS("prestart", RUNTIME_HOOK_PRESTART),
	HOOKS("createRuntime", RUNTIME_HOOK_CREATE_RUNTIME),
	HOOKS("createContainer", RUNTIME_HOOK_CREATE_CONTAINER),
	HOOKS("startContainer", RUNTIME_HOOK_START_CONTAINER),
	HOOKS("poststart", RUNTIME_HOOK_POSTSTART),
	HOOKS("poststop", RUNTIME_HOOK_POSTSTOP),
};
static const struct runtime_schema hooks = SCHEMA(hooks_fields, 0, SIZE_MAX);

static const struct runtime_field root_fields[] = {
	{ .key = "path",
	  .type = RUNTIME_TYPE_TEXT,
	  .required = true,
	  AT(runtime_config, root_path) },
	BOOLEAN("readonly", runtime_config, root_readonly),
};
static const struct runtime_schema root = SCHEMA(root_fields, 0, SIZE_MAX);

static const struct runtime_field config_fields[] = {
	{ .key = "ociVersion",
	  .type = RUNTIME_TYPE_TEXT,
	  .required = true,
	  AT(runtime_config, version) },
	OBJECT("root", root),
	TEXT("hostname", runtime_config, hostname),
	TEXT("domainname", runtime_config, domainname),
	{ .key = "process",
	  .type = RUNTIME_TYPE_OBJECT,
	  AT(runtime_config, process),
	  .schema = &runtime_process_schema },
	LIST("mounts", runtime_config, mounts, mount, MOUNTS_MAX),
	OBJECT("hooks", hooks),
	{ .key = "annotations",
	  .type = RUNTIME_TYPE_PAIRS,
	  AT(runtime_config, annotations),
	  .max = RUNTIME_LIST_MAX },
	{ .key = "linux",
	  .type = RUNTIME_TYPE_OBJECT,
	  AT(runtime_config, linux_),
	  .schema = &runtime_linux_schema },
};
static const struct runtime_schema config_schema = SCHEMA(config_fields, 0, SIZE_MAX);

static int parse(struct str text, const char *file, const struct runtime_schema *schema, void *at,
		 struct runtime_config *config, struct err *err)
{
	struct runtime_reader in = { .arena = &config->arena, .err = err, .file = file };
	int r;

	arena_init(&config->arena, RUNTIME_ARENA_MAX);
	r = json_parse(text, RUNTIME_CONFIG_MAX, &config->doc, err);
	if (r < 0)
		return err_prefix(err, "%s", file);
	runtime_read_object(&in, config->doc.root, schema, at);
	return in.r;
}

int runtime_config_parse(struct str text, struct runtime_config *ret_config, struct err *err)
{
	int r;

	*ret_config = (struct runtime_config){ 0 };
	r = parse(text, "config.json", &config_schema, ret_config, ret_config, err);
	if (r == 0)
		r = runtime_config_check(ret_config, err);
	return r < 0 ? r : 0;
}

int runtime_process_parse(struct str text, struct runtime_config *ret_config, struct err *err)
{
	int r;

	*ret_config = (struct runtime_config){ 0 };
	r = parse(text, "process", &runtime_process_schema, &ret_config->process, ret_config, err);
	return r < 0 ? r : runtime_process_check(&ret_config->process, err);
}

int runtime_resources_parse(struct str text, struct runtime_config *ret_config, struct err *err)
{
	*ret_config = (struct runtime_config){ 0 };
	return parse(text, "resources", &runtime_resources_schema, &ret_config->linux_.resources,
		     ret_config, err);
}

void runtime_config_done(struct runtime_config *config)
{
	if (!config)
		return;
	json_done(&config->doc);
	arena_done(&config->arena);
	*config = (struct runtime_config){ 0 };
}
