/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .dockerignore and wildcards. Pure; patterns are read in the api role, matched in the files role.
 * Must never take time that grows faster than pattern times path.
 */
#include "engine/dockerfile/ignore.h"

#include <errno.h>
#include <string.h>

/* ---- reading ---- */

static struct str trim(struct str s)
{
	while (s.len > 0 && strchr(" \t\r", s.ptr[0]))
		s = str_skip(s, 1);
	while (s.len > 0 && strchr(" \t\r", s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* "/a/b/" and "./a/b" are "a/b"; the root itself becomes empty. */
static struct str clean(struct str s)
{
	for (;;) {
		if (s.len > 0 && s.ptr[0] == '/')
			s = str_skip(s, 1);
		else if (s.len > 1 && s.ptr[0] == '.' && s.ptr[1] == '/')
			s = str_skip(s, 2);
		else
			break;
	}
	while (s.len > 0 && s.ptr[s.len - 1] == '/')
		s.len--;
	return str_is(s, ".") ? (struct str){ 0 } : s;
}

int ignore_parse(struct str text, struct files_ignore *list, uint32_t max, struct err *err)
{
	struct str line;
	uint32_t count = 0, number = 0;
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_skip(text, 3);
	while (str_cut(&text, '\n', &line)) {
		struct files_ignore item = { .except = false };
		number++;
		line = trim(line);
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (line.ptr[0] == '!') {
			item.except = true;
			line = trim(str_skip(line, 1));
			if (line.len == 0)
				return err_set(err, -EINVAL,
					       ".dockerignore:%u: illegal exclusion pattern: \"!\"",
					       number);
		}
		item.pattern = clean(line);
		if (item.pattern.len == 0)
			continue;
		if (memchr(line.ptr, 0, line.len) || item.pattern.len >= FILES_PATH_MAX)
			return err_set(err, -EINVAL, ".dockerignore:%u: bad pattern", number);
		if (count == max)
			return err_set(err, -E2BIG, ".dockerignore has more than %u patterns", max);
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
	bool whole; /* only behind a '/' */
};

/* "**" takes any number of bytes, with a '/' behind it any number of whole components. */
static bool enter_stars(struct str pattern, size_t *p, size_t s, struct retry *star,
			struct retry *stars)
{
	size_t i = *p;
	while (i < pattern.len && pattern.ptr[i] == '*')
		i++;
	if (i - *p == 1) {
		*star = (struct retry){ .pattern = i, .path = s, .set = true };
		*p = i;
		return false;
	}
	bool slash = i < pattern.len && pattern.ptr[i] == '/';
	*p = i + slash;
	*stars = (struct retry){ .pattern = *p, .path = s, .set = true, .whole = slash };
	star->set = false;
	return *p == pattern.len && !slash;
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
	if (stars->whole)
		while (stars->path < path.len && path.ptr[stars->path] != '/')
			stars->path++;
	if (stars->path >= path.len)
		return false;
	*s = ++stars->path;
	*p = stars->pattern;
	return true;
}

bool ignore_glob(struct str pattern, struct str path)
{
	struct retry star = { 0 }, stars = { 0 };
	size_t p = 0, s = 0;
	while (s < path.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			if (enter_stars(pattern, &p, s, &star, &stars))
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
		p++;
	return p == pattern.len;
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
