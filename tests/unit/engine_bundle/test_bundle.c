/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure parts of hoy-oci: options, the state record, the answer record, names of signals, paths
 * of control groups.
 */
#include <errno.h>
#include <signal.h>
#include "engine/bundle/args.h"
#include "engine/bundle/group.h"
#include "engine/bundle/print.h"
#include "engine/bundle/signals.h"
#include "engine/bundle/state.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

struct parsed {
	bool detach, tty;
	const char *bundle;
	struct args_list env;
};

static const struct args_flag flags[] = {
	{ "detach", 'd', ARGS_TYPE_BOOL, offsetof(struct parsed, detach) },
	{ "tty", 't', ARGS_TYPE_BOOL, offsetof(struct parsed, tty) },
	{ "bundle", 'b', ARGS_TYPE_TEXT, offsetof(struct parsed, bundle) },
	{ "env", 'e', ARGS_TYPE_LIST, offsetof(struct parsed, env) },
	{ "criu", '\0', ARGS_TYPE_IGNORED_TEXT, 0 },
	{ "no-subreaper", '\0', ARGS_TYPE_IGNORED_BOOL, 0 },
};

static int parse(struct parsed *out, char **argv, int *at, struct err *err)
{
	*out = (struct parsed){ 0 };
	*at = 0;
	return args_parse(flags, ARRAY_LEN(flags), argv, at, out, err);
}

static void test_args(void)
{
	char *all[] = { "-td",	  "--bundle=/b", "-e", "A=1",	   "--env", "B=--x",
			"--criu", "c",		 "ID", "--detach", NULL };
	char *end[] = { "--", "--tty", NULL };
	char *no_value[] = { "--bundle", NULL };
	char *unknown[] = { "--bunde", "x", NULL };
	char *letters[] = { "-tb", NULL };
	char *ignored[] = { "--no-subreaper", "ID", NULL };
	char *ignored_value[] = { "--no-subreaper=maybe", NULL };
	char *boolean[] = { "--tty=false", "-d=true", "-", NULL };
	struct err err = { 0 };
	struct parsed got;
	int at;

	is_int(parse(&got, all, &at, &err), 0, "all forms");
	ok(got.tty && got.detach, "two letters in one");
	is_text(got.bundle, "/b", "a value behind '='");
	is_int((long long)got.env.count, 2, "a list");
	is_text(got.env.items[1], "B=--x", "a value that looks like an option");
	is_text(all[at], "ID", "the first argument ends it");
	is_int(parse(&got, end, &at, &err), 0, "two dashes end it");
	is_text(end[at], "--tty", "what follows them is an argument");
	is_int(parse(&got, no_value, &at, &err), -EINVAL, "no value");
	is_text(err.text, "option --bundle needs a value", "its line");
	is_int(parse(&got, unknown, &at, &err), -EINVAL, "unknown");
	is_text(err.text, "unknown option --bunde", "its line");
	is_int(parse(&got, letters, &at, &err), -EINVAL, "a letter with a value among others");
	is_int(parse(&got, boolean, &at, &err), 0, "true and false are said");
	ok(!got.tty && got.detach, "and taken");
	is_int(at, 2, "a single dash is an argument");
	is_int(parse(&got, ignored, &at, &err), 0, "an option without an effect");
	ok(!got.detach && !got.tty && at == 1, "sets nothing and takes no argument away");
	is_int(parse(&got, ignored_value, &at, &err), -EINVAL, "but its value is looked at");
}

static void test_state(void)
{
	struct answer_pair pairs[] = { { "a", "1" }, { "b", "" } };
	struct state state = { .id = "c1",
			       .bundle = "/b",
			       .root = "/b/r",
			       .cgroup = "x/y",
			       .created_ns = 1700000000123456789,
			       .pid = 42,
			       .start_time = 77,
			       .flags = STATE_FLAG_CGROUP,
			       .hooks = ANSWER_HOOK_POSTSTOP,
			       .pairs = pairs,
			       .pair_count = 2 };
	struct state got = { 0 };
	struct buf out OWN(buf_done) = { 0 };
	struct err err = { 0 };
	bool all = true;

	buf_init(&out, STATE_SIZE_MAX);
	is_int(state_encode(&state, &out), 0, "a state is written");
	is_int(state_decode(buf_str(&out), &got, &err), 0, "and read");
	is_text(got.bundle, "/b", "bundle");
	is_text(got.pairs[1].key, "b", "annotations");
	ok(got.created_ns == state.created_ns && got.start_time == 77 && got.pid == 42, "numbers");
	state_done(&got);
	for (size_t i = 0; i < out.len; i++) {
		out.data[i] ^= 1;
		all = all && state_decode(buf_str(&out), &got, &err) == -EBADMSG;
		out.data[i] ^= 1;
	}
	ok(all, "no flipped bit passes");
	for (size_t i = 0; i < out.len; i++)
		all = all && state_decode(str_make(out.data, i), &got, &err) == -EBADMSG;
	ok(all, "no cut-off state passes");
}

static void test_answer(void)
{
	struct err why = { .code = -EINVAL, .text = "config.json: x" };
	struct cgroup_unified rows[] = { { "memory.high", "1G" } };
	struct answer_pair pairs[] = { { "k", "v" } };
	struct answer answer = {
		.warnings = { "w" },
		.warning_count = 1,
		.root = "rootfs",
		.terminal = true,
		.namespaces = { { 100, "/proc/1/ns/net" } },
		.namespace_count = 1,
		.pairs = pairs,
		.pair_count = 1,
		.hooks = ANSWER_HOOK_POSTSTART,
		.resources = { .memory_max = 7, .unified = rows, .unified_count = 1 },
		.plan = STR("plan")
	};
	struct answer got = { 0 };
	struct buf out OWN(buf_done) = { 0 };
	struct err err = { 0 };
	bool all = true;

	buf_init(&out, ANSWER_MAX);
	answer_encode_error(&why, &out);
	is_int(answer_decode(out.data, out.len, &got, &err), -EINVAL, "an error comes over");
	is_text(err.text, "config.json: x", "with its line");
	buf_clear(&out);
	answer_encode(&answer, &out);
	is_int(answer_decode(out.data, out.len, &got, &err), 0, "an answer comes over");
	is_text(got.root, "rootfs", "root");
	ok(!got.cgroups_path && got.terminal, "no control group is named");
	is_text(got.namespaces[0].path, "/proc/1/ns/net", "namespaces");
	is_int(got.resources.memory_max, 7, "numbers");
	is_text(got.resources.unified[0].value, "1G", "rows");
	is_int((long long)got.plan.len, 4, "the plan");
	answer_done(&got);
	for (size_t i = 0; i < out.len; i++)
		all = all && answer_decode(out.data, i, &got, &err) < 0;
	ok(all, "no cut-off answer passes");
	answer.namespaces[0].fd = 2;
	buf_clear(&out);
	answer_encode(&answer, &out);
	is_int(answer_decode(out.data, out.len, &got, &err), -EBADMSG,
	       "a namespace cannot take the place of stderr");
}

static void test_signals(void)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{ "9", 9 },
		{ "KILL", SIGKILL },
		{ "SIGTERM", SIGTERM },
		{ "sighup", SIGHUP },
		{ "RTMIN", 34 },
		{ "SIGRTMIN+3", 37 },
		{ "RTMAX-1", 63 },
		{ "0", 0 },
		{ "65", -EINVAL },
		{ "SIG", -EINVAL },
		{ "", -EINVAL },
		{ "-9", -EINVAL },
		{ "RTMIN+99", -EINVAL },
		{ "RTMIN-1", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int got = 0, r = signals_parse(rows[i].text, &got, NULL);

		is_int(r < 0 ? r : got, rows[i].want, "signal '%s'", rows[i].text);
	}
}

static void test_paths(void)
{
	static const struct {
		const char *given, *want;
	} rows[] = {
		{ NULL, "hoy-oci/id" }, { "", "hoy-oci/id" },	  { "/", "hoy-oci/id" },
		{ "/a/b", "a/b" },	{ "a//b/./c/", "a/b/c" }, { "/a/../../b", "" },
	};
	char got[64];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int r = group_path(rows[i].given, "id", got, sizeof(got), NULL);

		is_text(r < 0 ? "" : got, rows[i].want, "cgroupsPath row %zu", i);
	}
	ok(group_path("/0123456789012345678901234567890123456789012345678901234567890123456789",
		      "id", got, sizeof(got), NULL) == -EINVAL,
	   "a path that is too long");
}

static void test_ids(void)
{
	static const char *const good[] = { "a", "A.b-c_d+e", "0", "a..." };
	static const char *const bad[] = { "",	  ".",	 "..",	     "...", ".void",
					   "a/b", "a b", "\xc3\xa4", "a\n" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		is_int(state_id_check(good[i], NULL), 0, "id %s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(state_id_check(bad[i], NULL), -EINVAL, "bad id %zu", i);
}

static void test_stat(void)
{
	is_int((long long)state_start_time(STR("1 (a) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 "
					       "4711 5\n")),
	       4711, "the start time of a process");
	is_int((long long)state_start_time(STR("1 (a) S) Z (x) R 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 "
					       "0 1 0 12 5\n")),
	       12, "whose name is chosen to mislead");
	is_int((long long)state_start_time(STR("1 (a) Z 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 "
					       "4711 5\n")),
	       0, "a zombie is dead");
	is_int((long long)state_start_time(STR("1 (a)")), 0, "a text that is cut off");
}

static void test_print(void)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 4096);
	print_indented(STR("{\"a\":[1,2],\"b\":{},\"c\":\"x,{\\\"\"}"), &out);
	is_text(buf_text(&out),
		"{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": \"x,{\\\"\"\n}\n",
		"JSON in lines");
}

int main(void)
{
	test_args();
	test_state();
	test_answer();
	test_signals();
	test_paths();
	test_ids();
	test_stat();
	test_print();
	return tap_done();
}
