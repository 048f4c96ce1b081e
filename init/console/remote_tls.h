/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_REMOTE_TLS_H
#define HOY_INIT_CONSOLE_REMOTE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "lib/err.h"
#include "lib/str.h"

/* TLS 1.2 or 1.3 to a machine's gate, both sides with certificates. Blocks. */
struct remote_tls;

/*
 * Handshake on a connected fd, which stays the caller's. PEM texts. -EKEYREJECTED: the machine's
 * certificate is not the authority's or for another name, or the machine does not take ours;
 * -EINVAL: a text cannot be read; -EPROTO: GATE_PROTOCOL_HOY is not spoken there.
 */
int remote_tls_connect(int fd, const char *host, struct str ca, struct str cert, struct str key,
		       struct remote_tls **ret_tls, struct err *err);
void remote_tls_free(struct remote_tls *tls);  /* tells the other side; accepts NULL */
void remote_tls_drop(struct remote_tls **tls); /* for OWN() */

/* Bytes, at least one; -EPIPE: it ended, -EKEYREJECTED: it ended before the machine said anything.
 */
ssize_t remote_tls_read(struct remote_tls *tls, void *dst, size_t cap, struct err *err);
/* All of it. */
int remote_tls_write(struct remote_tls *tls, const void *bytes, size_t len, struct err *err);
/* As much as goes out without waiting, 0 for nothing: then the same bytes again, and no others. */
ssize_t remote_tls_push(struct remote_tls *tls, const void *bytes, size_t len, struct err *err);
/* Whether something is read already, so that poll() need not show it. */
bool remote_tls_pending(const struct remote_tls *tls);

#endif
