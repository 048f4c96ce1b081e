/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_TLS_H
#define HOY_NETD_DNS_DNS_TLS_H

#include <stdint.h>
#include <sys/types.h>
#include "lib/err.h"
#include "lib/str.h"
#include "netd/dns_upstream.h"

/*
 * TLS 1.2 and 1.3 over a socket that does not block, by mbedtls. The server is always
 * authenticated, by the strict profile of RFC 8310: its certificate has to be for the server's name
 * (or address) by an authority that is trusted; with pins (RFC 7858 4.2) its key has to be one of
 * them, which is enough where no name is given.
 */
struct dns_trust;
struct dns_tls;

/* ca_pem: the authorities, "" = pins alone. -ENOMEM, -EIO, -EINVAL (no readable certificate). */
int dns_trust_new(struct str ca_pem, const struct dns_upstreams *upstreams,
		  struct dns_trust **ret_trust, struct err *err);
void dns_trust_free(struct dns_trust *trust);

/* One connection. The fd is the caller's; trust and upstream live longer than it. */
int dns_tls_new(const struct dns_trust *trust, int fd, const struct dns_upstream *upstream,
		struct dns_tls **ret_tls, struct err *err);
void dns_tls_free(struct dns_tls *tls);
/* 0 = done; -EAGAIN = when the socket is ready for *ret_events; else it is over. */
int dns_tls_handshake(struct dns_tls *tls, uint32_t *ret_events, struct err *err);
/* As read(2) and write(2), -EAGAIN included; 0 = the server said goodbye. */
ssize_t dns_tls_read(struct dns_tls *tls, void *dst, size_t cap);
/* Bytes that were refused with -EAGAIN have to come first in the next call. */
ssize_t dns_tls_write(struct dns_tls *tls, const void *data, size_t len);

#endif
