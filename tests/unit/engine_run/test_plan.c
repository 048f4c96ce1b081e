/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/api/shim_msg.h"
#include "engine/run/plan.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static const char *const argv[] = { "sh", "-c", "echo hello", NULL };
static const char *const env[] = { "PATH=/bin", "A=", NULL };

static void base_spec(struct run_spec *spec)
{
	run_spec_init(spec);
	spec->process.argv = argv;
	spec->process.env = env;
}

static bool encode(const struct run_spec *spec, struct buf *out, struct err *err)
{
	buf_done(out);
	buf_init(out, PLAN_SIZE_MAX);
	return run_plan_encode(spec, out, err) == 0;
}

/* The operations' kinds in order, and the targets of mounts. */
static void test_order(void)
{
	static const struct run_mount mounts[] = {
		{ .kind = RUN_MOUNT_KIND_TMPFS, .target = "/a/b/c" },
		{ .kind = RUN_MOUNT_KIND_BIND, .source = "/srv/x", .target = "/a" },
		{ .kind = RUN_MOUNT_KIND_TMPFS, .target = "//a//b/" },
		{ .kind = RUN_MOUNT_KIND_TMPFS, .target = "/dev/shm" },
	};
	static const char *const targets[] = { "/a", "//a//b/", "/dev/shm", "/a/b/c" };
	struct buf data OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct run_spec spec;
	struct plan plan;
	struct plan_op op;
	bool guarded = false, shm = false;
	size_t seen = 0;

	base_spec(&spec);
	spec.mounts = mounts;
	spec.mount_count = ARRAY_LEN(mounts);
	spec.readonly_root = true;
	ok(encode(&spec, &data, &err), "a plan is made: %s", err.text);
	is_int(plan_decode(data.data, data.len, &plan, &err), 0, "it is read again");
	while (plan_next_op(&plan.ops, &op)) {
		bool guard = op.kind == PLAN_OP_MASK || op.kind == PLAN_OP_READONLY ||
			     op.kind == PLAN_OP_MASK_CPUS || op.kind == PLAN_OP_ROOT_READONLY;

		if (guarded && !guard)
			ok(false, "%s comes behind a mask", plan_op_name(op.kind));
		guarded |= guard;
		shm |= op.kind == PLAN_OP_SHM;
		if (op.kind == PLAN_OP_BIND || op.kind == PLAN_OP_TMPFS)
			is_text(op.target, targets[seen++ % 4], "parents come before children");
	}
	ok(guarded, "there are guards");
	ok(!shm, "a mount of the caller takes the place of /dev/shm");
	is_int((int)seen, 4, "all mounts are there");
}

static void test_round_trip(void)
{
	static const uint32_t groups[] = { 1, 44, 4294967294u };
	static const struct run_rlimit limits[] = { { RLIMIT_NOFILE, 1024, 524288 } };
	struct buf data OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct run_rlimit limit;
	struct run_spec spec;
	struct plan plan;
	uint32_t group = 0;

	base_spec(&spec);
	spec.process.groups = groups;
	spec.process.group_count = 3;
	spec.process.rlimits = limits;
	spec.process.rlimit_count = 1;
	spec.process.uid = 1000;
	spec.process.oom_score_adj = -7;
	spec.process.tty = true;
	spec.hostname = "web";
	spec.uts.mode = RUN_NS_MODE_HOST;
	ok(encode(&spec, &data, &err), "encode: %s", err.text);
	is_int(plan_decode(data.data, data.len, &plan, &err), 0, "decode: %s", err.text);
	is_int((int)plan.kind, PLAN_KIND_CONTAINER, "kind");
	is_int((int)plan.uid, 1000, "uid");
	is_int(plan.oom_score_adj, -7, "oom_score_adj");
	is_int((int)plan.flags, PLAN_FLAG_TTY, "flags");
	is_text(plan.hostname, "web", "hostname");
	is_text(plan.cwd, "/", "cwd");
	is_int((int)plan.argv.count, 3, "argv");
	is_text(plan_next_text(&plan.argv), "sh", "argv[0]");
	is_text(plan_next_text(&plan.argv), "-c", "argv[1]");
	is_text(plan_next_text(&plan.argv), "echo hello", "argv[2]");
	ok(!plan_next_text(&plan.argv), "argv ends");
	is_text(plan_next_text(&plan.env), "PATH=/bin", "env[0]");
	for (int i = 0; i < 3; i++)
		ok(plan_next_u32(&plan.groups, &group) && group == groups[i], "group %d", i);
	ok(plan_next_rlimit(&plan.rlimits, &limit) && limit.hard == 524288, "rlimit");
	is_int((int)plan.ns[PLAN_NS_UTS].mode, RUN_NS_MODE_HOST, "uts");
	is_int(plan.ns[PLAN_NS_NET].fd, SHIM_FD_NETNS, "net");
	ok(plan.seccomp.len > 0 && plan.seccomp.len % 8 == 0, "a filter");
	ok(plan.devices.len > 0, "a device program");
}

/* No prefix of a plan and no plan with a byte behind it is taken. */
static void test_cut(void)
{
	struct buf data OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct run_spec spec;
	struct plan plan;
	size_t taken = 0;

	base_spec(&spec);
	spec.process.seccomp = RUN_SECCOMP_UNCONFINED;
	ok(encode(&spec, &data, &err), "encode");
	for (size_t len = 0; len < data.len; len++) {
		char *copy = malloc(len ? len : 1); /* so that ASan sees a read beyond */

		memcpy(copy, data.data, len);
		taken += plan_decode(copy, len, &plan, &err) == 0;
		free(copy);
	}
	is_int((int)taken, 0, "no prefix is a plan");
	buf_add_byte(&data, 0);
	ok(plan_decode(data.data, data.len, &plan, &err) < 0, "a byte too many");
}

struct refusal {
	const char *what, *word;
	void (*spoil)(struct run_spec *spec);
};

static struct run_mount bad_mount;
static struct run_device bad_device;
static struct run_sysctl bad_sysctl;
static struct run_rlimit bad_limit;

static void one_mount(struct run_spec *spec, const char *source, const char *target)
{
	bad_mount = (struct run_mount){ .source = source, .target = target, .source_fd = -1 };
	spec->mounts = &bad_mount;
	spec->mount_count = 1;
}

static void spoil_argv(struct run_spec *spec)
{
	static const char *const none[] = { NULL };

	spec->process.argv = none;
}

static void spoil_cwd(struct run_spec *spec)
{
	spec->process.cwd = "tmp";
}

static void spoil_dots(struct run_spec *spec)
{
	one_mount(spec, "/srv/../etc", "/mnt");
}

static void spoil_proc(struct run_spec *spec)
{
	one_mount(spec, "/srv", "/proc/sys");
}

static void spoil_source(struct run_spec *spec)
{
	one_mount(spec, NULL, "/mnt");
}

static void spoil_root(struct run_spec *spec)
{
	one_mount(spec, "/srv", "///");
}

static void spoil_device(struct run_spec *spec)
{
	bad_device = (struct run_device){ .path = "/etc/device" };
	spec->devices = &bad_device;
	spec->device_count = 1;
}

static void spoil_sysctl(struct run_spec *spec)
{
	bad_sysctl = (struct run_sysctl){ "net.core.somaxconn", "1\n2" };
	spec->sysctls = &bad_sysctl;
	spec->sysctl_count = 1;
}

static void spoil_sysctl_host(struct run_spec *spec)
{
	bad_sysctl = (struct run_sysctl){ "net.core.somaxconn", "1" };
	spec->sysctls = &bad_sysctl;
	spec->sysctl_count = 1;
	spec->net.mode = RUN_NS_MODE_HOST;
}

static void spoil_user(struct run_spec *spec)
{
	spec->process.uid = UINT32_MAX;
}

static void spoil_hostname(struct run_spec *spec)
{
	static char name[66];

	memset(name, 'a', 65);
	spec->hostname = name;
}

static void spoil_limit(struct run_spec *spec)
{
	bad_limit = (struct run_rlimit){ RLIMIT_NOFILE, 2, 1 };
	spec->process.rlimits = &bad_limit;
	spec->process.rlimit_count = 1;
}

static void spoil_cgroup(struct run_spec *spec)
{
	spec->cgroup.mode = RUN_NS_MODE_HOST;
}

static void test_refusals(void)
{
	static const struct refusal table[] = {
		{ "no command", "command", spoil_argv },
		{ "relative directory", "working directory", spoil_cwd },
		{ "dots in a source", "mount source", spoil_dots },
		{ "mount below /proc", "/proc", spoil_proc },
		{ "mount without source", "no source", spoil_source },
		{ "mount over the root", "belongs to the container", spoil_root },
		{ "device outside of /dev", "below /dev", spoil_device },
		{ "line break in a sysctl", "line break", spoil_sysctl },
		{ "sysctl of the host's network", "network namespace", spoil_sysctl_host },
		{ "user -1", "4294967295", spoil_user },
		{ "long hostname", "hostname", spoil_hostname },
		{ "soft limit above hard", "ulimit", spoil_limit },
		{ "cgroup namespace of the host", "privileged", spoil_cgroup },
	};
	struct buf data OWN(buf_done) = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err err = { 0 };
		struct run_spec spec;

		base_spec(&spec);
		table[i].spoil(&spec);
		ok(!encode(&spec, &data, &err) && strstr(err.text, table[i].word), "%s: %s",
		   table[i].what, err.text);
	}
}

static const struct run_mapping one_map = { 0, 100000, 65536 };
static struct run_mount listed_mount;

static void spoil_labels(struct run_spec *spec)
{
	spec->process.apparmor_profile = "docker-default";
}

static void spoil_rdt(struct run_spec *spec)
{
	spec->rdt_group = "group";
}

static void spoil_mount_ns(struct run_spec *spec)
{
	spec->mount.mode = RUN_NS_MODE_HOST;
}

static void spoil_map(struct run_spec *spec)
{
	spec->user.mode = RUN_NS_MODE_NEW;
}

static void spoil_mapped_user(struct run_spec *spec)
{
	spec->user.mode = RUN_NS_MODE_NEW;
	spec->uid_map = spec->gid_map = &one_map;
	spec->uid_map_count = spec->gid_map_count = 1;
	spec->process.uid = 65536;
}

static void spoil_offsets(struct run_spec *spec)
{
	spec->time.mode = RUN_NS_MODE_HOST;
	spec->monotonic.secs = 1;
}

static void spoil_cpus(struct run_spec *spec)
{
	spec->process.cpus = "3-1";
}

static void spoil_filter(struct run_spec *spec)
{
	spec->process.seccomp = RUN_SECCOMP_GIVEN;
}

static void spoil_listed_proc(struct run_spec *spec)
{
	spec->layout = RUN_LAYOUT_LISTED;
	listed_mount = (struct run_mount){ .kind = RUN_MOUNT_KIND_FILESYSTEM,
					   .type = "tmpfs",
					   .target = "/proc/self" };
	spec->mounts = &listed_mount;
	spec->mount_count = 1;
}

static void spoil_idmap(struct run_spec *spec)
{
	one_mount(spec, "/srv", "/mnt");
	bad_mount.idmap = RUN_IDMAP_LISTED;
}

static void spoil_hook(struct run_spec *spec)
{
	static const struct run_hook hook = { .path = "hook" };

	spec->hooks[RUN_HOOK_POSTSTOP] = (struct run_hooks){ .hooks = &hook, .count = 1 };
}

static void test_listed_refusals(void)
{
	static const struct refusal table[] = {
		{ "an AppArmor profile", "apparmorProfile", spoil_labels },
		{ "intelRdt is refused", "intelRdt", spoil_rdt },
		{ "the host's mount namespace", "mount namespace", spoil_mount_ns },
		{ "a user namespace without map", "uidMappings", spoil_map },
		{ "a user outside of the map", "user 65536", spoil_mapped_user },
		{ "offsets without namespace", "time namespace", spoil_offsets },
		{ "CPUs that run backwards", "CPUs '3-1'", spoil_cpus },
		{ "a filter without program", "seccomp", spoil_filter },
		{ "a file system below /proc", "inside /proc", spoil_listed_proc },
		{ "idmap without maps", "idmap without", spoil_idmap },
		{ "a relative hook", "hook", spoil_hook },
	};
	struct buf data OWN(buf_done) = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err err = { 0 };
		struct run_spec spec;

		base_spec(&spec);
		table[i].spoil(&spec);
		ok(!encode(&spec, &data, &err) && strstr(err.text, table[i].word), "%s",
		   table[i].what);
	}
}

static void is_devpts(const struct run_spec *spec, const char *want, const char *what)
{
	struct buf data OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct plan plan;
	struct plan_op op = { 0 };

	ok(encode(spec, &data, &err), "encode: %s", err.text);
	is_int(plan_decode(data.data, data.len, &plan, &err), 0, "decode: %s", err.text);
	while (plan_next_op(&plan.ops, &op))
		if (strcmp(op.target, "/dev/pts") == 0)
			is_text(op.data, want, "%s", what);
	is_int(plan.flags & PLAN_FLAG_PTS_INSIDE, 0, "it is not the child's");
}

static const struct run_mount listed_mounts[] = {
	{ .kind = RUN_MOUNT_KIND_FILESYSTEM, .type = "proc", .target = "/proc" },
	{ .kind = RUN_MOUNT_KIND_BIND, .source = "/srv", .target = "/a/b" },
	{ .kind = RUN_MOUNT_KIND_FILESYSTEM,
	  .type = "devpts",
	  .target = "/dev/pts",
	  .data = "mode=0620,gid=5,uid=70000" },
	{ .kind = RUN_MOUNT_KIND_BIND,
	  .source = "/srv",
	  .target = "/a",
	  .idmap = RUN_IDMAP_CONTAINER,
	  .propagation = RUN_PROPAGATION_SHARED,
	  .propagation_below = true },
	{ .kind = RUN_MOUNT_KIND_BIND, .source = "/dev/tty1", .target = "/dev/tty" },
};

/* The mounts of listed_mounts in their order, and the nodes behind them. */
static void check_listed(struct plan *plan)
{
	struct plan_op op = { 0 };
	size_t seen = 0, nodes = 0;

	while (plan_next_op(&plan->ops, &op)) {
		bool mount = op.kind == PLAN_OP_BIND || op.kind == PLAN_OP_FILESYSTEM;

		nodes += op.kind == PLAN_OP_NODE_BIND;
		if (mount)
			is_text(op.target, listed_mounts[seen % 5].target, "mount %zu", seen);
		seen += mount;
		if (mount && strcmp(op.type, "devpts") == 0)
			is_text(op.data, "mode=0620,gid=5", "devpts of the child's making");
		if (mount && strcmp(op.target, "/a") == 0)
			ok(op.tree == 1 && op.idmap == RUN_IDMAP_CONTAINER &&
				   op.propagation == (RUN_PROPAGATION_SHARED | 128) &&
				   strcmp(op.gid_map, "0 100000 65536\n") == 0,
			   "the second source: %u %u %u", op.tree, op.idmap, op.propagation);
	}
	is_int((int)seen, 5, "all mounts are there");
	is_int((int)nodes, 5, "the standard nodes but the one that is bound");
}

/* Mounts stay in their order, the nodes come behind them, a devpts counts ids as its maker does. */
static void test_listed(void)
{
	static const struct run_mapping no_root = { .inside = 1,
						    .outside = 100001,
						    .count = 65535 };
	struct buf data OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct run_spec spec;
	struct plan plan;

	run_spec_init_listed(&spec);
	spec.process.argv = argv;
	spec.mounts = listed_mounts;
	spec.mount_count = ARRAY_LEN(listed_mounts);
	spec.user.mode = RUN_NS_MODE_NEW;
	spec.uid_map = spec.gid_map = &one_map;
	spec.uid_map_count = spec.gid_map_count = 1;
	spec.process.uid = 7;
	ok(encode(&spec, &data, &err), "encode: %s", err.text);
	is_int(plan_decode(data.data, data.len, &plan, &err), 0, "decode: %s", err.text);
	is_int((int)plan.owner, 100007, "the user as the host counts");
	is_text(plan.uid_map, "0 100000 65536\n", "the map");
	is_int((int)plan.flags,
	       PLAN_FLAG_LISTED | PLAN_FLAG_USER_NS | PLAN_FLAG_OOM_INHERIT | PLAN_FLAG_PTS_INSIDE,
	       "flags");
	check_listed(&plan);
	spec.user = (struct run_ns){ .mode = RUN_NS_MODE_FD, .fd = 40 };
	spec.uid_map_count = spec.gid_map_count = 0;
	spec.process.uid = 0;
	ok(encode(&spec, &data, &err), "the mapping of a namespace that is joined: %s", err.text);
	spec.user = (struct run_ns){ .mode = RUN_NS_MODE_NEW };
	spec.uid_map_count = spec.gid_map_count = 1;
	spec.process.uid = 7;
	spec.process.tty = true;
	is_devpts(&spec, "mode=0620,gid=100005", "devpts of the caller's making");
	spec.process.tty = false;
	spec.uid_map = spec.gid_map = &no_root;
	spec.process.gid = 7;
	is_devpts(&spec, "mode=0620,gid=100005", "devpts without a root in the container");
}

static void test_memfd(void)
{
	struct buf data OWN(buf_done) = { 0 };
	struct err err = { 0 };
	OWN_FD int fd = -1;

	buf_init(&data, 100);
	buf_add_text(&data, "plan");
	fd = run_plan_memfd(&data, &err);
	ok(fd >= 0, "a memfd: %s", err.text);
	ok(write(fd, "x", 1) < 0 && errno == EPERM, "nobody writes to it any more");
	ok(ftruncate(fd, 0) < 0, "nobody cuts it");
	is_int(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
	       "all seals");
}

static void test_caps(void)
{
	struct err err = { 0 };
	uint64_t bits = 0;

	ok(run_caps_default() == 0xa80425fb, "Docker's 14 capabilities");
	is_int(run_caps_parse("NET_ADMIN", &bits, &err), 0, "NET_ADMIN");
	ok(bits == 1u << 12, "its bit");
	is_int(run_caps_parse("cap_sys_time", &bits, &err), 0, "cap_sys_time");
	ok(bits == 1u << 25, "its bit");
	is_int(run_caps_parse("all", &bits, &err), 0, "all");
	ok(bits == (1ULL << 41) - 1, "all 41");
	is_int(run_caps_parse("NET_ADMN", &bits, &err), -EINVAL, "a slip");
	ok(strstr(err.text, "NET_ADMIN"), "the nearest: %s", err.text);
	is_int(run_caps_parse("", &bits, &err), -EINVAL, "nothing");
	is_int(run_caps_parse("\xff\n", &bits, &err), -EINVAL, "foreign bytes");
	is_text(run_cap_name(40), "CAP_CHECKPOINT_RESTORE", "the last name");
	ok(!run_cap_name(41), "no 41st");
}

static void test_exit_file(void)
{
	const struct shim_exit status = { 137, 9, true, 1700000000123456789, 1700000001000000000 };
	struct shim_exit got = { 0 };
	char text[SHIM_EXIT_TEXT_MAX];
	int n = shim_exit_format(&status, text), bad = 0;
	struct err err = { 0 };

	is_int(shim_exit_parse(str_make(text, (size_t)n), &got, &err), 0, "read again");
	ok(got.code == 137 && got.signal == 9 && got.oom && got.started_ns == status.started_ns &&
		   got.finished_ns == status.finished_ns,
	   "the same values");
	for (int i = 0; i < n; i++) {
		char copy[SHIM_EXIT_TEXT_MAX];

		bad += shim_exit_parse(str_make(text, (size_t)i), &got, &err) == 0;
		memcpy(copy, text, sizeof(copy));
		copy[i] ^= 1;
		bad += shim_exit_parse(str_make(copy, (size_t)n), &got, &err) == 0;
	}
	is_int(bad, 0, "no cut or changed one is taken");
}

int main(void)
{
	test_round_trip();
	test_order();
	test_cut();
	test_refusals();
	test_listed();
	test_listed_refusals();
	test_memfd();
	test_caps();
	test_exit_file();
	return tap_done();
}
