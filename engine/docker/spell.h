/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_SPELL_H
#define HOY_ENGINE_DOCKER_SPELL_H

#include "engine/json/json.h"

/*
 * Members of a request's body that differ from the API's names in case only ("image", "TmpFs") get
 * the API's spelling, as Docker's own decoder reads them (Go's encoding/json). Keys that are a
 * client's own words, of labels or networks, stay as they are. The document is changed in place.
 */
void docker_spell(const struct json *body);

#endif
