/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_ARCHIVE_H
#define HOY_INIT_CONSOLE_ARCHIVE_H

#include "init/console/console.h"

/* What the verbs about images, archives and trees share. */

/* A file of the machine: a bare name stands for one in /data/transfer. */
void archive_put_path(struct buf *body, const char *file);

#endif
