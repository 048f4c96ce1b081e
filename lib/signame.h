/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_SIGNAME_H
#define HOY_LIB_SIGNAME_H

#include "lib/str.h"

/*
 * The number of a signal as images and users write it, in any case, with or without "SIG": "TERM",
 * "sigquit", "RTMIN+3", "RTMAX-1", "9". 0 = none has that name.
 */
int signame_number(struct str name);

#endif
