/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the steps of a build, its secrets and registries. Pure; runs in the api role. Must never
 * decide what is built: that is the plan's (engine/build).
 */
#include "engine/buildkit/outline.h"

#include <errno.h>
#include <string.h>
#include "engine/oci/reference.h"

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no memory for a build");
}

/* What changes files is a step; the rest only changes the image's record. */
static bool makes_files(const struct dockerfile_step *step)
{
	return step->kind == DOCKERFILE_KIND_RUN || step->kind == DOCKERFILE_KIND_COPY ||
	       step->kind == DOCKERFILE_KIND_ADD || step->kind == DOCKERFILE_KIND_WORKDIR;
}

static void add_text(const char **list, uint32_t *count, uint32_t max, const char *text)
{
	for (uint32_t i = 0; i < *count; i++) {
		if (!strcmp(list[i], text))
			return;
	}
	if (*count < max)
		list[(*count)++] = text;
}

void outline_add_secret(struct outline *outline, const char *id)
{
	add_text(outline->secrets, &outline->secret_count, OUTLINE_SECRETS_MAX, id);
}

static void add_secrets(struct outline *outline, const struct dockerfile_step *step, char escape,
			struct arena *arena)
{
	for (uint32_t i = 0; i < step->mounts.count; i++) {
		struct dockerfile_mount mount;
		const char *id;

		if (dockerfile_mount_parse(step->mounts.items[i], escape, NULL, NULL, arena, &mount,
					   NULL) < 0)
			continue;
		if (mount.type == DOCKERFILE_MOUNT_SSH)
			add_text(outline->agents, &outline->agent_count, OUTLINE_AGENTS_MAX,
				 *mount.id ? mount.id : "default");
		if (mount.type != DOCKERFILE_MOUNT_SECRET)
			continue;
		id = strrchr(mount.target, '/') ? strrchr(mount.target, '/') + 1 : mount.target;
		outline_add_secret(outline, *mount.id ? mount.id : id);
	}
}

int outline_add_host(struct outline *outline, const char *text, struct arena *arena,
		     struct err *err)
{
	struct oci_reference *reference = arena_alloc(arena, sizeof(*reference));

	if (!reference)
		return no_memory(err);
	if (oci_reference_parse(str_from(text), reference, NULL) >= 0)
		add_text(outline->hosts, &outline->host_count, OUTLINE_HOSTS_MAX,
			 reference->domain);
	return 0;
}

static int add_hosts(struct outline *outline, const struct build_plan *plan, struct arena *arena,
		     struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < plan->references.count; i++)
		r = outline_add_host(outline, plan->references.items[i], arena, err);
	return r;
}

/* The last line that an instruction takes: the one before the next instruction, less the empty
 * ones and comments in between. */
static uint32_t last_line(struct str text, uint32_t first, uint32_t next)
{
	uint32_t number = 0, last = first;
	struct str line;

	while (str_cut(&text, '\n', &line) && ++number < next) {
		line = str_trim(line);
		if (number > first && line.len && line.ptr[0] != '#' && line.ptr[0] != '\r')
			last = number;
	}
	return last;
}

struct naming {
	const struct build_inputs *inputs;
	const struct dockerfile *file;
	const struct build_plan *plan;
	struct arena *arena;
	struct outline *outline;
	uint32_t stage, number, total, stages;
};

static const char *stage_name(const struct naming *n)
{
	const char *name = n->plan->stages[n->stage].name;

	if (*name)
		return arena_printf(n->arena, "%s ", name);
	return n->stages > 1 ? arena_printf(n->arena, "stage-%u ", n->stage) : "";
}

static const char *base_text(const struct naming *n, const struct dockerfile_step *step)
{
	const struct build_stage *stage = &n->plan->stages[n->stage];
	char name[OCI_REFERENCE_MAX];

	if (stage->base_image < 0 ||
	    oci_reference_normalise(str_from(n->plan->references.items[stage->base_image]), name,
				    NULL) < 0)
		return step->text;
	return arena_printf(n->arena, "FROM %s", name);
}

static int add_step(struct naming *n, const struct dockerfile_step *step, uint32_t next,
		    struct err *err)
{
	struct outline_step *to = &n->outline->steps[n->outline->step_count++];
	bool from = step->kind == DOCKERFILE_KIND_FROM;
	/* A stage that begins with another one has no step for that. */
	bool named = from ? n->plan->stages[n->stage].base_image >= 0 : makes_files(step);
	const char *stage = stage_name(n);

	*to = (struct outline_step){ .text = step->text,
				     .line = step->line,
				     .last_line =
					     last_line(n->inputs->dockerfile, step->line, next),
				     .from = from };
	if (!named)
		return stage ? 0 : no_memory(err);
	to->name = stage ? arena_printf(n->arena, "[%s%u/%u] %s", stage, ++n->number, n->total,
					from ? base_text(n, step) : step->text)
			 : NULL;
	return to->name ? 0 : no_memory(err);
}

static uint32_t count_steps(const struct naming *n, uint32_t first)
{
	uint32_t count = n->plan->stages[n->stage].base_image >= 0;

	for (uint32_t i = first + 1; i < n->file->step_count; i++) {
		if (n->file->steps[i].kind == DOCKERFILE_KIND_FROM)
			break;
		count += makes_files(&n->file->steps[i]);
	}
	return count;
}

static int name_steps(struct naming *n, struct err *err)
{
	const struct dockerfile *file = n->file;
	bool begun = false;
	int r = 0;

	for (uint32_t i = 0; i < file->step_count; i++)
		n->stages += file->steps[i].kind == DOCKERFILE_KIND_FROM;
	for (uint32_t i = 0; r >= 0 && i < file->step_count; i++) {
		const struct dockerfile_step *step = &file->steps[i];

		if (step->kind == DOCKERFILE_KIND_FROM) {
			n->stage += begun;
			begun = true;
			n->number = 0;
			n->total = count_steps(n, i);
		}
		if (!begun || n->stage >= n->plan->stage_count || !n->plan->stages[n->stage].needed)
			continue;
		add_secrets(n->outline, step, file->escape, n->arena);
		r = add_step(n, step,
			     i + 1 < file->step_count ? file->steps[i + 1].line : UINT32_MAX, err);
	}
	return r;
}

int outline_make(const struct build_inputs *inputs, struct arena *arena,
		 struct outline *ret_outline, struct err *err)
{
	struct build_plan *plan = arena_alloc(arena, sizeof(*plan));
	struct dockerfile *file = arena_alloc(arena, sizeof(*file));
	struct naming naming = {
		.inputs = inputs, .file = file, .plan = plan, .arena = arena, .outline = ret_outline
	};
	int r;

	*ret_outline = (struct outline){ 0 };
	if (!plan || !file)
		return no_memory(err);
	r = build_plan_bases(inputs, arena, plan, err);
	if (r >= 0)
		r = dockerfile_parse(inputs->dockerfile, arena, file, err);
	if (r < 0)
		return r;
	ret_outline->steps = arena_array(arena, file->step_count + 1, sizeof(*ret_outline->steps));
	if (!ret_outline->steps)
		return no_memory(err);
	r = name_steps(&naming, err);
	return r < 0 ? r : add_hosts(ret_outline, plan, arena, err);
}
