/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what people ask about the machine's end: INIT_MSG_POWER. Runs in PID 1. Must never begin a
 * reset without its words, typed on a terminal of the machine.
 */
#include <errno.h>
#include "init/sup_calls.h"

struct power_plan {
	const char *name;
	const char *words, *refusal; /* of a reset; NULL = neither */
};

static const struct power_plan plans[] = {
	[INIT_POWER_ACT_REBOOT] = { "reboot", NULL, NULL },
	[INIT_POWER_ACT_POWEROFF] = { "poweroff", NULL, NULL },
	[INIT_POWER_ACT_FACTORY_RESET] = { "factory-reset", "erase all data",
					   "a factory reset needs the words: erase all data" },
	[INIT_POWER_ACT_RESET_SETTINGS] = { "factory-reset --keep-data", "erase all settings",
					    "this reset needs the words: erase all settings" },
};

static bool may(struct msg_peer *peer, const struct msg *msg, const struct power_plan *plan,
		struct str confirm)
{
	bool here = peer->identity == INIT_PEER_CONSOLE;

	if (plan->words == NULL || (here && str_is(confirm, plan->words)))
		return true;
	ctl_audit_act(peer, plan->name, "refused");
	if (here)
		ctl_refuse(peer, msg, -EINVAL, plan->refusal);
	else
		ctl_refuse(peer, msg, -EPERM, "a factory reset is done on the console only");
	return false;
}

void ctl_power(struct msg_peer *peer, struct msg *msg)
{
	struct wire in;
	struct str confirm;
	uint8_t act;

	wire_init(&in, msg->body.ptr, msg->body.len);
	act = wire_u8(&in);
	confirm = wire_str(&in, 64);
	if (wire_end(&in) < 0 || act < INIT_POWER_ACT_REBOOT ||
	    act > INIT_POWER_ACT_RESET_SETTINGS) {
		ctl_refuse(peer, msg, -EBADMSG, "malformed POWER");
		return;
	}
	if (!may(peer, msg, &plans[act], confirm))
		return;
	(void)msg_reply(peer, msg->type, msg->serial, (struct str){ 0 }, NULL, 0);
	ctl_audit_act(peer, plans[act].name, "begun");
	sup_power_begin(ctl_sup(), (enum init_power_act)act,
			peer->identity == INIT_PEER_CONSOLE ? "asked for on the console"
							    : "asked for by the hoy program");
}
