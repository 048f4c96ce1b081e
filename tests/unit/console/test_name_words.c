/* SPDX-License-Identifier: Apache-2.0 */
/* Whose names a key takes; words of a command's help. */
#include <string.h>
#include "init/console/name_words.h"
#include "tests/unit/tap.h"

static char words[256];

static void add(void *owner, struct str word)
{
	size_t len = strlen(words);

	(void)owner;
	(void)str_copy(word, words + len, sizeof(words) - len - 1);
	(void)str_copy(STR(" "), words + strlen(words), 2);
}

static bool offers(const char *arguments, bool first, const char *typed, const char *wanted)
{
	words[0] = 0;
	name_words_of_help(arguments, first, str_from(typed), add, NULL);
	return !strcmp(words, wanted);
}

static void keys(void)
{
	is_int(name_kind_of_key(STR("service"), STR("depends_on")), NAME_KIND_SERVICE, "services");
	is_int(name_kind_of_key(STR("service"), STR("image")), NAME_KIND_IMAGE, "images");
	is_int(name_kind_of_key(STR("service"), STR("networks")), NAME_KIND_NETWORK, "networks");
	is_int(name_kind_of_key(STR("service"), STR("volumes")), NAME_KIND_VOLUME, "volumes");
	is_int(name_kind_of_key(STR("service"), STR("command")), NAME_KIND_NONE, "no names");
	is_int(name_kind_of_key(STR("hoy"), STR("image")), NAME_KIND_NONE, "of no service");
}

static void images(void)
{
	ok(str_is(name_of_image(STR("docker.io/library/busybox:1"), STR("bu")), "busybox:1"),
	   "as people say it");
	ok(str_is(name_of_image(STR("docker.io/nginx/unit:1"), STR("")), "nginx/unit:1"),
	   "of a person's own");
	ok(str_is(name_of_image(STR("docker.io/library/b:1"), STR("docker.io/l")),
		  "docker.io/library/b:1"),
	   "whole where it is typed whole");
	ok(str_is(name_of_image(STR("registry.example:5000/a:1"), STR("")),
		  "registry.example:5000/a:1"),
	   "another registry's");
}

static void help(void)
{
	ok(offers("collect | send [ARCHIVE]", true, "", "collect send "), "the word of each form");
	ok(offers("collect | send [ARCHIVE]", true, "s", "send "),
	   "that begins with what is typed");
	ok(offers("collect | send [ARCHIVE]", false, "", ""), "at the first place only");
	ok(offers("issue NAME --role ROLE [--host PLACE]... | list | revoke NAME|SERIAL", true, "",
		  "issue list revoke "),
	   "no options, none of a value's forms");
	ok(offers("[-a] [--no-trunc]", true, "", ""), "options are not offered unasked");
	ok(offers("[-a] [--no-trunc]", true, "-", "-a --no-trunc "), "with a dash they are");
	ok(offers("NAME [-f] [-n N] [--since TIME]", false, "--", "--since "), "at any place");
	ok(offers("[images [-a] | containers | cache] [--filter x]", true, "", ""),
	   "no words out of brackets");
	ok(offers("[-4|-6] [-c N] HOST", true, "-", "-4 -6 -c "), "options that are numbers");
	ok(offers("", true, "", "") && offers("", true, "-", ""), "a command without words");
}

int main(void)
{
	keys();
	images();
	help();
	return tap_done();
}
