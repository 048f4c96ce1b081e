/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a verified certificate to a name and a role. Runs in the gate role, on bytes that its CA
 * has signed. Pure; must never give a role that the certificate does not name alone.
 */
#include "engine/gate/identity.h"

#include <errno.h>
#include <string.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#pragma GCC diagnostic pop
#include "lib/own.h"

static bool is_oid(const mbedtls_asn1_named_data *part, const char *oid, size_t len)
{
	return part->oid.len == len && !memcmp(part->oid.p, oid, len);
}

static void put_serial(const mbedtls_x509_buf *serial, char dst[GATE_SERIAL_MAX + 1])
{
	const unsigned char *at = serial->p;
	size_t len = serial->len;

	while (len > 1 && !*at) {
		at++;
		len--;
	}
	if (len > GATE_SERIAL_MAX / 2)
		len = 0; /* longer than RFC 5280 lets one be: it cannot be named */
	str_hex(at, len, dst);
	if (*dst == '0')
		memmove(dst, dst + 1, strlen(dst));
}

int gate_identity_read(const struct mbedtls_x509_crt *certificate,
		       struct gate_identity *ret_identity, struct err *err)
{
	struct gate_identity identity = { 0 };
	unsigned names = 0, units = 0;

	for (const mbedtls_asn1_named_data *part = &certificate->subject; part; part = part->next) {
		struct str value = str_make(part->val.p, part->val.len);

		if (is_oid(part, MBEDTLS_OID_AT_CN, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_CN))) {
			names++;
			if (gate_name_fits(value))
				(void)str_copy(value, identity.name, sizeof(identity.name));
		} else if (is_oid(part, MBEDTLS_OID_AT_ORG_UNIT,
				  MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_ORG_UNIT))) {
			units++;
			identity.role = gate_role_read(value);
		}
	}
	if (names != 1 || !*identity.name)
		return err_set(err, -EACCES,
			       "its certificate has to have one common name of letters, digits and "
			       "\".-_@\", at most %d",
			       GATE_NAME_MAX);
	if (units != 1 || !identity.role)
		return err_set(err, -EACCES,
			       "the certificate of %s has to have one organisational unit: reader, "
			       "operator, deployer or admin",
			       identity.name);
	put_serial(&certificate->serial, identity.serial);
	*ret_identity = identity;
	return 0;
}
