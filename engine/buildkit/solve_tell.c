/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From engine main's notes to what clients of BuildKit's protocol show: steps, output, the reason
 * of a failure with its lines. Runs in the api role. Must never tell of a step as done before
 * engine main did.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/buildkit/pb.h"
#include "engine/buildkit/solve.h"
#include "engine/docker/base64.h"
#include "engine/docker/build.h"
#include "engine/oci/image.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

enum { TELL_SOURCE_MAX = 12 << 10, TELL_TYPE_MAX = 128 };

/* ---- steps ---- */

static const struct outline_step *outline_of(const struct solve *solve, uint32_t step)
{
	return step && step <= solve->outline.step_count ? &solve->outline.steps[step - 1] : NULL;
}

/* "Step 3/7 : RUN make" without what stands in front. */
static struct str step_text(struct str line)
{
	struct str part;

	return str_cut(&line, ':', &part) ? str_trim(line) : line;
}

/* A step that the Dockerfile does not have, of a base image's triggers, is named by its number. */
static const char *step_name(struct solve *solve, uint32_t step, struct str text)
{
	const struct outline_step *known = outline_of(solve, step);

	if (known && str_is(text, known->text))
		return known->name;
	return arena_printf(&solve->arena, "[%u] %.*s", step, STR_ARG(str_head(text, 1000)));
}

static void end_metadata(struct solve *solve)
{
	report_end(&solve->report, solve->metadata, "");
	solve->metadata = NULL;
}

static void begin_step(struct solve *solve, uint32_t step, struct str line)
{
	const struct outline_step *known = outline_of(solve, step);
	const char *name;

	end_metadata(solve);
	if (!step || step > OUTLINE_STEPS_MAX)
		return;
	name = step_name(solve, step, step_text(line));
	if (!name)
		return;
	solve->steps[step] = report_begin(&solve->report, name);
	solve->step = step;
	if (known && known->from)
		report_end(&solve->report, solve->steps[step], "");
}

static struct report_vertex *vertex_of(struct solve *solve, uint32_t step)
{
	return step <= OUTLINE_STEPS_MAX ? solve->steps[step] : NULL;
}

/* A base that is looked up, and what its pull says. */
static void take_text(struct solve *solve, struct str text)
{
	char full[OCI_REFERENCE_MAX];
	const char *name = NULL;

	if (str_starts(text, STR("FROM "))) {
		end_metadata(solve);
		if (oci_reference_normalise(str_skip(text, 5), full, NULL) >= 0)
			name = arena_printf(&solve->arena, "[internal] load metadata for %s", full);
		if (name)
			solve->metadata = report_begin(&solve->report, name);
	} else if (solve->metadata) {
		report_output(&solve->report, solve->metadata, 1, text);
		report_output(&solve->report, solve->metadata, 1, STR("\n"));
	}
}

static void take_output(struct solve *solve, uint32_t step, int stream, struct str text)
{
	struct json_doc doc;
	struct str plain = docker_build_output(text, &doc);

	report_output(&solve->report, vertex_of(solve, step), stream, plain);
	json_done(&doc);
}

/* "warning: Dockerfile:3:1: Rule: what is wrong" */
static void take_warning(struct solve *solve, struct wire *in, struct str text)
{
	struct subrequest_warning warning = { .line = wire_u32(in) };
	struct str part, rest = text;

	(void)wire_u32(in); /* the column: BuildKit tells of lines */
	warning.rule = arena_text(&solve->arena, wire_str(in, 256));
	warning.description = arena_text(&solve->arena, wire_str(in, 1024));
	warning.url = arena_text(&solve->arena, wire_str(in, 1024));
	if (!warning.rule || !warning.description || !warning.url)
		return;
	while (*warning.rule && str_cut(&rest, ':', &part)) {
		if (!str_is(str_trim(part), warning.rule))
			continue;
		text = str_trim(rest);
		break;
	}
	if (str_starts(text, STR("warning: ")))
		text = str_skip(text, 9);
	warning.detail = arena_text(&solve->arena, text);
	if (!in->error && warning.detail)
		solve_take_warning(solve, &warning);
}

static void take_kind(struct solve *solve, uint8_t kind, uint32_t step, struct str text,
		      struct wire *in)
{
	switch ((enum build_note_kind)kind) {
	case BUILD_NOTE_TEXT:
		take_text(solve, text);
		break;
	case BUILD_NOTE_STEP:
		begin_step(solve, step, text);
		break;
	case BUILD_NOTE_CACHED:
		report_cached(&solve->report, vertex_of(solve, step));
		break;
	case BUILD_NOTE_STDOUT:
		take_output(solve, step, 1, text);
		break;
	case BUILD_NOTE_STDERR:
		take_output(solve, step, 2, text);
		break;
	case BUILD_NOTE_DONE:
		report_end(&solve->report, vertex_of(solve, step), "");
		break;
	case BUILD_NOTE_WARNING:
		take_warning(solve, in, text);
		break;
	}
}

void solve_take_note(struct solve *solve, struct wire *in)
{
	uint8_t said = wire_u8(in), kind;
	uint32_t number;
	struct str text;

	if (said == ENGINE_CONTEXT_INPUTS) {
		text = wire_blob(in, ENGINE_CONTEXT_BODY_MAX);
		if (!in->error)
			solve_take_inputs(solve, text);
		return;
	}
	if (said == ENGINE_CONTEXT_FAILED) {
		solve->failed_status = (int32_t)wire_u32(in);
		solve->failed_command = arena_text(&solve->arena, wire_str(in, IMAGE_TEXT_MAX));
		return;
	}
	kind = wire_u8(in);
	number = wire_u32(in);
	text = wire_str(in, BUILD_CALL_VALUE_MAX);
	if (said == ENGINE_CONTEXT_NOTE && !in->error)
		take_kind(solve, kind, number, text, in);
}

/* ---- the end ---- */

static void put_part(struct solve *solve, struct report_vertex *vertex, const char *what,
		     struct str of)
{
	const char *text = arena_printf(&solve->arena, "%s %.*s", what, STR_ARG(of));

	if (text)
		report_part(&solve->report, vertex, text, 0, true);
}

void solve_tell_result(struct solve *solve)
{
	struct report_vertex *vertex;

	end_metadata(solve);
	report_end(&solve->report, solve->loading, "");
	if (solve_is_passing(solve) || solve->request.subrequest)
		return;
	vertex = report_begin(&solve->report, "exporting to image");
	report_part(&solve->report, vertex, "exporting layers", 0, true);
	put_part(solve, vertex, "writing image", str_from(solve->image));
	for (uint32_t i = 0; i < solve->wanted.name_count; i++) {
		struct str name = str_from(solve->wanted.names[i]);

		/* As clients know it: without the tag that goes without saying. */
		if (str_ends(name, STR(":latest")))
			name.len -= 7;
		put_part(solve, vertex, "naming to", name);
	}
	report_end(&solve->report, vertex, "");
}

/* "process "/bin/sh -c x" did not complete successfully: exit code: 1" */
static void put_message(const struct solve *solve, struct buf *text)
{
	struct buf quoted OWN(buf_done) = { 0 };
	struct json_writer w;
	struct str command;

	if (solve->failed_status) {
		buf_init(&quoted, 6 * IMAGE_TEXT_MAX + 16);
		json_writer_init(&w, &quoted);
		json_put_text(&w, solve->failed_command ? solve->failed_command : "");
		command = str_head(buf_str(&quoted), SOLVE_COMMAND_MAX);
		/* Not within a character. */
		while (command.len < quoted.len && command.len &&
		       ((uint8_t)quoted.data[command.len] & 0xc0) == 0x80)
			command.len--;
		(void)buf_add_text(text, "process ");
		(void)buf_add_str(text, command);
		(void)buf_printf(text, " did not complete successfully: exit code: %d",
				 (int)solve->failed_status);
		return;
	}
	if (!solve->planned && solve->error_line)
		(void)buf_printf(text, "dockerfile parse error on line %u: ", solve->error_line);
	(void)buf_add_text(text, err_text(&solve->error));
}

/* The step that failed: the one of the error's line, else the last that began and has not ended. */
static uint32_t failed_step(const struct solve *solve)
{
	for (uint32_t i = 1; i <= solve->outline.step_count; i++) {
		const struct report_vertex *vertex = solve->steps[i];

		if (vertex && !vertex->ended &&
		    solve->error_line == solve->outline.steps[i - 1].line)
			return i;
	}
	return solve->step && !solve->steps[solve->step]->ended ? solve->step : 0;
}

void solve_tell_failure(struct solve *solve)
{
	struct buf text OWN(buf_done) = { 0 };
	uint32_t step = failed_step(solve);
	struct report *report = &solve->report;
	const struct outline_step *known = outline_of(solve, step);

	buf_init(&text, SOLVE_TEXT_MAX);
	put_message(solve, &text);
	if (known && !solve->error_line)
		solve->error_line = known->line;
	solve->failed_step = step;
	report_end(report, vertex_of(solve, step), buf_text(&text));
	for (uint32_t i = 0; i < report->count; i++) {
		if (!report->vertices[i].ended)
			report_end(report, &report->vertices[i],
				   step ? "context canceled" : buf_text(&text));
	}
}

/* One of a Status's details: {1 type, 2 JSON}. */
static void put_detail(struct buf *status, const char *type, struct buf *json)
{
	struct buf detail OWN(buf_done) = { 0 };
	char name[TELL_TYPE_MAX];

	(void)snprintf(name, sizeof(name), "github.com/moby/buildkit/%s+json", type);
	buf_init(&detail, GRPC_DETAILS_MAX);
	pb_put_text(&detail, 1, name);
	pb_put_bytes(&detail, 2, buf_str(json));
	/* A header holds them in base64; one that does not fit beside the text is left out. */
	if (!buf_error(&detail) && !buf_error(json) &&
	    status->len + detail.len < GRPC_DETAILS_MAX / 4 * 3 - 64)
		pb_put_bytes(status, 3, buf_str(&detail));
}

static void put_place(struct json_writer *w, const char *key, uint32_t line)
{
	json_key(w, key);
	json_begin_object(w);
	json_member_u64(w, "line", line);
	json_end_object(w);
}

/* The Dockerfile and the lines of it, of which clients show the ones around. */
static void put_source(const struct solve *solve, uint32_t first, uint32_t last, struct buf *status)
{
	struct buf json OWN(buf_done) = { 0 }, data OWN(buf_done) = { 0 };
	struct str text = buf_str(&solve->files[0].data);
	struct json_writer w;

	if (text.len > TELL_SOURCE_MAX)
		return;
	buf_init(&json, GRPC_DETAILS_MAX);
	buf_init(&data, GRPC_DETAILS_MAX);
	docker_base64_encode(text, &data);
	json_writer_init(&w, &json);
	json_begin_object(&w);
	json_key(&w, "info");
	json_begin_object(&w);
	json_member_text(&w, "filename", solve->wanted.dockerfile);
	json_member_str(&w, "data", buf_str(&data));
	json_end_object(&w);
	json_key(&w, "ranges");
	json_begin_array(&w);
	json_begin_object(&w);
	put_place(&w, "start", first);
	put_place(&w, "end", last);
	json_end_object(&w);
	json_end_array(&w);
	json_end_object(&w);
	put_detail(status, "errdefs.Source", &json);
}

static void put_vertex(const struct report_vertex *vertex, struct buf *status)
{
	struct buf json OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&json, 256);
	json_writer_init(&w, &json);
	json_begin_object(&w);
	json_member_text(&w, "digest", vertex->digest);
	json_end_object(&w);
	put_detail(status, "errdefs.Vertex", &json);
}

void solve_put_failure(const struct solve *solve, struct buf *text, struct buf *status)
{
	uint32_t line = solve->error_line, last = line;
	const struct outline_step *known = outline_of(solve, solve->failed_step);

	put_message(solve, text);
	pb_put_number(status, 1, GRPC_UNKNOWN);
	pb_put_text(status, 2, buf_text(text));
	for (uint32_t i = 0; i < solve->outline.step_count; i++) {
		if (solve->outline.steps[i].line == line)
			last = solve->outline.steps[i].last_line;
	}
	if (known && solve->failed_status) {
		line = known->line;
		last = known->last_line;
	}
	if (line)
		put_source(solve, line, last, status);
	if (solve->failed_step && solve->steps[solve->failed_step])
		put_vertex(solve->steps[solve->failed_step], status);
}
