/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_BASE64_H
#define HOY_ENGINE_DOCKER_BASE64_H

#include <stdbool.h>
#include "lib/buf.h"
#include "lib/str.h"

/* Either alphabet, with or without padding; false for anything else, or when out is full. */
bool docker_base64_decode(struct str text, struct buf *out);
/* The standard alphabet with padding; out's own error tells when it is full. */
void docker_base64_encode(struct str bytes, struct buf *out);

#endif
