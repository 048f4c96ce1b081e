/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SHIP_SHIP_H
#define HOY_INIT_SHIP_SHIP_H

/*
 * Role syslog of the `hoy` program, a unit of PID 1: sends the log to a server. Started as uid 0
 * with its messages on fd 3; confined before it makes its first connection. `program`: where this
 * one stands, for its other role. Returns its exit code.
 */
int ship_main(const char *program);

/* Role send: a support archive to an HTTPS server; a unit of PID 1 as well. */
int send_main(void);

/* Role syslog-files, started by role syslog with its end of a pair on fd 3. */
int ship_files_main(void);

#endif
