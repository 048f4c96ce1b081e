/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_HEALTH_TEST_H
#define HOY_ENGINE_HEALTH_TEST_H

#include <stdint.h>
#include "engine/oci/image.h"
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * What a health check does. In an image, a section and a container's definition it is a list of
 * words: ["CMD", program, argument...], ["CMD-SHELL", script], ["NONE"], and two of Hoy's own,
 * ["HTTP", "http://HOST[:PORT]/PATH"] and ["TCP", "HOST:PORT"]. HOST is an IPv4 address or
 * localhost, as seen from within the container.
 */
enum health_kind {
	HEALTH_KIND_NONE,
	HEALTH_KIND_EXEC,
	HEALTH_KIND_TCP,
	HEALTH_KIND_HTTP,
};

struct health_test {
	enum health_kind kind;
	struct image_texts argv; /* EXEC; points into the list it was made from */
	uint32_t ip4;		 /* TCP and HTTP, network byte order */
	uint16_t port;		 /* host byte order */
	struct str host; /* HTTP: as the Host field says it, with the port where one is given */
	struct str path; /* HTTP: "/..." */
};

/*
 * The value of healthcheck.test: a list as above (CMD, CMD-SHELL or NONE), "http://...",
 * "tcp:HOST:PORT", or a text, which is CMD-SHELL. The words live in the arena. -EINVAL says what
 * was expected.
 */
int health_test_parse(struct arena *arena, struct str text, struct image_texts *ret_words,
		      struct err *err);

/* A list of words as something to do; an empty one is NONE. shell is the array of argv for
 * CMD-SHELL: in the arena. -EINVAL for words that mean nothing. */
int health_test_make(struct arena *arena, const struct image_texts *words,
		     struct health_test *ret_test, struct err *err);

#endif
