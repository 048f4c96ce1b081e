/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of `docker build --check` that need nothing but the file: names, casing, comments. Pure;
 * runs in the api role. Must never refuse a file: what it finds are warnings.
 */
#include "engine/dockerfile/lint.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum casing { CASING_NONE, CASING_LOWER, CASING_UPPER };

static struct str keyword_of(const struct dockerfile_step *step)
{
	size_t len = 0;

	while (isalpha((unsigned char)step->text[len]))
		len++;
	return str_make(step->text, len);
}

static enum casing casing_of(struct str word)
{
	bool lower = true, upper = true;

	for (size_t i = 0; i < word.len; i++) {
		lower = lower && !isupper((unsigned char)word.ptr[i]);
		upper = upper && !islower((unsigned char)word.ptr[i]);
	}
	return lower ? CASING_LOWER : upper ? CASING_UPPER : CASING_NONE;
}

int dockerfile_warn_step(struct dockerfile_warnings *list, struct arena *arena,
			 const struct dockerfile_checks *checks, const struct dockerfile_step *step,
			 enum dockerfile_rule rule, const char *text, struct err *err)
{
	struct dockerfile_checks own = *checks;

	dockerfile_checks_comments(&own, step->comments);
	return dockerfile_warn(list, arena, &own,
			       (struct dockerfile_warning){ rule, step->line, step->column, text },
			       err);
}

struct linting {
	bool part; /* of a file that is wrong behind them: nothing about all steps */
	struct dockerfile *file;
	struct arena *arena;
	struct err *err;
};

static int warn(const struct linting *l, const struct dockerfile_step *step,
		enum dockerfile_rule rule, const char *text)
{
	return dockerfile_warn_step(&l->file->warnings, l->arena, &l->file->checks, step, rule,
				    text, l->err);
}

/* All keywords as most of them are; one that mixes both is never right. */
static int lint_casing(const struct linting *l)
{
	const struct dockerfile *file = l->file;
	uint32_t lower = 0, upper = 0;
	int r = 0;

	for (uint32_t i = 0; i < file->step_count; i++) {
		enum casing casing = casing_of(keyword_of(&file->steps[i]));

		lower += casing == CASING_LOWER;
		upper += casing == CASING_UPPER;
	}
	for (uint32_t i = 0; r == 0 && i < file->step_count; i++) {
		struct str word = keyword_of(&file->steps[i]);

		if (casing_of(word) == (lower > upper ? CASING_LOWER : CASING_UPPER))
			continue;
		r = warn(l, &file->steps[i], DOCKERFILE_RULE_CONSISTENT_INSTRUCTION_CASING,
			 arena_printf(l->arena,
				      "Command '%.*s' should match the case of the command "
				      "majority (%s)",
				      STR_ARG(word), lower > upper ? "lowercase" : "uppercase"));
	}
	return r;
}

static int lint_names(const struct linting *l, uint32_t index)
{
	const struct dockerfile *file = l->file;
	const struct dockerfile_step *step = &file->steps[index];
	bool again = false;
	int r = 0;

	if (!strcmp(step->stage, "scratch") || !strcmp(step->stage, "context"))
		r = warn(l, step, DOCKERFILE_RULE_RESERVED_STAGE_NAME,
			 arena_printf(l->arena,
				      "Stage name should not use the same name as reserved stage "
				      "\"%s\"",
				      step->stage));
	for (uint32_t i = 0; i < index; i++)
		again = again || (file->steps[i].kind == DOCKERFILE_KIND_FROM &&
				  !strcmp(file->steps[i].stage, step->stage));
	if (r == 0 && again)
		r = warn(l, step, DOCKERFILE_RULE_DUPLICATE_STAGE_NAME,
			 arena_printf(l->arena,
				      "Duplicate stage name \"%s\", stage names should be unique",
				      step->stage));
	return r;
}

static int lint_from(const struct linting *l, uint32_t index)
{
	const struct dockerfile_step *step = &l->file->steps[index];
	struct str from = keyword_of(step);
	enum casing casing = casing_of(from);
	int r = 0;

	if (!*step->stage)
		return 0;
	if (strcmp(step->stage, step->stage_raw) != 0)
		r = warn(l, step, DOCKERFILE_RULE_STAGE_NAME_CASING,
			 arena_printf(l->arena, "Stage name '%s' should be lowercase",
				      step->stage_raw));
	if (r == 0 && casing != CASING_NONE && casing_of(str_from(step->as)) != casing)
		r = warn(l, step, DOCKERFILE_RULE_FROM_AS_CASING,
			 arena_printf(l->arena, "'%s' and '%.*s' keywords' casing do not match",
				      step->as, STR_ARG(from)));
	return r < 0 || l->part ? r : lint_names(l, index);
}

/* The last comment line in front of a step, without its '#'. */
static struct str last_comment(struct str comments)
{
	struct str line, last = { 0 };

	while (str_cut(&comments, '\n', &line)) {
		struct str text = str_trim(line);

		if (str_ends(text, STR("\r")))
			text.len--;
		if (text.len > 0)
			last = str_trim(str_skip(text, 1));
	}
	return last;
}

static struct str arg_name(const char *word)
{
	struct str name = str_from(word);
	ptrdiff_t equals = str_find(name, '=');

	return equals < 0 ? name : str_head(name, (size_t)equals);
}

/* "# NAME what it is for" is what a comment right above an ARG or a stage should look like. */
static int lint_description(const struct linting *l, const struct dockerfile_step *step)
{
	struct str first, rest = last_comment(step->comments);
	bool is_from = step->kind == DOCKERFILE_KIND_FROM;
	struct str name = str_from(step->stage);

	if (rest.len == 0 || (is_from && name.len == 0))
		return 0;
	(void)str_cut(&rest, ' ', &first);
	if (is_from && str_eq(first, name))
		return 0;
	for (uint32_t i = 0; !is_from && i < step->words.count; i++)
		if (str_eq(first, arg_name(step->words.items[i])))
			return 0;
	if (!is_from)
		name = step->words.count > 1 ? STR("<arg_key>") : arg_name(step->words.items[0]);
	return warn(l, step, DOCKERFILE_RULE_INVALID_DEFINITION_DESCRIPTION,
		    arena_printf(l->arena,
				 "Comment for %s should follow the format: `# %.*s <description>`",
				 is_from ? "FROM" : "ARG", STR_ARG(name)));
}

int dockerfile_lint(struct dockerfile *file, bool part, struct arena *arena, struct err *err)
{
	const struct linting l = { part, file, arena, err };
	int r = part ? 0 : lint_casing(&l);

	for (uint32_t i = 0; r == 0 && i < file->step_count; i++) {
		const struct dockerfile_step *step = &file->steps[i];

		if (step->kind == DOCKERFILE_KIND_MAINTAINER)
			r = warn(&l, step, DOCKERFILE_RULE_MAINTAINER_DEPRECATED,
				 "Maintainer instruction is deprecated in favor of using label");
		if (step->kind == DOCKERFILE_KIND_FROM)
			r = lint_from(&l, i);
		if (r == 0 &&
		    (step->kind == DOCKERFILE_KIND_FROM || step->kind == DOCKERFILE_KIND_ARG))
			r = lint_description(&l, step);
	}
	return r;
}
