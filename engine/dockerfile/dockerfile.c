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
	{ "EXPOSE", DOCKERFILE_KIND_EXPOSE, parse_words },
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
};

const char *dockerfile_kind_name(enum dockerfile_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (keywords[i].kind == kind)
			return keywords[i].name;
	return "?";
}

static int unknown_keyword(const struct cursor *cursor, struct str word, size_t at, struct err *err)
{
	const char *names[ARRAY_LEN(keywords)];
	char shown[60], upper[24];
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		names[i] = keywords[i].name;
	if (str_is_nocase(word, "ONBUILD"))
		return cursor_fail(cursor, at, err,
				   "ONBUILD is not supported here: put the instruction into the "
				   "Dockerfile that builds upon this image");
	size_t len = word.len < sizeof(upper) - 1 ? word.len : sizeof(upper) - 1;
	for (size_t i = 0; i < len; i++)
		upper[i] = (char)toupper((unsigned char)word.ptr[i]);
	const char *near = str_nearest(str_make(upper, len), names, ARRAY_LEN(names));
	(void)str_escape(word, shown, sizeof(shown));
	if (near)
		return cursor_fail(cursor, at, err, "unknown instruction: %s (did you mean %s?)",
				   shown, near);
	return cursor_fail(cursor, at, err, "unknown instruction: %s", shown);
}

static const struct keyword *find_keyword(struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (str_is_nocase(word, keywords[i].name))
			return &keywords[i];
	return NULL;
}

/* Heredocs would need the lines behind the instruction, which are not part of it here. */
static int check_heredoc(struct cursor *cursor, const struct dockerfile_step *step, struct err *err)
{
	bool takes = step->kind == DOCKERFILE_KIND_RUN || step->kind == DOCKERFILE_KIND_COPY ||
		     step->kind == DOCKERFILE_KIND_ADD;
	struct str rest = cursor_rest(cursor);
	for (size_t i = 0; takes && i + 2 < rest.len; i++) {
		bool begins = i == 0 || rest.ptr[i - 1] == ' ' || rest.ptr[i - 1] == '\t';
		char next = rest.ptr[i + 2] == '-' && i + 3 < rest.len ? rest.ptr[i + 3]
								       : rest.ptr[i + 2];
		if (begins && rest.ptr[i] == '<' && rest.ptr[i + 1] == '<' &&
		    (isalpha((unsigned char)next) || next == '"' || next == '\''))
			return cursor_fail(cursor, (size_t)(rest.ptr + i - cursor->line->text), err,
					   "heredocs (<<EOF) are not supported here: use a file of "
					   "the build context, or && and \\");
	}
	return 0;
}

static int parse_step(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct str word = { 0 };
	size_t at = 0;
	(void)cursor_word(cursor, &word, &at);
	const struct keyword *keyword = find_keyword(word);
	if (!keyword)
		return unknown_keyword(cursor, word, at, err);
	*step = (struct dockerfile_step){
		.kind = keyword->kind,
		.from = "",
		.chown = "",
		.chmod = "",
		.platform = "",
		.stage = "",
	};
	step->text = arena_text(cursor->arena, str_make(cursor->line->text, cursor->line->len));
	if (!step->text)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	int r = parse_flags(cursor, step, err);
	if (r == 0)
		r = check_heredoc(cursor, step, err);
	return r < 0 ? r : keyword->parse(cursor, step, err);
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

static int read_steps(struct line_reader *reader, struct dockerfile *file, struct err *err)
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
		if (file->step_count == DOCKERFILE_STEPS_MAX)
			return cursor_fail(&cursor, 0, err, "more than %d instructions",
					   DOCKERFILE_STEPS_MAX);
		r = parse_step(&cursor, step, err);
		if (r == 0)
			r = check_order(&cursor, file, step, err);
		if (r < 0)
			return r;
		count_to(reader->text, &counter, line.origin[0], step);
		file->step_count++;
	}
	return r;
}

static int add_warning(struct arena *arena, struct dockerfile *file,
		       const struct dockerfile_step *step, const char *text, struct err *err)
{
	const char *line = arena_printf(arena, "line %u: %s", step->line, text);
	if (!line)
		return err_set(err, -ENOMEM, "out of memory");
	return image_texts_add(arena, &file->warnings, line, err);
}

static int add_warnings(struct arena *arena, struct dockerfile *file, struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < file->step_count; i++)
		if (file->steps[i].kind == DOCKERFILE_KIND_MAINTAINER)
			r = add_warning(arena, file, &file->steps[i],
					"MAINTAINER is deprecated, use LABEL "
					"org.opencontainers.image.authors",
					err);
	return r;
}

int dockerfile_parse(struct str text, struct arena *arena, struct dockerfile *ret_file,
		     struct err *err)
{
	struct dockerfile file = { 0 };
	struct line_reader reader;
	bool have_stage = false;
	int r = check_text(text, err);
	if (r == 0)
		r = line_reader_init(&reader, text, arena, err);
	if (r < 0)
		return r;
	file.escape = reader.escape;
	file.steps = arena_array(arena, DOCKERFILE_STEPS_MAX + 1, sizeof(*file.steps));
	if (!file.steps)
		return err_set(err, -ENOMEM, "out of memory");
	r = read_steps(&reader, &file, err);
	for (uint32_t i = 0; i < file.step_count; i++)
		have_stage = have_stage || file.steps[i].kind == DOCKERFILE_KIND_FROM;
	if (r == 0 && file.step_count == 0)
		r = err_set(err, -EINVAL, "Dockerfile:1:1: file with no instructions");
	else if (r == 0 && !have_stage)
		r = err_set(err, -EINVAL, "Dockerfile:1:1: no build stage: a FROM is missing");
	if (r == 0)
		r = add_warnings(arena, &file, err);
	if (r == 0)
		*ret_file = file;
	return r;
}
