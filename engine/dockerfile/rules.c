/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of `docker build --check`: names, which of them are told, the list of what was found.
 * Pure; runs in the api role. Must never let a file grow the list without bound.
 */
#include "engine/dockerfile/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/buf.h"
#include "lib/own.h"

#define RULE_SITE "https://docs.docker.com/go/dockerfile/rule/"

static const struct rule {
	const char *name, *slug, *description;
} rules[DOCKERFILE_RULE_COUNT] = {
	[DOCKERFILE_RULE_NONE] = { "", "", "" },
	[DOCKERFILE_RULE_STAGE_NAME_CASING] = { "StageNameCasing", "stage-name-casing",
						"Stage names should be lowercase" },
	[DOCKERFILE_RULE_FROM_AS_CASING] = { "FromAsCasing", "from-as-casing",
					     "The 'as' keyword should match the case of the "
					     "'from' keyword" },
	[DOCKERFILE_RULE_NO_EMPTY_CONTINUATION] = { "NoEmptyContinuation", "no-empty-continuation",
						    "Empty continuation lines will become errors "
						    "in a future release" },
	[DOCKERFILE_RULE_CONSISTENT_INSTRUCTION_CASING] = { "ConsistentInstructionCasing",
							    "consistent-instruction-casing",
							    "All commands within the Dockerfile "
							    "should use the same casing (either "
							    "upper or lower)" },
	[DOCKERFILE_RULE_DUPLICATE_STAGE_NAME] = { "DuplicateStageName", "duplicate-stage-name",
						   "Stage names should be unique" },
	[DOCKERFILE_RULE_RESERVED_STAGE_NAME] = { "ReservedStageName", "reserved-stage-name",
						  "Reserved words should not be used as stage "
						  "names" },
	[DOCKERFILE_RULE_JSON_ARGS_RECOMMENDED] = { "JSONArgsRecommended", "json-args-recommended",
						    "JSON arguments recommended for "
						    "ENTRYPOINT/CMD to prevent unintended "
						    "behavior related to OS signals" },
	[DOCKERFILE_RULE_MAINTAINER_DEPRECATED] = { "MaintainerDeprecated", "maintainer-deprecated",
						    "The MAINTAINER instruction is deprecated, "
						    "use a label instead to define an image "
						    "author" },
	[DOCKERFILE_RULE_UNDEFINED_ARG_IN_FROM] = { "UndefinedArgInFrom", "undefined-arg-in-from",
						    "FROM command must use declared ARGs" },
	[DOCKERFILE_RULE_WORKDIR_RELATIVE_PATH] = { "WorkdirRelativePath", "workdir-relative-path",
						    "Relative workdir without an absolute workdir "
						    "declared within the build can have "
						    "unexpected results if the base image "
						    "changes" },
	[DOCKERFILE_RULE_UNDEFINED_VAR] = { "UndefinedVar", "undefined-var",
					    "Variables should be defined before their use" },
	[DOCKERFILE_RULE_MULTIPLE_INSTRUCTIONS_DISALLOWED] = { "MultipleInstructionsDisallowed",
							       "multiple-instructions-disallowed",
							       "Multiple instructions of the same "
							       "type should not be used in the "
							       "same stage" },
	[DOCKERFILE_RULE_LEGACY_KEY_VALUE_FORMAT] = { "LegacyKeyValueFormat",
						      "legacy-key-value-format",
						      "Legacy key/value format with whitespace "
						      "separator should not be used" },
	[DOCKERFILE_RULE_INVALID_BASE_IMAGE_PLATFORM] = { "InvalidBaseImagePlatform", "",
							  "Base image platform does not match "
							  "expected target platform" },
	[DOCKERFILE_RULE_REDUNDANT_TARGET_PLATFORM] = { "RedundantTargetPlatform",
							"redundant-target-platform",
							"Setting platform to predefined "
							"$TARGETPLATFORM in FROM is redundant as "
							"this is the default behavior" },
	[DOCKERFILE_RULE_SECRETS_USED_IN_ARG_OR_ENV] = { "SecretsUsedInArgOrEnv",
							 "secrets-used-in-arg-or-env",
							 "Sensitive data should not be used in "
							 "the ARG or ENV commands" },
	[DOCKERFILE_RULE_INVALID_DEFAULT_ARG_IN_FROM] = { "InvalidDefaultArgInFrom",
							  "invalid-default-arg-in-from",
							  "Default value for global ARG results "
							  "in an empty or invalid base image "
							  "name" },
	[DOCKERFILE_RULE_FROM_PLATFORM_FLAG_CONST_DISALLOWED] = { "FromPlatformFlagConstDisallowed",
								  "from-platform-flag-const-"
								  "disallowed",
								  "FROM --platform flag should "
								  "not use a constant value" },
	[DOCKERFILE_RULE_COPY_IGNORED_FILE] = { "CopyIgnoredFile", "copy-ignored-file",
						"Attempting to Copy file that is excluded by "
						".dockerignore" },
	[DOCKERFILE_RULE_INVALID_DEFINITION_DESCRIPTION] = { "InvalidDefinitionDescription",
							     "invalid-definition-description",
							     "Comment for build stage or argument "
							     "should follow the format: `# "
							     "<arg/stage name> <description>`. If "
							     "this is not intended to be a "
							     "description comment, add an empty "
							     "line or comment between the "
							     "instruction and the comment." },
	[DOCKERFILE_RULE_EXPOSE_PROTO_CASING] = { "ExposeProtoCasing", "expose-proto-casing",
						  "Protocol in EXPOSE instruction should be "
						  "lowercase" },
	[DOCKERFILE_RULE_EXPOSE_INVALID_FORMAT] = { "ExposeInvalidFormat", "expose-invalid-format",
						    "IP address and host-port mapping should not "
						    "be used in EXPOSE instruction. This will "
						    "become an error in a future release" },
};

const char *dockerfile_rule_name(enum dockerfile_rule rule)
{
	return rules[rule].name;
}

const char *dockerfile_rule_description(enum dockerfile_rule rule)
{
	return rules[rule].description;
}

void dockerfile_rule_url(enum dockerfile_rule rule, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%s%s%s", *rules[rule].slug ? RULE_SITE : "", rules[rule].slug,
		       *rules[rule].slug ? "/" : "");
}

/* ---- which are told ---- */

/* Names cut by commas into bits; "all" is every one of them. Unknown ones mean nothing. */
static uint64_t rule_bits(struct str names)
{
	uint64_t bits = 0;
	struct str name;

	while (str_cut(&names, ',', &name)) {
		name = str_trim(name);
		if (str_is(name, "all"))
			bits = UINT64_MAX;
		for (unsigned i = 1; i < DOCKERFILE_RULE_COUNT; i++)
			if (str_is(name, rules[i].name))
				bits |= UINT64_C(1) << i;
	}
	return bits;
}

static bool is_word(struct str text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_is(text, words[i]))
			return true;
	return false;
}

int dockerfile_checks_add(struct dockerfile_checks *checks, struct str value, struct err *err)
{
	static const char *const yes[] = { "true", "True", "TRUE", "t", "T", "1" };
	static const char *const no[] = { "false", "False", "FALSE", "f", "F", "0" };
	struct str part;
	char shown[60];

	while (str_cut(&value, ';', &part)) {
		ptrdiff_t equals = str_find(part, '=');
		struct str key = str_trim(equals < 0 ? part : str_head(part, (size_t)equals));
		struct str text = equals < 0 ? (struct str){ 0 }
					     : str_trim(str_skip(part, (size_t)equals + 1));

		(void)str_escape(part, shown, sizeof(shown));
		if (equals < 0)
			return err_set(err, -EINVAL, "invalid check option \"%s\"", shown);
		if (str_is(key, "skip"))
			checks->skipped |= rule_bits(text);
		else if (str_is(key, "experimental"))
			checks->wanted |= rule_bits(text);
		else if (!str_is(key, "error"))
			return err_set(err, -EINVAL, "invalid check option \"%.*s\"", STR_ARG(key));
		else if (is_word(text, yes, ARRAY_LEN(yes)) || is_word(text, no, ARRAY_LEN(no)))
			checks->error = is_word(text, yes, ARRAY_LEN(yes));
		else
			return err_set(err, -EINVAL,
				       "failed to parse check option \"%s\": true or false is "
				       "expected",
				       shown);
	}
	return 0;
}

void dockerfile_checks_comments(struct dockerfile_checks *checks, struct str comments)
{
	struct str line;

	while (str_cut(&comments, '\n', &line)) {
		struct str text = str_trim(line);
		struct dockerfile_checks more = { 0 };
		ptrdiff_t blank;

		while (text.len > 0 && text.ptr[0] == '#')
			text = str_trim(str_skip(text, 1));
		if (!str_starts(text, STR("check=")))
			continue;
		text = str_skip(text, 6);
		blank = str_find(text, ' ');
		if (dockerfile_checks_add(&more, blank < 0 ? text : str_head(text, (size_t)blank),
					  NULL) < 0)
			continue;
		checks->skipped |= more.skipped;
		checks->wanted |= more.wanted;
	}
}

static bool is_told(const struct dockerfile_checks *checks, enum dockerfile_rule rule)
{
	uint64_t bit = UINT64_C(1) << rule;

	if (rule == DOCKERFILE_RULE_NONE)
		return true;
	if (rule == DOCKERFILE_RULE_INVALID_DEFINITION_DESCRIPTION)
		return (checks->wanted & bit) != 0;
	return (checks->skipped & bit) == 0;
}

/* ---- the list ---- */

int dockerfile_warn(struct dockerfile_warnings *list, struct arena *arena,
		    const struct dockerfile_checks *checks, struct dockerfile_warning warning,
		    struct err *err)
{
	if (!warning.text)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	if (!is_told(checks, warning.rule) || list->count >= DOCKERFILE_WARNINGS_MAX)
		return 0;
	for (uint32_t i = 0; i < list->count; i++)
		if (list->items[i].line == warning.line && list->items[i].rule == warning.rule &&
		    !strcmp(list->items[i].text, warning.text))
			return 0;
	if (!list->items)
		list->items = arena_array(arena, DOCKERFILE_WARNINGS_MAX, sizeof(*list->items));
	if (!list->items)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	list->items[list->count++] = warning;
	return 0;
}

void dockerfile_warnings_sort(struct dockerfile_warnings *list)
{
	for (uint32_t i = 1; i < list->count; i++) {
		struct dockerfile_warning one = list->items[i];
		uint32_t at = i;

		for (; at > 0 && list->items[at - 1].line > one.line; at--)
			list->items[at] = list->items[at - 1];
		list->items[at] = one;
	}
}

const char *dockerfile_warning_line(const struct dockerfile_warning *warning, struct arena *arena)
{
	const char *name = rules[warning->rule].name;

	if (warning->line == 0)
		return warning->text;
	return arena_printf(arena, "Dockerfile:%u:%u: %s%s%s", warning->line, warning->column, name,
			    *name ? ": " : "", warning->text);
}

int dockerfile_warnings_fail(const struct dockerfile_warnings *list,
			     const struct dockerfile_checks *checks, struct err *err)
{
	struct buf names OWN(buf_done) = { 0 };
	uint64_t bits = 0;

	buf_init(&names, 4096);
	for (uint32_t i = 0; i < list->count; i++)
		bits |= UINT64_C(1) << list->items[i].rule;
	for (unsigned i = 1; i < DOCKERFILE_RULE_COUNT; i++)
		if (bits & UINT64_C(1) << i)
			(void)buf_printf(&names, "%s%s", names.len ? ", " : "", rules[i].name);
	if (!checks->error || names.len == 0)
		return 0;
	return err_set(err, -EINVAL, "lint violation found for rules: %s", buf_text(&names));
}

/* ---- names that were meant ---- */

enum { NEAREST_WORD_MAX = 64, NEAREST_DISTANCE = 3 };

/* Levenshtein's distance of two short words. */
static unsigned distance(struct str a, struct str b)
{
	unsigned row[NEAREST_WORD_MAX + 1];

	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned swap = corner + (a.ptr[i - 1] != b.ptr[j - 1]);
			unsigned less = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

			corner = row[j];
			row[j] = swap < less ? swap : less;
		}
	}
	return row[b.len];
}

const char *dockerfile_nearest(struct str word, const char *const *names, uint32_t count)
{
	unsigned best = NEAREST_DISTANCE;
	const char *found = NULL;

	for (uint32_t i = 0; i < count; i++) {
		struct str name = str_from(names[i]);
		unsigned d = NEAREST_DISTANCE;

		if (name.len > 0 && word.len <= NEAREST_WORD_MAX && name.len <= NEAREST_WORD_MAX)
			d = distance(word, name);
		if (word.len == 0 || d == 0)
			return NULL;
		if (d < best) {
			best = d;
			found = names[i];
		}
	}
	return found;
}
