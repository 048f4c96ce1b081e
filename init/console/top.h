/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_TOP_H
#define HOY_INIT_CONSOLE_TOP_H

#include "init/console/console.h"
#include "init/console/stats.h"

/* One more sample of the engine's, which has wait_ms to answer. */
int top_sample(struct console *console, struct stats *ret_stats, int wait_ms, struct err *err);
/* One line about the machine: processors, memory, network. */
void top_machine(const struct stats *now, char *dst, size_t cap);

#endif
