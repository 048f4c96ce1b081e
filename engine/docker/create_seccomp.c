/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's own seccomp profile (--security-opt seccomp=FILE, whose JSON the CLI sends along):
 * from Docker's form to the rules that hold for this container on this machine, and those to a
 * program. Runs in the api role, on foreign JSON; engine main keeps the program and the kernel
 * checks it. Must never leave out a condition: a rule that is not understood is an error.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include "engine/docker/create.h"
#include "engine/oci/runtime_config.h"
#include "engine/run/seccomp_profile.h"
#include "engine/run/spec_process.h"
#include "lib/own.h"

enum {
	PROFILE_BYTES_MAX = 256 << 10,
	PROFILE_RULES_MAX = 512,
	PROFILE_NAMES_MAX = 2048, /* in all rules */
	PROFILE_ARGS_MAX = 16,	  /* of a rule */
	PROFILE_ERRNO_MAX = 4095, /* the kernel's own bound */
	/*
	 * What the library is given, each counted for every architecture that stays; its time grows
	 * with the third power of the conditions on one call (256: 0.3 s, 1020: 12 s).
	 */
	PROFILE_CALLS_MAX = 4096,   /* names; Docker's own profile: 1326 */
	PROFILE_COMPARES_MAX = 256, /* names x args; Docker's own: 30 */
};

struct profile {
	struct create *create;
	uint64_t caps;
	const char *arch, *native; /* "amd64", "SCMP_ARCH_X86_64" */
	const char *const *runs;   /* the architectures whose calls this kernel can be asked */
	size_t names, calls, compares;
};

static int bad(const char *what, struct err *err)
{
	return err_set(err, -EINVAL, "Decoding seccomp profile failed: %s", what);
}

/* The machine in the words of conditions ("arches") and of the profile's head. */
static int find_machine(struct profile *profile, struct err *err)
{
	static const char *const amd64[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32",
					     NULL };
	static const char *const arm64[] = { "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", NULL };
	static const struct {
		uint32_t token;
		const char *arch;
		const char *const *runs;
	} machines[] = {
		{ SCMP_ARCH_X86_64, "amd64", amd64 },
		{ SCMP_ARCH_AARCH64, "arm64", arm64 },
	};

	for (size_t i = 0; i < ARRAY_LEN(machines); i++) {
		if (machines[i].token != seccomp_arch_native())
			continue;
		profile->arch = machines[i].arch;
		profile->runs = machines[i].runs;
		profile->native = machines[i].runs[0];
		return 0;
	}
	return err_set(err, -ENOTSUP, "seccomp profiles are not supported on this architecture");
}

/* The place of a name in a table that ends with NULL; -1 when it is not there. */
static int find_name(const char *const *names, struct str name)
{
	for (int i = 0; names[i]; i++) {
		if (str_is(name, names[i]))
			return i;
	}
	return -1;
}

/* Enumerations count from 1. */
static int get_name(const struct json *value, const char *const *names, const char *what,
		    int *ret_number, struct err *err)
{
	int at = find_name(names, json_str(value));

	if (at < 0)
		return err_set(err, -EINVAL,
			       "Decoding seccomp profile failed: %s: '%.60s' is not known", what,
			       json_type(value) == JSON_STRING ? json_str(value).ptr : "");
	*ret_number = at + 1;
	return 0;
}

static int get_errno(const struct json *value, struct runtime_u64 *ret_code, struct err *err)
{
	if (!value || json_type(value) == JSON_NULL)
		return 0;
	if (json_u64(value, PROFILE_ERRNO_MAX, &ret_code->value) < 0)
		return bad("an errno is a number up to 4095", err);
	ret_code->set = true;
	return 0;
}

/* ---- conditions: includes and excludes ---- */

static bool has_text(const struct json *list, const char *text)
{
	const struct json *value;
	struct json_iter iter;
	struct str none;
	bool found = false;

	json_iter_init(&iter, list);
	while (json_iter_next(&iter, &none, &value))
		found |= json_is(value, text);
	return found;
}

/* Whether the kernel that runs is as new as "4.8". */
static int check_kernel(struct str wanted, bool *ret_newer, struct err *err)
{
	unsigned long have[2] = { 0 }, want[2] = { 0 };
	struct utsname machine;
	char text[32];

	if (uname(&machine) < 0)
		return err_sys(err, -errno, "ask for the kernel's version");
	if (str_copy(wanted, text, sizeof(text)) < 0 ||
	    sscanf(text, "%4lu.%4lu", &want[0], &want[1]) != 2 ||
	    sscanf(machine.release, "%4lu.%4lu", &have[0], &have[1]) != 2)
		return bad("minKernel is not of the form 4.8", err);
	*ret_newer = have[0] > want[0] || (have[0] == want[0] && have[1] >= want[1]);
	return 0;
}

/* Which of the capabilities of a list the container has; a name nobody knows it has not. */
static void count_caps(const struct profile *profile, const struct json *list, size_t *ret_has,
		       size_t *ret_all)
{
	const struct json *value;
	struct json_iter iter;
	struct str none;
	char name[64];

	*ret_has = *ret_all = 0;
	json_iter_init(&iter, list);
	while (json_iter_next(&iter, &none, &value)) {
		uint64_t bits = 0;

		++*ret_all;
		if (str_copy(json_str(value), name, sizeof(name)) >= 0 &&
		    run_caps_parse(name, &bits, NULL) == 0 && (profile->caps & bits) == bits)
			++*ret_has;
	}
}

static int rule_holds(const struct profile *profile, const struct json *rule, bool *ret_holds,
		      struct err *err)
{
	const struct json *with = json_get(rule, "includes"), *without = json_get(rule, "excludes");
	const struct json *sides[] = { with, without };
	bool newer[2] = { true, false };
	size_t has[2], all[2];

	for (size_t i = 0; i < 2; i++) {
		struct str kernel = json_str(json_get(sides[i], "minKernel"));
		int r = kernel.len ? check_kernel(kernel, &newer[i], err) : 0;

		if (r < 0)
			return r;
		count_caps(profile, json_get(sides[i], "caps"), &has[i], &all[i]);
	}
	*ret_holds = newer[0] && !newer[1] && has[0] == all[0] && !has[1] &&
		     (!json_count(json_get(with, "arches")) ||
		      has_text(json_get(with, "arches"), profile->arch)) &&
		     !has_text(json_get(without, "arches"), profile->arch);
	return 0;
}

/* ---- rules ---- */

static int get_args(struct profile *profile, const struct json *list,
		    struct runtime_seccomp_rule *rule, struct err *err)
{
	size_t count = json_count(list);
	const struct json *value;
	struct json_iter iter;
	struct str none;

	if (count > PROFILE_ARGS_MAX)
		return bad("a rule with more than 16 args", err);
	rule->args.items =
		arena_array(profile->create->arena, count + 1, sizeof(*rule->args.items));
	if (!rule->args.items)
		return err_set(err, -ENOMEM, "no memory for a seccomp profile");
	json_iter_init(&iter, list);
	while (json_iter_next(&iter, &none, &value)) {
		struct runtime_seccomp_arg *arg = &rule->args.items[rule->args.count++];
		const struct json *two = json_get(value, "valueTwo");
		uint64_t index = 0;
		int number = 0, r;

		if (json_u64(json_get(value, "index"), 5, &index) < 0)
			return bad("the index of an argument is 0 to 5", err);
		if (json_u64(json_get(value, "value"), UINT64_MAX, &arg->value) < 0 ||
		    (two && json_u64(two, UINT64_MAX, &arg->value_two) < 0))
			return bad("the value of an argument is a whole number", err);
		r = get_name(json_get(value, "op"), runtime_seccomp_operators, "op", &number, err);
		if (r < 0)
			return r;
		arg->index = (uint32_t)index;
		arg->op = (enum runtime_seccomp_operator)number;
	}
	return 0;
}

static int get_names(struct profile *profile, const struct json *json,
		     struct runtime_seccomp_rule *rule, struct err *err)
{
	const struct json *list = json_get(json, "names"), *value;
	struct str one = json_str(json_get(json, "name")), none;
	size_t count = json_count(list) + (one.len ? 1 : 0);
	struct json_iter iter;

	if (one.len && json_count(list))
		return err_set(err, -EINVAL,
			       "both 'name' and 'names' are specified in the seccomp profile, use "
			       "either 'name' or 'names'");
	profile->names += count;
	if (profile->names > PROFILE_NAMES_MAX)
		return bad("more than 2048 system calls", err);
	rule->names.items =
		arena_array(profile->create->arena, count + 1, sizeof(*rule->names.items));
	if (!rule->names.items)
		return err_set(err, -ENOMEM, "no memory for a seccomp profile");
	if (one.len)
		rule->names.items[rule->names.count++] = one.ptr;
	json_iter_init(&iter, list);
	while (json_iter_next(&iter, &none, &value)) {
		if (json_type(value) != JSON_STRING)
			return bad("a system call's name is a string", err);
		rule->names.items[rule->names.count++] = json_str(value).ptr;
	}
	return 0;
}

/* The library's work, before it is begun: nobody else is answered meanwhile. */
static int count_work(struct profile *profile, const struct runtime_seccomp_rule *rule,
		      uint64_t arches, struct err *err)
{
	size_t factor = 0;

	for (; arches; arches &= arches - 1)
		factor++;
	profile->calls += rule->names.count * factor;
	profile->compares += rule->names.count * rule->args.count * factor;
	if (profile->calls > PROFILE_CALLS_MAX)
		return bad("more than 4096 system calls, counted for each architecture", err);
	if (profile->compares > PROFILE_COMPARES_MAX)
		return bad("more than 256 conditions on arguments, counted for each call and "
			   "architecture",
			   err);
	return 0;
}

static int get_rule(struct profile *profile, const struct json *json, struct runtime_seccomp *out,
		    struct err *err)
{
	struct runtime_seccomp_rule *rule = &out->rules.items[out->rules.count];
	int number = 0, r;
	bool holds = false;

	*rule = (struct runtime_seccomp_rule){ 0 };
	if (json_type(json) != JSON_OBJECT)
		return bad("a rule is an object", err);
	r = get_names(profile, json, rule, err);
	if (r >= 0)
		r = get_name(json_get(json, "action"), runtime_seccomp_actions, "action", &number,
			     err);
	if (r >= 0)
		r = get_errno(json_get(json, "errnoRet"), &rule->errno_ret, err);
	if (r >= 0)
		r = get_args(profile, json_get(json, "args"), rule, err);
	if (r >= 0)
		r = rule_holds(profile, json, &holds, err);
	rule->action = (enum runtime_seccomp_action)number;
	if (r >= 0 && rule->action == RUNTIME_SECCOMP_NOTIFY)
		return err_set(err, -ENOTSUP,
			       "SCMP_ACT_NOTIFY in a seccomp profile is not "
			       "supported by this engine: nobody listens");
	/* A rule without a name says nothing. */
	if (r < 0 || !holds || !rule->names.count)
		return r;
	out->rules.count++;
	return count_work(profile, rule, out->arches, err);
}

/* ---- the head ---- */

static int get_set(const struct json *list, const char *const *names, const char *what,
		   uint64_t *set, struct err *err)
{
	const struct json *value;
	struct json_iter iter;
	struct str none;
	int number = 0, r = 0;

	json_iter_init(&iter, list);
	while (r >= 0 && json_iter_next(&iter, &none, &value)) {
		r = get_name(value, names, what, &number, err);
		if (r >= 0)
			*set |= UINT64_C(1) << (number - 1);
	}
	return r;
}

/* Those alone whose programs this kernel runs: a call of another never comes. */
static uint64_t that_run(const struct profile *profile, uint64_t arches)
{
	uint64_t set = 0, native = 0; /* which the library has, named or not */

	for (size_t i = 0; runtime_seccomp_arches[i]; i++) {
		if (find_name(profile->runs, str_from(runtime_seccomp_arches[i])) >= 0)
			set |= UINT64_C(1) << i;
		if (!strcmp(runtime_seccomp_arches[i], profile->native))
			native = UINT64_C(1) << i;
	}
	return (arches & set) | native;
}

/* archMap: the row of this machine, whose sub-architectures count too. */
static int get_arches(const struct profile *profile, const struct json *root,
		      struct runtime_seccomp *out, struct err *err)
{
	const struct json *map = json_get(root, "archMap"), *row;
	const struct json *list = json_get(root, "architectures");
	struct json_iter iter;
	struct str none;
	int r = 0;

	if (json_count(map) && json_count(list))
		return err_set(err, -EINVAL,
			       "both 'architectures' and 'archMap' are specified in the seccomp "
			       "profile, use either 'architectures' or 'archMap'");
	r = get_set(list, runtime_seccomp_arches, "architectures", &out->arches, err);
	json_iter_init(&iter, map);
	while (r >= 0 && json_iter_next(&iter, &none, &row)) {
		if (json_is(json_get(row, "architecture"), profile->native))
			r = get_set(json_get(row, "subArchitectures"), runtime_seccomp_arches,
				    "subArchitectures", &out->arches, err);
	}
	out->arches = that_run(profile, out->arches);
	return r;
}

static int read_profile(struct profile *profile, const struct json *root,
			struct runtime_seccomp *out, struct err *err)
{
	const struct json *rules = json_get(root, "syscalls"), *rule;
	struct json_iter iter;
	struct str none;
	int number = 0, r;

	if (json_type(root) != JSON_OBJECT)
		return bad("it is no JSON object", err);
	if (json_count(rules) > PROFILE_RULES_MAX)
		return bad("more than 512 rules", err);
	out->rules.items = arena_array(profile->create->arena, json_count(rules) + 1,
				       sizeof(*out->rules.items));
	if (!out->rules.items)
		return err_set(err, -ENOMEM, "no memory for a seccomp profile");
	r = get_name(json_get(root, "defaultAction"), runtime_seccomp_actions, "defaultAction",
		     &number, err);
	out->default_action = (enum runtime_seccomp_action)number;
	if (r >= 0)
		r = get_errno(json_get(root, "defaultErrnoRet"), &out->default_errno, err);
	if (r >= 0)
		r = get_set(json_get(root, "flags"), runtime_seccomp_flags, "flags", &out->flags,
			    err);
	if (r >= 0)
		r = get_arches(profile, root, out, err);
	json_iter_init(&iter, rules);
	while (r >= 0 && json_iter_next(&iter, &none, &rule))
		r = get_rule(profile, rule, out, err);
	return r;
}

static int compile(struct create *create, const struct runtime_seccomp *rules, struct err *err)
{
	struct buf program OWN(buf_done) = { 0 };
	struct run_seccomp_filter filter;
	char *copy;
	int r;

	buf_init(&program, DEF_SECCOMP_MAX);
	r = seccomp_profile_compile(rules, "seccomp profile", &program, &filter, err);
	if (r < 0)
		return r;
	copy = arena_alloc(create->arena, program.len + 1);
	if (!copy || buf_error(&program))
		return err_set(err, -ENOMEM, "no memory for a seccomp profile");
	memcpy(copy, program.data, program.len);
	create->def.host.seccomp = str_make(copy, program.len);
	create->def.host.seccomp_flags = filter.flags;
	return 0;
}

int create_seccomp(struct create *create, struct str text, struct err *err)
{
	struct profile profile = { .create = create };
	struct runtime_seccomp rules = { 0 };
	struct json_doc doc = { 0 };
	struct err why = { 0 };
	int r = find_machine(&profile, err);

	if (r >= 0)
		r = container_def_caps(&create->def, &profile.caps, err);
	if (r < 0)
		return r;
	r = json_parse(text, PROFILE_BYTES_MAX, &doc, &why);
	if (r < 0)
		return bad(err_text(&why), err);
	r = read_profile(&profile, doc.root, &rules, err);
	if (r >= 0)
		r = compile(create, &rules, err);
	json_done(&doc);
	return r;
}
