/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the writing side of the plan: what a spec means, in the order in which it is done. Runs in
 * engine main and in tests; touches nothing. Must never emit an operation that a later one could
 * undo: masks and read-only paths come behind every mount.
 */
#include "engine/run/plan_put.h"

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
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

enum {
	PLAN_MODE_STICKY = 01777,
	PLAN_DEV_BYTES = 64 << 20,
	OPS_USUAL_BYTES = 4000, /* most fit at once: each growth copies all */
	DEVICES_USUAL_BYTES = 2000,
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

/* ---- operations ---- */

static void put_base(struct buf *out, const struct run_spec *spec, uint32_t *count)
{
	uint32_t ro = spec->privileged ? 0 : RUN_MOUNT_FLAG_READONLY;
	uint32_t groups = defence_on(DEFENCE_A11_GROUPS) && !spec->cgroup_writable ? ro : 0;
	bool own = spec->user.mode != RUN_NS_MODE_HOST; /* the instance is made outside of it */
	const struct plan_op ops[] = {
		{ .kind = PLAN_OP_PROC, .target = "/proc", .flags = SAFE },
		{ .kind = PLAN_OP_DEV,
		  .target = "/dev",
		  .flags = RUN_MOUNT_FLAG_NOSUID,
		  .mode = 0755,
		  .size = PLAN_DEV_BYTES },
		{ .kind = PLAN_OP_PTS,
		  .target = "/dev/pts",
		  .gid = own ? plan_outside(spec->gid_map, spec->gid_map_count, PLAN_TTY_GROUP) : 0,
		  .flags = RUN_MOUNT_FLAG_NOSUID | RUN_MOUNT_FLAG_NOEXEC },
		{ .kind = PLAN_OP_SYSFS, .target = "/sys", .flags = SAFE | ro },
		{ .kind = PLAN_OP_CGROUP, .target = "/sys/fs/cgroup", .flags = SAFE | groups },
		{ .kind = PLAN_OP_MQUEUE, .target = "/dev/mqueue", .flags = SAFE },
		{ .kind = PLAN_OP_SHM,
		  .target = "/dev/shm",
		  .flags = SAFE,
		  .mode = PLAN_MODE_STICKY,
		  .size = spec->shm_bytes },
	};

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (!plan_mount_covers(spec, ops[i].target))
			plan_put_op(out, &ops[i], count);
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
	uint16_t tree = 0;

	for (size_t i = 0; i < spec->mount_count; i++)
		if (path_depth(spec->mounts[i].target) > deepest)
			deepest = path_depth(spec->mounts[i].target);
	for (unsigned depth = 1; depth <= deepest; depth++) {
		for (size_t i = 0; i < spec->mount_count; i++) {
			const struct run_mount *mount = &spec->mounts[i];
			if (path_depth(mount->target) == depth)
				plan_put_mount(out, spec, mount, &tree, count);
		}
	}
}

static void put_paths(struct buf *out, enum plan_op_kind kind, const char *const *paths,
		      uint32_t *count)
{
	for (size_t i = 0; paths && paths[i]; i++) {
		struct plan_op op = { .kind = kind, .target = paths[i] };

		plan_put_op(out, &op, count);
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
		plan_put_op(out, &op, count);
	}
}

static void put_guards(struct buf *out, const struct run_spec *spec, uint32_t *count)
{
	const struct plan_op cpus = { .kind = PLAN_OP_MASK_CPUS, .target = "thermal_throttle" };
	const struct plan_op root = { .kind = PLAN_OP_ROOT_READONLY };
	bool defaults = spec->layout == RUN_LAYOUT_ENGINE;

	if (!spec->privileged) {
		put_paths(out, PLAN_OP_READONLY,
			  spec->readonly_paths ? spec->readonly_paths
			  : defaults	       ? readonly_default
					       : NULL,
			  count);
		put_paths(out, PLAN_OP_MASK,
			  spec->masked_paths ? spec->masked_paths
			  : defaults	     ? masked_default
					     : NULL,
			  count);
		if (!spec->masked_paths && defaults)
			plan_put_op(out, &cpus, count);
	}
	if (spec->readonly_root)
		plan_put_op(out, &root, count);
}

/* ---- the whole ---- */

static int put_filter(struct buf *out, const struct run_process *process, bool privileged,
		      struct err *err)
{
	struct buf filter OWN(buf_done) = { 0 };
	int r = 0;

	buf_init(&filter, PLAN_FILTER_MAX);
	if (process->keep_project && !privileged)
		seccomp_put_keep_project(&filter);
	if (process->seccomp == RUN_SECCOMP_GIVEN) {
		const struct run_seccomp_filter *given = process->seccomp_filter;

		(void)buf_add(&filter, given->program, given->size_bytes);
	} else if (!privileged && process->seccomp == RUN_SECCOMP_DEFAULT) {
		r = seccomp_compile(process->cap_sets ? process->cap_sets->bounding : process->caps,
				    &filter, err);
	} else if (filter.len > 0) {
		seccomp_put_allow(&filter);
	}
	if (r >= 0 && buf_error(&filter))
		r = err_set(err, -E2BIG, "seccomp: the program is longer than %d bytes",
			    PLAN_FILTER_MAX);
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

static uint32_t process_flags(const struct run_spec *spec)
{
	const struct run_process *process = &spec->process;
	const struct {
		bool set;
		uint32_t flag;
	} flags[] = {
		{ process->tty, PLAN_FLAG_TTY },
		{ process->stdin_open, PLAN_FLAG_STDIN },
		{ process->no_new_privs, PLAN_FLAG_NO_NEW_PRIVS },
		{ spec->privileged, PLAN_FLAG_PRIVILEGED },
		{ spec->layout == RUN_LAYOUT_LISTED, PLAN_FLAG_LISTED },
		{ process->oom_score_inherit, PLAN_FLAG_OOM_INHERIT },
		{ spec->user.mode != RUN_NS_MODE_HOST, PLAN_FLAG_USER_NS },
		{ process->scheduler != NULL, PLAN_FLAG_SCHEDULER },
		{ spec->personality_set, PLAN_FLAG_PERSONALITY },
		{ process->seccomp == RUN_SECCOMP_GIVEN && process->seccomp_filter->listener,
		  PLAN_FLAG_LISTENER },
		{ spec->init, PLAN_FLAG_INIT },
		{ spec->no_pivot, PLAN_FLAG_NO_PIVOT },
		{ spec->no_new_keyring, PLAN_FLAG_NO_KEYRING },
		{ spec->monotonic.secs || spec->monotonic.nanosecs || spec->boottime.secs ||
			  spec->boottime.nanosecs,
		  PLAN_FLAG_TIME_OFFSETS },
		{ process->cap_sets != NULL, PLAN_FLAG_CAP_SETS },
		{ process->memory_policy != NULL, PLAN_FLAG_MEMORY_POLICY },
		{ process->no_program, PLAN_FLAG_NO_PROGRAM },
		{ plan_pts_inside(spec), PLAN_FLAG_PTS_INSIDE },
		{ spec->mount.mode == RUN_NS_MODE_HOST, PLAN_FLAG_HOST_MOUNTS },
	};
	uint32_t bits = 0;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		bits |= flags[i].set ? flags[i].flag : 0;
	return bits;
}

static void put_caps(struct buf *out, const struct run_spec *spec)
{
	uint64_t bits = spec->privileged ? run_caps_all() : spec->process.caps;
	struct run_caps caps = { .bounding = bits, .permitted = bits, .effective = bits };

	if (spec->process.cap_sets)
		caps = *spec->process.cap_sets;
	wire_put_u64(out, caps.bounding);
	wire_put_u64(out, caps.permitted);
	wire_put_u64(out, caps.effective);
	wire_put_u64(out, caps.inheritable);
	wire_put_u64(out, caps.ambient);
}

static void put_cpus(struct buf *out, const char *list)
{
	uint8_t mask[PLAN_CPUS_BYTES] = { 0 };

	/* The list was read once when the spec was checked. */
	if (list && spec_cpu_mask(list, mask, NULL) == 0)
		wire_put_str(out, str_make((const char *)mask, sizeof(mask)));
	else
		wire_put_str(out, STR(""));
}

static void put_schedule(struct buf *out, const struct run_process *process)
{
	static const struct run_scheduler none;
	const struct run_scheduler *scheduler = process->scheduler ? process->scheduler : &none;

	wire_put_u8(out, process->ioprio ? process->ioprio->class : 0);
	wire_put_u8(out, process->ioprio ? process->ioprio->level : 0);
	wire_put_u32(out, scheduler->policy);
	wire_put_u32(out, (uint32_t)scheduler->nice);
	wire_put_u32(out, scheduler->priority);
	wire_put_u64(out, scheduler->flags);
	wire_put_u64(out, scheduler->runtime_ns);
	wire_put_u64(out, scheduler->deadline_ns);
	wire_put_u64(out, scheduler->period_ns);
	put_cpus(out, process->cpus_first);
	put_cpus(out, process->cpus);
	if (process->memory_policy) {
		wire_put_u32(out, process->memory_policy->mode);
		put_cpus(out, process->memory_policy->nodes);
	}
}

static int put_process(struct buf *out, enum plan_kind kind, const struct run_spec *spec,
		       struct err *err)
{
	const struct run_process *process = &spec->process;

	wire_put_u32(out, PLAN_MAGIC);
	wire_put_u8(out, (uint8_t)kind);
	wire_put_u32(out, process_flags(spec));
	wire_put_u32(out, process->uid);
	wire_put_u32(out, process->gid);
	wire_put_u32(out, plan_outside(spec->uid_map, spec->uid_map_count, process->uid));
	put_caps(out, spec);
	wire_put_u32(out, (uint32_t)process->oom_score_adj);
	wire_put_u16(out, process->rows ? process->rows : 24);
	wire_put_u16(out, process->columns ? process->columns : 80);
	wire_put_u32(out, process->umask);
	wire_put_u32(out, process->preserve_fds);
	wire_put_u32(out, spec->personality);
	wire_put_u32(out,
		     process->seccomp == RUN_SECCOMP_GIVEN ? process->seccomp_filter->flags : 0);
	put_schedule(out, process);
	put_limits(out, process);
	plan_put_text(out, process->cwd ? process->cwd : "/");
	plan_put_strings(out, process->argv);
	plan_put_strings(out, process->env);
	return put_filter(out, process, spec->privileged, err);
}

static int put_devices(struct buf *out, const struct run_spec *spec, struct err *err)
{
	const struct run_device_rule *standard;
	size_t count = device_default_rules(&standard);
	static struct run_device_rule rules[RUN_DEVICES_MAX + 16]; /* large for a stack */
	struct buf program OWN(buf_done) = { 0 };
	int r;

	buf_init(&program, PLAN_FILTER_MAX);
	(void)buf_reserve(&program, DEVICES_USUAL_BYTES);
	/* Behind the spec's rows, which may begin with one that denies everything. */
	for (size_t i = 0; i < spec->device_rule_count; i++)
		rules[i] = spec->device_rules[i];
	memcpy(rules + spec->device_rule_count, standard, count * sizeof(rules[0]));
	count += spec->device_rule_count;
	if (spec->nested) { /* nor may it have a device program */
		wire_put_str(out, buf_str(&program));
		return 0;
	}
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
	(void)buf_reserve(&ops, OPS_USUAL_BYTES);
	if (spec->layout == RUN_LAYOUT_LISTED) {
		plan_put_listed(&ops, spec, &count);
	} else {
		put_base(&ops, spec, &count);
		plan_put_nodes(&ops, spec, &count);
	}
	if (spec->process.tty)
		plan_put_op(&ops, &console, &count);
	if (spec->layout == RUN_LAYOUT_ENGINE)
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

static void put_offset(struct buf *out, const struct run_time_offset *offset)
{
	wire_put_i64(out, offset->secs);
	wire_put_u32(out, offset->nanosecs);
}

int run_plan_encode(const struct run_spec *spec, struct buf *out, struct err *err)
{
	const struct run_ns *ns[PLAN_NS_COUNT] = {
		[PLAN_NS_PID] = &spec->pid,	  [PLAN_NS_IPC] = &spec->ipc,
		[PLAN_NS_UTS] = &spec->uts,	  [PLAN_NS_NET] = &spec->net,
		[PLAN_NS_CGROUP] = &spec->cgroup, [PLAN_NS_TIME] = &spec->time,
		[PLAN_NS_USER] = &spec->user,	  [PLAN_NS_MOUNT] = &spec->mount,
	};
	int r = spec_check(spec, err);

	if (r == 0)
		r = put_process(out, PLAN_KIND_CONTAINER, spec, err);
	if (r < 0)
		return r;
	plan_put_text(out, spec->hostname);
	plan_put_text(out, spec->domainname);
	for (int i = 0; i < PLAN_NS_COUNT; i++) {
		wire_put_u8(out, (uint8_t)ns[i]->mode);
		wire_put_u8(out, ns[i]->mode == RUN_NS_MODE_FD ? (uint8_t)ns[i]->fd : 0);
	}
	plan_put_map(out, spec->uid_map, spec->uid_map_count);
	plan_put_map(out, spec->gid_map, spec->gid_map_count);
	wire_put_u8(out, (uint8_t)(spec->root_propagation |
				   (spec->root_propagation_below ? PLAN_PROPAGATION_BELOW : 0)));
	plan_put_text(out, spec->root_path);
	put_offset(out, &spec->monotonic);
	put_offset(out, &spec->boottime);
	r = put_devices(out, spec, err);
	if (r < 0)
		return r;
	put_ops(out, spec);
	plan_put_hooks(out, spec);
	return finish(out, err);
}

int run_plan_encode_exec_spec(const struct run_spec *spec, struct buf *out, struct err *err)
{
	int r = spec_check_process(&spec->process, err);

	if (r == 0)
		r = put_process(out, PLAN_KIND_EXEC, spec, err);
	return r < 0 ? r : finish(out, err);
}

int run_plan_encode_exec(const struct run_process *process, bool privileged, struct buf *out,
			 struct err *err)
{
	struct run_spec spec;

	run_spec_init(&spec);
	spec.process = *process;
	spec.privileged = privileged;
	return run_plan_encode_exec_spec(&spec, out, err);
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
