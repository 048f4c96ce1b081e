/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_LOG_OPTIONS_H
#define HOY_INIT_CONSOLE_LOG_OPTIONS_H

#include "init/console/words.h"
#include "init/unit/logline.h"
#include "lib/err.h"

/* What stands behind `log` and `logs`, pure. */
enum { LOG_NAMES_MAX = 8, LOG_TAIL = 40 };

struct log_options {
	const char *names[LOG_NAMES_MAX]; /* units or containers */
	int count;
	bool follow, list_boots, boot_given, lines_given;
	int64_t boot;	/* 0 = this one, -1 = the one before */
	uint64_t lines; /* the newest so many; 0 = all */
	struct logline_filter filter;
};

/*
 * [NAME...] [-f] [-n N] [-u UNIT] [-p LEVEL] [--since TIME] [--until TIME] [--grep TEXT] [--boot N]
 * [--boots]. Without -n the newest LOG_TAIL lines, or all where the lines are chosen by something
 * else. -EINVAL names the word.
 */
int log_options_parse(const struct words *words, int64_t now_s, struct log_options *ret_options,
		      struct err *err);

/* Whether lines are chosen by more than their number. */
bool log_options_filtered(const struct log_options *options);

#endif
