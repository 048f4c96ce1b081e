/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what the machine is called: the name of hoy.ini, or the one that a DHCP server gives where
 * hoy.ini has none of its own. Runs in PID 1. Must never take a name that is no host name.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "init/sup_calls.h"
#include "lib/log.h"

/* The shipped hoy.ini's: nobody's own. */
#define NO_NAME "hoy"

void ctl_name_use(struct sup *sup)
{
	const char *name = sup->own_name[0] && strcmp(sup->own_name, NO_NAME) != 0 ? sup->own_name
			   : sup->leased_name[0] ? sup->leased_name
						 : NO_NAME;
	bool first = !sup->named;

	if (!first && !strcmp(name, sup->hostname))
		return;
	(void)str_copy(str_from(name), sup->hostname, sizeof(sup->hostname));
	sup->named = sethostname(name, strlen(name)) == 0;
	if (!sup->named)
		sup_say(sup, LOG_PRIO_WARN, "host name not set: %s", err_name(errno));
	else if (!first)
		sup_say(sup, LOG_PRIO_NOTICE, "this machine is called %s now%s", name,
			name == sup->leased_name ? ", as the DHCP server says" : "");
}

static bool is_host_name(struct str name)
{
	bool fine = true;

	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		fine &= (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || (c == '-' && i > 0 && i + 1 < name.len);
	}
	return fine;
}

void ctl_hostname(struct msg_peer *peer, struct msg *msg)
{
	struct sup *sup = ctl_sup();
	struct str name;
	struct wire in;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	name = wire_str(&in, sizeof(sup->leased_name) - 1);
	if (wire_end(&in) < 0 || !is_host_name(name))
		return;
	(void)str_copy(name, sup->leased_name, sizeof(sup->leased_name));
	if (sup->config_known)
		ctl_name_use(sup);
}
