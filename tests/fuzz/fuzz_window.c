/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service's update_window. What is taken lies within a day and opens on one of the days it names;
 * at the moment it opens it has been open for no time.
 */
#include "engine/service/window.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct update_window window;
	struct err err = { 0 };
	int r = update_window_parse(str_make(data, size), &window, &err);

	require((r == 0) == (err.code == 0));
	if (r < 0)
		return 0;
	require(window.days && window.days <= WINDOW_ALL_DAYS);
	require(window.length_min && window.length_min <= WINDOW_DAY_MIN);
	for (int minute = 0; minute < 7 * WINDOW_DAY_MIN; minute += 7) {
		struct tm now = { .tm_wday = minute / WINDOW_DAY_MIN,
				  .tm_hour = minute % WINDOW_DAY_MIN / 60,
				  .tm_min = minute % 60 };
		int64_t wait_s = update_window_wait_s(&window, &now);
		int64_t at = (minute * 60 + wait_s) / 60 % (7 * WINDOW_DAY_MIN);
		struct tm then = { .tm_wday = (int)(at / WINDOW_DAY_MIN),
				   .tm_hour = (int)(at % WINDOW_DAY_MIN / 60),
				   .tm_min = (int)(at % 60) };

		require((wait_s == 0) == (update_window_since_s(&window, &now) >= 0));
		require(update_window_since_s(&window, &then) >= 0);
	}
	return 0;
}
