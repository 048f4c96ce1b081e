/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_DEFENCE_H
#define HOY_LIB_DEFENCE_H

#include <stdbool.h>
#include "lib/defence_rows.h"

/* In the place of lib/defence.h, for the programs below build/ARCH/mutant: false for the one that
 * HOY_DEFENCE_OFF names. */
bool defence_on(enum defence defence);

#endif
