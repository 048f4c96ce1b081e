/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKERFILE_RULES_H
#define HOY_ENGINE_DOCKERFILE_RULES_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * What `docker build --check` warns of: the rules of the Dockerfile reference by their names, and
 * which of them a file wants ("# check=skip=StageNameCasing;error=true").
 */
enum dockerfile_rule {
	DOCKERFILE_RULE_NONE, /* a warning of our own: never skipped */
	DOCKERFILE_RULE_STAGE_NAME_CASING,
	DOCKERFILE_RULE_FROM_AS_CASING,
	DOCKERFILE_RULE_NO_EMPTY_CONTINUATION,
	DOCKERFILE_RULE_CONSISTENT_INSTRUCTION_CASING,
	DOCKERFILE_RULE_DUPLICATE_STAGE_NAME,
	DOCKERFILE_RULE_RESERVED_STAGE_NAME,
	DOCKERFILE_RULE_JSON_ARGS_RECOMMENDED,
	DOCKERFILE_RULE_MAINTAINER_DEPRECATED,
	DOCKERFILE_RULE_UNDEFINED_ARG_IN_FROM,
	DOCKERFILE_RULE_WORKDIR_RELATIVE_PATH,
	DOCKERFILE_RULE_UNDEFINED_VAR,
	DOCKERFILE_RULE_MULTIPLE_INSTRUCTIONS_DISALLOWED,
	DOCKERFILE_RULE_LEGACY_KEY_VALUE_FORMAT,
	DOCKERFILE_RULE_INVALID_BASE_IMAGE_PLATFORM,
	DOCKERFILE_RULE_REDUNDANT_TARGET_PLATFORM,
	DOCKERFILE_RULE_SECRETS_USED_IN_ARG_OR_ENV,
	DOCKERFILE_RULE_INVALID_DEFAULT_ARG_IN_FROM,
	DOCKERFILE_RULE_FROM_PLATFORM_FLAG_CONST_DISALLOWED,
	DOCKERFILE_RULE_COPY_IGNORED_FILE,
	DOCKERFILE_RULE_INVALID_DEFINITION_DESCRIPTION,
	DOCKERFILE_RULE_EXPOSE_PROTO_CASING,
	DOCKERFILE_RULE_EXPOSE_INVALID_FORMAT,
	DOCKERFILE_RULE_COUNT,
};

const char *dockerfile_rule_name(enum dockerfile_rule rule); /* "StageNameCasing", "" of NONE */
const char *dockerfile_rule_description(enum dockerfile_rule rule);
/* Where the reference explains it; into dst, "" when nowhere. */
void dockerfile_rule_url(enum dockerfile_rule rule, char *dst, size_t cap);

/* Bits by rule: what is not told, and the experimental ones that are. */
struct dockerfile_checks {
	uint64_t skipped, wanted;
	bool error; /* a warning is a failure */
};

/* The value of "# check=": skip=, error=, experimental=, cut by ';'. Adds; -EINVAL with why. */
int dockerfile_checks_add(struct dockerfile_checks *checks, struct str value, struct err *err);
/* The same of "check=" lines among the comments that stand before an instruction. */
void dockerfile_checks_comments(struct dockerfile_checks *checks, struct str comments);

struct dockerfile_warning {
	enum dockerfile_rule rule;
	uint32_t line, column; /* 0 = of no place in the file */
	const char *text;
};

enum { DOCKERFILE_WARNINGS_MAX = 128 };

struct dockerfile_warnings {
	struct dockerfile_warning *items; /* by line once dockerfile_warnings_sort() was there */
	uint32_t count;
};

/* Adds one unless the checks skip its rule, or it is there already. What is over the limit is
 * dropped. -ENOMEM. */
int dockerfile_warn(struct dockerfile_warnings *list, struct arena *arena,
		    const struct dockerfile_checks *checks, struct dockerfile_warning warning,
		    struct err *err);
void dockerfile_warnings_sort(struct dockerfile_warnings *list);
/* "Dockerfile:3:1: StageNameCasing: Stage name 'X' should be lowercase"; lives in the arena. */
const char *dockerfile_warning_line(const struct dockerfile_warning *warning, struct arena *arena);
/* "lint violation found for rules: A, B"; -EINVAL when the checks want errors and there are some.
 */
int dockerfile_warnings_fail(const struct dockerfile_warnings *list,
			     const struct dockerfile_checks *checks, struct err *err);

/* The one of the names that is nearest to a word, at most two changes away; NULL = none. */
const char *dockerfile_nearest(struct str word, const char *const *names, uint32_t count);

#endif
