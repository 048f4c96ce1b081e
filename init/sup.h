/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SUP_H
#define HOY_INIT_SUP_H

#include <stdbool.h>
#include <sys/types.h>
#include "init/api/init_msg.h"
#include "init/api/ship_msg.h"
#include "init/boot_cmdline.h"
#include "init/disk_msg.h"
#include "init/unit/machine.h"
#include "init/unit/ring.h"
#include "lib/loop.h"
#include "lib/msg.h"
#include "lib/str.h"

/*
 * PID 1 as a whole: one static object, nothing of it on the heap. sup_unit.c, sup_log.c,
 * sup_tty.c, sup_power.c, sup_watch.c and ctl.c each work on their part of it; what they offer each
 * other stands in sup_calls.h.
 */
enum sup_index {
	SUP_DISK, /* init's own role, see role_disk.c */
	SUP_NETD,
	SUP_ENGINE,
	SUP_CONSOLE, /* first terminal */
	SUP_CONSOLE_2,
	SUP_SYSLOG, /* sends the log away, where hoy.ini says so */
	SUP_SEND,   /* a support archive, while somebody waits for it */
	SUP_COUNT,
};

/* Identity bits of init's own roles, beside those of enum init_peer. */
enum { SUP_PEER_DISK = 16, SUP_PEER_SYSLOG = 32, SUP_PEER_SEND = 64 };

/* "unit" of a log line that init wrote itself. */
enum { SUP_LOG_INIT = SUP_COUNT };

enum {
	SUP_TTYS_MAX = 2,
	SUP_CLIENTS_MAX = 12,
	SUP_READERS_MAX = 8, /* of the log, by LOG */
	SUP_FOLLOWERS_MAX, /* one more, for LOG_FROM: no reader can keep the log from its server */
	SUP_ASKERS_MAX = 4,
	SUP_KEYS_MAX = 4,
	SUP_REPLY_MAX = 60 * 1024,
	SUP_TTY_BUFFER = 16384,
};

struct sup;

/* One terminal that carries a console unit and, until that unit takes them, the log lines. */
struct sup_tty {
	char name[16]; /* "ttyS0" */
	int fd;	       /* non-blocking, -1 = none */
	struct loop_io io;
	char pending[SUP_TTY_BUFFER];
	size_t len;
	uint64_t dropped; /* lines */
};

struct sup_unit {
	struct sup *sup;
	enum sup_index index;
	const char *name;
	const char *path;
	const char *argv[3];
	uint32_t identity;
	bool enabled; /* exists on this machine */
	enum unit_state state;
	unsigned failures;
	uint32_t restarts;
	pid_t pid; /* 0 = none */
	int pidfd;
	int cgroup_fd;	      /* of /hoy/<name>, -1 = no cgroups */
	int kept_fds[3];      /* become fd 4, 5, 6; the same ones over restarts */
	struct sup_tty *tty;  /* console units */
	struct msg_peer peer; /* fd 3 of the process */
	struct loop_timer timer, silence;
	struct mono since;
	int64_t retry_at_ms; /* uptime, -1 */
	int64_t answered_ms; /* uptime of its last sign of life */
	bool was_ready;	     /* in this boot */
	char text[208];
	char end_reason[64];			/* of the process or start that just ended */
	struct init_exit exits[INIT_EXITS_MAX]; /* newest first */
	uint8_t exit_count;
	uint8_t lines_prio; /* console took over its log lines up to this; 0 = none */
	bool lines_taken;
	bool session; /* console: somebody is in it, since a line `audit:` that says so */
	/* log pipe: both ends stay open, so that a restart loses nothing */
	int log_read_fd, log_write_fd;
	struct loop_io log_io;
	char line[INIT_LINE_MAX + 8];
	size_t line_len;
};

/* Somebody who reads the log: `until` ends it, 0 = follows for ever. */
struct sup_follower {
	struct msg_peer *peer; /* NULL = free */
	uint32_t serial;
	struct ring_cursor cursor;
	uint64_t until;
	int unit;      /* -1 = all */
	bool numbered; /* LOG_FROM */
};

struct sup_client {
	struct msg_peer peer;
	bool used;
};

enum sup_power_phase {
	SUP_POWER_NONE,
	SUP_POWER_ENGINE, /* containers are being stopped */
	SUP_POWER_NETD,
	SUP_POWER_DISK, /* /data is being unmounted */
	SUP_POWER_END,
};

struct sup_power {
	enum sup_power_phase phase;
	enum init_power_act act;
	struct loop_timer timer;
	char reason[DISK_REASON_MAX];
};

struct sup {
	struct loop loop;
	bool shielded; /* oom scores below 0 may be given */
	struct boot_cmdline cmdline;
	struct sup_unit units[SUP_COUNT];
	struct sup_tty ttys[SUP_TTYS_MAX];
	size_t tty_count;
	struct ring ring;
	struct ring_cursor disk_cursor; /* next line for /data/log */
	uint64_t disk_logged;		/* number of the first line that may not be there yet */
	bool disk_logs; /* its role has the data partition and was sent all before */
	struct loop_timer disk_timer;
	struct sup_follower followers[SUP_FOLLOWERS_MAX];
	struct loop_timer follow_timer;
	uint8_t console_prio; /* least urgent on the terminals */
	bool prio_given;      /* by hoy.log= or console_log: it holds for the consoles too */
	/* control socket */
	int listen_fd;
	struct loop_io listen_io;
	struct sup_client clients[SUP_CLIENTS_MAX];
	struct {
		struct msg_peer *peer;
		uint32_t serial;
	} askers[SUP_ASKERS_MAX]; /* AUTH_GET before the disk was looked at */
	/* what the disk role told */
	enum init_data_state data;
	char data_device[40], data_text[240];
	uint64_t data_bytes;
	bool data_known;		    /* the search came to a result once */
	char own_name[64], leased_name[64]; /* of hoy.ini and of a DHCP server */
	char hostname[64];		    /* the one of them that counts, once `named` */
	bool named;
	char timezone[80], hash[INIT_HASH_MAX];
	bool login, config_known;
	uint32_t idle_s;    /* without a key until a login ends, 0 = never */
	bool hash_volatile; /* set here without a disk to keep it */
	uint32_t config_issues;
	char ship[SHIP_WISH_MAX];	  /* where the log is sent to, for role syslog */
	size_t ship_len;		  /* 0 = nowhere */
	char failsafe[DISK_FAILSAFE_MAX]; /* why the engine waits, "" = it does not */
	char boot_reason[DISK_REASON_MAX];
	enum init_clock clock;
	int clock_fd; /* timerfd that ends when the clock is set */
	struct loop_io clock_io;
	/* life and death */
	int signal_fd;
	struct loop_io signal_io;
	struct sup_power power;
	int watchdog_fd;
	bool watchdog_starves; /* it was said that it is not fed any more */
	struct loop_timer watchdog_timer, late_timer;
	struct loop_io keys[SUP_KEYS_MAX];
	int key_fds[SUP_KEYS_MAX], input_fd;
	struct loop_io input_io;
	struct loop_timer input_timer;
};

#endif
