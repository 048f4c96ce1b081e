/* SPDX-License-Identifier: Apache-2.0 */
/* healthcheck.test as Compose spells it, and Hoy's two forms beside it. */
#include "engine/health/test.h"
#include <arpa/inet.h>
#include <errno.h>
#include "lib/own.h"
#include "tests/unit/tap.h"

static struct arena arena;

static bool parse(const char *text, struct health_test *test)
{
	struct image_texts words;

	return health_test_parse(&arena, str_from(text), &words, NULL) == 0 &&
	       health_test_make(&arena, &words, test, NULL) == 0;
}

static void test_exec(void)
{
	struct health_test test;

	ok(parse("[\"CMD\", \"curl\", \"-f\", \"http://x/\"]", &test) && test.argv.count == 3,
	   "CMD is run as it stands");
	is_text(test.argv.items[2], "http://x/", "with its last argument");
	ok(parse("[\"CMD-SHELL\", \"a || exit 1\"]", &test) && test.argv.count == 3,
	   "CMD-SHELL is run by a shell");
	is_text(test.argv.items[0], "/bin/sh", "namely /bin/sh");
	is_text(test.argv.items[2], "a || exit 1", "with the script as one word");
	ok(parse("test -e /ready", &test) && test.kind == HEALTH_KIND_EXEC,
	   "a plain text is a script, as in Compose");
	is_text(test.argv.items[2], "test -e /ready", "as a whole");
	ok(parse("[\"NONE\"]", &test) && test.kind == HEALTH_KIND_NONE, "NONE is no check");
}

static void test_places(void)
{
	struct health_test test;

	ok(parse("tcp:localhost:6379", &test) && test.kind == HEALTH_KIND_TCP, "tcp:HOST:PORT");
	is_int(test.port, 6379, "its port");
	is_int(ntohl(test.ip4), 0x7f000001, "localhost is the container's own");
	ok(parse("http://127.0.0.1:8080/ok?a=1", &test) && test.kind == HEALTH_KIND_HTTP,
	   "http://HOST:PORT/PATH");
	ok(str_is(test.path, "/ok?a=1") && str_is(test.host, "127.0.0.1:8080"), "path and host");
	ok(parse("http://localhost", &test) && test.port == 80 && str_is(test.path, "/"),
	   "port 80 and / when nothing else is said");
}

static void test_refused(void)
{
	static const char *const bad[] = { "",
					   "[]",
					   "[\"CMD\"]",
					   "[\"CMD-SHELL\"]",
					   "[\"CMD-SHELL\", \"a\", \"b\"]",
					   "[\"curl\", \"x\"]",
					   "[\"NONE\", \"x\"]",
					   "[1]",
					   "[\"CMD\"",
					   "tcp:localhost",
					   "tcp:localhost:0",
					   "tcp:localhost:65536",
					   "tcp:example.org:80",
					   "http://",
					   "http://example.org/",
					   "http://127.0.0.1:80/a b",
					   "http://127.0.0.1:80/\x7f",
					   "[\"HTTP\", \"ftp://127.0.0.1/\"]" };
	struct health_test test;
	struct err err = { 0 };
	struct image_texts words;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(!parse(bad[i], &test), "refused: %s", bad[i]);
	is_int(health_test_parse(&arena, STR("[]"), &words, &err), -EINVAL, "with a reason");
	ok(strstr(err_text(&err), "CMD-SHELL") != NULL, "that says what was expected");
}

int main(void)
{
	arena_init(&arena, 1 << 20);
	test_exec();
	test_places();
	test_refused();
	arena_done(&arena);
	return tap_done();
}
