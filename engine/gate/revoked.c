/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a certificate is one of those that count no more. Runs in the gate role. Pure.
 */
#include "engine/gate/identity.h"

bool gate_identity_revoked(const struct gate_identity *identity, const struct str *revoked,
			   uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct str serial = revoked[i];

		while (serial.len > 1 && serial.ptr[0] == '0')
			serial = str_skip(serial, 1);
		if (str_is(revoked[i], identity->name) ||
		    (*identity->serial && str_is_nocase(serial, identity->serial)))
			return true;
	}
	return false;
}
