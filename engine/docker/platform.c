/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platforms as clients write them (containerd's platforms package). Runs in the api role, on
 * foreign text. Pure.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/docker/platform.h"
#include "engine/oci/oci.h"
#include "lib/own.h"

enum { PLATFORM_PARTS = 3 };

static bool is_word(struct str part)
{
	for (size_t i = 0; i < part.len; i++) {
		char c = part.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    (!c || !strchr("_.-", c)))
			return false;
	}
	return part.len > 0;
}

static bool is_os(const char *name)
{
	static const char *const known[] = { "aix",	"android", "darwin",  "dragonfly",
					     "freebsd", "hurd",	   "illumos", "ios",
					     "js",	"linux",   "nacl",    "netbsd",
					     "openbsd", "plan9",   "solaris", "windows",
					     "zos" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!strcmp(name, known[i]))
			return true;
	}
	return false;
}

static bool is_architecture(const char *name)
{
	static const char *const known[] = { "386",    "amd64",	   "arm",     "armbe",	 "arm64",
					     "ppc64",  "ppc64le",  "loong64", "mips",	 "mipsle",
					     "mips64", "mips64le", "ppc",     "riscv64", "s390",
					     "s390x",  "sparc",	   "sparc64", "wasm",	 "riscv",
					     "arm64be" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!strcmp(name, known[i]))
			return true;
	}
	return false;
}

static void normalise(struct docker_platform *p)
{
	static const struct {
		const char *from, *to, *variant;
	} names[] = {
		{ "x86_64", "amd64", "" },  { "x86-64", "amd64", "" }, { "i386", "386", "" },
		{ "aarch64", "arm64", "" }, { "armhf", "arm", "v7" },  { "armel", "arm", "v6" },
	};

	if (!strcmp(p->os, "macos"))
		(void)str_copy(STR("darwin"), p->os, sizeof(p->os));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(p->architecture, names[i].from) != 0)
			continue;
		(void)str_copy(str_from(names[i].to), p->architecture, sizeof(p->architecture));
		(void)str_copy(str_from(names[i].variant), p->variant, sizeof(p->variant));
	}
	if ((!strcmp(p->architecture, "amd64") && !strcmp(p->variant, "v1")) ||
	    (!strcmp(p->architecture, "arm64") && !strcmp(p->variant, "v8")))
		p->variant[0] = 0;
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
}

int docker_platform_parse(struct str text, struct docker_platform *ret_platform, struct err *err)
{
	struct docker_platform p = { 0 };
	char *const places[PLATFORM_PARTS] = { p.os, p.architecture, p.variant };
	struct oci_platform own = oci_platform_own();
	struct str rest = text, part;
	size_t count = 0;
	bool more = true;

	for (; more; count++) {
		more = str_find(rest, '/') >= 0;
		(void)str_cut(&rest, '/', &part);
		if (count == PLATFORM_PARTS)
			return err_set(err, -EINVAL, "\"%.*s\": cannot parse platform specifier",
				       (int)(text.len > 60 ? 60 : text.len), text.ptr);
		if (!is_word(part) || str_copy(part, places[count], sizeof(p.os)) < 0)
			return err_set(err, -EINVAL,
				       "\"%.*s\" is an invalid%s component of \"%.*s\": platform "
				       "specifier component must match \"^[A-Za-z0-9_.-]+$\"",
				       (int)(part.len > 60 ? 60 : part.len),
				       part.ptr ? part.ptr : "", count ? "" : " OS",
				       (int)(text.len > 60 ? 60 : text.len), text.ptr);
		lower(places[count]);
	}
	if (count == 1 && !is_os(p.os) && strcmp(p.os, "macos") != 0) {
		memcpy(p.architecture, p.os, sizeof(p.os));
		(void)str_copy(str_from(own.os), p.os, sizeof(p.os));
	}
	normalise(&p);
	if (count == 1 && *p.architecture && !is_architecture(p.architecture))
		return err_set(err, -EINVAL,
			       "\"%.*s\": unknown operating system or architecture: "
			       "invalid argument",
			       (int)(text.len > 60 ? 60 : text.len), text.ptr);
	if (!*p.architecture)
		(void)str_copy(str_from(own.architecture), p.architecture, sizeof(p.architecture));
	*ret_platform = p;
	return 0;
}

void docker_platform_text(const struct docker_platform *platform, char text[DOCKER_PLATFORM_MAX])
{
	(void)snprintf(text, DOCKER_PLATFORM_MAX, "%s/%s%s%s", platform->os, platform->architecture,
		       *platform->variant ? "/" : "", platform->variant);
}

bool docker_platform_is_own(const struct docker_platform *platform)
{
	struct oci_platform own = oci_platform_own();

	return !strcmp(platform->os, own.os) && !strcmp(platform->architecture, own.architecture) &&
	       (!*platform->variant || !*own.variant || !strcmp(platform->variant, own.variant));
}
