/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Dockerfiles say of stages and bases that is wrong: names, platforms, and their order; and
 * malformed.table, texts of all kinds with the message that each gets.
 */
#include <fcntl.h>
#include <string.h>
#include "engine/build/plan.h"
#include "engine/oci/oci.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

struct row {
	const char *text, *target, *message;
};

static int make(const struct row *row, struct arena *arena, struct err *err)
{
	const struct build_inputs inputs = { .dockerfile = str_from(row->text),
					     .target = row->target };
	static struct build_plan plan;
	struct image bases[8];
	int r = build_plan_bases(&inputs, arena, &plan, err);

	for (size_t i = 0; i < ARRAY_LEN(bases); i++)
		image_init(&bases[i]);
	return r < 0 ? r
		     : build_plan_make(&inputs, bases, plan.references.count, arena, &plan, err);
}

static void refused(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct arena arena OWN(arena_done) = { 0 };
		struct err err = { 0 };

		arena_init(&arena, 128 << 20);
		ok(make(&rows[i], &arena, &err) < 0, "refused: row %zu", i);
		is_text(err_text(&err), rows[i].message, "message: row %zu", i);
	}
}

static void test_names(void)
{
	static const struct row rows[] = {
		{ "FROM x:\n", "",
		  "Dockerfile:1:6: failed to parse stage name \"x:\": invalid reference format" },
		{ "FROM x\nCOPY --from=Y//z a b\n", "",
		  "Dockerfile:2:1: failed to parse stage name \"Y//z\": invalid reference format" },
		{ "FROM Some/Name\n", "",
		  "Dockerfile:1:6: failed to parse stage name \"Some/Name\": invalid reference "
		  "format: repository name (Some/Name) must be lowercase" },
		{ "FROM Busybox:1\n", "",
		  "Dockerfile:1:6: failed to parse stage name \"Busybox:1\": invalid reference "
		  "format: repository name (library/Busybox) must be lowercase" },
		{ "FROM --platform=linux/amd64/v1/x x\n", "",
		  "Dockerfile:1:1: failed to parse platform linux/amd64/v1/x: "
		  "\"linux/amd64/v1/x\": cannot parse platform specifier: invalid argument" },
		{ "FROM --platform=nowhere x\n", "",
		  "Dockerfile:1:1: failed to parse platform nowhere: \"nowhere\": unknown "
		  "operating system or architecture: invalid argument" },
		{ "ARG MY_ARCH\nFROM --platform=linux/$MYARCH x\n", "",
		  "Dockerfile:2:1: failed to parse platform linux/$MYARCH: \"\" is an invalid "
		  "component of \"linux/\": platform specifier component must match "
		  "\"^[A-Za-z0-9_.-]+$\": invalid argument (did you mean MY_ARCH?)" },
		{ "ARG SYSTEM\nFROM --platform=$SISTEM x\n", "",
		  "Dockerfile:2:1: empty platform value from expression $SISTEM (did you mean "
		  "SYSTEM?)" },
	};
	refused(rows, ARRAY_LEN(rows));
}

static void test_order(void)
{
	static const struct row rows[] = {
		{ "FROM x AS one\nCOPY --from=one a b\n", "",
		  "Dockerfile:2:1: circular dependency detected on stage: one" },
		{ "FROM x AS one\nCOPY --from=three a b\nFROM x AS two\nCOPY --from=one a b\n"
		  "FROM x AS three\nRUN --mount=from=two,target=/t a\n",
		  "", "Dockerfile:2:1: circular dependency detected on stage: one" },
		{ "FROM x AS one\nCOPY --from=two a b\nFROM one AS two\n", "",
		  "Dockerfile:2:1: circular dependency detected on stage: one" },
		{ "FROM x AS one\nFROM one AS one\nCOPY --from=one a b\n", "",
		  "Dockerfile:3:1: circular dependency detected on stage: one" },
		{ "FROM x AS app\nCOPY --from=build a b\nFROM x AS build\nFROM app\n", "",
		  "Dockerfile:2:1: cannot copy from stage \"build\", it needs to be defined before "
		  "current stage \"app\"" },
		{ "FROM x\nRUN --mount=from=build,target=/t a\nFROM x AS build\nFROM x\n"
		  "COPY --from=0 a b\n",
		  "",
		  "Dockerfile:2:1: cannot mount from stage \"build\" to \"/t\", stage needs to be "
		  "defined before current command" },
	};
	refused(rows, ARRAY_LEN(rows));
}

#define TABLE "tests/unit/engine_build/malformed.table"

/* "\\n", "\\t", "\\1" (the byte 1) and "\\\\" of a row's text, in its place. */
static void unescape(char *text)
{
	char *to = text;
	for (; *text; text++) {
		if (*text == '\\' && text[1]) {
			text++;
			*to++ = *text == 'n'   ? '\n'
				: *text == 't' ? '\t'
				: *text == '1' ? 1
					       : *text;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* "Dockerfile:2:5: why". */
static bool has_place(const char *message)
{
	unsigned line = 0, column = 0;
	int end = 0;
	return sscanf(message, "Dockerfile:%u:%u: %n", &line, &column, &end) == 2 && end > 0 &&
	       line > 0 && column > 0 && message[end];
}

static void test_malformed(void)
{
	struct buf table OWN(buf_done) = { 0 };
	struct str rest, line;
	size_t count = 0;
	buf_init(&table, 1 << 20);
	if (!ok(fs_read(AT_FDCWD, TABLE, FS_HOST, 1 << 20, &table, NULL) >= 0, "the table"))
		return;
	rest = buf_str(&table);
	while (str_cut(&rest, '\n', &line)) {
		char text[512] = "", message[512] = "";
		ptrdiff_t tab = str_find(line, '\t');
		if (tab < 0)
			continue;
		(void)str_copy(str_head(line, (size_t)tab), text, sizeof(text));
		(void)str_copy(str_skip(line, (size_t)tab + 1), message, sizeof(message));
		unescape(text);
		ok(has_place(message), "line, column and reason: %s", message);
		refused(&(struct row){ text, "", message }, 1);
		count++;
	}
	ok(count >= 260, "malformed texts: each has its line, column and reason");
}

int main(void)
{
	test_malformed();
	test_names();
	test_order();
	return tap_done();
}
