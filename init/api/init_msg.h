/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_API_INIT_MSG_H
#define HOY_INIT_API_INIT_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/wire.h"

/*
 * Messages of PID 1 (lib/msg.h carries them). "text" is a wire string (u32 length + bytes), "list
 * of" a u32 count and its items. Bodies are exact: wire_end() must succeed on both sides.
 *
 * Who may send what: the daemons speak on fd 3, the console unit on its fd 3, everybody else
 * (the `hoy` program started by hand) on /run/hoy/init.sock, uid 0 or gid 900 by SO_PEERCRED.
 */
enum init_peer {
	INIT_PEER_NETD = 1,
	INIT_PEER_ENGINE = 2,
	INIT_PEER_CONSOLE = 4, /* the unit that init started on a terminal */
	INIT_PEER_CLIENT = 8,  /* accepted on init.sock */
};

enum init_msg {
	/* ---- daemon (console too) -> init, one way ---- */
	INIT_MSG_READY = 0x0101,    /* text, at most 200: "listening" ...: the unit is up */
	INIT_MSG_STATUS = 0x0102,   /* text, at most 200: one line shown in `status` */
	INIT_MSG_ALIVE = 0x0103,    /* empty, every 10 s; 60 s of silence after READY = killed */
	INIT_MSG_HOSTNAME = 0x0104, /* netd -> init, text: what a DHCP server calls the machine */
	/* ---- init -> daemon, one way; DATA and CLOCK are sent again to a restarted one ---- */
	INIT_MSG_STOP = 0x0111,	  /* i64 grace_ms: end orderly within it, exit 0 */
	INIT_MSG_RELOAD = 0x0112, /* empty: /run/hoy/config changed, apply the difference */
	INIT_MSG_CLOCK = 0x0113,  /* u8 enum init_clock: became valid or was stepped */
	INIT_MSG_DATA = 0x0114,	  /* u8 ready, text why-not ("" when ready): state of /data */
	/*
	 * init -> console that called LINES: one log line to print above the prompt:
	 * i64 uptime_ms, u8 prio, text who (the role that wrote it: init, hoy, netd, dhcp ...),
	 * text line (escaped, no newline). Shown as "[    1.234] who: line".
	 */
	INIT_MSG_LINE = 0x0115,

	INIT_MSG_OFF = 0x0116,	/* init -> netd, empty: the machine is powered off; STOP follows */
	INIT_MSG_SHIP = 0x0117, /* init -> syslog, its first one: struct ship_wish (ship_msg.h) */
	/* ---- calls: console and clients -> init ---- */
	/* {} -> struct init_status, see init_status_put/get. */
	INIT_MSG_STATUS_GET = 0x0121,
	/* {text unit, u8 enum init_unit_act} -> {} once the act was begun. */
	INIT_MSG_UNIT = 0x0122,
	/*
	 * {u8 enum init_power_act, text confirm} -> {} and the shutdown begins. confirm is "" but
	 * for a reset, as typed by the person: "erase all data" or "erase all settings".
	 */
	INIT_MSG_POWER = 0x0123,
	/*
	 * {text unit ("" = all), u32 lines (newest N, 0 = all kept), u8 follow} -> {list of (i64
	 * uptime_ms, u8 prio, text who, text line)}, as many MORE replies as needed; with follow
	 * the last one never comes: close the connection to end it. unit "kernel": the kernel's own
	 * log, without follow.
	 */
	INIT_MSG_LOG = 0x0124,
	/*
	 * Console only: {} -> {u8 claimed, text hash ("" unclaimed), u8 login (1 = password needed
	 * before the prompt; 0 with console_login = none or unclaimed), u32 seconds without a key
	 * until a login ends (0 = never)}.
	 */
	INIT_MSG_AUTH_GET = 0x0125,
	/*
	 * Console at any time, clients only while unclaimed: {text hash, "$2b$" form, 60 bytes} ->
	 * {u8 durable: 1 = stored on /data, 0 = only until reboot because /data is not there}.
	 */
	INIT_MSG_AUTH_SET = 0x0126,
	/*
	 * {text file} -> {text content, list of text issues}. file "hoy": normal form of hoy.ini
	 * merged over the layers and what was wrong in it; any other name (services, engine,
	 * network): the text of each layer one after another, "# image:services.ini" in front of
	 * each, no issues (their owner knows them). Cut at 48 KiB with a last line that says so.
	 */
	INIT_MSG_CONFIG_GET = 0x0127,
	/*
	 * Console only: {u8 max_prio} -> {}. From now on this peer prints the log lines of its
	 * terminal itself (INIT_MSG_LINE, up to max_prio, or up to what hoy.log= or console_log
	 * asks for where one is given) and init stops writing there until the peer is gone. A line
	 * is dropped, never waited for, when the peer does not read.
	 */
	INIT_MSG_LINES = 0x0128,
	/*
	 * Console only: {} -> {text what was done}. The config media as they are now count from
	 * here on: a copy is kept on /data, the layers are made anew, every daemon is told to
	 * RELOAD.
	 */
	INIT_MSG_CONFIG_MEDIA = 0x0129,
	/* The configuration that people edit on the machine: revisions and a candidate. Bodies and
	 * answers: config_msg.h. */
	INIT_MSG_CONFIG_ACT = 0x012A,
	/* {} -> {text lines}: when the machine started and why, newest first. */
	INIT_MSG_BOOTS = 0x012B,
	/* Console only: {u8 0 = a password is about to be tried, 1 = it was the right one} -> {u32
	 * seconds to wait first; 0 = go on, the try is counted already}. */
	INIT_MSG_AUTH_TRY = 0x012C,
	/* {} -> {} and fds: the log's files on /data, oldest first (unit/logline.h), all in them.
	 */
	INIT_MSG_LOG_FILES = 0x012D,
	/* syslog only: {u64 number, from 1 in each boot} -> MORE of {u64 number of the first, list
	 * of lines as in LOG}, without an end; begins with the oldest one where that is newer. */
	INIT_MSG_LOG_FROM = 0x012F,
	/* {} -> {text path} and an fd: a new file in /data/transfer for a support archive. */
	INIT_MSG_SUPPORT_FILE = 0x012E,
	INIT_MSG_AUDIT = 0x0130, /* console -> init, one way: audit_msg.h. Above it: send_msg.h */
};

enum init_unit_act { INIT_UNIT_ACT_START = 1, INIT_UNIT_ACT_STOP, INIT_UNIT_ACT_RESTART };

enum init_power_act {
	INIT_POWER_ACT_REBOOT = 1,
	INIT_POWER_ACT_POWEROFF,
	INIT_POWER_ACT_FACTORY_RESET,  /* re-make the data file system, then reboot */
	INIT_POWER_ACT_RESET_SETTINGS, /* keep images and volumes, forget the rest, then reboot */
};

/* Where the wall clock comes from; only the last two are good for certificates' "not before". */
enum init_clock {
	INIT_CLOCK_FLOOR = 0, /* no better source: build time or the last saved time */
	INIT_CLOCK_RTC = 1,   /* the hardware clock, later than the floor */
	INIT_CLOCK_SET = 2,   /* set while running (time server or a person) */
};

enum init_data_state {
	INIT_DATA_SEARCHING, /* no disk seen yet; keeps looking */
	INIT_DATA_CHECKING,  /* e2fsck runs */
	INIT_DATA_FORMATTING,
	INIT_DATA_READY,
	INIT_DATA_ABSENT,  /* nothing named and nothing to format: works without */
	INIT_DATA_DAMAGED, /* e2fsck could not repair; never re-made by itself */
	INIT_DATA_FAILED,  /* a tool or mount failed: data_text says how */
	INIT_DATA_LOST,	   /* was ready, takes no write any more: data_text says why */
};

enum init_unit_state {
	INIT_UNIT_STOPPED = 0,
	INIT_UNIT_STARTING, /* process runs, READY not seen */
	INIT_UNIT_READY,
	INIT_UNIT_STOPPING,
	INIT_UNIT_BACKOFF, /* waits for its next start */
};

enum {
	INIT_UNITS_MAX = 6,
	INIT_EXITS_MAX = 8,
	INIT_HASH_MAX = 64,
	INIT_LINE_MAX = 1000,
	INIT_ALIVE_EVERY_MS = 10000,
	INIT_CONSOLE_GID = 900,
	INIT_RESERVE_UID = 920, /* resuid= of the data file system */
};

struct init_exit {
	int64_t at_ms;	 /* uptime */
	char reason[64]; /* "exit 3", "killed by SIGSEGV", "cannot start: ..." */
};

struct init_unit_status {
	char name[24];
	uint8_t state; /* enum init_unit_state */
	uint32_t pid;  /* 0 = none */
	uint32_t restarts;
	int64_t since_ms; /* uptime at the last change of state */
	int64_t retry_ms; /* BACKOFF: uptime of the next start; else -1 */
	char text[208];	  /* from READY or STATUS */
	uint8_t exit_count;
	struct init_exit exits[INIT_EXITS_MAX]; /* newest first */
};

struct init_status {
	char hostname[64];
	char version[32];
	int64_t uptime_ms;
	int64_t wall_s;
	uint8_t clock; /* enum init_clock */
	bool claimed;
	uint8_t data;	       /* enum init_data_state */
	char boot_reason[160]; /* why the machine started: "power on", "reboot: console" ... */
	char data_device[32];  /* "/dev/vda", "" when none */
	char data_text[240];   /* for a person; names the next step when something is wrong */
	uint64_t data_bytes, data_free_bytes;
	uint64_t mem_kib, mem_available_kib;
	uint32_t config_issues; /* in hoy.ini, see CONFIG_GET */
	uint32_t unit_count;
	struct init_unit_status units[INIT_UNITS_MAX];
};

/* Wire form of the struct, fields in the order above. get: 0 or -EBADMSG. */
void init_status_put(struct buf *out, const struct init_status *status);
int init_status_get(struct wire *in, struct init_status *ret_status);
const char *init_unit_state_name(uint8_t state); /* "running" for READY ...; "?" when unknown */
const char *init_data_state_name(uint8_t state);
const char *init_clock_name(uint8_t clock);

#endif
