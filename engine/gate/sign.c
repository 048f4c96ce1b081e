/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of the machine's own authority. Runs in the sign role, which lives for one order.
 * Must never sign a name that the order did not name, nor leave a key in memory that it gives back.
 */
#include "engine/gate/sign.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#pragma GCC diagnostic pop
#include "lib/own.h"
#include "lib/tls_base.h"

enum { SIGN_SERIAL = 16, SIGN_SUBJECT_MAX = 200 };

/* A machine's clock may stand still for years: what it signs is valid from before it was built. */
static const char not_before[] = "20200101000000";
static const char not_after[] = "20491231235959";

/* What one order works with. */
struct sign {
	struct tls_chance chance;
	mbedtls_pk_context ca_key, server_key, client_key;
	mbedtls_x509_crt ca;
	char ca_name[SIGN_SUBJECT_MAX]; /* as the subject of a certificate is written */
};

/* What stands in one certificate. */
struct sign_what {
	const char *subject, *until;
	mbedtls_pk_context *key;
	const char *usage; /* OID of the extended key usage; NULL: an authority */
	size_t usage_len;
	mbedtls_x509_san_list *names;
	unsigned char serial[SIGN_SERIAL];
};

static int failed(struct err *err, const char *what, int code)
{
	char why[120] = "";

	mbedtls_strerror(code, why, sizeof(why));
	return err_set(err, -EIO, "%s: %s", what, why);
}

static int make_key(struct sign *sign, mbedtls_pk_context *key, struct err *err)
{
	int r = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

	if (!r)
		r = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key),
					mbedtls_ctr_drbg_random, &sign->chance.random);
	return r ? failed(err, "a new key", r) : 0;
}

static int fill(struct sign *sign, const struct sign_what *what, mbedtls_x509write_cert *cert)
{
	mbedtls_asn1_sequence usage = { .buf = { .tag = MBEDTLS_ASN1_OID } };
	bool authority = !what->usage;
	unsigned char serial[SIGN_SERIAL];
	int r;

	memcpy(serial, what->serial, sizeof(serial));
	mbedtls_x509write_crt_set_version(cert, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(cert, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(cert, what->key);
	mbedtls_x509write_crt_set_issuer_key(cert, &sign->ca_key);
	r = mbedtls_x509write_crt_set_serial_raw(cert, serial, sizeof(serial));
	if (!r)
		r = mbedtls_x509write_crt_set_validity(cert, not_before, what->until);
	if (!r)
		r = mbedtls_x509write_crt_set_issuer_name(cert, sign->ca_name);
	if (!r)
		r = mbedtls_x509write_crt_set_subject_name(cert, what->subject);
	if (!r)
		r = mbedtls_x509write_crt_set_basic_constraints(cert, authority,
								authority ? 0 : -1);
	if (!r)
		r = mbedtls_x509write_crt_set_key_usage(
			cert, authority ? MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN
					: MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
	if (!r)
		r = mbedtls_x509write_crt_set_subject_key_identifier(cert);
	if (!r)
		r = mbedtls_x509write_crt_set_authority_key_identifier(cert);
	if (!r && what->names)
		r = mbedtls_x509write_crt_set_subject_alternative_name(cert, what->names);
	if (!r && what->usage) {
		usage.buf.p = (unsigned char *)(uintptr_t)what->usage;
		usage.buf.len = what->usage_len;
		r = mbedtls_x509write_crt_set_ext_key_usage(cert, &usage);
	}
	return r;
}

static int write_certificate(struct sign *sign, struct sign_what *what,
			     unsigned char pem[ACCESS_PEM_MAX], struct err *err)
{
	mbedtls_x509write_cert cert;
	int r = mbedtls_ctr_drbg_random(&sign->chance.random, what->serial, sizeof(what->serial));

	/* Positive and of full length, whatever chance says (RFC 5280, 4.1.2.2). */
	what->serial[0] = (unsigned char)((what->serial[0] & 0x3f) | 0x40);
	mbedtls_x509write_crt_init(&cert);
	if (!r)
		r = fill(sign, what, &cert);
	if (!r)
		r = mbedtls_x509write_crt_pem(&cert, pem, ACCESS_PEM_MAX, mbedtls_ctr_drbg_random,
					      &sign->chance.random);
	mbedtls_x509write_crt_free(&cert);
	return r ? failed(err, "a new certificate", r) : 0;
}

static int write_key(mbedtls_pk_context *key, unsigned char pem[ACCESS_PEM_MAX], struct err *err)
{
	int r = mbedtls_pk_write_key_pem(key, pem, ACCESS_PEM_MAX);

	return r ? failed(err, "a new key", r) : 0;
}

/* ---- the three certificates ---- */

static int make_authority(struct sign *sign, struct gate_signed *out, struct err *err)
{
	struct sign_what what = { .until = not_after, .key = &sign->ca_key };
	unsigned char number[4];
	int r = make_key(sign, &sign->ca_key, err);

	if (r < 0)
		return r;
	r = mbedtls_ctr_drbg_random(&sign->chance.random, number, sizeof(number));
	if (r)
		return failed(err, "a new authority", r);
	/* A number in its name: two machines' authorities are told apart by whoever trusts both. */
	(void)snprintf(sign->ca_name, sizeof(sign->ca_name), "CN=Hoy authority %02x%02x%02x%02x",
		       number[0], number[1], number[2], number[3]);
	what.subject = sign->ca_name;
	r = write_certificate(sign, &what, out->ca, err);
	return r < 0 ? r : write_key(&sign->ca_key, out->ca_key, err);
}

static int copy_pem(struct str pem, unsigned char dst[ACCESS_PEM_MAX], const char *what,
		    struct err *err)
{
	if (pem.len >= ACCESS_PEM_MAX)
		return err_set(err, -EINVAL, "the authority's %s is too long", what);
	memcpy(dst, pem.ptr, pem.len);
	dst[pem.len] = 0;
	return 0;
}

static int read_authority(struct sign *sign, const struct access_order *order,
			  struct gate_signed *out, struct err *err)
{
	int r = copy_pem(order->ca, out->ca, "certificate", err);

	if (r >= 0)
		r = copy_pem(order->ca_key, out->ca_key, "key", err);
	if (r < 0)
		return r;
	if (mbedtls_x509_crt_parse(&sign->ca, out->ca, order->ca.len + 1) ||
	    mbedtls_pk_parse_key(&sign->ca_key, out->ca_key, order->ca_key.len + 1, NULL, 0,
				 mbedtls_ctr_drbg_random, &sign->chance.random) ||
	    mbedtls_x509_dn_gets(sign->ca_name, sizeof(sign->ca_name), &sign->ca.subject) < 0)
		return err_set(err, -EINVAL, "the machine's authority cannot be read");
	return 0;
}

static int make_server(struct sign *sign, const struct access_order *order, struct gate_signed *out,
		       struct err *err)
{
	static mbedtls_x509_san_list names[ACCESS_HOSTS_MAX];
	static struct in_addr addresses[ACCESS_HOSTS_MAX];
	static char hosts[ACCESS_HOSTS_MAX][ACCESS_HOST_MAX + 1];
	struct sign_what what = { .subject = "CN=Hoy",
				  .until = not_after,
				  .key = &sign->server_key,
				  .usage = MBEDTLS_OID_SERVER_AUTH,
				  .usage_len = MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH),
				  .names = order->host_count ? names : NULL };
	int r;

	for (uint32_t i = 0; i < order->host_count; i++) {
		mbedtls_x509_subject_alternative_name *node = &names[i].node;

		(void)str_copy(order->hosts[i], hosts[i], sizeof(hosts[i]));
		names[i].next = i + 1 < order->host_count ? &names[i + 1] : NULL;
		node->type = MBEDTLS_X509_SAN_DNS_NAME;
		node->san.unstructured_name.p = (unsigned char *)hosts[i];
		node->san.unstructured_name.len = order->hosts[i].len;
		if (inet_pton(AF_INET, hosts[i], &addresses[i]) != 1)
			continue;
		node->type = MBEDTLS_X509_SAN_IP_ADDRESS;
		node->san.unstructured_name.p = (unsigned char *)&addresses[i];
		node->san.unstructured_name.len = sizeof(addresses[i]);
	}
	r = make_key(sign, &sign->server_key, err);
	if (r >= 0)
		r = write_certificate(sign, &what, out->server, err);
	return r < 0 ? r : write_key(&sign->server_key, out->server_key, err);
}

static int make_client(struct sign *sign, const struct access_order *order, struct gate_signed *out,
		       struct err *err)
{
	char subject[SIGN_SUBJECT_MAX], until[16] = "";
	struct sign_what what = { .subject = subject,
				  .until = until,
				  .key = &sign->client_key,
				  .usage = MBEDTLS_OID_CLIENT_AUTH,
				  .usage_len = MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH) };
	time_t end = (time_t)order->until_s;
	struct tm tm;
	int r;

	(void)snprintf(subject, sizeof(subject), "CN=%.*s,OU=%s", STR_ARG(order->name),
		       gate_role_name(order->role));
	if (!gmtime_r(&end, &tm) || tm.tm_year < 120 || tm.tm_year > 149 ||
	    strftime(until, sizeof(until), "%Y%m%d%H%M%S", &tm) != 14)
		return err_set(err, -EINVAL, "a certificate ends between 2020 and 2049");
	r = make_key(sign, &sign->client_key, err);
	if (r >= 0)
		r = write_certificate(sign, &what, out->client, err);
	if (r >= 0)
		r = write_key(&sign->client_key, out->client_key, err);
	if (r >= 0)
		str_hex(what.serial, sizeof(what.serial), out->serial);
	return r;
}

static int run(struct sign *sign, const struct access_order *order, struct gate_signed *out,
	       struct err *err)
{
	int r;

	r = tls_chance_open(&sign->chance, err);
	if (r < 0)
		return r;
	r = order->ca.len ? read_authority(sign, order, out, err) : make_authority(sign, out, err);
	if (r >= 0)
		r = make_server(sign, order, out, err);
	return r < 0 ? r : make_client(sign, order, out, err);
}

static struct str text_of(const unsigned char *pem)
{
	return str_from((const char *)pem);
}

int gate_sign(const struct access_order *order, struct gate_signed *ret_signed, struct err *err)
{
	struct gate_signed *out = ret_signed;
	struct sign sign = { 0 };
	int r;

	mbedtls_pk_init(&sign.ca_key);
	mbedtls_pk_init(&sign.server_key);
	mbedtls_pk_init(&sign.client_key);
	mbedtls_x509_crt_init(&sign.ca);
	r = run(&sign, order, out, err);
	mbedtls_x509_crt_free(&sign.ca);
	mbedtls_pk_free(&sign.client_key);
	mbedtls_pk_free(&sign.server_key);
	mbedtls_pk_free(&sign.ca_key);
	tls_chance_close(&sign.chance);
	if (r < 0)
		return r;
	out->made = (struct access_made){ text_of(out->ca),	text_of(out->ca_key),
					  text_of(out->server), text_of(out->server_key),
					  text_of(out->client), text_of(out->client_key),
					  str_from(out->serial) };
	return 0;
}
