/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the comparison of an edit with what a stronger layer says. Runs in init's disk role. Pure:
 * must never judge a key or a value, the schemas of the daemons do.
 */
#include "init/conf_cover.h"
#include <stdbool.h>
#include <string.h>
#include "init/conf_text.h"

enum { MARKS = 1 << 14 };

struct place {
	struct str section, key, value;
	uint32_t line;
};

struct walk {
	struct str rest;
	struct place at;
};

/* Words apart by any blanks are the same head. */
static bool same_head(struct str a, struct str b)
{
	while (a.len > 0 && b.len > 0) {
		bool gap = a.ptr[0] == ' ' || a.ptr[0] == '\t';

		if (gap ? b.ptr[0] != ' ' && b.ptr[0] != '\t' : a.ptr[0] != b.ptr[0])
			return false;
		a = gap ? str_trim(a) : str_skip(a, 1);
		b = gap ? str_trim(b) : str_skip(b, 1);
	}
	return a.len == 0 && b.len == 0;
}

static bool same_key(const struct place *a, const struct place *b)
{
	return str_eq(a->key, b->key) && same_head(a->section, b->section);
}

/* The next key; at->section is that which it stands in. */
static bool next(struct walk *walk)
{
	struct conf_line line;

	while (conf_line_next(&walk->rest, &line)) {
		walk->at.line++;
		if (line.is_head)
			walk->at.section = line.head;
		if (!line.is_entry)
			continue;
		walk->at.key = line.key;
		walk->at.value = line.value;
		return true;
	}
	return false;
}

/* The next one with the same name as `like`. */
static bool next_like(struct walk *walk, const struct place *like)
{
	while (next(walk))
		if (same_key(&walk->at, like))
			return true;
	return false;
}

static bool same_values(struct str from, struct str to, const struct place *like)
{
	struct walk a = { .rest = from }, b = { .rest = to };

	for (;;) {
		bool more = next_like(&a, like);

		if (more != next_like(&b, like))
			return false;
		if (!more)
			return true;
		if (!str_eq(a.at.value, b.at.value))
			return false;
	}
}

static bool is_listed(const struct conf_cover *list, uint32_t count, const struct place *like)
{
	for (uint32_t i = 0; i < count; i++) {
		struct place one = { .section = list[i].section, .key = list[i].key };

		if (same_key(&one, like))
			return true;
	}
	return false;
}

uint32_t conf_cover_find(struct str from, struct str to, struct str over,
			 struct conf_cover list[CONF_COVER_MAX], uint32_t count)
{
	static bool marks[MARKS];
	struct walk walk = { .rest = over };
	const struct str texts[] = { to, from };

	/* So that a long text is held against another long one in one pass. */
	memset(marks, 0, sizeof(marks));
	while (next(&walk))
		marks[conf_text_sum(walk.at.key) % MARKS] = true;
	for (size_t i = 0; i < 2; i++) {
		walk = (struct walk){ .rest = texts[i] };
		while (count < CONF_COVER_MAX && next(&walk)) {
			struct walk other = { .rest = over };

			if (!marks[conf_text_sum(walk.at.key) % MARKS] ||
			    is_listed(list, count, &walk.at) || !next_like(&other, &walk.at) ||
			    same_values(from, to, &walk.at))
				continue;
			list[count++] =
				(struct conf_cover){ walk.at.section, walk.at.key, other.at.line };
		}
	}
	return count;
}
