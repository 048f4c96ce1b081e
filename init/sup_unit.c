/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the supervised processes: carries out what unit/machine.c decides. Run by PID 1. Must never
 * give a unit up, and never start a second process while one is alive.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include "init/boot.h"
#include "init/sup_calls.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/spawn.h"

enum {
	REAP_BATCH = 256,
	ENGINE_GRACE_MS = 60000,
	DISK_GRACE_MS = 30000,
	DISK_RESET_MS = 330000, /* mke2fs behind the unmount: FORMAT_LIMIT_MS and more */
	GRACE_MS = 5000,
	CONSOLE_GRACE_MS = 1000,
	SYSLOG_GRACE_MS = 2000,
	GRACE_EXTRA_MS = 2000, /* between the end of the grace and the kill */
	OOM_SCORE_DAEMON = -900,
	OOM_SCORE_CONSOLE = -800,
};

struct unit_plan {
	const char *name, *path, *role;
	uint32_t identity;
	const char *ready; /* milestone text; the mark is the name */
	int64_t grace_ms;
	int oom_score;
};

static const struct unit_plan plans[SUP_COUNT] = {
	[SUP_DISK] = { "disk", "/proc/self/exe", "disk", SUP_PEER_DISK, NULL, DISK_GRACE_MS,
		       OOM_SCORE_DAEMON },
	[SUP_NETD] = { "netd", "/usr/lib/hoy/netd", "main", INIT_PEER_NETD, "netd ready", GRACE_MS,
		       OOM_SCORE_DAEMON },
	[SUP_ENGINE] = { "engine", "/usr/lib/hoy/engine", "main", INIT_PEER_ENGINE, "engine ready",
			 ENGINE_GRACE_MS, OOM_SCORE_DAEMON },
	[SUP_CONSOLE] = { "console", "/usr/bin/hoy", NULL, INIT_PEER_CONSOLE, "console ready",
			  CONSOLE_GRACE_MS, OOM_SCORE_CONSOLE },
	[SUP_CONSOLE_2] = { "console2", "/usr/bin/hoy", NULL, INIT_PEER_CONSOLE, NULL,
			    CONSOLE_GRACE_MS, OOM_SCORE_CONSOLE },
	[SUP_SYSLOG] = { "syslog", "/usr/bin/hoy", "--syslog", SUP_PEER_SYSLOG, NULL,
			 SYSLOG_GRACE_MS, OOM_SCORE_CONSOLE },
	[SUP_SEND] = { "send", "/usr/bin/hoy", "--support-send", SUP_PEER_SEND, NULL,
		       SYSLOG_GRACE_MS, OOM_SCORE_CONSOLE },
};

static const char *const argv0[SUP_COUNT] = { "hoy-init",    "hoy-netd",    "hoy-engine",
					      "hoy-console", "hoy-console", "hoy-syslog",
					      "hoy-send" };

void sup_unit_init(struct sup *sup)
{
	for (size_t i = 0; i < SUP_COUNT; i++) {
		struct sup_unit *unit = &sup->units[i];
		struct err err;

		*unit = (struct sup_unit){
			.sup = sup,
			.index = (enum sup_index)i,
			.name = plans[i].name,
			.path = plans[i].path,
			.argv = { argv0[i], plans[i].role, NULL },
			.identity = plans[i].identity,
			.enabled = i < SUP_SYSLOG,
			.state = UNIT_STATE_STOPPED,
			.pidfd = -1,
			.cgroup_fd = -1,
			.kept_fds = { -1, -1, -1 },
			.retry_at_ms = -1,
			.log_read_fd = -1,
			.log_write_fd = -1,
		};
		if (sup_log_open(unit, &err) < 0)
			sup_say(sup, LOG_PRIO_ERR, "%s", err_text(&err));
	}
}

struct sup_unit *sup_unit_find(struct sup *sup, struct str name)
{
	for (size_t i = 0; i < SUP_COUNT; i++)
		if (sup->units[i].enabled && str_is(name, sup->units[i].name))
			return &sup->units[i];
	return NULL;
}

struct sup_unit *sup_unit_of_peer(struct sup *sup, const struct msg_peer *peer)
{
	for (size_t i = 0; i < SUP_COUNT; i++)
		if (peer == &sup->units[i].peer)
			return &sup->units[i];
	return NULL;
}

/* ---- messages to it ---- */

void sup_unit_send(struct sup_unit *unit, uint16_t type, struct str body)
{
	struct err err;

	if (!msg_peer_alive(&unit->peer))
		return;
	if (msg_peer_send(&unit->peer, type, body, NULL, 0, &err) < 0)
		sup_say(unit->sup, LOG_PRIO_WARN, "%s: %s", unit->name, err_text(&err));
}

bool sup_data_stands(const struct sup *sup)
{
	return sup->data == INIT_DATA_READY || sup->data == INIT_DATA_LOST;
}

void sup_unit_send_data(struct sup_unit *unit)
{
	char memory[320];
	struct buf body = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };
	bool ready = sup_data_stands(unit->sup);

	wire_put_u8(&body, ready);
	wire_put_text(&body, ready ? "" : unit->sup->data_text);
	sup_unit_send(unit, INIT_MSG_DATA, buf_str(&body));
}

void sup_unit_send_clock(struct sup_unit *unit)
{
	uint8_t clock = (uint8_t)unit->sup->clock;

	sup_unit_send(unit, INIT_MSG_CLOCK, str_make(&clock, 1));
}

static void send_stop(struct sup_unit *unit, int64_t grace_ms)
{
	char memory[16];
	struct buf body = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };

	wire_put_i64(&body, grace_ms);
	sup_unit_send(unit, INIT_MSG_STOP, buf_str(&body));
}

/* ---- actions ---- */

static void timer_due(struct loop_timer *timer)
{
	sup_unit_event(timer->owner, UNIT_EVENT_TIMER);
}

static void set_timer(struct sup_unit *unit, int64_t delay_ms)
{
	loop_timer_set(&unit->sup->loop, &unit->timer, delay_ms, timer_due, unit);
}

static void act_record(struct sup_unit *unit)
{
	memmove(&unit->exits[1], &unit->exits[0], sizeof(unit->exits[0]) * (INIT_EXITS_MAX - 1));
	unit->exits[0].at_ms = sup_uptime_ms();
	memcpy(unit->exits[0].reason, unit->end_reason, sizeof(unit->exits[0].reason));
	if (unit->exit_count < INIT_EXITS_MAX)
		unit->exit_count++;
}

/* What the process left behind in its cgroup dies with it. */
static void act_sweep(struct sup_unit *unit)
{
	if (unit->cgroup_fd >= 0)
		(void)fs_write_control(unit->cgroup_fd, "cgroup.kill", STR("1"), NULL);
}

static void act_ask(struct sup_unit *unit)
{
	int64_t grace_ms = plans[unit->index].grace_ms;
	bool resets = unit->index == SUP_DISK && sup_power_resets(unit->sup);

	loop_timer_stop(&unit->sup->loop, &unit->silence);
	send_stop(unit, grace_ms);
	set_timer(unit, resets ? DISK_RESET_MS : grace_ms + GRACE_EXTRA_MS);
}

static void act_kill(struct sup_unit *unit)
{
	sup_say(unit->sup, LOG_PRIO_WARN, "%s does not answer (%s): killed", unit->name,
		unit_state_name(unit->state));
	if (unit->pidfd >= 0)
		(void)spawn_signal(unit->pidfd, SIGKILL, NULL);
	act_sweep(unit);
	set_timer(unit, UNIT_KILL_AGAIN_MS);
}

static void act_delay(struct sup_unit *unit)
{
	uint32_t jitter = (uint32_t)mono_now().ns;
	int64_t delay_ms;

	(void)getrandom(&jitter, sizeof(jitter), GRND_NONBLOCK);
	delay_ms = backoff_ms(unit->failures > 0 ? unit->failures - 1 : 0, UNIT_BACKOFF_BASE_MS,
			      UNIT_BACKOFF_CAP_MS, jitter);
	unit->retry_at_ms = sup_uptime_ms() + delay_ms;
	sup_say(unit->sup, LOG_PRIO_WARN, "%s ended: %s; next start in %lld ms", unit->name,
		unit->end_reason, (long long)delay_ms);
	set_timer(unit, delay_ms);
}

static void peer_gone(struct msg_peer *peer)
{
	struct sup_unit *unit = peer->owner;

	unit->lines_taken = false;
	ctl_forget(unit->sup, peer);
}

static void prepare(struct sup_unit *unit, struct spawn *spawn, int peer_fd)
{
	spawn_init(spawn, unit->path, unit->argv);
	spawn->fds[0] = peer_fd;
	spawn->nfds = 1;
	for (size_t i = 0; i < ARRAY_LEN(unit->kept_fds) && unit->kept_fds[i] >= 0; i++)
		spawn->fds[spawn->nfds++] = unit->kept_fds[i];
	spawn->log_fd = unit->log_write_fd;
	spawn->cgroup_fd = unit->cgroup_fd;
	spawn->oom_score_adj = unit->sup->shielded ? plans[unit->index].oom_score : 0;
	spawn->new_session = true;
}

static int start_process(struct sup_unit *unit, struct err *err)
{
	const char *const envp[] = { "PATH=/usr/bin:/usr/sbin", "HOME=/", "TERM=vt100",
				     unit->sup->timezone, NULL };
	char path[32];
	OWN_FD int tty_fd = -1;
	OWN_FD int theirs = -1;
	struct spawn spawn;
	int pair[2], r;

	r = msg_pair(pair, err);
	if (r < 0)
		return r;
	theirs = pair[1];
	r = msg_peer_init(&unit->peer, &unit->sup->loop, pair[0], unit->identity, ctl_rules,
			  ctl_rule_count, 0, peer_gone, unit, err);
	if (r < 0) {
		own_close(&pair[0]);
		return r;
	}
	prepare(unit, &spawn, theirs);
	spawn.envp = envp;
	if (unit->tty != NULL) {
		sup_tty_reopen(unit->sup, unit->tty);
		snprintf(path, sizeof(path), "/dev/%s", unit->tty->name);
		/* Our own fd is non-blocking; that flag belongs to the open file, so a second one.
		 */
		tty_fd = fs_open(AT_FDCWD, path, FS_HOST, O_RDWR | O_NOCTTY | O_NONBLOCK, 0, err);
		if (tty_fd < 0 || fcntl(tty_fd, F_SETFL, 0) < 0)
			return tty_fd < 0 ? tty_fd : -errno;
		spawn.tty_fd = tty_fd;
	}
	return spawn_start(&spawn, &unit->pid, &unit->pidfd, err);
}

static void act_spawn(struct sup_unit *unit)
{
	struct err err = { 0 };

	unit->retry_at_ms = -1;
	unit->text[0] = '\0';
	unit->lines_taken = false;
	if (unit->exit_count > 0)
		unit->restarts++;
	own_close(&unit->cgroup_fd);
	unit->cgroup_fd = boot_cgroup_unit(unit->name);
	if (start_process(unit, &err) < 0) {
		unit->pid = 0;
		msg_peer_done(&unit->peer);
		snprintf(unit->end_reason, sizeof(unit->end_reason), "%.60s", err_text(&err));
		sup_say(unit->sup, LOG_PRIO_ERR, "%s not started: %s", unit->name, err_text(&err));
		sup_unit_event(unit, UNIT_EVENT_FAILED);
		return;
	}
	set_timer(unit, UNIT_READY_LIMIT_MS);
	if (unit->index == SUP_DISK)
		unit->sup->disk_logs = false;
	if (unit->index == SUP_SYSLOG) {
		sup_unit_send(unit, INIT_MSG_SHIP, str_make(unit->sup->ship, unit->sup->ship_len));
		sup_unit_send_clock(unit);
	}
	if (unit->index == SUP_SEND)
		ctl_send_spawned(unit);
	if (unit->identity & (INIT_PEER_NETD | INIT_PEER_ENGINE)) {
		sup_unit_send_data(unit);
		sup_unit_send_clock(unit);
	}
}

static void became_ready(struct sup_unit *unit)
{
	const char *text = plans[unit->index].ready;

	unit->was_ready = true;
	unit->answered_ms = sup_uptime_ms();
	if (unit->restarts == 0 && text != NULL)
		sup_mark(unit->sup, unit->name, sup_monotonic_ms(), "%s", text);
	else if (unit->restarts > 0 && unit->index != SUP_SEND)
		sup_say(unit->sup, LOG_PRIO_NOTICE, "%s ready again", unit->name);
}

void sup_unit_event(struct sup_unit *unit, enum unit_event event)
{
	struct unit_step step = unit_machine_step(unit->state, event);
	enum unit_state before = unit->state;

	if (step.next != before)
		unit->since = mono_now();
	unit->state = (enum unit_state)step.next;
	if (step.actions & UNIT_ACTION_RECORD)
		act_record(unit);
	if (step.actions & UNIT_ACTION_SWEEP)
		act_sweep(unit);
	if (step.actions & UNIT_ACTION_FORGET)
		unit->failures = 0;
	if (step.actions & UNIT_ACTION_FAIL)
		unit->failures++;
	if (step.actions & UNIT_ACTION_ASK)
		act_ask(unit);
	if (step.actions & UNIT_ACTION_KILL)
		act_kill(unit);
	if (step.actions & UNIT_ACTION_NO_TIMER)
		loop_timer_stop(&unit->sup->loop, &unit->timer);
	if (step.actions & UNIT_ACTION_STABLE_TIMER)
		set_timer(unit, UNIT_STABLE_MS);
	if (step.actions & UNIT_ACTION_DELAY_TIMER)
		act_delay(unit);
	if (before == UNIT_STATE_STARTING && step.next == UNIT_STATE_READY)
		became_ready(unit);
	if (step.actions & UNIT_ACTION_SPAWN)
		act_spawn(unit);
	if (unit->state == UNIT_STATE_STOPPED && before != UNIT_STATE_STOPPED)
		sup_power_unit_down(unit->sup, unit);
}

/* ---- what comes from it ---- */

static void silent(struct loop_timer *timer)
{
	sup_unit_event(timer->owner, UNIT_EVENT_SILENT);
}

void sup_unit_alive(struct sup_unit *unit)
{
	if (unit->state == UNIT_STATE_READY)
		unit->answered_ms = sup_uptime_ms();
	if (unit->state == UNIT_STATE_READY || unit->state == UNIT_STATE_STARTING)
		loop_timer_set(&unit->sup->loop, &unit->silence, UNIT_SILENCE_MS, silent, unit);
}

void sup_unit_text(struct sup_unit *unit, struct str text)
{
	size_t n = str_escape(text, unit->text, sizeof(unit->text));

	(void)n;
}

/* What role syslog left for metrics, when it was killed: nothing is connected any more. */
static void forget_connection(void)
{
	OWN_FD int fd = fs_open(AT_FDCWD, "/run/hoy", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

	if (fd >= 0)
		(void)fs_unlink(fd, "syslog", NULL);
}

static void ended(struct sup_unit *unit, const siginfo_t *info)
{
	/* What it said last was said before it ended. */
	msg_peer_drain(&unit->peer);
	unit->pid = 0;
	own_close(&unit->pidfd);
	loop_timer_stop(&unit->sup->loop, &unit->silence);
	ctl_forget(unit->sup, &unit->peer);
	msg_peer_done(&unit->peer);
	unit->lines_taken = false;
	if (unit->index == SUP_SYSLOG)
		forget_connection();
	spawn_describe_exit(info->si_code, info->si_status, unit->end_reason,
			    sizeof(unit->end_reason));
	ctl_audit_ended(unit);
	sup_unit_event(unit, UNIT_EVENT_EXITED);
	if (unit->index == SUP_SEND)
		ctl_send_ended(unit);
}

static void reap_more(struct loop_timer *timer)
{
	sup_unit_reap(timer->owner);
}

void sup_unit_reap(struct sup *sup)
{
	static struct loop_timer again;

	for (int n = 0; n < REAP_BATCH; n++) {
		siginfo_t info = { 0 };

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
			return;
		for (size_t i = 0; i < SUP_COUNT; i++)
			if (sup->units[i].pid == info.si_pid) {
				ended(&sup->units[i], &info);
				break;
			}
	}
	/* A million orphans must not keep the loop from everything else. */
	loop_timer_set(&sup->loop, &again, 0, reap_more, sup);
}

void sup_start_daemons(struct sup *sup, bool late)
{
	if (sup_power_going(sup) || (!sup->config_known && !late))
		return;
	for (size_t i = SUP_NETD; i <= (sup->failsafe[0] != '\0' ? SUP_NETD : SUP_ENGINE); i++)
		if (sup->units[i].state == UNIT_STATE_STOPPED && sup->units[i].exit_count == 0)
			sup_unit_event(&sup->units[i], UNIT_EVENT_UP);
}

void sup_syslog_settle(struct sup *sup, bool again)
{
	struct sup_unit *unit = &sup->units[SUP_SYSLOG];
	bool wanted = sup->ship_len > 0 && sup->config_known && sup->data_known;

	if (sup_power_going(sup))
		return;
	if (!wanted)
		sup_unit_event(unit, UNIT_EVENT_DOWN);
	else if (unit->state == UNIT_STATE_STOPPED || again)
		sup_unit_event(unit, again ? UNIT_EVENT_RESTART : UNIT_EVENT_UP);
	unit->enabled = wanted;
}

void sup_failsafe(struct sup *sup, struct str why)
{
	struct sup_unit *engine = &sup->units[SUP_ENGINE];
	bool was = sup->failsafe[0] != '\0';

	(void)str_escape(why, sup->failsafe, sizeof(sup->failsafe));
	if (was == (why.len > 0))
		return;
	if (why.len > 0) {
		sup_say(sup, LOG_PRIO_ERR,
			"the configuration is broken: %s; fail-safe profile: console and "
			"link-local network, everything else waits",
			sup->failsafe);
		sup_unit_text(engine, STR("waits: the fail-safe profile counts, see `config "
					  "issues`"));
	} else {
		sup_say(sup, LOG_PRIO_NOTICE, "the fail-safe profile counts no more");
		sup_unit_text(engine, STR(""));
	}
}
