/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what a config.json means to engine/run: namespaces, user mappings, devices, sysctls, paths,
 * hooks. Runs in hoy-oci's sandboxed parser; pure. It must never pass over in silence what the
 * runtime does not do: it is refused, or there is a warning.
 */
#include "engine/bundle/convert.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/own.h"
#include "lib/str.h"

enum { PERSONALITY_LINUX = 0, PERSONALITY_LINUX32 = 8, DEVICE_MODE = 0666 };

int convert_no_memory(struct convert *c)
{
	return err_set(c->err, -ENOMEM, "config.json: it does not fit the memory set aside for it");
}

void convert_warn(struct convert *c, const char *fmt, ...)
{
	char text[256];
	const char *kept;
	va_list ap;

	if (c->answer->warning_count == ANSWER_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	kept = arena_printf(c->arena, "config.json: %s", text);
	if (kept)
		c->answer->warnings[c->answer->warning_count++] = kept;
}

int convert_mappings(struct convert *c, const struct runtime_idmaps *maps,
		     const struct run_mapping **ret_maps, size_t *ret_count)
{
	struct run_mapping *list;

	if (maps->count == 0)
		return 0;
	list = arena_array(c->arena, maps->count, sizeof(*list));
	if (!list)
		return convert_no_memory(c);
	for (size_t i = 0; i < maps->count; i++)
		list[i] = (struct run_mapping){ .inside = maps->items[i].container,
						.outside = maps->items[i].host,
						.count = maps->items[i].size };
	*ret_maps = list;
	*ret_count = maps->count;
	return 0;
}

static struct run_ns *namespace_of(struct run_spec *spec, enum runtime_namespace_type type)
{
	switch (type) {
	case RUNTIME_NAMESPACE_PID:
		return &spec->pid;
	case RUNTIME_NAMESPACE_NETWORK:
		return &spec->net;
	case RUNTIME_NAMESPACE_MOUNT:
		return &spec->mount;
	case RUNTIME_NAMESPACE_IPC:
		return &spec->ipc;
	case RUNTIME_NAMESPACE_UTS:
		return &spec->uts;
	case RUNTIME_NAMESPACE_USER:
		return &spec->user;
	case RUNTIME_NAMESPACE_CGROUP:
		return &spec->cgroup;
	case RUNTIME_NAMESPACE_TIME:
		return &spec->time;
	case RUNTIME_NAMESPACE_NONE:
		break;
	}
	return NULL;
}

static void convert_namespaces(struct convert *c, struct run_spec *spec)
{
	const struct runtime_linux *lin = &c->config->linux_;

	spec->mount.mode = RUN_NS_MODE_HOST;
	for (size_t i = 0; i < lin->namespaces.count; i++) {
		const struct runtime_namespace *given = &lin->namespaces.items[i];
		struct run_ns *ns = namespace_of(spec, given->type);
		struct answer *answer = c->answer;

		if (!given->path || !given->path[0]) {
			*ns = (struct run_ns){ .mode = RUN_NS_MODE_NEW };
			continue;
		}
		*ns = (struct run_ns){ .mode = RUN_NS_MODE_FD,
				       .fd = ANSWER_FD_FIRST + (int)answer->namespace_count };
		answer->namespaces[answer->namespace_count++] =
			(struct answer_namespace){ (uint8_t)ns->fd, given->path };
	}
}

static int convert_devices(struct convert *c, struct run_spec *spec)
{
	const struct runtime_linux *lin = &c->config->linux_;
	struct run_device *list = arena_array(c->arena, lin->devices.count + 1, sizeof(*list));
	struct run_device_rule *rules;
	int r;

	if (!list)
		return convert_no_memory(c);
	for (size_t i = 0; i < lin->devices.count; i++) {
		const struct runtime_device *device = &lin->devices.items[i];

		list[i] = (struct run_device){
			.path = convert_path(c, "", device->path),
			.block = device->type[0] == 'b',
			.fifo = device->type[0] == 'p',
			.major = (uint32_t)device->major,
			.minor = (uint32_t)device->minor,
			.mode = device->mode.set ? (uint32_t)device->mode.value & 07777
						 : DEVICE_MODE,
			.uid = device->uid,
			.gid = device->gid,
		};
	}
	spec->devices = list;
	spec->device_count = lin->devices.count;
	r = convert_device_rules(c, &lin->resources, &rules, &spec->device_rule_count);
	spec->device_rules = rules;
	return r;
}

static uint32_t access_of(const char *text)
{
	uint32_t bits = 0;

	if (!text || !text[0])
		return RUN_ACCESS_ALL;
	for (; *text; text++)
		bits |= *text == 'r'   ? RUN_ACCESS_READ
			: *text == 'w' ? RUN_ACCESS_WRITE
				       : RUN_ACCESS_MKNOD;
	return bits;
}

int convert_device_rules(struct convert *c, const struct runtime_resources *resources,
			 struct run_device_rule **ret_rules, size_t *ret_count)
{
	struct run_device_rule *list =
		arena_array(c->arena, resources->devices.count + 1, sizeof(*list));

	*ret_rules = list;
	if (!list)
		return convert_no_memory(c);
	for (size_t i = 0; i < resources->devices.count; i++) {
		const struct runtime_device_rule *given = &resources->devices.items[i];
		char type = given->type && given->type[0] ? given->type[0] : 'a';

		list[i] = (struct run_device_rule){
			.type = type == 'b'		     ? RUN_DEVICE_TYPE_BLOCK
				: type == 'c' || type == 'u' ? RUN_DEVICE_TYPE_CHAR
							     : RUN_DEVICE_TYPE_ANY,
			.major = given->major.set && type != 'a' ? given->major.value : -1,
			.minor = given->minor.set && type != 'a' ? given->minor.value : -1,
			.access = access_of(given->access),
			.deny = !given->allow,
		};
	}
	/* engine/run puts its own rows behind them: a row that denies all must not take /dev/null.
	 */
	*ret_count = resources->devices.count;
	return 0;
}

static int convert_sysctls(struct convert *c, struct run_spec *spec)
{
	const struct runtime_pairs *given = &c->config->linux_.sysctl;
	struct run_sysctl *list = arena_array(c->arena, given->count + 1, sizeof(*list));

	if (!list)
		return convert_no_memory(c);
	for (size_t i = 0; i < given->count; i++) {
		char *key = arena_text(c->arena, str_from(given->items[i].key));

		if (!key)
			return convert_no_memory(c);
		/* "net/ipv4/conf/eth0.1/x" is the other spelling of sysctl(8). */
		if (strchr(key, '/') && !strchr(key, '.'))
			for (char *p = key; *p; p++)
				if (*p == '/')
					*p = '.';
		list[i] = (struct run_sysctl){ .key = key, .value = given->items[i].value };
	}
	spec->sysctls = list;
	spec->sysctl_count = given->count;
	return 0;
}

static int convert_mounts(struct convert *c, struct run_spec *spec)
{
	const struct runtime_config *config = c->config;
	struct run_mount *list = arena_array(c->arena, config->mounts.count + 1, sizeof(*list));
	int r = 0;

	if (!list)
		return convert_no_memory(c);
	for (size_t i = 0; i < config->mounts.count && r == 0; i++)
		r = convert_mount(c, &config->mounts.items[i], i, &list[i]);
	spec->mounts = list;
	spec->mount_count = config->mounts.count;
	return r;
}

/* Those points that this process or a later one carries out from the plan. */
static int convert_hooks(struct convert *c, struct run_spec *spec)
{
	static const enum run_hook_point points[RUNTIME_HOOK_COUNT] = {
		[RUNTIME_HOOK_PRESTART] = RUN_HOOK_PRESTART,
		[RUNTIME_HOOK_CREATE_RUNTIME] = RUN_HOOK_CREATE_RUNTIME,
		[RUNTIME_HOOK_CREATE_CONTAINER] = RUN_HOOK_CREATE_CONTAINER,
		[RUNTIME_HOOK_START_CONTAINER] = RUN_HOOK_START_CONTAINER,
		[RUNTIME_HOOK_POSTSTART] = RUN_HOOK_POSTSTART,
		[RUNTIME_HOOK_POSTSTOP] = RUN_HOOK_POSTSTOP,
	};

	for (int kind = 0; kind < RUNTIME_HOOK_COUNT; kind++) {
		const struct runtime_hooks *given = &c->config->hooks[kind];
		struct run_hook *list = arena_array(c->arena, given->count + 1, sizeof(*list));

		if (!list)
			return convert_no_memory(c);
		for (size_t i = 0; i < given->count; i++) {
			const struct runtime_hook *hook = &given->items[i];

			list[i] = (struct run_hook){
				.path = hook->path,
				.argv = hook->args.count ? hook->args.items : NULL,
				.env = hook->env.items,
				.timeout_s =
					hook->timeout_s.set ? (uint32_t)hook->timeout_s.value : 0,
			};
		}
		spec->hooks[points[kind]].hooks = list;
		spec->hooks[points[kind]].count = given->count;
	}
	c->answer->hooks =
		(uint8_t)((c->config->hooks[RUNTIME_HOOK_POSTSTART].count ? ANSWER_HOOK_POSTSTART
									  : 0) |
			  (c->config->hooks[RUNTIME_HOOK_POSTSTOP].count ? ANSWER_HOOK_POSTSTOP
									 : 0));
	return 0;
}

static enum run_propagation propagation_of(enum runtime_propagation given)
{
	switch (given) {
	case RUNTIME_PROPAGATION_PRIVATE:
	case RUNTIME_PROPAGATION_RPRIVATE:
		return RUN_PROPAGATION_PRIVATE;
	case RUNTIME_PROPAGATION_SHARED:
	case RUNTIME_PROPAGATION_RSHARED:
		return RUN_PROPAGATION_SHARED;
	case RUNTIME_PROPAGATION_SLAVE:
	case RUNTIME_PROPAGATION_RSLAVE:
		return RUN_PROPAGATION_SLAVE;
	case RUNTIME_PROPAGATION_UNBINDABLE:
	case RUNTIME_PROPAGATION_RUNBINDABLE:
		return RUN_PROPAGATION_UNBINDABLE;
	case RUNTIME_PROPAGATION_NONE:
		break;
	}
	return RUN_PROPAGATION_DEFAULT;
}

static int refuse(struct convert *c, const char *field, const char *why)
{
	return err_set(c->err, -ENOTSUP, "config.json: %s: %s", field, why);
}

static bool binds_own_root(const struct run_spec *spec, const char *root)
{
	for (size_t i = 0; i < spec->mount_count; i++)
		if (spec->mounts[i].kind == RUN_MOUNT_KIND_BIND &&
		    convert_below(spec->mounts[i].source, root))
			return true;
	return false;
}

static int convert_rest(struct convert *c, struct run_spec *spec)
{
	const struct runtime_config *config = c->config;
	const struct runtime_linux *lin = &config->linux_;

	if (lin->net_devices.count)
		return refuse(c, "linux.netDevices", "moving network devices is not supported");
	if (lin->mount_label && lin->mount_label[0])
		return refuse(c, "linux.mountLabel", "labels of SELinux are not supported");
	if (lin->intel_rdt)
		return refuse(c, "linux.intelRdt", "the kernel has no resctrl file system here");
	spec->hostname = config->hostname && config->hostname[0] ? config->hostname : NULL;
	spec->domainname = config->domainname && config->domainname[0] ? config->domainname : NULL;
	spec->monotonic = (struct run_time_offset){ lin->monotonic.secs, lin->monotonic.nanosecs };
	spec->boottime = (struct run_time_offset){ lin->boottime.secs, lin->boottime.nanosecs };
	spec->masked_paths = lin->masked_paths.items;
	spec->readonly_paths = lin->readonly_paths.items;
	spec->readonly_root = config->root_readonly;
	/* Only hooks between the mounts and the pivot look there, and binds of what was mounted. */
	if (config->hooks[RUNTIME_HOOK_CREATE_CONTAINER].count ||
	    config->hooks[RUNTIME_HOOK_CREATE_RUNTIME].count ||
	    config->hooks[RUNTIME_HOOK_PRESTART].count || binds_own_root(spec, c->root))
		spec->root_path = c->root;
	spec->root_propagation = propagation_of(lin->propagation);
	spec->personality_set = lin->personality != RUNTIME_PERSONALITY_NONE;
	spec->personality = lin->personality == RUNTIME_PERSONALITY_LINUX32 ? PERSONALITY_LINUX32
									    : PERSONALITY_LINUX;
	return 0;
}

static int fill_answer(struct convert *c)
{
	const struct runtime_config *config = c->config;
	const struct runtime_seccomp *seccomp = &config->linux_.seccomp;
	struct answer *answer = c->answer;

	answer->root = config->root_path;
	answer->cgroups_path = config->linux_.cgroups_path;
	answer->terminal = config->process.terminal;
	answer->listener_path = seccomp->listener_path;
	answer->listener_metadata = seccomp->listener_metadata;
	answer->pairs =
		arena_array(c->arena, config->annotations.count + 1, sizeof(*answer->pairs));
	if (!answer->pairs)
		return convert_no_memory(c);
	for (size_t i = 0; i < config->annotations.count; i++)
		answer->pairs[i] = (struct answer_pair){ config->annotations.items[i].key,
							 config->annotations.items[i].value };
	answer->pair_count = config->annotations.count;
	return convert_resources(c, &config->linux_.resources, &answer->resources);
}

int convert_config(struct convert *c, struct run_spec *ret_spec)
{
	const struct runtime_linux *lin = &c->config->linux_;
	int r;

	run_spec_init_listed(ret_spec);
	c->root = convert_path(c, c->bundle, c->config->root_path);
	if (!c->root)
		return convert_no_memory(c);
	convert_namespaces(c, ret_spec);
	r = convert_mappings(c, &lin->uids, &ret_spec->uid_map, &ret_spec->uid_map_count);
	if (r == 0)
		r = convert_mappings(c, &lin->gids, &ret_spec->gid_map, &ret_spec->gid_map_count);
	if (r == 0)
		r = convert_mounts(c, ret_spec);
	if (r == 0)
		r = convert_devices(c, ret_spec);
	if (r == 0)
		r = convert_sysctls(c, ret_spec);
	if (r == 0)
		r = convert_hooks(c, ret_spec);
	if (r == 0)
		r = convert_rest(c, ret_spec);
	if (r == 0)
		r = fill_answer(c);
	return r < 0 ? r : convert_process(c, &c->config->process, &ret_spec->process);
}
