/* SPDX-License-Identifier: Apache-2.0 */
/* What another configuration would change, said without a single value. */
#include "lib/ini.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static const struct ini_key keys[] = {
	{ .section = "service", .key = "image", .type = INI_TYPE_TEXT },
	{ .section = "service", .key = "ports", .type = INI_TYPE_TEXT, .list = true },
	{ .section = "engine", .key = "password", .type = INI_TYPE_TEXT },
};
static const struct ini_schema schema = { "x", keys, ARRAY_LEN(keys), NULL };

static const char *diff(const char *from, const char *to)
{
	static char text[1024];
	struct ini_config a OWN(ini_done), b OWN(ini_done);
	struct buf out OWN(buf_done) = { 0 };

	ini_init(&a);
	ini_init(&b);
	buf_init(&out, sizeof(text) - 1);
	(void)ini_add_text(&a, &schema, 0, "a", str_from(from), NULL);
	(void)ini_add_text(&b, &schema, 0, "b", str_from(to), NULL);
	if (ini_diff(&a, &b, &out) < 0)
		return "error";
	(void)str_copy(buf_str(&out), text, sizeof(text));
	return text;
}

int main(void)
{
	is_text(diff("[service a]\nimage = 1\n", "[service a]\nimage = 1\n"), "", "no difference");
	is_text(diff("[service a]\nimage = 1\n", "# c\n[service a]\nimage=1\n"), "",
		"how it is written makes none");
	is_text(diff("", "[service a]\nimage = 1\n"), "+ [service a]\n", "a new section");
	is_text(diff("[service a]\nimage = 1\n", ""), "- [service a]\n", "one that is gone");
	is_text(diff("[service a]\nimage = 1\nports = 1:1\n",
		     "[service a]\nimage = 2\nports = 1:1\nports = 2:2\n"),
		"~ [service a] image ports\n", "the keys that changed");
	is_text(diff("[service a]\nimage = 1\nports = 1:1\n", "[service a]\nimage = 1\n"),
		"~ [service a] ports\n", "a key that is gone");
	is_text(diff("[engine]\npassword = alt\n", "[engine]\npassword = neu\n"),
		"~ [engine] password\n", "no value is said");
	return tap_done();
}
