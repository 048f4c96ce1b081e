/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds behind a service that runs: its context or its section may have changed. Runs in engine
 * main. Must never touch what runs before the new image is there, nor replace it by the same; a new
 * one is on trial like any other change (trial.h).
 */
#include <errno.h>
#include <string.h>
#include "engine/oci/reference.h"
#include "engine/service/manager.h"
#include "lib/log.h"
#include "lib/own.h"

enum { REBUILD_BASE_MS = 2000, REBUILD_CAP_MS = 300000, REBUILD_ARENA_MAX = 8 << 20 };

int service_image_name(const struct service *service, char ret_name[OCI_REFERENCE_MAX],
		       struct err *err)
{
	struct buf name OWN(buf_done) = { 0 };
	int r;

	buf_init(&name, OCI_REFERENCE_MAX - 1);
	if (*service->spec->image)
		(void)buf_add_text(&name, service->spec->image);
	else
		(void)buf_printf(&name, "hoy.local/%s:latest", service->name);
	r = oci_reference_normalise(buf_str(&name), ret_name, err);
	return r < 0 ? err_prefix(err, "image = %s", service->spec->image) : 0;
}

/* build.args as names and values; each has a '='. */
static int build_args(struct arena *arena, const struct service_spec *spec,
		      struct image_pairs *args, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < spec->build_args.count; i++) {
		struct str value = str_from(spec->build_args.items[i]), name;
		const char *key;

		(void)str_cut(&value, '=', &name);
		key = arena_text(arena, name);
		r = key ? image_pairs_set(arena, args, key,
					  spec->build_args.items[i] + name.len + 1, err)
			: err_set(err, -ENOMEM, "no memory for the arguments of a build");
	}
	return r;
}

struct build_job *service_build(struct service *service, const struct build_job_ops *ops,
				struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct image_pairs args = { 0 };
	char reference[OCI_REFERENCE_MAX];
	const char *const names[] = { reference };
	const struct build_request request = { .context = service->spec->build,
					       .dockerfile = service->spec->build_dockerfile,
					       .target = service->spec->build_target,
					       .args = &args,
					       .references = names,
					       .reference_count = 1 };

	arena_init(&arena, REBUILD_ARENA_MAX);
	if (service_image_name(service, reference, err) < 0 ||
	    build_args(&arena, service->spec, &args, err) < 0)
		return NULL;
	return build_job_start(service->manager->env.builds, &request, ops, service, err);
}

static void say(struct service *service, const char *text)
{
	(void)str_copy(str_head(str_from(text), sizeof(service->rebuild_line) - 1),
		       service->rebuild_line, sizeof(service->rebuild_line));
}

static void on_progress(void *owner, const char *line)
{
	say(owner, line);
}

static void on_again(struct loop_timer *timer)
{
	struct service *service = timer->owner;

	service->rebuild_due = false;
	service_rebuild(service);
}

static void failed(struct service *service, const struct err *err)
{
	int64_t ms = backoff_ms(service->rebuild_failures++, REBUILD_BASE_MS, REBUILD_CAP_MS, 0);

	say(service, err_text(err));
	log_err("service %s: its new image was not built, what runs goes on: %s; retry in %lld s",
		service->name, service->rebuild_line, (long long)((ms + 999) / 1000));
	loop_timer_set(service->manager->env.loop, &service->rebuild_again, ms, on_again, service);
	service->rebuild_due = true;
}

/* A changed section (less rights, say) does not wait for ever for a build that fails: it is applied
 * to the image of before, and the build tried on behind that. */
static void apply_section_alone(struct service *service)
{
	if (!service->section_due || service->source_moved)
		return;
	service->section_due = false;
	service->image_stays = !*service->spec->schedule; /* a job is not run again for it */
	log_notice("service %s: its changed section is applied to the image of before",
		   service->name);
	service_event(service, SERVICE_EVENT_CYCLE);
}

/* 1 = what would start now is another definition than what runs, and none that failed before; an
 * error when the image makes no definition at all. */
static int is_other(struct service *service, const struct image *image, struct err *err)
{
	const struct trial *trial = &service->trial;
	struct arena arena OWN(arena_done) = { 0 };
	struct container_def def;
	struct digest digest;
	int r;

	arena_init(&arena, DEF_BYTES_MAX);
	r = container_def_service(service->spec, image, &arena, &def, err);
	if (r >= 0)
		r = container_def_digest(&def, &digest, err);
	if (r < 0)
		return err_prefix(err, "what was built cannot run");
	if (trial->has_bad && !memcmp(&digest, &trial->bad_digest, sizeof(digest)))
		return 0;
	return memcmp(&digest, &service->container_def, sizeof(digest)) != 0;
}

static void on_built(void *owner, const struct image *image, const struct err *err)
{
	struct service *service = owner;
	struct err bad = { 0 };
	int other;

	service->rebuild = NULL;
	say(service, "");
	if (!service->spec || !*service->spec->build || service->state != SERVICE_STATE_RUNNING)
		return; /* the next start has it */
	if (!image) {
		failed(service, err);
		apply_section_alone(service);
		return;
	}
	other = is_other(service, image, &bad);
	if (other < 0) {
		failed(service, &bad);
		return;
	}
	service->rebuild_failures = 0;
	service->stale = service->section_due = service->source_moved = false;
	if (!other) {
		log_info("service %s: built from %s, nothing changed", service->name,
			 service->spec->build);
		return;
	}
	log_notice("service %s: built anew from %s, what runs is replaced", service->name,
		   service->spec->build);
	service_event(service, SERVICE_EVENT_CYCLE);
}

void service_rebuild(struct service *service)
{
	static const struct build_job_ops ops = { .progress = on_progress, .done = on_built };
	struct err err = { 0 };

	loop_timer_stop(service->manager->env.loop, &service->rebuild_again);
	service->rebuild_due = false;
	if (!service->spec || !*service->spec->build || service->manager->stopping ||
	    service->state != SERVICE_STATE_RUNNING)
		return;
	build_job_cancel(service->rebuild); /* of what was read before */
	say(service, "");
	service->rebuild = service_build(service, &ops, &err);
	if (!service->rebuild) {
		failed(service, &err);
		apply_section_alone(service);
	}
}

void service_rebuild_started(struct service *service)
{
	if (service->stale && !service->rebuild && !service->rebuild_due)
		service_rebuild(service);
}

void service_rebuild_stop(struct service *service)
{
	loop_timer_stop(service->manager->env.loop, &service->rebuild_again);
	service->rebuild_due = false;
	build_job_cancel(service->rebuild);
	service->rebuild = NULL;
	say(service, "");
}

void service_rebuild_status(const struct service *service, struct buf *out)
{
	if (service->rebuild)
		(void)buf_printf(out, ", building anew%s%s", *service->rebuild_line ? ": " : "",
				 service->rebuild_line);
	else if (*service->rebuild_line)
		(void)buf_printf(out, "; not built anew: %s", service->rebuild_line);
}
