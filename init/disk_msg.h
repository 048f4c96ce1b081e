/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_DISK_MSG_H
#define HOY_INIT_DISK_MSG_H

#include "init/api/init_msg.h"

/*
 * Messages between PID 1 and its disk role: the one process of init that touches block devices, so
 * that a dying disk or a broken file system never stops PID 1. STOP and READY of init_msg.h apply
 * to it as to any unit; it sends no ALIVE, because a slow disk may hold it up for minutes.
 */
enum disk_msg {
	/* ---- disk -> main, one way ---- */
	DISK_MSG_DATA =
		0x0201, /* u8 enum init_data_state, text device, text for a person, u64 bytes */
	/*
	 * The layers below /run/hoy/config stand: u8 changed (since the last time), text hostname,
	 * text timezone, u8 login, u32 idle seconds, u8 console log priority (0 = not given), text
	 * hash ("" unclaimed), u32 issues in hoy.ini, text why the fail-safe profile counts ("" =
	 * it does not), blob where the log is sent to (api/ship_msg.h, empty = nowhere).
	 */
	DISK_MSG_CONFIG = 0x0202,
	/* When the data partition is there: i64 last saved wall time (0 = none), text boot reason.
	 */
	DISK_MSG_SAVED = 0x0203,
	/* Empty: /data/state/fault was made anew, open it. */
	DISK_MSG_FAULT_FILE = 0x0204,
	/* Empty: somebody at the machine asks for a factory reset (boot_reset.h). */
	DISK_MSG_RESET_ASKED = 0x0205,
	/* u64 number: the lines before it, as far as LOG brought them, are in the file. */
	DISK_MSG_LOGGED = 0x0206,

	/* ---- main -> disk ---- */
	/* one way: u64 number of the line behind these, whole lines for /data/log/hoy.log */
	DISK_MSG_LOG = 0x0211,
	DISK_MSG_NOTE = 0x0212,	      /* one way: text, the reason of the end that now comes */
	DISK_MSG_AUTH_SET = 0x0213,   /* call {text hash} -> {} */
	DISK_MSG_CONFIG_GET = 0x0214, /* call, bodies of INIT_MSG_CONFIG_GET */
	/* one way, u8 keep: at STOP make the file system anew; keep: remove settings alone */
	DISK_MSG_RESET = 0x0215,
	DISK_MSG_MEDIA = 0x0216,	/* call {} -> {text}, as INIT_MSG_CONFIG_MEDIA */
	DISK_MSG_AUTH_TRY = 0x0219,	/* call, bodies of INIT_MSG_AUTH_TRY */
	DISK_MSG_BOOTS = 0x0218,	/* call {} -> {text}, as INIT_MSG_BOOTS */
	DISK_MSG_LOG_FILES = 0x021A,	/* call {} -> {} and fds, as INIT_MSG_LOG_FILES */
	DISK_MSG_SUPPORT_FILE = 0x021B, /* call {} -> {text} and an fd */
	/* call {text path} -> {struct send_wish} and an fd, as INIT_MSG_SUPPORT_SEND begins */
	DISK_MSG_SUPPORT_SEND = 0x021C,
	DISK_MSG_CONFIG_ACT = 0x0217, /* call, bodies of INIT_MSG_CONFIG_ACT */
};

enum {
	DISK_PEER_MAIN = 1,
	DISK_REASON_MAX = 160,
	DISK_FAILSAFE_MAX = 240,
	DISK_LOG_BATCH_MAX = 16384
};

#endif
