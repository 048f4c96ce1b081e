/* SPDX-License-Identifier: Apache-2.0 */
/* The table and the compiled filter against the facts of Docker's profile (docker_seccomp.tsv). */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include "engine/run/seccomp.h"
#include "engine/run/seccomp_default.h"
#include "engine/run/spec.h"
#include "lib/own.h"
#include "lib/str.h"
#include "tests/unit/tap.h"

#define FACTS "tests/unit/engine_run/docker_seccomp.tsv"

enum { FACTS_MAX = 1000, LINE_MAX_LEN = 512 };

/* One row of the profile for one name, in the spelling of both sides. */
struct fact {
	char text[LINE_MAX_LEN];
	char name[48];
	bool here;	   /* applies on amd64 */
	int with, without; /* capability or -1 */
	int deny;	   /* errno, 0 = allow */
	int argument;	   /* -1 = none */
	char compare[16];
	unsigned long long value;
};

static struct fact facts[FACTS_MAX];
static size_t fact_count;

static int cap_number(const char *name)
{
	uint64_t bits = 0;

	if (strcmp(name, "-") == 0 || run_caps_parse(name, &bits, NULL) < 0)
		return -1;
	return __builtin_ctzll(bits);
}

/* The five architectures we may run on by name, all others as one. */
static uint32_t arch_bits(char *list)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} names[] = {
		{ "amd64", SECCOMP_ARCH_AMD64 }, { "x32", SECCOMP_ARCH_X32 },
		{ "x86", SECCOMP_ARCH_X86 },	 { "arm64", SECCOMP_ARCH_ARM64 },
		{ "arm", SECCOMP_ARCH_ARM },
	};
	uint32_t bits = 0;
	char *save = NULL;

	if (strcmp(list, "-") == 0)
		return 0;
	for (char *at = strtok_r(list, ",", &save); at; at = strtok_r(NULL, ",", &save)) {
		uint32_t bit = SECCOMP_ARCH_OTHER;

		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if (strcmp(at, names[i].name) == 0)
				bit = names[i].bit;
		bits |= bit;
	}
	return bits;
}

static void spell(char text[LINE_MAX_LEN], const char *name, int deny, uint32_t arches, int with,
		  int without, const char *compare, int argument, unsigned long long value)
{
	(void)snprintf(text, LINE_MAX_LEN, "%s deny=%d arches=%x with=%d without=%d %s %d %llx",
		       name, deny, arches, with, without, compare, argument, value);
}

static bool read_fact(char *line, struct fact *fact)
{
	char *field[8], *save = NULL, text[LINE_MAX_LEN], compare[16] = "";
	uint32_t arches;
	int n = 0;

	for (char *at = strtok_r(line, "\t\n", &save); at && n < 8; n++) {
		field[n] = at;
		at = strtok_r(NULL, "\t\n", &save);
	}
	if (n != 8)
		return false;
	(void)snprintf(fact->name, sizeof(fact->name), "%s", field[0]);
	fact->deny = strcmp(field[1], "errno") == 0 ? (int)strtol(field[2], NULL, 10) : 0;
	arches = arch_bits(field[3]);
	fact->here = !arches || arches & SECCOMP_ARCH_AMD64;
	fact->with = cap_number(field[4]);
	fact->without = cap_number(field[5]);
	fact->argument = -1;
	if (strcmp(field[7], "-") != 0 &&
	    sscanf(field[7], "%d %15s %llx", &fact->argument, compare, &fact->value) != 3)
		return false;
	spell(text, field[0], fact->deny, arches, fact->with, fact->without,
	      fact->argument < 0 ? "-" : compare, fact->argument, fact->value);
	memcpy(fact->text, text, sizeof(text));
	memcpy(fact->compare, compare, sizeof(compare));
	return true;
}

static bool read_facts(void)
{
	FILE *file = fopen(FACTS, "r");
	char line[LINE_MAX_LEN];
	bool good = file != NULL;

	while (good && fgets(line, sizeof(line), file))
		if (line[0] != '#')
			good = fact_count < FACTS_MAX && read_fact(line, &facts[fact_count++]);
	if (file)
		(void)fclose(file);
	return good;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct fact *)a)->text, ((const struct fact *)b)->text);
}

static void test_table(void)
{
	static const char *const compares[] = { "-", "lt", "eq", "gt", "masked_eq" };
	static struct fact ours[FACTS_MAX];
	size_t count = 0, wrong = 0;

	for (size_t i = 0; i < seccomp_table_count; i++) {
		const struct seccomp_rule *rule = &seccomp_table[i];
		struct str rest = str_from(rule->names), part;
		bool plain = rule->compare == SECCOMP_COMPARE_NONE;

		while (str_cut(&rest, ' ', &part)) {
			char name[48];

			(void)str_copy(part, name, sizeof(name));
			spell(ours[count++].text, name, rule->deny_errno, rule->arches,
			      rule->with_cap, rule->without_cap, compares[rule->compare],
			      plain ? -1 : rule->argument, (unsigned long long)rule->value);
		}
	}
	qsort(facts, fact_count, sizeof(facts[0]), by_text);
	qsort(ours, count, sizeof(ours[0]), by_text);
	is_int((int)count, (int)fact_count, "as many rows as the profile");
	for (size_t i = 0; i < count && i < fact_count; i++) {
		if (strcmp(ours[i].text, facts[i].text) == 0)
			continue;
		if (wrong++ < 5)
			note("ours '%s', profile '%s'", ours[i].text, facts[i].text);
	}
	is_int((int)wrong, 0, "each row is the profile's");
}

/* The kernel's interpreter for the instructions that filters use; the data's words by offset. */
static uint32_t run_filter(const struct buf *program, const struct seccomp_data *data)
{
	const struct sock_filter *code = (const void *)program->data;
	const size_t count = program->len / sizeof(*code);
	const uint32_t *words = (const void *)data;
	uint32_t a = 0;

	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *i = &code[pc];
		bool taken = false;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			a = words[i->k / 4];
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			continue;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JEQ | BPF_K:
			taken = a == i->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			taken = a > i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			taken = a >= i->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			taken = (a & i->k) != 0;
			break;
		default:
			return 0xbad;
		}
		pc += taken ? i->jt : i->jf;
	}
	return 0xbad;
}

static bool has(uint64_t caps, int cap)
{
	return caps >> cap & 1;
}

static bool matches(const struct fact *fact, uint64_t argument)
{
	if (fact->argument < 0)
		return true;
	if (strcmp(fact->compare, "lt") == 0)
		return argument < fact->value;
	if (strcmp(fact->compare, "gt") == 0)
		return argument > fact->value;
	if (strcmp(fact->compare, "eq") == 0)
		return argument == fact->value;
	return (argument & fact->value) == 0;
}

/* What the profile's facts say of a call whose arguments are all `argument`. */
static uint32_t expected(const char *name, uint64_t caps, uint64_t argument)
{
	uint32_t verdict = SECCOMP_RET_ERRNO | EPERM;

	for (size_t i = 0; i < fact_count; i++) {
		const struct fact *fact = &facts[i];

		if (strcmp(fact->name, name) != 0 || !fact->here || !matches(fact, argument) ||
		    (fact->with >= 0 && !has(caps, fact->with)) ||
		    (fact->without >= 0 && has(caps, fact->without)))
			continue;
		if (!fact->deny)
			return SECCOMP_RET_ALLOW;
		verdict = SECCOMP_RET_ERRNO | (uint32_t)fact->deny;
	}
	return verdict;
}

static void test_filter(uint64_t caps, const char *what)
{
	static const uint64_t arguments[] = { 0,	  1,	      8,  37,	     38,
					      39,	  40,	      41, 0x20000,   0x20008,
					      0xffffffff, 0x10000000, 2,  0x40000000 };
	struct buf program OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int asked = 0, wrong = 0, newest = 0;

	buf_init(&program, 4096 * 8);
	is_int(seccomp_compile(caps, &program, &err), 0, "%s: compiled %s", what, err.text);
	note("%s: %zu instructions", what, program.len / 8);
	for (int nr = 0; nr < 460; nr++) {
		OWN_FREE char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

		for (size_t i = 0; name && i < ARRAY_LEN(arguments); i++, asked++) {
			struct seccomp_data data = { .nr = nr, .arch = AUDIT_ARCH_X86_64 };
			uint32_t got;

			for (int j = 0; j < 6; j++)
				data.args[j] = arguments[i];
			got = run_filter(&program, &data);
			if (got != expected(name, caps, arguments[i]) && wrong++ < 5)
				note("%s(%llx): %x, expected %x", name,
				     (unsigned long long)arguments[i], got,
				     expected(name, caps, arguments[i]));
			newest = nr;
		}
	}
	ok(asked > 4000 && newest > 440, "%s: %d questions asked", what, asked);
	is_int(wrong, 0, "%s: the filter answers as the profile", what);
}

/* What the build compiled is what libseccomp compiles here and now, byte for byte. */
static void test_built_in(void)
{
	uint64_t caps = run_caps_default();
	struct str built_in = seccomp_default_find(caps, SCMP_ARCH_X86_64);
	struct buf fresh OWN(buf_done) = { 0 }, used OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&fresh, 256 << 10);
	buf_init(&used, 256 << 10);
	is_int(seccomp_compile_fresh(caps, &fresh, &err), 0, "compiled by libseccomp %s", err.text);
	is_int(seccomp_compile(caps, &used, &err), 0, "the one that containers get %s", err.text);
	ok(built_in.len > 1000, "built in: %zu bytes", built_in.len);
	ok(str_eq(built_in, buf_str(&fresh)), "equal to what libseccomp compiles");
	ok(str_eq(built_in, buf_str(&used)), "and the one that is used");
	is_int((long)seccomp_default_find(caps ^ 1, SCMP_ARCH_X86_64).len, 0, "not for other caps");
	is_int((long)seccomp_default_find(caps, SCMP_ARCH_AARCH64).len, 0, "nor another machine");
	used.len = 0;
	is_int(seccomp_compile(caps | 1u << 21, &used, &err), 0, "other caps are compiled %s",
	       err.text);
	ok(used.len > 0 && !str_eq(built_in, buf_str(&used)), "to another program");
}

/* Numbers of ioctl(2): FS_IOC_FSSETXATTR, FS_IOC_SETFLAGS of either width, TCGETS. */
static void test_keep_project(void)
{
	static const struct {
		uint32_t arch;
		int nr;
		uint64_t request;
		bool denied;
		const char *what;
	} rows[] = {
		{ AUDIT_ARCH_X86_64, 16, 0x401c5820, true, "another project" },
		{ AUDIT_ARCH_X86_64, 16, 0xffffffff401c5820, true,
		  "with bits the kernel cuts off" },
		{ AUDIT_ARCH_X86_64, 16, 0x40086602, true, "flags" },
		{ AUDIT_ARCH_X86_64, 16, 0x40046602, true, "flags of 32 bits" },
		{ AUDIT_ARCH_X86_64, 16, 0x5401, false, "another ioctl" },
		{ AUDIT_ARCH_X86_64, 0x40000000 + 514, 0x401c5820, true, "x32" },
		{ AUDIT_ARCH_I386, 54, 0x401c5820, true, "i386" },
		{ AUDIT_ARCH_I386, 16, 0x401c5820, false, "what is no ioctl there" },
		{ AUDIT_ARCH_X86_64, 1, 0x401c5820, false, "what is none here" },
	};
	struct buf program OWN(buf_done) = { 0 }, open OWN(buf_done) = { 0 };

	buf_init(&program, 4096 * 8);
	buf_init(&open, 4096 * 8);
	seccomp_put_keep_project(&program);
	seccomp_put_keep_project(&open);
	is_int(seccomp_compile(run_caps_default(), &program, NULL), 0, "in front of the profile");
	seccomp_put_allow(&open);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct seccomp_data data = { .nr = rows[i].nr,
						   .arch = rows[i].arch,
						   .args = { 3, rows[i].request } };
		uint32_t denied = SECCOMP_RET_ERRNO | EPERM;

		ok((run_filter(&program, &data) == denied) == rows[i].denied &&
			   (run_filter(&open, &data) == denied) == rows[i].denied,
		   "keep project: %s", rows[i].what);
	}
}

static void test_edges(void)
{
	struct buf program OWN(buf_done) = { 0 };
	struct seccomp_data data = { .nr = 600, .arch = AUDIT_ARCH_X86_64 };

	buf_init(&program, 4096 * 8);
	(void)seccomp_compile(run_caps_default(), &program, NULL);
	ok(run_filter(&program, &data) == (SECCOMP_RET_ERRNO | ENOSYS), "a newer call: ENOSYS");
	data.nr = INT32_MAX / 2 - 1;
	ok(run_filter(&program, &data) == (SECCOMP_RET_ERRNO | ENOSYS), "a much newer call");
	data.nr = -1;
	ok(run_filter(&program, &data) == (SECCOMP_RET_ERRNO | EPERM), "call -1");
	data.nr = 0x40000000 + 39; /* x32 getpid */
	ok(run_filter(&program, &data) == SECCOMP_RET_ALLOW, "x32 is a sub-architecture");
	data.nr = 20; /* getpid of i386 */
	data.arch = AUDIT_ARCH_I386;
	ok(run_filter(&program, &data) == SECCOMP_RET_ALLOW, "so is i386");
	data.arch = AUDIT_ARCH_AARCH64;
	ok(run_filter(&program, &data) == SECCOMP_RET_KILL_PROCESS, "a foreign one is killed");
}

int main(void)
{
	if (!ok(read_facts() && fact_count > 400, "%zu facts in " FACTS, fact_count))
		return tap_done();
	test_table();
	test_filter(run_caps_default(), "default capabilities");
	test_filter(0, "no capability");
	test_filter(run_caps_all(), "all capabilities");
	test_filter(run_caps_default() | 1u << 21, "CAP_SYS_ADMIN");
	test_keep_project();
	test_edges();
	test_built_in();
	return tap_done();
}
