/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_GATE_TRUST_H
#define HOY_ENGINE_GATE_TRUST_H

#include "engine/api/gate_msg.h"
#include "lib/err.h"
#include "lib/tls_base.h"

/*
 * What handshakes are made with: the machine's own certificate, and the authority of its clients.
 * Counted: each connection holds the one it began with.
 */
struct gate_trust {
	unsigned users;
	mbedtls_ssl_config config;
	mbedtls_x509_crt authority, own;
	mbedtls_pk_context key;
	struct tls_chance chance;
};

/* With one user. -EINVAL names the text in which nothing can be read. */
int gate_trust_new(const struct gate_config *texts, struct gate_trust **ret_trust, struct err *err);
/* One user less; accepts NULL. */
void gate_trust_drop(struct gate_trust *trust);

#endif
