/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_TLS_H
#define HOY_ENGINE_REGISTRY_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "engine/http/url.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * TLS 1.2 and 1.3 as a client, by mbedtls; the server's certificate is always verified: chain,
 * dates, and the host's name or address. mbedtls is set up in the process that uses it.
 */
struct tls_trust; /* the certificates that are trusted */
struct tls;	  /* one connection */

/* PEM texts, each may be empty. */
struct tls_texts {
	struct str system, ca;	  /* certificates that are trusted: the system's, the user's */
	struct str identity, key; /* the client's own certificate with its chain, and its key */
};

/*
 * A text of the user in which nothing can be read, and a key that does not fit its certificate, are
 * errors (-EINVAL); bad certificates in the system's bundle are skipped. Heap, tls_trust_free().
 */
int tls_trust_new(const struct tls_texts *texts, struct tls_trust **ret_trust, struct err *err);
void tls_trust_free(struct tls_trust *trust);

/*
 * Handshake on a connected fd (stays the caller's); with_identity: the client's certificate is
 * shown when the server asks for one. -EKEYREJECTED: the certificate is not good,
 * the text says why; -EPROTO: no TLS is spoken there; -ETIMEDOUT, -ECONNRESET.
 */
int tls_connect(const struct tls_trust *trust, bool with_identity, int fd, const struct url *url,
		struct tls **ret_tls, struct err *err);
void tls_free(struct tls *tls); /* tells the other side; accepts NULL */

/* Ends in a key: the section it belongs into is put behind (place_explain()). */
#define TLS_REFUSED_TEXT                                                              \
	"the TLS connection is refused by the other side: if it wants a certificate " \
	"of ours, give client_cert= and client_key="

/* As net_read() and net_write(); -EACCES: the other side refuses us, TLS_REFUSED_TEXT. */
ssize_t tls_read(struct tls *tls, void *dst, size_t cap, int timeout_ms);
ssize_t tls_write(struct tls *tls, const void *data, size_t len);

#endif
