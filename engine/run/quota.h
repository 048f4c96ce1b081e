/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_QUOTA_H
#define HOY_ENGINE_RUN_QUOTA_H

#include <stdint.h>
#include "lib/err.h"

/*
 * How much may be written below some directories of one file system: a project of ext4's quotas.
 */

/* Of bytes of the limit one inode each: a limit on files too, or a full table would end others. */
enum { QUOTA_BYTES_PER_INODE = 4096 };

/*
 * What is made below dir_fd from now on counts for the project (> 0, the caller's choice, one for
 * each limit). To be called while the directory is empty; again it changes nothing. -EOPNOTSUPP:
 * the file system has no projects.
 */
int quota_join(int dir_fd, uint32_t project, struct err *err);

/*
 * The project may take so many bytes, rounded up to KiB, of the file system that fd is on; writes
 * beyond fail with EDQUOT, but for who has CAP_SYS_RESOURCE. -EOPNOTSUPP: it keeps no quotas of
 * projects (mount option prjquota). Needs CAP_SYS_ADMIN.
 */
int quota_limit(int fd, uint32_t project, uint64_t bytes, struct err *err);

#endif
