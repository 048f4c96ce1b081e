/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKERFILE_STRINGS_H
#define HOY_ENGINE_DOCKERFILE_STRINGS_H

#include "engine/oci/image.h"
#include "lib/arena.h"
#include "lib/str.h"

/*
 * A JSON array of strings and nothing else, as the exec form of RUN and CMD. -EINVAL when it is not
 * one (the caller takes it for a shell line), -EDOM when an item is no string, -ENOMEM.
 */
int strings_parse(struct str text, struct arena *arena, struct image_texts *ret_list);

#endif
