/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel command line, and the cutting of one text into the daemons' files. */
#include "init/boot_cmdline.h"
#include "lib/log.h"
#include "tests/unit/tap.h"

static void test_words(void)
{
	struct str rest = STR("  a b=\"c d\"  \"e\"f\n");
	char word[8];

	ok(boot_cmdline_word(&rest, word, sizeof(word)), "first word");
	is_text(word, "a", "first");
	ok(boot_cmdline_word(&rest, word, sizeof(word)), "second word");
	is_text(word, "b=c d", "quotes keep blanks");
	ok(boot_cmdline_word(&rest, word, sizeof(word)), "third word");
	is_text(word, "ef", "quotes in a word");
	ok(!boot_cmdline_word(&rest, word, sizeof(word)), "the end");
	rest = STR("waytoolong ok");
	ok(boot_cmdline_word(&rest, word, sizeof(word)), "a word behind an over-long one");
	is_text(word, "ok", "the over-long one is skipped");
}

static void test_parse(void)
{
	struct boot_cmdline c;

	boot_cmdline_parse(STR("console=ttyS0 hoy.data=serial:HOYDATA hoy.config=/dev/vdb "
			       "hoy.log=debug quiet"),
			   &c);
	is_text(c.data, "serial:HOYDATA", "data selector");
	is_text(c.config, "/dev/vdb", "config selector");
	is_int(c.log_prio, LOG_PRIO_DEBUG, "log level");
	ok(c.log_given, "log level was given");
	boot_cmdline_parse(STR("hoy.log=loud data=x hoy.data"), &c);
	is_text(c.data, "", "no selector");
	is_int(c.log_prio, LOG_PRIO_INFO, "an unknown level is ignored");
	boot_cmdline_parse(STR(""), &c);
	ok(!c.log_given, "nothing given");
}

static void expect_layer(const char *text, enum boot_file file, const char *wanted,
			 const char *name)
{
	struct boot_layer layer;

	boot_layer_init(&layer);
	is_int(boot_cmdline_layer(str_from(text), &layer), 0, "%s: no error", name);
	is_text(buf_text(&layer.text[file]), wanted, "%s", name);
	boot_layer_done(&layer);
}

static void test_layer(void)
{
	expect_layer("hoy.service.web.image=busybox quiet", BOOT_FILE_SERVICES,
		     "[service web]\nimage = busybox\n", "a service key");
	expect_layer("hoy.service.web.labels.a.b=c", BOOT_FILE_SERVICES,
		     "[service web]\nlabels.a.b = c\n", "a key with dots");
	expect_layer("hoy.registry.10.0.2.2:5443.insecure=yes", BOOT_FILE_ENGINE,
		     "[registry 10.0.2.2:5443]\ninsecure = yes\n", "a name with dots");
	expect_layer("hoy.hostname=boat", BOOT_FILE_HOY, "[hoy]\nhostname = boat\n",
		     "a short form");
	expect_layer("hoy.hoy.hostname=boat", BOOT_FILE_HOY, "[hoy]\nhostname = boat\n",
		     "the long form");
	expect_layer("hoy.bridge.a.subnet=10.1.0.0/24", BOOT_FILE_NETWORK,
		     "[bridge a]\nsubnet = 10.1.0.0/24\n", "a bridge");
	expect_layer("hoy.data=x hoy.config=y hoy.log=z", BOOT_FILE_HOY, "", "selectors are none");
	expect_layer("hoy.service.a]b.image=x", BOOT_FILE_SERVICES, "", "no bracket in a name");
	expect_layer("\"hoy.service.a.command=sh -c 'x y'\"", BOOT_FILE_SERVICES,
		     "[service a]\ncommand = sh -c 'x y'\n", "a quoted value");
	expect_layer("hoy.strange.x.y=1", BOOT_FILE_HOY, "[strange]\nx.y = 1\n",
		     "an unknown kind comes before the schema of hoy.ini");
}

static void test_split(void)
{
	struct boot_layer layer;

	boot_layer_init(&layer);
	boot_layer_split(STR("\xef\xbb\xbf# head\n[hoy]\nhostname = a\n\n[service web]\nimage = x\n"
			     "[registry a:1]\ninsecure=yes\n  [service b]\nimage = y"),
			 &layer);
	is_text(buf_text(&layer.text[BOOT_FILE_HOY]), "# head\n[hoy]\nhostname = a\n", "hoy");
	is_text(buf_text(&layer.text[BOOT_FILE_SERVICES]),
		"\n\n\n\n[service web]\nimage = x\n\n\n  [service b]\nimage = y\n",
		"services keep their line numbers");
	is_text(buf_text(&layer.text[BOOT_FILE_ENGINE]),
		"\n\n\n\n\n\n[registry a:1]\ninsecure=yes\n", "engine");
	is_text(buf_text(&layer.text[BOOT_FILE_NETWORK]), "", "network has none");
	boot_layer_done(&layer);
}

int main(void)
{
	test_words();
	test_parse();
	test_layer();
	test_split();
	return tap_done();
}
