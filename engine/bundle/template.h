/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_TEMPLATE_H
#define HOY_ENGINE_BUNDLE_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"

enum { TEMPLATE_MAX = 16384 };

/*
 * Writes the config.json of `spec`: a shell with a terminal and three capabilities. With `users` in
 * a user namespace whose root is uid and gid, and without what such a one may not have.
 */
void template_put(bool users, uint32_t uid, uint32_t gid, struct buf *out);

#endif
