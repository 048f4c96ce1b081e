/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms as clients write them. */
#include "engine/docker/platform.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

int main(void)
{
	static const char *const rows[][2] = {
		{ "linux/arm64", "linux/arm64" },
		{ "linux/arm64/v8", "linux/arm64" },
		{ "linux/aarch64", "linux/arm64" },
		{ "LINUX/x86_64", "linux/amd64" },
		{ "arm/v7/x", NULL },
		{ "windows/amd64", "windows/amd64" },
		{ "s390x", "linux/s390x" },
		{ "armhf", "linux/arm/v7" },
	};
	static const char *const wrong[][2] = {
		{ "       ", "is an invalid OS component" },
		{ "/", "is an invalid OS component" },
		{ "linux/", "is an invalid component" },
		{ "nintendo64", "unknown operating system or architecture" },
		{ "a/b/c/d", "cannot parse platform specifier" },
	};
	char text[DOCKER_PLATFORM_MAX];
	struct docker_platform p;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		is_int(docker_platform_parse(str_from(rows[i][0]), &p, NULL), 0, "%s", rows[i][0]);
		docker_platform_text(&p, text);
		if (rows[i][1])
			is_text(text, rows[i][1], "as people write it");
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct err err = { 0 };

		ok(docker_platform_parse(str_from(wrong[i][0]), &p, &err) < 0, "'%s' is none",
		   wrong[i][0]);
		ok(strstr(err_text(&err), wrong[i][1]) != NULL, "%s", err_text(&err));
	}
	is_int(docker_platform_parse(STR("linux"), &p, NULL), 0, "an operating system alone");
	ok(docker_platform_is_own(&p), "is this machine's");
	is_int(docker_platform_parse(STR("linux/sparc64"), &p, NULL), 0, "another machine's");
	ok(!docker_platform_is_own(&p), "is not");
	return tap_done();
}
