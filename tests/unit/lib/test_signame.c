/* SPDX-License-Identifier: Apache-2.0 */
/* Names of signals: what an image's STOPSIGNAL may say. */
#include "lib/signame.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

int main(void)
{
	static const struct {
		const char *name;
		int want;
	} rows[] = {
		{ "TERM", 15 },	   { "sigquit", 3 },  { "Rtmin+3", 37 }, { "SIGRTMIN", 34 },
		{ "RTMAX-2", 62 }, { "9", 9 },	      { "64", 64 },	 { "0", 0 },
		{ "65", 0 },	   { "SIGFOO", 0 },   { "SIG", 0 },	 { "", 0 },
		{ "RTMIN-1", 0 },  { "RTMIN+31", 0 }, { "-9", 0 },	 { "SIGSIGHUP", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		is_int(signame_number(str_from(rows[i].name)), rows[i].want, "signal '%s'",
		       rows[i].name);
	return tap_done();
}
