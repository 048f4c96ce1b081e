/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_IP6_H
#define HOY_NETD_IP6_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "lib/str.h"

/* An IPv6 address as it stands in packets. */
struct ip6 {
	uint8_t b[16];
};

/* Text of an address (RFC 5952) and back; IPv4-mapped ones are refused: they are IPv4. */
enum { IP6_TEXT_MAX = 46 };
const char *ip6_text(const struct ip6 *ip6, char dst[IP6_TEXT_MAX]);
int ip6_parse(struct str text, struct ip6 *ret_ip6);
/* "fd00::1/64"; a missing prefix gives `prefix`, -1 = it is required. */
int ip6_parse_prefix(struct str text, int prefix, struct ip6 *ret_ip6, uint8_t *ret_prefix);

bool ip6_is_zero(const struct ip6 *ip6);
bool ip6_equal(const struct ip6 *a, const struct ip6 *b);
/* Are the first `prefix` bits of both the same? */
bool ip6_in_prefix(const struct ip6 *a, const struct ip6 *b, uint8_t prefix);
/* Without the bits behind the prefix. */
struct ip6 ip6_network(const struct ip6 *ip6, uint8_t prefix);
/* ip6 + n, wrapping within the last 64 bits. */
struct ip6 ip6_plus(const struct ip6 *ip6, uint64_t n);
/* The last 64 bits as a number. */
uint64_t ip6_low(const struct ip6 *ip6);
bool ip6_is_ula(const struct ip6 *ip6);	       /* fc00::/7 */
bool ip6_is_link_local(const struct ip6 *ip6); /* fe80::/10 */
bool ip6_is_loopback(const struct ip6 *ip6);   /* ::1 */
/* May an interface have it: no multicast, not ::, not ::1. */
bool ip6_is_host(const struct ip6 *ip6);

/* An address of either family, of a server. */
struct ip_any {
	bool v6;
	uint32_t ip4;
	struct ip6 ip6;
	uint32_t scope; /* interface of a link-local one */
};

enum { IP_ANY_TEXT_MAX = IP6_TEXT_MAX + 12 };
/* With "%INDEX" where there is a scope. */
const char *ip_any_text(const struct ip_any *any, char dst[IP_ANY_TEXT_MAX]);
int ip_any_parse(struct str text, struct ip_any *ret_any);
bool ip_any_equal(const struct ip_any *a, const struct ip_any *b);
/* Where its port is, for connect(2); the length of what is filled in. */
socklen_t ip_any_place(const struct ip_any *any, uint16_t port, struct sockaddr_storage *ret_place);

#endif
