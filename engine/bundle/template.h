/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_TEMPLATE_H
#define HOY_ENGINE_BUNDLE_TEMPLATE_H

#include "lib/str.h"

/* The config.json that `spec` writes: a shell with a terminal and three capabilities. */
struct str template_text(void);

#endif
