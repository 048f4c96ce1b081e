/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json: what is understood, and the one line for what is not.
 */
#include <errno.h>
#include <stdlib.h>
#include "engine/oci/runtime_config.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

#define HEAD	    "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
#define PROC	    "\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]"
#define TAIL	    ",\"linux\":{}}"
#define LINUX(TEXT) HEAD PROC "},\"linux\":{" TEXT "}}"

static const struct {
	const char *text, *want; /* NULL = it is taken */
} rows[] = {
	{ HEAD PROC "}" TAIL, NULL },
	{ HEAD PROC ",\"unknown\":[1,{}]},\"windows\":{\"x\":1}" TAIL, NULL },
	{ HEAD PROC ",\"env\":null}" TAIL, NULL },
	{ HEAD "\"hostname\":\"a\"" TAIL, "config.json: hostname: a name needs a UTS namespace" },
	{ "", "config.json: JSON: the text is empty" },
	{ "[]", "config.json: the whole text: expected an object, found list" },
	{ "{}", "config.json: ociVersion: missing, the specification requires it" },
	{ "{\"ociVersion\":\"2.0.0\",\"root\":{\"path\":\"r\"},\"linux\":{}}",
	  "config.json: ociVersion: \"2.0.0\" is unknown; 1.x.y is supported" },
	{ "{\"ociVersion\":\"1.0.2\",\"linux\":{}}",
	  "config.json: root: missing, Linux requires it" },
	{ HEAD "\"process\":{\"cwd\":\"/\"}" TAIL,
	  "config.json: process.args: no command is given" },
	{ HEAD
	  "\"process\":{\"cwd\":\"/\",\"args\":[\"\"]}" TAIL, /* docker and podman: status 127 */
	  "config.json: process.args[0]: the command is empty: executable file not found in "
	  "$PATH" },
	{ HEAD "\"process\":{\"args\":[\"sh\"]}" TAIL,
	  "config.json: process.cwd: missing, the specification requires it" },
	{ HEAD "\"process\":{\"cwd\":\"/\",\"args\":[\"a\",\"b\",\"c\",4]}" TAIL,
	  "config.json: process.args[3]: expected text, found number" },
	{ HEAD "\"process\":{\"cwd\":\"etc\",\"args\":[\"sh\"]}" TAIL,
	  "config.json: process.cwd: expected an absolute path" },
	{ HEAD PROC ",\"terminal\":\"yes\"}" TAIL,
	  "config.json: process.terminal: expected true or false, found text" },
	{ HEAD PROC ",\"user\":{\"uid\":-1}}" TAIL,
	  "config.json: process.user.uid: expected a whole number from 0 to 4294967295" },
	{ HEAD PROC ",\"user\":{\"uid\":4294967296}}" TAIL,
	  "config.json: process.user.uid: expected a whole number from 0 to 4294967295" },
	{ HEAD PROC ",\"user\":{\"uid\":1e3}}" TAIL,
	  "config.json: process.user.uid: expected a whole number from 0 to 4294967295" },
	{ HEAD PROC ",\"user\":{\"additionalGids\":[1,\"2\"]}}" TAIL,
	  "config.json: process.user.additionalGids[1]: expected a whole number, found text" },
	{ HEAD PROC ",\"rlimits\":[{\"type\":\"RLIMIT_NOFIL\",\"soft\":1,\"hard\":1}]}" TAIL,
	  "config.json: process.rlimits[0].type: unknown value \"RLIMIT_NOFIL\"; did you mean "
	  "RLIMIT_NOFILE" },
	{ HEAD PROC ",\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":1}]}" TAIL,
	  "config.json: process.rlimits[0]: the soft limit is above the hard one" },
	{ HEAD PROC ",\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},"
		    "{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1}]}" TAIL,
	  "config.json: process.rlimits[1]: the same limit stands in [0] already" },
	{ HEAD PROC ",\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"deadline\":5000}}" TAIL,
	  "config.json: process.scheduler.runtime: SCHED_DEADLINE needs 1024 nanoseconds or more" },
	{ HEAD PROC ",\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":2000}}" TAIL,
	  "config.json: process.scheduler.deadline: SCHED_DEADLINE needs one that is not below the "
	  "runtime" },
	{ HEAD PROC ",\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":2000,"
		    "\"deadline\":3000,\"period\":2500}}" TAIL,
	  "config.json: process.scheduler.period: it is below the deadline" },
	{ HEAD PROC ",\"env\":[\"A=\\u0000\"]}" TAIL,
	  "config.json: JSON: a string has a NUL character in it" },
	{ HEAD PROC "},\"root\":{\"path\":\"x\"}" TAIL,
	  "config.json: JSON: key \"root\" stands twice in one object" },
	{ HEAD "\"mounts\":[{\"source\":\"a\"}]" TAIL,
	  "config.json: mounts[0].destination: missing, the specification requires it" },
	{ HEAD "\"mounts\":[{\"destination\":\"/a\",\"options\":[true]}]" TAIL,
	  "config.json: mounts[0].options[0]: expected text, found true or false" },
	{ HEAD "\"hooks\":{\"poststop\":[{\"path\":\"rel\"}]}" TAIL,
	  "config.json: hooks.poststop[0].path: expected an absolute path" },
	{ HEAD "\"hooks\":{\"prestart\":[{\"path\":\"/h\",\"timeout\":0}]}" TAIL,
	  "config.json: hooks.prestart[0].timeout: expected a whole number from 1 to 2147483647" },
	{ HEAD "\"annotations\":{\"a\":1}" TAIL,
	  "config.json: annotations.a: expected text, found number" },
	{ LINUX("\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]"),
	  "config.json: linux.namespaces[1]: a second pid namespace" },
	{ LINUX("\"namespaces\":[{\"type\":\"net\"}]"),
	  "config.json: linux.namespaces[0].type: unknown value \"net\"; the first known one is "
	  "pid" },
	{ LINUX("\"namespaces\":[{\"type\":\"pid\",\"path\":\"proc/1/ns/pid\"}]"),
	  "config.json: linux.namespaces[0].path: expected an absolute path" },
	{ LINUX("\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]"),
	  "config.json: linux.uidMappings: mappings need a user namespace" },
	{ LINUX("\"devices\":[{\"type\":\"x\",\"path\":\"/dev/a\"}]"),
	  "config.json: linux.devices[0].type: expected c, b, u or p" },
	{ LINUX("\"resources\":{\"devices\":[{\"allow\":true,\"access\":\"rx\"}]}"),
	  "config.json: linux.resources.devices[0].access: expected letters of rwm" },
	{ LINUX("\"resources\":{\"memory\":{\"limit\":9223372036854775808}}"),
	  "config.json: linux.resources.memory.limit: expected a whole number from "
	  "-9223372036854775808 to 9223372036854775807" },
	{ LINUX("\"resources\":{\"pids\":{}}"), "config.json: linux.resources.pids.limit: "
						"missing, the specification requires it" },
	{ LINUX("\"resources\":{\"rdma\":{\"mlx\":{\"hcaHandles\":\"3\"}}}"),
	  "config.json: linux.resources.rdma.mlx.hcaHandles: expected a whole number, found text" },
	{ LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALOW\"}"),
	  "config.json: linux.seccomp.defaultAction: unknown value \"SCMP_ACT_ALOW\"; did you "
	  "mean SCMP_ACT_ALLOW" },
	{ LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":"
		"[\"a\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":6,\"value\":1,\"op\":"
		"\"SCMP_CMP_EQ\"}]}]}"),
	  "config.json: linux.seccomp.syscalls[0].args[0].index: expected a whole number from 0 "
	  "to 5" },
	{ LINUX("\"timeOffsets\":{\"boottime\":{\"secs\":1}}"),
	  "config.json: linux.timeOffsets: offsets need a time namespace" },
	{ LINUX("\"personality\":{\"domain\":\"LINUX64\"}"),
	  "config.json: linux.personality.domain: unknown value \"LINUX64\"; did you mean "
	  "LINUX" },
};

static void test_rows(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct runtime_config config;
		struct err err = { 0 };
		int r = runtime_config_parse(str_from(rows[i].text), &config, &err);

		if (!rows[i].want)
			is_text(r < 0 ? err.text : "", "", "row %zu is taken", i);
		else
			is_text(r < 0 ? err.text : "taken", rows[i].want, "row %zu", i);
		runtime_config_done(&config);
	}
}

static void test_values(void)
{
	static const char text[] = LINUX(
		"\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\",\"path\":\"/run/n\"}],"
		"\"resources\":{\"memory\":{\"limit\":-1,\"swap\":7},\"rdma\":{\"mlx5\":"
		"{\"hcaObjects\":3}},\"unified\":{\"memory.high\":\"max\"},\"devices\":"
		"[{\"allow\":false,\"access\":\"rwm\"}]},\"seccomp\":{\"defaultAction\":"
		"\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"architectures\":[\"SCMP_ARCH_X86\","
		"\"SCMP_ARCH_X32\"],\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"],\"syscalls\":"
		"[{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\"}]},"
		"\"sysctl\":{\"net.a\":\"1\"},\"maskedPaths\":[]");
	struct runtime_config config OWN(runtime_config_done) = { 0 };
	const struct runtime_linux *lin = &config.linux_;
	struct err err = { 0 };

	if (!is_int(runtime_config_parse(str_from(text), &config, &err), 0, "it is taken")) {
		note("%s", err.text);
		return;
	}
	is_text(config.root_path, "rootfs", "root.path");
	is_text(config.process.args.items[0], "sh", "args[0]");
	ok(!config.process.args.items[1], "NULL behind the arguments");
	ok(!config.process.caps.set && !config.process.oom_score_adj.set, "not there, not set");
	is_int((long long)lin->namespaces.count, 2, "two namespaces");
	is_int(lin->namespaces.items[0].type, RUNTIME_NAMESPACE_MOUNT, "the first");
	is_text(lin->namespaces.items[1].path, "/run/n", "the path of the second");
	ok(lin->resources.set && lin->resources.memory.limit.set, "a memory limit");
	is_int(lin->resources.memory.limit.value, -1, "of -1");
	ok(!lin->resources.memory.reservation.set, "no reservation");
	is_text(lin->resources.rdma.items[0].name, "mlx5", "the key is the name of the device");
	is_int((long long)lin->resources.rdma.items[0].objects.value, 3, "its objects");
	is_text(lin->resources.unified.items[0].key, "memory.high", "unified");
	is_text(lin->resources.devices.items[0].access, "rwm", "device access");
	is_int(lin->seccomp.default_action, RUNTIME_SECCOMP_ERRNO, "default action");
	is_int((long long)lin->seccomp.default_errno.value, 38, "its errno");
	is_int((long long)lin->seccomp.arches, 5, "architectures by bit");
	is_int((long long)lin->seccomp.flags, 2, "flags by bit");
	is_text(lin->seccomp.rules.items[0].names.items[1], "write", "a system call");
	ok(lin->masked_paths.items && lin->masked_paths.count == 0, "an empty list is a list");
	ok(!lin->readonly_paths.items, "no list is none");
}

static void test_parts(void)
{
	struct runtime_config config;
	struct err err = { 0 };

	is_int(runtime_process_parse(STR("{\"args\":[\"ls\"],\"cwd\":\"/x\",\"user\":{\"umask\":18,"
					 "\"additionalGids\":[5,6]},\"scheduler\":{\"policy\":"
					 "\"SCHED_IDLE\",\"flags\":[\"SCHED_FLAG_DL_OVERRUN\"]}}"),
				     &config, &err),
	       0, "a process of its own");
	is_int((long long)config.process.umask.value, 18, "umask");
	is_int(config.process.groups.items[1], 6, "groups");
	is_int(config.process.scheduler.policy, RUNTIME_POLICY_IDLE, "policy");
	is_int((long long)config.process.scheduler.flags, 4, "flag bits are the kernel's");
	runtime_config_done(&config);
	is_int(runtime_resources_parse(STR("{\"cpu\":{\"shares\":1024,\"cpus\":\"0-1\"}}"), &config,
				       &err),
	       0, "resources of their own");
	is_int((long long)config.linux_.resources.cpu.shares.value, 1024, "shares");
	runtime_config_done(&config);
	is_int(runtime_resources_parse(STR("{\"hugepageLimits\":[{\"pagesize\":\"2MB\","
					   "\"limit\":5}]}"),
				       &config, &err),
	       0, "pageSize as runc takes it, too");
	is_text(config.linux_.resources.hugepages.items[0].size, "2MB", "its size");
	runtime_config_done(&config);
	is_int(runtime_resources_parse(STR("{\"cpu\":{\"idle\":2}}"), &config, &err), -EBADMSG,
	       "idle is 0 or 1");
	is_text(err.text, "resources: cpu.idle: expected a whole number from 0 to 1", "its line");
	runtime_config_done(&config);
}

static void test_bounds(void)
{
	struct buf text OWN(buf_done) = { 0 };
	struct runtime_config config;
	struct err err = { 0 };

	buf_init(&text, 8 << 20);
	buf_add_text(&text, HEAD "\"process\":{\"cwd\":\"/\",\"args\":[");
	for (int i = 0; i < RUNTIME_LIST_MAX + 1; i++)
		buf_add_text(&text, i ? ",\"a\"" : "\"a\"");
	buf_add_text(&text, "]}" TAIL);
	is_int(runtime_config_parse(buf_str(&text), &config, &err), -E2BIG, "too many arguments");
	is_text(err.text, "config.json: process.args: 4097 entries, at most 4096", "its line");
	runtime_config_done(&config);
	buf_clear(&text);
	for (int i = 0; i < 100000; i++)
		buf_add_byte(&text, '[');
	is_int(runtime_config_parse(buf_str(&text), &config, &err), -EBADMSG, "deep nesting");
	runtime_config_done(&config);
	buf_clear(&text);
	while (text.len <= RUNTIME_CONFIG_MAX)
		buf_add_text(&text, "                ");
	is_int(runtime_config_parse(buf_str(&text), &config, &err), -EFBIG, "too large");
	runtime_config_done(&config);
}

int main(void)
{
	test_rows();
	test_values();
	test_parts();
	test_bounds();
	return tap_done();
}
