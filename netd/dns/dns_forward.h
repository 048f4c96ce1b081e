/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_FORWARD_H
#define HOY_NETD_DNS_DNS_FORWARD_H

#include "lib/loop.h"
#include "netd/dns/dns_cache.h"
#include "netd/dns/dns_codec.h"
#include "netd/dns_upstream.h"

/*
 * Questions that go to the upstreams: one in flight per question whoever asks, each from a socket
 * of its own (random port, connected), random id, mixed case; TCP when the reply was truncated.
 * A server that is to be asked by TLS is asked by nothing else. One that did not answer is asked
 * last for a while.
 */
enum {
	DNS_PENDING_MAX = 256,
	DNS_WAITERS_MAX = 16, /* per question; a seventeenth is told to come back */
};

/* Where an answer goes; opaque to the forwarder. */
struct dns_client {
	uint32_t container, container_serial;
	uint32_t stream, stream_serial; /* of a TCP client; stream = UINT32_MAX: UDP */
	uint32_t from_ip4;
	uint16_t from_port; /* both as they came, network byte order */
	struct dns_query query;
};

/* message is empty when nobody answered: SERVFAIL then. */
typedef void dns_deliver_fn(const struct dns_client *client, struct str message);

/* What the connection to a server is like, for a person. */
typedef void dns_link_state_fn(size_t server, const char *text);

struct dns_trust;

int dns_forward_init(struct loop *loop, dns_deliver_fn *deliver, dns_link_state_fn *state);
/* Takes trust over (NULL = there is no TLS among them). What waits is asked again. */
void dns_forward_upstreams(const struct dns_upstreams *upstreams, struct dns_trust *trust);
/* Delivers at once when the cache has it. */
void dns_forward_ask(const struct dns_client *client);

#endif
