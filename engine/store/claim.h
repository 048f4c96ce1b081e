/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_STORE_CLAIM_H
#define HOY_ENGINE_STORE_CLAIM_H

#include <sys/types.h>
#include "lib/buf.h"

/*
 * Before store_open(), with the right to do so: what stands under the name of one of the store's
 * own folders and files but is none goes, and those of other users become uid's. Each is noted in a
 * line.
 */
void store_claim(int root_fd, uid_t uid, struct buf *ret_notes);

#endif
