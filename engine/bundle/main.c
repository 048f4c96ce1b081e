/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program hoy-oci: global options, then the command that the next argument names. It must never
 * do a thing before all options were understood.
 */
#include "engine/bundle/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/bundle/say.h"
#include "engine/run/own_file.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 1, EXIT_UNKNOWN = 3, EXIT_EXEC = 255 };

/* The name under which the program was started: help says how to start it again. */
static const char *called = "hoy-oci";

#define FLAG(NAME, LETTER, TYPE, MEMBER)                                         \
	{                                                                        \
		NAME, LETTER, ARGS_TYPE_##TYPE, offsetof(struct options, MEMBER) \
	}

static const struct args_flag global_flags[] = {
	FLAG("root", '\0', TEXT, root),
	FLAG("log", '\0', TEXT, log),
	FLAG("log-format", '\0', TEXT, log_format),
	FLAG("debug", '\0', BOOL, debug),
	FLAG("systemd-cgroup", '\0', BOOL, systemd_cgroup),
	FLAG("cgroup-manager", '\0', TEXT, cgroup_manager),
	FLAG("rootless", '\0', TEXT, rootless),
	FLAG("criu", '\0', IGNORED_TEXT, root),
	FLAG("help", 'h', BOOL, help),
	FLAG("version", 'v', BOOL, version),
};

static const struct args_flag create_flags[] = {
	FLAG("bundle", 'b', TEXT, bundle),
	FLAG("config", 'f', TEXT, config),
	FLAG("console-socket", '\0', TEXT, console_socket),
	FLAG("pidfd-socket", '\0', TEXT, pidfd_socket),
	FLAG("pid-file", '\0', TEXT, pid_file),
	FLAG("preserve-fds", '\0', TEXT, preserve_fds),
	FLAG("no-pivot", '\0', BOOL, no_pivot),
	FLAG("no-new-keyring", '\0', BOOL, no_new_keyring),
	FLAG("detach", 'd', BOOL, detach),
	FLAG("keep", '\0', BOOL, keep),
	FLAG("no-subreaper", '\0', IGNORED_BOOL, help),
};

static const struct args_flag exec_flags[] = {
	FLAG("process", 'p', TEXT, process),
	FLAG("console-socket", '\0', TEXT, console_socket),
	FLAG("pidfd-socket", '\0', TEXT, pidfd_socket),
	FLAG("pid-file", '\0', TEXT, pid_file),
	FLAG("preserve-fds", '\0', TEXT, preserve_fds),
	FLAG("detach", 'd', BOOL, detach),
	FLAG("tty", 't', BOOL, tty),
	FLAG("user", 'u', TEXT, user),
	FLAG("env", 'e', LIST, env),
	FLAG("cwd", '\0', TEXT, cwd),
	FLAG("cap", 'c', LIST, caps),
	FLAG("additional-gids", 'g', LIST, groups),
	FLAG("no-new-privs", '\0', BOOL, no_new_privs),
	FLAG("apparmor", '\0', TEXT, apparmor),
	FLAG("process-label", '\0', TEXT, label),
	FLAG("cgroup", '\0', TEXT, cgroup_path),
	FLAG("ignore-paused", '\0', BOOL, ignore_paused),
};

static const struct args_flag kill_flags[] = { FLAG("all", 'a', BOOL, all) };
static const struct args_flag delete_flags[] = { FLAG("force", 'f', BOOL, force) };
static const struct args_flag list_flags[] = { FLAG("format", 'f', TEXT, format),
					       FLAG("quiet", 'q', BOOL, quiet) };
static const struct args_flag ps_flags[] = { FLAG("format", 'f', TEXT, format) };
static const struct args_flag events_flags[] = { FLAG("interval", '\0', TEXT, interval),
						 FLAG("stats", '\0', BOOL, stats) };
static const struct args_flag spec_flags[] = { FLAG("bundle", 'b', TEXT, bundle),
					       FLAG("rootless", '\0', BOOL, users) };
static const struct args_flag update_flags[] = {
	FLAG("resources", 'r', TEXT, resources),
	FLAG("blkio-weight", '\0', TEXT, blkio_weight),
	FLAG("cpu-period", '\0', TEXT, cpu_period),
	FLAG("cpu-quota", '\0', TEXT, cpu_quota),
	FLAG("cpu-burst", '\0', TEXT, cpu_burst),
	FLAG("cpu-share", '\0', TEXT, cpu_share),
	FLAG("cpu-idle", '\0', TEXT, cpu_idle),
	FLAG("cpuset-cpus", '\0', TEXT, cpuset_cpus),
	FLAG("cpuset-mems", '\0', TEXT, cpuset_mems),
	FLAG("memory", '\0', TEXT, memory),
	FLAG("memory-reservation", '\0', TEXT, memory_reservation),
	FLAG("memory-swap", '\0', TEXT, memory_swap),
	FLAG("pids-limit", '\0', TEXT, pids_limit),
	FLAG("kernel-memory", '\0', TEXT, kernel_memory),
	FLAG("kernel-memory-tcp", '\0', TEXT, kernel_memory_tcp),
	FLAG("cpu-rt-period", '\0', TEXT, cpu_rt_period),
	FLAG("cpu-rt-runtime", '\0', TEXT, cpu_rt_runtime),
	FLAG("l3-cache-schema", '\0', TEXT, cache_schema),
	FLAG("mem-bw-schema", '\0', TEXT, bandwidth_schema),
};

#define FLAGS(LIST) LIST, ARRAY_LEN(LIST)
static const struct command_row {
	const char *name;
	int (*run)(struct command *cmd, struct err *err);
	const struct args_flag *flags;
	size_t flag_count;
	int args_min, args_max;
	const char *usage;
} rows[] = {
	{ "create", command_create, FLAGS(create_flags), 1, 1, "ID" },
	{ "run", command_run, FLAGS(create_flags), 1, 1, "ID" },
	{ "start", command_start, NULL, 0, 1, 1, "ID" },
	{ "state", command_state, NULL, 0, 1, 1, "ID" },
	{ "kill", command_kill, FLAGS(kill_flags), 1, 2, "ID [SIGNAL]" },
	{ "delete", command_delete, FLAGS(delete_flags), 1, 1, "ID" },
	{ "exec", command_exec, FLAGS(exec_flags), 1, 1 << 20, "ID COMMAND..." },
	{ "ps", command_ps, FLAGS(ps_flags), 1, 1 << 20, "ID [OPTIONS OF ps]" },
	{ "list", command_list, FLAGS(list_flags), 0, 0, "" },
	{ "pause", command_pause, NULL, 0, 1, 1, "ID" },
	{ "resume", command_resume, NULL, 0, 1, 1, "ID" },
	{ "update", command_update, FLAGS(update_flags), 1, 1, "ID" },
	{ "events", command_events, FLAGS(events_flags), 1, 1, "ID" },
	{ "spec", command_spec, FLAGS(spec_flags), 0, 0, "" },
	{ "features", command_features, NULL, 0, 0, 0, "" },
	{ "checkpoint", command_unsupported, NULL, 0, 0, 1 << 20, "" },
	{ "restore", command_unsupported, NULL, 0, 0, 1 << 20, "" },
};

static const char *value_of(const struct args_flag *flag)
{
	return flag->type == ARGS_TYPE_BOOL || flag->type == ARGS_TYPE_IGNORED_BOOL ? "" : " VALUE";
}

static int print_help(void)
{
	(void)printf("NAME:\n   %s - Open Container Initiative runtime\n\n"
		     "USAGE:\n   %s [--root DIR] [--log FILE] [--log-format text|json] [--debug] "
		     "COMMAND [OPTIONS] [ARGUMENTS]\n\nCOMMANDS:\n",
		     called, called);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)printf("  %-10s", rows[i].name);
		for (size_t j = 0; j < rows[i].flag_count; j++)
			(void)printf(" [--%s%s]", rows[i].flags[j].name,
				     value_of(&rows[i].flags[j]));
		(void)printf(" %s\n", rows[i].usage);
	}
	(void)printf("\nhoy-oci(8) tells the rest.\n");
	return 0;
}

static int print_usage(const struct command_row *row)
{
	(void)printf("NAME:\n   %s %s\n\nUSAGE:\n   %s %s", called, row->name, called, row->name);
	for (size_t i = 0; i < row->flag_count; i++)
		(void)printf(" [--%s%s]", row->flags[i].name, value_of(&row->flags[i]));
	(void)printf(" %s\n", row->usage);
	return 0;
}

static bool wants_help(const char *text)
{
	return text && (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0);
}

static int print_version(void)
{
	(void)printf("hoy-oci version %s\nspec: 1.2.0\n", HOY_VERSION);
	return 0;
}

static const struct command_row *find_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

/* Root of a user namespace will do, the user who made it will not. */
static int check_root(struct err *err)
{
	return geteuid() == 0 ? 0
			      : err_set(err, -EPERM,
					"needs root: of the machine, or of a user namespace with a "
					"range of ids (podman makes one; unshare --map-auto "
					"--map-root-user --mount)");
}

static int check_options(const struct options *o, struct err *err)
{
	if (o->systemd_cgroup || (o->cgroup_manager && strcmp(o->cgroup_manager, "cgroupfs") != 0 &&
				  strcmp(o->cgroup_manager, "disabled") != 0))
		return err_set(err, -ENOTSUP,
			       "control groups by systemd are not supported, only cgroupfs: leave "
			       "out --systemd-cgroup, and tell the engine above (podman: "
			       "--cgroup-manager=cgroupfs; containerd: SystemdCgroup = false)");
	if (o->log_format && strcmp(o->log_format, "json") != 0 &&
	    strcmp(o->log_format, "text") != 0)
		return err_set(err, -EINVAL, "--log-format: expected text or json");
	if (o->rootless && strcmp(o->rootless, "auto") != 0 && strcmp(o->rootless, "false") != 0)
		return strcmp(o->rootless, "true") == 0 ? check_root(err)
							: err_set(err, -EINVAL,
								  "--rootless: expected true, "
								  "false or auto");
	return 0;
}

static int run_row(const struct command_row *row, struct command *cmd, struct err *err)
{
	bool stateless = row->run == command_spec || row->run == command_features ||
			 row->run == command_unsupported;

	if (cmd->argc < row->args_min || cmd->argc > row->args_max)
		return err_set(err, -EINVAL, "%s: expected %s %s", row->name, row->name,
			       row->usage);
	if (!stateless) {
		cmd->root_fd = state_root_open(state_root_path(cmd->options.root), err);
		if (cmd->root_fd < 0)
			return cmd->root_fd;
	}
	say(SAY_LEVEL_DEBUG, "%s %s: the states are in %s", row->name,
	    cmd->argc > 0 ? cmd->argv[0] : "", state_root_path(cmd->options.root));
	return row->run(cmd, err);
}

static int run_command(int argc, char **argv, struct command *cmd, struct err *err)
{
	const struct command_row *row;
	bool help;
	int at = 1;
	int r;

	if (argv[0] && *argv[0])
		called = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	r = args_parse(global_flags, ARRAY_LEN(global_flags), argv, &at, &cmd->options, err);

	if (r < 0)
		return r;
	if (cmd->options.version)
		return print_version();
	if (cmd->options.help || at == argc)
		return print_help();
	r = say_init(cmd->options.log,
		     cmd->options.log_format && strcmp(cmd->options.log_format, "json") == 0,
		     cmd->options.debug, err);
	if (r == 0)
		r = check_options(&cmd->options, err);
	if (r < 0)
		return r;
	help = strcmp(argv[at], "help") == 0 || strcmp(argv[at], "h") == 0;
	at += help;
	if (!argv[at])
		return print_help();
	row = find_row(argv[at]);
	cmd->exec_failed = row ? EXIT_FAILED : EXIT_UNKNOWN; /* as runc */
	if (!row)
		return err_set(err, -EINVAL,
			       "No help topic for '%.40s': unknown command; %s --help", argv[at],
			       called);
	cmd->exec_failed = row->run == command_exec ? EXIT_EXEC : EXIT_FAILED;
	at++;
	if (help || wants_help(argv[at]))
		return print_usage(row);
	r = args_parse(row->flags, row->flag_count, argv, &at, &cmd->options, err);
	if (r < 0)
		return err_prefix(err, "%s", row->name);
	if (row->run == command_create || row->run == command_run || row->run == command_exec)
		r = check_root(err) < 0 ? -EPERM : own_file_protect(argv, err);
	if (r < 0)
		return r;
	/* kill ID -9 and the like: what looks like an option behind the first argument is none */
	cmd->argv = argv + at;
	cmd->argc = argc - at;
	return run_row(row, cmd, err);
}

/*
 * Engines look for the errno's text as Go spells it, "permission denied": docker takes its exit
 * status 126 from that.
 */
static void respell(struct err *err)
{
	const char *name = err_name(err->code);
	size_t len = strlen(err->text), tail = strlen(name);
	char *at = err->text + len - (tail < len ? tail : 0);

	if (strcmp(at, name) == 0 && *at >= 'A' && *at <= 'Z')
		*at |= 0x20;
}

/*
 * Of a program that could not be executed the message is the one of its own process, in runc's
 * words: exec: "/a": why -> exec /a: why. True when it is such a one. What create finds out before
 * has runc's words already.
 */
static bool respell_exec(struct err *err)
{
	static const char mark[] = "exec: \"/", found_before[] = "container process: exec: ";
	char *at = strstr(err->text, mark), *end = at ? strchr(at + sizeof(mark), '"') : NULL;

	if (!end || end[1] != ':' || strstr(err->text, found_before))
		return false;
	memmove(end, end + 1, strlen(end));
	at[4] = ' ';
	memmove(at + 5, at + 7, strlen(at + 6));
	memmove(err->text, at, strlen(at) + 1);
	return true;
}

/*
 * Who starts us with one of 0, 1, 2 closed would have the next file that is opened handed on as the
 * container's standard input or output: a directory of the host is a way out (A3).
 */
static int fill_standard_fds(struct err *err)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int opened;

		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		opened = fs_open(AT_FDCWD, "/dev/null", FS_HOST, O_RDWR, 0, err);
		if (opened < 0)
			return err_prefix(err, "standard fds");
		if (opened != fd || fcntl(fd, F_SETFD, 0) < 0)
			return err_set(err, -EBADF,
				       "standard fds: %d is closed and cannot be filled", fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct command cmd = { .root_fd = -1, .exec_failed = EXIT_USAGE };
	struct err err = { 0 };
	int r = 0;

	if (defence_on(DEFENCE_A3_STANDARD))
		r = fill_standard_fds(&err);
	/* A peer that went away is an errno, not the end of the process. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (r == 0)
		r = run_command(argc, argv, &cmd, &err);
	if (r >= 0)
		return r;
	respell(&err);
	say(respell_exec(&err) ? SAY_LEVEL_PROGRAM : SAY_LEVEL_ERROR, "%s", err_text(&err));
	return cmd.exec_failed;
}
