/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_H
#define HOY_ENGINE_ROLE_H

/*
 * The roles of the engine program (argv[1]). Each runs over its message socket, fd 3, sandboxed as
 * its first act, until its peer is gone or its work is done; the result is the exit status.
 */
int role_main(void);
int role_store(void);
int role_pack(void);
int role_files(void);
int role_unpack(void);
int role_pull(void);
int role_load(void);
int role_sweep(void);
int role_api(void);
int role_gate(void);
int role_sign(void);
int role_compose(void);

#endif
