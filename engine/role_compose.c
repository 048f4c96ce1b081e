/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Role compose: one Compose file of the configuration becomes sections of services.ini, and the
 * process ends. It reads foreign text: no file, no network, no capability.
 */
#include "engine/api/compose_msg.h"
#include "engine/compose/compose.h"
#include "engine/role.h"
#include "engine/role_start.h"
#include "lib/own.h"

enum { COMPOSE_UID = 919, COMPOSE_QUEUE_MAX = 8 << 20, COMPOSE_SPACE_MAX = 256 << 20 };

static const struct msg_rule rules[] = {
	{ COMPOSE_MSG_CONVERT, "convert", 4, COMPOSE_BODY_MAX, 0, 0, ROLE_PEER_MAIN,
	  compose_serve },
};

int role_compose(void)
{
	static struct role_service service = { .rules = rules,
					       .rule_count = ARRAY_LEN(rules),
					       .queue_max = COMPOSE_QUEUE_MAX };
	const struct sandbox sandbox = { .profile = SANDBOX_PROFILE_COMPUTE,
					 .uid = COMPOSE_UID,
					 .gid = COMPOSE_UID,
					 .root = "/var/empty",
					 .address_space_max = COMPOSE_SPACE_MAX,
					 .files_max = 16 };

	role_begin(&service, &sandbox);
	return role_run(&service);
}
