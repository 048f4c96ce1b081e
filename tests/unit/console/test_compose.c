/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of a Compose file in and out of a configuration. */
#include <errno.h>
#include "init/conf_text.h"
#include "init/console/compose_text.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static const char before[] = "# mine\n[hoy]\nhostname = box\n\n[service web]\nimage = old\n"
			     "ports = 1:1\n\n[service other]\nimage = o\n";
static const char ini[] = "# note\n[service web]\nimage = new\n\n[service db]\nimage = d\n";

int main(void)
{
	struct buf out OWN(buf_done) = { 0 }, gone OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&out, CONF_TEXT_MAX);
	buf_init(&gone, CONF_TEXT_MAX);
	is_int(compose_text(str_from(before), str_from(ini), true, &out, &err), 0, "up");
	ok(strstr(buf_text(&out), "image = new") != NULL && !strstr(buf_text(&out), "image = old"),
	   "a section of the same name is replaced");
	ok(strstr(buf_text(&out), "[service db]\nimage = d\n") != NULL, "a new one is added");
	ok(strstr(buf_text(&out), "[service other]\nimage = o\n") != NULL &&
		   strstr(buf_text(&out), "# mine\n[hoy]\nhostname = box\n") != NULL,
	   "the others stand as they were");
	ok(!strstr(buf_text(&out), "# note"), "notes are left out");
	is_int(compose_text(buf_str(&out), str_from(ini), true, &gone, &err), 0, "once more");
	is_text(buf_text(&gone), buf_text(&out), "up twice is up once");
	is_int(compose_text(buf_str(&out), str_from(ini), false, &gone, &err), 0, "down");
	ok(!strstr(buf_text(&gone), "service web") && !strstr(buf_text(&gone), "service db") &&
		   strstr(buf_text(&gone), "[service other]") != NULL,
	   "down takes its own sections and no other");
	is_int(compose_text(buf_str(&gone), str_from(ini), false, &out, &err), -ENOENT,
	       "down twice is said");
	is_int(compose_text(STR(""), str_from(ini), true, &out, &err), 0, "into nothing");
	ok(strncmp(buf_text(&out), "[service web]", 13) == 0, "it is all there is");
	return tap_done();
}
