/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service section and an image record become one container definition. Runs in engine main. Pure:
 * must not touch files, and takes from the image nothing but defaults for the process in it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "engine/container/def.h"
#include "engine/run/spec_process.h"
#include "lib/own.h"
#include "lib/signame.h"

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static struct image_texts from_list(const struct service_list *list)
{
	return (struct image_texts){ list->items, list->count };
}

static int add_texts(struct arena *arena, struct image_texts *to, struct image_texts from,
		     struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < from.count; i++)
		r = image_texts_add(arena, to, from.items[i], err);
	return r;
}

static int def_command(const struct service_spec *spec, const struct image *image,
		       struct arena *arena, struct container_def *def, struct err *err)
{
	struct image_texts entry = image->entrypoint, cmd = image->cmd;
	int r;

	if (spec->entrypoint.set) {
		entry = from_list(&spec->entrypoint);
		cmd = (struct image_texts){ 0 };
	}
	if (spec->command.set)
		cmd = from_list(&spec->command);
	r = add_texts(arena, &def->argv, entry, err);
	if (r >= 0)
		r = add_texts(arena, &def->argv, cmd, err);
	if (r >= 0 && !def->argv.count)
		return err_set(err, -EINVAL,
			       "image %s says nothing to run; set command= in [service %s]",
			       image->reference, spec->name);
	return r;
}

static int def_environment(const struct service_spec *spec, const struct image *image,
			   struct arena *arena, struct container_def *def, struct err *err)
{
	int r = image_env_set(arena, &def->env, "PATH", default_path, err);

	if (r >= 0)
		r = image_env_set(arena, &def->env, "HOSTNAME", def->hostname, err);
	for (uint32_t pass = 0; pass < 2; pass++) {
		struct image_texts list = pass ? from_list(&spec->environment) : image->env;

		for (uint32_t i = 0; r >= 0 && i < list.count; i++) {
			struct str item = str_from(list.items[i]);
			ptrdiff_t eq = str_find(item, '=');
			char *name;

			if (eq <= 0) /* a name without a value: nothing to inherit from */
				continue;
			name = arena_text(arena, str_head(item, (size_t)eq));
			if (!name)
				return err_set(err, -ENOMEM, "no memory for the environment");
			r = image_env_set(arena, &def->env, name, list.items[i] + eq + 1, err);
		}
	}
	return r;
}

static int def_mounts(const struct service_spec *spec, const struct image *image,
		      struct arena *arena, struct container_def *def, struct err *err)
{
	(void)image;
	def->mounts = arena_array(arena, spec->volume_count + spec->tmpfs.count + 1U,
				  sizeof(*def->mounts));
	if (!def->mounts)
		return err_set(err, -ENOMEM, "no memory for mounts");
	for (uint32_t i = 0; i < spec->volume_count; i++) {
		const struct service_volume *volume = &spec->volumes[i];

		def->mounts[def->mount_count++] = (struct def_mount){
			.kind = volume->kind == SERVICE_VOLUME_BIND ? DEF_MOUNT_BIND
								    : DEF_MOUNT_VOLUME,
			.source = volume->source,
			.target = volume->target,
			.read_only = volume->read_only,
		};
	}
	for (uint32_t i = 0; i < spec->tmpfs.count; i++)
		def->mounts[def->mount_count++] = (struct def_mount){
			.kind = DEF_MOUNT_TMPFS, .source = "", .target = spec->tmpfs.items[i]
		};
	return 0;
}

/* Keys that stand where the Docker API's do; without any the definition keeps its bytes. */
static int def_host_keys(const struct service_spec *spec, struct arena *arena,
			 struct container_def *def, struct err *err)
{
	if (!spec->addresses.count && !spec->sysctls.count && !spec->ulimits.count &&
	    !spec->security_opt.count && !spec->group_add.count && !spec->dns_search.count &&
	    !spec->shm_size)
		return 0;
	def_host_init(&def->host);
	def->host_set = true;
	def->host.addresses = from_list(&spec->addresses);
	def->host.sysctls = from_list(&spec->sysctls);
	def->host.ulimits = from_list(&spec->ulimits);
	def->host.security_opt = from_list(&spec->security_opt);
	def->host.group_add = from_list(&spec->group_add);
	def->host.dns_search = from_list(&spec->dns_search);
	def->host.shm_bytes = spec->shm_size;
	def->mounts_more = arena_array(arena, def->mount_count + 1U, sizeof(*def->mounts_more));
	for (uint32_t i = 0; def->mounts_more && i < def->mount_count; i++)
		def->mounts_more[i].subpath = "";
	return def->mounts_more ? 0 : err_set(err, -ENOMEM, "no memory for mounts");
}

static int def_networks(const struct service_spec *spec, struct arena *arena,
			struct container_def *def, struct err *err)
{
	const char *first = spec->networks.count ? spec->networks.items[0] : "bridge";

	if (!strcmp(first, "host") || !strcmp(first, "none")) {
		if (spec->networks.count > 1)
			return err_set(err, -EINVAL, "networks = %s goes with no other network",
				       first);
		def->network_mode = *first == 'h' ? DEF_NETWORK_HOST : DEF_NETWORK_NONE;
		return 0;
	}
	if (strcmp(spec->group, spec->name) != 0 &&
	    image_texts_add(arena, &def->aliases, spec->group, err) < 0)
		return -ENOMEM;
	if (add_texts(arena, &def->aliases, from_list(&spec->aliases), err) < 0)
		return -ENOMEM;
	if (!spec->networks.count)
		return image_texts_add(arena, &def->networks, "bridge", err);
	def->networks = from_list(&spec->networks);
	return 0;
}

static int def_layers(const struct image *image, struct arena *arena, struct container_def *def,
		      struct err *err)
{
	def->layers = arena_array(arena, image->layer_count + 1U, sizeof(*def->layers));
	if (!def->layers)
		return err_set(err, -ENOMEM, "no memory for layers");
	for (uint32_t i = 0; i < image->layer_count; i++)
		def->layers[i] = image->layers[i].blob;
	def->layer_count = image->layer_count;
	return 0;
}

/* What the section leaves open is the image's; each value by itself, as Docker does it. */
static struct image_health def_health(const struct service_spec *spec, const struct image *image)
{
	const struct service_health *own = &spec->health;
	struct image_health health = image->health;

	/* Of an image only what Docker knows counts: HTTP and TCP are an operator's. */
	if (health.test.count && strcmp(health.test.items[0], "CMD") != 0 &&
	    strcmp(health.test.items[0], "CMD-SHELL") != 0)
		health.test = (struct image_texts){ 0 };
	if (own->test.count)
		health.test = own->test;
	if (own->interval_ms >= 0)
		health.interval_ns = own->interval_ms * 1000000;
	if (own->timeout_ms >= 0)
		health.timeout_ns = own->timeout_ms * 1000000;
	if (own->start_period_ms >= 0)
		health.start_period_ns = own->start_period_ms * 1000000;
	if (own->start_interval_ms >= 0)
		health.start_interval_ns = own->start_interval_ms * 1000000;
	if (own->retries)
		health.retries = own->retries;
	return health.test.count ? health : (struct image_health){ 0 };
}

static const char *either(const char *first, const char *second)
{
	return *first ? first : second;
}

int container_def_service(const struct service_spec *spec, const struct image *image,
			  struct arena *arena, struct container_def *ret_def, struct err *err)
{
	static const enum def_userns userns[] = { [SERVICE_USERNS_DEFAULT] = DEF_USERNS_DEFAULT,
						  [SERVICE_USERNS_HOST] = DEF_USERNS_HOST,
						  [SERVICE_USERNS_AUTO] = DEF_USERNS_AUTO };
	struct container_def def = {
		.name = spec->name,
		.reference = image->reference,
		.image = image->config,
		.workdir = either(spec->working_dir, either(image->workdir, "/")),
		.user = either(spec->user, image->user),
		.hostname = either(spec->hostname, spec->name),
		.stop_signal = either(spec->stop_signal, image->stop_signal),
		.cap_add = from_list(&spec->cap_add),
		.cap_drop = from_list(&spec->cap_drop),
		.devices = from_list(&spec->devices),
		.dns = from_list(&spec->dns),
		.extra_hosts = from_list(&spec->extra_hosts),
		.labels = from_list(&spec->labels),
		.ports = spec->ports,
		.port_count = spec->port_count,
		.mem_limit = spec->mem_limit,
		.disk_limit = spec->disk_limit,
		.cpus = spec->cpus,
		.pids_limit = spec->pids_limit,
		.stop_grace_ms = spec->stop_grace_ms,
		.log_max_size = spec->log_max_size,
		.log_max_file = spec->log_max_file,
		.privileged = spec->privileged,
		.read_only = spec->read_only,
		.tty = spec->tty,
		.init = spec->init,
		.declared = true,
		.userns = userns[spec->userns],
		.health = def_health(spec, image),
	};
	int r = def_command(spec, image, arena, &def, err);

	if (r >= 0)
		r = def_environment(spec, image, arena, &def, err);
	if (r >= 0)
		r = def_mounts(spec, image, arena, &def, err);
	if (r >= 0)
		r = def_networks(spec, arena, &def, err);
	if (r >= 0)
		r = def_host_keys(spec, arena, &def, err);
	if (r >= 0)
		r = def_layers(image, arena, &def, err);
	if (r >= 0)
		r = container_signal(def.stop_signal, err);
	if (r < 0)
		return r;
	*ret_def = def;
	return 0;
}

void container_def_ports(const struct container_def *def, char *dst, size_t cap)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, cap - 1);
	for (uint32_t i = 0; i < def->port_count; i++) {
		const struct service_port *port = &def->ports[i];
		bool v6 = port->families == SERVICE_PORT_IP6;
		char address[SERVICE_PORT_IP_MAX];

		(void)buf_add_text(&text, i ? ", " : "");
		if (port->host_ip || port->families)
			(void)buf_printf(&text,
					 v6 ? "[%s]:" : "%s:", service_port_ip(port, address));
		(void)buf_printf(&text, "%u", port->host_port);
		if (port->count > 1)
			(void)buf_printf(&text, "-%u", port->host_port + port->count - 1U);
		(void)buf_printf(&text, "->%u", port->container_port);
		if (port->count > 1)
			(void)buf_printf(&text, "-%u", port->container_port + port->count - 1U);
		(void)buf_printf(&text, "/%s", port->proto == IPPROTO_UDP ? "udp" : "tcp");
	}
	(void)str_copy(buf_str(&text), dst, cap);
}

int container_signal(const char *name, struct err *err)
{
	int number = *name ? signame_number(str_from(name)) : SIGTERM;

	return number > 0 ? number
			  : err_set(err, -EINVAL,
				    "signal '%s' is not known; use a name such as SIGTERM", name);
}

static int caps_of(const struct image_texts *names, const char *what, uint64_t *ret_caps,
		   bool *ret_all, struct err *err)
{
	*ret_caps = 0;
	*ret_all = false;
	for (uint32_t i = 0; i < names->count; i++) {
		uint64_t bits = 0;
		int r = run_caps_parse(names->items[i], &bits, err);

		if (r < 0)
			return err_prefix(err, "%s", what);
		if (bits == run_caps_all())
			*ret_all = true;
		else
			*ret_caps |= bits;
	}
	return 0;
}

int container_def_caps(const struct container_def *def, uint64_t *ret_caps, struct err *err)
{
	uint64_t add, drop;
	bool add_all, drop_all;
	int r = caps_of(&def->cap_drop, "cap_drop", &drop, &drop_all, err);

	if (r >= 0)
		r = caps_of(&def->cap_add, "cap_add", &add, &add_all, err);
	if (r < 0)
		return r;
	if (def->privileged)
		*ret_caps = run_caps_all();
	else if (add_all)
		*ret_caps = run_caps_all() & ~drop;
	else
		*ret_caps = (drop_all ? 0 : run_caps_default() & ~drop) | add;
	return 0;
}

struct digest *container_def_layers(const struct container_def *def, struct arena *arena,
				    uint32_t *ret_count)
{
	size_t count = def->layer_count;
	struct digest *all;

	for (uint32_t i = 0; def->host_set && i < def->mount_count; i++)
		count += def->mounts_more[i].layer_count;
	all = arena_array(arena, count + 1, sizeof(*all));
	*ret_count = 0;
	for (uint32_t i = 0; all && i < def->layer_count; i++)
		all[(*ret_count)++] = def->layers[i];
	for (uint32_t i = 0; all && def->host_set && i < def->mount_count; i++) {
		const struct def_mount_more *more = &def->mounts_more[i];

		for (uint32_t k = 0; k < more->layer_count; k++)
			all[(*ret_count)++] = more->layers[k];
	}
	return all;
}
