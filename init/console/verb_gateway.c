/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `config apply` asks of netd while it watches the way out of the machine. Runs in the console
 * program. Must never take netd's silence for a gateway that answers.
 */
#include <errno.h>
#include "init/console/config.h"
#include "init/console/gateway.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"

enum {
	GATEWAY_EVERY_MS = 1000,
	GATEWAY_BEFORE_LOOKS = 4, /* the kernel gives a neighbour three seconds */
};

/* The default routes there are, and which gateway answers; none also where netd does not say. */
unsigned console_gateways(struct console *console)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct wire in;

	buf_init(&body, 64);
	wire_put_text(&body, "gateways");
	if (console_call_within(console, CONSOLE_SERVER_NETD, NETD_MSG_SHOW, buf_str(&body),
				GATEWAY_EVERY_MS, &reply, NULL) < 0)
		return 0;
	wire_init(&in, reply.body.ptr, reply.body.len);
	return gateway_listed(wire_str(&in, NETD_SHOW_MAX));
}

/* Whether what was tried still differs from what netd has: it has not read the revision yet. */
bool console_netd_behind(struct console *console)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	uint32_t count;

	if (console_call_within(console, CONSOLE_SERVER_NETD, NETD_MSG_CHECK, STR(""),
				GATEWAY_EVERY_MS, &reply, NULL) < 0)
		return true;
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, 65536);
	for (uint32_t i = 0; i < count && !in.error; i++)
		(void)wire_str(&in, 4096);
	return wire_str(&in, 1 << 20).len > 0;
}

int console_gateway_pause(struct console *console, struct err *err)
{
	(void)console_wait(console, -1, GATEWAY_EVERY_MS);
	return console->quit || console_interrupted(console) ? err_set(err, -EINTR, "interrupted")
							     : 0;
}

/* What has to stay: the routes, and of the gateways those that answer now. */
unsigned console_gateways_before(struct console *console)
{
	struct err ignored = { 0 };
	unsigned before = console_gateways(console);

	for (int i = 1; i < GATEWAY_BEFORE_LOOKS && before && !gateway_answers(before); i++) {
		if (console_gateway_pause(console, &ignored) < 0)
			break;
		before = console_gateways(console);
	}
	return before;
}
