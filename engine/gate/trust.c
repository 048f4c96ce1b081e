/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates and key of the gate, as mbedtls has them. Runs in the gate role. Must never make a
 * configuration with which a client goes unverified, or a session is resumed.
 */
#include "engine/gate/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <mbedtls/error.h>
#pragma GCC diagnostic pop
#include "lib/own.h"

/* AES first: it has instructions nearly everywhere; ChaCha20 for what has none. */
static const int ciphersuites[] = {
	MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
	MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	0,
};

/* The Docker API, and `hoy -H`. Another protocol gets a name of its own here, and its stream
 * another reader. */
static const char *protocols[] = { "http/1.1", GATE_PROTOCOL_HOY, NULL };

static int unreadable(struct err *err, const char *key, int code)
{
	char why[120] = "";

	if (code < 0)
		mbedtls_strerror(code, why, sizeof(why));
	return err_set(err, -EINVAL, "%s holds nothing readable in PEM form%s%s%s", key,
		       *why ? " (" : "", why, *why ? ")" : "");
}

static int add_pem(mbedtls_x509_crt *chain, struct str pem, const char *key, struct err *err)
{
	int r = tls_read_certificates(chain, pem);

	return r || !pem.len ? unreadable(err, key, r) : 0;
}

static int add_key(struct gate_trust *trust, struct str pem, struct err *err)
{
	int r = tls_read_key(&trust->key, pem, &trust->chance);

	if (r)
		return unreadable(err, "key_file", r);
	if (mbedtls_pk_check_pair(&trust->own.pk, &trust->key, mbedtls_ctr_drbg_random,
				  &trust->chance.random))
		return err_set(err, -EINVAL, "key_file is not the key of cert_file");
	return 0;
}

static int fill(struct gate_trust *trust, const struct gate_config *texts, struct err *err)
{
	mbedtls_ssl_config *config = &trust->config;
	int r = tls_chance_open(&trust->chance, err);

	if (r >= 0)
		r = add_pem(&trust->authority, texts->ca, "ca_file", err);
	if (r >= 0)
		r = add_pem(&trust->own, texts->certificate, "cert_file", err);
	if (r >= 0)
		r = add_key(trust, texts->key, err);
	if (r < 0)
		return r;
	if (tls_configure(config, MBEDTLS_SSL_IS_SERVER, &trust->authority, &trust->chance) ||
	    mbedtls_ssl_conf_alpn_protocols(config, protocols) ||
	    mbedtls_ssl_conf_own_cert(config, &trust->own, &trust->key))
		return err_set(err, -ENOMEM, "no memory for TLS");
	mbedtls_ssl_conf_ciphersuites(config, ciphersuites);
	return 0;
}

static void trust_free(struct gate_trust *trust)
{
	mbedtls_ssl_config_free(&trust->config);
	mbedtls_x509_crt_free(&trust->authority);
	mbedtls_x509_crt_free(&trust->own);
	mbedtls_pk_free(&trust->key);
	tls_chance_close(&trust->chance);
	free(trust);
}

int gate_trust_new(const struct gate_config *texts, struct gate_trust **ret_trust, struct err *err)
{
	struct gate_trust *trust = calloc(1, sizeof(*trust));
	int r;

	if (!trust)
		return err_set(err, -ENOMEM, "no memory for TLS");
	trust->users = 1;
	mbedtls_ssl_config_init(&trust->config);
	mbedtls_x509_crt_init(&trust->authority);
	mbedtls_x509_crt_init(&trust->own);
	mbedtls_pk_init(&trust->key);
	r = fill(trust, texts, err);
	if (r < 0) {
		trust_free(trust);
		return r;
	}
	*ret_trust = trust;
	return 0;
}

void gate_trust_drop(struct gate_trust *trust)
{
	if (trust && !--trust->users)
		trust_free(trust);
}
