/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The place of a cursor in a text and in a command: what is found lies within what was given, and
 * each word that is offered begins with what is typed.
 */
#include <stdint.h>
#include <stdlib.h>
#include "init/console/key_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_word(void *owner, struct str word)
{
	const struct key_spot *spot = owner;

	if (!word.len || !str_starts(word, spot->prefix))
		abort();
}

static void check_within(struct str part, struct str whole)
{
	if (part.len && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len))
		abort();
}

static void check(struct key_spot spot, struct str text)
{
	check_within(spot.kind, text);
	check_within(spot.key, text);
	check_within(spot.prefix, text);
	key_words_at(&spot, check_word, &spot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);

	if (size > 4096)
		return 0;
	check(key_words_spot(text), text);
	check(key_words_command(text), text);
	return 0;
}
