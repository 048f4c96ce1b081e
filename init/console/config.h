/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_CONFIG_H
#define HOY_INIT_CONSOLE_CONFIG_H

#include "init/console/console.h"

/* What the parts of `config` ask of init; verb_config.c has them. */

/* The text that is edited, copied. */
/* The revision that counts. */
int console_config_current(struct console *console, struct buf *ret_text, struct err *err);
int console_config_candidate(struct console *console, struct buf *ret_text, struct err *err);
/* A text takes the candidate's place; base: conf_text_sum() of the candidate that it was made from,
 * -EBUSY when it is another one by now; 0 = whatever stands there. */
int console_config_put(struct console *console, struct str text, uint32_t base, struct err *err);
/* A text that is kept nowhere, tried: the answer is that of INIT_CONFIG_TRY. */
int console_config_try(struct console *console, struct str text, struct msg *ret_reply,
		       struct err *err);
/* One key with one value in the candidate. */
int console_config_key(struct console *console, struct str section, struct str key,
		       const char *value, struct err *err);

/* verb_issues.c: the files in force, NULL = all of them; what is wrong in them; the config media as
 * they are now. */
int console_config_show(struct console *console, const char *file, struct err *err);
int console_config_issues(struct console *console, struct err *err);
int console_config_media(struct console *console, struct err *err);
/* One mistake, "file:line:column: what". */
void console_config_issue(struct console *console, struct str issue);

/* verb_edit.c: on a terminal. */
int console_config_edit(struct console *console, struct err *err);
/* verb_pin.c: the service's image by the digest that its name means on this machine. */
int console_config_pin(struct console *console, const char *service, struct err *err);

/* The way out of the machine (verb_gateway.c): the default routes there are, and which gateway
 * answers, as gateway.h has it; none also where netd does not say. */
unsigned console_gateways(struct console *console);
/* What has to stay: the routes, and of the gateways those that answer now. */
unsigned console_gateways_before(struct console *console);
/* Whether what was tried still differs from what netd has: it has not read the revision yet. */
bool console_netd_behind(struct console *console);
/* A second; -EINTR when a person or the console ends it. */
int console_gateway_pause(struct console *console, struct err *err);

#endif
