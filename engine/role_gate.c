/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Role gate: TLS for clients from the network. It holds the listening socket (fd 4), the machine's
 * key and the connections; it must never see what the bytes mean, nor open a file or a socket.
 */
#include <errno.h>
#include <unistd.h>
#include "engine/gate/gate.h"
#include "engine/role.h"
#include "engine/role_start.h"
#include "lib/log.h"
#include "lib/own.h"

enum { GATE_FD_LISTEN = 4, GATE_UID = 916 };

static struct gate *gate;

static void on_config(struct msg_peer *peer, struct msg *msg)
{
	static struct gate_config config;
	struct err err = { 0 };
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	gate_config_get(&in, &config);
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed request")
			      : gate_configure(gate, &config, &err);
	if (r < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, STR(""), NULL, 0);
}

static const struct msg_rule rules[] = {
	{ GATE_MSG_CONFIG, "gate-config", 16, GATE_CONFIG_MAX, 0, 0, ROLE_PEER_MAIN, on_config },
};

int role_gate(void)
{
	static struct role_service service = { .rules = rules,
					       .rule_count = ARRAY_LEN(rules),
					       .queue_max = 1 << 20 };
	const struct sandbox sandbox = { .profile = SANDBOX_PROFILE_SERVER,
					 .uid = GATE_UID,
					 .gid = GATE_UID,
					 .root = "/var/empty",
					 .address_space_max = 512 << 20,
					 .files_max = 1024 };
	struct err err = { 0 };

	role_begin(&service, &sandbox);
	gate = gate_new(&service.loop, GATE_FD_LISTEN, &service.main, &err);
	if (!gate)
		fatal("%s", err_text(&err));
	return role_run(&service);
}
