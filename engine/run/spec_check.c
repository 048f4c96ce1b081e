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
#include "engine/run/plan.h"
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

/* The first field that asks for something the plan cannot say. */
static const char *process_gap(const struct run_process *process)
{
	const struct {
		bool set;
		const char *name;
	} fields[] = {
		{ process->cap_sets != NULL, "capability sets" },
		{ process->oom_score_inherit, "an inherited oomScoreAdj" },
		{ process->seccomp == RUN_SECCOMP_GIVEN, "seccomp" },
		{ process->umask != 022, "umask" },
		{ process->preserve_fds != 0, "preserve-fds" },
		{ process->scheduler != NULL, "scheduler" },
		{ process->ioprio != NULL, "ioPriority" },
		{ process->cpus_first || process->cpus, "execCPUAffinity" },
		{ process->apparmor_profile && *process->apparmor_profile, "apparmorProfile" },
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
	return 0;
}

static int check_mount(const struct run_mount *mount, struct err *err)
{
	int r = check_path("mount", mount->target, err);

	if (r == 0 && mount->kind == RUN_MOUNT_KIND_BIND && mount->source)
		r = check_path("mount source", mount->source, err);
	if (r < 0)
		return r;
	if (mount->kind == RUN_MOUNT_KIND_BIND && !mount->source &&
	    (mount->source_fd < SHIM_FD_EXTRA || mount->source_fd > SHIM_FD_MAX))
		return err_set(err, -EINVAL, "mount %s: it has no source", mount->target);
	if (path_is_below(mount->target, "/proc") || path_is_below(mount->target, "/sys"))
		return err_set(err, -EINVAL,
			       "mount %s: nothing may be mounted at or below /proc and /sys",
			       mount->target);
	if (mount->target[strspn(mount->target, "/")] == '\0' ||
	    strcmp(mount->target, "/dev") == 0 || strcmp(mount->target, "/dev/pts") == 0)
		return err_set(err, -EINVAL, "mount %s: this place belongs to the container itself",
			       mount->target);
	if (mount->flags & ~(uint32_t)31 || mount->clear || mount->set_below ||
	    mount->clear_below || mount->propagation || mount->idmap ||
	    mount->kind == RUN_MOUNT_KIND_FILESYSTEM)
		return unsupported("mount options beside ro, nosuid, nodev and noexec", err);
	return 0;
}

static int check_device(const struct run_device *device, struct err *err)
{
	int r = check_path("device", device->path, err);

	if (r < 0)
		return r;
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

static bool any_hooks(const struct run_spec *spec)
{
	for (size_t i = 0; i < RUN_HOOK_POINTS; i++)
		if (spec->hooks[i].count > 0)
			return true;
	return false;
}

static const char *spec_gap(const struct run_spec *spec)
{
	const struct {
		bool set;
		const char *name;
	} fields[] = {
		{ spec->layout != RUN_LAYOUT_ENGINE, "a listed layout" },
		{ spec->user.mode != RUN_NS_MODE_HOST, "the user namespace" },
		{ spec->mount.mode != RUN_NS_MODE_NEW, "another mount namespace" },
		{ spec->monotonic.secs || spec->monotonic.nanosecs || spec->boottime.secs ||
			  spec->boottime.nanosecs,
		  "timeOffsets" },
		{ spec->root_propagation != RUN_PROPAGATION_DEFAULT, "rootfsPropagation" },
		{ spec->init, "init" },
		{ spec->personality_set, "personality" },
		{ spec->no_pivot, "no-pivot" },
		{ spec->no_new_keyring, "no-new-keyring" },
		{ any_hooks(spec), "hooks" },
		{ spec->mount_label && *spec->mount_label, "mountLabel" },
		{ spec->rdt_group && *spec->rdt_group, "intelRdt" },
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].set)
			return fields[i].name;
	return NULL;
}

int spec_check(const struct run_spec *spec, struct err *err)
{
	const char *gap = spec_gap(spec);
	int r = gap ? unsupported(gap, err) : check_counts(spec, err);

	if (r == 0)
		r = spec_check_process(&spec->process, err);
	for (size_t i = 0; r == 0 && i < spec->mount_count; i++)
		r = check_mount(&spec->mounts[i], err);
	for (size_t i = 0; r == 0 && i < spec->device_count; i++)
		r = check_device(&spec->devices[i], err);
	for (size_t i = 0; r == 0 && i < spec->sysctl_count; i++) {
		r = run_sysctl_check(spec, spec->sysctls[i].key, err);
		if (r == 0 && strpbrk(spec->sysctls[i].value, "\n"))
			r = err_set(err, -EINVAL, "sysctl '%s': the value has a line break",
				    spec->sysctls[i].key);
	}
	if (r == 0 && spec->cgroup.mode == RUN_NS_MODE_HOST && !spec->privileged)
		r = err_set(err, -EINVAL,
			    "the host's cgroup namespace is for privileged containers only");
	if (r == 0 && spec->hostname && strlen(spec->hostname) > HOSTNAME_BYTES_MAX)
		r = err_set(err, -EINVAL, "hostname: longer than %d bytes", HOSTNAME_BYTES_MAX);
	if (r == 0 && spec->domainname && strlen(spec->domainname) > HOSTNAME_BYTES_MAX)
		r = err_set(err, -EINVAL, "domain name: longer than %d bytes", HOSTNAME_BYTES_MAX);
	return r;
}
