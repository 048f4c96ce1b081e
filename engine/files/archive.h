/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_FILES_ARCHIVE_H
#define HOY_ENGINE_FILES_ARCHIVE_H

#include "lib/err.h"

/*
 * Whether an open file begins like what ADD takes apart (tar, gzip, zstd, xz, bzip2): 1 = it may be
 * one, 0 = no. Reads its first 512 bytes, the file's position stays. Private to this folder.
 */
int archive_kind(int fd, struct err *err);

#endif
