/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the lines `audit:` of what people do at the machine's terminals: sessions, and acts that
 * change the machine. Runs in PID 1. Must never repeat a word that somebody typed.
 */
#include "init/api/audit_msg.h"
#include "init/api/config_msg.h"
#include "init/sup_calls.h"
#include "lib/log.h"
#include "lib/own.h"

enum session { SESSION_SAME, SESSION_BEGINS, SESSION_ENDS };

static const struct {
	const char *text;
	uint8_t prio;
	enum session session;
} facts[INIT_AUDIT_COUNT] = {
	[INIT_AUDIT_OPEN] = { "opened without a password", LOG_PRIO_INFO, SESSION_BEGINS },
	[INIT_AUDIT_LOGIN] = { "login", LOG_PRIO_INFO, SESSION_BEGINS },
	[INIT_AUDIT_WRONG] = { "wrong password", LOG_PRIO_NOTICE, SESSION_SAME },
	[INIT_AUDIT_HELD] = { "lockout", LOG_PRIO_WARN, SESSION_SAME },
	[INIT_AUDIT_LOCK] = { "locked", LOG_PRIO_INFO, SESSION_SAME },
	[INIT_AUDIT_UNLOCK] = { "unlocked", LOG_PRIO_INFO, SESSION_SAME },
	[INIT_AUDIT_LOGOUT] = { "logout", LOG_PRIO_INFO, SESSION_ENDS },
	[INIT_AUDIT_IDLE] = { "logout: nobody typed anything", LOG_PRIO_INFO, SESSION_ENDS },
	[INIT_AUDIT_HANGUP] = { "logout: the terminal is gone", LOG_PRIO_INFO, SESSION_ENDS },
};

static const char *terminal(const struct sup_unit *unit)
{
	return unit->tty != NULL ? unit->tty->name : unit->name;
}

void ctl_audit(struct msg_peer *peer, struct msg *msg)
{
	struct sup_unit *unit = sup_unit_of_peer(ctl_sup(), peer);
	struct wire in;
	uint32_t seconds;
	uint8_t fact;

	wire_init(&in, msg->body.ptr, msg->body.len);
	fact = wire_u8(&in);
	seconds = wire_u32(&in);
	if (wire_end(&in) < 0 || unit == NULL || fact == 0 || fact >= INIT_AUDIT_COUNT)
		return;
	if (fact == INIT_AUDIT_HELD)
		sup_say(unit->sup, facts[fact].prio,
			"audit: console %s: too many wrong passwords, none is looked at for %u s",
			terminal(unit), seconds);
	else
		sup_say(unit->sup, facts[fact].prio, "audit: console %s: %s", terminal(unit),
			facts[fact].text);
	/* Who logs out is no failure of the program: the next prompt is there at once. */
	if (fact == INIT_AUDIT_LOGOUT || fact == INIT_AUDIT_IDLE)
		unit->failures = 0;
	if (facts[fact].session != SESSION_SAME)
		unit->session = facts[fact].session == SESSION_BEGINS;
}

void ctl_audit_ended(struct sup_unit *unit)
{
	if (unit->session)
		sup_say(unit->sup, LOG_PRIO_NOTICE, "audit: console %s: its session ended: %s",
			terminal(unit), unit->end_reason);
	unit->session = false;
}

void ctl_audit_act(const struct msg_peer *peer, const char *act, const char *how)
{
	const struct sup_unit *unit = sup_unit_of_peer(ctl_sup(), peer);

	if (unit != NULL)
		sup_say(ctl_sup(), LOG_PRIO_NOTICE, "audit: console %s: %s: %s", terminal(unit),
			act, how);
	else
		sup_say(ctl_sup(), LOG_PRIO_NOTICE, "audit: the hoy program: %s: %s", act, how);
}

void ctl_audit_config(const struct msg_peer *peer, uint8_t act)
{
	static const char *const names[] = {
		[INIT_CONFIG_APPLY] = "config apply",
		[INIT_CONFIG_CONFIRM] = "config confirm",
		[INIT_CONFIG_ROLLBACK] = "config rollback",
		[INIT_CONFIG_SECRETS] = "config export --secrets",
	};

	if (act < ARRAY_LEN(names) && names[act] != NULL)
		ctl_audit_act(peer, names[act], "begun");
}
