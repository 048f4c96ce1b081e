/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_GATE_SIGN_H
#define HOY_ENGINE_GATE_SIGN_H

#include "engine/api/access_msg.h"
#include "lib/err.h"

/* What gate_sign() writes into; *made of it points here. Holds private keys: wipe it. */
struct gate_signed {
	unsigned char ca[ACCESS_PEM_MAX], ca_key[ACCESS_PEM_MAX];
	unsigned char server[ACCESS_PEM_MAX], server_key[ACCESS_PEM_MAX];
	unsigned char client[ACCESS_PEM_MAX], client_key[ACCESS_PEM_MAX];
	char serial[ACCESS_SERIAL_MAX + 1];
	struct access_made made;
};

/*
 * Signs a certificate for the client of the order and a new one for the machine (ECDSA P-256,
 * RFC 5280), with the authority of the order or, where it has none, a new one. -EINVAL: the
 * authority cannot be read.
 */
int gate_sign(const struct access_order *order, struct gate_signed *ret_signed, struct err *err);

#endif
