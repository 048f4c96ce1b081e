/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build gives when all of the target is done: the image, and the steps for its cache. Runs
 * in engine main. Must never take the moment of the build into the image: its id would be another.
 */
#include <string.h>
#include "engine/build/build_state.h"
#include "engine/oci/oci.h"
#include "lib/own.h"

/* Whether the target is this stage or stands upon it. */
static bool is_below(const struct build *build, uint32_t stage)
{
	int32_t at = (int32_t)build->plan.target;
	while (at >= 0 && at != (int32_t)stage)
		at = build->plan.stages[at].base_stage;
	return at >= 0;
}

uint32_t build_steps(const struct build *build, bool all, struct oci_cache_step *ret)
{
	int32_t last[BUILD_STAGES_MAX];
	uint32_t count = 0;
	for (uint32_t i = 0; i < build->plan.stage_count; i++) {
		const struct stage_result *result = &build->results[i];
		int32_t base = build->plan.stages[i].base_stage;
		last[i] = base >= 0 ? last[base] : -1;
		if (!result->done || (!all && !is_below(build, i)))
			continue;
		for (uint32_t s = 0; s < result->step_count && count < OCI_CACHE_STEPS_MAX; s++) {
			ret[count] = result->steps[s];
			ret[count].parent = last[i];
			last[i] = (int32_t)count++;
		}
	}
	return count;
}

/*
 * Without SOURCE_DATE_EPOCH the time is the base image's: what goes in decides of the id, never the
 * moment of the build. FROM scratch has none.
 */
static const char *creation(const struct build *build)
{
	const struct build_stage *stage = &build->plan.stages[build->plan.target];
	while (stage->base_stage >= 0)
		stage = &build->plan.stages[stage->base_stage];
	if (*build->params.created || stage->base_image < 0)
		return build->params.created;
	return build->bases[stage->base_image].created;
}

static void fill_history(struct image *image)
{
	for (uint32_t i = 0; i < image->history_count; i++)
		if (!*image->history[i].created)
			image->history[i].created = image->created;
}

/* The image's id is the digest of its OCI config, as everywhere. */
static int fill_digests(struct image *image, struct err *err)
{
	struct buf config OWN(buf_done) = { 0 }, manifest OWN(buf_done) = { 0 };
	buf_init(&config, OCI_DOCUMENT_MAX);
	buf_init(&manifest, OCI_DOCUMENT_MAX);
	return oci_image_seal(image, &config, &manifest, err);
}

int build_finish(struct build *build, struct err *err)
{
	struct stage_result *result = &build->results[build->plan.target];
	struct oci_platform own = oci_platform_own();
	struct image *image = &build->image;
	*image = build->plan.stages[build->plan.target].image;
	image->reference = build->params.reference;
	image->created = creation(build);
	image->layers = result->layers;
	image->layer_count = result->count;
	if (!*image->os)
		image->os = own.os;
	if (!*image->architecture) {
		image->architecture = own.architecture;
		image->variant = own.variant;
	}
	fill_history(image);
	int r = fill_digests(image, err);
	return r < 0 ? r : build->exec->finish(build->owner, image, err);
}
