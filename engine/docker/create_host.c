/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HostConfig half of a create request without mounts and network. Runs in the api role, on
 * foreign JSON. Must never drop in silence what it does not carry out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/docker/create.h"
#include "engine/docker/policy.h"
#include "engine/service/machine.h"
#include "lib/own.h"

/* Members that other functions read, or that say nothing on Linux. */
static const char *const known[] = {
	"Binds",
	"Mounts",
	"Tmpfs",
	"NetworkMode",
	"PortBindings",
	"PublishAllPorts",
	"RestartPolicy",
	"AutoRemove",
	"LogConfig",
	"CapAdd",
	"CapDrop",
	"Dns",
	"DnsOptions",
	"DnsSearch",
	"ExtraHosts",
	"GroupAdd",
	"IpcMode",
	"Links",
	"OomScoreAdj",
	"PidMode",
	"Privileged",
	"ReadonlyRootfs",
	"SecurityOpt",
	"UTSMode",
	"UsernsMode",
	"ShmSize",
	"Sysctls",
	"Runtime",
	"CgroupnsMode",
	"Init",
	"MaskedPaths",
	"ReadonlyPaths",
	"Memory",
	"MemoryReservation",
	"MemorySwap",
	"MemorySwappiness",
	"NanoCpus",
	"CpuShares",
	"CpuPeriod",
	"CpuQuota",
	"CpuRealtimePeriod",
	"CpuRealtimeRuntime",
	"CgroupParent",
	"CpusetCpus",
	"CpusetMems",
	"PidsLimit",
	"BlkioWeight",
	"Devices",
	"DeviceCgroupRules",
	"Ulimits",
	"OomKillDisable",
	"ConsoleSize",
	"ContainerIDFile",
	"Isolation",
	"KernelMemory",
	"KernelMemoryTCP",
	"VolumeDriver",
	"Annotations",
	"VolumesFrom",
	"DeviceRequests",
	"BlkioDeviceReadBps",
	"BlkioDeviceWriteBps",
	"BlkioDeviceReadIOps",
	"BlkioDeviceWriteIOps",
	"BlkioWeightDevice",
	"StorageOpt",
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

/*
 * "seccomp=" and a profile: its JSON is compiled here and not handed on. Whoever may not have one
 * is refused before that work.
 */
static int host_security(struct create *create, struct err *err)
{
	struct image_texts *kept = &create->def.host.security_opt, all = { 0 };
	bool seen = false;
	int r = create_texts(create, create->host, "SecurityOpt", &all, err);

	for (uint32_t i = 0; r >= 0 && i < all.count; i++) {
		struct str text = str_from(all.items[i]), profile = str_skip(text, 8);
		bool names = str_starts(text, STR("seccomp=")) || str_starts(text, STR("seccomp:"));

		if (names && seen)
			return err_set(err, -EINVAL,
				       "SecurityOpt: there is more than one 'seccomp=': leave one");
		seen |= names;
		if (names && !str_is(profile, "unconfined") && !str_is(profile, "builtin"))
			r = create->role < DOCKER_ROLE_ADMIN
				    ? docker_policy_refuse("a seccomp profile of its own", err)
				    : create_seccomp(create, profile, err);
		else
			r = image_texts_add(create->arena, kept, all.items[i], err);
	}
	return r;
}

/* [{"Path":"/dev/vda","Rate":1048576}] as "rbps /dev/vda 1048576". */
static int host_blkio(struct create *create, struct err *err)
{
	static const struct {
		const char *key, *kind, *number;
		int64_t min, max;
	} lists[] = {
		{ "BlkioDeviceReadBps", "rbps", "Rate", 0, INT64_MAX },
		{ "BlkioDeviceWriteBps", "wbps", "Rate", 0, INT64_MAX },
		{ "BlkioDeviceReadIOps", "riops", "Rate", 0, INT64_MAX },
		{ "BlkioDeviceWriteIOps", "wiops", "Rate", 0, INT64_MAX },
		{ "BlkioWeightDevice", "weight", "Weight", 10, 1000 },
	};
	const struct json *row;
	struct json_iter iter;
	struct str none;
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		json_iter_init(&iter, json_get(create->host, lists[i].key));
		while (r >= 0 && json_iter_next(&iter, &none, &row)) {
			struct str path = json_str(json_get(row, "Path"));
			int64_t number = lists[i].min;
			const char *text;

			r = create_number(row, lists[i].number, lists[i].min, lists[i].max, &number,
					  err);
			if (r < 0)
				return r;
			if (!path.len || path.ptr[0] != '/' || str_find(path, ' ') >= 0)
				return err_set(err, -EINVAL, "%s: '%.*s' is no path of a device",
					       lists[i].key, STR_ARG(path));
			text = arena_printf(create->arena, "%s %.*s %lld", lists[i].kind,
					    STR_ARG(path), (long long)number);
			r = text ? image_texts_add(create->arena, &create->def.host.blkio, text,
						   err)
				 : err_set(err, -ENOMEM, "no memory for limits");
		}
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
		{ "DeviceCgroupRules", &def->host.device_rules },
		{ "MaskedPaths", &def->host.masked_paths },
		{ "ReadonlyPaths", &def->host.readonly_paths },
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(lists); i++)
		r = create_texts(create, create->host, lists[i].key, lists[i].texts, err);
	if (r >= 0)
		r = host_security(create, err);
	def->host.paths_set = json_type(json_get(create->host, "MaskedPaths")) == JSON_ARRAY;
	if (r >= 0)
		r = host_sysctls(create, err);
	if (r >= 0)
		r = host_ulimits(create, err);
	if (r >= 0)
		r = host_blkio(create, err);
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

/*
 * "container:NAME" lasts over a new name of that container, so its id stands in its place; but a
 * declared one has another id after each apply.
 */
static int mode_other(struct create *create, const char **mode, struct err *err)
{
	struct str name = str_skip(str_from(*mode), sizeof("container:") - 1);
	const struct docker_box *other = create_other(create, name);
	struct buf text OWN(buf_done) = { 0 };

	if (!other)
		return err_set(err, -EINVAL, "No such container: %.*s", STR_ARG(name));
	buf_init(&text, 256);
	(void)buf_printf(&text, "container:%.*s",
			 STR_ARG(other->view.declared ? other->view.name : other->view.id));
	*mode = arena_text(create->arena, buf_str(&text));
	return *mode ? 0 : err_set(err, -ENOMEM, "no memory for a request");
}

static int host_modes(struct create *create, struct err *err)
{
	struct def_host *host = &create->def.host;
	const struct {
		const char *key, *words;
		const char *allowed; /* besides "", "host" and, with ':', "container:" */
		const char **mode;
	} modes[] = {
		{ "PidMode", "PID mode", ":", &host->pid_mode },
		{ "IpcMode", "IPC mode", ": private shareable none", &host->ipc_mode },
		{ "UTSMode", "UTS mode", "", &host->uts_mode },
		{ "UsernsMode", "userns mode", "", &host->userns_mode },
		{ "CgroupnsMode", "cgroup namespace mode", " private", &host->cgroup_mode },
	};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		int r = create_text(create, create->host, modes[i].key, modes[i].mode, err);
		struct str mode;

		if (r < 0)
			return r;
		mode = str_from(*modes[i].mode);
		if (modes[i].allowed[0] == ':' && str_starts(mode, STR("container:"))) {
			r = mode_other(create, modes[i].mode, err);
			if (r < 0)
				return r;
			continue;
		}
		if (!mode.len || str_is(mode, "host") ||
		    (str_find(mode, ' ') < 0 && strstr(modes[i].allowed, *modes[i].mode)))
			continue;
		return err_set(err, -EINVAL, "invalid %s: %s", modes[i].words, *modes[i].mode);
	}
	return 0;
}

/* There is one runtime; Docker's names for it are taken. */
static int host_runtime(const struct create *create, struct err *err)
{
	static const char *const names[] = { "", "runc", "io.containerd.runc.v2", "hoy" };
	struct str name = json_str(json_get(create->host, "Runtime"));

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_is(name, names[i]))
			return 0;
	}
	return err_set(err, -EINVAL, "unknown or invalid runtime name: %.*s", STR_ARG(name));
}

/* What Docker takes with a warning on cgroup v2, and what only other systems have. */
static int host_without_effect(struct create *create, struct err *err)
{
	static const struct {
		const char *key, *warning;
	} discarded[] = {
		{ "OomKillDisable",
		  "Your kernel does not support OomKillDisable. OomKillDisable discarded." },
		{ "MemorySwappiness", "Your kernel does not support memory swappiness capabilities "
				      "or the cgroup is not "
				      "mounted. Memory swappiness discarded." },
		{ "KernelMemory", "Specifying a kernel memory limit is deprecated and will be "
				  "removed in a future release." },
		{ "KernelMemoryTCP", "Your kernel does not support kernel memory TCP limit "
				     "capabilities. Limitation discarded." },
	};
	struct str isolation = json_str(json_get(create->host, "Isolation"));
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(discarded); i++) {
		const struct json *value = json_get(create->host, discarded[i].key);
		int64_t number;

		/* The CLI says -1 where nothing was said. */
		if (create_empty(value) || json_i64(value, -1, -1, &number) >= 0)
			continue;
		r = image_texts_add(create->arena, &create->warnings, discarded[i].warning, err);
	}
	if (r >= 0 && isolation.len && !str_is_nocase(isolation, "default"))
		return err_set(err, -EINVAL,
			       "invalid isolation (%.*s): linux only supports 'default'",
			       STR_ARG(isolation));
	if (r >= 0 && (!create_empty(json_get(create->host, "IOMaximumBandwidth")) ||
		       !create_empty(json_get(create->host, "IOMaximumIOps"))))
		return err_set(err, -EINVAL,
			       "Invalid QoS settings: linux does not support Maximum IO Bandwidth "
			       "or Maximum IO IOps");
	return r;
}

/* Below the top of the control groups, as with Docker's driver cgroupfs. */
static int host_group(struct create *create, struct err *err)
{
	const char **parent = &create->def.host.cgroup_parent;
	int r = create_text(create, create->host, "CgroupParent", parent, err);
	struct str rest, part;
	size_t names = 0;

	if (r < 0)
		return r;
	rest = str_from(*parent);
	while (str_cut(&rest, '/', &part)) {
		names += part.len > 0;
		if (str_is(part, ".") || str_is(part, ".."))
			return err_set(err, -EINVAL, "invalid cgroup parent '%.200s'", *parent);
	}
	if (strlen(*parent) >= DEF_GROUP_MAX)
		return err_set(err, -EINVAL, "cgroup parent: at most %d bytes", DEF_GROUP_MAX - 1);
	if (!names)
		*parent = "";
	return 0;
}

enum { CONSOLE_MINOR = 42, IPC_PRIVATE_MINOR = 40 };

/* [rows, columns]; clients before 1.42 send what only another system heeds. */
static void host_console(struct create *create)
{
	int64_t numbers[2] = { 0, 0 };
	const struct json *value;
	struct json_iter iter;
	struct str none;

	if (create->minor < CONSOLE_MINOR)
		return;
	json_iter_init(&iter, json_get(create->host, "ConsoleSize"));
	for (size_t i = 0; i < 2 && json_iter_next(&iter, &none, &value); i++)
		(void)json_i64(value, 0, UINT16_MAX, &numbers[i]);
	create->def.host.console_rows = (uint16_t)numbers[0];
	create->def.host.console_columns = (uint16_t)numbers[1];
}

int create_host(struct create *create, struct err *err)
{
	struct container_def *def = &create->def;
	const struct json *host = create->host;
	int r = host_without_effect(create, err);

	if (r >= 0)
		r = refuse_unknown(create, err);
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
	if (r >= 0 && create->minor < IPC_PRIVATE_MINOR && !*def->host.ipc_mode)
		def->host.ipc_mode = "shareable"; /* what it was without a word */
	if (r >= 0)
		r = host_group(create, err);
	host_console(create);
	if (r >= 0)
		r = host_runtime(create, err);
	if (r >= 0)
		r = host_device_requests(create, err);
	return r < 0 ? r : create_log(create, err);
}
