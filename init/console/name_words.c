/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion that needs no daemon's answer: whose names a key takes, words out of a command's help.
 * Pure; runs in the console program. Must never offer a word that the help text does not have.
 */
#include "init/console/name_words.h"

#include "lib/own.h"

enum name_kind name_kind_of_key(struct str kind, struct str key)
{
	static const struct {
		const char *key;
		enum name_kind kind;
	} rows[] = {
		{ "depends_on", NAME_KIND_SERVICE },   { "image", NAME_KIND_IMAGE },
		{ "network_mode", NAME_KIND_NETWORK }, { "networks", NAME_KIND_NETWORK },
		{ "volumes", NAME_KIND_VOLUME },
	};

	for (size_t i = 0; str_is(kind, "service") && i < ARRAY_LEN(rows); i++)
		if (str_is(key, rows[i].key))
			return rows[i].kind;
	return NAME_KIND_NONE;
}

struct str name_of_image(struct str reference, struct str typed)
{
	static const char hub[] = "docker.io/", library[] = "library/";

	if (!str_starts(reference, STR(hub)) || str_starts(typed, STR("docker.io")))
		return reference;
	reference = str_skip(reference, sizeof(hub) - 1);
	return str_starts(reference, STR(library)) ? str_skip(reference, sizeof(library) - 1)
						   : reference;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

void name_words_of_help(const char *arguments, bool first, struct str typed, key_words_fn *fn,
			void *owner)
{
	bool options = typed.len && typed.ptr[0] == '-', begins = true;
	unsigned depth = 0;

	for (const char *at = arguments; *at;) {
		struct str word = str_make(at, 0);

		while (is_word(at[word.len]))
			word.len++;
		at += word.len ? word.len : 1;
		if (word.len && (options ? *word.ptr == '-' : first && begins && !depth) &&
		    !is_word(*at) && (*at < 'A' || *at > 'Z') && str_starts(word, typed))
			fn(owner, word);
		if (!word.len) {
			depth += *word.ptr == '[';
			depth -= *word.ptr == ']' && depth;
			begins = !depth && (*word.ptr == '|' || (*word.ptr == ' ' && begins));
		} else {
			begins = false;
		}
	}
}
