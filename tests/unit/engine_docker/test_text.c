/* SPDX-License-Identifier: Apache-2.0 */
/* Times and durations as Docker writes them, and what belongs to the engine among labels. */
#include "engine/docker/label.h"
#include "engine/docker/moment.h"
#include "engine/docker/text.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

#define NS_PER_S INT64_C(1000000000)

static void test_times(void)
{
	char text[DOCKER_TIME_MAX];

	is_text(docker_time(0, text), "0001-01-01T00:00:00Z", "never");
	is_text(docker_time(1767315845 * NS_PER_S, text), "2026-01-02T01:04:05Z", "whole");
	is_text(docker_time(1767315845 * NS_PER_S + 600000000, text), "2026-01-02T01:04:05.6Z",
		"without zeros at the end");
	is_text(docker_time_nano(1767315845 * NS_PER_S + 600000000, text),
		"2026-01-02T01:04:05.600000000Z", "nine digits");
}

static void test_parse(void)
{
	static const struct {
		const char *text;
		int64_t ns;
	} rows[] = {
		{ "1", NS_PER_S },
		{ "1136073600.000000001", 1136073600 * NS_PER_S + 1 },
		{ "1136073600.5", 1136073600 * NS_PER_S + 500000000 },
		{ "2026-01-02T03:04:05.6+02:00", 1767315845 * NS_PER_S + 600000000 },
		{ "2026-01-02T01:04:05Z", 1767315845 * NS_PER_S },
	};
	static const char *const wrong[] = { "",
					     "x",
					     "-1",
					     "1.x",
					     "2026-13-01T00:00:00Z",
					     "1e9",
					     "9999-01-01T00:00:00Z",
					     "0001-01-01T00:00:00Z" };
	int64_t ns = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		is_int(docker_time_parse(str_from(rows[i].text), &ns), 0, "%s is a time",
		       rows[i].text);
		ok(ns == rows[i].ns, "%s: %lld", rows[i].text, (long long)ns);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		ok(docker_time_parse(str_from(wrong[i]), &ns) < 0, "'%s' is none", wrong[i]);
}

static void test_moments(void)
{
	const int64_t now = 1767315845 * NS_PER_S;
	const struct {
		const char *text;
		int64_t ns;
	} rows[] = {
		{ "1h30m", now - 5400 * NS_PER_S },
		{ "1.5h", now - 5400 * NS_PER_S },
		{ ".5s", now - NS_PER_S / 2 },
		{ "10ms", now - 10000000 },
		{ "1\xc2\xb5s", now - 1000 },
		{ "-1s", now + NS_PER_S },
		{ "24h", now - 86400 * NS_PER_S },
		{ "1767315845", now },
		{ "2026-01-02T01:04:05Z", now },
		{ "2026-01-02T01:04:05", now },
		{ "2026-01-02T01:04", now - 5 * NS_PER_S },
		{ "2026-01-02T01", now - 245 * NS_PER_S },
		{ "2026-01-02", now - 3845 * NS_PER_S },
	};
	static const char *const wrong[] = { "",
					     "x",
					     "h",
					     "-",
					     "1h2",
					     "1.h.",
					     "1d",
					     "2026-13-02",
					     "2026-01-02T",
					     "9223372036854775807h",
					     "1 h",
					     "9223372036854775808",
					     "2026-01-02T25" };
	int64_t ns = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		is_int(docker_moment_parse(str_from(rows[i].text), now, &ns), 0, "%s is a moment",
		       rows[i].text);
		ok(ns == rows[i].ns, "%s: %lld", rows[i].text, (long long)ns);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		ok(docker_moment_parse(str_from(wrong[i]), now, &ns) < 0, "'%s' is no moment",
		   wrong[i]);
}

static void test_ago(void)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{ 0, "Less than a second" }, { 1, "1 second" },		 { 59, "59 seconds" },
		{ 60, "About a minute" },    { 119, "About a minute" },	 { 120, "2 minutes" },
		{ 3599, "59 minutes" },	     { 3600, "About an hour" },	 { 7200, "2 hours" },
		{ 47 * 3600, "47 hours" },   { 48 * 3600, "2 days" },	 { 15 * 86400, "2 weeks" },
		{ 61 * 86400, "2 months" },  { 731 * 86400, "2 years" },
	};
	char text[DOCKER_TIME_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		is_text(docker_ago(rows[i].seconds, text), rows[i].text, "%lld s",
			(long long)rows[i].seconds);
}

int main(void)
{
	test_times();
	test_parse();
	test_moments();
	test_ago();
	ok(docker_label_reserved(STR("hoy.declared")) && !docker_label_reserved(STR("hoyle")) &&
		   !docker_label_reserved(STR("a.hoy.declared")),
	   "labels of the engine");
	is_text(docker_signal_name(15), "SIGTERM", "a signal");
	is_text(docker_signal_name(-1), "", "none");
	return tap_done();
}
