/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SHIP_TLS_H
#define HOY_INIT_SHIP_TLS_H

#include <stdint.h>
#include <sys/types.h>
#include "lib/err.h"
#include "lib/str.h"

/* TLS 1.2 and newer towards a syslog server (RFC 5425), on a socket that never waits. */
struct ship_trust; /* the authority that its certificate is held against */
struct ship_tls;

enum { SHIP_TLS_DONE = 0, SHIP_TLS_READS = 1, SHIP_TLS_WRITES = 2 };

/* NULL and err when `pem` holds no certificate, or this machine's own and its key, which may be
 * empty, are none. Kept for ever. */
struct ship_trust *ship_trust_new(struct str pem, struct str cert, struct str key, struct err *err);

/* fd stays the caller's; *written grows by what goes into it. NULL and err for want of memory. */
struct ship_tls *ship_tls_new(struct ship_trust *trust, int fd, const char *host, uint64_t *written,
			      struct err *err);
void ship_tls_free(struct ship_tls *tls); /* says goodbye where that does not wait */

/* SHIP_TLS_*, what it waits for, or a negative errno: -EKEYREJECTED for a certificate that is not
 * the authority's, or of another name. */
int ship_tls_handshake(struct ship_tls *tls, struct err *err);
/* How many bytes were taken, 0 = try again with the same bytes, or a negative errno. */
ssize_t ship_tls_write(struct ship_tls *tls, const void *bytes, size_t len, struct err *err);
ssize_t ship_tls_read(struct ship_tls *tls, void *dst, size_t cap, struct err *err);

#endif
