/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_UNIT_KMSG_H
#define HOY_INIT_UNIT_KMSG_H

#include "init/unit/ring.h"

/*
 * One record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg):
 * "PRIO,NUMBER,MICROSECONDS,...;TEXT\n" and perhaps lines of properties, which are left out. Sets
 * time, priority and "kernel: TEXT"; what is no such record is false.
 */
bool kmsg_parse(struct str record, struct ring_line *ret_line);

#endif
