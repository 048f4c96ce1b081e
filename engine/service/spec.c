/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [service NAME] -> struct service_spec. Runs in engine main on checked INI values; pure but for
 * the arena. Must not touch files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/health/test.h"
#include "engine/service/spec.h"

struct maker {
	struct arena *arena;
	const struct ini_section *section;
	struct err *err;
	int error; /* sticky */
};

static uint32_t count_values(const struct ini_value *value)
{
	uint32_t n = 0;

	for (; value; value = value->next)
		n++;
	return n;
}

static void *make_array(struct maker *maker, uint32_t count, size_t size)
{
	void *array = arena_array(maker->arena, count + 1U, size);

	if (!array && !maker->error)
		maker->error = err_set(maker->err, -ENOMEM, "no memory for service %s",
				       maker->section->name);
	return array;
}

static struct service_list make_list(struct maker *maker, const char *key)
{
	const struct ini_value *value = ini_get(&service_schema, maker->section, key);
	struct service_list list = { .count = count_values(value), .set = value != NULL };

	list.items = make_array(maker, list.count, sizeof(*list.items));
	if (!list.items)
		return (struct service_list){ 0 };
	for (uint32_t i = 0; value; value = value->next) {
		list.items[i] = arena_text(maker->arena, value->text);
		if (!list.items[i++])
			maker->error = err_set(maker->err, -ENOMEM, "no memory for '%s'", key);
	}
	return list;
}

static struct service_list make_command(struct maker *maker, const char *key)
{
	const struct ini_value *value = ini_get(&service_schema, maker->section, key);
	struct service_list list = { 0 };
	int r;

	if (!value)
		return list;
	r = service_command_parse(maker->arena, value->text, &list, maker->err);
	if (r < 0)
		maker->error = r;
	return list;
}

/* "labels.a.b = v" entries as "a.b=v". */
static struct service_list make_labels(struct maker *maker)
{
	struct service_list list = { 0 };
	uint32_t count = 0;

	for (const struct ini_entry *e = maker->section->entries; e; e = e->next)
		count += !strncmp(e->name, "labels.", 7);
	list.items = make_array(maker, count, sizeof(*list.items));
	for (const struct ini_entry *e = maker->section->entries; list.items && e; e = e->next) {
		if (strncmp(e->name, "labels.", 7) != 0)
			continue;
		list.items[list.count] = arena_printf(maker->arena, "%s=%.*s", e->name + 7,
						      STR_ARG(e->values->text));
		if (!list.items[list.count++])
			maker->error = err_set(maker->err, -ENOMEM, "no memory for labels");
	}
	list.set = list.count > 0;
	return list;
}

/* Each with both of its bounds. */
static void make_ulimits(struct maker *maker, struct service_spec *spec)
{
	spec->ulimits = make_list(maker, "ulimits");
	for (uint32_t i = 0; !maker->error && i < spec->ulimits.count; i++)
		maker->error = service_ulimit_parse(maker->arena, str_from(spec->ulimits.items[i]),
						    &spec->ulimits.items[i], maker->err);
}

static bool joins(const struct service_spec *spec, struct str network)
{
	for (uint32_t i = 0; i < spec->networks.count; i++)
		if (str_is(network, spec->networks.items[i]))
			return true;
	return !spec->networks.count && str_is(network, "bridge");
}

/* What one key networks.NETWORK.WORD says. */
static int take_network(const struct maker *maker, const struct ini_entry *entry,
			struct service_spec *spec)
{
	struct str key = str_from(entry->name + 9), network = key;
	const char *text = "";
	int r = 0;

	for (const struct ini_value *v = entry->values; r >= 0 && v; v = v->next) {
		r = service_address(maker->arena, key, v->text, &text, maker->err);
		if (r >= 0 && *text && v != entry->values)
			return err_set(maker->err, -EINVAL, "%s takes one value", entry->name);
		if (r < 0)
			continue;
		if (*text)
			spec->addresses.items[spec->addresses.count++] = text;
		else
			spec->aliases.items[spec->aliases.count++] =
				arena_text(maker->arena, v->text);
	}
	while (network.len && network.ptr[network.len - 1] != '.')
		network.len--;
	if (r >= 0 && !joins(spec, str_head(network, network.len - 1)))
		return err_set(maker->err, -EINVAL, "%s: the service does not join this network",
			       entry->name);
	return r;
}

/* networks.NAME.ipv4_address and the like: networks are known already. */
static void make_addresses(struct maker *maker, struct service_spec *spec)
{
	uint32_t count = 0;

	for (const struct ini_entry *e = maker->section->entries; e; e = e->next)
		count += !strncmp(e->name, "networks.", 9) ? count_values(e->values) : 0;
	spec->addresses.items = make_array(maker, count, sizeof(*spec->addresses.items));
	spec->aliases.items = make_array(maker, count, sizeof(*spec->aliases.items));
	for (const struct ini_entry *e = maker->section->entries; !maker->error && e; e = e->next)
		if (!strncmp(e->name, "networks.", 9))
			maker->error = take_network(maker, e, spec);
	if (!maker->error && spec->replicas > 1 && spec->addresses.count)
		maker->error = err_set(maker->err, -EINVAL,
				       "%u replicas cannot have one address; take "
				       "its addresses or replicas out",
				       spec->replicas);
}

static void make_ports(struct maker *maker, struct service_spec *spec)
{
	const struct ini_value *value = ini_get(&service_schema, maker->section, "ports");

	spec->ports = make_array(maker, count_values(value), sizeof(*spec->ports));
	for (; spec->ports && value; value = value->next) {
		int r = service_port_parse(value->text, &spec->ports[spec->port_count], maker->err);

		if (r < 0)
			maker->error = r;
		else
			spec->port_count++;
	}
}

static void make_volumes(struct maker *maker, struct service_spec *spec)
{
	const struct ini_value *value = ini_get(&service_schema, maker->section, "volumes");

	spec->volumes = make_array(maker, count_values(value), sizeof(*spec->volumes));
	for (; spec->volumes && value; value = value->next) {
		int r = service_volume_parse(maker->arena, value->text,
					     &spec->volumes[spec->volume_count], maker->err);

		if (r < 0)
			maker->error = r;
		else
			spec->volume_count++;
	}
}

static void make_depends(struct maker *maker, struct service_spec *spec)
{
	const struct ini_value *value = ini_get(&service_schema, maker->section, "depends_on");

	spec->depends_on = make_array(maker, count_values(value), sizeof(*spec->depends_on));
	for (; spec->depends_on && value; value = value->next) {
		struct service_dependency *dep = &spec->depends_on[spec->depends_count++];
		ptrdiff_t colon = str_find(value->text, ':');
		struct str name = colon < 0 ? value->text : str_head(value->text, (size_t)colon);

		dep->need = SERVICE_NEED_STARTED;
		if (str_ends(value->text, STR(":completed")))
			dep->need = SERVICE_NEED_COMPLETED;
		else if (str_ends(value->text, STR(":healthy")))
			dep->need = SERVICE_NEED_HEALTHY;
		dep->name = arena_text(maker->arena, name);
		if (!dep->name)
			maker->error = err_set(maker->err, -ENOMEM, "no memory for depends_on");
	}
}

static void make_waits(struct maker *maker, struct service_spec *spec)
{
	const struct ini_value *value = ini_get(&service_schema, maker->section, "wait_for");

	spec->wait_for = make_array(maker, count_values(value), sizeof(*spec->wait_for));
	for (; spec->wait_for && value; value = value->next) {
		int r = service_wait_parse(maker->arena, value->text,
					   &spec->wait_for[spec->wait_count], maker->err);

		if (r < 0)
			maker->error = r;
		else
			spec->wait_count++;
	}
}

/* A job is run at its times and not started again in between, unless it is said so. */
static void make_schedule(struct maker *maker, struct service_spec *spec)
{
	const struct ini_value *value = ini_get(&service_schema, maker->section, "schedule");
	const struct ini_value *restart = ini_get(&service_schema, maker->section, "restart");

	spec->schedule = ini_text(&service_schema, maker->section, "schedule");
	spec->schedule_at = value && value->file
				    ? arena_printf(maker->arena, "%s:%u", value->file, value->line)
				    : "";
	if (!spec->schedule_at)
		maker->error = err_set(maker->err, -ENOMEM, "no memory for a schedule");
	if (!*spec->schedule)
		return;
	if (!restart || !restart->line)
		spec->restart = SERVICE_RESTART_NO;
	else if (spec->restart == SERVICE_RESTART_ALWAYS ||
		 spec->restart == SERVICE_RESTART_UNLESS_STOPPED)
		maker->error = err_set(maker->err, -EINVAL,
				       "schedule goes with restart = no or on-failure only: a job "
				       "ends");
}

static void make_userns(const struct maker *maker, struct service_spec *spec)
{
	const char *text = ini_text(&service_schema, maker->section, "userns_mode");

	spec->userns = !strcmp(text, "auto")   ? SERVICE_USERNS_AUTO
		       : !strcmp(text, "host") ? SERVICE_USERNS_HOST
					       : SERVICE_USERNS_DEFAULT;
}

static void make_pull(const struct maker *maker, struct service_spec *spec)
{
	const char *text = ini_text(&service_schema, maker->section, "pull");
	const char *window = ini_text(&service_schema, maker->section, "update_window");

	spec->pull = !strcmp(text, "always")	 ? SERVICE_PULL_ALWAYS
		     : !strcmp(text, "schedule") ? SERVICE_PULL_SCHEDULE
						 : SERVICE_PULL_MISSING;
	if (*window) /* checked with the value */
		(void)update_window_parse(str_from(window), &spec->window, NULL);
}

static void make_restart(const struct maker *maker, struct service_spec *spec)
{
	const char *text = ini_text(&service_schema, maker->section, "restart");
	uint64_t max = 0;

	if (!strcmp(text, "no")) {
		spec->restart = SERVICE_RESTART_NO;
	} else if (!strncmp(text, "on-failure", 10)) {
		spec->restart = SERVICE_RESTART_ON_FAILURE;
		if (text[10] == ':' && !str_to_u64(str_from(text + 11), 1, 1000000, &max))
			spec->restart_max = (uint32_t)max;
	} else if (!strcmp(text, "unless-stopped")) {
		spec->restart = SERVICE_RESTART_UNLESS_STOPPED;
	} else {
		spec->restart = SERVICE_RESTART_ALWAYS;
	}
}

/* disable = yes is test = ["NONE"], as in Compose. */
static void make_health(struct maker *maker, struct service_spec *spec)
{
	const struct ini_section *s = maker->section;
	const struct ini_value *test = ini_get(&service_schema, s, "healthcheck.test");
	struct service_health *health = &spec->health;
	int r = 0;

	if (ini_number(&service_schema, s, "healthcheck.disable", 0))
		r = image_texts_add(maker->arena, &health->test, "NONE", maker->err);
	else if (test)
		r = health_test_parse(maker->arena, test->text, &health->test, maker->err);
	if (r < 0)
		maker->error = r;
	health->interval_ms = ini_number(&service_schema, s, "healthcheck.interval", -1);
	health->timeout_ms = ini_number(&service_schema, s, "healthcheck.timeout", -1);
	health->start_period_ms = ini_number(&service_schema, s, "healthcheck.start_period", -1);
	health->start_interval_ms =
		ini_number(&service_schema, s, "healthcheck.start_interval", -1);
	health->retries = (uint32_t)ini_number(&service_schema, s, "healthcheck.retries", 0);
}

static void make_scalars(const struct maker *maker, struct service_spec *spec)
{
	const struct ini_section *s = maker->section;

	spec->name = spec->group = s->name;
	spec->replicas = (uint32_t)ini_number(&service_schema, s, "replicas", 1);
	spec->image = ini_text(&service_schema, s, "image");
	spec->build = ini_text(&service_schema, s, "build");
	spec->build_dockerfile = ini_text(&service_schema, s, "build.dockerfile");
	spec->build_target = ini_text(&service_schema, s, "build.target");
	spec->user = ini_text(&service_schema, s, "user");
	spec->working_dir = ini_text(&service_schema, s, "working_dir");
	spec->hostname = ini_text(&service_schema, s, "hostname");
	spec->stop_signal = ini_text(&service_schema, s, "stop_signal");
	spec->mem_limit = ini_number(&service_schema, s, "mem_limit", 0);
	spec->disk_limit = ini_number(&service_schema, s, "disk_limit", 0);
	spec->cpus = ini_number(&service_schema, s, "cpus", 0);
	spec->shm_size = ini_number(&service_schema, s, "shm_size", 0);
	spec->pids_limit = ini_number(&service_schema, s, "pids_limit", 4096);
	spec->trial_ms = ini_number(&service_schema, s, "trial", 60000);
	spec->stop_grace_ms = ini_number(&service_schema, s, "stop_grace_period", 10000);
	spec->log_max_size = ini_number(&service_schema, s, "logging.max_size", 10 << 20);
	spec->log_max_file = (uint32_t)ini_number(&service_schema, s, "logging.max_file", 3);
	spec->privileged = ini_number(&service_schema, s, "privileged", 0) != 0;
	spec->read_only = ini_number(&service_schema, s, "read_only", 0) != 0;
	spec->init = ini_number(&service_schema, s, "init", 0) != 0;
	spec->tty = ini_number(&service_schema, s, "tty", 0) != 0;
}

struct service_spec *service_spec_make(struct arena *arena, const struct ini_section *section,
				       struct err *err)
{
	struct maker maker = { .arena = arena, .section = section, .err = err };
	struct service_spec *spec = arena_alloc(arena, sizeof(*spec));

	if (!spec) {
		err_set(err, -ENOMEM, "no memory for service %s", section->name);
		return NULL;
	}
	make_scalars(&maker, spec);
	make_restart(&maker, spec);
	make_pull(&maker, spec);
	make_userns(&maker, spec);
	spec->command = make_command(&maker, "command");
	spec->entrypoint = make_command(&maker, "entrypoint");
	spec->environment = make_list(&maker, "environment");
	spec->build_args = make_list(&maker, "build.args");
	spec->networks = make_list(&maker, "networks");
	spec->cap_add = make_list(&maker, "cap_add");
	spec->cap_drop = make_list(&maker, "cap_drop");
	spec->devices = make_list(&maker, "devices");
	spec->tmpfs = make_list(&maker, "tmpfs");
	spec->dns = make_list(&maker, "dns");
	spec->extra_hosts = make_list(&maker, "extra_hosts");
	spec->labels = make_labels(&maker);
	make_addresses(&maker, spec);
	spec->sysctls = make_list(&maker, "sysctls");
	spec->security_opt = make_list(&maker, "security_opt");
	spec->group_add = make_list(&maker, "group_add");
	spec->dns_search = make_list(&maker, "dns_search");
	make_ulimits(&maker, spec);
	make_ports(&maker, spec);
	make_volumes(&maker, spec);
	make_depends(&maker, spec);
	make_health(&maker, spec);
	make_waits(&maker, spec);
	make_schedule(&maker, spec);
	spec->profiles = make_list(&maker, "profiles");
	if (maker.error)
		return NULL;
	if (!*spec->image && !*spec->build) {
		err_set(err, -EINVAL, "neither image nor build is given; add one of them");
		return NULL;
	}
	if (!*spec->build &&
	    (*spec->build_dockerfile || *spec->build_target || spec->build_args.count)) {
		err_set(err, -EINVAL, "build.* says how, and build is not given; add build");
		return NULL;
	}
	if (spec->window.days && spec->pull != SERVICE_PULL_SCHEDULE) {
		err_set(err, -EINVAL,
			"update_window says when pull = schedule looks for a newer image; set that "
			"too, or take update_window out");
		return NULL;
	}
	if (spec->replicas > 1 && spec->port_count) {
		err_set(err, -EINVAL,
			"one port cannot lead to %u replicas; take ports or replicas "
			"out",
			spec->replicas);
		return NULL;
	}
	return spec;
}
