/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONF_DNS_H
#define HOY_NETD_CONF_DNS_H

#include "lib/ini.h"
#include "netd/dns_upstream.h"

/* [dns]: whom containers' and the machine's own questions are forwarded to. */
struct conf_dns {
	bool refused; /* a mistake in it: nothing is forwarded until it is mended */
	bool over_tls;
	struct dns_upstreams servers; /* none: those of the uplinks */
	char ca_file[256];	      /* "" = the system's authorities */
};

int conf_check_server(struct str value, struct err *err);
int conf_check_pin(struct str value, struct err *err);
/* A mistake in the section refuses all of it. */
void conf_read_dns(struct ini_config *ini, struct ini_section *section, struct conf_dns *dns);

#endif
