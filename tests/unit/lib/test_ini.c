/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for bad input, merging of layers, the normal form. */
#include <errno.h>
#include <inttypes.h>
#include "lib/ini.h"
#include "lib/mono.h"
#include "tests/unit/lib/place.h"
#include "tests/unit/tap.h"

static int check_even(struct str value, struct err *err)
{
	return value.len % 2 == 0 ? 0 : err_set(err, -EINVAL, "expected an even number of bytes");
}

#define KEY(key_, type_, ...)                                                 \
	{                                                                     \
		.section = "service", .key = key_, .type = type_, __VA_ARGS__ \
	}

static const struct ini_key keys[] = {
	KEY("image", INI_TYPE_TEXT, .min = 1, .max = 255),
	KEY("ports", INI_TYPE_TEXT, .list = true, .min = 1, .max = 64),
	KEY("mem_limit", INI_TYPE_SIZE, .min = 4 << 20, .max = (int64_t)1 << 40),
	KEY("cpus", INI_TYPE_DECIMAL, .min = 10, .max = 512000, .def = "1.5"),
	KEY("restart", INI_TYPE_ENUM, .choices = "no|always|on-failure", .def = "no"),
	KEY("pids_limit", INI_TYPE_UINT, .min = 1, .max = 4096, .unit = "processes"),
	KEY("stop_grace_period", INI_TYPE_DURATION, .min = 1000, .max = 3600000, .def = "10s"),
	KEY("read_only", INI_TYPE_BOOL, .def = "no"),
	KEY("hostname", INI_TYPE_NAME, .min = 1, .max = 63),
	KEY("working_dir", INI_TYPE_PATH, .min = 1, .max = 4000),
	KEY("command", INI_TYPE_COMMAND),
	KEY("labels.*", INI_TYPE_TEXT),
	KEY("even", INI_TYPE_TEXT, .check = check_even),
	{ .section = "hoy", .key = "hostname", .type = INI_TYPE_NAME, .max = 63 },
};

static const char *const named[] = { "service", NULL };

static const struct ini_schema schema = { "services", keys, ARRAY_LEN(keys), named };

static void add(struct ini_config *config, unsigned layer, const char *shown, const char *text)
{
	struct err err = { 0 };

	if (ini_add_text(config, &schema, layer, shown, str_from(text), &err) < 0)
		ok(false, "%s", err.text);
}

/* One line of input within [service web], and the one issue it gives. */
static const struct {
	const char *line, *issue;
} mistakes[] = {
	{ "prots = 80:80", "f:2:1: unknown key 'prots' in [service web]: did you mean 'ports'? "
			   "(this service is not started)" },
	{ "  colour = red",
	  "f:2:3: unknown key 'colour' in [service web] (this service is not started)" },
	{ "labels. = x", "f:2:1: unknown key 'labels.' in [service web]: did you mean 'labels.*'? "
			 "(this service is not started)" },
	{ "mem_limit = lots",
	  "f:2:13: mem_limit = 'lots': expected a size such as 64m (4m to 1t)" },
	{ "mem_limit=1m", "f:2:11: mem_limit = '1m': expected a size such as 64m (4m to 1t)" },
	{ "cpus = 0.001", "f:2:8: cpus = '0.001': expected a number such as 0.5 (0.01 to 512)" },
	{ "cpus = 0.0001", "f:2:8: cpus = '0.0001': expected a number such as 0.5 (0.01 to 512)" },
	{ "cpus = .5", "f:2:8: cpus = '.5': expected a number such as 0.5 (0.01 to 512)" },
	{ "restart = allways", "f:2:11: restart = 'allways': expected no, always or on-failure: "
			       "did you mean 'always'?" },
	{ "pids_limit = -1",
	  "f:2:14: pids_limit = '-1': expected a number from 1 to 4096 processes" },
	{ "pids_limit = 4097",
	  "f:2:14: pids_limit = '4097': expected a number from 1 to 4096 processes" },
	{ "stop_grace_period = soon", "f:2:21: stop_grace_period = 'soon': expected a duration "
				      "such as 30s (1s to 1h)" },
	{ "read_only = maybe", "f:2:13: read_only = 'maybe': expected yes or no" },
	{ "hostname = -x", "f:2:12: hostname = '-x': expected a name (letters, digits, '_', '.', "
			   "'-') of 1 to 63 bytes" },
	{ "working_dir = srv",
	  "f:2:15: working_dir = 'srv': expected an absolute path of 1 to 4000 bytes" },
	{ "even = odd", "f:2:8: even = 'odd': expected an even number of bytes" },
	{ "image", "f:2:1: expected 'key = value' or '[section]'" },
	{ "\timage alpine", "f:2:2: expected 'key = value' or '[section]'" },
	{ "image = a\x1b[2J", "f:2:10: the line contains the control character \\x1b" },
	{ "image = a\nimage = b", "f:3:1: image was given in line 2 already; it takes one value" },
};

static void test_mistakes(void)
{
	for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
		OWN(ini_done) struct ini_config config;
		char text[256];

		ini_init(&config);
		(void)snprintf(text, sizeof(text), "[service web]\n%s\n[service db]\nimage = x\n",
			       mistakes[i].line);
		add(&config, 0, "f", text);
		is_int(config.issue_count, 1, "one issue");
		is_text(config.issues ? config.issues->text : NULL, mistakes[i].issue, "exactly");
		ok(config.issues && strcmp(config.issues->name, "web") == 0, "about web");
		ok(config.sections->bad && !config.sections->next->bad, "only web is bad");
	}
}

static void test_heads(void)
{
	static const struct {
		const char *text, *issue;
	} rows[] = {
		{ "image = x\n", "f:1:1: 'image' stands before the first [section]" },
		{ "[servcie web]\nimage = x\nnonsense = 1\njunk\n",
		  "f:1:1: unknown section [servcie web]: did you mean [service web]?" },
		{ "[nothing like it]\n", "f:1:1: expected a section head [kind] or [kind name]" },
		{ "[colour]\n", "f:1:1: unknown section [colour]: expected [service] or [hoy]" },
		{ "[service web\nimage = x\n", "f:1:1: the section head has no ']'" },
		{ "[]\n", "f:1:1: expected a section head [kind] or [kind name]" },
		{ " [service web] junk\n", "f:1:16: unexpected text behind ']'" },
		{ "[service a[b]\n", "f:1:1: expected a section head [kind] or [kind name]" },
		{ "\n[service]\nimage = x\n", "f:2:1: [service] needs a name: [service NAME]" },
		{ " [hoy box]\n", "f:1:2: [hoy box] has a name that means nothing: write [hoy]" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OWN(ini_done) struct ini_config config;

		ini_init(&config);
		add(&config, 0, "f", rows[i].text);
		is_int(config.issue_count, 1, "one issue");
		is_text(config.issues ? config.issues->text : NULL, rows[i].issue, "exactly");
	}
}

static void test_limits(void)
{
	static char line[5000], text[6000], name[120], many[40000];
	OWN(ini_done) struct ini_config config;
	size_t len = 0;

	ini_init(&config);
	memset(line, 'x', sizeof(line) - 1);
	(void)snprintf(text, sizeof(text), "[service web]\nimage = %s\nrestart = always\n", line);
	add(&config, 0, "f", text);
	is_text(config.issues->text, "f:2:4001: the line is longer than 4000 bytes",
		"a line too long for inih");
	is_text(ini_text(&schema, config.sections, "restart"), "always", "does not eat the next");
	memset(name, 'n', sizeof(name) - 1);
	(void)snprintf(text, sizeof(text), "[service %s]\nimage = long\n", name);
	add(&config, 0, "g", text);
	ok(ini_find(&config, "service", name) != NULL,
	   "a head longer than inih's 49 bytes is kept");
	(void)snprintf(text, sizeof(text), "[service %.3000s]\nimage = long\n", line);
	add(&config, 0, "g", text);
	is_text(config.issues->next->text, "g:1:1: the section head is longer than 200 bytes",
		"a far longer one is refused");
	is_int(ini_add_text(&config, &schema, 0, "h", STR("[service web]\nimage = a\0b\n"), NULL),
	       0, "a NUL");
	is_text(config.issues->next->next->text,
		"h:2:10: the line contains the control character \\x00", "is an issue");
	is_int(ini_add_text(&config, &schema, 0, "k",
			    STR("[service whole]\nimage = a\n[ser\0vice x]\nimage = b\nzzz = c\n"),
			    NULL),
	       0, "a NUL in a head");
	is_text(config.issues->next->next->next->text,
		"k:3:5: the line contains the control character \\x00",
		"is an issue of no section");
	ok(!config.issues->next->next->next->next && !ini_find(&config, "service", "whole")->bad,
	   "it costs the section that it opens, not the one above");
	for (int i = 0; i < 1000; i++)
		len += (size_t)snprintf(many + len, sizeof(many) - len, "[x]\n");
	add(&config, 0, "i", many);
	is_int(config.issue_count, 1004, "a thousand mistakes are counted");
	is_int(ini_add_text(&config, &schema, 0, "j", str_make(text, 1 << 20), NULL), -EFBIG,
	       "a megabyte is too much");
}

/* Masses of sections, keys and values: bounded, and said. */
static void test_masses(void)
{
	static char text[1 << 19];
	OWN(ini_done) struct ini_config config;
	struct mono before = mono_now();
	size_t len = 0;

	ini_init(&config);
	for (int i = 0; i < 1002; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "[service s%d]\n", i);
	for (int i = 0; i < 3; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "ports = 1\n");
	add(&config, 0, "f", text);
	is_int(config.issue_count, 2, "two sections too many");
	is_text(config.issues->text, "f:1001:1: more than 1000 sections", "the first of them");
	len = (size_t)snprintf(text, sizeof(text), "[service s0]\n");
	for (int i = 0; i < 20001; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "ports = 1\n");
	add(&config, 0, "g", text);
	is_int(config.issue_count, 3, "one value too many");
	note("%lld ms for both", (long long)mono_diff_ms(mono_now(), before));
}

static void test_layers(void)
{
	OWN(ini_done) struct ini_config config;
	const struct ini_section *web;
	const struct ini_value *port;

	ini_init(&config);
	add(&config, 0, "image:services.ini",
	    "\xef\xbb\xbf; defaults\r\n[service web]\r\nimage = old:1\r\nports = 1:1\r\n"
	    "ports = 2:2\r\nlabels.a = 1\r\nmem_limit = 64m\r\ncpus = 2\r\n");
	add(&config, 1, "data:services.ini",
	    "# mine\n[service web]\nimage = registry:5000/new;x#y\nports = 3:3\nlabels.b = 2\n"
	    "mem_limit =\n[service db]\nimage = db\nread_only = yes\n");
	is_int(config.issue_count, 0, "two layers without mistakes");
	is_int(config.layers, 2, "are two layers");
	web = ini_find(&config, "service", "web");
	ok(web && web == config.sections, "one section for both");
	is_text(ini_text(&schema, web, "image"), "registry:5000/new;x#y",
		"the later one holds, ';' and '#' belong to the value");
	port = ini_get(&schema, web, "ports");
	ok(str_is(port->text, "3:3") && !port->next, "a list is replaced, not mixed");
	is_text(port->file, "data:services.ini", "and knows its file");
	is_int(port->line, 4, "its line");
	is_int(port->column, 9, "and column");
	is_text(ini_text(&schema, web, "labels.a"), "1", "other keys stay");
	is_text(ini_text(&schema, web, "labels.b"), "2", "and come");
	is_int(ini_number(&schema, web, "mem_limit", -1), -1, "an empty value resets");
	is_int(ini_number(&schema, web, "cpus", -1), 2000, "decimals are thousandths");
	ok(ini_find(&config, "service", "cache") == NULL, "nobody else is there");
}

static void test_access(void)
{
	OWN(ini_done) struct ini_config config;
	const struct ini_section *web;
	const struct ini_value *cpus;

	ini_init(&config);
	add(&config, 0, "f",
	    "[service web]\nports = 1\nports =\nports = 2\nports = 3\nmem_limit = 1g\n"
	    "stop_grace_period = 1m30s\nread_only = true\n");
	web = config.sections;
	ok(str_is(ini_get(&schema, web, "ports")->text, "2"), "a reset within the file");
	ok(str_is(ini_get(&schema, web, "ports")->next->text, "3"), "and values behind it");
	is_int(ini_number(&schema, web, "mem_limit", 0), 1 << 30, "size in bytes");
	is_int(ini_number(&schema, web, "stop_grace_period", 0), 90000, "duration in ms");
	is_int(ini_number(&schema, web, "read_only", 9), 1, "bool");
	is_int(ini_number(&schema, web, "cpus", 9), 1500, "the default counts when it is unset");
	cpus = ini_get(&schema, web, "cpus");
	ok(cpus && str_is(cpus->text, "1.5"), "as a value too");
	ok(ini_get(&schema, web, "restart") != cpus && str_is(cpus->text, "1.5"),
	   "that another default does not change");
	is_text(ini_text(&schema, web, "image"), "", "no value and no default");
	ok(ini_get(&schema, web, "image") == NULL, "is NULL");
	is_int(ini_number(&schema, web, "pids_limit", 77), 77, "and the caller's number");
	ini_complain(&config, config.sections, ini_get(&schema, web, "ports"), "port %d is taken",
		     2);
	is_text(config.issues->text, "f:4:9: port 2 is taken", "a later check names the place");
	ok(web->bad, "and spoils the section");
	ini_complain(&config, config.sections, NULL, "no image");
	is_text(config.issues->next->text, "f:1:1: no image", "or the head");
}

static void test_normal_form(void)
{
	OWN(ini_done) struct ini_config first;
	OWN(ini_done) struct ini_config second;
	OWN(buf_done) struct buf once;
	OWN(buf_done) struct buf twice;

	ini_init(&first);
	ini_init(&second);
	buf_init(&once, 1 << 16);
	buf_init(&twice, 1 << 16);
	add(&first, 0, "f",
	    "[hoy]\nhostname=box\n[service  web]\nports: 1\nimage   =  a = b : c ; d \nports = 2\n"
	    "labels.x.y = z\n[service bad]\nprots = 1\n[service empty]\n");
	is_int(ini_print(&schema, &first, &once), 0, "printed");
	is_text(buf_text(&once),
		"[hoy]\nhostname = box\n\n[service web]\nports = 1\nports = 2\n"
		"image = a = b : c ; d\nlabels.x.y = z\n\n# [service bad] is refused:\n"
		"#   f:9:1: unknown key 'prots' in [service bad]: did you mean 'ports'? "
		"(this service is not started)\n\n[service empty]\n",
		"the normal form");
	add(&second, 0, "f", buf_text(&once));
	is_int(second.issue_count, 0, "reads without issues");
	(void)ini_print(&schema, &second, &twice);
	ok(strncmp(buf_text(&twice), "[hoy]\nhostname = box\n\n[service web]\nports = 1\n", 46) ==
		   0,
	   "and gives the same again");
	buf_clear(&once);
	add(&first, 1, "g", "");
	ini_done(&first);
	ini_init(&first);
	add(&first, 0, "f", buf_text(&twice));
	(void)ini_print(&schema, &first, &once);
	is_text(buf_text(&once), buf_text(&twice), "and from then on byte for byte");
}

static void test_load(void)
{
	OWN(ini_done) struct ini_config config;
	int place = place_make("ini");
	OWN_FD int low = fs_open_dir(place, "10-image/services.d", FS_BENEATH, 0755, NULL);
	OWN_FD int high = fs_open_dir(place, "30-media", FS_BENEATH, 0755, NULL);
	OWN_FD int none = fs_open_dir(place, "20-data/services.ini", FS_BENEATH, 0755, NULL);

	ini_init(&config);
	place_write(place, "10-image/services.ini", "[service web]\nimage = one\nports = 1\n");
	place_write(low, "20-b.ini", "[service web]\nimage = three\n");
	place_write(low, "10-a.ini", "[service web]\nimage = two\nports = 2\n");
	place_write(low, "README", "[broken\n");
	place_write(high, "services.ini", "[service web]\nprots = 1\n");
	is_int(ini_load(&config, &schema, place, NULL), 0, "three layers");
	is_text(ini_text(&schema, config.sections, "image"), "three", "files in order of names");
	is_text(ini_text(&schema, config.sections, "ports"), "2", "a later file replaces");
	is_int(config.issue_count, 2, "two issues");
	is_text(config.issues->text, "data:services.ini: services.ini: not a regular file",
		"a file that cannot be read");
	is_text(config.issues->next->text,
		"media:services.ini:2:1: unknown key 'prots' in [service web]: did you mean "
		"'ports'? (this service is not started)",
		"and a key, with the name of its layer");
	place_remove(place);
}

int main(void)
{
	test_mistakes();
	test_heads();
	test_limits();
	test_masses();
	test_layers();
	test_access();
	test_normal_form();
	test_load();
	return tap_done();
}
