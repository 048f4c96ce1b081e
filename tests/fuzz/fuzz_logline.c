/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the log on disk: parts lie within the line, and its head comes out as it went in. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "init/unit/logline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct str part, struct str whole)
{
	if (part.len > 0 && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = str_make((const char *)data, size);
	struct logline line, again;
	struct buf out;
	int64_t at_s;

	(void)logline_time(whole, 1000000000, &at_s);
	if (!logline_parse(whole, &line))
		return 0;
	inside(line.unit, whole);
	inside(line.role, whole);
	inside(line.text, whole);
	if (line.prio > 7 || line.uptime_ms < 0)
		abort();
	buf_init(&out, size + 256);
	logline_put_head(&out, &line);
	if (!logline_parse(buf_str(&out), &again) || again.wall_s != line.wall_s ||
	    again.uptime_ms != line.uptime_ms || again.prio != line.prio ||
	    !str_eq(again.unit, line.unit))
		abort();
	buf_done(&out);
	return 0;
}
