/* SPDX-License-Identifier: Apache-2.0 */
/* Completion of INI texts: where the cursor stands, and what may stand there. */
#include "init/console/key_words.h"
#include <stdio.h>
#include <string.h>
#include "tests/unit/tap.h"

static char offered[8192];

static void take(void *owner, struct str word)
{
	size_t len = strlen(offered);

	(void)owner;
	(void)snprintf(offered + len, sizeof(offered) - len, "%.*s ", STR_ARG(word));
}

static const char *at(const struct key_spot *spot)
{
	offered[0] = '\0';
	key_words_at(spot, take, NULL);
	return offered;
}

static const char *in_text(const char *before)
{
	const struct key_spot spot = key_words_spot(str_from(before));

	return at(&spot);
}

static const char *in_command(const char *before)
{
	const struct key_spot spot = key_words_command(str_from(before));

	return at(&spot);
}

static void test_text(void)
{
	is_text(in_text("[serv"), "service ", "a section");
	is_text(in_text("# a\n  [re"), "registry repository remote ", "several");
	is_text(in_text("[service web"), "", "its name is anybody's");
	is_text(in_text("[service web]\nima"), "image ", "a key");
	is_text(in_text("[engine]\nkeep_blobs = yes\n[service web]\n\thealthcheck.t"),
		"healthcheck.test healthcheck.timeout ", "of the section above");
	is_text(in_text("[service web]\nlab"), "labels. ", "one with names of one's own");
	is_text(in_text("[service web]\nima\n"), in_text("[service web]\n"),
		"a line that is done says nothing");
	is_text(in_text("ima"), "", "no section, no key");
	is_text(in_text("[nothing]\nima"), "", "an unknown section");
	is_text(in_text("[service web]\nrestart = "), "no always unless-stopped on-failure ",
		"values");
	is_text(in_text("[service web]\ntty=y"), "yes ", "of a switch");
	is_text(in_text("[service web]\nimage = a"), "", "a value that is anybody's");
	is_text(in_text("[service web]\n# ima"), "", "a comment");
	is_text(in_text(""), "", "nothing");
	is_text(in_text("["), in_text("# x\n["), "all sections");
	ok(strstr(in_text("["), "bridge ") && strstr(offered, "service ") &&
		   strstr(offered, "engine ") && strstr(offered, "hoy "),
	   "those of each daemon");
}

static void test_command(void)
{
	is_text(in_command("serv"), "service ", "a section");
	is_text(in_command(" \"serv"), "service ", "in quotes");
	is_text(in_command("\"service web"), "", "its name");
	is_text(in_command("\"service web\" ima"), "image ", "a key");
	is_text(in_command("engine keep_b"), "keep_blobs ", "of a section without a name");
	is_text(in_command("\"service web\" restart "), "no always unless-stopped on-failure ",
		"values");
	is_text(in_command("\"service web\" restart no al"), "always ", "a further one");
	is_text(in_command("\"service web\""), "", "behind the quote");
}

static void test_common(void)
{
	struct key_common common = { 0 };

	key_words_keys(STR("service"), STR("healthcheck.t"), key_words_common, &common);
	ok(common.count == 2 && common.len == 13 && !memcmp(common.text, "healthcheck.t", 13),
	   "what all have in front");
	key_words_common(&common, STR("x"));
	ok(common.count == 3 && common.len == 0, "may be nothing");
}

static void test_section(void)
{
	struct err err = { 0 };

	is_int(key_words_section(STR("service web"), NULL), 0, "a kind with a name");
	is_int(key_words_section(STR("hoy"), NULL), 0, "a kind without one");
	ok(key_words_section(STR("service.web"), &err) < 0, "a section of no kind");
	is_text(err_text(&err), "there is no section [service.web]; did you mean \"service web\"?",
		"written as others write it");
	(void)key_words_section(STR("servise web"), &err);
	is_text(err_text(&err), "there is no section [servise web]; did you mean 'service'?",
		"mistyped");
	(void)key_words_section(STR("\x1b[2Jx"), &err);
	is_text(err_text(&err),
		"there is no section [\\x1b[2Jx]; Tab lists them, \"service web\" is one",
		"nothing like it, escaped");
}

int main(void)
{
	test_section();
	test_text();
	test_command();
	test_common();
	return tap_done();
}
