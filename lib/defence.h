/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_DEFENCE_H
#define HOY_LIB_DEFENCE_H

#include <stdbool.h>
#include "lib/defence_rows.h"

/*
 * Marks the line of code that a defence is. Always true: the compiler leaves nothing of it. The
 * programs below build/ARCH/mutant are compiled with tests/mutant/lib/defence.h in this one's
 * place, which asks; no other program can.
 */
static inline bool defence_on(enum defence defence)
{
	(void)defence;
	return true;
}

#endif
