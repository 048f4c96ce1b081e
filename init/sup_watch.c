/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what PID 1 keeps an eye on: the hardware watchdog, the power button, the wall clock. Must
 * never feed the watchdog from anywhere but the main loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "init/boot_history.h"
#include "init/sup_calls.h"
#include "init/unit/watch.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { WATCHDOG_S = 60, WATCHDOG_LAST_S = 120, FEED_MS = 10000, INPUT_SETTLE_MS = 300 };

/* The C libraries disagree on the type of ioctl's request; the system call does not. */
static long control(int fd, unsigned long request, void *arg)
{
	return syscall(SYS_ioctl, fd, request, arg);
}

/* ---- watchdog ---- */

static struct watch_unit watch_unit(const struct sup_unit *unit)
{
	bool down = unit->state == UNIT_STATE_STOPPED || unit->state == UNIT_STATE_STOPPING;

	return (struct watch_unit){ .was_ready = unit->was_ready,
				    .wanted = unit->enabled && !down,
				    .answered_ms = unit->answered_ms };
}

/* True: a daemon that ran does not answer any more, and starting it again did not help. */
static bool starves(struct sup *sup)
{
	const struct sup_unit *units[] = { &sup->units[SUP_NETD], &sup->units[SUP_ENGINE] };
	struct watch_unit watched[] = { watch_unit(units[0]), watch_unit(units[1]) };
	int culprit = watch_starves(watched, ARRAY_LEN(watched), sup_uptime_ms());

	if (culprit >= 0 && !sup->watchdog_starves)
		sup_say(sup, LOG_PRIO_ERR,
			"%s has not answered for %d s: the watchdog is not fed any more",
			units[culprit]->name, WATCH_ANSWER_MS / 1000);
	sup->watchdog_starves = culprit >= 0;
	return sup->watchdog_starves;
}

static void feed(struct loop_timer *timer)
{
	struct sup *sup = timer->owner;

	if (!starves(sup))
		(void)control(sup->watchdog_fd, WDIOC_KEEPALIVE, NULL);
	loop_timer_set(&sup->loop, timer, FEED_MS, feed, sup);
}

static void watchdog_set(struct sup *sup, int seconds)
{
	if (sup->watchdog_fd < 0)
		return;
	(void)control(sup->watchdog_fd, WDIOC_SETTIMEOUT, &seconds);
	(void)control(sup->watchdog_fd, WDIOC_KEEPALIVE, NULL);
}

void sup_watchdog_last(struct sup *sup)
{
	watchdog_set(sup, WATCHDOG_LAST_S);
}

/* Was it the one who reset the machine? The disk role tells people. */
static void watchdog_ask(const struct sup *sup)
{
	OWN_FD int dir_fd = -1;
	int flags = 0;

	if (control(sup->watchdog_fd, WDIOC_GETBOOTSTATUS, &flags) < 0 ||
	    !(flags & WDIOF_CARDRESET))
		return;
	dir_fd = fs_open_parent(AT_FDCWD, BOOT_WATCHDOG_FILE, FS_HOST, (char[256]){ 0 }, NULL);
	if (dir_fd >= 0)
		(void)fs_replace(dir_fd, "watchdog-reset", "", 0, 0600, NULL);
}

static void watchdog_init(struct sup *sup)
{
	sup->watchdog_fd = fs_open(AT_FDCWD, "/dev/watchdog0", FS_HOST, O_WRONLY, 0, NULL);
	if (sup->watchdog_fd < 0)
		return;
	watchdog_ask(sup);
	watchdog_set(sup, WATCHDOG_S);
	loop_timer_set(&sup->loop, &sup->watchdog_timer, FEED_MS, feed, sup);
	sup_say(sup, LOG_PRIO_INFO, "watchdog armed: %d s", WATCHDOG_S);
}

/* ---- power button ---- */

static void key_ready(struct loop_io *io, uint32_t events)
{
	struct sup *sup = io->owner;
	struct input_event event;
	ssize_t n;

	(void)events;
	while ((n = read(io->fd, &event, sizeof(event))) == (ssize_t)sizeof(event))
		if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1)
			sup_power_begin(sup, INIT_POWER_ACT_POWEROFF, "power button");
	if (n < 0 && errno != EAGAIN && errno != EINTR) { /* unplugged */
		int fd = io->fd;

		loop_remove(&sup->loop, io);
		for (size_t i = 0; i < SUP_KEYS_MAX; i++)
			if (sup->key_fds[i] == fd)
				own_close(&sup->key_fds[i]);
	}
}

static bool has_power_key(int fd)
{
	uint8_t bits[KEY_MAX / 8 + 1] = { 0 };

	return control(fd, EVIOCGBIT(EV_KEY, sizeof(bits)), bits) > 0 &&
	       (bits[KEY_POWER / 8] >> KEY_POWER % 8 & 1);
}

static void watch_key(struct sup *sup, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/input/%.32s", name);
	fd = fs_open(AT_FDCWD, path, FS_HOST, O_RDONLY | O_NONBLOCK, 0, NULL);
	for (size_t i = 0; fd >= 0 && has_power_key(fd) && i < SUP_KEYS_MAX; i++) {
		if (sup->key_fds[i] >= 0)
			continue;
		sup->keys[i] = (struct loop_io){ .fd = -1 };
		if (loop_add(&sup->loop, &sup->keys[i], fd, EPOLLIN, key_ready, sup, NULL) < 0)
			break;
		sup->key_fds[i] = fd;
		return;
	}
	own_close(&fd);
}

static int input_entry(int dir_fd, const char *name, unsigned char type, void *owner,
		       struct err *err)
{
	(void)dir_fd;
	(void)type;
	(void)err;
	if (strncmp(name, "event", 5) == 0)
		watch_key(owner, name);
	return 0;
}

/* All devices anew: simpler than telling which one came, and it happens seldom. */
static void scan_keys(struct loop_timer *timer)
{
	struct sup *sup = timer->owner;
	OWN_FD int fd = fs_open(AT_FDCWD, "/dev/input", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

	for (size_t i = 0; i < SUP_KEYS_MAX; i++) {
		loop_remove(&sup->loop, &sup->keys[i]);
		own_close(&sup->key_fds[i]);
	}
	if (fd >= 0)
		(void)fs_each(fd, input_entry, sup, NULL);
}

static void input_changed(struct loop_io *io, uint32_t events)
{
	struct sup *sup = io->owner;
	char drain[4096];

	(void)events;
	while (read(io->fd, drain, sizeof(drain)) > 0)
		;
	loop_timer_set(&sup->loop, &sup->input_timer, INPUT_SETTLE_MS, scan_keys, sup);
}

static void keys_init(struct sup *sup)
{
	for (size_t i = 0; i < SUP_KEYS_MAX; i++)
		sup->key_fds[i] = -1;
	sup->input_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (sup->input_fd >= 0 && inotify_add_watch(sup->input_fd, "/dev/input", IN_CREATE) >= 0)
		(void)loop_add(&sup->loop, &sup->input_io, sup->input_fd, EPOLLIN, input_changed,
			       sup, NULL);
	loop_timer_set(&sup->loop, &sup->input_timer, 0, scan_keys, sup);
}

/* ---- clock ---- */

static void tell_clock(struct sup *sup)
{
	for (size_t i = SUP_NETD; i <= SUP_ENGINE; i++)
		sup_unit_send_clock(&sup->units[i]);
	sup_unit_send_clock(&sup->units[SUP_SYSLOG]);
}

/* A timer far away that the kernel cancels whenever the wall clock is stepped. */
static void clock_arm(struct sup *sup)
{
	struct itimerspec far_away = { .it_value.tv_sec = (time_t)1 << 40 };

	if (timerfd_settime(sup->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far_away,
			    NULL) < 0 &&
	    errno != ECANCELED)
		sup_say(sup, LOG_PRIO_WARN, "steps of the clock will not be seen: %s",
			err_name(errno));
}

static void clock_stepped(struct loop_io *io, uint32_t events)
{
	struct sup *sup = io->owner;
	uint64_t count;

	(void)events;
	if (read(sup->clock_fd, &count, sizeof(count)) >= 0 || errno != ECANCELED)
		return;
	sup->clock = INIT_CLOCK_SET;
	clock_arm(sup);
	tell_clock(sup);
}

void sup_clock_raise(struct sup *sup, int64_t floor_s, bool first)
{
	struct timespec to = { .tv_sec = (time_t)floor_s };

	if (wall_now_s() >= floor_s) {
		if (first)
			sup->clock = INIT_CLOCK_RTC;
		return;
	}
	if (clock_settime(CLOCK_REALTIME, &to) < 0) {
		sup_say(sup, LOG_PRIO_WARN, "clock stays behind: %s", err_name(errno));
		return;
	}
	sup->clock = INIT_CLOCK_FLOOR;
	if (!first) {
		uint64_t count;

		/* Our own step: swallow its notice and send the right one. */
		(void)!read(sup->clock_fd, &count, sizeof(count));
		clock_arm(sup);
		tell_clock(sup);
	}
}

void sup_watch_init(struct sup *sup)
{
	watchdog_init(sup);
	keys_init(sup);
	sup->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (sup->clock_fd < 0)
		return;
	clock_arm(sup);
	(void)loop_add(&sup->loop, &sup->clock_io, sup->clock_fd, EPOLLIN, clock_stepped, sup,
		       NULL);
}
