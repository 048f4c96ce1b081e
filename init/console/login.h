/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_LOGIN_H
#define HOY_INIT_CONSOLE_LOGIN_H

#include <stdbool.h>
#include <termios.h>
#include "init/api/audit_msg.h"
#include "init/console/console.h"

/* Asks init whether a password is needed and, if so, for it. Returns once a person may go on. */
void console_login(struct console *console);
/* Tells init how the session ended, for its line in the log. */
void console_logout(struct console *console, enum init_audit how);
int console_claim(struct console *console, struct err *err);
/* Takes the prompt away until the password was typed; -EPERM where there is no console or none is
 * set. */
int console_lock(struct console *console, struct err *err);
/* What init tells of this console in `status` and `sessions`. */
void console_state(struct console *console, const char *state);

#endif
