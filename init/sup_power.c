/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the end of the machine: containers, network, data partition, then reboot(2). Run by PID 1.
 * Each phase has a deadline, so that the end comes whatever hangs.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>
#include "init/fault.h"
#include "init/sup_calls.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum {
	ENGINE_LIMIT_MS = 75000,
	NETD_LIMIT_MS = 8000,
	DISK_LIMIT_MS = 40000,
	RESET_LIMIT_MS = 330000
};

static void phase_due(struct loop_timer *timer);

bool sup_power_going(const struct sup *sup)
{
	return sup->power.phase != SUP_POWER_NONE;
}

bool sup_power_resets(const struct sup *sup)
{
	return sup_power_going(sup) && sup->power.act >= INIT_POWER_ACT_FACTORY_RESET;
}

static void set_phase(struct sup *sup, enum sup_power_phase phase, int64_t limit_ms)
{
	sup->power.phase = phase;
	loop_timer_set(&sup->loop, &sup->power.timer, limit_ms, phase_due, sup);
}

static bool is_down(const struct sup *sup, enum sup_index index)
{
	return sup->units[index].state == UNIT_STATE_STOPPED;
}

/* No process of these trees may keep a file open on /data. */
static void kill_tree(const char *path)
{
	OWN_FD int fd = fs_open(AT_FDCWD, path, FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

	if (fd >= 0)
		(void)fs_write_control(fd, "cgroup.kill", STR("1"), NULL);
}

static void begin_disk(struct sup *sup)
{
	static const char *const trees[] = {
		"/sys/fs/cgroup/containers", "/sys/fs/cgroup/builds",	"/sys/fs/cgroup/hoy/shims",
		"/sys/fs/cgroup/hoy/engine", "/sys/fs/cgroup/hoy/netd", "/sys/fs/cgroup/hoy/syslog",
		"/sys/fs/cgroup/hoy/send"
	};
	bool reset = sup_power_resets(sup);
	uint8_t keep = sup->power.act == INIT_POWER_ACT_RESET_SETTINGS;
	char memory[DISK_REASON_MAX + 16];
	struct buf body = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };

	/* Before it is killed: what is wanted down is not started again, with its file on /data. */
	sup_unit_event(&sup->units[SUP_SYSLOG], UNIT_EVENT_DOWN);
	sup_unit_event(&sup->units[SUP_SEND], UNIT_EVENT_DOWN);
	for (size_t i = 0; i < ARRAY_LEN(trees); i++)
		kill_tree(trees[i]);
	set_phase(sup, SUP_POWER_DISK, reset ? RESET_LIMIT_MS : DISK_LIMIT_MS);
	sup_say(sup, LOG_PRIO_NOTICE, "unmounting the data partition");
	sup_log_flush_disk(sup);
	fault_release_file();
	wire_put_text(&body, sup->power.reason);
	sup_unit_send(&sup->units[SUP_DISK], DISK_MSG_NOTE, buf_str(&body));
	if (reset)
		sup_unit_send(&sup->units[SUP_DISK], DISK_MSG_RESET, str_make(&keep, 1));
	sup->data = INIT_DATA_SEARCHING;
	sup_unit_event(&sup->units[SUP_DISK], UNIT_EVENT_DOWN);
}

static void finish(struct sup *sup)
{
	bool off = sup->power.act == INIT_POWER_ACT_POWEROFF;

	sup->power.phase = SUP_POWER_END;
	for (size_t i = SUP_CONSOLE; i <= SUP_CONSOLE_2; i++)
		sup->units[i].lines_taken = false; /* it will not live to print the last ones */
	sup_say(sup, LOG_PRIO_NOTICE, "%s", off ? "powering off" : "rebooting");
	sup_tty_drain(sup);
	sup_watchdog_last(sup);
	(void)kill(-1, SIGKILL);
	sync();
	(void)reboot(off ? RB_POWER_OFF : RB_AUTOBOOT);
	/* Only without the capability, or in a container: nothing is left to do. */
	_exit(off ? 0 : 1);
}

static void begin_netd(struct sup *sup)
{
	set_phase(sup, SUP_POWER_NETD, NETD_LIMIT_MS);
	if (sup->power.act == INIT_POWER_ACT_POWEROFF)
		sup_unit_send(&sup->units[SUP_NETD], INIT_MSG_OFF, (struct str){ 0 });
	sup_unit_event(&sup->units[SUP_NETD], UNIT_EVENT_DOWN);
}

/* Goes to the first phase whose unit still lives. */
static void advance(struct sup *sup)
{
	if (sup->power.phase == SUP_POWER_ENGINE && is_down(sup, SUP_ENGINE)) {
		begin_netd(sup);
	}
	/* Behind netd, so that its last lines are sent: what it set up stands without it. */
	if (sup->power.phase == SUP_POWER_NETD && is_down(sup, SUP_NETD)) {
		if (is_down(sup, SUP_SYSLOG))
			begin_disk(sup);
		else
			sup_unit_event(&sup->units[SUP_SYSLOG], UNIT_EVENT_DOWN);
	}
	if (sup->power.phase == SUP_POWER_DISK && is_down(sup, SUP_DISK))
		finish(sup);
}

static void phase_due(struct loop_timer *timer)
{
	struct sup *sup = timer->owner;

	switch (sup->power.phase) {
	case SUP_POWER_NONE:
	case SUP_POWER_END:
		break;
	case SUP_POWER_ENGINE:
		sup_say(sup, LOG_PRIO_ERR, "engine did not stop in time");
		begin_netd(sup);
		advance(sup);
		break;
	case SUP_POWER_NETD:
		sup_say(sup, LOG_PRIO_ERR, "netd did not stop in time");
		begin_disk(sup);
		advance(sup);
		break;
	case SUP_POWER_DISK:
		sup_say(sup, LOG_PRIO_ERR, "the data partition was not unmounted in time");
		finish(sup);
		break;
	}
}

/* Called from within a unit's own transition, so the next step is left to the loop. */
static void advance_due(struct loop_timer *timer)
{
	advance(timer->owner);
}

void sup_power_unit_down(struct sup *sup, struct sup_unit *unit)
{
	static struct loop_timer next;

	(void)unit;
	if (sup_power_going(sup))
		loop_timer_set(&sup->loop, &next, 0, advance_due, sup);
}

void sup_power_begin(struct sup *sup, enum init_power_act act, const char *reason)
{
	static const char *const words[] = { "", "reboot", "power off", "factory reset",
					     "reset of the settings" };

	if (sup_power_going(sup))
		return;
	sup->power.act = act;
	snprintf(sup->power.reason, sizeof(sup->power.reason), "%s: %.120s", words[act], reason);
	sup_say(sup, LOG_PRIO_NOTICE, "%s", sup->power.reason);
	sup_say(sup, LOG_PRIO_NOTICE, "stopping the containers");
	set_phase(sup, SUP_POWER_ENGINE, ENGINE_LIMIT_MS);
	sup_unit_event(&sup->units[SUP_ENGINE], UNIT_EVENT_DOWN);
	sup_power_unit_down(sup, &sup->units[SUP_ENGINE]);
}
