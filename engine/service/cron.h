/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_CRON_H
#define HOY_ENGINE_SERVICE_CRON_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/str.h"

/*
 * When a job is due: five fields as in crontab(5) (minute, hour, day of month, month, day of week;
 * lists, ranges, steps, English names), @hourly @daily @weekly @monthly @yearly, or an interval:
 * "90s", "1h30m", "@every 10m", from one second to a year.
 */
struct cron {
	int64_t every_s; /* 0 = the fields count */
	uint64_t minutes;
	uint32_t hours, days, months, weekdays; /* bit by value; months from 1, Sunday is 0 */
	bool any_day, any_weekday;		/* "*": then the other one decides alone */
};

/* -EINVAL names the field and what it takes. */
int cron_parse(struct str text, struct cron *ret_cron, struct err *err);

/*
 * The first due time behind now (seconds since 1970), by the process's time zone (tzset(3)); where
 * day of month and day of week are both given, either will do. -ERANGE when there is none within
 * ten years (February 30th).
 */
int cron_next(const struct cron *cron, int64_t now_s, int64_t *ret_next_s, struct err *err);

/* ---- for the api role's table: the handler of SCHEDULE_MSG_NEXT ---- */
struct msg_peer;
struct msg;
void cron_serve(struct msg_peer *peer, struct msg *msg);

#endif
