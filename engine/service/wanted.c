/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From services.ini and engine.ini to the table of wanted services: what came, went or changed.
 * Runs in engine main. Must never stop a container for a mistake in the configuration.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "engine/service/compose.h"
#include "engine/service/networks.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

/* Of its container nothing depends on these: to change one of them restarts nothing. */
static bool concerns_container(const char *key)
{
	static const char *const others[] = {
		"depends_on", "profiles", "pull",     "replicas",
		"restart",    "trial",	  "wait_for", "update_window"
	};

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (!strcmp(key, others[i]))
			return false;
	}
	return true;
}

/* What is built, and under which name: the image of before is of no use when one changes. */
static bool concerns_source(const char *key)
{
	return !strncmp(key, "build", 5) || !strcmp(key, "image");
}

static void hash_section(const struct ini_section *section, bool (*concerns)(const char *key),
			 struct digest *ret_digest)
{
	struct sha256 hash;

	sha256_init(&hash);
	for (const struct ini_entry *e = section->entries; e; e = e->next) {
		if (!concerns(e->name))
			continue;
		sha256_add(&hash, e->name, strlen(e->name) + 1);
		for (const struct ini_value *v = e->values; v; v = v->next) {
			sha256_add(&hash, v->text.ptr, v->text.len);
			sha256_add(&hash, "", 1);
		}
	}
	sha256_end(&hash, ret_digest);
}

static struct service *service_new(struct manager *manager, const char *name, const char *group)
{
	struct service *service = calloc(1, sizeof(*service)), **end = &manager->services;

	if (!service)
		return NULL;
	service->manager = manager;
	(void)str_copy(str_from(name), service->name, sizeof(service->name));
	(void)str_copy(str_from(group), service->group, sizeof(service->group));
	while (*end)
		end = &(*end)->next;
	*end = service;
	return service;
}

/* What was found wrong in one section, joined: the reason of a refused service. */
static void refuse_reason(struct service *service, const struct ini_config *config,
			  const char *more)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, sizeof(service->reason) - 1);
	for (const struct ini_issue *i = config->issues; i; i = i->next) {
		if (strcmp(i->kind, "service") != 0 || strcmp(i->name, service->group) != 0)
			continue;
		(void)buf_printf(&text, "%s%s", text.len ? "; " : "", i->text);
		log_err("%s", i->text);
	}
	if (*more)
		(void)buf_printf(&text, "%s%s", text.len ? "; " : "", more);
	service_reason(service, buf_text(&text));
}

static struct service *service_named(struct manager *manager, const char *name, const char *group)
{
	struct service *service = manager_find(manager, name);

	if (!service)
		service = service_new(manager, name, group);
	if (service) {
		service->declared = true;
		(void)str_copy(str_from(group), service->group, sizeof(service->group));
	}
	return service;
}

static void apply_bad(struct manager *manager, const struct ini_config *config,
		      const struct ini_section *section, const char *why)
{
	bool found = false;

	/* Replicas that run go on; a service that was never right gets a row to say so. */
	for (struct service *s = manager->services; s; s = s->next) {
		if (!service_in_group(s, section->name))
			continue;
		found = s->declared = true;
		s->spec = NULL;
		refuse_reason(s, config, why);
		log_err("service %s is refused: %s", s->name, s->reason);
		/* What runs goes on with its old definition: a typing error stops nothing. */
		if (s->state != SERVICE_STATE_RUNNING)
			service_event(s, SERVICE_EVENT_REFUSE);
	}
	if (!found && service_named(manager, section->name, section->name))
		apply_bad(manager, config, section, why);
}

static void apply_spec(struct service *service, struct service_spec *spec,
		       const struct digest *digest, const struct digest *source)
{
	bool changed = memcmp(digest, &service->section, sizeof(*digest)) != 0;
	bool moved = memcmp(source, &service->source, sizeof(*source)) != 0;

	service->spec = spec;
	service->section = *digest;
	service->source = *source;
	if (service->state == SERVICE_STATE_STOPPED && service_marked_stopped(service))
		service->operator_stop = true;
	if (service->state == SERVICE_STATE_REFUSED)
		service_event(service, SERVICE_EVENT_UNWANT);
	if (*spec->build && service->state == SERVICE_STATE_RUNNING) {
		service->stale = true;
		service->section_due = service->section_due || changed;
		service->source_moved = service->source_moved || moved;
		service_rebuild(service); /* what runs goes on until the new image is there */
		return;
	}
	service_rebuild_stop(service); /* of a context that may have changed since */
	if (changed && service->state != SERVICE_STATE_STOPPED && !service->operator_stop)
		service_event(service, SERVICE_EVENT_CYCLE);
	service->stale = service->stale || *spec->build;
	service_update_arm(service);
}

/* The spec of replica n (from 1): the section's under a name of its own. */
static struct service_spec *replica_spec(struct arena *arena, const struct service_spec *spec,
					 uint32_t n)
{
	struct service_spec *copy = arena_alloc(arena, sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *spec;
	copy->name = arena_printf(arena, "%s-%u", spec->group, n);
	return copy->name && strlen(copy->name) <= SERVICE_NAME_MAX ? copy : NULL;
}

static void apply_section(struct manager *manager, struct ini_config *config,
			  const struct ini_section *section)
{
	struct service_spec *spec;
	struct digest digest, source;
	struct err err = { 0 };

	spec = section->bad ? NULL : service_spec_make(&config->arena, section, &err);
	if (!spec) {
		apply_bad(manager, config, section, section->bad ? "" : err.text);
		return;
	}
	hash_section(section, concerns_container, &digest);
	hash_section(section, concerns_source, &source);
	for (uint32_t n = 1; n <= spec->replicas; n++) {
		struct service_spec *own = spec;
		struct service *service = NULL;

		if (spec->replicas > 1)
			own = replica_spec(&config->arena, spec, n);
		if (own)
			service = service_named(manager, own->name, section->name);
		if (service)
			apply_spec(service, own, &digest, &source);
		else
			log_err("service %s: no memory for replica %u", section->name, n);
	}
}

static void apply_order(struct manager *manager)
{
	static struct service_spec *specs[SERVICE_COUNT_MAX];
	static struct service *owners[SERVICE_COUNT_MAX];
	static uint32_t order[SERVICE_COUNT_MAX];
	static bool bad[SERVICE_COUNT_MAX];
	uint32_t count = 0, placed = 0;
	struct err err = { 0 };

	for (struct service *s = manager->services; s && count < SERVICE_COUNT_MAX; s = s->next) {
		if (!s->spec)
			continue;
		owners[count] = s;
		specs[count++] = s->spec;
	}
	if (service_order(specs, count, order, &placed, bad, &err) < 0)
		log_err("services: %s", err_text(&err));
	for (uint32_t i = 0; i < placed; i++)
		owners[order[i]]->rank = i;
	for (uint32_t i = 0; i < count; i++) {
		if (!bad[i])
			continue;
		owners[i]->spec = NULL;
		service_reason(owners[i], err.text);
		log_err("service %s is refused: %s", owners[i]->name, err.text);
		if (owners[i]->state != SERVICE_STATE_RUNNING) /* as with its own mistakes */
			service_event(owners[i], SERVICE_EVENT_REFUSE);
	}
}

static void apply_removed(struct manager *manager)
{
	for (struct service *s = manager->services; s; s = s->next) {
		if (s->declared)
			continue;
		if (s->was_declared)
			service_trial_gone(s);
		s->was_declared = false;
		log_notice("service %s is no longer declared: stopped", s->name);
		service_event(s, SERVICE_EVENT_UNWANT);
	}
}

static bool profile_active(const struct manager *manager, const char *name)
{
	const struct ini_section *engine = ini_find(&manager->engine_config, "engine", "");
	const struct ini_value *value = engine ? ini_get(&engine_schema, engine, "profiles") : NULL;

	for (; value; value = value->next) {
		if (str_is(value->text, name))
			return true;
	}
	return false;
}

/* Compose's rule: without profiles always, with some only when one of them is active. */
static bool in_profile(const struct service *service)
{
	const struct service_list *profiles = &service->spec->profiles;

	for (uint32_t i = 0; i < profiles->count; i++) {
		if (profile_active(service->manager, profiles->items[i]))
			return true;
	}
	return !profiles->count;
}

static void want(struct service *service)
{
	bool wanted = in_profile(service) || service->operator_start;

	if (!wanted && service->state != SERVICE_STATE_STOPPED)
		service_event(service, SERVICE_EVENT_UNWANT);
	if (!wanted)
		service_reason(service, "none of its profiles is active");
	if (wanted && service->state == SERVICE_STATE_STOPPED && !service->operator_stop)
		service_event(service, *service->spec->schedule ? SERVICE_EVENT_SCHEDULE
								: SERVICE_EVENT_WANT);
}

static void want_all(struct manager *manager)
{
	for (struct service *s = manager->services; s; s = s->next) {
		if (s->declared && s->spec)
			want(s);
	}
}

static void take_engine_settings(struct manager *manager)
{
	const struct ini_section *engine = ini_find(&manager->engine_config, "engine", "");

	manager->keep_blobs = engine && ini_number(&engine_schema, engine, "keep_blobs", 0);
	manager->env.builds->keep_blobs = manager->keep_blobs;
}

int manager_load(struct manager *manager, struct err *err)
{
	int layers OWN_FD = fs_open(manager->env.run_fd, "config", FS_BENEATH, O_DIRECTORY, 0, err);
	struct ini_config config, engine;
	int r;

	if (layers < 0)
		return layers;
	ini_init(&config);
	ini_init(&engine);
	r = ini_load(&engine, &engine_schema, layers, err);
	if (r >= 0)
		r = manager_read(manager, &config, layers, err);
	if (r < 0) {
		ini_done(&config);
		ini_done(&engine);
		return r;
	}
	for (const struct ini_issue *i = engine.issues; i; i = i->next)
		log_err("%s", i->text);
	/* Those of a service are said with its refusal; a head that is none belongs to no service.
	 */
	for (const struct ini_issue *i = config.issues; i; i = i->next)
		if (strcmp(i->kind, "service") != 0 || !*i->name)
			log_err("%s", i->text);
	for (struct service *s = manager->services; s; s = s->next) {
		s->was_declared = s->declared;
		s->declared = false;
	}
	ini_done(&manager->engine_config);
	manager->engine_config = engine;
	take_engine_settings(manager);
	for (const struct ini_section *s = config.sections; s; s = s->next)
		if (!strcmp(s->kind, "service") && *s->name)
			apply_section(manager, &config, s);
	for (struct service *s = manager->services; s; s = s->next)
		s->spec = s->declared ? s->spec : NULL;
	manager_drop_networks(manager, &config);
	ini_done(&manager->config);
	manager->config = config;
	manager_say_networks(manager);
	apply_order(manager);
	apply_removed(manager);
	want_all(manager);
	return 0;
}

/* ---- another configuration, only looked at ---- */

/* What single values do not show: a section as a whole, and who depends on whom. */
static void check_services(struct ini_config *config)
{
	static struct service_spec *specs[SERVICE_COUNT_MAX];
	static struct ini_section *sections[SERVICE_COUNT_MAX];
	static uint32_t order[SERVICE_COUNT_MAX];
	static bool bad[SERVICE_COUNT_MAX];
	uint32_t count = 0, placed;
	struct err err = { 0 };

	for (struct ini_section *s = config->sections; s; s = s->next) {
		struct service_spec *spec;

		if (s->bad || count == SERVICE_COUNT_MAX || strcmp(s->kind, "service") != 0)
			continue;
		err = (struct err){ 0 };
		spec = service_spec_make(&config->arena, s, &err);
		if (!spec) {
			ini_complain(config, s, NULL, "%s", err_text(&err));
			continue;
		}
		sections[count] = s;
		specs[count++] = spec;
	}
	err = (struct err){ 0 };
	if (service_order(specs, count, order, &placed, bad, &err) >= 0)
		return;
	for (uint32_t i = 0; i < count; i++) {
		if (bad[i])
			ini_complain(config, sections[i], NULL, "%s", err_text(&err));
	}
}

int manager_try(struct manager *manager, struct buf *out, struct err *err)
{
	int layers OWN_FD = fs_open(manager->env.run_fd, "config", FS_BENEATH, O_DIRECTORY, 0, err);
	const struct ini_trial trial = { manager_read_trial, check_services, manager };
	int r;

	if (layers < 0)
		return layers;
	r = ini_try_by(&trial, layers, out, err);
	return r < 0 ? r : ini_try(&engine_schema, layers, NULL, out, err);
}
