/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_FAULT_H
#define HOY_INIT_FAULT_H

/*
 * The last breath of PID 1: a fault (SEGV, BUS, ILL, FPE, ABRT, SYS) or fault_die() writes one line
 * "init fault: SIGSEGV at address 0x.., pc 0x.." to /dev/pmsg0 (pstore), to the kernel log and into
 * /data/state/fault, then reboots. Everything in it is async-signal-safe.
 */
void fault_install(void);
/* Opens pmsg and kmsg, once /dev is there. */
void fault_open(void);

/* Opens the reason file once /data is there; the file exists with its full size. */
void fault_use_file(void);
/* Closes it, so that /data can be unmounted. */
void fault_release_file(void);

/* For an error PID 1 cannot live with. */
void fault_die(const char *what) __attribute__((noreturn));

#endif
