/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a lost carrier ends a session. Pure, runs in the console program. Must never count a
 * carrier that is not there: a cable of three wires has none, and nobody would get in.
 */
#include "init/console/carrier.h"
#include <sys/ioctl.h>

tcflag_t carrier_flags(tcflag_t cflag, int lines)
{
	return lines & TIOCM_CAR ? cflag & ~(tcflag_t)CLOCAL : cflag | CLOCAL;
}
