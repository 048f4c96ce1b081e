/* SPDX-License-Identifier: Apache-2.0 */
/* Dockerfile instructions, their messages with line and column, expansion, .dockerignore. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/dockerfile/dockerfile.h"
#include "engine/dockerfile/ignore.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static int parse(struct arena *arena, const char *text, struct dockerfile *file, struct err *err)
{
	arena_init(arena, 64 << 20);
	return dockerfile_parse(str_from(text), arena, file, err);
}

/* The words of step `index`, joined with '|'. */
static const char *words(const struct dockerfile *file, uint32_t index)
{
	static char text[4096];
	size_t len = 0;
	text[0] = '\0';
	for (uint32_t i = 0; i < file->steps[index].words.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? "|" : "",
					file->steps[index].words.items[i]);
	return text;
}

static void test_words(void)
{
	static const struct {
		const char *line, *words;
		bool json;
	} rows[] = {
		{ "RUN echo hi", "echo hi", false },
		{ "run   echo \"a  b\"  ", "echo \"a  b\"", false },
		{ "RUN [\"echo\", \"a b\"]", "echo|a b", true },
		{ "RUN [ -f x ]", "[ -f x ]", false },
		{ "RUN echo a \\\n  # a comment\n\n  && echo b", "echo a   && echo b", false },
		{ "RUN echo a\\\\", "echo a\\\\", false },
		{ "CMD []", "", true },
		{ "CMD [\"a\", x]", "[\"a\", x]", false },
		{ "ENV a=1 b=\"x y\" c='$z'", "a|1|b|\"x y\"|c|'$z'", false },
		{ "ENV a b c", "a|b c", false },
		{ "ENV a=b\\ c", "a|b\\ c", false },
		{ "LABEL \"com.x\"=\"1\" y=", "\"com.x\"|\"1\"|y|", false },
		{ "COPY a b /dst/", "a|b|/dst/", false },
		{ "COPY [\"a b\", \"/dst\"]", "a b|/dst", true },
		{ "ADD x.txt /", "x.txt|/", false },
		{ "EXPOSE 80 443/tcp", "80|443/tcp", false },
		{ "VOLUME [\"/a\", \"/b\"]", "/a|/b", true },
		{ "VOLUME /a /b", "/a|/b", false },
		{ "USER 1000:1000", "1000:1000", false },
		{ "WORKDIR /a b/c", "/a b/c", false },
		{ "ARG a b=1 c=", "a|b=1|c=", false },
		{ "STOPSIGNAL SIGKILL", "SIGKILL", false },
		{ "SHELL [\"/bin/bash\", \"-c\"]", "/bin/bash|-c", true },
		{ "HEALTHCHECK NONE", "", false },
		{ "HEALTHCHECK --interval=5s CMD [\"x\"]", "x", true },
		{ "HEALTHCHECK CMD curl -f http://x/ || exit 1", "curl -f http://x/ || exit 1",
		  false },
		{ "MAINTAINER A B <a@b>", "A B <a@b>", false },
		{ "RUN cat <<< text", "cat <<< text", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena arena OWN(arena_done) = { 0 };
		struct dockerfile file = { 0 };
		struct err err = { 0 };
		char text[512];
		(void)snprintf(text, sizeof(text), "FROM x\n%s\n", rows[i].line);
		if (!ok(parse(&arena, text, &file, &err) == 0 && file.step_count == 2,
			"parses: row %zu", i)) {
			note("%s", err_text(&err));
			continue;
		}
		is_text(words(&file, 1), rows[i].words, "words: row %zu", i);
		is_int(file.steps[1].json, rows[i].json, "form: row %zu", i);
	}
}

static void test_flags(void)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct dockerfile file = { 0 };
	int r = parse(&arena,
		      "ARG V=1\nFROM --platform=linux/amd64 a:${V} AS Build\n"
		      "COPY --from=0 --chown=1:2 --chmod=0755 --link a /b\n"
		      "HEALTHCHECK --interval=1m30s --timeout=3s --retries=4 CMD x\n"
		      "RUN --network=default true\n",
		      &file, NULL);
	is_int(r, 0, "flags parse");
	is_text(file.steps[1].platform, "linux/amd64", "platform");
	is_text(file.steps[1].stage, "build", "stage names are lower case");
	is_text(file.steps[2].from, "0", "from");
	is_text(file.steps[2].chown, "1:2", "chown");
	is_text(file.steps[2].chmod, "0755", "chmod");
	is_int(file.steps[3].health.interval_ns, INT64_C(90000000000), "interval");
	is_int(file.steps[3].health.retries, 4, "retries");
	is_int(file.steps[3].line, 4, "line");
	is_text(file.steps[2].text, "COPY --from=0 --chown=1:2 --chmod=0755 --link a /b", "text");
}

static void test_escape_directive(void)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct dockerfile file = { 0 };
	int r = parse(&arena,
		      "\xef\xbb\xbf# syntax=docker/dockerfile:1\r\n#escape=`\r\n\r\nFROM x\r\n"
		      "RUN dir c:\\ `\r\n  /b\r\n",
		      &file, NULL);
	is_int(r, 0, "escape directive, byte order mark, CR LF");
	is_int(file.escape, '`', "escape");
	is_text(words(&file, 1), "dir c:\\   /b", "joined by the new escape");
}

static void test_messages(void)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "", "Dockerfile:1:1: the Dockerfile cannot be empty" },
		{ "# only\n", "Dockerfile:1:1: file with no instructions" },
		{ "ARG a\n", "Dockerfile:1:1: dockerfile contains no stages to build" },
		{ "RUN x\n", "Dockerfile:1:1: no build stage in current context: RUN stands before "
			     "the first FROM" },
		{ "FROM x\n\n  RNU x\n",
		  "Dockerfile:3:3: unknown instruction: RNU (did you mean RUN?)" },
		{ "FROM x\nfoobar x\n", "Dockerfile:2:1: unknown instruction: foobar" },
		{ "FROM\n", "Dockerfile:1:1: FROM requires either one or three arguments" },
		{ "FROM a b\n", "Dockerfile:1:1: FROM requires either one or three arguments" },
		{ "FROM a AS 1x\n", "Dockerfile:1:11: invalid name for build stage: \"1x\", name "
				    "can't start with a number or contain symbols" },
		{ "FROM x\nCOPY a\n", "Dockerfile:2:1: COPY requires at least two arguments, but "
				      "only one was provided. "
				      "Destination could not be determined" },
		{ "FROM x\nCOPY --form=0 a b\n",
		  "Dockerfile:2:6: unknown flag: --form (did you mean from?)" },
		{ "FROM x\nCOPY --from a b\n", "Dockerfile:2:6: missing a value on flag: --from" },
		{ "FROM x\nENV a=1 b\n", "Dockerfile:2:9: Syntax error - can't find = in \"b\". "
					 "Must be of the form: name=value" },
		{ "FROM x\nENV a\n", "Dockerfile:2:1: ENV must have two arguments" },
		{ "FROM x\nENV =a\n", "Dockerfile:2:5: ENV names can not be blank" },
		{ "FROM x\nUSER\n", "Dockerfile:2:1: USER requires exactly one argument" },
		{ "FROM x\nSHELL bash\n", "Dockerfile:2:1: SHELL requires the arguments to be in "
					  "JSON form, such as [\"/bin/sh\", \"-c\"]" },
		{ "FROM x\nHEALTHCHECK RUN x\n",
		  "Dockerfile:2:13: Unknown type \"RUN\" in HEALTHCHECK (try CMD)" },
		{ "FROM x\nHEALTHCHECK CMD\n",
		  "Dockerfile:2:13: Missing command after HEALTHCHECK CMD" },
		{ "FROM x\nHEALTHCHECK --retries=-1 CMD x\n",
		  "Dockerfile:2:13: --retries cannot be negative (-1)" },
		{ "FROM x\nRUN a \\\n  --x \\\n\nONBUILD RUN x\n", NULL },
		{ "#escape=x\nFROM x\n",
		  "Dockerfile:1:1: invalid escape token 'x' does not match ` or \\" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena arena OWN(arena_done) = { 0 };
		struct dockerfile file = { 0 };
		struct err err = { 0 };
		int r = parse(&arena, rows[i].text, &file, &err);
		if (rows[i].message) {
			ok(r < 0, "refused: row %zu", i);
			is_text(err_text(&err), rows[i].message, "message: row %zu", i);
		} else {
			is_int(r, 0, "comments and blank lines end nothing: row %zu", i);
			note("%s", err_text(&err));
		}
	}
}

static const char *lookup(const void *owner, struct str name)
{
	(void)owner;
	return str_is(name, "a")   ? "A"
	       : str_is(name, "e") ? ""
	       : str_is(name, "w") ? "x y"
	       : str_is(name, "p") ? "usr/lib/x.tar.gz"
	       : str_is(name, "b") ? "[x][x]*"
	       : str_is(name, "m") ? "\xc3\xa4"
				     "b"
				   : NULL;
}

static const struct {
	const char *word, *text; /* text NULL = refused */
} expansions[] = {
	{ "$a", "A" },
	{ "${a}b", "Ab" },
	{ "$ab", "" },
	{ "\\$a", "$a" },
	{ "'$a'", "$a" },
	{ "\"$a\"", "A" },
	{ "\"\\$a \\\" \\x\"", "$a \" \\x" },
	{ "a\\ b", "a b" },
	{ "${u:-d}", "d" },
	{ "${u-d}", "d" },
	{ "${e:-d}", "d" },
	{ "${e-d}", "" },
	{ "${a:+x}", "x" },
	{ "${u:+x}", "" },
	{ "${e:+x}", "" },
	{ "${e+x}", "x" },
	{ "${u:-${a:-z}}", "A" },
	{ "${u:-$a-b}", "A-b" },
	{ "${u:-'}'}", "}" },
	{ "$", "$" },
	{ "$1x", "x" },
	{ "$12x", "x" },
	{ "$$a", "a" },
	{ "$@b", "b" },
	{ "${p#*/}", "lib/x.tar.gz" },
	{ "${p##*/}", "x.tar.gz" },
	{ "${p%/*}", "usr/lib" },
	{ "${p%%/*}", "usr" },
	{ "${p%.*}", "usr/lib/x.tar" },
	{ "${p%%.*}", "usr/lib/x" },
	{ "${p#usr}", "/lib/x.tar.gz" },
	{ "${p#nope}", "usr/lib/x.tar.gz" },
	{ "${p#???}", "/lib/x.tar.gz" },
	{ "${p/\\//-}", "usr-lib/x.tar.gz" },
	{ "${p//\\//-}", "usr-lib-x.tar.gz" },
	{ "${p//.*/}", "usr/lib/x" },
	{ "${p/l?b/[$a]}", "usr/[A]/x.tar.gz" },
	{ "${p/nope/x}", "usr/lib/x.tar.gz" },
	{ "${b//[x]/y}", "yy*" },
	{ "${b/\\*/s}", "[x][x]s" },
	{ "${m#?}", "b" },
	{ "${m//\xc3\xa4/o}", "ob" },
	{ "${u/x/y}", "" },
	{ "\"${p##*/}\"", "x.tar.gz" },
	{ "${p#\\x}", NULL },
	{ "${p/x", NULL },
	{ "${p/x/y", NULL },
	{ "${p:#x}", NULL },
	{ "${a!x}", NULL },
	{ "${:x}", NULL },
	{ "${{a}", NULL },
	{ "${e:?}", NULL },
	{ "${e?}", "" },
	{ "${a", NULL },
	{ "${}", NULL },
	{ "${u:?boom}", NULL },
	{ "${a:?boom}", "A" },
	{ "${a#x}", "A" },
	{ "'x", NULL },
	{ "\"x", NULL },
	{ "${u:-", NULL },
};

static void test_expand(void)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct image_texts list = { 0 };
	size_t good = 0;
	int r;

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(expansions); i++) {
		const char *text = NULL;
		struct err err = { 0 };

		r = dockerfile_expand(expansions[i].word, '\\', lookup, NULL, &arena, &text, &err);
		is_text(r == 0 ? text : NULL, expansions[i].text, "expand %s", expansions[i].word);
		good += expansions[i].text ? r == 0 && !strcmp(text, expansions[i].text) : r != 0;
		if (!expansions[i].text)
			ok(r == -EINVAL && err.text[0], "and says why: %s", err_text(&err));
	}
	ok(good == ARRAY_LEN(expansions), "every form of expansion");
	r = dockerfile_expand_words("1 $w \"$w\" ''", '\\', lookup, NULL, &arena, &list, NULL);
	ok(r == 0 && list.count == 4, "words: %u, none of them empty", list.count);
	is_text(list.count == 4 ? list.items[3] : NULL, "x y", "quotes keep a value together");
}

static void test_body(void)
{
	struct arena arena OWN(arena_done) = { 0 };
	const char *text = NULL;
	arena_init(&arena, 1 << 20);
	int r = dockerfile_expand_body("say \"$a\" and '${u:-it''s}'\n\\$a\n", lookup, NULL, &arena,
				       &text, NULL);
	is_int(r, 0, "a here-document expands");
	is_text(text, "say \"A\" and 'it''s'\n$a\n", "its quotes stay, escapes keep the dollar");
}

/* Values as long as they may be, patterns that fit nowhere: refused, not computed for ever. */
static void test_pattern_work(void)
{
	static char word[30000];
	struct arena arena OWN(arena_done) = { 0 };
	const char *text = NULL;
	size_t len = 0;
	arena_init(&arena, 64 << 20);
	(void)snprintf(word, sizeof(word), "${p//");
	for (len = strlen(word); len < 20000; len += 2)
		memcpy(word + len, "*a", 3);
	memcpy(word + len, "b/}", 4);
	int r = dockerfile_expand(word, '\\', lookup, NULL, &arena, &text, NULL);
	is_int(r, 0, "a pattern of 20,000 bytes on a short value");
	is_text(text, "usr/lib/x.tar.gz", "and fits nowhere");
}

static void test_nesting(void)
{
	struct arena arena OWN(arena_done) = { 0 };
	char word[4096] = "";
	const char *text = NULL;
	arena_init(&arena, 1 << 20);
	for (int i = 0; i < 300; i++)
		(void)snprintf(word + strlen(word), sizeof(word) - strlen(word), "${u:-");
	is_int(dockerfile_expand(word, '\\', lookup, NULL, &arena, &text, NULL), -EINVAL,
	       "300 nested substitutions are refused");
}

static void test_glob(void)
{
	static const struct {
		const char *pattern, *path;
		bool match;
	} rows[] = {
		{ "*", "a", true },
		{ "*", "a/b", false },
		{ "a*c", "abbc", true },
		{ "a*c", "abb", false },
		{ "?", "a", true },
		{ "?", "/", false },
		{ "[a-c]x", "bx", true },
		{ "[^a-c]x", "bx", false },
		{ "[^a-c]x", "dx", true },
		{ "[]a]", "]", true },
		{ "[a", "a", false },
		{ "\\*", "*", true },
		{ "\\*", "a", false },
		{ "**/x", "x", true },
		{ "**/x", "a/b/x", true },
		{ "**/x", "a/bx", false },
		{ "a/**", "a/b/c", true },
		{ "a/**", "a", false },
		{ "a/**/b", "a/b", true },
		{ "a/**/b", "a/x/y/b", true },
		{ "**", "a/b", true },
		{ "*.go", "x.go", true },
		{ "**/*.go", "a/b/x.go", true },
		{ "*/temp*", "d/temporary.txt", true },
		{ "*/*/t", "a/b/t", true },
		{ "a/b", "a/b", true },
		{ "a/*/c*d", "a/x/cyyd", true },
		{ "**/a*/b", "x/ay/z/ab/b", true },
		{ "", "", true },
		{ "a", "", false },
		{ "[[-]*", "[x", true },
		{ "*a*b*c*", "xxaxxbxxcxx", true },
		{ "a**b", "ab", true },
		{ "a**b", "a/x/b", true },
		{ "a**b", "axb", false },
		{ "a**", "abc/d", true },
		{ "a**/*.c", "a.c", true },
		{ "**.txt", "x.txt", true },
		{ "**foo", "a/barfoo", true },
		{ "**fo*", "barfoo", false },
		{ "**/a/b", "x/a/b", true },
		{ "a/**/**/b", "a/b", true },
		{ "a/**/*/b", "a/x/y/b", true },
		{ "***", "a/b", true },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		is_int(ignore_glob(str_from(rows[i].pattern), str_from(rows[i].path)),
		       rows[i].match, "'%s' on '%s'", rows[i].pattern, rows[i].path);
}

static void test_ignore(void)
{
	static const char file[] = "# comment\n\n*.md\n!README.md\nnode_modules/\n/dist\n"
				   "**/*.o\n!src/keep.o\n  tmp  \r\n";
	static const struct {
		const char *path;
		bool ignored;
	} rows[] = {
		{ "x.md", true },
		{ "README.md", false },
		{ "docs/x.md", false },
		{ "node_modules", true },
		{ "node_modules/a/b", true },
		{ "dist/x", true },
		{ "src/dist", false },
		{ "src/a.o", true },
		{ "src/keep.o", false },
		{ "tmp", true },
		{ "tmp2", false },
	};
	struct files_ignore *list = calloc(FILES_IGNORE_MAX, sizeof(*list));
	struct arena arena OWN(arena_done) = { 0 };
	struct err err = { 0 };
	arena_init(&arena, 1 << 20);
	int count = ignore_parse(STR(file), &arena, list, FILES_IGNORE_MAX, &err);
	is_int(count, 7, "patterns");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		is_int(ignore_match(list, (uint32_t)count, str_from(rows[i].path)), rows[i].ignored,
		       "ignored: %s", rows[i].path);
	ok(ignore_may_except(list, (uint32_t)count, STR("src")), "src may hold an exception");
	ok(!ignore_may_except(list, (uint32_t)count, STR("node_modules")), "node_modules may not");
	is_int(ignore_parse(STR("a\n!\n"), &arena, list, FILES_IGNORE_MAX, &err), -EINVAL,
	       "a lone !");
	is_text(err_text(&err), ".dockerignore:2: illegal exclusion pattern: \"!\"", "message");
	is_int(ignore_parse(STR("a\nb\nc\n"), &arena, list, 2, NULL), -E2BIG, "too many");
	count = ignore_parse(STR(" # a pattern\n./a//b/../c/\n/\n../x\n! /y/ \n[a\n"), &arena, list,
			     FILES_IGNORE_MAX, &err);
	is_int(count, -EINVAL, "a class that does not end");
	is_text(err_text(&err), ".dockerignore:6: syntax error in pattern: [a", "message");
	count = ignore_parse(STR(" # a pattern\n./a//b/../c/\n/\n../x\n! /y/ \n.\n"), &arena, list,
			     FILES_IGNORE_MAX, &err);
	is_int(count, 6, "cleaned patterns");
	const char *const cleaned[] = { "# a pattern", "a/c", "/", "../x", "y", "." };
	for (int i = 0; i < count; i++)
		ok(str_is(list[i].pattern, cleaned[i]), "pattern %d is %s", i, cleaned[i]);
	ok(list[4].except, "an exception");
	free(list);
}

static void test_component(void)
{
	ok(ignore_component(STR("a**b"), STR("axyb")), "two stars in COPY are one");
	ok(ignore_component(STR("**"), STR("x")), "alone too");
	ok(!ignore_component(STR("?"), STR("xy")), "one character");
}

int main(void)
{
	test_words();
	test_flags();
	test_escape_directive();
	test_messages();
	test_expand();
	test_body();
	test_pattern_work();
	test_nesting();
	test_glob();
	test_ignore();
	test_component();
	return tap_done();
}
