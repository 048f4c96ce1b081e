/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_ROLE_DISK_H
#define HOY_INIT_ROLE_DISK_H

/* The process of init that touches storage: message socket on fd 3. Returns its exit status. */
int role_disk_main(void);

#endif
