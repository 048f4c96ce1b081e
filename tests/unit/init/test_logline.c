/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the log on disk, boots in it, what may be asked of it. */
#include <errno.h>
#include <string.h>
#include "init/unit/logline.h"
#include "tests/unit/tap.h"

static struct logline line;

static void test_form(void)
{
	static const char *const wrong[] = {
		"",
		"2026-11-21T21:55:36Z 12.345 <6 netd>",
		"2026-11-21T21:55:36Z 12.345 <8 netd> a: b",
		"2026-11-21T21:55:36Z 12.3 <6 netd> a: b",
		"2026-13-21T21:55:36Z 12.345 <6 netd> a: b",
		"2026-11-21 21:55:36Z 12.345 <6 netd> a: b",
		"2026-11-21T21:55:36 12.345 <6 netd> a: b",
		"2026-11-21T21:55:36Z 12.345 6 netd> a: b",
		"1-21T21:55:36Z 12.345 <6 netd> a: b",
	};
	struct buf out;

	ok(logline_parse(STR("2026-11-21T21:55:36Z 12.345 <6 netd> dhcp: lease a:b"), &line),
	   "a line");
	is_int(line.wall_s, 1795298136, "its time");
	is_int(line.uptime_ms, 12345, "its uptime");
	is_int(line.prio, 6, "its level");
	ok(str_is(line.unit, "netd") && str_is(line.role, "dhcp") && str_is(line.text, "lease a:b"),
	   "unit, role and text");
	buf_init(&out, 256);
	logline_put_head(&out, &line);
	is_text(buf_text(&out), "2026-11-21T21:55:36Z 12.345 <6 netd> ", "the head as it was");
	buf_done(&out);
	ok(logline_parse(STR("2026-11-21T21:55:36Z 0.001 <3> init: old"), &line) && !line.unit.len,
	   "one without a unit");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ok(!logline_parse(str_from(wrong[i]), &line), "no line: '%s'", wrong[i]);
}

static void test_boots(void)
{
	static const char *const lines[] = {
		"2026-11-21T21:55:36Z 9.000 <6 init> init: the rest of a boot",
		"2026-11-21T21:55:37Z 9.000 <6 init> init: the same",
		"2026-11-21T20:00:00Z 0.100 <5 init> hoy: pid1 start",
		"2026-11-21T20:00:01Z 0.100 <5 init> hoy: mark pid1 100",
		"2026-11-21T20:00:01Z 0.200 <5 init> hoy: pid1 start",
		"2026-11-21T20:00:01Z 0.150 <5 init> init: its first lines were lost",
	};
	static const int boots[] = { 1, 1, 2, 2, 3, 4 };
	struct logline_boots counter = { 0 };

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		ok(logline_parse(str_from(lines[i]), &line), "line %zu", i);
		(void)logline_boots_pass(&counter, &line);
		is_int(counter.count, boots[i], "is of boot %d", boots[i]);
	}
}

static bool passes(struct logline_filter filter)
{
	return logline_wanted(&filter, &line);
}

static void test_filter(void)
{
	ok(logline_parse(STR("2026-11-21T21:55:36Z 12.345 <6 netd> dhcp: Lease kept"), &line),
	   "a line to choose");
	ok(passes((struct logline_filter){ .prio_max = 7 }), "no filter takes it");
	ok(passes((struct logline_filter){ .prio_max = 6 }), "its level takes it");
	ok(!passes((struct logline_filter){ .prio_max = 5 }), "a more urgent one does not");
	ok(passes((struct logline_filter){ .prio_max = 7, .unit = "netd" }), "its unit");
	ok(passes((struct logline_filter){ .prio_max = 7, .unit = "dhcp" }), "its role");
	ok(!passes((struct logline_filter){ .prio_max = 7, .unit = "dns" }), "not another role");
	ok(passes((struct logline_filter){ .prio_max = 7, .unit = "system" }),
	   "system: all that the kernel did not say");
	ok(!passes((struct logline_filter){ .prio_max = 7, .unit = "kernel" }), "not the kernel's");
	ok(passes((struct logline_filter){ .prio_max = 7, .grep = "lease K" }),
	   "a piece of its text, whatever the case");
	ok(!passes((struct logline_filter){ .prio_max = 7, .grep = "lease lost" }),
	   "not another text");
	ok(passes((struct logline_filter){ .prio_max = 7, .since_s = 1795298136 }), "since then");
	ok(!passes((struct logline_filter){ .prio_max = 7, .since_s = 1795298137 }),
	   "not since later");
	ok(!passes((struct logline_filter){ .prio_max = 7, .until_s = 1795298135 }),
	   "not until earlier");
}

static void expect_time(const char *text, int64_t want)
{
	int64_t at_s = -1;

	is_int(logline_time(str_from(text), 1795298136, &at_s) == 0 ? at_s : -1, want, "'%s'",
	       text);
}

static void test_time(void)
{
	uint8_t prio = 0;

	expect_time("10m", 1795298136 - 600);
	expect_time("2026-11-21", 1795219200);
	expect_time("2026-11-21 21:55", 1795298100);
	expect_time("2026-11-21T21:55:36", 1795298136);
	expect_time("2026-11-21T21:55:36Z", 1795298136);
	expect_time("20:00", 1795291200);
	expect_time("20:00:01", 1795291201);
	expect_time("yesterday", -1);
	expect_time("2026-11-21x", -1);
	expect_time("25:00", -1);
	expect_time("", -1);
	ok(logline_level(STR("warn"), &prio) == 0 && prio == 4, "a level by name");
	ok(logline_level(STR("warning"), &prio) == 0 && prio == 4, "as syslog spells it");
	ok(logline_level(STR("error"), &prio) == 0 && prio == 3, "an error");
	ok(logline_level(STR("7"), &prio) == 0 && prio == 7, "a level by number");
	is_int(logline_level(STR("loud"), &prio), -EINVAL, "no level");
}

int main(void)
{
	test_form();
	test_boots();
	test_filter();
	test_time();
	return tap_done();
}
