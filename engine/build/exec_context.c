/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts that are repositories: fetched before the first thing is read of them, and kept until
 * the build ends. Runs in engine main. Must never read a file of one itself.
 */
#include "engine/build/exec_context.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/build/exec_git.h"
#include "engine/build/exec_job.h"
#include "lib/fs.h"
#include "lib/own.h"

static int next_context(struct build_lane *lane, struct err *err);

bool build_context_is_remote(const char *text)
{
	return git_source_is_context(str_from(text));
}

static int add(struct build_job *job, const char *text, int32_t slot, bool keep, struct err *err)
{
	struct build_contexts *contexts = &job->remotes;
	struct git_source *source = &contexts->list[contexts->count];
	int r;

	/* As Docker has it, for contexts alone. */
	if (strncmp(text, "github.com/", 11) == 0)
		text = arena_printf(&job->arena, "https://%s", text);
	r = text ? git_source_parse(str_from(text), &job->arena, source, err)
		 : err_set(err, -ENOMEM, "no memory for a build");
	if (r < 0)
		return err_prefix(err, "build context");
	if (!source->keep_said)
		source->keep = keep;
	contexts->slots[contexts->count++] = slot;
	return 0;
}

int build_job_remotes(struct build_job *job, const struct build_request *request, struct err *err)
{
	const struct image_pairs *named = request->contexts;
	const char *keep = NULL;
	int r = 0;

	for (uint32_t i = 0; request->args && i < request->args->count; i++)
		if (strcmp(request->args->items[i].key, "BUILDKIT_CONTEXT_KEEP_GIT_DIR") == 0)
			keep = request->args->items[i].value;
	if (!request->context_open && build_context_is_remote(request->context))
		r = add(job, request->context, -1,
			keep && (!strcmp(keep, "1") || !strcmp(keep, "true")), err);
	for (uint32_t i = 0; r == 0 && named && i < named->count && i < BUILD_CONTEXTS_MAX; i++)
		if (build_context_is_remote(named->items[i].value))
			r = add(job, named->items[i].value, (int32_t)i, false, err);
	return r;
}

static int open_context(struct build_lane *lane, struct err *err)
{
	struct build_contexts *contexts = &lane->job->remotes;
	int32_t slot = contexts->slots[contexts->at];
	int *fd = slot < 0 ? &lane->job->context_fd : &lane->job->named_fds[slot];
	char path[32];

	(void)snprintf(path, sizeof(path), "%u/%s", contexts->at, BUILD_GIT_NAME);
	*fd = fs_open_dir(lane->fetch.fd, path, FS_BENEATH, 0755, err);
	contexts->times[contexts->at] = lane->fetch.mtime_s;
	contexts->at++;
	return *fd < 0 ? *fd : 0;
}

static void on_context(struct build_lane *lane, const struct err *err)
{
	struct build_contexts *contexts = &lane->job->remotes;
	struct err bad = { 0 };

	if (err) {
		bad = *err;
		(void)err_prefix(&bad, "build context %.200s", contexts->list[contexts->at].remote);
	} else if (open_context(lane, &bad) == 0) {
		(void)next_context(lane, &bad);
	}
	if (bad.code)
		build_job_fail(lane, &bad);
}

/* All are there: what was to be read can be. */
static int go_on(struct build_lane *lane, struct err *err)
{
	struct build_contexts *contexts = &lane->job->remotes;

	memcpy(contexts->scratch, lane->fetch.scratch, sizeof(contexts->scratch));
	lane->fetch.scratch[0] = 0;
	build_job_fetch_clear(lane);
	return build_job_read(lane, BUILD_CONTEXT, contexts->path, contexts->max, err);
}

static int next_context(struct build_lane *lane, struct err *err)
{
	struct build_contexts *contexts = &lane->job->remotes;
	const struct git_source *source = &contexts->list[contexts->at];
	struct build_note note = { .kind = BUILD_NOTE_TEXT };

	if (contexts->at == contexts->count)
		return go_on(lane, err);
	note.text = arena_printf(&lane->job->arena, "context %s%s%s", source->remote,
				 *source->ref ? "#" : "", source->ref);
	if (!note.text)
		return err_set(err, -ENOMEM, "no memory for a build");
	build_job_note(lane->job, &note);
	return build_git_start(lane, contexts->at, source, on_context, err);
}

int build_job_remotes_read(struct build_lane *lane, const char *path, uint32_t max, struct err *err)
{
	struct build_contexts *contexts = &lane->job->remotes;
	int r;

	contexts->path = arena_text(&lane->job->arena, str_from(path));
	contexts->max = max;
	if (!contexts->path)
		return err_set(err, -ENOMEM, "no memory for a build");
	build_job_fetch_clear(lane);
	r = build_job_name(lane->fetch.scratch, err);
	if (r >= 0)
		r = build_job_scratch(lane, lane->fetch.scratch, &lane->fetch.fd, NULL, err);
	return r < 0 ? r : next_context(lane, err);
}

int64_t build_job_context_time(void *owner, int32_t from)
{
	const struct build_contexts *contexts = &((struct build_job *)owner)->remotes;
	int32_t slot = from == BUILD_CONTEXT ? -1 : BUILD_NAMED - from;

	for (uint32_t i = 0; i < contexts->at; i++)
		if (contexts->slots[i] == slot)
			return contexts->times[i];
	return -1;
}

void build_job_remotes_done(struct build_job *job)
{
	if (*job->remotes.scratch)
		(void)container_remove(job->env->containers, job->remotes.scratch, NULL);
	job->remotes.scratch[0] = 0;
}
