/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No test: lets tests/ns/run_*.py call what engine main calls of engine/run: plans, layers, roots,
 * control groups. Every command prints its result and exits 0, or prints the error and exits 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/shim_msg.h"
#include "engine/run/cgroup.h"
#include "engine/run/plan.h"
#include "engine/run/rootfs.h"
#include "engine/run/spec.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { MAX = 64 };

static struct run_spec spec;
static struct run_mount mounts[MAX];
static struct run_sysctl sysctls[MAX];
static struct run_device devices[MAX];
static struct run_device_rule rules[MAX];
static struct run_rlimit rlimits[RUN_RLIMITS_MAX];
static uint32_t groups[MAX];
static struct run_mapping ids;
static const char *env[MAX + 1];
static size_t env_count;

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "%s\n", err_text(err));
	return 1;
}

static uint32_t number(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 10);
}

/* "SOURCE:TARGET[:ro]"; a source "fd" means the first fd behind the fixed ones. */
static void add_bind(char *text)
{
	struct run_mount *mount = &mounts[spec.mount_count++];
	char *target = strchr(text, ':');
	char *flags;

	*target++ = '\0';
	flags = strchr(target, ':');
	if (flags)
		*flags++ = '\0';
	*mount = (struct run_mount){
		.kind = RUN_MOUNT_KIND_BIND,
		.source = strcmp(text, "fd") == 0 ? NULL : text,
		.source_fd = SHIM_FD_EXTRA,
		.target = target,
		.flags = RUN_MOUNT_FLAG_RECURSIVE | (flags ? RUN_MOUNT_FLAG_READONLY : 0u),
		.idmap = ids.count ? RUN_IDMAP_ABLE : RUN_IDMAP_NONE,
		.idmap_below = ids.count > 0,
	};
}

static void add_sysctl(char *text)
{
	char *value = strchr(text, '=');

	*value++ = '\0';
	sysctls[spec.sysctl_count++] = (struct run_sysctl){ .key = text, .value = value };
}

/* "/dev/x:MAJOR:MINOR" */
static void add_device(char *text)
{
	char *rest = strchr(text, ':');
	uint32_t major, minor;

	*rest++ = '\0';
	major = (uint32_t)strtoul(rest, &rest, 10);
	minor = (uint32_t)strtoul(rest + 1, NULL, 10);
	devices[spec.device_count++] =
		(struct run_device){ .path = text, .major = major, .minor = minor, .mode = 0666 };
	rules[spec.device_rule_count++] = (struct run_device_rule){
		.type = RUN_DEVICE_TYPE_CHAR, .major = major, .minor = minor, .access = 7
	};
}

/* "RESOURCE:SOFT:HARD" */
static void add_rlimit(char *text)
{
	struct run_rlimit *limit = &rlimits[spec.process.rlimit_count++];

	limit->resource = (int)strtoul(text, &text, 10);
	limit->soft = strtoull(text + 1, &text, 10);
	limit->hard = strtoull(text + 1, NULL, 10);
}

/* The first of its ids; the namespace comes as an fd. */
static void add_userns(const char *first)
{
	ids = (struct run_mapping){ 0, number(first), 65536 };
	spec.user = (struct run_ns){ RUN_NS_MODE_FD, SHIM_FD_EXTRA + 1 };
	spec.uid_map = spec.gid_map = &ids;
	spec.uid_map_count = spec.gid_map_count = 1;
}

static int add_cap(const char *name, bool drop, struct err *err)
{
	uint64_t bits;
	int r = run_caps_parse(name, &bits, err);

	if (r == 0 && drop)
		spec.process.caps &= ~bits;
	else if (r == 0)
		spec.process.caps |= bits;
	return r;
}

static bool take_flag(const char *option)
{
	static const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "--tty", &spec.process.tty },		 { "--stdin", &spec.process.stdin_open },
		{ "--nnp", &spec.process.no_new_privs }, { "--privileged", &spec.privileged },
		{ "--readonly", &spec.readonly_root },	 { "--init", &spec.init },
	};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (strcmp(option, flags[i].name) == 0) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

static void take_number(const char *option, const char *value)
{
	if (strcmp(option, "--uid") == 0)
		spec.process.uid = number(value);
	else if (strcmp(option, "--gid") == 0)
		spec.process.gid = number(value);
	else if (strcmp(option, "--rows") == 0)
		spec.process.rows = (uint16_t)number(value);
	else if (strcmp(option, "--columns") == 0)
		spec.process.columns = (uint16_t)number(value);
	else if (strcmp(option, "--oom") == 0)
		spec.process.oom_score_adj = (int)strtol(value, NULL, 10);
	else if (strcmp(option, "--group") == 0)
		groups[spec.process.group_count++] = number(value);
}

static int take_value(const char *option, char *value, struct err *err)
{
	take_number(option, value);
	if (strcmp(option, "--cap-add") == 0)
		return add_cap(value, false, err);
	if (strcmp(option, "--cap-drop") == 0)
		return add_cap(value, true, err);
	if (strcmp(option, "--cwd") == 0)
		spec.process.cwd = value;
	else if (strcmp(option, "--hostname") == 0)
		spec.hostname = value;
	else if (strcmp(option, "--seccomp") == 0)
		spec.process.seccomp = RUN_SECCOMP_UNCONFINED;
	else if (strcmp(option, "--env") == 0)
		env[env_count++] = value;
	else if (strcmp(option, "--bind") == 0)
		add_bind(value);
	else if (strcmp(option, "--sysctl") == 0)
		add_sysctl(value);
	else if (strcmp(option, "--device") == 0)
		add_device(value);
	else if (strcmp(option, "--rlimit") == 0)
		add_rlimit(value);
	else if (strcmp(option, "--tmpfs") == 0)
		mounts[spec.mount_count++] =
			(struct run_mount){ .kind = RUN_MOUNT_KIND_TMPFS, .target = value };
	else if (strcmp(option, "--userns") == 0)
		add_userns(value);
	else if (strcmp(option, "--host") == 0) /* pid, ipc, uts, net */
		*(strcmp(value, "pid") == 0   ? &spec.pid.mode
		  : strcmp(value, "ipc") == 0 ? &spec.ipc.mode
		  : strcmp(value, "uts") == 0 ? &spec.uts.mode
					      : &spec.net.mode) = RUN_NS_MODE_HOST;
	return 0;
}

/* plan [OPTIONS] -- COMMAND...: the plan on stdout; plan-exec: of an exec; print: as text. */
static int make_plan(const char *command, char **argv, struct err *err)
{
	struct buf plan OWN(buf_done) = { 0 };
	struct buf text OWN(buf_done) = { 0 };
	struct plan decoded;
	int r = 0;

	run_spec_init(&spec);
	spec.mounts = mounts;
	spec.sysctls = sysctls;
	spec.devices = devices;
	spec.device_rules = rules;
	spec.process.rlimits = rlimits;
	spec.process.groups = groups;
	spec.process.env = env;
	for (; *argv && strcmp(*argv, "--") != 0 && r == 0; argv++)
		if (!take_flag(*argv)) {
			r = take_value(argv[0], argv[1], err);
			argv++;
		}
	if (r < 0)
		return fail(err);
	spec.process.argv = (const char *const *)argv + 1;
	buf_init(&plan, PLAN_SIZE_MAX);
	r = strcmp(command, "plan-exec") == 0
		    ? run_plan_encode_exec(&spec.process, spec.privileged, &plan, err)
		    : run_plan_encode(&spec, &plan, err);
	if (r < 0)
		return fail(err);
	if (strcmp(command, "print") != 0)
		return fs_write_fd(STDOUT_FILENO, plan.data, plan.len, err) < 0;
	buf_init(&text, PLAN_SIZE_MAX);
	if (plan_decode(plan.data, plan.len, &decoded, err) < 0 || plan_print(&decoded, &text) < 0)
		return fail(err);
	return fs_write_fd(STDOUT_FILENO, text.data, text.len, err) < 0;
}

static bool in_list(const char *name, void *owner)
{
	for (char **list = owner; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

/* layer DIR NAME FILE | root DIR ID UPPER|- WORK|- LAYER... | umount DIR ID | prune DIR USED... */
static int do_rootfs(const char *command, char **argv, struct err *err)
{
	OWN_FD int run = fs_open(AT_FDCWD, argv[0], FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	struct rootfs rootfs;
	int r = run < 0 ? run : rootfs_init(&rootfs, run, err);

	if (r < 0)
		return fail(err);
	if (strcmp(command, "layer") == 0) {
		OWN_FD int file = fs_open(AT_FDCWD, argv[2], FS_HOST, O_RDONLY, 0, err);

		r = file < 0 ? file : rootfs_layer_mount(&rootfs, argv[1], file, err);
	} else if (strcmp(command, "root") == 0) {
		bool writable = strcmp(argv[2], "-") != 0;
		int flags = O_RDONLY | O_DIRECTORY;
		OWN_FD int upper =
			writable ? fs_open(AT_FDCWD, argv[2], FS_HOST, flags, 0, err) : -1;
		OWN_FD int work =
			writable ? fs_open(AT_FDCWD, argv[3], FS_HOST, flags, 0, err) : -1;
		size_t count = 0;

		while (argv[4 + count])
			count++;
		r = rootfs_mount(&rootfs, argv[1], (const char *const *)argv + 4, count, upper,
				 work, err);
		own_close(&r);
	} else if (strcmp(command, "umount") == 0) {
		r = rootfs_umount(&rootfs, argv[1], err);
	} else if (strcmp(command, "prune") == 0) {
		r = rootfs_mounts_prune(&rootfs, in_list, argv + 1, err);
		(void)printf("%d mounts\n", r);
		if (r >= 0)
			r = rootfs_layers_prune(&rootfs, in_list, argv + 1, err);
		(void)printf("%d layers\n", r);
	}
	rootfs_done(&rootfs);
	return err->code < 0 && r < 0 ? fail(err) : 0;
}

static int print_stats(int fd, struct err *err)
{
	struct cgroup_stats stats;

	if (cgroup_stats(fd, &stats, err) < 0)
		return fail(err);
	(void)printf("populated=%d frozen=%d pids=%llu memory=%llu oom=%llu\n", stats.populated,
		     stats.frozen, (unsigned long long)stats.pids,
		     (unsigned long long)stats.memory_bytes, (unsigned long long)stats.oom_kills);
	return 0;
}

/* cgroup make|remove|kill|freeze|thaw|stats NAME ID [MEMORY CPU PIDS] */
static int do_cgroup(const char *command, char **argv, struct err *err)
{
	struct cgroup_limits limits = { 0 };
	struct cgroup_root root;
	char missing[64];
	int r = cgroup_root_open(&root, argv[0], err);
	OWN_FD int fd = -1;

	if (r < 0)
		return fail(err);
	if (argv[1] && argv[2]) {
		limits.memory_bytes = number(argv[2]);
		limits.cpu_milli = number(argv[3]);
		limits.pids = number(argv[4]);
	}
	if (strcmp(command, "remove") == 0)
		return cgroup_remove(&root, argv[1], err) < 0 ? fail(err) : 0;
	fd = strcmp(command, "make") == 0 ? cgroup_create(&root, argv[1], &limits, err)
					  : cgroup_open(&root, argv[1], err);
	if (fd < 0)
		return fail(err);
	if (strcmp(command, "make") == 0)
		(void)printf("missing=%s\n",
			     cgroup_missing(&root, &limits, missing, sizeof(missing)));
	if (strcmp(command, "kill") == 0)
		r = cgroup_kill(fd, err);
	if (strcmp(command, "freeze") == 0 || strcmp(command, "thaw") == 0)
		r = cgroup_freeze(fd, strcmp(command, "freeze") == 0, err);
	if (strcmp(command, "stats") == 0)
		return print_stats(fd, err);
	return r < 0 ? fail(err) : 0;
}

int main(int argc, char **argv)
{
	struct err err = { 0 };

	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "cgroup") == 0 && argc > 3)
		return do_cgroup(argv[2], argv + 3, &err);
	if (strncmp(argv[1], "plan", 4) == 0 || strcmp(argv[1], "print") == 0)
		return make_plan(argv[1], argv + 2, &err);
	return do_rootfs(argv[1], argv + 2, &err);
}
