/* SPDX-License-Identifier: Apache-2.0 */
/* A client's seccomp profile: what costs the library too much, and what Docker's own costs. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include "engine/docker/create.h"
#include "engine/run/seccomp_profile.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

enum { TEXT_MAX = 256 << 10, LINE_MAX = 512, WORDS = 8 };

static int compile(const struct buf *text, size_t *ret_bytes, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct create create = { .arena = &arena };
	int r;

	arena_init(&arena, DOCKER_ARENA_MAX);
	def_host_init(&create.def.host);
	r = create_seccomp(&create, buf_str(text), err);
	*ret_bytes = create.def.host.seccomp.len;
	return r;
}

/* rules x 16 conditions on the first argument x 4 names, as a client may send it. */
static void make(struct buf *text, const char *head, unsigned rules)
{
	(void)buf_printf(text, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",%s\"syscalls\":[", head);
	for (unsigned i = 0; i < rules; i++) {
		(void)buf_printf(text,
				 "%s{\"names\":[\"read\",\"write\",\"openat\",\"close\"],"
				 "\"action\":\"SCMP_ACT_ERRNO\",\"args\":[",
				 i ? "," : "");
		for (unsigned k = 0; k < 16; k++)
			(void)buf_printf(text,
					 "%s{\"index\":0,\"value\":%u,\"op\":\"SCMP_CMP_EQ\"}",
					 k ? "," : "", i * 16 + k);
		(void)buf_add_text(text, "]}");
	}
	(void)buf_add_text(text, "]}");
}

static void test_refused(const char *head, unsigned rules)
{
	struct buf text OWN(buf_done) = { 0 };
	struct err err = { 0 };
	size_t bytes;

	buf_init(&text, TEXT_MAX);
	make(&text, head, rules);
	ok(!buf_error(&text), "%u rules, %zu bytes", rules, text.len);
	is_int(compile(&text, &bytes, &err), -EINVAL, "refused, not compiled");
	ok(strstr(err_text(&err), "conditions on arguments") != NULL, "%s", err_text(&err));
}

/* Of a row: name action errno arches with without excluded-arches argument. */
static void put_row(struct buf *text, char *line)
{
	char *word[WORDS] = { 0 }, *rest = line;

	for (size_t i = 0; i < WORDS; i++)
		word[i] = strsep(&rest, "\t");
	(void)buf_printf(text, "%s{\"names\":[\"%s\"],\"action\":\"SCMP_ACT_%s\",\"args\":[",
			 strchr(text->data, '{') == strrchr(text->data, '{') ? "" : ",", word[0],
			 strcmp(word[1], "allow") != 0 ? "ERRNO" : "ALLOW");
	if (strcmp(word[7], "-") != 0)
		(void)buf_add_text(text, "{\"index\":0,\"value\":8,\"op\":\"SCMP_CMP_EQ\"}");
	(void)buf_add_text(text, "]}");
}

/* Each of its rules holds here, whatever it depends on: more than any machine has of it. */
static void test_dockers_own(void)
{
	FILE *file = fopen("tests/unit/engine_run/docker_seccomp.tsv", "re");
	struct buf text OWN(buf_done) = { 0 };
	struct err err = { 0 };
	char line[LINE_MAX];
	size_t bytes = 0;

	ok(file != NULL, "the list of Docker's rules");
	if (!file)
		return;
	buf_init(&text, TEXT_MAX);
	(void)buf_add_text(&text, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":["
				  "\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\","
				  "\"SCMP_ARCH_AARCH64\",\"SCMP_ARCH_ARM\",\"SCMP_ARCH_S390X\"],"
				  "\"syscalls\":[");
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		if (*line && *line != '#')
			put_row(&text, line);
	}
	(void)fclose(file);
	(void)buf_add_text(&text, "]}");
	is_int(compile(&text, &bytes, &err), 0, "Docker's own profile fits: %s", err_text(&err));
	ok(bytes > 0, "a program of %zu bytes", bytes);
}

/* A machine's own architectures alone: others are no work for the library. */
static void test_others_left_out(void)
{
	static const char rule[] = "\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":"
				   "\"SCMP_ACT_ERRNO\"}]}";
	struct buf few OWN(buf_done) = { 0 }, many OWN(buf_done) = { 0 };
	struct err err = { 0 };
	size_t one = 0, all = 0;

	buf_init(&few, TEXT_MAX);
	buf_init(&many, TEXT_MAX);
	(void)buf_printf(&few, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",%s", rule);
	(void)buf_printf(&many,
			 "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":["
			 "\"SCMP_ARCH_MIPS\",\"SCMP_ARCH_PPC64LE\",\"SCMP_ARCH_S390X\"],%s",
			 rule);
	is_int(compile(&few, &one, &err), 0, "none named: %s", err_text(&err));
	is_int(compile(&many, &all, &err), 0, "three others named: %s", err_text(&err));
	ok(one > 0 && one == all, "%zu and %zu bytes", one, all);
}

int main(void)
{
	(void)seccomp_api_get();
	test_refused("", 240);
	test_refused("\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\","
		     "\"SCMP_ARCH_ARM\",\"SCMP_ARCH_AARCH64\",\"SCMP_ARCH_MIPS\","
		     "\"SCMP_ARCH_MIPS64\",\"SCMP_ARCH_PPC\",\"SCMP_ARCH_S390\","
		     "\"SCMP_ARCH_S390X\"],",
		     60);
	test_dockers_own();
	test_others_left_out();
	return tap_done();
}
