/* SPDX-License-Identifier: Apache-2.0 */
/* A carrier that is there when somebody logs in counts from then on; one that is not never does. */
#include <sys/ioctl.h>
#include "init/console/carrier.h"
#include "tests/unit/tap.h"

int main(void)
{
	const tcflag_t others = CS8 | CREAD | HUPCL;

	is_int((long long)carrier_flags(others | CLOCAL, TIOCM_CAR | TIOCM_CTS), others,
	       "with a carrier its loss hangs the terminal up");
	is_int((long long)carrier_flags(others, TIOCM_CAR), others,
	       "and does so still at the next login");
	is_int((long long)carrier_flags(others, TIOCM_CTS | TIOCM_DSR), others | CLOCAL,
	       "a cable without a carrier is no lost one");
	is_int((long long)carrier_flags(others | CLOCAL, 0), others | CLOCAL,
	       "three wires are enough");
	return tap_done();
}
