/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of `docker build --check` that need values, bases or .dockerignore. Pure; runs in the api
 * role. Must never refuse a build: what it finds are warnings.
 */
#include "engine/build/plan_lint.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "engine/api/files_msg.h"
#include "engine/dockerfile/ignore.h"
#include "engine/dockerfile/lint.h"
#include "engine/oci/oci.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

static int warn(struct staging *s, const struct dockerfile_step *step, enum dockerfile_rule rule,
		const char *text, struct err *err)
{
	return dockerfile_warn_step(&s->plan->warnings, s->arena, &s->file->checks, step, rule,
				    text, err);
}

/* ---- variables ---- */

/* Where $NAME or ${NAME stands in the first line of the step; the step's own place when it does
 * not. The line is always the first one, as BuildKit says it. */
static void find_name(struct str text, const struct dockerfile_step *step, const char *name,
		      struct dockerfile_warning *warning)
{
	const struct str wanted = str_from(name);
	struct str line = { 0 };
	uint32_t number = 0;

	warning->line = step->line;
	warning->column = step->column;
	while (!step->trigger && number < step->line && str_cut(&text, '\n', &line))
		number++;
	for (size_t at = 0; number == step->line && at + 1 < line.len; at++) {
		struct str rest = str_skip(line, at + 1 + (line.ptr[at + 1] == '{'));

		if (line.ptr[at] != '$' || !str_starts(rest, wanted))
			continue;
		warning->column = (uint32_t)at + 1;
		return;
	}
}

static const char *nearest_variable(const struct staging *s, const char *name)
{
	const struct image_texts *env = &s->stage->image.env;
	struct image_texts names = { 0 };

	for (uint32_t i = 0; i < env->count; i++) {
		struct str pair = str_from(env->items[i]);
		ptrdiff_t equals = str_find(pair, '=');
		const char *key =
			arena_text(s->arena, equals < 0 ? pair : str_head(pair, (size_t)equals));

		if (!key || image_texts_add(s->arena, &names, key, NULL) < 0)
			return NULL;
	}
	for (uint32_t i = 0; i < s->scope.args.count; i++)
		if (image_texts_add(s->arena, &names, s->scope.args.items[i].key, NULL) < 0)
			return NULL;
	return dockerfile_nearest(str_from(name), names.items, names.count);
}

static int lint_variables(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	struct scope_misses *misses = s->scope.misses;
	struct dockerfile_checks checks = s->file->checks;
	int r = 0;

	dockerfile_checks_comments(&checks, step->comments);
	for (uint32_t i = 0; r == 0 && i < misses->count; i++) {
		const char *name = misses->names[i], *near;
		struct dockerfile_warning warning = { .rule = DOCKERFILE_RULE_UNDEFINED_VAR };
		bool declared = !s->base_known;

		for (uint32_t d = 0; d < s->declared_before && !declared; d++)
			declared = !strcmp(s->scope.declared.items[d], name);
		if (declared)
			continue;
		near = nearest_variable(s, name);
		find_name(s->inputs->dockerfile, step, name, &warning);
		warning.text = arena_printf(s->arena, "Usage of undefined variable '$%s'%s%s%s",
					    name, near ? " (did you mean $" : "", near ? near : "",
					    near ? "?)" : "");
		r = dockerfile_warn(&s->plan->warnings, s->arena, &checks, warning, err);
	}
	misses->count = 0;
	return r;
}

/* ---- names that tell a secret ---- */

static bool has_token(struct str name, const char *const *tokens, size_t count)
{
	struct str part;
	bool found = false;

	while (!found && str_cut(&name, '_', &part))
		for (size_t i = 0; i < count && !found; i++)
			found = str_is_nocase(part, tokens[i]);
	return found;
}

bool plan_is_secret(struct str name)
{
	static const char *const secret[] = { "apikey", "auth",	    "credential", "credentials",
					      "key",	"password", "pword",	  "passwd",
					      "secret", "token" };
	static const char *const open[] = { "public", "file", "version" };

	return has_token(name, secret, ARRAY_LEN(secret)) &&
	       !has_token(name, open, ARRAY_LEN(open));
}

static int lint_secret(struct staging *s, const struct dockerfile_step *step, struct str key,
		       struct err *err)
{
	if (!plan_is_secret(key))
		return 0;
	return warn(s, step, DOCKERFILE_RULE_SECRETS_USED_IN_ARG_OR_ENV,
		    arena_printf(s->arena,
				 "Do not use ARG or ENV instructions for sensitive data (%s "
				 "\"%.*s\")",
				 dockerfile_kind_name(step->kind), STR_ARG(key)),
		    err);
}

static int lint_pairs(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	const char *name = dockerfile_kind_name(step->kind);
	int r = 0;

	if (step->legacy)
		r = warn(s, step, DOCKERFILE_RULE_LEGACY_KEY_VALUE_FORMAT,
			 arena_printf(s->arena,
				      "\"%s key=value\" should be used instead of legacy \"%s key "
				      "value\" format",
				      name, name),
			 err);
	for (uint32_t i = 0; r == 0 && step->kind == DOCKERFILE_KIND_ENV && i < step->words.count;
	     i += 2)
		r = lint_secret(s, step, str_from(step->words.items[i]), err);
	return r;
}

static int lint_arg(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < step->words.count; i++) {
		struct str name = str_from(step->words.items[i]);
		ptrdiff_t equals = str_find(name, '=');

		r = lint_secret(s, step, equals < 0 ? name : str_head(name, (size_t)equals), err);
	}
	return r;
}

/* ---- commands ---- */

/* Only the last one of a stage counts: the warning is for the one before. */
static int lint_once(struct staging *s, const struct dockerfile_step *step,
		     const struct dockerfile_step **last, struct err *err)
{
	int r = 0;

	if (*last)
		r = warn(s, *last, DOCKERFILE_RULE_MULTIPLE_INSTRUCTIONS_DISALLOWED,
			 arena_printf(s->arena,
				      "Multiple %s instructions should not be used in the same "
				      "stage because only the last one will be used",
				      dockerfile_kind_name(step->kind)),
			 err);
	*last = step;
	return r;
}

static int lint_command(struct staging *s, const struct dockerfile_step *step,
			const struct dockerfile_step **last, struct err *err)
{
	int r = lint_once(s, step, last, err);

	if (r < 0 || step->json || s->stage->image.shell.count > 0)
		return r;
	return warn(s, step, DOCKERFILE_RULE_JSON_ARGS_RECOMMENDED,
		    arena_printf(s->arena,
				 "JSON arguments recommended for %s to prevent unintended behavior "
				 "related to OS signals",
				 dockerfile_kind_name(step->kind)),
		    err);
}

/* Backslashes and quotes as they stand in quotes. */
static const char *quoted(struct staging *s, const char *text)
{
	char *out = arena_array(s->arena, strlen(text) * 2 + 1, 1), *at = out;

	for (; out && *text; text++) {
		if (*text == '\\' || *text == '"')
			*at++ = '\\';
		*at++ = *text;
	}
	return out ? out : "";
}

/* Only the first WORKDIR of a stage: those behind it stand upon it. */
static int lint_workdir(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	const char *path = "";
	bool first = !s->workdir_set;

	s->workdir_set = true;
	if (!first || scope_expand(&s->scope, step->words.items[0], &path, NULL) < 0 ||
	    *path == '/')
		return 0;
	return warn(s, step, DOCKERFILE_RULE_WORKDIR_RELATIVE_PATH,
		    arena_printf(s->arena,
				 "Relative workdir \"%s\" can have unexpected results if the base "
				 "image changes",
				 quoted(s, path)),
		    err);
}

/* ---- COPY and EXPOSE ---- */

static bool ignores_all(const struct files_ignore *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (str_is(list[i].pattern, "*") || str_is(list[i].pattern, "**") ||
		    str_is(list[i].pattern, "**/*"))
			return true;
	return false;
}

static int lint_copy(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	const struct build_op *op = &s->stage->ops[s->stage->op_count - 1];
	struct files_ignore *list = arena_array(s->arena, FILES_IGNORE_MAX, sizeof(*list));
	int count =
		list && op->from == BUILD_CONTEXT && s->inputs->ignore.len > 0
			? ignore_parse(s->inputs->ignore, s->arena, list, FILES_IGNORE_MAX, NULL)
			: 0;
	int r = 0;

	for (int i = 0; i < count; i++)
		if (list[i].except)
			return 0; /* what comes back cannot be told from the patterns alone */
	for (uint32_t i = 0; r == 0 && count > 0 && i < op->sources.count; i++) {
		struct str source = str_from(op->sources.items[i]);

		while (str_starts(source, STR("/")) || str_starts(source, STR("./")))
			source = str_skip(source, source.ptr[0] == '/' ? 1 : 2);
		while (str_ends(source, STR("/")))
			source.len--;
		if (source.len == 0 || str_is(source, ".")
			    ? !ignores_all(list, (uint32_t)count)
			    : !ignore_match(list, (uint32_t)count, source))
			continue;
		r = warn(s, step, DOCKERFILE_RULE_COPY_IGNORED_FILE,
			 arena_printf(s->arena,
				      "Attempting to %s file \"%.*s\" that is excluded by "
				      ".dockerignore",
				      step->kind == DOCKERFILE_KIND_ADD ? "Add" : "Copy",
				      STR_ARG(source)),
			 err);
	}
	return r;
}

int plan_lint_port(struct staging *s, const struct dockerfile_step *step, const char *port,
		   bool mapped, struct str proto, struct err *err)
{
	bool upper = false;
	int r = 0;

	for (size_t i = 0; i < proto.len; i++)
		upper = upper || isupper((unsigned char)proto.ptr[i]);
	if (upper)
		r = warn(s, step, DOCKERFILE_RULE_EXPOSE_PROTO_CASING,
			 arena_printf(s->arena,
				      "Defined protocol '%s' in EXPOSE instruction should be "
				      "lowercase",
				      port),
			 err);
	if (r == 0 && mapped)
		r = warn(s, step, DOCKERFILE_RULE_EXPOSE_INVALID_FORMAT,
			 arena_printf(s->arena,
				      "EXPOSE instruction should not define an IP address or "
				      "host-port mapping, found '%s'",
				      port),
			 err);
	return r;
}

int plan_lint_step(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	int r = 0;

	if (step->kind == DOCKERFILE_KIND_ENV || step->kind == DOCKERFILE_KIND_LABEL)
		r = lint_pairs(s, step, err);
	else if (step->kind == DOCKERFILE_KIND_ARG)
		r = lint_arg(s, step, err);
	else if (step->kind == DOCKERFILE_KIND_CMD)
		r = lint_command(s, step, &s->last_cmd, err);
	else if (step->kind == DOCKERFILE_KIND_ENTRYPOINT)
		r = lint_command(s, step, &s->last_entrypoint, err);
	else if (step->kind == DOCKERFILE_KIND_HEALTHCHECK)
		r = lint_once(s, step, &s->last_healthcheck, err);
	else if (step->kind == DOCKERFILE_KIND_WORKDIR)
		r = lint_workdir(s, step, err);
	else if (step->kind == DOCKERFILE_KIND_COPY || step->kind == DOCKERFILE_KIND_ADD)
		r = lint_copy(s, step, err);
	return r < 0 ? r : lint_variables(s, step, err);
}

/* ---- FROM ---- */

int plan_lint_base(struct staging *s, const struct dockerfile_step *from, const struct image *base,
		   struct err *err)
{
	struct oci_platform own = oci_platform_own();

	if (!*base->os || !*base->architecture ||
	    (!strcmp(base->os, own.os) && !strcmp(base->architecture, own.architecture)))
		return 0;
	return warn(s, from, DOCKERFILE_RULE_INVALID_BASE_IMAGE_PLATFORM,
		    arena_printf(s->arena,
				 "Base image %s was pulled with platform \"%s/%s\", expected "
				 "\"%s/%s\" for current build",
				 from->words.items[0], base->os, base->architecture, own.os,
				 own.architecture),
		    err);
}

static bool is_os(struct str name)
{
	return str_is_nocase(name, "linux") || str_is_nocase(name, "windows") ||
	       str_is_nocase(name, "darwin") || str_is_nocase(name, "freebsd");
}

static bool contains(const char *text, struct str part)
{
	return part.len > 0 && memmem(text, strlen(text), part.ptr, part.len) != NULL;
}

static int lint_platform(const struct dockerfile *file, const struct dockerfile_step *step,
			 struct build_plan *plan, struct arena *arena, struct err *err)
{
	struct oci_platform own = oci_platform_own();
	struct str rest = str_from(step->platform), os = { 0 }, arch = { 0 };
	enum dockerfile_rule rule = DOCKERFILE_RULE_REDUNDANT_TARGET_PLATFORM;
	const char *text;

	if (!strcmp(step->platform, "$TARGETPLATFORM") ||
	    !strcmp(step->platform, "${TARGETPLATFORM}")) {
		text = arena_printf(arena,
				    "Setting platform to predefined %s in FROM is redundant as "
				    "this is the default behavior",
				    step->platform);
		return dockerfile_warn_step(&plan->warnings, arena, &file->checks, step, rule, text,
					    err);
	}
	if (!*step->platform || strchr(step->platform, '$'))
		return 0;
	(void)str_cut(&rest, '/', &os);
	if (!str_cut(&rest, '/', &arch)) {
		arch = is_os(os) ? str_from(own.architecture) : os;
		os = is_os(os) ? os : str_from(own.os);
	}
	if (contains(step->stage, os) || contains(step->stage, arch))
		return 0;
	rule = DOCKERFILE_RULE_FROM_PLATFORM_FLAG_CONST_DISALLOWED;
	text = arena_printf(arena, "FROM --platform flag should not use constant value \"%s\"",
			    step->platform);
	return dockerfile_warn_step(&plan->warnings, arena, &file->checks, step, rule, text, err);
}

/* The base as it is when no build argument is given has to be one, too. */
static int lint_default(const struct dockerfile *file, const struct scope *global,
			const struct dockerfile_step *step, struct build_plan *plan,
			struct err *err)
{
	char reference[OCI_REFERENCE_MAX];
	const char *image = "";

	if (!global->defaults ||
	    scope_expand(global->defaults, step->words.items[0], &image, NULL) < 0 ||
	    (*image && oci_reference_normalise(str_from(image), reference, NULL) >= 0))
		return 0;
	return dockerfile_warn_step(
		&plan->warnings, global->arena, &file->checks, step,
		DOCKERFILE_RULE_INVALID_DEFAULT_ARG_IN_FROM,
		arena_printf(global->arena,
			     "Default value for ARG %s results in empty or invalid base image name",
			     step->words.items[0]),
		err);
}

/* What may be named in front of the first FROM, and in it. */
static int global_names(const struct scope *global, struct image_texts *ret, struct err *err)
{
	static const char *const own[] = { "TARGETPLATFORM", "TARGETOS",      "TARGETARCH",
					   "TARGETVARIANT",  "BUILDPLATFORM", "BUILDOS",
					   "BUILDARCH",	     "BUILDVARIANT",  "TARGETSTAGE" };
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < global->declared.count; i++)
		r = image_texts_add(global->arena, ret, global->declared.items[i], err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(own); i++)
		r = image_texts_add(global->arena, ret, own[i], err);
	return r;
}

const char *plan_lint_near(const struct scope *global, const char *word)
{
	struct scope_misses misses = { 0 };
	struct scope scope = *global;
	struct image_texts names = { 0 };
	const char *text = "", *near = NULL;

	scope.misses = &misses;
	if (scope_expand(&scope, word, &text, NULL) < 0 || global_names(global, &names, NULL) < 0)
		return NULL;
	for (uint32_t i = 0; !near && i < misses.count; i++)
		near = dockerfile_nearest(str_from(misses.names[i]), names.items, names.count);
	return near;
}

static int lint_missing(const struct dockerfile *file, const struct scope *global,
			const struct dockerfile_step *step, struct build_plan *plan,
			struct err *err)
{
	const struct scope_misses *misses = global->misses;
	struct image_texts names = { 0 };
	int r = global_names(global, &names, err);

	for (uint32_t i = 0; r == 0 && i < misses->count; i++) {
		const char *name = misses->names[i], *near;
		bool known = false;

		for (uint32_t n = 0; n < names.count && !known; n++)
			known = !strcmp(names.items[n], name);
		if (known)
			continue;
		near = dockerfile_nearest(str_from(name), names.items, names.count);
		r = dockerfile_warn_step(&plan->warnings, global->arena, &file->checks, step,
					 DOCKERFILE_RULE_UNDEFINED_ARG_IN_FROM,
					 arena_printf(global->arena,
						      "FROM argument '%s' is not declared%s%s%s",
						      name, near ? " (did you mean " : "",
						      near ? near : "", near ? "?)" : ""),
					 err);
	}
	return r;
}

int plan_lint_from(const struct dockerfile *file, const struct scope *global,
		   const struct dockerfile_step *step, struct build_plan *plan, struct err *err)
{
	const char *image = "";
	int r;

	global->misses->count = 0;
	(void)scope_expand(global, step->words.items[0], &image, NULL);
	(void)scope_expand(global, step->platform, &image, NULL);
	r = lint_missing(file, global, step, plan, err);
	if (r == 0)
		r = lint_default(file, global, step, plan, err);
	if (r == 0)
		r = lint_platform(file, step, plan, global->arena, err);
	return r;
}
