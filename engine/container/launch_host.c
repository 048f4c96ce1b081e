/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Docker's HostConfig says beyond a service's keys becomes part of the plan: namespaces,
 * limits, sysctls, security options. Runs in engine main, on texts that the api role has checked
 * and this file checks again; must never let one pass in silence that the plan does not carry.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "engine/container/launch.h"
#include "engine/container/parts.h"
#include "lib/log.h"
#include "lib/own.h"

/* "host", "container:ID" or a new one. */
static int host_namespace(struct launch *launch, const char *mode, const char *kind,
			  struct run_ns *ns, struct err *err)
{
	struct container *container = launch->container;
	struct str text = str_from(mode);
	int fd;

	if (str_is(text, "host"))
		ns->mode = RUN_NS_MODE_HOST;
	if (!str_starts(text, STR("container:")))
		return 0;
	if (container->extra_count == CONTAINER_EXTRA_MAX)
		return err_set(err, -E2BIG, "too many namespaces to join");
	fd = container_join(container, mode + 10, kind, err);
	if (fd < 0)
		return fd;
	ns->mode = RUN_NS_MODE_FD;
	ns->fd = SHIM_FD_EXTRA + (int)container->extra_count;
	container->extra_fds[container->extra_count++] = fd;
	return 0;
}

/* Whose memory others may share has to have said so, as in Docker. */
static int check_ipc(const struct container *container, const char *mode, struct err *err)
{
	struct container_env *env = container->env;
	const struct container *other = NULL;
	const char *own = "";

	if (!str_starts(str_from(mode), STR("container:")))
		return 0;
	if (env->running)
		other = env->running(env->owner, mode + 10);
	if (other && other->def.host_set)
		own = other->def.host.ipc_mode;
	if (!other || !strcmp(own, "shareable") || !strcmp(own, "host") ||
	    str_starts(str_from(own), STR("container:")))
		return 0;
	return err_set(err, -EINVAL,
		       "container %s: non-shareable IPC (hint: use IpcMode:shareable for the donor "
		       "container)",
		       mode + 10);
}

static int host_namespaces(struct launch *launch, struct err *err)
{
	const struct def_host *host = &launch->container->def.host;
	struct run_spec *spec = &launch->spec;
	int r = host_namespace(launch, host->pid_mode, "pid", &spec->pid, err);

	if (r >= 0)
		r = check_ipc(launch->container, host->ipc_mode, err);
	if (r >= 0)
		r = host_namespace(launch, host->ipc_mode, "ipc", &spec->ipc, err);
	if (r >= 0)
		r = host_namespace(launch, host->uts_mode, "uts", &spec->uts, err);
	if (r >= 0)
		r = host_namespace(launch, host->cgroup_mode, "cgroup", &spec->cgroup, err);
	if (spec->uts.mode != RUN_NS_MODE_NEW)
		spec->hostname = NULL;
	else if (*host->domainname)
		spec->domainname = host->domainname;
	return r;
}

static int host_sysctls(struct launch *launch, struct err *err)
{
	const struct image_texts *texts = &launch->container->def.host.sysctls;
	struct arena *arena = &launch->container->arena;

	if (texts->count > ARRAY_LEN(launch->sysctls))
		return err_set(err, -E2BIG, "sysctls: at most %zu", ARRAY_LEN(launch->sysctls));
	for (uint32_t i = 0; i < texts->count; i++) {
		struct str rest = str_from(texts->items[i]), key;

		(void)str_cut(&rest, '=', &key);
		launch->sysctls[i] =
			(struct run_sysctl){ arena_text(arena, key), arena_text(arena, rest) };
		if (!launch->sysctls[i].key || !launch->sysctls[i].value)
			return err_set(err, -ENOMEM, "no memory for sysctls");
	}
	launch->spec.sysctls = launch->sysctls;
	launch->spec.sysctl_count = texts->count;
	return 0;
}

static int rlimit_number(struct str name)
{
	static const struct {
		const char *name;
		int number;
	} known[] = {
		{ "as", RLIMIT_AS },
		{ "core", RLIMIT_CORE },
		{ "cpu", RLIMIT_CPU },
		{ "data", RLIMIT_DATA },
		{ "fsize", RLIMIT_FSIZE },
		{ "locks", RLIMIT_LOCKS },
		{ "memlock", RLIMIT_MEMLOCK },
		{ "msgqueue", RLIMIT_MSGQUEUE },
		{ "nice", RLIMIT_NICE },
		{ "nofile", RLIMIT_NOFILE },
		{ "nproc", RLIMIT_NPROC },
		{ "rss", RLIMIT_RSS },
		{ "rtprio", RLIMIT_RTPRIO },
		{ "rttime", RLIMIT_RTTIME },
		{ "sigpending", RLIMIT_SIGPENDING },
		{ "stack", RLIMIT_STACK },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_is(name, known[i].name))
			return known[i].number;
	}
	return -1;
}

static bool rlimit_value(struct str text, uint64_t *ret_value)
{
	if (str_is(text, "-1")) {
		*ret_value = RLIM_INFINITY;
		return true;
	}
	return str_to_u64(text, 0, INT64_MAX, ret_value) >= 0;
}

/* "nofile=1024:2048", over the defaults that are in place. */
static int add_ulimit(struct run_rlimit *limits, const char *text, struct run_process *process,
		      struct err *err)
{
	struct str rest = str_from(text), name, soft;
	struct run_rlimit limit = { 0 };
	size_t at = 0;

	(void)str_cut(&rest, '=', &name);
	(void)str_cut(&rest, ':', &soft);
	limit.resource = rlimit_number(name);
	if (limit.resource < 0 || !rlimit_value(soft, &limit.soft) ||
	    !rlimit_value(rest, &limit.hard))
		return err_set(err, -EINVAL, "ulimit '%s' is not known", text);
	while (at < process->rlimit_count && limits[at].resource != limit.resource)
		at++;
	if (at == RUN_RLIMITS_MAX)
		return err_set(err, -E2BIG, "too many ulimits");
	limits[at] = limit;
	if (at == process->rlimit_count)
		process->rlimit_count++;
	return 0;
}

int launch_rlimits(const struct container_def *def, struct run_rlimit limits[RUN_RLIMITS_MAX],
		   struct run_process *process, struct err *err)
{
	int r = 0;

	limits[0] = (struct run_rlimit){ RLIMIT_NOFILE, 1024, 524288 };
	limits[1] = (struct run_rlimit){ RLIMIT_CORE, 0, 0 };
	process->rlimits = limits;
	process->rlimit_count = 2;
	for (uint32_t i = 0; r >= 0 && def->host_set && i < def->host.ulimits.count; i++)
		r = add_ulimit(limits, def->host.ulimits.items[i], process, err);
	return r;
}

static int host_groups(struct launch *launch, struct err *err)
{
	const struct image_texts *texts = &launch->container->def.host.group_add;
	struct run_process *process = &launch->spec.process;
	size_t count = process->group_count, seen;

	if (count + texts->count > ARRAY_LEN(launch->groups))
		return err_set(err, -E2BIG, "too many groups");
	if (count)
		memcpy(launch->groups, process->groups, count * sizeof(launch->groups[0]));
	for (uint32_t i = 0; i < texts->count; i++) {
		uint64_t number;

		/* Names were looked up in the container's root with its user. */
		if (str_to_u64(str_from(texts->items[i]), 0, UINT32_MAX - 1, &number) < 0)
			continue;
		for (seen = 0; seen < count && launch->groups[seen] != (uint32_t)number; seen++)
			;
		if (seen == count)
			launch->groups[count++] = (uint32_t)number;
	}
	process->groups = launch->groups;
	process->group_count = count;
	return 0;
}

int launch_security(const struct def_host *host, struct run_process *process,
		    struct run_seccomp_filter *filter, struct err *err)
{
	const struct image_texts *texts = &host->security_opt;

	if (host->seccomp.len) {
		*filter = (struct run_seccomp_filter){ .program = host->seccomp.ptr,
						       .size_bytes = host->seccomp.len,
						       .flags = host->seccomp_flags };
		process->seccomp = RUN_SECCOMP_GIVEN;
		process->seccomp_filter = filter;
	}
	for (uint32_t i = 0; i < texts->count; i++) {
		struct str text = str_from(texts->items[i]);

		if (str_is(text, "no-new-privileges") || str_is(text, "no-new-privileges=true") ||
		    str_is(text, "no-new-privileges:true"))
			process->no_new_privs = true;
		else if (str_is(text, "seccomp=unconfined") || str_is(text, "seccomp:unconfined"))
			process->seccomp = RUN_SECCOMP_UNCONFINED;
		else if (!str_is(text, "seccomp=builtin") && !str_is(text, "apparmor=unconfined") &&
			 !str_is(text, "label=disable") && !str_is(text, "label:disable") &&
			 !str_starts(text, STR("no-new-privileges")) &&
			 !str_starts(text, STR("writable-cgroups")))
			return err_set(err, -ENOTSUP, "security option '%s' is not supported",
				       texts->items[i]);
	}
	return 0;
}

/* "writable-cgroups", "writable-cgroups=true": the container's own group, for itself to write. */
static bool has_writable_group(const struct def_host *host)
{
	bool writable = false;

	for (uint32_t i = 0; i < host->security_opt.count; i++) {
		struct str text = str_from(host->security_opt.items[i]);

		if (str_starts(text, STR("writable-cgroups")))
			writable = str_is(text, "writable-cgroups") ||
				   str_is(text, "writable-cgroups=true");
	}
	return writable;
}

static int host_security(struct launch *launch, struct err *err)
{
	launch->spec.cgroup_writable = has_writable_group(&launch->container->def.host);
	return launch_security(&launch->container->def.host, &launch->spec.process, &launch->filter,
			       err);
}

/* "c 1:3 rwm", "a *:* r" */
static int host_rule(struct launch *launch, const char *item, struct err *err)
{
	struct run_device_rule *rule = &launch->rules[launch->spec.device_rule_count];
	struct str rest = str_from(item), type, numbers, part;
	int64_t *const both[2] = { &rule->major, &rule->minor };

	if (launch->spec.device_rule_count == ARRAY_LEN(launch->rules))
		return err_set(err, -E2BIG, "too many device rules");
	*rule = (struct run_device_rule){ 0 };
	(void)str_cut(&rest, ' ', &type);
	(void)str_cut(&rest, ' ', &numbers);
	rule->type = str_is(type, "c")	 ? RUN_DEVICE_TYPE_CHAR
		     : str_is(type, "b") ? RUN_DEVICE_TYPE_BLOCK
					 : RUN_DEVICE_TYPE_ANY;
	for (size_t i = 0; i < 2; i++) {
		uint64_t number = 0;

		(void)str_cut(&numbers, ':', &part);
		if (!str_is(part, "*") && str_to_u64(part, 0, 1 << 20, &number) < 0)
			return err_set(err, -EINVAL, "invalid device cgroup rule format: '%s'",
				       item);
		*both[i] = str_is(part, "*") ? -1 : (int64_t)number;
	}
	for (size_t i = 0; i < rest.len; i++)
		rule->access |= rest.ptr[i] == 'r'   ? (uint32_t)RUN_ACCESS_READ
				: rest.ptr[i] == 'w' ? (uint32_t)RUN_ACCESS_WRITE
						     : (uint32_t)RUN_ACCESS_MKNOD;
	launch->spec.device_rule_count++;
	return 0;
}

static int host_paths(struct launch *launch, struct err *err)
{
	const struct def_host *host = &launch->container->def.host;
	struct arena *arena = &launch->container->arena;

	if (!host->paths_set)
		return 0;
	launch->spec.masked_paths = launch_vector(arena, &host->masked_paths);
	launch->spec.readonly_paths = launch_vector(arena, &host->readonly_paths);
	if (!launch->spec.masked_paths || !launch->spec.readonly_paths)
		return err_set(err, -ENOMEM, "no memory for masked paths");
	return 0;
}

static bool has_sysctl(const struct launch *launch, const char *key)
{
	for (size_t i = 0; i < launch->spec.sysctl_count; i++) {
		if (!strcmp(launch->spec.sysctls[i].key, key))
			return true;
	}
	return false;
}

int launch_net_sysctls(struct launch *launch, struct err *err)
{
	static const struct run_sysctl own[] = {
		{ "net.ipv4.ip_unprivileged_port_start", "0" },
		{ "net.ipv4.ping_group_range", "0 2147483647" },
	};
	const struct container *container = launch->container;

	if (launch->spec.net.mode == RUN_NS_MODE_HOST || container_shares_network(container))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		/* Of a user namespace not all groups are there. */
		bool mapped = i > 0 && container_mapping(container);

		if (mapped || has_sysctl(launch, own[i].key))
			continue;
		if (launch->spec.sysctl_count == ARRAY_LEN(launch->sysctls))
			return err_set(err, -E2BIG, "sysctls: at most %zu",
				       ARRAY_LEN(launch->sysctls) - ARRAY_LEN(own));
		launch->sysctls[launch->spec.sysctl_count++] = own[i];
		launch->spec.sysctls = launch->sysctls;
	}
	return 0;
}

int launch_host(struct launch *launch, struct err *err)
{
	static int (*const steps[])(struct launch * launch, struct err * err) = {
		host_namespaces, host_sysctls, host_groups, host_security, host_paths,
	};
	const struct container_def *def = &launch->container->def;
	const struct def_host *host = &def->host;
	int r = 0;

	if (!def->host_set)
		return 0;
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(steps); i++)
		r = steps[i](launch, err);
	for (uint32_t i = 0; r >= 0 && i < host->device_rules.count; i++)
		r = host_rule(launch, host->device_rules.items[i], err);
	if (host->shm_bytes)
		launch->spec.shm_bytes = (uint64_t)host->shm_bytes;
	launch->spec.process.stdin_open = host->stdin_open;
	launch->spec.process.rows = host->console_rows;
	launch->spec.process.columns = host->console_columns;
	launch->spec.process.oom_score_adj = (int)host->oom_score_adj;
	return r < 0 ? r : 0;
}

void launch_mount_more(const struct container_def *def, uint32_t index, struct run_mount *mount)
{
	const struct def_mount_more *more;

	if (!def->host_set)
		return;
	more = &def->mounts_more[index];
	mount->propagation = (enum run_propagation)more->propagation;
	if (more->flags & DEF_MOUNT_FLAT)
		mount->flags &= ~(uint32_t)RUN_MOUNT_FLAG_RECURSIVE;
	if (mount->kind != RUN_MOUNT_KIND_TMPFS)
		return;
	mount->size_bytes = more->size_bytes;
	mount->mode = more->mode;
	if (more->flags & DEF_MOUNT_EXEC)
		mount->flags &= ~(uint32_t)RUN_MOUNT_FLAG_NOEXEC;
	if (more->flags & DEF_MOUNT_DEV)
		mount->flags &= ~(uint32_t)RUN_MOUNT_FLAG_NODEV;
	if (more->flags & DEF_MOUNT_SUID)
		mount->flags &= ~(uint32_t)RUN_MOUNT_FLAG_NOSUID;
}

/* ---- limits ---- */

static int find_resources(const struct container_def *def, struct cgroup_resources *ret_resources,
			  struct err *err)
{
	const struct def_host *host = &def->host;
	struct cgroup_resources res;

	cgroup_resources_init(&res);
	if (host->memory_low)
		res.memory_low = host->memory_low;
	if (host->memory_and_swap) {
		int r = cgroup_swap_of_oci(def->mem_limit, host->memory_and_swap, &res.swap_max,
					   err);

		if (r < 0)
			return r;
	}
	if (host->cpu_shares)
		res.cpu_weight = cgroup_weight_of_shares((uint64_t)host->cpu_shares);
	if (host->cpu_quota_us)
		res.cpu_quota_us = host->cpu_quota_us;
	if (host->cpu_period_us)
		res.cpu_period_us = host->cpu_period_us;
	if (host->blkio_weight)
		res.io_weight = cgroup_weight_of_blkio((uint64_t)host->blkio_weight);
	if (*host->cpuset_cpus)
		res.cpus = host->cpuset_cpus;
	if (*host->cpuset_mems)
		res.mems = host->cpuset_mems;
	*ret_resources = res;
	return 0;
}

static int set_resources(struct container *container, const struct container_def *def,
			 struct err *err)
{
	struct cgroup_resources resources;
	struct launch_io io;
	char missing[160] = "";
	int r;

	if (!def->host_set)
		return 0;
	r = find_resources(def, &resources, err);
	if (r >= 0)
		r = launch_io(&def->host, &io, &resources, err);
	if (r >= 0)
		r = cgroup_resources_set(container->cgroup_fd, &resources, missing, sizeof(missing),
					 err);
	/* A weight is a wish; a rate that somebody counts on is not. */
	if (r >= 0 && resources.io_limit_count && strstr(missing, "io.max"))
		return err_set(
			err, -ENOTSUP,
			"block I/O rates cannot be limited: the machine's control groups have "
			"no io controller of version 2");
	if (*missing)
		log_warn("container %s: this kernel cannot limit %s", def->name, missing);
	return r < 0 ? r : 0;
}

/* A wish: a kernel without these controllers runs it as all others. */
static int set_background(struct container *container, struct err *err)
{
	struct cgroup_resources resources;
	char missing[160];

	cgroup_resources_init(&resources);
	resources.io_weight = LAUNCH_BACKGROUND_WEIGHT;
	if (!container->def.host_set || !container->def.host.cpu_shares)
		resources.cpu_weight = LAUNCH_BACKGROUND_WEIGHT;
	return cgroup_resources_set(container->cgroup_fd, &resources, missing, sizeof(missing),
				    err);
}

int launch_resources(struct container *container, struct err *err)
{
	int r = set_resources(container, &container->def, err);

	return r >= 0 && container->background ? set_background(container, err) : r;
}

int container_limit(struct container *container, const struct container_def *def, struct err *err)
{
	struct cgroup_limits limits = { .memory_bytes = (uint64_t)def->mem_limit,
					.cpu_milli = (uint32_t)def->cpus,
					.pids = (uint32_t)def->pids_limit };
	int r;

	if (container->phase != CONTAINER_PHASE_RUNNING || container->cgroup_fd < 0)
		return 0;
	r = cgroup_set(&container->env->cgroups, container->cgroup_fd, &limits, err);
	return r < 0 ? r : set_resources(container, def, err);
}
