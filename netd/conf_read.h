/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONF_READ_H
#define HOY_NETD_CONF_READ_H

#include "netd/conf.h"

/* What conf.c and conf_link.c share: values of a section, and the sections beside [network]. */
const struct ini_value *conf_values(const struct ini_section *section, const char *key);
bool conf_flag(const struct ini_section *section, const char *key);
uint32_t conf_number(const struct ini_section *section, const char *key);

/* A name that the kernel takes for an interface. */
int conf_check_ifname(struct str value, struct err *err);
/* conf_check.c: 0, or -EINVAL with what is expected. */
int conf_check_glob(struct str value, struct err *err);
int conf_check_mac(struct str value, struct err *err);
int conf_check_own_mac(struct str value, struct err *err);
int conf_check_destination(struct str value, struct err *err);
int conf_check_hostname(struct str value, struct err *err);
int conf_check_prefix(struct str value, struct err *err);
int conf_check_host(struct str value, struct err *err);
int conf_check_domain(struct str value, struct err *err);
int conf_check_time_server(struct str value, struct err *err);
int conf_check_token(struct str value, struct err *err);
int conf_check_hint(struct str value, struct err *err);
/* "static:::10", or the address alone: what is in its last 64 bits; -EINVAL. */
int conf_token_parse(struct str value, struct ip6 *ret_token);
int conf_check_forwarding(struct str value, struct err *err);
int conf_check_masquerade(struct str value, struct err *err);
int conf_check_options(struct str value, struct err *err);
/* Adds the numbers of a list; -EINVAL: what is none, or one too many. */
int conf_options_parse(struct str value, struct conf_dhcp4 *dhcp4);
/* Of a [bridge] section. */
int conf_check_subnet(struct str value, struct err *err);
int conf_check_subnet6(struct str value, struct err *err);
int conf_check_gateway(struct str value, struct err *err);
int conf_check_gateway6(struct str value, struct err *err);
int conf_check_range(struct str value, struct err *err);
int conf_check_reserved(struct str value, struct err *err);
int conf_check_rate(struct str value, struct err *err);
/* VLAN, Bond and Bridge of a [network] section; a part of a bond or bridge has nothing else. */
void conf_read_parts(struct ini_config *ini, struct ini_section *section,
		     struct conf_uplink *uplink);
/* A section with a mistake, or of a network that is not there, costs that section alone. */
void conf_add_route(struct ini_config *ini, struct ini_section *section, struct conf *conf);
void conf_add_address(struct ini_config *ini, struct ini_section *section, struct conf *conf);
void conf_add_bridge(struct ini_config *ini, struct ini_section *section, struct conf *conf);
/* Which [bridge] sections are not among the bridges, and why. */
void conf_note_refused(const struct ini_config *ini, struct conf *conf);
void conf_add_netdev(struct ini_config *ini, struct ini_section *section, struct conf *conf);

#endif
