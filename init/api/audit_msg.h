/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_API_AUDIT_MSG_H
#define HOY_INIT_API_AUDIT_MSG_H

#include <stdint.h>

/*
 * What a console tells init of its session, one way: INIT_MSG_AUDIT {u8 enum init_audit, u32
 * seconds: of HELD until the next password is looked at, else 0}. init writes the line: who, where
 * and its words are not the console's to choose.
 */
enum init_audit {
	INIT_AUDIT_OPEN = 1, /* the prompt without a password: none is set, or none is asked for */
	INIT_AUDIT_LOGIN,    /* the right password */
	INIT_AUDIT_WRONG,    /* another one */
	INIT_AUDIT_HELD,     /* too many wrong ones: the next has to wait */
	INIT_AUDIT_LOCK,
	INIT_AUDIT_UNLOCK,
	INIT_AUDIT_LOGOUT, /* asked for */
	INIT_AUDIT_IDLE,   /* nobody typed anything for a while */
	INIT_AUDIT_HANGUP, /* the terminal is gone, or its carrier */
	INIT_AUDIT_COUNT
};

#endif
