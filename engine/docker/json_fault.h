/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_JSON_FAULT_H
#define HOY_ENGINE_DOCKER_JSON_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/str.h"

enum { JSON_FAULT_MAX = 160 };

/*
 * What is wrong with a text that is no JSON, in the words of Docker's decoder (Go's encoding/json),
 * which scripts match: "invalid JSON: invalid character 'x' looking for beginning of value". False:
 * by its form it is JSON; what json_parse() refuses beyond that it says itself.
 */
bool json_fault(struct str text, char ret_text[JSON_FAULT_MAX]);

#endif
