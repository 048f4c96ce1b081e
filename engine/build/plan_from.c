/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a FROM says that is wrong, in Docker's words: platforms, and names in capitals. Pure; runs
 * in the api role. Must never decide what can run here: that is engine main's.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "engine/build/plan_lint.h"
#include "engine/build/scope.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

const char *plan_capitals(const char *reference, struct arena *arena)
{
	struct oci_reference parsed;
	char *lower = arena_text(arena, str_from(reference));
	const char *text = "";

	for (char *c = lower; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (!lower || oci_reference_parse(str_from(lower), &parsed, NULL) < 0)
		return "";
	const bool library =
		str_starts(str_from(parsed.path), STR("library/")) && !strstr(lower, "library/");
	const char *name = parsed.path + (library ? 8 : 0), *at = strstr(lower, name);
	if (at && strncmp(reference + (at - lower), name, strlen(name)) != 0)
		text = arena_printf(arena, ": repository name (%s%.*s) must be lowercase",
				    library ? "library/" : "", (int)strlen(name),
				    reference + (at - lower));
	return text ? text : "";
}

static bool is_part(struct str part)
{
	for (size_t i = 0; i < part.len; i++)
		if (!isalnum((unsigned char)part.ptr[i]) && !strchr("_.-", part.ptr[i]))
			return false;
	return part.len > 0;
}

static bool is_one_of(struct str word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_is_nocase(word, list[i]))
			return true;
	return false;
}

/* A single word is an operating system or an architecture. */
static bool is_known(struct str word)
{
	static const char *const names[] = {
		"aix",	   "android", "darwin", "dragonfly", "freebsd", "hurd",	   "illumos",
		"ios",	   "js",      "linux",	"nacl",	     "netbsd",	"openbsd", "plan9",
		"solaris", "windows", "zos",	"macos",     "386",	"amd64",   "amd64p32",
		"arm",	   "armbe",   "arm64",	"arm64be",   "ppc64",	"ppc64le", "loong64",
		"mips",	   "mipsle",  "mips64", "mips64le",  "ppc",	"riscv",   "riscv64",
		"s390",	   "s390x",   "sparc",	"sparc64",   "wasm",	"i386",	   "x86_64",
		"x86-64",  "aarch64", "armhf",	"armel",
	};

	return is_one_of(word, names, ARRAY_LEN(names));
}

static int bad_platform(const char *raw, const char *platform, struct err *err)
{
	struct str rest = str_from(platform), part, first = { 0 };
	char shown[60], whole[80], one[60];
	uint32_t count = 1;

	(void)str_escape(str_from(raw), shown, sizeof(shown));
	(void)str_escape(str_from(platform), whole, sizeof(whole));
	for (const char *c = platform; *c; c++)
		count += *c == '/';
	for (uint32_t i = 0; i < count; i++) {
		part = rest;
		(void)str_cut(&rest, '/', &part);
		if (i == 0)
			first = part;
		if (is_part(part))
			continue;
		(void)str_escape(part, one, sizeof(one));
		return err_set(err, -EINVAL,
			       "failed to parse platform %s: \"%s\" is an invalid component of "
			       "\"%s\": platform specifier component must match "
			       "\"^[A-Za-z0-9_.-]+$\": invalid argument",
			       shown, one, whole);
	}
	if (count == 1 && !is_known(first))
		return err_set(err, -EINVAL,
			       "failed to parse platform %s: \"%s\": unknown operating system or "
			       "architecture: invalid argument",
			       shown, whole);
	if (count > 3)
		return err_set(err, -EINVAL,
			       "failed to parse platform %s: \"%s\": cannot parse platform "
			       "specifier: invalid argument",
			       shown, whole);
	return 0;
}

int plan_platform(const struct scope *global, const char *raw, const char *platform,
		  struct err *err)
{
	struct err why = { 0 };
	const int r = bad_platform(raw, platform, &why);
	const char *near = r < 0 ? plan_lint_near(global, raw) : NULL;

	if (r == 0)
		return 0;
	return err_set(err, r, "%s%s%s%s", err_text(&why), near ? " (did you mean " : "",
		       near ? near : "", near ? "?)" : "");
}
