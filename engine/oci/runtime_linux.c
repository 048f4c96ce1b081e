/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the tables of config.json's "linux" section: names and bounds as config-linux.md and its
 * schema give them. Data only.
 */
#include "engine/oci/runtime_linux.h"

#include "engine/oci/runtime_config.h"
#include "engine/oci/runtime_read.h"
#include "lib/own.h"

const char *const runtime_namespace_names[] = { "pid",	"network", "mount", "ipc", "uts",
						"user", "cgroup",  "time",  NULL };

const char *const runtime_seccomp_actions[] = {
	"SCMP_ACT_KILL",	"SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
	"SCMP_ACT_ERRNO",	"SCMP_ACT_TRACE",
	"SCMP_ACT_ALLOW",	"SCMP_ACT_LOG",
	"SCMP_ACT_NOTIFY",	NULL,
};

const char *const runtime_seccomp_operators[] = {
	"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",	    "SCMP_CMP_EQ",
	"SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", NULL,
};

const char *const runtime_seccomp_flags[] = {
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	NULL,
};

const char *const runtime_seccomp_arches[] = {
	"SCMP_ARCH_X86",	 "SCMP_ARCH_X86_64",	  "SCMP_ARCH_X32",     "SCMP_ARCH_ARM",
	"SCMP_ARCH_AARCH64",	 "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",    "SCMP_ARCH_MIPS",
	"SCMP_ARCH_MIPS64",	 "SCMP_ARCH_MIPS64N32",	  "SCMP_ARCH_MIPSEL",  "SCMP_ARCH_MIPSEL64",
	"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",	  "SCMP_ARCH_PPC64",   "SCMP_ARCH_PPC64LE",
	"SCMP_ARCH_S390",	 "SCMP_ARCH_S390X",	  "SCMP_ARCH_SH",      "SCMP_ARCH_SHEB",
	"SCMP_ARCH_PARISC",	 "SCMP_ARCH_PARISC64",	  "SCMP_ARCH_RISCV64", NULL,
};

static const char *const propagations[] = { "private",	  "shared",	 "slave",
					    "unbindable", "rprivate",	 "rshared",
					    "rslave",	  "runbindable", NULL };
static const char *const personalities[] = { "LINUX", "LINUX32", NULL };

/* ---- one row: S is the struct, M the member ---- */
#define ROW(K, T, S, M, ...)                                                                     \
	{                                                                                        \
		.key = K, .type = RUNTIME_TYPE_##T, .offset = offsetof(struct S, M), __VA_ARGS__ \
	}
#define TEXT(K, S, M)	 ROW(K, TEXT, S, M, .max = 0)
#define BOOLEAN(K, S, M) ROW(K, BOOL, S, M, .max = 0)
#define TEXTS(K, S, M)	 ROW(K, TEXTS, S, M, .max = RUNTIME_LIST_MAX)
#define U32(K, S, M)	 ROW(K, U32, S, M, .max = UINT32_MAX)
#define U64(K, S, M)	 ROW(K, U64, S, M, .max = UINT64_MAX)
#define OPT_I(K, S, M)	 ROW(K, OPT_I, S, M, .min = INT64_MIN, .max = INT64_MAX)
#define OPT_U(K, S, M)	 ROW(K, OPT_U, S, M, .max = UINT64_MAX)
#define PAIRS(K, S, M)	 ROW(K, PAIRS, S, M, .max = RUNTIME_LIST_MAX)
#define PART(K, SCHEMA)                                                    \
	{                                                                  \
		.key = K, .type = RUNTIME_TYPE_OBJECT, .schema = &(SCHEMA) \
	}
#define LIST(K, S, M, SCHEMA) ROW(K, LIST, S, M, .schema = &(SCHEMA), .max = RUNTIME_LIST_MAX)
#define MAP(K, S, M, SCHEMA)  ROW(K, MAP, S, M, .schema = &(SCHEMA), .max = RUNTIME_LIST_MAX)
#define NUMBER(K, S, M, MIN)  ROW(K, I64, S, M, .required = true, .min = (MIN), .max = UINT32_MAX)
#define SCHEMA(FIELDS, SIZE, SET)                                                             \
	{                                                                                     \
		.fields = FIELDS, .count = ARRAY_LEN(FIELDS), .size = SIZE, .set_offset = SET \
	}

static const struct runtime_field idmap_fields[] = {
	ROW("containerID", U32, runtime_idmap, container, .required = true, .max = UINT32_MAX),
	ROW("hostID", U32, runtime_idmap, host, .required = true, .max = UINT32_MAX),
	ROW("size", U32, runtime_idmap, size, .required = true, .max = UINT32_MAX),
};
const struct runtime_schema runtime_idmap_schema =
	SCHEMA(idmap_fields, sizeof(struct runtime_idmap), SIZE_MAX);

static const struct runtime_field namespace_fields[] = {
	ROW("type", ENUM, runtime_namespace, type, .required = true,
	    .names = runtime_namespace_names),
	TEXT("path", runtime_namespace, path),
};
static const struct runtime_schema namespace =
	SCHEMA(namespace_fields, sizeof(struct runtime_namespace), SIZE_MAX);

static const struct runtime_field device_fields[] = {
	ROW("type", TEXT, runtime_device, type, .required = true),
	ROW("path", TEXT, runtime_device, path, .required = true),
	ROW("major", I64, runtime_device, major, .min = 0, .max = UINT32_MAX),
	ROW("minor", I64, runtime_device, minor, .min = 0, .max = UINT32_MAX),
	ROW("fileMode", OPT_U, runtime_device, mode, .max = 0177777),
	U32("uid", runtime_device, uid),
	U32("gid", runtime_device, gid),
};
static const struct runtime_schema device =
	SCHEMA(device_fields, sizeof(struct runtime_device), SIZE_MAX);

static const struct runtime_field net_device_fields[] = {
	TEXT("name", runtime_net_device, name),
};
static const struct runtime_schema net_device =
	SCHEMA(net_device_fields, sizeof(struct runtime_net_device), SIZE_MAX);

/* ---- resources ---- */

static const struct runtime_field rule_fields[] = {
	ROW("allow", BOOL, runtime_device_rule, allow, .required = true),
	TEXT("type", runtime_device_rule, type),
	ROW("major", OPT_I, runtime_device_rule, major, .min = -1, .max = UINT32_MAX),
	ROW("minor", OPT_I, runtime_device_rule, minor, .min = -1, .max = UINT32_MAX),
	TEXT("access", runtime_device_rule, access),
};
static const struct runtime_schema rule =
	SCHEMA(rule_fields, sizeof(struct runtime_device_rule), SIZE_MAX);

static const struct runtime_field pids_fields[] = {
	ROW("limit", OPT_I, runtime_resources, pids, .required = true, .min = INT64_MIN,
	    .max = INT64_MAX),
};
static const struct runtime_schema pids = SCHEMA(pids_fields, 0, SIZE_MAX);

static const struct runtime_field memory_fields[] = {
	OPT_I("limit", runtime_resources, memory.limit),
	OPT_I("reservation", runtime_resources, memory.reservation),
	OPT_I("swap", runtime_resources, memory.swap),
	OPT_I("kernel", runtime_resources, memory.kernel),
	OPT_I("kernelTCP", runtime_resources, memory.kernel_tcp),
	OPT_U("swappiness", runtime_resources, memory.swappiness),
	BOOLEAN("disableOOMKiller", runtime_resources, memory.disable_oom_killer),
	BOOLEAN("checkBeforeUpdate", runtime_resources, memory.check_before_update),
};
static const struct runtime_schema memory = SCHEMA(memory_fields, 0, SIZE_MAX);

static const struct runtime_field cpu_fields[] = {
	OPT_U("shares", runtime_resources, cpu.shares),
	OPT_I("quota", runtime_resources, cpu.quota),
	OPT_U("period", runtime_resources, cpu.period),
	OPT_U("burst", runtime_resources, cpu.burst),
	OPT_U("realtimePeriod", runtime_resources, cpu.realtime_period),
	OPT_I("realtimeRuntime", runtime_resources, cpu.realtime_runtime),
	ROW("idle", OPT_I, runtime_resources, cpu.idle, .min = 0, .max = 1),
	TEXT("cpus", runtime_resources, cpu.cpus),
	TEXT("mems", runtime_resources, cpu.mems),
};
static const struct runtime_schema cpu = SCHEMA(cpu_fields, 0, SIZE_MAX);

static const struct runtime_field io_weight_fields[] = {
	NUMBER("major", runtime_io_weight, major, 0),
	NUMBER("minor", runtime_io_weight, minor, 0),
	ROW("weight", OPT_U, runtime_io_weight, weight, .max = UINT16_MAX),
	ROW("leafWeight", OPT_U, runtime_io_weight, leaf_weight, .max = UINT16_MAX),
};
static const struct runtime_schema io_weight =
	SCHEMA(io_weight_fields, sizeof(struct runtime_io_weight), SIZE_MAX);

static const struct runtime_field io_rate_fields[] = {
	NUMBER("major", runtime_io_rate, major, 0),
	NUMBER("minor", runtime_io_rate, minor, 0),
	U64("rate", runtime_io_rate, rate),
};
static const struct runtime_schema io_rate =
	SCHEMA(io_rate_fields, sizeof(struct runtime_io_rate), SIZE_MAX);

static const struct runtime_field io_fields[] = {
	ROW("weight", OPT_U, runtime_resources, io.weight, .max = UINT16_MAX),
	ROW("leafWeight", OPT_U, runtime_resources, io.leaf_weight, .max = UINT16_MAX),
	LIST("weightDevice", runtime_resources, io.weights, io_weight),
	LIST("throttleReadBpsDevice", runtime_resources, io.read_bps, io_rate),
	LIST("throttleWriteBpsDevice", runtime_resources, io.write_bps, io_rate),
	LIST("throttleReadIOPSDevice", runtime_resources, io.read_iops, io_rate),
	LIST("throttleWriteIOPSDevice", runtime_resources, io.write_iops, io_rate),
};
static const struct runtime_schema io = SCHEMA(io_fields, 0, SIZE_MAX);

static const struct runtime_field hugepages_fields[] = {
	ROW("pageSize", TEXT, runtime_hugepages, size, .other = "pagesize", .required = true),
	ROW("limit", U64, runtime_hugepages, limit, .required = true, .max = UINT64_MAX),
};
static const struct runtime_schema hugepages =
	SCHEMA(hugepages_fields, sizeof(struct runtime_hugepages), SIZE_MAX);

static const struct runtime_field rdma_fields[] = {
	ROW("hcaHandles", OPT_U, runtime_rdma, handles, .max = UINT32_MAX),
	ROW("hcaObjects", OPT_U, runtime_rdma, objects, .max = UINT32_MAX),
};
static const struct runtime_schema rdma =
	SCHEMA(rdma_fields, sizeof(struct runtime_rdma), SIZE_MAX);

static const struct runtime_field net_priority_fields[] = {
	ROW("name", TEXT, runtime_pair, key, .required = true),
};
static const struct runtime_schema net_priority =
	SCHEMA(net_priority_fields, sizeof(struct runtime_pair), SIZE_MAX);

static const struct runtime_field network_fields[] = {
	ROW("classID", OPT_U, runtime_resources, net_class, .max = UINT32_MAX),
	LIST("priorities", runtime_resources, net_priorities, net_priority),
};
static const struct runtime_schema network = SCHEMA(network_fields, 0, SIZE_MAX);

static const struct runtime_field resources_fields[] = {
	LIST("devices", runtime_resources, devices, rule),
	PAIRS("unified", runtime_resources, unified),
	PART("pids", pids),
	PART("memory", memory),
	PART("cpu", cpu),
	PART("blockIO", io),
	LIST("hugepageLimits", runtime_resources, hugepages, hugepages),
	MAP("rdma", runtime_resources, rdma, rdma),
	PART("network", network),
};
const struct runtime_schema runtime_resources_schema =
	SCHEMA(resources_fields, 0, offsetof(struct runtime_resources, set));

/* ---- seccomp ---- */

static const struct runtime_field arg_fields[] = {
	ROW("index", U32, runtime_seccomp_arg, index, .required = true, .max = 5),
	ROW("value", U64, runtime_seccomp_arg, value, .required = true, .max = UINT64_MAX),
	U64("valueTwo", runtime_seccomp_arg, value_two),
	ROW("op", ENUM, runtime_seccomp_arg, op, .required = true,
	    .names = runtime_seccomp_operators),
};
static const struct runtime_schema arg =
	SCHEMA(arg_fields, sizeof(struct runtime_seccomp_arg), SIZE_MAX);

static const struct runtime_field syscall_fields[] = {
	ROW("names", TEXTS, runtime_seccomp_rule, names, .required = true, .max = RUNTIME_LIST_MAX),
	ROW("action", ENUM, runtime_seccomp_rule, action, .required = true,
	    .names = runtime_seccomp_actions),
	ROW("errnoRet", OPT_U, runtime_seccomp_rule, errno_ret, .max = UINT32_MAX),
	LIST("args", runtime_seccomp_rule, args, arg),
};
static const struct runtime_schema syscalls =
	SCHEMA(syscall_fields, sizeof(struct runtime_seccomp_rule), SIZE_MAX);

static const struct runtime_field seccomp_fields[] = {
	ROW("defaultAction", ENUM, runtime_seccomp, default_action, .required = true,
	    .names = runtime_seccomp_actions),
	ROW("defaultErrnoRet", OPT_U, runtime_seccomp, default_errno, .max = UINT32_MAX),
	ROW("flags", SET, runtime_seccomp, flags, .names = runtime_seccomp_flags),
	ROW("architectures", SET, runtime_seccomp, arches, .names = runtime_seccomp_arches),
	TEXT("listenerPath", runtime_seccomp, listener_path),
	TEXT("listenerMetadata", runtime_seccomp, listener_metadata),
	LIST("syscalls", runtime_seccomp, rules, syscalls),
};
const struct runtime_schema runtime_seccomp_schema =
	SCHEMA(seccomp_fields, 0, offsetof(struct runtime_seccomp, set));

/* ---- linux ---- */

static const char *const memory_modes[] = {
	"MPOL_DEFAULT",
	"MPOL_PREFERRED",
	"MPOL_BIND",
	"MPOL_INTERLEAVE",
	"MPOL_LOCAL",
	"MPOL_PREFERRED_MANY",
	"MPOL_WEIGHTED_INTERLEAVE",
	NULL,
};
static const char *const memory_flags[] = { "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES",
					    "MPOL_F_STATIC_NODES", NULL };

static const struct runtime_field memory_policy_fields[] = {
	ROW("mode", ENUM, runtime_linux, memory_policy.mode, .required = true,
	    .names = memory_modes),
	ROW("flags", SET, runtime_linux, memory_policy.flags, .names = memory_flags),
	TEXT("nodes", runtime_linux, memory_policy.nodes),
};
static const struct runtime_schema memory_policy =
	SCHEMA(memory_policy_fields, 0, offsetof(struct runtime_linux, memory_policy.set));

static const struct runtime_field personality_fields[] = {
	ROW("domain", ENUM, runtime_linux, personality, .required = true, .names = personalities),
	TEXTS("flags", runtime_linux, personality_flags),
};
static const struct runtime_schema personality = SCHEMA(personality_fields, 0, SIZE_MAX);

static const struct runtime_field offset_fields[] = {
	ROW("secs", I64, runtime_offset, secs, .min = INT64_MIN, .max = INT64_MAX),
	ROW("nanosecs", U32, runtime_offset, nanosecs, .max = 999999999),
};
static const struct runtime_schema offset =
	SCHEMA(offset_fields, 0, offsetof(struct runtime_offset, set));

static const struct runtime_field offsets_fields[] = {
	ROW("boottime", OBJECT, runtime_linux, boottime, .schema = &offset),
	ROW("monotonic", OBJECT, runtime_linux, monotonic, .schema = &offset),
};
static const struct runtime_schema offsets = SCHEMA(offsets_fields, 0, SIZE_MAX);

static const struct runtime_field linux_fields[] = {
	LIST("namespaces", runtime_linux, namespaces, namespace),
	LIST("uidMappings", runtime_linux, uids, runtime_idmap_schema),
	LIST("gidMappings", runtime_linux, gids, runtime_idmap_schema),
	LIST("devices", runtime_linux, devices, device),
	MAP("netDevices", runtime_linux, net_devices, net_device),
	TEXT("cgroupsPath", runtime_linux, cgroups_path),
	ROW("resources", OBJECT, runtime_linux, resources, .schema = &runtime_resources_schema),
	ROW("rootfsPropagation", ENUM, runtime_linux, propagation, .names = propagations),
	ROW("seccomp", OBJECT, runtime_linux, seccomp, .schema = &runtime_seccomp_schema),
	PAIRS("sysctl", runtime_linux, sysctl),
	TEXTS("maskedPaths", runtime_linux, masked_paths),
	TEXTS("readonlyPaths", runtime_linux, readonly_paths),
	TEXT("mountLabel", runtime_linux, mount_label),
	ROW("intelRdt", THERE, runtime_linux, intel_rdt, .max = 0),
	PART("memoryPolicy", memory_policy),
	PART("personality", personality),
	PART("timeOffsets", offsets),
};
const struct runtime_schema runtime_linux_schema =
	SCHEMA(linux_fields, 0, offsetof(struct runtime_linux, set));
