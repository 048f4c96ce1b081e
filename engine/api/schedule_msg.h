/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_SCHEDULE_MSG_H
#define HOY_ENGINE_API_SCHEDULE_MSG_H

/* Call of engine main to the api role, where cron expressions are read. */
enum schedule_msg {
	/* {text schedule, text TZ (POSIX form, "" = UTC), i64 now s} -> {i64 next s, u8 is an
	 * interval}; -EINVAL says what is wrong with it, -ERANGE: it never comes */
	SCHEDULE_MSG_NEXT = 0x490,
};

enum { SCHEDULE_TEXT_MAX = 256, SCHEDULE_ZONE_MAX = 80 };

#endif
