/* SPDX-License-Identifier: Apache-2.0 */
/* The picture of a boot. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "init/console/chart.h"
#include "tests/unit/tap.h"

int main(void)
{
	static struct chart chart;
	struct buf out;

	buf_init(&out, 1 << 20);
	is_int(chart_svg(&chart, "x", &out), -ENODATA, "without marks there is no picture");
	chart_take(&chart, STR("hoy"), STR("pid1 start"));
	chart_take(&chart, STR("hoy"), STR("mark pid1 600"));
	chart_take(&chart, STR("hoy"), STR("mark engine 1000"));
	chart_take(&chart, STR("hoy"), STR("mark engine 9000"));
	chart_take(&chart, STR("hoy"), STR("mark broken x"));
	chart_take(&chart, STR("dhcp"), STR("mark stranger 1"));
	chart_take(&chart, STR("engine"), STR("service web: running (started 1500 ms after boot)"));
	chart_take(&chart, STR("engine"), STR("service web: exited"));
	is_int((long)chart.count, 3, "marks and services, each once");
	is_int(chart.rows[0].from_ms, 0, "the kernel comes first");
	is_int(chart.rows[1].from_ms, 600, "daemons begin with PID 1");
	is_int(chart.rows[1].to_ms, 1000, "a restart later is not the boot");
	is_int(chart.rows[2].from_ms, 1000, "services wait for the engine");
	ok(chart.rows[2].service && chart.rows[2].to_ms == 1500, "until they run");
	chart_take(&chart, STR("hoy"), STR("mark <&\x1b> 700"));
	buf_clear(&out);
	is_int(chart_svg(&chart, "boot of <a>", &out), 0, "a picture");
	ok(strstr(buf_text(&out), "&lt;&amp;?&gt;</text>") != NULL, "names are escaped");
	ok(strstr(buf_text(&out), "boot of &lt;a&gt;</text>") != NULL, "the title too");
	ok(strstr(buf_text(&out), "</svg>\n") != NULL, "it has an end");
	/* In a namespace the clock is the one of a machine that may have run for long. */
	chart = (struct chart){ 0 };
	chart_take(&chart, STR("hoy"), STR("mark pid1 86400001"));
	chart_take(&chart, STR("hoy"), STR("mark engine 31536000000"));
	chart_take(&chart, STR("engine"),
		   STR("service web: running (started 86402500 ms after boot)"));
	chart_take(&chart, STR("hoy"), STR("mark data 86400900"));
	is_int((long)chart.count, 3, "a clock that ran for a day before PID 1 hides no mark");
	is_int(chart.rows[2].to_ms, 86400900, "what came a year after it is no part of the boot");
	chart = (struct chart){ 0 };
	chart_take(&chart, STR("hoy"), STR("mark pid1 99999999999999999"));
	is_int((long)chart.count, 0, "a time that no clock shows is none");
	for (int i = 0; i < 1000; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "mark m%d %d", i, i * 86400);
		chart_take(&chart, STR("hoy"), str_from(text));
	}
	is_int((long)chart.count, CHART_ROWS_MAX, "no more rows than there is room for");
	buf_clear(&out);
	is_int(chart_svg(&chart, "long", &out), 0, "a long one");
	buf_done(&out);
	return tap_done();
}
