/* SPDX-License-Identifier: Apache-2.0 */
/* Dockerfiles and what they read as, step by step, or their message: dockerfile.table. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "engine/dockerfile/dockerfile.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

#define TABLE "tests/unit/engine_build/dockerfile.table"

static void put_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			(void)buf_add_text(out, "\\n");
		else if (*text == '\t')
			(void)buf_add_text(out, "\\t");
		else
			(void)buf_add_byte(out, (unsigned char)*text);
	}
}

static void put_flag(struct buf *out, const char *name, const char *value)
{
	if (*value)
		(void)buf_printf(out, " --%s=%s", name, value);
}

static void put_flags(struct buf *out, const struct dockerfile_step *step)
{
	put_flag(out, "platform", step->platform);
	put_flag(out, "as", step->stage);
	put_flag(out, "from", step->from);
	put_flag(out, "chown", step->chown);
	put_flag(out, "chmod", step->chmod);
	put_flag(out, "checksum", step->checksum);
	put_flag(out, "network", step->network);
	put_flag(out, "link", step->link ? "true" : "");
	put_flag(out, "parents", step->parents ? "true" : "");
	put_flag(out, "keep-git-dir", step->keep_git_dir ? "true" : "");
	put_flag(out, "unpack", step->unpack ? "true" : step->no_unpack ? "false" : "");
	for (uint32_t i = 0; i < step->excludes.count; i++)
		put_flag(out, "exclude", step->excludes.items[i]);
	for (uint32_t i = 0; i < step->mounts.count; i++)
		put_flag(out, "mount", step->mounts.items[i]);
	if (step->health.interval_ns)
		(void)buf_printf(out, " --interval=%lld", (long long)step->health.interval_ns);
	if (step->health.timeout_ns)
		(void)buf_printf(out, " --timeout=%lld", (long long)step->health.timeout_ns);
	if (step->health.start_period_ns)
		(void)buf_printf(out, " --start-period=%lld",
				 (long long)step->health.start_period_ns);
	if (step->health.retries)
		(void)buf_printf(out, " --retries=%u", step->health.retries);
}

/* "2:1 COPY --from=a [json] |src|dst|", then a line for each here-document. */
static void dump(struct buf *out, const struct dockerfile *file)
{
	for (uint32_t i = 0; i < file->warnings.count; i++)
		(void)buf_printf(out, "warning: %u:%u %s %s\n", file->warnings.items[i].line,
				 file->warnings.items[i].column,
				 dockerfile_rule_name(file->warnings.items[i].rule),
				 file->warnings.items[i].text);
	for (uint32_t i = 0; i < file->step_count; i++) {
		const struct dockerfile_step *step = &file->steps[i];
		(void)buf_printf(out, "%u:%u %s", step->line, step->column,
				 dockerfile_kind_name(step->kind));
		put_flags(out, step);
		(void)buf_add_text(out, step->json ? " json |" : " |");
		for (uint32_t w = 0; w < step->words.count; w++) {
			put_escaped(out, step->words.items[w]);
			(void)buf_add_byte(out, '|');
		}
		for (uint32_t d = 0; d < step->heredoc_count; d++) {
			(void)buf_printf(out, "\n  <<%s%s ", step->heredocs[d].name,
					 step->heredocs[d].expand ? "" : " literal");
			put_escaped(out, step->heredocs[d].data);
		}
		(void)buf_add_byte(out, '\n');
	}
}

static void check_row(struct str name, struct str text, struct str expected)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf out OWN(buf_done) = { 0 };
	struct dockerfile file = { 0 };
	struct err err = { 0 };
	arena_init(&arena, 64 << 20);
	buf_init(&out, 1 << 20);
	if (dockerfile_parse(text, &arena, &file, &err) < 0)
		(void)buf_printf(&out, "%s\n", err_text(&err));
	else
		dump(&out, &file);
	if (!ok(str_eq(buf_str(&out), expected), "%.*s", STR_ARG(name)))
		note("got:\n%s", buf_text(&out));
}

/* Index of the line that is `mark` or starts with it, from `at` on; the end when there is none. */
static size_t find_line(struct str text, size_t at, struct str mark)
{
	while (at < text.len) {
		if (str_starts(str_skip(text, at), mark))
			return at;
		ptrdiff_t end = str_find(str_skip(text, at), '\n');
		at = end < 0 ? text.len : at + (size_t)end + 1;
	}
	return text.len;
}

int main(void)
{
	struct buf table OWN(buf_done) = { 0 };
	unsigned rows = 0;
	buf_init(&table, 1 << 20);
	if (!ok(fs_read(AT_FDCWD, TABLE, FS_HOST, 1 << 20, &table, NULL) >= 0,
		"the table is there"))
		return tap_done();
	struct str text = buf_str(&table);
	for (size_t at = find_line(text, 0, STR("== ")); at < text.len; rows++) {
		size_t split, next = find_line(text, at + 3, STR("== "));
		struct str row = str_make(text.ptr + at, next - at), name = { 0 };
		(void)str_cut(&row, '\n', &name);
		split = find_line(row, 0, STR("--\n"));
		check_row(str_skip(name, 3), str_head(row, split),
			  split < row.len ? str_skip(row, split + 3) : (struct str){ 0 });
		at = next;
	}
	ok(rows >= 100, "the table was read to its end");
	return tap_done();
}
