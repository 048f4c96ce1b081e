/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of `hoy -H`, by mbedtls. Runs in the console program as a client, never on a machine of
 * Hoy's. Must never skip the verification of the other side.
 */
#include "init/console/remote_tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#pragma GCC diagnostic pop
#include "init/console/remote.h"
#include "lib/own.h"

struct remote_tls {
	int fd;
	bool heard; /* something came from the machine behind the handshake */
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	mbedtls_x509_crt ca, cert;
	mbedtls_pk_context key;
	mbedtls_ssl_config config;
	mbedtls_ssl_context ssl;
};

/* Where mbedtls gets its chance from (rootfs/recipes/mbedtls.config.h): the kernel. */
int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen);

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen)
{
	ssize_t n = getrandom(output, len, 0);

	(void)data;
	if (n < 0)
		return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
	*olen = (size_t)n;
	return 0;
}

static const char *protocols[] = { GATE_PROTOCOL_HOY, NULL };

static int on_send(void *owner, const unsigned char *bytes, size_t len)
{
	const struct remote_tls *tls = owner;
	ssize_t n = send(tls->fd, bytes, len, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EINTR	 ? MBEDTLS_ERR_SSL_WANT_WRITE
		       : errno == EAGAIN ? MBEDTLS_ERR_SSL_TIMEOUT
					 : MBEDTLS_ERR_SSL_CONN_EOF;
	return (int)n;
}

static int on_receive(void *owner, unsigned char *dst, size_t cap)
{
	const struct remote_tls *tls = owner;
	ssize_t n = recv(tls->fd, dst, cap, 0);

	if (n < 0)
		return errno == EINTR	 ? MBEDTLS_ERR_SSL_WANT_READ
		       : errno == EAGAIN ? MBEDTLS_ERR_SSL_TIMEOUT
					 : MBEDTLS_ERR_SSL_CONN_EOF;
	return (int)n;
}

/* mbedtls reads PEM only with its NUL counted. */
static int parse(struct remote_tls *tls, mbedtls_x509_crt *crt, struct str pem, const char *name,
		 struct err *err)
{
	unsigned char *copy = calloc(1, pem.len + 1);
	int r;

	if (!copy)
		return err_set(err, -ENOMEM, "no memory for %s", name);
	if (pem.len)
		memcpy(copy, pem.ptr, pem.len);
	r = crt ? mbedtls_x509_crt_parse(crt, copy, pem.len + 1)
		: mbedtls_pk_parse_key(&tls->key, copy, pem.len + 1, NULL, 0,
				       mbedtls_ctr_drbg_random, &tls->random);
	explicit_bzero(copy, pem.len);
	free(copy);
	return r ? err_set(err, -EINVAL, "%s holds nothing readable in PEM form", name) : 0;
}

static int fill(struct remote_tls *tls, const char *host, struct str ca, struct str cert,
		struct str key, struct err *err)
{
	int r;

	if (psa_crypto_init() != PSA_SUCCESS ||
	    mbedtls_ctr_drbg_seed(&tls->random, mbedtls_entropy_func, &tls->entropy, NULL, 0))
		return err_set(err, -EIO, "the crypto library cannot be set up");
	r = parse(tls, &tls->ca, ca, "ca.pem", err);
	if (r >= 0)
		r = parse(tls, &tls->cert, cert, "cert.pem", err);
	if (r >= 0)
		r = parse(tls, NULL, key, "key.pem", err);
	if (r < 0)
		return r;
	if (mbedtls_ssl_config_defaults(&tls->config, MBEDTLS_SSL_IS_CLIENT,
					MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) ||
	    mbedtls_ssl_conf_alpn_protocols(&tls->config, protocols) ||
	    mbedtls_ssl_conf_own_cert(&tls->config, &tls->cert, &tls->key))
		return err_set(err, -ENOMEM, "no memory for TLS");
	mbedtls_ssl_conf_authmode(&tls->config, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(&tls->config, &tls->ca, NULL);
	mbedtls_ssl_conf_rng(&tls->config, mbedtls_ctr_drbg_random, &tls->random);
	mbedtls_ssl_conf_min_tls_version(&tls->config, MBEDTLS_SSL_VERSION_TLS1_2);
	if (mbedtls_ssl_setup(&tls->ssl, &tls->config) || mbedtls_ssl_set_hostname(&tls->ssl, host))
		return err_set(err, -ENOMEM, "no memory for TLS");
	mbedtls_ssl_set_bio(&tls->ssl, tls, on_send, on_receive, NULL);
	return 0;
}

static int refused(struct remote_tls *tls, const char *host, int code, struct err *err)
{
	char why[200] = "";

	if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) {
		(void)mbedtls_x509_crt_verify_info(why, sizeof(why), "",
						   mbedtls_ssl_get_verify_result(&tls->ssl));
		why[strcspn(why, "\n")] = 0;
		return err_set(err, -EKEYREJECTED, "the certificate of %s is not good: %s", host,
			       why);
	}
	if (code == MBEDTLS_ERR_SSL_TIMEOUT)
		return err_set(err, -ETIMEDOUT, "%s: no TLS handshake in time", host);
	if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
		return err_set(err, -EKEYREJECTED,
			       "%s does not take this certificate, or does not know %s", host,
			       GATE_PROTOCOL_HOY);
	mbedtls_strerror(code, why, sizeof(why));
	return err_set(err, code == MBEDTLS_ERR_SSL_CONN_EOF ? -EPIPE : -EPROTO,
		       "no TLS with %s: %s", host, why);
}

int remote_tls_connect(int fd, const char *host, struct str ca, struct str cert, struct str key,
		       struct remote_tls **ret_tls, struct err *err)
{
	struct remote_tls *tls OWN(remote_tls_drop) = calloc(1, sizeof(*tls));
	const char *spoken;
	int r;

	if (!tls)
		return err_set(err, -ENOMEM, "no memory for TLS");
	tls->fd = fd;
	mbedtls_entropy_init(&tls->entropy);
	mbedtls_ctr_drbg_init(&tls->random);
	mbedtls_x509_crt_init(&tls->ca);
	mbedtls_x509_crt_init(&tls->cert);
	mbedtls_pk_init(&tls->key);
	mbedtls_ssl_config_init(&tls->config);
	mbedtls_ssl_init(&tls->ssl);
	r = fill(tls, host, ca, cert, key, err);
	if (r < 0)
		return r;
	do
		r = mbedtls_ssl_handshake(&tls->ssl);
	while (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE);
	if (r)
		return refused(tls, host, r, err);
	spoken = mbedtls_ssl_get_alpn_protocol(&tls->ssl);
	if (!spoken || strcmp(spoken, GATE_PROTOCOL_HOY) != 0)
		return err_set(err, -EPROTO, "%s does not speak %s: an older Hoy, or none", host,
			       GATE_PROTOCOL_HOY);
	*ret_tls = tls;
	tls = NULL;
	return 0;
}

void remote_tls_free(struct remote_tls *tls)
{
	if (!tls)
		return;
	(void)mbedtls_ssl_close_notify(&tls->ssl);
	mbedtls_ssl_free(&tls->ssl);
	mbedtls_ssl_config_free(&tls->config);
	mbedtls_pk_free(&tls->key);
	mbedtls_x509_crt_free(&tls->cert);
	mbedtls_x509_crt_free(&tls->ca);
	mbedtls_ctr_drbg_free(&tls->random);
	mbedtls_entropy_free(&tls->entropy);
	free(tls);
}

void remote_tls_drop(struct remote_tls **tls)
{
	remote_tls_free(*tls);
	*tls = NULL;
}

/* With TLS 1.3 our handshake has ended before the machine looks at our certificate. */
static int broke(const struct remote_tls *tls, int code, struct err *err)
{
	char why[120] = "the connection ended";

	if (code == MBEDTLS_ERR_SSL_TIMEOUT)
		return err_set(err, -ETIMEDOUT, "the machine is silent in the middle of TLS");
	if (!tls->heard)
		return err_set(err, -EKEYREJECTED,
			       "the machine ended the connection instead of an answer: it does not "
			       "take this certificate, or has too many clients; its log says why");
	if (code)
		mbedtls_strerror(code, why, sizeof(why));
	return err_set(err, -EPIPE, "the connection broke off: %s", why);
}

ssize_t remote_tls_read(struct remote_tls *tls, void *dst, size_t cap, struct err *err)
{
	int n;

	do
		n = mbedtls_ssl_read(&tls->ssl, dst, cap);
	while (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE ||
	       n == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
	if (n <= 0)
		return broke(tls, n, err);
	tls->heard = true;
	return n;
}

int remote_tls_write(struct remote_tls *tls, const void *bytes, size_t len, struct err *err)
{
	const unsigned char *at = bytes;

	while (len) {
		int n = mbedtls_ssl_write(&tls->ssl, at, len);

		if (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE)
			continue;
		if (n < 0)
			return broke(tls, n, err);
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

bool remote_tls_pending(const struct remote_tls *tls)
{
	return mbedtls_ssl_get_bytes_avail(&tls->ssl) > 0 || mbedtls_ssl_check_pending(&tls->ssl);
}
