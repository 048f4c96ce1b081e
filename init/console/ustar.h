/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_USTAR_H
#define HOY_INIT_CONSOLE_USTAR_H

#include <stdint.h>
#include "lib/buf.h"

/* Writing a POSIX.1-1988 tar of plain files, pure. */
enum { USTAR_BLOCK = 512, USTAR_NAME_MAX = 99 };

/* One file of mode 0600, owner 0, its bytes and their padding. -ENAMETOOLONG, or -ENOMEM. */
int ustar_put_file(struct buf *out, const char *name, struct str content, int64_t mtime_s);
/* The two empty blocks behind the last file. */
int ustar_put_end(struct buf *out);

#endif
