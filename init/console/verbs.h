/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_VERBS_H
#define HOY_INIT_CONSOLE_VERBS_H

#include <stddef.h>
#include "init/console/words.h"
#include "lib/err.h"

/* The commands: one row and one function each, in verbs.c and verb_*.c. */
struct console;

enum verb_complete {
	VERB_COMPLETE_NONE,
	VERB_COMPLETE_CONTAINER,
	VERB_COMPLETE_IMAGE,
	VERB_COMPLETE_VERB,
	VERB_COMPLETE_NETWORK,
	VERB_COMPLETE_CONFIG,
	VERB_COMPLETE_UNIT,
};

struct verb {
	const char *name, *arguments, *help;
	enum verb_complete complete; /* what Tab offers for the first argument */
	int min_words, max_words;    /* behind the verb; max -1 = any */
	int (*run)(struct console *console, const struct words *words, struct err *err);
};

extern const struct verb console_verbs[];
extern const size_t console_verb_count;

int verb_access(struct console *console, const struct words *words, struct err *err);
int verb_disk(struct console *console, const struct words *words, struct err *err);
int verb_lock(struct console *console, const struct words *words, struct err *err);
int verb_pause(struct console *console, const struct words *words, struct err *err);
int verb_probe(struct console *console, const struct words *words, struct err *err);
int verb_resize(struct console *console, const struct words *words, struct err *err);
int verb_rm(struct console *console, const struct words *words, struct err *err);
int verb_sessions(struct console *console, const struct words *words, struct err *err);
int verb_stats(struct console *console, const struct words *words, struct err *err);
int verb_time(struct console *console, const struct words *words, struct err *err);
int verb_users(struct console *console, const struct words *words, struct err *err);
int verb_status(struct console *console, const struct words *words, struct err *err);
int verb_ps(struct console *console, const struct words *words, struct err *err);
int verb_steps(struct console *console, const struct words *words, struct err *err);
int verb_health(struct console *console, const struct words *words, struct err *err);
int verb_images(struct console *console, const struct words *words, struct err *err);
int verb_follow(struct console *console, const struct words *words, struct err *err);
int verb_logs(struct console *console, const struct words *words, struct err *err);
int verb_compose(struct console *console, const struct words *words, struct err *err);
int verb_build(struct console *console, const struct words *words, struct err *err);
int verb_dashboard(struct console *console, const struct words *words, struct err *err);
int verb_exec(struct console *console, const struct words *words, struct err *err);
int verb_act(struct console *console, const struct words *words, struct err *err);
int verb_pull(struct console *console, const struct words *words, struct err *err);
int verb_push(struct console *console, const struct words *words, struct err *err);
int verb_prune(struct console *console, const struct words *words, struct err *err);
int verb_run(struct console *console, const struct words *words, struct err *err);
int verb_rmi(struct console *console, const struct words *words, struct err *err);
int verb_tag(struct console *console, const struct words *words, struct err *err);
int verb_history(struct console *console, const struct words *words, struct err *err);
int verb_save(struct console *console, const struct words *words, struct err *err);
int verb_load(struct console *console, const struct words *words, struct err *err);
int verb_commit(struct console *console, const struct words *words, struct err *err);
int verb_cp(struct console *console, const struct words *words, struct err *err);
int verb_diff(struct console *console, const struct words *words, struct err *err);
int verb_export(struct console *console, const struct words *words, struct err *err);
int verb_import(struct console *console, const struct words *words, struct err *err);
int verb_metrics(struct console *console, const struct words *words, struct err *err);
int verb_boot(struct console *console, const struct words *words, struct err *err);
int verb_support(struct console *console, const struct words *words, struct err *err);
int verb_df(struct console *console, const struct words *words, struct err *err);
int verb_store(struct console *console, const struct words *words, struct err *err);
int verb_prune_kind(struct console *console, const struct words *words, struct err *err);
int verb_image(struct console *console, const struct words *words, struct err *err);
int verb_top(struct console *console, const struct words *words, struct err *err);
int verb_network(struct console *console, const struct words *words, struct err *err);
int verb_config(struct console *console, const struct words *words, struct err *err);
int verb_log(struct console *console, const struct words *words, struct err *err);
int verb_power(struct console *console, const struct words *words, struct err *err);

#endif
