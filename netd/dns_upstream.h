/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_UPSTREAM_H
#define HOY_NETD_DNS_UPSTREAM_H

#include "lib/buf.h"
#include "netd/ip4.h"
#include "netd/ip6.h"

/* The servers that questions are forwarded to, and how. Pure. */
enum {
	DNS_UPSTREAMS_MAX = 4,
	DNS_PINS_MAX = 4,
	DNS_PIN_SIZE = 32, /* SHA-256 */
	DNS_PORT = 53,
	DNS_TLS_PORT = 853,
	DNS_OWN_ADDRESS = 0x7f000035, /* 127.0.0.53: where the machine's own resolver listens */
	DNS_UPSTREAM_TEXT_MAX = IP_ANY_TEXT_MAX + DOMAIN_MAX + 16,
};

struct dns_upstream {
	struct ip_any address;
	uint16_t port;	       /* 0 = the usual one */
	bool tls;	       /* and nothing else: never in plain text */
	char name[DOMAIN_MAX]; /* that its certificate is for; "" = for its address */
};

struct dns_upstreams {
	struct dns_upstream list[DNS_UPSTREAMS_MAX];
	size_t count;
	/* SHA-256 of the public keys (SubjectPublicKeyInfo) that servers may have; none = any */
	uint8_t pins[DNS_PINS_MAX][DNS_PIN_SIZE];
	size_t pin_count;
};

/* "192.0.2.53", "192.0.2.53:853#dns.example", "[2001:db8::53]:853#dns.example"; -EINVAL. */
int dns_upstream_parse(struct str text, struct dns_upstream *ret_upstream);
/* The same back, without what is usual. */
const char *dns_upstream_text(const struct dns_upstream *upstream, char dst[DNS_UPSTREAM_TEXT_MAX]);
uint16_t dns_upstream_port(const struct dns_upstream *upstream);
/* A pin as RFC 7858 4.2 writes it: 44 characters of base64, "sha256//" may stand in front. */
int dns_pin_parse(struct str text, uint8_t ret_pin[DNS_PIN_SIZE]);

void dns_upstreams_encode(const struct dns_upstreams *upstreams, struct buf *out);
int dns_upstreams_decode(struct str body, struct dns_upstreams *ret_upstreams); /* -EBADMSG */

#endif
