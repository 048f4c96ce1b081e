/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SUP_CALLS_H
#define HOY_INIT_SUP_CALLS_H

#include "init/sup.h"

/* What the parts of PID 1 offer each other. */

/* Uptime for marks and log lines. */
int64_t sup_uptime_ms(void);

/* A reply body in static memory, valid until the next call. */
struct buf sup_body(void);

/* ---- sup_log.c ---- */
void sup_log_init(struct sup *sup);
/* A line of init itself; prio as in lib/log.h. */
void sup_say(struct sup *sup, uint8_t prio, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A milestone: the line "hoy: TEXT" and the line for machines "hoy: mark NAME MS". */
void sup_mark(struct sup *sup, const char *mark, int64_t at_ms, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int64_t sup_monotonic_ms(void);				  /* CLOCK_MONOTONIC, for marks */
int sup_log_open(struct sup_unit *unit, struct err *err); /* makes the unit's pipe */
void sup_log_flush_disk(struct sup *sup);
/* The disk role, maybe a new one, has the data partition: what the last one did not write goes
 * again. */
void sup_log_disk_ready(struct sup *sup);
void sup_log_disk_wrote(struct sup *sup, uint64_t number); /* DISK_MSG_LOGGED */
int sup_follow(struct sup *sup, struct msg_peer *peer, uint32_t serial, int unit, uint32_t lines,
	       bool follow);
/* All lines from this number on, for ever, to one peer at a time: INIT_MSG_LOG_FROM. */
void sup_follow_from(struct sup *sup, struct msg_peer *peer, uint32_t serial, uint64_t number);
void sup_follow_forget(struct sup *sup, const struct msg_peer *peer);
/* The record of INIT_MSG_LINE and INIT_MSG_LOG. */
void sup_log_put(struct buf *body, const struct ring_line *line);

/* ---- sup_kmsg.c ---- */
/* Answers INIT_MSG_LOG of the unit "kernel": its newest lines (0 = all that it keeps). */
int sup_kmsg_send(struct msg_peer *peer, uint32_t serial, uint32_t lines, struct err *err);
/* From now on the kernel itself writes on the console only what it dies of. */
void sup_kmsg_hush(void);

/* ---- sup_tty.c ---- */
void sup_tty_open(struct sup *sup); /* finds and opens the terminals */
void sup_tty_line(struct sup *sup, const struct ring_line *line);
/* Opens the terminal anew, with sane modes: the end of the program that had it hangs it up. */
void sup_tty_reopen(struct sup *sup, struct sup_tty *tty);
void sup_tty_drain(struct sup *sup); /* at the end: waits shortly for the output */

/* ---- sup_unit.c ---- */
void sup_unit_init(struct sup *sup);
void sup_unit_event(struct sup_unit *unit, enum unit_event event);
void sup_unit_reap(struct sup *sup);
struct sup_unit *sup_unit_find(struct sup *sup, struct str name);
struct sup_unit *sup_unit_of_peer(struct sup *sup, const struct msg_peer *peer);
void sup_unit_send(struct sup_unit *unit, uint16_t type, struct str body);
void sup_unit_send_data(struct sup_unit *unit);
/* /data is mounted, be it that nothing can be written there any more. */
bool sup_data_stands(const struct sup *sup);
void sup_unit_send_clock(struct sup_unit *unit);
void sup_unit_alive(struct sup_unit *unit);
void sup_unit_text(struct sup_unit *unit, struct str text);
/* Starts or stops what sends the log away; again: with other settings, or another disk. */
void sup_syslog_settle(struct sup *sup, bool again);
/* Why the fail-safe profile counts and the engine waits, "" = it does not. */
void sup_failsafe(struct sup *sup, struct str why);
/* Starts netd and engine once the layers are there (or late is set). */
void sup_start_daemons(struct sup *sup, bool late);

/* ---- sup_power.c ---- */
void sup_power_begin(struct sup *sup, enum init_power_act act, const char *reason);
void sup_power_unit_down(struct sup *sup, struct sup_unit *unit);
bool sup_power_going(const struct sup *sup);
/* Going down for a reset: the disk role may format. */
bool sup_power_resets(const struct sup *sup);

/* ---- sup_watch.c ---- */
void sup_watch_init(struct sup *sup); /* watchdog, power button, clock */
void sup_clock_raise(struct sup *sup, int64_t floor_s, bool first);
void sup_watchdog_last(struct sup *sup); /* one more interval for the final steps */

/* ---- ctl.c ---- */
void ctl_init(struct sup *sup);
extern const struct msg_rule ctl_rules[];
extern const size_t ctl_rule_count;
struct sup *ctl_sup(void); /* the one that ctl_init() was given */
void ctl_refuse(struct msg_peer *peer, const struct msg *msg, int code, const char *text);
/* Answers AUTH_GET calls that waited for the disk. */
void ctl_answer_askers(struct sup *sup);
/* The peer is gone: nothing that was asked for it may be answered to its successor. */
void ctl_forget(struct sup *sup, const struct msg_peer *peer);

/* ---- ctl_log.c ---- */
void ctl_log(struct msg_peer *peer, struct msg *msg);	   /* INIT_MSG_LOG */
void ctl_log_from(struct msg_peer *peer, struct msg *msg); /* INIT_MSG_LOG_FROM */

/* ---- ctl_name.c ---- */
void ctl_name_use(struct sup *sup);			   /* sets what the machine is called */
void ctl_hostname(struct msg_peer *peer, struct msg *msg); /* INIT_MSG_HOSTNAME */

/* ---- ctl_audit.c ---- */
void ctl_audit(struct msg_peer *peer, struct msg *msg); /* INIT_MSG_AUDIT */
/* A console's process ended: so did its session, where it did not say so itself. */
void ctl_audit_ended(struct sup_unit *unit);
/* Somebody at a terminal, or a `hoy` started by hand, does this: "begun", "refused" ... */
void ctl_audit_act(const struct msg_peer *peer, const char *act, const char *how);
/* The same for an enum init_config_act; those that change nothing have no line. */
void ctl_audit_config(const struct msg_peer *peer, uint8_t act);

/* ---- ctl_power.c ---- */
void ctl_power(struct msg_peer *peer, struct msg *msg); /* INIT_MSG_POWER */

/* ---- ctl_send.c ---- */
void ctl_send(struct msg_peer *peer, struct msg *msg); /* INIT_MSG_SUPPORT_SEND */
void ctl_send_step(struct msg_peer *peer, struct msg *msg);
void ctl_send_end(struct msg_peer *peer, struct msg *msg);
/* Its process runs: gives it the archive. */
void ctl_send_spawned(struct sup_unit *unit);
/* Its process is gone: who waits is told. */
void ctl_send_ended(struct sup_unit *unit);
void ctl_send_forget(const struct msg_peer *peer);

/* ---- ctl_status.c ---- */
void ctl_status_get(struct msg_peer *peer, struct msg *msg); /* INIT_MSG_STATUS_GET */

#endif
