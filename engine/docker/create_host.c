/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HostConfig half of a create request without mounts and network. Runs in the api role, on
 * foreign JSON. Must never drop in silence what it does not carry out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/docker/create.h"
#include "engine/service/machine.h"
#include "lib/own.h"

enum { MEMORY_MIN = 6 << 20, CPU_MILLI_MAX = 1 << 20 };

/* Members that other functions read, or that say nothing on Linux. */
static const char *const known[] = {
	"Binds",	   "Mounts",
	"Tmpfs",	   "NetworkMode",
	"PortBindings",	   "PublishAllPorts",
	"RestartPolicy",   "AutoRemove",
	"LogConfig",	   "CapAdd",
	"CapDrop",	   "Dns",
	"DnsOptions",	   "DnsSearch",
	"ExtraHosts",	   "GroupAdd",
	"IpcMode",	   "Links",
	"OomScoreAdj",	   "PidMode",
	"Privileged",	   "ReadonlyRootfs",
	"SecurityOpt",	   "UTSMode",
	"UsernsMode",	   "ShmSize",
	"Sysctls",	   "Runtime",
	"CgroupnsMode",	   "Init",
	"MaskedPaths",	   "ReadonlyPaths",
	"Memory",	   "MemoryReservation",
	"MemorySwap",	   "MemorySwappiness",
	"NanoCpus",	   "CpuShares",
	"CpuPeriod",	   "CpuQuota",
	"CpusetCpus",	   "CpusetMems",
	"PidsLimit",	   "BlkioWeight",
	"Devices",	   "DeviceCgroupRules",
	"Ulimits",	   "OomKillDisable",
	"ConsoleSize",	   "ContainerIDFile",
	"Isolation",	   "KernelMemory",
	"KernelMemoryTCP", "VolumeDriver",
	"Annotations",	   "VolumesFrom",
	"DeviceRequests",
};

static int refuse_unknown(const struct create *create, struct err *err)
{
	const struct json *value;
	struct json_iter iter;
	struct str key;

	json_iter_init(&iter, create->host);
	while (json_iter_next(&iter, &key, &value)) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			found |= str_is(key, known[i]);
		if (!found && !create_empty(value))
			return err_set(err, -EINVAL,
				       "HostConfig.%.*s is not supported by this engine",
				       STR_ARG(key));
	}
	return 0;
}

/* ---- limits ---- */

static int limits_memory(struct create *create, const struct json *host, struct err *err)
{
	struct container_def *def = &create->def;
	int r = create_number(host, "Memory", 0, INT64_MAX, &def->mem_limit, err);

	if (r >= 0)
		r = create_number(host, "MemoryReservation", 0, INT64_MAX, &def->host.memory_low,
				  err);
	if (r >= 0)
		r = create_number(host, "MemorySwap", -1, INT64_MAX, &def->host.memory_and_swap,
				  err);
	if (r < 0)
		return r;
	if (def->mem_limit && def->mem_limit < MEMORY_MIN)
		return err_set(err, -EINVAL, "Minimum memory limit allowed is 6MB");
	if (def->host.memory_and_swap > 0 && !def->mem_limit)
		return err_set(
			err, -EINVAL,
			"You should always set the Memory limit when using Memoryswap limit, "
			"see usage");
	if (def->host.memory_and_swap > 0 && def->host.memory_and_swap < def->mem_limit)
		return err_set(err, -EINVAL,
			       "Minimum memoryswap limit should be larger than memory limit, see "
			       "usage");
	if (def->mem_limit && def->host.memory_low > def->mem_limit)
		return err_set(err, -EINVAL,
			       "Minimum memory limit can not be less than memory reservation "
			       "limit, see usage");
	if (def->mem_limit && !def->host.memory_and_swap)
		def->host.memory_and_swap =
			def->mem_limit > INT64_MAX / 2 ? DEF_SWAP_UNLIMITED : def->mem_limit * 2;
	return 0;
}

static int limits_cpu(struct create *create, const struct json *host, struct err *err)
{
	struct container_def *def = &create->def;
	int64_t nano = def->cpus * 1000000;
	int r = create_number(host, "NanoCpus", 0, INT64_C(1000000) * CPU_MILLI_MAX, &nano, err);

	if (r >= 0)
		r = create_number(host, "CpuShares", 0, 262144, &def->host.cpu_shares, err);
	if (r >= 0)
		r = create_number(host, "CpuPeriod", 0, 1000000, &def->host.cpu_period_us, err);
	if (r >= 0)
		r = create_number(host, "CpuQuota", -1, INT64_MAX, &def->host.cpu_quota_us, err);
	if (def->host.cpu_quota_us < 0)
		def->host.cpu_quota_us = 0;
	if (r >= 0 && !create_empty(json_get(host, "CpusetCpus")))
		r = create_text(create, host, "CpusetCpus", &def->host.cpuset_cpus, err);
	if (r >= 0 && !create_empty(json_get(host, "CpusetMems")))
		r = create_text(create, host, "CpusetMems", &def->host.cpuset_mems, err);
	if (r < 0)
		return r;
	if (nano && def->host.cpu_quota_us)
		return err_set(err, -EINVAL,
			       "Conflicting options: Nano CPUs and CPU Period cannot both be set");
	if (nano && nano < 1000000)
		return err_set(err, -EINVAL, "NanoCPUs are too small: at least 0.001 of a CPU");
	def->cpus = nano / 1000000;
	return 0;
}

int create_limits(struct create *create, const struct json *host, struct err *err)
{
	struct container_def *def = &create->def;
	int64_t pids = def->pids_limit;
	int r = limits_memory(create, host, err);

	if (r >= 0)
		r = limits_cpu(create, host, err);
	if (r >= 0)
		r = create_number(host, "PidsLimit", -1, INT32_MAX, &pids, err);
	if (r >= 0)
		r = create_number(host, "BlkioWeight", 0, 1000, &def->host.blkio_weight, err);
	if (r >= 0 && def->host.blkio_weight && def->host.blkio_weight < 10)
		return err_set(err, -EINVAL, "Range of blkio weight is from 10 to 1000");
	def->pids_limit = pids < 0 ? 0 : pids;
	return r;
}

/* ---- restart ---- */

int create_restart(struct create *create, const struct json *policy, struct err *err)
{
	static const struct {
		const char *name;
		enum service_restart restart;
	} names[] = {
		{ "", SERVICE_RESTART_NO },
		{ "no", SERVICE_RESTART_NO },
		{ "always", SERVICE_RESTART_ALWAYS },
		{ "on-failure", SERVICE_RESTART_ON_FAILURE },
		{ "unless-stopped", SERVICE_RESTART_UNLESS_STOPPED },
	};
	struct str name = json_str(json_get(policy, "Name"));
	struct def_host *host = &create->def.host;
	int64_t max = 0;
	int r = create_number(policy, "MaximumRetryCount", INT32_MIN, INT32_MAX, &max, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!str_is(name, names[i].name))
			continue;
		if (max && names[i].restart != SERVICE_RESTART_ON_FAILURE)
			return err_set(err, -EINVAL,
				       "invalid restart policy: maximum retry count can only be "
				       "used with 'on-failure'");
		if (max < 0)
			return err_set(err, -EINVAL,
				       "invalid restart policy: maximum retry count cannot be "
				       "negative");
		host->restart = (uint8_t)names[i].restart;
		host->restart_max = (uint32_t)max;
		if (host->auto_remove && names[i].restart != SERVICE_RESTART_NO)
			return err_set(err, -EINVAL,
				       "can't create 'AutoRemove' container with restart policy");
		return 0;
	}
	return err_set(err, -EINVAL,
		       "invalid restart policy: unknown policy '%.*s'; use one of "
		       "'no', 'always', 'on-failure', or 'unless-stopped'",
		       STR_ARG(name));
}

/* ---- lists ---- */

/* {"net.core.somaxconn":"128"} as "name=value" texts. */
static int host_sysctls(struct create *create, struct err *err)
{
	const struct json *value;
	struct json_iter iter;
	struct str key;
	int r = 0;

	json_iter_init(&iter, json_get(create->host, "Sysctls"));
	while (r >= 0 && json_iter_next(&iter, &key, &value)) {
		char *text = arena_printf(create->arena, "%.*s=%.*s", STR_ARG(key),
					  STR_ARG(json_str(value)));

		if (!text)
			return err_set(err, -ENOMEM, "no memory for sysctls");
		r = image_texts_add(create->arena, &create->def.host.sysctls, text, err);
	}
	return r;
}

static int host_ulimits(struct create *create, struct err *err)
{
	const struct json *value;
	struct json_iter iter;
	struct str none;
	int r = 0;

	json_iter_init(&iter, json_get(create->host, "Ulimits"));
	while (r >= 0 && json_iter_next(&iter, &none, &value)) {
		int64_t soft = 0, hard = 0;
		char *text;

		r = create_number(value, "Soft", -1, INT64_MAX, &soft, err);
		if (r >= 0)
			r = create_number(value, "Hard", -1, INT64_MAX, &hard, err);
		if (r < 0)
			return r;
		if (hard != -1 && (soft == -1 || soft > hard))
			return err_set(err, -EINVAL,
				       "ulimit soft limit must be less than or equal to hard "
				       "limit: soft %lld, hard %lld",
				       (long long)soft, (long long)hard);
		text = arena_printf(create->arena, "%.*s=%lld:%lld",
				    STR_ARG(json_str(json_get(value, "Name"))), (long long)soft,
				    (long long)hard);
		if (!text)
			return err_set(err, -ENOMEM, "no memory for ulimits");
		r = image_texts_add(create->arena, &create->def.host.ulimits, text, err);
	}
	return r;
}

static int host_devices(struct create *create, struct err *err)
{
	const struct json *value;
	struct json_iter iter;
	struct str none;
	int r = 0;

	json_iter_init(&iter, json_get(create->host, "Devices"));
	while (r >= 0 && json_iter_next(&iter, &none, &value)) {
		struct str on_host = json_str(json_get(value, "PathOnHost"));
		struct str inside = json_str(json_get(value, "PathInContainer"));
		struct str access = json_str(json_get(value, "CgroupPermissions"));
		char *text = arena_printf(create->arena, "%.*s:%.*s:%.*s", STR_ARG(on_host),
					  STR_ARG(inside.len ? inside : on_host),
					  STR_ARG(access.len ? access : STR("rwm")));

		if (!text)
			return err_set(err, -ENOMEM, "no memory for devices");
		if (!on_host.len || on_host.ptr[0] != '/')
			return err_set(err, -EINVAL, "invalid device: '%.*s' is no path",
				       STR_ARG(on_host));
		r = image_texts_add(create->arena, &create->def.devices, text, err);
	}
	return r;
}

static int host_lists(struct create *create, struct err *err)
{
	struct container_def *def = &create->def;
	const struct {
		const char *key;
		struct image_texts *texts;
	} lists[] = {
		{ "CapAdd", &def->cap_add },
		{ "CapDrop", &def->cap_drop },
		{ "Dns", &def->dns },
		{ "DnsOptions", &def->host.dns_options },
		{ "DnsSearch", &def->host.dns_search },
		{ "ExtraHosts", &def->extra_hosts },
		{ "GroupAdd", &def->host.group_add },
		{ "SecurityOpt", &def->host.security_opt },
		{ "DeviceCgroupRules", &def->host.device_rules },
		{ "MaskedPaths", &def->host.masked_paths },
		{ "ReadonlyPaths", &def->host.readonly_paths },
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(lists); i++)
		r = create_texts(create, create->host, lists[i].key, lists[i].texts, err);
	def->host.paths_set = json_type(json_get(create->host, "MaskedPaths")) == JSON_ARRAY;
	if (r >= 0)
		r = host_sysctls(create, err);
	if (r >= 0)
		r = host_ulimits(create, err);
	return r < 0 ? r : host_devices(create, err);
}

/* There is no driver for any: refused in Docker's words, "[[gpu]]" as Go prints the list. */
static int host_device_requests(const struct create *create, struct err *err)
{
	const struct json *request = NULL, *sets, *set, *word;
	struct json_iter iter, outer, inner;
	struct buf text OWN(buf_done) = { 0 };
	struct str none, driver;

	json_iter_init(&iter, json_get(create->host, "DeviceRequests"));
	if (!json_iter_next(&iter, &none, &request))
		return 0;
	driver = json_str(json_get(request, "Driver"));
	sets = json_get(request, "Capabilities");
	buf_init(&text, 512);
	(void)buf_add_byte(&text, '[');
	json_iter_init(&outer, sets);
	for (bool more = false; json_iter_next(&outer, &none, &set); more = true) {
		(void)buf_add_text(&text, more ? " [" : "[");
		json_iter_init(&inner, set);
		for (bool again = false; json_iter_next(&inner, &none, &word); again = true)
			(void)buf_printf(&text, "%s%.*s", again ? " " : "",
					 STR_ARG(json_str(word)));
		(void)buf_add_byte(&text, ']');
	}
	(void)buf_add_byte(&text, ']');
	return err_set(err, -EIO, "could not select device driver \"%.*s\" with capabilities: %s",
		       STR_ARG(driver), buf_text(&text));
}

/* ---- namespaces and the rest ---- */

static int host_modes(struct create *create, struct err *err)
{
	struct def_host *host = &create->def.host;
	const struct {
		const char *key, *allowed; /* besides "", "host" and, with ':', "container:" */
		const char **mode;
	} modes[] = {
		{ "PidMode", ":", &host->pid_mode },
		{ "IpcMode", ": private shareable none", &host->ipc_mode },
		{ "UTSMode", "", &host->uts_mode },
		{ "UsernsMode", "", &host->userns_mode },
		{ "CgroupnsMode", " private", &host->cgroup_mode },
	};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		int r = create_text(create, create->host, modes[i].key, modes[i].mode, err);
		struct str mode;

		if (r < 0)
			return r;
		mode = str_from(*modes[i].mode);
		if (!mode.len || str_is(mode, "host") ||
		    (modes[i].allowed[0] == ':' && str_starts(mode, STR("container:"))) ||
		    (str_find(mode, ' ') < 0 && strstr(modes[i].allowed, *modes[i].mode)))
			continue;
		return err_set(err, -EINVAL, "invalid %s: %s", modes[i].key, *modes[i].mode);
	}
	return 0;
}

static int host_log(struct create *create, struct err *err)
{
	const struct json *config = json_get(create->host, "LogConfig"), *value;
	struct container_def *def = &create->def;
	struct json_iter iter;
	struct str key;
	int r = create_text(create, config, "Type", &def->host.log_driver, err);

	if (r < 0)
		return r;
	def->log_off = !strcmp(def->host.log_driver, "none");
	if (*def->host.log_driver && !def->log_off && strcmp(def->host.log_driver, "json-file") &&
	    strcmp(def->host.log_driver, "local"))
		return err_set(err, -EINVAL, "logger: no log driver named '%s' is registered",
			       def->host.log_driver);
	json_iter_init(&iter, json_get(config, "Config"));
	while (json_iter_next(&iter, &key, &value)) {
		struct str text = json_str(value);
		uint64_t number = 0;

		if (str_is(key, "max-size") && str_to_size(text, INT64_MAX, &number) >= 0)
			def->log_max_size = (int64_t)number;
		else if (str_is(key, "max-file") && str_to_u64(text, 1, 1000, &number) >= 0)
			def->log_max_file = (uint32_t)number;
		else if (!str_is(key, "compress") && !str_is(key, "mode") &&
			 !str_is(key, "labels") && !str_is(key, "tag"))
			return err_set(err, -EINVAL, "unknown log opt '%.*s' for %s log driver",
				       STR_ARG(key),
				       *def->host.log_driver ? def->host.log_driver : "json-file");
	}
	return 0;
}

int create_host(struct create *create, struct err *err)
{
	struct container_def *def = &create->def;
	const struct json *host = create->host;
	int r = refuse_unknown(create, err);

	def->privileged = json_true(json_get(host, "Privileged"));
	def->read_only = json_true(json_get(host, "ReadonlyRootfs"));
	def->init = json_true(json_get(host, "Init"));
	def->host.auto_remove = json_true(json_get(host, "AutoRemove"));
	if (r >= 0)
		r = create_limits(create, host, err);
	if (r >= 0)
		r = create_number(host, "ShmSize", 0, INT64_MAX, &def->host.shm_bytes, err);
	if (r >= 0)
		r = create_number(host, "OomScoreAdj", -1000, 1000, &def->host.oom_score_adj, err);
	if (r >= 0)
		r = create_restart(create, json_get(host, "RestartPolicy"), err);
	if (r >= 0)
		r = host_lists(create, err);
	if (r >= 0)
		r = host_modes(create, err);
	if (r >= 0)
		r = host_device_requests(create, err);
	return r < 0 ? r : host_log(create, err);
}
