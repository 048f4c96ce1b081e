/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_OWN_FILE_H
#define HOY_ENGINE_RUN_OWN_FILE_H

#include "lib/err.h"

/*
 * A container can have the kernel execute the program that started it (an entry point
 * "#!/proc/self/exe"), and reach its file through /proc/PID/exe. Where that file stands on a mount
 * that can be written to, this executes the program again through a read-only clone of the mount,
 * with the same arguments and files, and does not return; else it returns 0. To be called first,
 * by every program that starts containers. Needs CAP_SYS_ADMIN.
 */
int own_file_protect(char *const *argv, struct err *err);

#endif
