/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_GATE_IDENTITY_H
#define HOY_ENGINE_GATE_IDENTITY_H

#include "engine/api/gate_msg.h"
#include "lib/err.h"

/* Who a certificate is for: a common name, and one organisational unit that is a role. */
enum { GATE_SERIAL_MAX = 2 * 20 };

struct gate_identity {
	char name[GATE_NAME_MAX + 1];
	char serial[GATE_SERIAL_MAX + 1]; /* hex digits, without leading zeros */
	enum gate_role role;
};

struct mbedtls_x509_crt;

/* Of a certificate that has been verified. -EACCES with what is missing or in excess. */
int gate_identity_read(const struct mbedtls_x509_crt *certificate,
		       struct gate_identity *ret_identity, struct err *err);
/* Whether one of `revoked` (names, serial numbers) means it. */
bool gate_identity_revoked(const struct gate_identity *identity, const struct str *revoked,
			   uint32_t count);

#endif
