/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions of a Dockerfile: one table, one loop. Pure; runs in the api role. Must never
 * expand a variable: the values are known later.
 */
#include "engine/dockerfile/dockerfile.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/dockerfile/heredoc.h"
#include "engine/dockerfile/lint.h"
#include "engine/dockerfile/parse.h"
#include "lib/own.h"

static const struct keyword {
	const char *name;
	enum dockerfile_kind kind;
	parse_fn *parse;
} keywords[] = {
	{ "FROM", DOCKERFILE_KIND_FROM, parse_from },
	{ "RUN", DOCKERFILE_KIND_RUN, parse_command },
	{ "CMD", DOCKERFILE_KIND_CMD, parse_command },
	{ "LABEL", DOCKERFILE_KIND_LABEL, parse_pairs },
	{ "EXPOSE", DOCKERFILE_KIND_EXPOSE, parse_expose },
	{ "ENV", DOCKERFILE_KIND_ENV, parse_pairs },
	{ "ADD", DOCKERFILE_KIND_ADD, parse_copy },
	{ "COPY", DOCKERFILE_KIND_COPY, parse_copy },
	{ "ENTRYPOINT", DOCKERFILE_KIND_ENTRYPOINT, parse_command },
	{ "VOLUME", DOCKERFILE_KIND_VOLUME, parse_words },
	{ "USER", DOCKERFILE_KIND_USER, parse_one },
	{ "WORKDIR", DOCKERFILE_KIND_WORKDIR, parse_one },
	{ "ARG", DOCKERFILE_KIND_ARG, parse_arg },
	{ "STOPSIGNAL", DOCKERFILE_KIND_STOPSIGNAL, parse_one },
	{ "HEALTHCHECK", DOCKERFILE_KIND_HEALTHCHECK, parse_healthcheck },
	{ "SHELL", DOCKERFILE_KIND_SHELL, parse_shell },
	{ "MAINTAINER", DOCKERFILE_KIND_MAINTAINER, parse_one },
	{ "ONBUILD", DOCKERFILE_KIND_ONBUILD, NULL },
};

const char *dockerfile_kind_name(enum dockerfile_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (keywords[i].kind == kind)
			return keywords[i].name;
	return "?";
}

void dockerfile_place(struct str text, size_t offset, uint32_t *ret_line, uint32_t *ret_column)
{
	line_position(text, offset, ret_line, ret_column);
}

static int unknown_keyword(const struct cursor *cursor, struct str word, size_t at, struct err *err)
{
	const char *names[ARRAY_LEN(keywords)];
	char shown[60], upper[24] = "", meant[24] = "";
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		names[i] = keywords[i].name;
	bool shouts = true;
	for (size_t i = 0; i < word.len && i < sizeof(upper) - 1; i++) {
		upper[i] = (char)toupper((unsigned char)word.ptr[i]);
		shouts = shouts && upper[i] == word.ptr[i];
	}
	const char *near = dockerfile_nearest(str_from(upper), names, ARRAY_LEN(names));
	for (size_t i = 0; near && near[i] && i < sizeof(meant) - 1; i++)
		meant[i] = shouts ? near[i] : (char)tolower((unsigned char)near[i]);
	(void)str_escape(word, shown, sizeof(shown));
	return cursor_fail(cursor, at, err, "unknown instruction: %s%s%s%s", shown,
			   near ? " (did you mean " : "", meant, near ? "?)" : "");
}

static const struct keyword *find_keyword(struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (str_is_nocase(word, keywords[i].name))
			return &keywords[i];
	return NULL;
}

static bool takes_heredocs(const struct dockerfile_step *step)
{
	return !step->json &&
	       (step->kind == DOCKERFILE_KIND_RUN || step->kind == DOCKERFILE_KIND_COPY ||
		step->kind == DOCKERFILE_KIND_ADD);
}

/* The sources of a COPY that are here-documents leave its words: they are in step->heredocs. */
static int split_sources(const struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < step->words.count; i++) {
		struct dockerfile_heredoc doc;
		bool chomp = false, last = i + 1 == step->words.count;
		int r = heredoc_parse(cursor->arena, str_from(step->words.items[i]), &doc, &chomp,
				      err);
		if (r < 0)
			return r;
		if (r == 1 && last)
			return cursor_fail(cursor, 0, err,
					   "%s cannot accept a heredoc as a destination",
					   dockerfile_kind_name(step->kind));
		if (r == 1)
			continue;
		step->offsets[kept] = step->offsets[i];
		step->words.items[kept++] = step->words.items[i];
	}
	step->words.count = kept;
	return 0;
}

static int parse_step(struct line_reader *reader, struct cursor *cursor,
		      struct dockerfile_step *step, struct err *err);

/* ONBUILD: the instruction is read as if it stood alone, and kept as its text. */
static int parse_onbuild(struct line_reader *reader, struct cursor *cursor,
			 struct dockerfile_step *step, struct err *err)
{
	struct dockerfile_step inner;
	struct buf text OWN(buf_done) = { 0 };
	struct str rest = cursor_rest(cursor);
	struct cursor peek = *cursor;
	struct str word;
	size_t at = 0;
	if (!cursor_plain_word(&peek, &word, &at))
		return cursor_fail(cursor, 0, err, "ONBUILD requires at least one argument");
	if (str_is_nocase(word, "ONBUILD"))
		return cursor_fail(cursor, at, err,
				   "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	if (str_is_nocase(word, "FROM") || str_is_nocase(word, "MAINTAINER"))
		return cursor_fail(cursor, at, err, "%s isn't allowed as an ONBUILD trigger",
				   str_is_nocase(word, "FROM") ? "FROM" : "MAINTAINER");
	int r = parse_step(reader, cursor, &inner, err);
	if (r < 0)
		return r;
	buf_init(&text, DOCKERFILE_BYTES_MAX * 2);
	(void)buf_add_str(&text, rest);
	for (uint32_t i = 0; i < inner.heredoc_count; i++)
		(void)buf_printf(&text, "\n%s%s", inner.heredocs[i].raw, inner.heredocs[i].name);
	const char *kept = arena_text(cursor->arena, buf_str(&text));
	step->offsets = arena_array(cursor->arena, 1, sizeof(*step->offsets));
	if (buf_error(&text) < 0 || !kept || !step->offsets)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	step->offsets[0] = cursor->line->origin[at];
	return image_texts_add(cursor->arena, &step->words, kept, err);
}

static int parse_step(struct line_reader *reader, struct cursor *cursor,
		      struct dockerfile_step *step, struct err *err)
{
	struct str word = { 0 };
	size_t at = 0;
	(void)cursor_plain_word(cursor, &word, &at);
	const struct keyword *keyword = find_keyword(word);
	if (!keyword)
		return unknown_keyword(cursor, word, at, err);
	*step = (struct dockerfile_step){
		.kind = keyword->kind,
		.from = "",
		.chown = "",
		.chmod = "",
		.platform = "",
		.checksum = "",
		.network = "",
		.stage = "",
		.stage_raw = "",
		.as = "",
		.comments = cursor->line->comments,
	};
	step->text = arena_text(cursor->arena, str_make(cursor->line->text, cursor->line->len));
	if (!step->text)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	if (keyword->kind == DOCKERFILE_KIND_ONBUILD)
		return parse_onbuild(reader, cursor, step, err);
	int r = parse_flags(cursor, step, err);
	if (r == 0)
		r = keyword->parse(cursor, step, err);
	if (r == 0 && takes_heredocs(step))
		r = heredoc_read(reader, cursor, step, err);
	if (r == 0 && step->heredoc_count > 0 && step->kind != DOCKERFILE_KIND_RUN)
		r = split_sources(cursor, step, err);
	return r;
}

/* What an instruction may not follow or precede. */
static int check_order(const struct cursor *cursor, const struct dockerfile *file,
		       const struct dockerfile_step *step, struct err *err)
{
	bool have_stage = false;
	for (uint32_t i = 0; i < file->step_count; i++)
		have_stage = have_stage || file->steps[i].kind == DOCKERFILE_KIND_FROM;
	if (have_stage || step->kind == DOCKERFILE_KIND_FROM || step->kind == DOCKERFILE_KIND_ARG)
		return 0;
	return cursor_fail(cursor, 0, err,
			   "no build stage in current context: %s stands before "
			   "the first FROM",
			   dockerfile_kind_name(step->kind));
}

/* Positions are asked for in ascending order: counting goes on where it stopped. */
struct counter {
	size_t at;
	uint32_t line;
};

static void count_to(struct str text, struct counter *counter, size_t offset,
		     struct dockerfile_step *step)
{
	size_t start = offset;
	for (; counter->at < offset; counter->at++)
		counter->line += text.ptr[counter->at] == '\n';
	while (start > 0 && text.ptr[start - 1] != '\n')
		start--;
	step->line = counter->line;
	step->column = (uint32_t)(offset - start) + 1;
}

static int check_text(struct str text, struct err *err)
{
	uint32_t line = 0, column = 0;
	if (text.len > DOCKERFILE_BYTES_MAX)
		return err_set(err, -EFBIG, "Dockerfile is larger than %d KiB",
			       DOCKERFILE_BYTES_MAX >> 10);
	ptrdiff_t nul = str_find(text, '\0');
	if (nul < 0)
		return 0;
	line_position(text, (size_t)nul, &line, &column);
	return err_set(err, -EINVAL, "Dockerfile:%u:%u: has a NUL byte: is this a text file?", line,
		       column);
}

static int warn_empty(const struct line_reader *reader, struct dockerfile *file,
		      const struct dockerfile_step *step, uint32_t end, struct err *err)
{
	struct dockerfile_checks checks = file->checks;
	struct dockerfile_warning warning = { .rule = DOCKERFILE_RULE_NO_EMPTY_CONTINUATION,
					      .text = "Empty continuation line" };
	/* Docker counts it where the instruction ends. */
	line_position(reader->text, end, &warning.line, &warning.column);
	warning.column = 1;
	dockerfile_checks_comments(&checks, step->comments);
	return dockerfile_warn(&file->warnings, reader->arena, &checks, warning, err);
}

static int read_steps(struct line_reader *reader, struct dockerfile *file, bool trigger,
		      struct err *err)
{
	struct counter counter = { 0, 1 };
	struct line line;
	int r;
	while ((r = line_next(reader, &line, err)) == 1) {
		struct cursor cursor = {
			.file = reader->text,
			.line = &line,
			.escape = reader->escape,
			.arena = reader->arena,
		};
		struct dockerfile_step *step = &file->steps[file->step_count];
		if (line.len == 0)
			continue; /* only an escape stood there */
		if (trigger && file->step_count == 1)
			return err_set(err, -EINVAL,
				       "onbuild trigger should be a single expression");
		if (file->step_count == DOCKERFILE_STEPS_MAX)
			return cursor_fail(&cursor, 0, err, "more than %d instructions",
					   DOCKERFILE_STEPS_MAX);
		r = parse_step(reader, &cursor, step, err);
		if (r == 0 && !trigger)
			r = check_order(&cursor, file, step, err);
		if (r < 0)
			return r;
		count_to(reader->text, &counter, line.origin[0], step);
		if (line.empty_at)
			r = warn_empty(reader, file, step, line.origin[line.len - 1], err);
		if (r < 0)
			return r;
		file->step_count++;
	}
	return r;
}

/* "# syntax=" names the frontend; ours is the only one, and speaks docker/dockerfile:1. */
static int check_syntax(struct arena *arena, struct dockerfile *file, struct str syntax,
			struct err *err)
{
	char shown[100];
	if (syntax.len == 0 || str_starts(syntax, STR("docker/dockerfile:")) ||
	    str_is(syntax, "docker/dockerfile") ||
	    str_starts(syntax, STR("docker.io/docker/dockerfile")))
		return 0;
	(void)str_escape(syntax, shown, sizeof(shown));
	return dockerfile_warn(
		&file->warnings, arena, &file->checks,
		(struct dockerfile_warning){
			DOCKERFILE_RULE_NONE, 1, 1,
			arena_printf(arena,
				     "syntax=%s is not used: the built-in frontend reads this "
				     "file",
				     shown) },
		err);
}

int dockerfile_parse(struct str text, struct arena *arena, struct dockerfile *ret_file,
		     struct err *err)
{
	struct dockerfile file = { 0 };
	struct line_reader reader;
	bool have_stage = false;
	int r = text.len == 0
			? err_set(err, -EINVAL, "Dockerfile:1:1: the Dockerfile cannot be empty")
			: check_text(text, err);
	if (r == 0)
		r = line_reader_init(&reader, text, arena, err);
	if (r < 0)
		return r;
	file.escape = reader.escape;
	if (dockerfile_checks_add(&file.checks, reader.check, err) < 0)
		return err_prefix(err, "Dockerfile:1:1: failed to parse check options");
	file.steps = arena_array(arena, DOCKERFILE_STEPS_MAX + 1, sizeof(*file.steps));
	if (!file.steps)
		return err_set(err, -ENOMEM, "out of memory");
	r = read_steps(&reader, &file, false, err);
	for (uint32_t i = 0; i < file.step_count; i++)
		have_stage = have_stage || file.steps[i].kind == DOCKERFILE_KIND_FROM;
	if (r == 0 && file.step_count == 0)
		r = err_set(err, -EINVAL, "Dockerfile:1:1: file with no instructions");
	else if (r == 0 && !have_stage)
		r = err_set(err, -EINVAL, "Dockerfile:1:1: dockerfile contains no stages to build");
	if (r == 0)
		r = check_syntax(arena, &file, reader.syntax, err);
	if (r == 0)
		r = dockerfile_lint(&file, false, arena, err);
	else
		(void)dockerfile_lint(&file, true, arena, NULL);
	dockerfile_warnings_sort(&file.warnings);
	*ret_file = r == 0 ? file : (struct dockerfile){ .warnings = file.warnings };
	return r;
}

int dockerfile_parse_trigger(struct str text, struct arena *arena, struct dockerfile_step *ret_step,
			     struct err *err)
{
	struct dockerfile file = { 0 };
	struct line_reader reader;
	int r = check_text(text, err);
	if (r == 0)
		r = line_reader_init(&reader, text, arena, err);
	if (r < 0)
		return r;
	file.steps = arena_array(arena, 2, sizeof(*file.steps));
	if (!file.steps)
		return err_set(err, -ENOMEM, "out of memory");
	r = read_steps(&reader, &file, true, err);
	if (r < 0)
		return r;
	if (file.step_count != 1)
		return err_set(err, -EINVAL, "onbuild trigger should be a single expression");
	*ret_step = file.steps[0];
	if (ret_step->kind == DOCKERFILE_KIND_FROM || ret_step->kind == DOCKERFILE_KIND_ONBUILD ||
	    ret_step->kind == DOCKERFILE_KIND_MAINTAINER)
		return err_set(err, -EINVAL, "%s isn't allowed as an ONBUILD trigger",
			       dockerfile_kind_name(ret_step->kind));
	return 0;
}
