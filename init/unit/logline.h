/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_UNIT_LOGLINE_H
#define HOY_INIT_UNIT_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * A line of /data/log/hoy.log, pure:
 *
 *     2026-11-21T21:55:36Z 12.345 <6 netd> dhcp: lease 10.0.2.15
 *     wall time, UTC       uptime  prio unit  role: text
 *
 * The unit is whose pipe it came out of, the role who wrote it. Lines of older versions have no
 * unit. Uptime never goes back within a boot: where it does, or where PID 1 says that it starts,
 * another boot begins.
 */
struct logline {
	int64_t wall_s, uptime_ms;
	uint8_t prio;
	struct str unit, role, text; /* into the line */
};

/* False for a line of another form: a torn write, or something else's. */
bool logline_parse(struct str line, struct logline *ret_line);
/* The head of such a line, up to the blank behind '>'. */
void logline_put_head(struct buf *out, const struct logline *line);

/* Counts boots while the lines pass, oldest first. Zeroed at the start. */
struct logline_boots {
	int64_t last_uptime_ms;
	uint32_t count; /* boots begun so far; the line that was passed last belongs to this one */
};
/* True when a boot begins with this line. */
bool logline_boots_pass(struct logline_boots *boots, const struct logline *line);

/* What a person asked for; zeroed but for prio_max = everything when that is 7. */
struct logline_filter {
	const char *unit; /* NULL, a unit, a role, or "system": all but the kernel */
	const char
		*grep; /* NULL, or a piece of "role: text", ASCII letters without regard to case */
	uint8_t prio_max;
	int64_t since_s, until_s; /* wall time; 0 = without bound */
};
bool logline_wanted(const struct logline_filter *filter, const struct logline *line);

/*
 * "--since": 90s 10m 2h 3d before now, 2026-11-21, "2026-11-21 21:55", "2026-11-21T21:55:36Z", or
 * 21:55 of today; UTC. 0 or -EINVAL.
 */
int logline_time(struct str text, int64_t now_s, int64_t *ret_s);

/* Levels by name or number: emerg alert crit err warn notice info debug. -EINVAL. */
int logline_level(struct str text, uint8_t *ret_prio);

/* True when `text` holds `piece`, ASCII letters without regard to case. */
bool logline_holds(struct str text, struct str piece);

#endif
