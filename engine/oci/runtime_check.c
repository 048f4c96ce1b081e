/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what the parts of a config.json have to be besides their types: required for Linux, and free
 * of contradictions. Runs in hoy-oci's sandboxed parser; pure. It must never look at the machine.
 */
#include "engine/oci/runtime_config.h"

#include <errno.h>
#include <string.h>
#include "lib/str.h"

enum { SHOWN_MAX = 100, DEADLINE_RUNTIME_MIN_NS = 1024 };

static int fault(struct err *err, const char *where, const char *what)
{
	return err_set(err, -EINVAL, "config.json: %s: %s", where, what);
}

static int check_version(const char *version, struct err *err)
{
	char shown[SHOWN_MAX];

	if (strncmp(version, "1.", 2) == 0 && strlen(version) >= 5)
		return 0;
	str_escape(str_from(version), shown, sizeof(shown));
	return err_set(err, -EINVAL,
		       "config.json: ociVersion: \"%s\" is unknown; 1.x.y is supported", shown);
}

/* What the kernel would answer with no more than "invalid argument" (sched(7)). */
static int check_deadline(const struct runtime_scheduler *sched, struct err *err)
{
	if (sched->policy != RUNTIME_POLICY_DEADLINE)
		return 0;
	if (sched->runtime < DEADLINE_RUNTIME_MIN_NS)
		return fault(err, "process.scheduler.runtime",
			     "SCHED_DEADLINE needs 1024 nanoseconds or more");
	if (sched->deadline < sched->runtime)
		return fault(err, "process.scheduler.deadline",
			     "SCHED_DEADLINE needs one that is not below the runtime");
	if (sched->period != 0 && sched->period < sched->deadline)
		return fault(err, "process.scheduler.period", "it is below the deadline");
	return 0;
}

int runtime_process_check(const struct runtime_process *process, struct err *err)
{
	const struct runtime_scheduler *sched = &process->scheduler;

	if (process->args.count == 0)
		return fault(err, "process.args", "no command is given");
	if (!process->args.items[0][0])
		return fault(err, "process.args[0]",
			     "the command is empty: executable file not found in $PATH");
	if (process->cwd[0] != '/')
		return fault(err, "process.cwd", "expected an absolute path");
	for (size_t i = 0; i < process->rlimits.count; i++) {
		const struct runtime_rlimit *limit = &process->rlimits.items[i];

		if (limit->soft > limit->hard)
			return err_set(err, -EINVAL,
				       "config.json: process.rlimits[%zu]: the soft limit is above "
				       "the hard one",
				       i);
		for (size_t j = 0; j < i; j++)
			if (process->rlimits.items[j].type == limit->type)
				return err_set(err, -EINVAL,
					       "config.json: process.rlimits[%zu]: the same limit "
					       "stands in [%zu] already",
					       i, j);
	}
	if (process->io_priority.set &&
	    (process->io_priority.priority < 0 || process->io_priority.priority > 7))
		return fault(err, "process.ioPriority.priority", "expected 0 to 7");
	if (sched->policy && (sched->nice < -20 || sched->nice > 19))
		return fault(err, "process.scheduler.nice", "expected -20 to 19");
	return check_deadline(sched, err);
}

static int check_namespaces(const struct runtime_linux *lin, uint32_t *ret_there, struct err *err)
{
	*ret_there = 0;
	for (size_t i = 0; i < lin->namespaces.count; i++) {
		const struct runtime_namespace *ns = &lin->namespaces.items[i];

		if (*ret_there >> ns->type & 1)
			return err_set(err, -EINVAL,
				       "config.json: linux.namespaces[%zu]: a second %s namespace",
				       i, runtime_namespace_names[ns->type - 1]);
		if (ns->path && ns->path[0] && ns->path[0] != '/')
			return err_set(err, -EINVAL,
				       "config.json: linux.namespaces[%zu].path: expected an "
				       "absolute path",
				       i);
		*ret_there |= 1u << ns->type;
	}
	return 0;
}

static int check_devices(const struct runtime_linux *lin, struct err *err)
{
	for (size_t i = 0; i < lin->devices.count; i++) {
		const struct runtime_device *device = &lin->devices.items[i];

		if (strlen(device->type) != 1 || !strchr("cbup", device->type[0]))
			return err_set(
				err, -EINVAL,
				"config.json: linux.devices[%zu].type: expected c, b, u or p", i);
		if (device->path[0] != '/')
			return err_set(err, -EINVAL,
				       "config.json: linux.devices[%zu].path: expected an absolute "
				       "path",
				       i);
	}
	for (size_t i = 0; i < lin->resources.devices.count; i++) {
		const struct runtime_device_rule *rule = &lin->resources.devices.items[i];

		if (rule->type && rule->type[0] &&
		    (strlen(rule->type) != 1 || !strchr("abcup", rule->type[0])))
			return err_set(err, -EINVAL,
				       "config.json: linux.resources.devices[%zu].type: expected "
				       "a, b or c",
				       i);
		if (rule->access && strspn(rule->access, "rwm") != strlen(rule->access))
			return err_set(err, -EINVAL,
				       "config.json: linux.resources.devices[%zu].access: expected "
				       "letters of rwm",
				       i);
	}
	return 0;
}

static int check_linux(const struct runtime_config *config, struct err *err)
{
	const struct runtime_linux *lin = &config->linux_;
	uint32_t there;
	int r = check_namespaces(lin, &there, err);

	if (r == 0)
		r = check_devices(lin, err);
	if (r < 0)
		return r;
	if ((lin->uids.count || lin->gids.count) && !(there >> RUNTIME_NAMESPACE_USER & 1))
		return fault(err, "linux.uidMappings", "mappings need a user namespace");
	if ((lin->boottime.set || lin->monotonic.set) && !(there >> RUNTIME_NAMESPACE_TIME & 1))
		return fault(err, "linux.timeOffsets", "offsets need a time namespace");
	if (((config->hostname && config->hostname[0]) ||
	     (config->domainname && config->domainname[0])) &&
	    !(there >> RUNTIME_NAMESPACE_UTS & 1))
		return fault(err, "hostname", "a name needs a UTS namespace");
	for (size_t i = 0; i < lin->personality_flags.count; i++)
		return fault(err, "linux.personality.flags", "no flag is known");
	return 0;
}

static int check_mounts(const struct runtime_config *config, struct err *err)
{
	for (size_t i = 0; i < config->mounts.count; i++) {
		const struct runtime_mount *mount = &config->mounts.items[i];

		if (!mount->target[0])
			return err_set(err, -EINVAL,
				       "config.json: mounts[%zu].destination: it is empty", i);
		if ((mount->uids.count == 0) != (mount->gids.count == 0))
			return err_set(err, -EINVAL,
				       "config.json: mounts[%zu]: uidMappings and gidMappings "
				       "need each other",
				       i);
	}
	return 0;
}

static int check_hooks(const struct runtime_config *config, struct err *err)
{
	for (int kind = 0; kind < RUNTIME_HOOK_COUNT; kind++) {
		for (size_t i = 0; i < config->hooks[kind].count; i++) {
			if (config->hooks[kind].items[i].path[0] == '/')
				continue;
			return err_set(err, -EINVAL,
				       "config.json: hooks.%s[%zu].path: expected an absolute path",
				       runtime_hook_names[kind], i);
		}
	}
	return 0;
}

int runtime_config_check(const struct runtime_config *config, struct err *err)
{
	int r = check_version(config->version, err);

	if (r == 0 && !config->root_path)
		r = fault(err, "root", "missing, Linux requires it");
	if (r == 0 && !config->root_path[0])
		r = fault(err, "root.path", "it is empty");
	if (r == 0 && !config->linux_.set)
		r = fault(err, "linux", "missing; this runtime runs Linux containers only");
	if (r == 0 && config->process.set)
		r = runtime_process_check(&config->process, err);
	if (r == 0)
		r = check_linux(config, err);
	if (r == 0)
		r = check_mounts(config, err);
	return r < 0 ? r : check_hooks(config, err);
}
