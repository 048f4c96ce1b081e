/* SPDX-License-Identifier: Apache-2.0 */
/* Why services ended: newest first, bounded, counted, there and back, damage found. */
#include "engine/service/ends.h"
#include <errno.h>
#include <stdio.h>
#include "lib/own.h"
#include "tests/unit/tap.h"

static struct service_ends ends, back;
static unsigned seen;

static void on_ends(void *owner, const char *name, const struct service_ends *found)
{
	(void)owner;
	seen += !strcmp(name, "web");
	back = *found;
}

int main(void)
{
	struct buf file OWN(buf_done) = { 0 };
	char text[32];
	bool found = true;

	for (int i = 1; i <= 10; i++) {
		(void)snprintf(text, sizeof(text), "exit code %d", i);
		service_ends_add(&ends, i, text);
	}
	is_int(ends.count, SERVICE_ENDS_MAX, "the last eight ends are kept");
	is_int((long long)ends.total, 10, "all are counted");
	is_text(ends.list[0].text, "exit code 10", "the newest comes first");
	is_int(ends.list[7].at_s, 3, "each with its time");
	buf_init(&file, 65536);
	service_ends_begin(&file, 1);
	wire_put_text(&file, "web");
	service_ends_put(&file, &ends);
	is_int(service_ends_seal(&file), 0, "written");
	is_int(service_ends_read(buf_str(&file), on_ends, NULL, NULL), 0, "and read back");
	ok(seen == 1 && !memcmp(&ends, &back, sizeof(ends)), "the same");
	for (size_t i = 0; i < file.len; i++) {
		file.data[i] ^= 1;
		found = found && service_ends_read(buf_str(&file), on_ends, NULL, NULL) == -EBADMSG;
		file.data[i] ^= 1;
	}
	ok(found && seen == 1, "one changed bit anywhere is found, and nothing is taken");
	return tap_done();
}
