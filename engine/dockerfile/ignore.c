/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .dockerignore and wildcards. Pure; patterns are read in the api role, matched in the files role.
 * Must never take time that grows faster than pattern times path.
 */
#include "engine/dockerfile/ignore.h"

#include <errno.h>
#include <string.h>

/* ---- reading ---- */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct str trim(struct str s)
{
	while (s.len > 0 && is_space(s.ptr[0]))
		s = str_skip(s, 1);
	while (s.len > 0 && is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* Adds a component to out[len]; ".." takes one away, or stays in front of a relative path. */
static size_t add_component(char *out, size_t len, struct str part, bool rooted)
{
	if (part.len == 0 || str_is(part, "."))
		return len;
	if (str_is(part, "..")) {
		size_t cut = len;
		while (cut > 0 && out[cut - 1] != '/')
			cut--;
		bool up = len - cut == 2 && memcmp(out + cut, "..", 2) == 0;
		if (len > 0 && !up)
			return cut > 0 ? cut - 1 : 0;
		if (rooted)
			return len;
	}
	if (len > 0)
		out[len++] = '/';
	memcpy(out + len, part.ptr, part.len);
	return len + part.len;
}

/* As Go's filepath.Clean, without the leading '/'; the directory itself is ".". */
static struct str clean(struct str path, char *out)
{
	bool rooted = path.len > 0 && path.ptr[0] == '/';
	struct str part;
	size_t len = 0;
	while (str_cut(&path, '/', &part))
		len = add_component(out, len, part, rooted);
	if (len == 0)
		out[len++] = rooted ? '/' : '.';
	return str_make(out, len);
}

static int match_class(struct str pattern, size_t *p, char c);

static bool is_sound(struct str pattern)
{
	for (size_t p = 0; p < pattern.len;) {
		if (pattern.ptr[p] == '[') {
			if (match_class(pattern, &p, 'x') < 0)
				return false;
		} else {
			p += pattern.ptr[p] == '\\' ? 2 : 1;
			if (p > pattern.len)
				return false;
		}
	}
	return true;
}

int ignore_pattern(struct str line, struct arena *arena, struct files_ignore *ret_item,
		   struct err *err)
{
	struct files_ignore item = { .except = false };
	line = trim(line);
	if (line.len == 0)
		return 0;
	if (line.ptr[0] == '!') {
		item.except = true;
		line = trim(str_skip(line, 1));
		if (line.len == 0)
			return err_set(err, -EINVAL, "illegal exclusion pattern: \"!\"");
	}
	if (memchr(line.ptr, 0, line.len) || line.len >= FILES_PATH_MAX)
		return err_set(err, -EINVAL, "bad pattern: too long, or with a NUL byte");
	char *out = arena_alloc(arena, line.len + 2);
	if (!out)
		return err_set(err, -ENOMEM, "out of memory");
	item.pattern = clean(line, out);
	if (!is_sound(item.pattern)) {
		char shown[100];
		(void)str_escape(line, shown, sizeof(shown));
		return err_set(err, -EINVAL, "syntax error in pattern: %s", shown);
	}
	*ret_item = item;
	return 1;
}

int ignore_parse(struct str text, struct arena *arena, struct files_ignore *list, uint32_t max,
		 struct err *err)
{
	struct str line;
	uint32_t count = 0, number = 0;
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_skip(text, 3);
	while (str_cut(&text, '\n', &line)) {
		struct files_ignore item;
		number++;
		/* Blanks in front of it make a pattern of a comment. */
		if (line.len > 0 && line.ptr[0] == '#')
			continue;
		int r = ignore_pattern(line, arena, &item, err);
		if (r < 0)
			return err_prefix(err, ".dockerignore:%u", number);
		if (r == 1 && count == max)
			return err_set(err, -E2BIG, ".dockerignore has more than %u patterns", max);
		if (r == 1)
			list[count++] = item;
	}
	return (int)count;
}

/* ---- matching ---- */

/* A class "[a-z]" or "[^a]" at *p: moves behind it. -1 = malformed, else whether c is in it. */
static int match_class(struct str pattern, size_t *p, char c)
{
	size_t i = *p + 1;
	bool negated = i < pattern.len && pattern.ptr[i] == '^', found = false, first = true;
	i += negated;
	while (i < pattern.len && (pattern.ptr[i] != ']' || first)) {
		first = false;
		if (pattern.ptr[i] == '\\' && ++i >= pattern.len)
			return -1;
		char low = pattern.ptr[i++], high = low;
		if (i + 1 < pattern.len && pattern.ptr[i] == '-' && pattern.ptr[i + 1] != ']') {
			i++;
			if (pattern.ptr[i] == '\\' && ++i >= pattern.len)
				return -1;
			high = pattern.ptr[i++];
		}
		found = found || ((unsigned char)low <= (unsigned char)c &&
				  (unsigned char)c <= (unsigned char)high);
	}
	if (i >= pattern.len)
		return -1;
	*p = i + 1;
	return found != negated;
}

/* One element that is no star against one byte: 1 = fits (and *p moves), 0 = not, -1 = malformed.
 */
static int match_one(struct str pattern, size_t *p, char c)
{
	if (*p >= pattern.len)
		return 0;
	char element = pattern.ptr[*p];
	if (element == '[') {
		int r = match_class(pattern, p, c);
		return r == 1 && c == '/' ? 0 : r;
	}
	if (element == '?') {
		(*p)++;
		return c != '/';
	}
	if (element == '\\') {
		if (*p + 1 >= pattern.len)
			return -1;
		(*p)++;
		element = pattern.ptr[*p];
	}
	(*p)++;
	return element == c;
}

/* Where to go on when what was tried did not fit. */
struct retry {
	size_t pattern, path;
	bool set;
};

/* A star at *p. "**" takes any number of whole components, a '/' behind it is its own; true when
 * it is the last of the pattern, which then takes all the rest. */
static bool enter_stars(struct str pattern, bool deep, size_t *p, size_t s, struct retry *star,
			struct retry *stars)
{
	if (!deep || *p + 1 >= pattern.len || pattern.ptr[*p + 1] != '*') {
		*star = (struct retry){ .pattern = ++*p, .path = s, .set = true };
		return false;
	}
	*p += 2;
	if (*p < pattern.len && pattern.ptr[*p] == '/')
		(*p)++;
	*stars = (struct retry){ .pattern = *p, .path = s, .set = true };
	star->set = false;
	return *p == pattern.len;
}

/* One byte, or component, more for the last star that can take it. */
static bool step_back(struct str path, size_t *p, size_t *s, struct retry *star,
		      struct retry *stars)
{
	if (star->set && path.ptr[star->path] != '/') {
		*s = ++star->path;
		*p = star->pattern;
		return true;
	}
	star->set = false;
	if (!stars->set)
		return false;
	while (stars->path < path.len && path.ptr[stars->path] != '/')
		stars->path++;
	if (stars->path >= path.len)
		return false;
	*s = ++stars->path;
	*p = stars->pattern;
	return true;
}

static bool glob(struct str pattern, struct str path, bool deep)
{
	struct retry star = { 0 }, stars = { 0 };
	size_t p = 0, s = 0;
	while (s < path.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			if (enter_stars(pattern, deep, &p, s, &star, &stars))
				return true;
			continue;
		}
		int r = match_one(pattern, &p, path.ptr[s]);
		if (r < 0)
			return false;
		if (r == 1)
			s++;
		else if (!step_back(path, &p, &s, &star, &stars))
			return false;
	}
	while (p < pattern.len && pattern.ptr[p] == '*')
		(void)enter_stars(pattern, deep, &p, s, &star, &stars);
	return p == pattern.len;
}

/* "**" in front of plain text is a question of how the path ends, inside of a name too. */
static bool ends_plainly(struct str pattern)
{
	return str_starts(pattern, STR("**")) && !ignore_is_glob(str_skip(pattern, 2)) &&
	       str_find(pattern, ']') < 0;
}

bool ignore_glob(struct str pattern, struct str path)
{
	if (!ends_plainly(pattern))
		return glob(pattern, path, true);
	struct str end = str_skip(pattern, 2);
	return str_ends(path, end) ||
	       (end.len > 0 && end.ptr[0] == '/' && str_eq(path, str_skip(end, 1)));
}

bool ignore_component(struct str pattern, struct str name)
{
	return glob(pattern, name, false);
}

bool ignore_is_glob(struct str component)
{
	for (size_t i = 0; i < component.len; i++)
		if (component.ptr[i] && strchr("*?[\\", component.ptr[i]))
			return true;
	return false;
}

/* The pattern fits the path or a directory above it. */
static bool matches(struct str pattern, struct str path)
{
	if (ignore_glob(pattern, path))
		return true;
	for (size_t i = 0; i < path.len; i++)
		if (path.ptr[i] == '/' && ignore_glob(pattern, str_head(path, i)))
			return true;
	return false;
}

bool ignore_match(const struct files_ignore *list, uint32_t count, struct str path)
{
	bool ignored = false;
	for (uint32_t i = 0; i < count; i++)
		if (list[i].except == ignored && matches(list[i].pattern, path))
			ignored = !list[i].except;
	return ignored;
}

bool ignore_may_except(const struct files_ignore *list, uint32_t count, struct str dir)
{
	for (uint32_t i = 0; i < count; i++) {
		struct str pattern = list[i].pattern;
		if (!list[i].except)
			continue;
		size_t same = 0;
		while (same < pattern.len && same < dir.len && pattern.ptr[same] == dir.ptr[same])
			same++;
		/* Equal up to the end of one of them, or to the first wildcard. */
		if (same == dir.len || same == pattern.len ||
		    ignore_is_glob(str_head(str_skip(pattern, same), 1)) ||
		    ignore_is_glob(str_head(pattern, same)))
			return true;
	}
	return false;
}
