/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_CARRIER_H
#define HOY_INIT_CONSOLE_CARRIER_H

#include <termios.h>

/*
 * c_cflag of a terminal somebody logged in on, `lines` as TIOCMGET tells them: a carrier that is
 * there now counts, so that the kernel hangs the terminal up once it is lost. Pure.
 */
tcflag_t carrier_flags(tcflag_t cflag, int lines);

#endif
