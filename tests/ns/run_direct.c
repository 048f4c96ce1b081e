/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No test: carries a plan out in its own process, without a shim, as an OCI runtime does, so that
 * tests/ns/run_oci.py can ask for each field; --print shows the plan. run_direct [OPTIONS] ROOT --
 * COMMAND...; ends as the program does, with 125 and the error on stderr when the program was not
 * reached. --repeat FIRST:COUNT:ABREAST does it COUNT times, so many side by side, and prints in
 * their order what each said, a NUL behind it; a % in the target of a mount is the number of the
 * time.
 * --exchange COUNT starts nothing: it hangs the device program on the control group so many times.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "engine/run/apply.h"
#include "engine/run/device.h"
#include "engine/run/kernel.h"
#include "engine/run/own_file.h"
#include "engine/run/spec.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { MAX = 32, NOT_REACHED = 125, ABREAST_MAX = 8, SAID_MAX = 1 << 20 };

static struct run_spec spec;
static struct run_mount mounts[MAX];
static struct run_mapping map[MAX], mount_maps[MAX];
static struct run_device devices[MAX];
static struct run_device_rule rules[MAX];
static struct run_hook hooks[RUN_HOOK_POINTS][MAX];
static struct run_sysctl sysctls[MAX];
static struct run_scheduler scheduler;
static struct run_ioprio ioprio;
static struct run_caps caps;
static struct run_rlimit rlimits[RUN_RLIMITS_MAX];
static struct run_seccomp_filter filter;
static const char *masked[MAX], *readonly[MAX], *env[MAX];
static size_t masked_count, readonly_count, env_count, mount_map_count;
static char filter_bytes[PLAN_FILTER_MAX];
static const char *gate_path;
static bool print_only;
static uint64_t repeat[3]; /* the first number, how many times, how many side by side */
static uint64_t exchanges;
static int cgroup = -1, exec_pidfd = -1, next_fd = 40;

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "%s\n", err_text(err));
	return NOT_REACHED;
}

/* Each number of "1:2:3". */
static void numbers(const char *text, uint64_t *dst, size_t count)
{
	char *end = (char *)(uintptr_t)text;

	for (size_t i = 0; i < count && *end; i++) {
		dst[i] = strtoull(end, &end, 0);
		end += *end == ':';
	}
}

static struct run_ns *ns_of(const char *name, size_t len)
{
	static const struct {
		const char *name;
		struct run_ns *ns;
	} table[] = {
		{ "pid", &spec.pid },	    { "ipc", &spec.ipc },     { "uts", &spec.uts },
		{ "net", &spec.net },	    { "time", &spec.time },   { "user", &spec.user },
		{ "cgroup", &spec.cgroup }, { "mount", &spec.mount },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strlen(table[i].name) == len && strncmp(name, table[i].name, len) == 0)
			return table[i].ns;
	(void)fprintf(stderr, "no namespace %s\n", name);
	exit(2);
}

static struct run_mapping mapping_of(const char *text)
{
	uint64_t n[3] = { 0 };

	numbers(text, n, 3);
	return (struct run_mapping){ (uint32_t)n[0], (uint32_t)n[1], (uint32_t)n[2] };
}

static const struct {
	const char *name;
	uint32_t flag;
} mount_flags[] = {
	{ "ro", RUN_MOUNT_FLAG_READONLY },	     { "nosuid", RUN_MOUNT_FLAG_NOSUID },
	{ "nodev", RUN_MOUNT_FLAG_NODEV },	     { "noexec", RUN_MOUNT_FLAG_NOEXEC },
	{ "rbind", RUN_MOUNT_FLAG_RECURSIVE },	     { "noatime", RUN_MOUNT_FLAG_NOATIME },
	{ "relatime", RUN_MOUNT_FLAG_RELATIME },     { "strictatime", RUN_MOUNT_FLAG_STRICTATIME },
	{ "nodiratime", RUN_MOUNT_FLAG_NODIRATIME }, { "nosymfollow", RUN_MOUNT_FLAG_NOSYMFOLLOW },
	{ "tmpcopyup", RUN_MOUNT_FLAG_COPY_UP },     { "follow", RUN_MOUNT_FLAG_FOLLOW },
	{ "nolink", RUN_MOUNT_FLAG_NO_LINK },	     { "optional", RUN_MOUNT_FLAG_OPTIONAL },
};

/* "ro" sets, "-ro" clears, "rro" and "-rro" do it below too. */
static bool mount_attribute(struct run_mount *mount, const char *word)
{
	bool clear = word[0] == '-';
	const char *name = word + clear;

	for (size_t i = 0; i < ARRAY_LEN(mount_flags); i++) {
		uint32_t flag = mount_flags[i].flag;

		if (strcmp(name, mount_flags[i].name) == 0)
			*(clear ? &mount->clear : &mount->flags) |= flag;
		else if (name[0] == 'r' && strcmp(name + 1, mount_flags[i].name) == 0)
			*(clear ? &mount->clear_below : &mount->set_below) |= flag;
		else
			continue;
		return true;
	}
	return false;
}

static void mount_word(struct run_mount *mount, const char *word)
{
	static const char *const propagations[] = { "", "private", "slave", "shared",
						    "unbindable" };

	if (mount_attribute(mount, word))
		return;
	if (strncmp(word, "data=", 5) == 0)
		mount->data = word + 5;
	for (int i = 1; i < RUN_PROPAGATION_KINDS; i++) {
		if (strcmp(word, propagations[i]) != 0 &&
		    (word[0] != 'r' || strcmp(word + 1, propagations[i]) != 0))
			continue;
		mount->propagation = (enum run_propagation)i;
		mount->propagation_below = strcmp(word, propagations[i]) != 0;
	}
	if (strncmp(word, "idmap", 5) == 0 || strncmp(word, "ridmap", 6) == 0) {
		const char *rows = strchr(word, '=');

		mount->idmap = rows ? RUN_IDMAP_LISTED : RUN_IDMAP_CONTAINER;
		mount->idmap_below = word[0] == 'r';
		if (rows) {
			mount_maps[mount_map_count] = mapping_of(rows + 1);
			mount->uid_map = mount->gid_map = &mount_maps[mount_map_count++];
			mount->uid_map_count = mount->gid_map_count = 1;
		}
	}
}

/* "TYPE|SOURCE|TARGET|WORD;WORD..." */
static void add_mount(char *text)
{
	struct run_mount *mount = &mounts[spec.mount_count++];
	char *source = strchr(text, '|'), *target, *words, *next;

	*source++ = '\0';
	target = strchr(source, '|');
	*target++ = '\0';
	words = strchr(target, '|');
	*words++ = '\0';
	*mount = (struct run_mount){ .kind = strcmp(text, "bind") == 0 ? RUN_MOUNT_KIND_BIND
								       : RUN_MOUNT_KIND_FILESYSTEM,
				     .source = source,
				     .target = target,
				     .type = text };
	for (; words && *words; words = next) {
		next = strchr(words, ';');
		if (next)
			*next++ = '\0';
		mount_word(mount, words);
	}
}

/* "POINT:TIMEOUT:PATH" */
static void add_hook(const char *text)
{
	uint64_t n[2] = { 0 };
	const char *path = strchr(text, '/');
	struct run_hooks *list;

	numbers(text, n, 2);
	list = &spec.hooks[n[0]];
	hooks[n[0]][list->count++] = (struct run_hook){ .path = path, .timeout_s = (uint32_t)n[1] };
	list->hooks = hooks[n[0]];
	list->state_head = "{\"pid\": ";
	list->state_tail = "}";
}

static void join_by_path(const char *text)
{
	const char *path = strchr(text, '=');
	struct run_ns *ns = ns_of(text, (size_t)(path - text));
	int fd = open(path + 1, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || dup3(fd, next_fd, O_CLOEXEC) < 0) {
		perror(path + 1);
		exit(2);
	}
	*ns = (struct run_ns){ .mode = RUN_NS_MODE_FD, .fd = next_fd++ };
}

static void read_filter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	filter.program = filter_bytes;
	filter.size_bytes = (size_t)read(fd, filter_bytes, sizeof(filter_bytes));
	(void)close(fd);
	spec.process.seccomp = RUN_SECCOMP_GIVEN;
	spec.process.seccomp_filter = &filter;
}

static bool take_flag(const char *option)
{
	static const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "--readonly", &spec.readonly_root }, { "--init", &spec.init },
		{ "--tty", &spec.process.tty },	       { "--nnp", &spec.process.no_new_privs },
		{ "--no-pivot", &spec.no_pivot },      { "--devices-all", &spec.devices_all },
		{ "--listener", &filter.listener },    { "--print", &print_only },
	};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (strcmp(option, flags[i].name) == 0) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

static void take_process(const char *option, char *value)
{
	uint64_t n[7] = { 0 };

	numbers(value, n, 7);
	if (strcmp(option, "--uid") == 0)
		spec.process.uid = spec.process.gid = (uint32_t)n[0];
	else if (strcmp(option, "--umask") == 0)
		spec.process.umask = (uint32_t)n[0];
	else if (strcmp(option, "--preserve") == 0)
		spec.process.preserve_fds = (uint32_t)n[0];
	else if (strcmp(option, "--cpus") == 0)
		spec.process.cpus = value;
	else if (strcmp(option, "--cwd") == 0)
		spec.process.cwd = value;
	else if (strcmp(option, "--env") == 0)
		env[env_count++] = value;
	else if (strcmp(option, "--seccomp") == 0)
		read_filter(value);
	else if (strcmp(option, "--seccomp-flags") == 0)
		filter.flags = (uint32_t)n[0];
	else if (strcmp(option, "--rlimit") == 0)
		rlimits[spec.process.rlimit_count++] = (struct run_rlimit){ (int)n[0], n[1], n[2] };
	if (strcmp(option, "--oom") == 0) {
		spec.process.oom_score_adj = (int)strtol(value, NULL, 10);
		spec.process.oom_score_inherit = false;
	}
	if (strcmp(option, "--caps") == 0) {
		caps = (struct run_caps){ n[0], n[1], n[2], n[3], n[4] };
		spec.process.cap_sets = &caps;
	}
	if (strcmp(option, "--scheduler") == 0) {
		scheduler = (struct run_scheduler){
			(uint32_t)n[0], (int32_t)n[1], (uint32_t)n[2], n[3], n[4], n[5], n[6]
		};
		spec.process.scheduler = &scheduler;
	}
	if (strcmp(option, "--ioprio") == 0) {
		ioprio = (struct run_ioprio){ (uint8_t)n[0], (uint8_t)n[1] };
		spec.process.ioprio = &ioprio;
	}
}

static void take_value(const char *option, char *value)
{
	uint64_t n[3] = { 0 };

	take_process(option, value);
	numbers(value, n, 3);
	if (strcmp(option, "--new") == 0)
		ns_of(value, strlen(value))->mode = RUN_NS_MODE_NEW;
	else if (strcmp(option, "--join") == 0)
		join_by_path(value);
	else if (strcmp(option, "--map") == 0)
		map[spec.uid_map_count++] = mapping_of(value);
	else if (strcmp(option, "--mount") == 0)
		add_mount(value);
	else if (strcmp(option, "--hook") == 0)
		add_hook(value);
	else if (strcmp(option, "--hostname") == 0)
		spec.hostname = value;
	else if (strcmp(option, "--domainname") == 0)
		spec.domainname = value;
	else if (strcmp(option, "--masked") == 0)
		masked[masked_count++] = value;
	else if (strcmp(option, "--readonly-path") == 0)
		readonly[readonly_count++] = value;
	else if (strcmp(option, "--gate") == 0)
		gate_path = value;
	else if (strcmp(option, "--root-path") == 0)
		spec.root_path = value;
	else if (strcmp(option, "--cgroup") == 0)
		cgroup = open(value, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else if (strcmp(option, "--exec") == 0)
		exec_pidfd = k_pidfd_open((int)n[0]);
	else if (strcmp(option, "--propagation") == 0)
		spec.root_propagation = (enum run_propagation)n[0];
	else if (strcmp(option, "--device") == 0) /* MAJOR:MINOR:PATH */
		devices[spec.device_count++] = (struct run_device){ .path = strchr(value, '/'),
								    .major = (uint32_t)n[0],
								    .minor = (uint32_t)n[1],
								    .mode = 0666 };
	else if (strcmp(option, "--rule") == 0) /* MAJOR:MINOR:DENY */
		rules[spec.device_rule_count++] =
			(struct run_device_rule){ RUN_DEVICE_TYPE_ANY, (int64_t)n[0], (int64_t)n[1],
						  RUN_ACCESS_ALL, n[2] != 0 };
	if (strcmp(option, "--repeat") == 0)
		numbers(value, repeat, 3);
	if (strcmp(option, "--exchange") == 0)
		exchanges = n[0];
	if (strcmp(option, "--time") == 0) {
		spec.monotonic.secs = (int64_t)n[0];
		spec.boottime.secs = (int64_t)n[1];
	}
	if (strcmp(option, "--personality") == 0) {
		spec.personality = (uint32_t)n[0];
		spec.personality_set = true;
	}
	if (strcmp(option, "--sysctl") == 0) {
		char *equals = strchr(value, '=');

		*equals = '\0';
		sysctls[spec.sysctl_count++] = (struct run_sysctl){ value, equals + 1 };
	}
}

static char **take_options(char **argv)
{
	run_spec_init_listed(&spec);
	spec.mounts = mounts;
	spec.devices = devices;
	spec.device_rules = rules;
	spec.sysctls = sysctls;
	spec.uid_map = spec.gid_map = map;
	spec.masked_paths = masked;
	spec.readonly_paths = readonly;
	spec.process.rlimits = rlimits;
	spec.process.env = env;
	for (; *argv && (*argv)[0] == '-'; argv++) {
		if (take_flag(*argv))
			continue;
		take_value(argv[0], argv[1]);
		argv++;
	}
	spec.gid_map_count = spec.uid_map_count;
	spec.process.argv = (const char *const *)argv + 2;
	return argv;
}

static int listen_at(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0 ||
	    listen(fd, 1) < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

/* What the master says goes to stdout; the program's end is an error of the terminal. */
static void drain(int master)
{
	char text[4096];
	ssize_t n;

	while (master >= 0 && (n = read(master, text, sizeof(text))) > 0)
		(void)!write(STDOUT_FILENO, text, (size_t)n);
}

static int await(const struct plan *plan, struct apply *apply, int report, int pidfd, pid_t pid,
		 int master, struct err *err)
{
	siginfo_t info;
	int r, listener = -1;

	if (plan->flags & PLAN_FLAG_LISTENER) {
		listener = apply_take_listener(apply, pidfd, err);
		if (listener < 0)
			return fail(err);
		(void)fprintf(stderr, "listener taken\n");
	}
	r = apply_read_report(report, err);
	if (r == APPLY_HOOKS) {
		r = apply_hooks(plan, RUN_HOOK_PRESTART, pid, err);
		if (r == 0)
			r = apply_hooks(plan, RUN_HOOK_CREATE_RUNTIME, pid, err);
		if (r < 0)
			(void)k_pidfd_signal(pidfd, SIGKILL);
		else if (apply_proceed(apply, err) == 0)
			r = apply_read_report(report, err);
	}
	if (r == APPLY_WAITS) {
		(void)printf("waits %d\n", (int)pid);
		return 0;
	}
	if (r == 0)
		r = apply_hooks(plan, RUN_HOOK_POSTSTART, pid, err);
	drain(master);
	(void)waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
	if (r < 0)
		return fail(err);
	(void)apply_hooks(plan, RUN_HOOK_POSTSTOP, 0, err);
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static int carry_out(const struct plan *plan, int root, struct err *err)
{
	struct apply apply;
	int pts = -1, ends[2], master = -1, pidfd = -1, r = 0;
	pid_t pid;

	apply_init(&apply, plan);
	apply.cgroup = cgroup;
	apply.pidfd = exec_pidfd;
	for (int i = 0; i < 3; i++)
		apply.stdio[i] = fcntl(i, F_DUPFD_CLOEXEC, 50);
	if (gate_path)
		apply.gate = listen_at(gate_path);
	if (plan->kind == PLAN_KIND_CONTAINER)
		r = apply_prepare(&apply, root, &pts, err);
	if (r == 0 && plan->flags & PLAN_FLAG_TTY)
		r = apply_open_tty(&apply, pts, &master, err);
	if (r == 0)
		r = apply_listener_page(&apply, err);
	if (r < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return fail(err);
	apply.report = fcntl(ends[1], F_DUPFD_CLOEXEC, 60);
	(void)close(ends[1]);
	pid = apply_start(&apply, -1, &pidfd, err);
	apply_close(&apply);
	if (pid < 0)
		return fail(err);
	return await(plan, &apply, ends[0], pidfd, pid, master, err);
}

/* start PATH: passes the gate; the program's output comes from the one who created it. */
static int start(const char *path, struct err *err)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int r;

	(void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) < 0) {
		perror("connect");
		return NOT_REACHED;
	}
	r = apply_read_report(fd, err);
	return r < 0 ? fail(err) : 0;
}

/* For tests/golden: the plan as text instead of its carrying out. */
static int print(const struct plan *plan)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, PLAN_SIZE_MAX);
	if (plan_print(plan, &text) < 0)
		return NOT_REACHED;
	return fs_write_fd(STDOUT_FILENO, text.data, text.len, NULL) < 0;
}

/* As an update does it, in a container that runs. */
static int exchange(const struct plan *plan, struct err *err)
{
	for (uint64_t i = 0; i < exchanges; i++)
		if (device_attach(cgroup, plan->devices.ptr, plan->devices.len, err) < 0)
			return fail(err);
	return 0;
}

static int plan_and_carry_out(int root, struct err *err)
{
	struct buf data OWN(buf_done) = { 0 };
	struct plan plan;
	int r;

	buf_init(&data, PLAN_SIZE_MAX);
	r = exec_pidfd >= 0 ? run_plan_encode_exec_spec(&spec, &data, err)
			    : run_plan_encode(&spec, &data, err);
	if (r == 0)
		r = plan_decode(data.data, data.len, &plan, err);
	if (r < 0)
		return fail(err);
	if (exchanges)
		return exchange(&plan, err);
	return print_only ? print(&plan) : carry_out(&plan, root, err);
}

/* "made%" -> "made17", in what only this process has. */
static void number_targets(uint64_t number)
{
	static char named[MAX][512];

	for (size_t i = 0; i < spec.mount_count; i++) {
		const char *at = strchr(mounts[i].target, '%');

		if (!at)
			continue;
		(void)snprintf(named[i], sizeof(named[i]), "%.*s%llu%s",
			       (int)(at - mounts[i].target), mounts[i].target,
			       (unsigned long long)number, at + 1);
		mounts[i].target = named[i];
	}
}

/* One time of many: a process of its own, and the file into which it says what it has to say. */
struct turn {
	pid_t pid;
	int said;
};

static int begin(struct turn *turn, uint64_t number, int root, struct err *err)
{
	turn->said = memfd_create("said", MFD_CLOEXEC);
	turn->pid = turn->said < 0 ? -1 : fork();
	if (turn->pid != 0)
		return turn->pid < 0 ? -1 : 0;
	(void)dup2(turn->said, STDOUT_FILENO);
	(void)dup2(turn->said, STDERR_FILENO);
	number_targets(number);
	exit(plan_and_carry_out(root, err));
}

static int end(struct turn *turn)
{
	off_t at = 0;
	ssize_t n;

	if (waitpid(turn->pid, NULL, 0) < 0)
		return -1;
	do
		n = sendfile(STDOUT_FILENO, turn->said, &at, SAID_MAX);
	while (n > 0);
	(void)close(turn->said);
	return n < 0 || write(STDOUT_FILENO, "", 1) != 1 ? -1 : 0;
}

static int carry_out_again(int root, struct err *err)
{
	struct turn turns[ABREAST_MAX];
	uint64_t abreast = repeat[2] < 1 ? 1 : repeat[2], begun = 0;

	if (abreast > ABREAST_MAX)
		return 2;
	for (uint64_t ended = 0; ended < repeat[1]; ended++) {
		for (; begun < repeat[1] && begun < ended + abreast; begun++)
			if (begin(&turns[begun % abreast], repeat[0] + begun, root, err) < 0)
				return NOT_REACHED;
		if (end(&turns[ended % abreast]) < 0)
			return NOT_REACHED;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct err err = { 0 };
	int root = -1;

	if (argc < 3)
		return 2;
	if (own_file_protect(argv, &err) < 0)
		return fail(&err);
	if (strcmp(argv[1], "start") == 0)
		return start(argv[2], &err);
	argv = take_options(argv + 1);
	root = open(argv[0], O_PATH | O_CLOEXEC);
	return repeat[1] ? carry_out_again(root, &err) : plan_and_carry_out(root, &err);
}
