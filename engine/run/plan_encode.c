/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the writing side of the plan: what a spec means, in the order in which it is done. Runs in
 * engine main and in tests; touches nothing. Must never emit an operation that a later one could
 * undo: masks and read-only paths come behind every mount.
 */
#include "engine/run/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/api/shim_msg.h"
#include "engine/run/device.h"
#include "engine/run/seccomp.h"
#include "engine/run/spec_check.h"
#include "lib/fs.h"
#include "lib/own.h"

enum {
	PLAN_MODE_STICKY = 01777,
	PLAN_DEV_BYTES = 64 << 20,
};

enum { SAFE = RUN_MOUNT_FLAG_NOSUID | RUN_MOUNT_FLAG_NODEV | RUN_MOUNT_FLAG_NOEXEC };

static const char *const masked_default[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
	NULL,
};

static const char *const readonly_default[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

static void put_z(struct buf *out, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	wire_put_u32(out, (uint32_t)len + 1);
	wire_put_bytes(out, len ? text : "", len + 1);
}

static void put_op(struct buf *out, const struct plan_op *op, uint32_t *count)
{
	wire_put_u8(out, (uint8_t)op->kind);
	wire_put_u32(out, op->flags);
	wire_put_u8(out, op->fd);
	wire_put_u32(out, op->mode);
	wire_put_u32(out, op->uid);
	wire_put_u32(out, op->gid);
	wire_put_u32(out, op->major);
	wire_put_u32(out, op->minor);
	wire_put_u64(out, op->size);
	put_z(out, op->source);
	put_z(out, op->target);
	(*count)++;
}

static size_t list_len(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* ---- operations ---- */

static bool mount_covers(const struct run_spec *spec, const char *target)
{
	for (size_t i = 0; i < spec->mount_count; i++)
		if (strcmp(spec->mounts[i].target, target) == 0)
			return true;
	return false;
}

static void put_base(struct buf *out, const struct run_spec *spec, uint32_t *count)
{
	uint32_t ro = spec->privileged ? 0 : RUN_MOUNT_FLAG_READONLY;
	const struct plan_op ops[] = {
		{ .kind = PLAN_OP_PROC, .target = "/proc", .flags = SAFE },
		{ .kind = PLAN_OP_DEV,
		  .target = "/dev",
		  .flags = RUN_MOUNT_FLAG_NOSUID,
		  .mode = 0755,
		  .size = PLAN_DEV_BYTES },
		{ .kind = PLAN_OP_PTS,
		  .target = "/dev/pts",
		  .flags = RUN_MOUNT_FLAG_NOSUID | RUN_MOUNT_FLAG_NOEXEC },
		{ .kind = PLAN_OP_SYSFS, .target = "/sys", .flags = SAFE | ro },
		{ .kind = PLAN_OP_CGROUP, .target = "/sys/fs/cgroup", .flags = SAFE | ro },
		{ .kind = PLAN_OP_MQUEUE, .target = "/dev/mqueue", .flags = SAFE },
		{ .kind = PLAN_OP_SHM,
		  .target = "/dev/shm",
		  .flags = SAFE,
		  .mode = PLAN_MODE_STICKY,
		  .size = spec->shm_bytes },
	};

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (!mount_covers(spec, ops[i].target))
			put_op(out, &ops[i], count);
}

static void put_nodes(struct buf *out, const struct run_spec *spec, uint32_t *count)
{
	static const struct plan_op nodes[] = {
		{ .target = "/dev/null", .major = 1, .minor = 3 },
		{ .target = "/dev/zero", .major = 1, .minor = 5 },
		{ .target = "/dev/full", .major = 1, .minor = 7 },
		{ .target = "/dev/random", .major = 1, .minor = 8 },
		{ .target = "/dev/urandom", .major = 1, .minor = 9 },
		{ .target = "/dev/tty", .major = 5, .minor = 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		struct plan_op op = nodes[i];

		op.kind = PLAN_OP_NODE;
		op.mode = S_IFCHR | 0666;
		put_op(out, &op, count);
	}
	for (size_t i = 0; i < spec->device_count; i++) {
		const struct run_device *device = &spec->devices[i];
		struct plan_op op = {
			.kind = PLAN_OP_NODE,
			.target = device->path,
			.mode = (device->block ? S_IFBLK : S_IFCHR) | (device->mode & 0777),
			.major = device->major,
			.minor = device->minor,
			.uid = device->uid,
			.gid = device->gid,
		};

		put_op(out, &op, count);
	}
}

static void put_links(struct buf *out, uint32_t *count)
{
	static const char *const links[][2] = {
		{ "/dev/fd", "/proc/self/fd" },	      { "/dev/stdin", "/proc/self/fd/0" },
		{ "/dev/stdout", "/proc/self/fd/1" }, { "/dev/stderr", "/proc/self/fd/2" },
		{ "/dev/core", "/proc/kcore" },	      { "/dev/ptmx", "pts/ptmx" },
	};

	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		struct plan_op op = { .kind = PLAN_OP_LINK,
				      .target = links[i][0],
				      .source = links[i][1] };

		put_op(out, &op, count);
	}
}

static unsigned path_depth(const char *path)
{
	struct str rest = str_from(path), part;
	unsigned depth = 0;

	while (str_cut(&rest, '/', &part))
		depth += part.len > 0;
	return depth;
}

/* In the order of their depth, so that /a is there before /a/b; equal depths keep their order. */
static void put_mounts(struct buf *out, const struct run_spec *spec, uint32_t *count)
{
	unsigned deepest = 0;

	for (size_t i = 0; i < spec->mount_count; i++)
		if (path_depth(spec->mounts[i].target) > deepest)
			deepest = path_depth(spec->mounts[i].target);
	for (unsigned depth = 1; depth <= deepest; depth++) {
		for (size_t i = 0; i < spec->mount_count; i++) {
			const struct run_mount *mount = &spec->mounts[i];
			bool bind = mount->kind == RUN_MOUNT_KIND_BIND;
			struct plan_op op = {
				.kind = bind ? PLAN_OP_BIND : PLAN_OP_TMPFS,
				.target = mount->target,
				.source = bind ? mount->source : NULL,
				.fd = bind && !mount->source ? (uint8_t)mount->source_fd : 0,
				.flags = mount->flags,
				.size = mount->size_bytes,
				.mode = bind	      ? 0
					: mount->mode ? mount->mode
						      : PLAN_MODE_STICKY,
			};

			if (path_depth(mount->target) == depth)
				put_op(out, &op, count);
		}
	}
}

static void put_paths(struct buf *out, enum plan_op_kind kind, const char *const *paths,
		      uint32_t *count)
{
	for (size_t i = 0; paths && paths[i]; i++) {
		struct plan_op op = { .kind = kind, .target = paths[i] };

		put_op(out, &op, count);
	}
}

static void put_sysctls(struct buf *out, const struct run_spec *spec, uint32_t *count)
{
	for (size_t i = 0; i < spec->sysctl_count; i++) {
		char path[RUN_PATH_MAX];
		struct plan_op op = { .kind = PLAN_OP_SYSCTL,
				      .target = path,
				      .source = spec->sysctls[i].value };

		(void)str_copy(str_from(spec->sysctls[i].key), path, sizeof(path));
		for (char *c = path; *c; c++)
			if (*c == '.')
				*c = '/';
		put_op(out, &op, count);
	}
}

static void put_guards(struct buf *out, const struct run_spec *spec, uint32_t *count)
{
	const struct plan_op cpus = { .kind = PLAN_OP_MASK_CPUS, .target = "thermal_throttle" };
	const struct plan_op root = { .kind = PLAN_OP_ROOT_READONLY };

	if (!spec->privileged) {
		put_paths(out, PLAN_OP_READONLY,
			  spec->readonly_paths ? spec->readonly_paths : readonly_default, count);
		put_paths(out, PLAN_OP_MASK,
			  spec->masked_paths ? spec->masked_paths : masked_default, count);
		if (!spec->masked_paths)
			put_op(out, &cpus, count);
	}
	if (spec->readonly_root)
		put_op(out, &root, count);
}

/* ---- the whole ---- */

static int put_filter(struct buf *out, const struct run_process *process, bool privileged,
		      struct err *err)
{
	struct buf filter OWN(buf_done) = { 0 };
	int r = 0;

	buf_init(&filter, PLAN_FILTER_MAX);
	if (!privileged && process->seccomp == RUN_SECCOMP_DEFAULT)
		r = seccomp_compile(process->caps, &filter, err);
	wire_put_str(out, buf_str(&filter));
	return r;
}

static void put_limits(struct buf *out, const struct run_process *process)
{
	wire_put_u32(out, (uint32_t)process->group_count);
	for (size_t i = 0; i < process->group_count; i++)
		wire_put_u32(out, process->groups[i]);
	wire_put_u32(out, (uint32_t)process->rlimit_count);
	for (size_t i = 0; i < process->rlimit_count; i++) {
		wire_put_u32(out, (uint32_t)process->rlimits[i].resource);
		wire_put_u64(out, process->rlimits[i].soft);
		wire_put_u64(out, process->rlimits[i].hard);
	}
}

static void put_strings(struct buf *out, const char *const *list)
{
	size_t n = list_len(list);

	wire_put_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		put_z(out, list[i]);
}

static int put_process(struct buf *out, enum plan_kind kind, const struct run_process *process,
		       bool privileged, struct err *err)
{
	uint32_t flags = (process->tty ? PLAN_FLAG_TTY : 0) |
			 (process->stdin_open ? PLAN_FLAG_STDIN : 0) |
			 (process->no_new_privs ? PLAN_FLAG_NO_NEW_PRIVS : 0) |
			 (privileged ? PLAN_FLAG_PRIVILEGED : 0);

	wire_put_u32(out, PLAN_MAGIC);
	wire_put_u8(out, (uint8_t)kind);
	wire_put_u32(out, flags);
	wire_put_u32(out, process->uid);
	wire_put_u32(out, process->gid);
	wire_put_u64(out, privileged ? run_caps_all() : process->caps);
	wire_put_u32(out, (uint32_t)process->oom_score_adj);
	wire_put_u16(out, process->rows ? process->rows : 24);
	wire_put_u16(out, process->columns ? process->columns : 80);
	put_limits(out, process);
	put_z(out, process->cwd ? process->cwd : "/");
	put_strings(out, process->argv);
	put_strings(out, process->env);
	return put_filter(out, process, privileged, err);
}

static int put_devices(struct buf *out, const struct run_spec *spec, struct err *err)
{
	const struct run_device_rule *standard;
	size_t count = device_default_rules(&standard);
	struct run_device_rule rules[RUN_DEVICES_MAX + 16];
	struct buf program OWN(buf_done) = { 0 };
	int r;

	buf_init(&program, PLAN_FILTER_MAX);
	memcpy(rules, standard, count * sizeof(rules[0]));
	for (size_t i = 0; i < spec->device_rule_count; i++)
		rules[count++] = spec->device_rules[i];
	r = spec->privileged ? device_program(NULL, 0, true, &program, err)
			     : device_program(rules, count, spec->devices_all, &program, err);
	wire_put_str(out, buf_str(&program));
	return r;
}

static void put_ops(struct buf *out, const struct run_spec *spec)
{
	struct buf ops OWN(buf_done) = { 0 };
	const struct plan_op console = { .kind = PLAN_OP_CONSOLE, .target = "/dev/console" };
	uint32_t count = 0;

	buf_init(&ops, PLAN_SIZE_MAX);
	put_base(&ops, spec, &count);
	put_nodes(&ops, spec, &count);
	put_links(&ops, &count);
	if (spec->process.tty)
		put_op(&ops, &console, &count);
	put_mounts(&ops, spec, &count);
	put_sysctls(&ops, spec, &count);
	put_guards(&ops, spec, &count);
	wire_put_u32(out, count);
	buf_add_str(out, buf_str(&ops));
	if (buf_error(&ops))
		out->error = buf_error(&ops);
}

static int finish(const struct buf *out, struct err *err)
{
	struct plan plan;

	if (buf_error(out))
		return err_set(err, buf_error(out), "plan: larger than %d bytes", PLAN_SIZE_MAX);
	/* What the shim would refuse is found here, where a person reads the message. */
	return plan_decode(out->data, out->len, &plan, err);
}

int run_plan_encode(const struct run_spec *spec, struct buf *out, struct err *err)
{
	const struct run_ns *ns[PLAN_NS_COUNT] = {
		[PLAN_NS_PID] = &spec->pid,	  [PLAN_NS_IPC] = &spec->ipc,
		[PLAN_NS_UTS] = &spec->uts,	  [PLAN_NS_NET] = &spec->net,
		[PLAN_NS_CGROUP] = &spec->cgroup, [PLAN_NS_TIME] = &spec->time,
	};
	int r = spec_check(spec, err);

	if (r == 0)
		r = put_process(out, PLAN_KIND_CONTAINER, &spec->process, spec->privileged, err);
	if (r < 0)
		return r;
	put_z(out, spec->hostname);
	put_z(out, spec->domainname);
	for (int i = 0; i < PLAN_NS_COUNT; i++) {
		wire_put_u8(out, (uint8_t)ns[i]->mode);
		wire_put_u8(out, ns[i]->mode == RUN_NS_MODE_FD ? (uint8_t)ns[i]->fd : 0);
	}
	r = put_devices(out, spec, err);
	if (r < 0)
		return r;
	put_ops(out, spec);
	return finish(out, err);
}

int run_plan_encode_exec(const struct run_process *process, bool privileged, struct buf *out,
			 struct err *err)
{
	int r = spec_check_process(process, err);

	if (r == 0)
		r = put_process(out, PLAN_KIND_EXEC, process, privileged, err);
	return r < 0 ? r : finish(out, err);
}

int run_plan_memfd(const struct buf *plan, struct err *err)
{
	OWN_FD int fd = memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "plan: make a memfd");
	r = fs_write_fd(fd, plan->data, plan->len, err);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(err, -errno, "plan: seal the memfd");
	return take_fd(&fd);
}

int run_plan_encode_exec_spec(const struct run_spec *spec, struct buf *out, struct err *err)
{
	return run_plan_encode_exec(&spec->process, spec->privileged, out, err);
}
