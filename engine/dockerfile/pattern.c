/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell patterns inside of ${...}. Pure; runs in the api role. All ways through a pattern are
 * followed at once, character by character; must never do more than PATTERN_WORK_MAX such steps.
 */
#include "engine/dockerfile/pattern.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

enum { PATTERN_WORK_MAX = 1 << 25 };

struct element {
	enum { ELEMENT_TEXT, ELEMENT_ANY, ELEMENT_STAR } kind;
	struct str text; /* one character */
};

struct pattern {
	struct element *elements;
	size_t count;
	uint8_t *now, *next; /* places in the pattern, count + 1 of them */
	int64_t work;
};

/* Bytes of the UTF-8 character at s; a wrong byte is a character of its own. */
static size_t character(struct str s)
{
	unsigned char c = (unsigned char)s.ptr[0];
	size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
	if (len > s.len)
		return 1;
	for (size_t i = 1; i < len; i++)
		if (((unsigned char)s.ptr[i] & 0xc0) != 0x80)
			return 1;
	return len;
}

static int malformed(struct str pattern, const char *why, struct err *err)
{
	char shown[80];
	(void)str_escape(pattern, shown, sizeof(shown));
	return err_set(err, -EINVAL, "invalid pattern (%s) in substitution: %s", shown, why);
}

/* "\}" and "\/" stand for themselves without the escape: it only kept them inside of ${...}. */
static int compile(struct str text, struct arena *arena, struct pattern *ret, struct err *err)
{
	struct str rest = text;
	*ret = (struct pattern){ .work = PATTERN_WORK_MAX };
	ret->elements = arena_array(arena, text.len + 1, sizeof(*ret->elements));
	ret->now = arena_alloc(arena, text.len + 1);
	ret->next = arena_alloc(arena, text.len + 1);
	if (!ret->elements || !ret->now || !ret->next)
		return err_set(err, -ENOMEM, "out of memory");
	while (rest.len > 0) {
		struct element *element = &ret->elements[ret->count++];
		bool escaped = rest.ptr[0] == '\\';
		if (escaped) {
			rest = str_skip(rest, 1);
			if (rest.len == 0 || !memchr("}/*?\\", rest.ptr[0], 5))
				return malformed(text, "invalid escape", err);
		}
		size_t len = character(rest);
		element->text = str_head(rest, len);
		if (!escaped && rest.ptr[0] == '*')
			element->kind = ELEMENT_STAR;
		else if (!escaped && rest.ptr[0] == '?')
			element->kind = ELEMENT_ANY;
		rest = str_skip(rest, len);
	}
	return 0;
}

static void enter(const struct pattern *p, uint8_t *places, size_t place)
{
	while (!places[place]) {
		places[place] = 1;
		if (place == p->count || p->elements[place].kind != ELEMENT_STAR)
			return;
		place++; /* a star may take nothing */
	}
}

/* One character more. False when no way through the pattern is left. */
static bool advance(struct pattern *p, struct str c)
{
	bool line_end = c.ptr[0] == '\n', alive = false;
	memset(p->next, 0, p->count + 1);
	for (size_t i = 0; i < p->count; i++) {
		const struct element *element = &p->elements[i];
		if (!p->now[i])
			continue;
		bool fits = element->kind == ELEMENT_TEXT ? str_eq(element->text, c) : !line_end;
		if (!fits)
			continue;
		enter(p, p->next, element->kind == ELEMENT_STAR ? i : i + 1);
		alive = true;
	}
	uint8_t *old = p->now;
	p->now = p->next;
	p->next = old;
	return alive;
}

/* Where the match that starts here ends; -1 = none, -E2BIG = gave up. */
static ptrdiff_t match(struct pattern *p, struct str value, size_t start, bool longest)
{
	ptrdiff_t best = -1;
	size_t at = start;
	memset(p->now, 0, p->count + 1);
	enter(p, p->now, 0);
	for (;;) {
		if (p->now[p->count]) {
			best = (ptrdiff_t)at;
			if (!longest)
				return best;
		}
		if (at == value.len)
			return best;
		struct str rest = str_skip(value, at);
		size_t len = character(rest);
		p->work -= (int64_t)p->count + 1;
		if (p->work < 0)
			return -E2BIG;
		if (!advance(p, str_head(rest, len)))
			return best;
		at += len;
	}
}

static int too_much(struct err *err)
{
	return err_set(err, -EINVAL, "a pattern in a substitution takes too much work");
}

/* Characters in reverse order, their bytes as they are. */
static struct str reverse(struct str value, char *dst)
{
	size_t at = 0;
	while (at < value.len) {
		size_t len = character(str_skip(value, at));
		memcpy(dst + value.len - at - len, value.ptr + at, len);
		at += len;
	}
	return str_make(dst, value.len);
}

int pattern_trim(struct str pattern, struct str value, bool at_end, bool longest,
		 struct arena *arena, struct buf *out, struct err *err)
{
	struct pattern p;
	struct str subject = value;
	int r = compile(pattern, arena, &p, err);
	if (r < 0)
		return r;
	if (at_end) {
		char *turned = arena_alloc(arena, value.len + 1);
		if (!turned)
			return err_set(err, -ENOMEM, "out of memory");
		subject = reverse(value, turned);
		for (size_t i = 0; i < p.count / 2; i++) {
			struct element kept = p.elements[i];
			p.elements[i] = p.elements[p.count - 1 - i];
			p.elements[p.count - 1 - i] = kept;
		}
	}
	ptrdiff_t end = match(&p, subject, 0, longest);
	if (end == -E2BIG)
		return too_much(err);
	size_t cut = end > 0 ? (size_t)end : 0;
	(void)buf_add_str(out, at_end ? str_head(value, value.len - cut) : str_skip(value, cut));
	return 0;
}

int pattern_replace(struct str pattern, struct str value, struct str with, bool all,
		    struct arena *arena, struct buf *out, struct err *err)
{
	struct pattern p;
	size_t at = 0;
	bool done = false, behind_match = false;
	int r = compile(pattern, arena, &p, err);
	while (r == 0 && at <= value.len) {
		ptrdiff_t end = done ? -1 : match(&p, value, at, true);
		if (end == -E2BIG)
			return too_much(err);
		/* Nothing at all matches once between two characters, but not behind a match. */
		bool empty = end >= 0 && (size_t)end == at;
		if (end >= 0 && !(empty && behind_match)) {
			(void)buf_add_str(out, with);
			done = !all;
		}
		behind_match = end >= 0 && !empty;
		if (behind_match) {
			at = (size_t)end;
			continue;
		}
		if (at == value.len)
			break;
		size_t len = character(str_skip(value, at));
		(void)buf_add_str(out, str_make(value.ptr + at, len));
		at += len;
		if (buf_error(out) < 0)
			break;
	}
	return r;
}
