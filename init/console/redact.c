/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what a support archive must not hold. Pure; runs in the console program. Must never let a
 * secret through because its line was long or odd.
 */
#include "init/console/redact.h"

#include <string.h>
#include "init/unit/logline.h"
#include "lib/own.h"

static const char *const names[] = { "password", "passwd",  "secret", "token",	 "credential",
				     "api_key",	 "api-key", "apikey", "private", "auth" };

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

static bool names_secret(struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (logline_holds(word, str_from(names[i])))
			return true;
	return false;
}

/* Where the value behind a name that names a secret begins; -1 = there is none. */
static ptrdiff_t secret_value(struct str line)
{
	for (size_t i = 0; i < line.len; i++) {
		size_t end = i, at;

		while (end < line.len && is_word(line.ptr[end]))
			end++;
		if (end == i)
			continue;
		at = end;
		while (at < line.len && strchr(" \t\"'", line.ptr[at]) != NULL)
			at++;
		if (at < line.len && (line.ptr[at] == '=' || line.ptr[at] == ':') &&
		    names_secret(str_make(line.ptr + i, end - i)) && at + 1 < line.len)
			return (ptrdiff_t)at + 1;
		i = end - 1;
	}
	return -1;
}

/* "environment = NAME=VALUE", also "environment=...": the name may stay. */
static ptrdiff_t environment_value(struct str line)
{
	struct str text = str_trim(line);
	ptrdiff_t first, second;

	if (!str_starts(text, STR("environment")))
		return -1;
	first = str_find(line, '=');
	if (first < 0)
		return -1;
	second = str_find(str_skip(line, (size_t)first + 1), '=');
	return second < 0 ? first + 1 : first + 1 + second + 1;
}

/* What follows `word` and a blank. */
static ptrdiff_t behind(struct str line, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n < line.len; i++)
		if (logline_holds(str_make(line.ptr + i, n), str_make(word, n)))
			return (ptrdiff_t)(i + n);
	return -1;
}

/* "//user:password@": from behind the slashes to the '@'. */
static bool url_login(struct str line, size_t from, size_t *ret_start, size_t *ret_end)
{
	for (size_t i = from; i + 2 < line.len; i++) {
		size_t end = i + 2;

		if (line.ptr[i] != '/' || line.ptr[i + 1] != '/')
			continue;
		while (end < line.len && strchr("/ \t\"'@", line.ptr[end]) == NULL)
			end++;
		if (end < line.len && line.ptr[end] == '@') {
			*ret_start = i + 2;
			*ret_end = end;
			return true;
		}
	}
	return false;
}

/* The line without the logins of its URLs. */
static void put_urls(struct str line, struct buf *out)
{
	size_t from = 0, start, end;

	while (url_login(line, from, &start, &end)) {
		(void)buf_add_str(out, str_make(line.ptr + from, start - from));
		(void)buf_add_text(out, REDACTED);
		from = end;
	}
	(void)buf_add_str(out, str_skip(line, from));
}

static bool marks_key(struct str line, const char *begin)
{
	return logline_holds(line, str_from(begin)) && logline_holds(line, STR("PRIVATE KEY"));
}

void redact_line(struct redact *redact, struct str line, struct buf *out)
{
	static const char *const schemes[] = { "bearer ", "basic ", "$2b$", "$2y$", "$2a$" };
	ptrdiff_t cut = secret_value(line), other = environment_value(line);

	if (redact->in_key || marks_key(line, "-----BEGIN")) {
		redact->in_key = !marks_key(line, "-----END");
		(void)buf_add_text(out, REDACTED "\n");
		return;
	}
	cut = cut < 0 || (other >= 0 && other < cut) ? other : cut;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		other = behind(line, schemes[i]);
		cut = cut < 0 || (other >= 0 && other < cut) ? other : cut;
	}
	put_urls(cut < 0 ? line : str_head(line, (size_t)cut), out);
	(void)buf_add_text(out, cut < 0 ? "\n" : " " REDACTED "\n");
}

void redact_text(struct str text, struct buf *out)
{
	struct redact redact = { 0 };
	struct str line;

	while (text.len > 0 && str_cut(&text, '\n', &line))
		redact_line(&redact, line, out);
}
