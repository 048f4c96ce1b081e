/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what a spec may say before a plan is made of it: bounds, clean paths, places that belong to
 * the container itself, and the fields that nobody carries out yet. Runs in engine main, hoy-oci's
 * parser and tests; pure. Must never let a field pass in silence that the plan does not carry.
 */
#include "engine/run/spec_check.h"

#include <errno.h>
#include <string.h>
#include "engine/api/shim_msg.h"
#include "engine/run/plan_put.h"
#include "lib/own.h"
#include "lib/str.h"

enum { HOSTNAME_BYTES_MAX = 64 };

static int unsupported(const char *field, struct err *err)
{
	return err_set(err, -ENOTSUP, "%s: this version does not carry it out; leave it away",
		       field);
}

static size_t list_len(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* Absolute, no "." or ".." component, of a length that a path may have. */
static bool path_is_clean(const char *path)
{
	struct str rest = str_from(path), part;

	if (!path || path[0] != '/' || rest.len >= RUN_PATH_MAX)
		return false;
	while (str_cut(&rest, '/', &part))
		if (str_is(part, ".") || str_is(part, ".."))
			return false;
	return true;
}

static bool path_is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	while (path[0] == '/' && path[1] == '/')
		path++;
	return strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static int check_path(const char *what, const char *path, struct err *err)
{
	char shown[256];

	if (path_is_clean(path))
		return 0;
	str_escape(str_from(path), shown, sizeof(shown));
	return err_set(err, -EINVAL, "%s '%s': expected an absolute path without '.' and '..'",
		       what, shown);
}

static int check_strings(const char *what, const char *const *list, struct err *err)
{
	size_t n = list_len(list);

	if (n > RUN_ARGS_MAX)
		return err_set(err, -E2BIG, "%s: %zu entries, at most %d", what, n, RUN_ARGS_MAX);
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) >= PLAN_TEXT_MAX)
			return err_set(err, -E2BIG, "%s: entry %zu is longer than %d bytes", what,
				       i, PLAN_TEXT_MAX - 1);
	return 0;
}

/* "3" or "0-3". */
static bool add_cpus(struct str part, uint8_t *mask)
{
	struct str last = str_trim(part), first;
	uint64_t from, to;

	(void)str_cut(&last, '-', &first);
	if (str_to_u64(str_trim(first), 0, RUN_CPUS_MAX - 1, &from) < 0)
		return false;
	to = from;
	if (last.len && str_to_u64(str_trim(last), from, RUN_CPUS_MAX - 1, &to) < 0)
		return false;
	for (; from <= to; from++)
		mask[from / 8] |= (uint8_t)(1u << from % 8);
	return true;
}

int spec_cpu_mask(const char *list, uint8_t *mask, struct err *err)
{
	struct str rest = str_from(list), part;
	char shown[128];

	while (str_cut(&rest, ',', &part)) {
		if (str_trim(part).len == 0 || add_cpus(part, mask))
			continue;
		str_escape(str_from(list), shown, sizeof(shown));
		return err_set(err, -EINVAL, "CPUs '%s': expected a list such as 0-3,7 below %d",
			       shown, RUN_CPUS_MAX);
	}
	return 0;
}

/* What only the OCI runtime specification knows. */
static int check_details(const struct run_process *process, struct err *err)
{
	const struct run_seccomp_filter *filter = process->seccomp_filter;
	uint8_t mask[RUN_CPUS_MAX / 8];
	int r = 0;

	if (process->umask > 0777)
		return err_set(err, -EINVAL, "umask: expected at most 0777");
	if (process->preserve_fds > RUN_PRESERVE_MAX)
		return err_set(err, -E2BIG, "preserve-fds: at most %d", RUN_PRESERVE_MAX);
	if (process->ioprio && (process->ioprio->class > 3 || process->ioprio->level > 7))
		return err_set(err, -EINVAL, "ioPriority: class 1 to 3, level 0 to 7");
	if (process->seccomp == RUN_SECCOMP_GIVEN &&
	    (!filter || filter->size_bytes == 0 || filter->size_bytes % 8 ||
	     filter->size_bytes > PLAN_FILTER_MAX))
		return err_set(err, -EINVAL, "seccomp: no program, or one of more than %d bytes",
			       PLAN_FILTER_MAX);
	if (process->seccomp == RUN_SECCOMP_GIVEN &&
	    filter->flags & ~(uint32_t)RUN_SECCOMP_FLAG_MASK)
		return err_set(err, -ENOTSUP, "seccomp: unknown flags %#x", filter->flags);
	if (process->cpus_first)
		r = spec_cpu_mask(process->cpus_first, mask, err);
	if (r == 0 && process->cpus)
		r = spec_cpu_mask(process->cpus, mask, err);
	if (r == 0 && process->memory_policy && process->memory_policy->nodes)
		r = spec_cpu_mask(process->memory_policy->nodes, mask, err);
	return r;
}

/* The first field that asks for something the plan cannot say. */
static const char *process_gap(const struct run_process *process)
{
	const struct {
		bool set;
		const char *name;
	} fields[] = {
		{ process->apparmor_profile && *process->apparmor_profile &&
			  strcmp(process->apparmor_profile, "unconfined") != 0,
		  "apparmorProfile" },
		{ process->selinux_label && *process->selinux_label, "selinuxLabel" },
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].set)
			return fields[i].name;
	return NULL;
}

int spec_check_process(const struct run_process *process, struct err *err)
{
	const char *gap = process_gap(process);
	int r;

	if (gap)
		return unsupported(gap, err);
	if (!process->argv || !process->argv[0] || !process->argv[0][0])
		return err_set(err, -EINVAL,
			       "no command: neither the service nor the image names one");
	r = check_strings("command", process->argv, err);
	if (r == 0)
		r = check_strings("environment", process->env, err);
	if (r == 0 && process->cwd)
		r = check_path("working directory", process->cwd, err);
	if (r < 0)
		return r;
	if (process->uid == UINT32_MAX || process->gid == UINT32_MAX)
		return err_set(err, -EINVAL, "user: id 4294967295 is no user");
	if (process->group_count > RUN_GROUPS_MAX || process->rlimit_count > RUN_RLIMITS_MAX)
		return err_set(err, -E2BIG, "process: more than %d groups or %d limits",
			       RUN_GROUPS_MAX, RUN_RLIMITS_MAX);
	for (size_t i = 0; i < process->rlimit_count; i++)
		if (process->rlimits[i].soft > process->rlimits[i].hard ||
		    process->rlimits[i].resource < 0 || process->rlimits[i].resource > 15)
			return err_set(err, -EINVAL,
				       "ulimit %zu: the soft limit is above the hard one", i);
	return check_details(process, err);
}

/* The files of /proc that a runtime may bind over (LXCFS); all else there is the kernel's. */
static bool proc_may_be_bound(const char *target)
{
	static const char *const files[] = {
		"/proc/cpuinfo",
		"/proc/diskstats",
		"/proc/loadavg",
		"/proc/meminfo",
		"/proc/net/dev",
		"/proc/slabinfo",
		"/proc/stat",
		"/proc/swaps",
		"/proc/sys/crypto/fips_enabled",
		"/proc/sys/kernel/ns_last_pid",
		"/proc/uptime",
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (strcmp(target, files[i]) == 0)
			return true;
	return false;
}

static int check_place(const struct run_spec *spec, const struct run_mount *mount, struct err *err)
{
	const char *target = mount->target;
	bool listed = spec->layout == RUN_LAYOUT_LISTED;
	bool proc = path_is_below(target, "/proc"), sys = path_is_below(target, "/sys");

	if (target[strspn(target, "/")] == '\0')
		return err_set(err, -EINVAL, "mount %s: this place belongs to the container itself",
			       target);
	if (listed && proc && strcmp(target, "/proc") != 0 && !proc_may_be_bound(target))
		return err_set(err, -EINVAL,
			       "mount %s: it cannot be mounted because it is inside /proc", target);
	if (listed && strcmp(target, "/proc") == 0 && mount->kind != RUN_MOUNT_KIND_BIND &&
	    (!mount->type || strcmp(mount->type, "proc") != 0))
		return err_set(err, -EINVAL,
			       "mount /proc: only a proc file system may stand there");
	if (listed)
		return 0;
	if (proc || sys)
		return err_set(err, -EINVAL,
			       "mount %s: nothing may be mounted at or below /proc and /sys",
			       target);
	if (strcmp(target, "/dev") == 0 || strcmp(target, "/dev/pts") == 0)
		return err_set(err, -EINVAL, "mount %s: this place belongs to the container itself",
			       target);
	return 0;
}

static int check_maps(const char *what, const struct run_mapping *rows, size_t count,
		      struct err *err)
{
	if (count > RUN_MAPPINGS_MAX)
		return err_set(err, -E2BIG, "%s: %zu mappings, at most %d", what, count,
			       RUN_MAPPINGS_MAX);
	for (size_t i = 0; i < count; i++)
		if (rows[i].count == 0 || rows[i].inside > UINT32_MAX - rows[i].count ||
		    rows[i].outside > UINT32_MAX - rows[i].count)
			return err_set(err, -EINVAL, "%s: mapping %zu is empty or beyond all ids",
				       what, i);
	return 0;
}

static int check_idmap(const struct run_spec *spec, const struct run_mount *mount, struct err *err)
{
	bool own = mount->idmap == RUN_IDMAP_CONTAINER || mount->idmap == RUN_IDMAP_ABLE;
	int r;

	if (mount->idmap == RUN_IDMAP_NONE)
		return 0;
	if (mount->kind != RUN_MOUNT_KIND_BIND)
		return unsupported("idmap of a mount that is no bind", err);
	r = check_maps("mount uidMappings", mount->uid_map, mount->uid_map_count, err);
	if (r == 0)
		r = check_maps("mount gidMappings", mount->gid_map, mount->gid_map_count, err);
	/* One that is joined has its own mapping, which is not said again. */
	if (r < 0 || (own && spec->user.mode == RUN_NS_MODE_FD))
		return r;
	if ((own ? spec->uid_map_count : mount->uid_map_count) == 0 ||
	    (own ? spec->gid_map_count : mount->gid_map_count) == 0)
		return err_set(err, -EINVAL, "mount %s: idmap without mappings", mount->target);
	return 0;
}

static int check_mount(const struct run_spec *spec, const struct run_mount *mount, struct err *err)
{
	const uint32_t attributes = RUN_MOUNT_FLAG_ATTRIBUTES;
	int r = check_path("mount", mount->target, err);

	if (r == 0 && mount->kind == RUN_MOUNT_KIND_BIND && mount->source)
		r = check_path("mount source", mount->source, err);
	if (r == 0)
		r = check_place(spec, mount, err);
	if (r == 0)
		r = check_idmap(spec, mount, err);
	if (r < 0)
		return r;
	if (mount->kind == RUN_MOUNT_KIND_BIND && !mount->source &&
	    (mount->source_fd < SHIM_FD_EXTRA || mount->source_fd > RUN_FD_MAX))
		return err_set(err, -EINVAL, "mount %s: it has no source", mount->target);
	if (mount->kind == RUN_MOUNT_KIND_FILESYSTEM && (!mount->type || !mount->type[0]))
		return err_set(err, -EINVAL, "mount %s: it has no type", mount->target);
	if (mount->kind == RUN_MOUNT_KIND_FILESYSTEM && strlen(mount->type) > 63)
		return err_set(err, -EINVAL, "mount %s: no type is that long", mount->target);
	if (mount->flags & ~(uint32_t)RUN_MOUNT_FLAG_MASK ||
	    (mount->clear | mount->set_below | mount->clear_below) & ~attributes)
		return err_set(err, -EINVAL, "mount %s: unknown flags", mount->target);
	return 0;
}

static int check_device(const struct run_spec *spec, const struct run_device *device,
			struct err *err)
{
	int r = check_path("device", device->path, err);

	if (r < 0)
		return r;
	if (spec->layout == RUN_LAYOUT_LISTED && !path_is_below(device->path, "/proc") &&
	    !path_is_below(device->path, "/sys") && device->path[1])
		return 0;
	if (!path_is_below(device->path, "/dev") || strcmp(device->path, "/dev") == 0)
		return err_set(err, -EINVAL, "device %s: expected a path below /dev", device->path);
	return 0;
}

static int check_counts(const struct run_spec *spec, struct err *err)
{
	if (spec->mount_count > RUN_MOUNTS_MAX)
		return err_set(err, -E2BIG, "%zu mounts, at most %d", spec->mount_count,
			       RUN_MOUNTS_MAX);
	if (spec->device_count > RUN_DEVICES_MAX || spec->device_rule_count > RUN_DEVICES_MAX)
		return err_set(err, -E2BIG, "more than %d devices", RUN_DEVICES_MAX);
	if (spec->sysctl_count > RUN_SYSCTLS_MAX)
		return err_set(err, -E2BIG, "%zu sysctls, at most %d", spec->sysctl_count,
			       RUN_SYSCTLS_MAX);
	if (list_len(spec->masked_paths) > RUN_PATHS_MAX ||
	    list_len(spec->readonly_paths) > RUN_PATHS_MAX)
		return err_set(err, -E2BIG, "more than %d masked or read-only paths",
			       RUN_PATHS_MAX);
	return 0;
}

static const char *spec_gap(const struct run_spec *spec)
{
	const struct {
		bool set;
		const char *name;
	} fields[] = {
		{ spec->mount.mode == RUN_NS_MODE_HOST && (spec->user.mode != RUN_NS_MODE_HOST ||
							   spec->layout == RUN_LAYOUT_ENGINE),
		  "the host's mount namespace with a user namespace" },
		{ spec->mount_label && *spec->mount_label, "mountLabel" },
		{ spec->rdt_group && *spec->rdt_group, "intelRdt" },
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].set)
			return fields[i].name;
	return NULL;
}

static int check_user(const struct run_spec *spec, struct err *err)
{
	int r = check_maps("uidMappings", spec->uid_map, spec->uid_map_count, err);

	if (r == 0)
		r = check_maps("gidMappings", spec->gid_map, spec->gid_map_count, err);
	if (r < 0)
		return r;
	if (spec->user.mode == RUN_NS_MODE_HOST && (spec->uid_map_count || spec->gid_map_count))
		return err_set(err, -EINVAL, "uidMappings: they need a user namespace");
	if (spec->user.mode == RUN_NS_MODE_NEW && (!spec->uid_map_count || !spec->gid_map_count))
		return err_set(err, -EINVAL,
			       "the user namespace has no uidMappings or no gidMappings");
	if (plan_outside(spec->uid_map, spec->uid_map_count, spec->process.uid) == UINT32_MAX)
		return err_set(err, -EINVAL, "user %u has no place in the uidMappings",
			       spec->process.uid);
	if (plan_outside(spec->gid_map, spec->gid_map_count, spec->process.gid) == UINT32_MAX)
		return err_set(err, -EINVAL, "group %u has no place in the gidMappings",
			       spec->process.gid);
	return 0;
}

static int check_namespaces(const struct run_spec *spec, struct err *err)
{
	bool offsets = spec->monotonic.secs || spec->monotonic.nanosecs || spec->boottime.secs ||
		       spec->boottime.nanosecs;

	if (offsets && spec->time.mode != RUN_NS_MODE_NEW)
		return err_set(err, -EINVAL, "timeOffsets: they need a new time namespace");
	if (spec->monotonic.nanosecs > 999999999 || spec->boottime.nanosecs > 999999999)
		return err_set(err, -EINVAL, "timeOffsets: nanosecs is at most 999999999");
	if (spec->layout == RUN_LAYOUT_LISTED && spec->uts.mode == RUN_NS_MODE_HOST &&
	    ((spec->hostname && *spec->hostname) || (spec->domainname && *spec->domainname)))
		return err_set(err, -EINVAL,
			       "hostname: it cannot be set without an own UTS namespace");
	if (spec->no_pivot && spec->root_propagation == RUN_PROPAGATION_UNBINDABLE)
		return err_set(err, -EINVAL, "rootfsPropagation: unbindable needs pivot_root");
	return 0;
}

static int check_hooks(const struct run_spec *spec, struct err *err)
{
	for (size_t i = 0; i < RUN_HOOK_POINTS; i++) {
		if (spec->hooks[i].count > RUN_HOOKS_MAX)
			return err_set(err, -E2BIG, "hooks: more than %d of one kind",
				       RUN_HOOKS_MAX);
		for (size_t j = 0; j < spec->hooks[i].count; j++) {
			const struct run_hook *hook = &spec->hooks[i].hooks[j];
			int r = check_path("hook", hook->path, err);

			if (r == 0)
				r = check_strings("hook arguments", hook->argv, err);
			if (r == 0)
				r = check_strings("hook environment", hook->env, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int spec_check(const struct run_spec *spec, struct err *err)
{
	const char *gap = spec_gap(spec);
	int r = gap ? unsupported(gap, err) : check_counts(spec, err);

	if (r == 0)
		r = spec_check_process(&spec->process, err);
	if (r == 0)
		r = check_user(spec, err);
	if (r == 0)
		r = check_namespaces(spec, err);
	if (r == 0)
		r = check_hooks(spec, err);
	for (size_t i = 0; r == 0 && i < spec->mount_count; i++)
		r = check_mount(spec, &spec->mounts[i], err);
	for (size_t i = 0; r == 0 && i < spec->device_count; i++)
		r = check_device(spec, &spec->devices[i], err);
	for (size_t i = 0; r == 0 && i < spec->sysctl_count; i++) {
		r = run_sysctl_check(spec, spec->sysctls[i].key, err);
		if (r == 0 && strpbrk(spec->sysctls[i].value, "\n"))
			r = err_set(err, -EINVAL, "sysctl '%s': the value has a line break",
				    spec->sysctls[i].key);
	}
	if (r == 0 && spec->layout == RUN_LAYOUT_ENGINE && spec->cgroup.mode == RUN_NS_MODE_HOST &&
	    !spec->privileged)
		r = err_set(err, -EINVAL,
			    "the host's cgroup namespace is for privileged containers only");
	if (r == 0 && spec->hostname && strlen(spec->hostname) > HOSTNAME_BYTES_MAX)
		r = err_set(err, -EINVAL, "hostname: longer than %d bytes", HOSTNAME_BYTES_MAX);
	if (r == 0 && spec->domainname && strlen(spec->domainname) > HOSTNAME_BYTES_MAX)
		r = err_set(err, -EINVAL, "domain name: longer than %d bytes", HOSTNAME_BYTES_MAX);
	return r;
}
