/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_PROBE_WORDS_H
#define HOY_INIT_CONSOLE_PROBE_WORDS_H

#include "init/console/words.h"
#include "lib/err.h"
#include "netd/api/probe_msg.h"

/* The words behind ping, traceroute and dig, with the letters of the usual programs. Pure. */
struct probe_words {
	struct probe_ask ask;
	bool brief;			  /* dig +short: the data alone */
	char reverse[PROBE_HOST_MAX + 1]; /* dig -x: the name that stands for an address */
};

/* -EINVAL names the word. Texts stay the words'. */
int probe_words_parse(const struct words *words, struct probe_words *ret, struct err *err);

#endif
