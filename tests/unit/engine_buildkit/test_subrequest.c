/* SPDX-License-Identifier: Apache-2.0 */
/* What a client asks of a Dockerfile instead of a build: the answers, byte for byte. */
#include <errno.h>
#include "engine/buildkit/subrequest.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

#define AT(line) \
	"\"location\":{\"ranges\":[{\"start\":{\"line\":" line "},\"end\":{\"line\":" line "}}]}"

static const char text[] =
	"ARG TAG=1\nFROM busybox:$TAG AS one\n# who is greeted\nARG who=me\n"
	"RUN --mount=type=secret,id=tok,required --mount=type=cache,target=/c x\n"
	"# two is the other\nFROM one AS two\nRUN --mount=type=ssh y\n"
	"FROM scratch\nARG far\n";

static void answer_is(struct arena *arena, enum subrequest kind, const char *target,
		      const char *expected)
{
	struct build_inputs inputs = { .dockerfile = str_from(text), .target = target };
	struct buf out OWN(buf_done) = { 0 };
	struct err err = { 0 };
	char *sources;

	(void)image_pairs_set(arena, &inputs.args, "who", "you", &err);
	buf_init(&out, 1 << 20);
	is_int(subrequest_put(&out, kind, &inputs, arena, &err), 0, "asked of %s: %s", target,
	       err.text);
	sources = strstr(buf_text(&out), ",\"sources\":[\"QVJHIFRBRz0x");
	ok(sources != NULL, "the file comes along");
	if (sources)
		*sources = 0;
	is_text(buf_text(&out), expected, "the answer for %s", target);
}

static void test_kinds(void)
{
	enum subrequest kind;
	struct err err = { 0 };

	ok(subrequest_parse("", &kind, &err) == 0 && kind == SUBREQUEST_NONE, "a build");
	ok(subrequest_parse("frontend.lint", &kind, &err) == 0 && kind == SUBREQUEST_LINT, "check");
	ok(subrequest_parse("frontend.targets", &kind, &err) == 0 && kind == SUBREQUEST_TARGETS,
	   "targets");
	ok(subrequest_parse("frontend.x", &kind, &err) == -EINVAL &&
		   !strcmp(err.text, "unsupported request frontend.x"),
	   "another one: %s", err.text);
}

static void test_lint(void)
{
	const struct subrequest_warning one = {
		.rule = "R", .description = "", .url = "u", .detail = "d", .line = 2
	};
	struct subrequest_lint lint = { .filename = "D",
					.dockerfile = STR("FROM a\n"),
					.warnings = &one,
					.count = 1,
					.error = "" };
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 1 << 20);
	subrequest_put_lint(&out, &lint);
	is_text(buf_text(&out),
		"{\"warnings\":[{\"ruleName\":\"R\",\"url\":\"u\",\"detail\":\"d\"," AT(
			"2") "}],"
			     "\"sources\":[{\"filename\":\"D\",\"language\":\"Dockerfile\","
			     "\"data\":\"RlJPTSBhCg==\"}]}",
		"a warning");
	lint.count = 0;
	lint.error = "no";
	lint.error_line = 7;
	buf_clear(&out);
	subrequest_put_lint(&out, &lint);
	ok(strstr(buf_text(&out), "\"buildError\":{\"message\":\"no\"," AT("7") "}"),
	   "an error: %s", buf_text(&out));
}

int main(void)
{
	struct arena arena OWN(arena_done) = { 0 };

	arena_init(&arena, 64 << 20);
	test_kinds();
	test_lint();
	answer_is(&arena, SUBREQUEST_TARGETS, "",
		  "{\"targets\":[{\"name\":\"one\",\"base\":\"busybox:$TAG\"," AT(
			  "2") "},"
			       "{\"name\":\"two\",\"description\":\"is the "
			       "other\",\"base\":\"one\"," AT(
				       "7") "},"
					    "{\"default\":true,\"base\":\"scratch\"," AT("9") "}]");
	answer_is(
		&arena, SUBREQUEST_OUTLINE, "two",
		"{\"name\":\"two\",\"description\":\"is the other\",\"args\":["
		"{\"name\":\"TAG\",\"value\":\"1\"," AT(
			"1") "},"
			     "{\"name\":\"who\",\"description\":\"is "
			     "greeted\",\"value\":\"you\"," AT(
				     "4") "}],"
					  "\"secrets\":[{\"name\":\"tok\",\"required\":true," AT(
						  "5") "}],"
						       "\"ssh\":[{\"name\":\"default\"," AT(
							       "8") "}],"
								    "\"cache\":[{\"ID\":\"/c\"," AT(
									    "5") "}]");
	return tap_done();
}
