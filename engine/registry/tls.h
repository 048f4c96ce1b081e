/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_TLS_H
#define HOY_ENGINE_REGISTRY_TLS_H

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

/*
 * PEM texts, either may be empty. A CA text of the user in which no certificate can be read is an
 * error; bad ones in the system's bundle are skipped. Heap, tls_trust_free().
 */
int tls_trust_new(struct str system_pem, struct str user_pem, struct tls_trust **ret_trust,
		  struct err *err);
void tls_trust_free(struct tls_trust *trust);

/*
 * Handshake on a connected fd (stays the caller's). -EKEYREJECTED: the certificate is not good,
 * the text says why; -EPROTO: no TLS is spoken there; -ETIMEDOUT, -ECONNRESET.
 */
int tls_connect(const struct tls_trust *trust, int fd, const struct url *url, struct tls **ret_tls,
		struct err *err);
void tls_free(struct tls *tls); /* tells the other side; accepts NULL */

/* As net_read() and net_write(). */
ssize_t tls_read(struct tls *tls, void *dst, size_t cap, int timeout_ms);
ssize_t tls_write(struct tls *tls, const void *data, size_t len);

#endif
