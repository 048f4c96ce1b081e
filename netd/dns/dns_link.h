/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_LINK_H
#define HOY_NETD_DNS_DNS_LINK_H

#include "lib/loop.h"
#include "lib/str.h"
#include "netd/dns_upstream.h"

/*
 * One connection to each server, by TCP or TLS: opened by the first question, kept while there are
 * more (RFC 7766, RFC 7858), any number of questions on their way at once. One that fails rests
 * before it is tried again, longer each time.
 *
 *   closed -> connecting -> (handshake ->) ready -> closed
 *
 * Callbacks come from the loop and never from within dns_link_send().
 */
enum { DNS_LINK_STATE_MAX = 160 };

struct dns_link_events {
	/* A whole message; the bytes last until the return. */
	void (*message)(size_t server, struct str message);
	/* What was asked and not answered is lost. served: it had answered something before, and
	 * closed as servers do after a while; else it rests. */
	void (*lost)(size_t server, bool served);
	/* For a person: "connected by TLS", or what is wrong. */
	void (*state)(size_t server, const char *text);
};

struct dns_trust;

void dns_link_init(struct loop *loop, const struct dns_link_events *events);
/* From now on these, and trust (taken over; NULL = no TLS). Open connections end without a
 * callback. */
void dns_link_servers(const struct dns_upstreams *upstreams, struct dns_trust *trust);
/* 0 = it is on its way; -EBUSY: the server rests; another errno: no connection can be begun. */
int dns_link_send(size_t server, struct str message);
/* Until when it rests; a time that is over when it does not. */
struct mono dns_link_rests(size_t server);
/*
 * What was sent at `since` has no answer. A connection that brought nothing since then is doubted:
 * one answer may take long; what was sent after that and has no answer either ends it.
 */
void dns_link_suspect(size_t server, struct mono since);
/* A socket of its own that is connected to the server, or about to be; type: SOCK_DGRAM ... */
int dns_link_socket(const struct dns_upstream *upstream, int type, struct err *err);

#endif
