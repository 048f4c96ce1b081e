/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_IP4_H
#define HOY_NETD_IP4_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/str.h"

/* Dotted text of an address in host byte order, and back (strict). */
enum { IP4_TEXT_MAX = 16, MAC_TEXT_MAX = 18, IP4_PAIR = 31 /* prefix of two addresses */ };
const char *ip4_text(uint32_t ip4, char dst[IP4_TEXT_MAX]);
int ip4_parse(struct str text, uint32_t *ret_ip4);
/* "10.0.0.1/24"; a missing prefix gives `prefix`, -1 = it is required. */
int ip4_parse_prefix(struct str text, int prefix, uint32_t *ret_ip4, uint8_t *ret_prefix);
uint32_t ip4_mask(uint8_t prefix);
/* May an interface have it: not of 0/8, no loopback, no multicast, nothing reserved. */
bool ip4_is_host(uint32_t ip4);
int mac_parse(struct str text, uint8_t ret_mac[6]);
const char *mac_text(const uint8_t mac[6], char dst[MAC_TEXT_MAX]);

enum { DOMAIN_MAX = 254 };

/* A domain or host name that is safe in resolv.conf: labels of letters, digits, '-' and '_'. */
bool domain_ok(struct str domain);

#endif
