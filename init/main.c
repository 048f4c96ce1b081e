/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID 1. Owns the order of the boot and the main loop; everything lives in one static object. Must
 * never exit, never allocate after the boot, and never wait for a disk, a terminal or a daemon.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "init/boot.h"
#include "init/fault.h"
#include "init/role_disk.h"
#include "init/sup_calls.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum {
	LATE_MS = 5000,
	CHECK_WAIT_MS = 60000,
	DISK_TRIES = 4,
	CMDLINE_MAX = 16384,
	COMPLAINTS_MAX = 16
};

static struct sup self;

/* What went wrong before there was a log. */
static struct {
	char text[COMPLAINTS_MAX][ERR_TEXT_MAX];
	size_t count;
} early;

static void complain(void *owner, const struct err *err)
{
	(void)owner;
	if (early.count < COMPLAINTS_MAX)
		snprintf(early.text[early.count++], ERR_TEXT_MAX, "%s", err_text(err));
}

static const struct boot_reporter reporter = { complain, NULL };

static void take_signal(struct sup *sup, uint32_t number)
{
	switch (number) {
	case SIGCHLD:
		sup_unit_reap(sup);
		break;
	case SIGINT: /* ctrl-alt-del, by RB_DISABLE_CAD */
		sup_power_begin(sup, INIT_POWER_ACT_REBOOT, "ctrl-alt-del");
		break;
	case SIGTERM:
	case SIGPWR:
		sup_power_begin(sup, INIT_POWER_ACT_POWEROFF, "signal");
		break;
	default:
		break;
	}
}

static void signal_ready(struct loop_io *io, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	while (read(io->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		take_signal(io->owner, info.ssi_signo);
}

static void signals_init(struct sup *sup)
{
	static const int numbers[] = { SIGCHLD, SIGINT, SIGTERM, SIGPWR, SIGHUP, SIGUSR1, SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		sigaddset(&set, numbers[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	sup->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sup->signal_fd < 0 || loop_add(&sup->loop, &sup->signal_io, sup->signal_fd, EPOLLIN,
					   signal_ready, sup, NULL) < 0)
		fault_die("signals cannot be received");
}

/* stdin, stdout and stderr must be something harmless before any other fd is opened. */
static void standard_fds(void)
{
	for (int i = 0; i < 3; i++) {
		int fd = fs_open(AT_FDCWD, "/dev/null", FS_HOST, O_RDWR, 0, NULL);

		if (fd < 0)
			return;
		if (fd == i)
			(void)fcntl(fd, F_SETFD, 0);
		else {
			(void)dup2(fd, i);
			own_close(&fd);
		}
	}
}

static void read_cmdline(struct sup *sup)
{
	static char text[CMDLINE_MAX];
	OWN_FD int fd = fs_open(AT_FDCWD, "/proc/cmdline", FS_HOST, O_RDONLY, 0, NULL);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;

	boot_cmdline_parse(str_make(text, n > 0 ? (size_t)n : 0), &sup->cmdline);
	sup->console_prio = sup->cmdline.log_prio;
	sup->prio_given = sup->cmdline.log_given;
}

static void start_consoles(struct sup *sup)
{
	for (size_t i = 0; i < SUP_TTYS_MAX; i++) {
		struct sup_unit *unit = &sup->units[SUP_CONSOLE + i];

		unit->enabled = i < sup->tty_count;
		unit->tty = &sup->ttys[i];
		if (unit->enabled)
			sup_unit_event(unit, UNIT_EVENT_UP);
	}
}

/* The disk role ends again and again: the console shall not wait for it for ever. */
static void disk_hopeless(struct loop_timer *timer)
{
	struct sup *sup = timer->owner;

	if (sup->data_known || sup->units[SUP_DISK].exit_count < DISK_TRIES) {
		if (!sup->data_known)
			loop_timer_set(&sup->loop, timer, LATE_MS, disk_hopeless, sup);
		return;
	}
	sup->data = INIT_DATA_FAILED;
	sup->data_known = true;
	snprintf(sup->data_text, sizeof(sup->data_text),
		 "init's disk role fails, see `log disk`; running without data");
	sup_say(sup, LOG_PRIO_ERR, "data: %s", sup->data_text);
	ctl_answer_askers(sup);
}

/* While the data partition is checked nobody knows yet which configuration counts. */
static bool worth_waiting(const struct sup *sup)
{
	return !sup->config_known && sup->data == INIT_DATA_CHECKING &&
	       sup_uptime_ms() < CHECK_WAIT_MS;
}

static void start_late(struct loop_timer *timer)
{
	struct sup *sup = timer->owner;

	if (worth_waiting(sup)) {
		loop_timer_set(&sup->loop, timer, LATE_MS, start_late, sup);
		return;
	}
	loop_timer_set(&sup->loop, timer, LATE_MS, disk_hopeless, sup);
	if (!sup->config_known)
		sup_say(sup, LOG_PRIO_ERR,
			"no configuration from the disk role yet; starting with "
			"what is there");
	sup_start_daemons(sup, true);
}

static void units_init(struct sup *sup)
{
	struct boot_sockets sockets;
	struct err err;

	sup_unit_init(sup);
	boot_socket(&sockets, &reporter);
	sup->listen_fd = sockets.init_fd;
	sup->units[SUP_NETD].kept_fds[0] = sockets.netd_fd;
	/* Holds what netd puts in, sockets of containers, until the next netd takes it out. */
	if (msg_pair(sup->units[SUP_NETD].kept_fds + 1, &err) < 0)
		sup_say(sup, LOG_PRIO_WARN, "netd cannot keep sockets: %s", err_text(&err));
	sup->units[SUP_ENGINE].kept_fds[0] = sockets.engine_fd;
	sup->units[SUP_ENGINE].kept_fds[1] = sockets.docker_fd;
	ctl_init(sup);
}

static void boot(struct sup *sup, int64_t started_ms)
{
	(void)umask(022);
	fault_install();
	boot_root(&reporter);
	boot_mount(&reporter);
	standard_fds();
	fault_open();
	if (loop_init(&sup->loop, NULL) < 0)
		fault_die("epoll is not there");
	sup_log_init(sup);
	read_cmdline(sup);
	sup_tty_open(sup);
	sup_mark(sup, "pid1", started_ms, "pid1 start");
	signals_init(sup);
	sup->shielded = boot_shield();
	units_init(sup);
	start_consoles(sup); /* the first thing that a person sees; the rest goes on beside it */
	boot_cgroup(&reporter);
	sup_clock_raise(sup, HOY_BUILD_EPOCH, true);
	sup_unit_event(&sup->units[SUP_DISK], UNIT_EVENT_UP); /* everything waits for it */
	boot_kernel(&reporter);
	sup_watch_init(sup);
	for (size_t i = 0; i < early.count; i++)
		sup_say(sup, LOG_PRIO_WARN, "%s", early.text[i]);
	loop_timer_set(&sup->loop, &sup->late_timer, LATE_MS, start_late, sup);
}

int main(int argc, char **argv)
{
	int64_t started_ms = sup_monotonic_ms();

	/* Words of the kernel command line become arguments of PID 1: they mean nothing. */
	if (getpid() != 1) {
		if (argc == 2 && strcmp(argv[1], "disk") == 0)
			return role_disk_main();
		(void)!write(STDERR_FILENO, "hoy-init: runs as process 1 only\n", 33);
		return 64;
	}
	self.watchdog_fd = -1;
	self.listen_fd = -1;
	snprintf(self.hostname, sizeof(self.hostname), "hoy");
	snprintf(self.timezone, sizeof(self.timezone), "TZ=UTC0");
	snprintf(self.boot_reason, sizeof(self.boot_reason), "not known: no data partition");
	self.login = true;
	boot(&self, started_ms);
	for (;;) {
		struct err err;

		if (loop_run(&self.loop, &err) < 0)
			fault_die(err_text(&err));
	}
}
