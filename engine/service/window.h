/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_WINDOW_H
#define HOY_ENGINE_SERVICE_WINDOW_H

#include <stdint.h>
#include <time.h>
#include "lib/err.h"
#include "lib/str.h"

/*
 * `update_window = [DAYS] HH:MM-HH:MM` in the machine's time zone, pure. DAYS is a list of mon tue
 * wed thu fri sat sun and ranges of them (mon-fri,sun), each day without one. A window that ends
 * before it begins ends on the next day; 24:00 is the end of a day.
 */
enum { WINDOW_ALL_DAYS = 0x7f, WINDOW_DAY_MIN = 1440 };

struct update_window {
	uint8_t days;			/* bit 0 = Sunday, as tm_wday; 0 = there is no window */
	uint16_t begin_min, length_min; /* of the day; 1 to 1440 */
};

/* -EINVAL names the form. */
int update_window_parse(struct str text, struct update_window *ret_window, struct err *err);

/* Seconds from `now` until it is open, 0 = it is; changes of the clock's zone are not looked at. */
int64_t update_window_wait_s(const struct update_window *window, const struct tm *now);
/* Seconds for which it has been open; -1 = it is not. */
int64_t update_window_since_s(const struct update_window *window, const struct tm *now);

#endif
