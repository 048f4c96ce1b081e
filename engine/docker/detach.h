/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_DETACH_H
#define HOY_ENGINE_DOCKER_DETACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/str.h"

/* The keys by which somebody at a terminal leaves a process without ending it. */
enum { DOCKER_DETACH_MAX = 16 };

struct docker_detach {
	uint8_t keys[DOCKER_DETACH_MAX];
	uint8_t count;	 /* 0 = none */
	uint8_t matched; /* of them, at the end of what was typed so far */
};

/*
 * "ctrl-p,ctrl-q" or "a,b": single characters, "ctrl-" with a letter or one of @[\\]^_, and "DEL".
 * "" means ctrl-p,ctrl-q. -EINVAL: no such keys.
 */
int docker_detach_parse(struct str text, struct docker_detach *ret_detach);

/*
 * What was typed: how many bytes of it may be passed on; those behind may be the beginning of the
 * keys. *ret_seen = true: all keys were pressed, one after the other.
 */
size_t docker_detach_scan(struct docker_detach *detach, struct str typed, size_t scanned,
			  bool *ret_seen);

#endif
