/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_ARGS_H
#define HOY_ENGINE_BUNDLE_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/err.h"

/*
 * The command line of runc: options in front of the arguments, "--name value", "--name=value", and
 * also with one dash, single letters, letters without value in one ("-td").
 */
enum { ARGS_LIST_MAX = 256 };

enum args_type {
	ARGS_TYPE_BOOL,
	ARGS_TYPE_TEXT,
	ARGS_TYPE_LIST,
	/* Understood and without an effect; their offset is not used. */
	ARGS_TYPE_IGNORED_BOOL,
	ARGS_TYPE_IGNORED_TEXT,
};

struct args_list {
	const char *items[ARGS_LIST_MAX + 1]; /* NULL behind the last */
	size_t count;
};

struct args_flag {
	const char *name;
	char letter; /* '\0' = none */
	enum args_type type;
	size_t offset; /* in the struct that args_parse() fills: bool, const char *, args_list */
};

/*
 * Reads options from argv[*at] on, until the first argument or behind "--"; *at moves there.
 * -EINVAL names what is unknown or misses its value.
 */
int args_parse(const struct args_flag *flags, size_t count, char **argv, int *at, void *options,
	       struct err *err);

#endif
