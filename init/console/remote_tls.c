/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of `hoy -H`, by mbedtls. Runs in the console program as a client, never on a machine of
 * Hoy's. Must never skip the verification of the other side.
 */
#include "init/console/remote_tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <mbedtls/error.h>
#pragma GCC diagnostic pop
#include "init/console/remote.h"
#include "lib/own.h"
#include "lib/tls_base.h"

struct remote_tls {
	int fd;
	bool heard; /* something came from the machine behind the handshake */
	bool hasty; /* what does not go out at once is left for later */
	struct tls_chance chance;
	struct tls_address address; /* of a machine that is not called by a name */
	mbedtls_x509_crt ca, cert;
	mbedtls_pk_context key;
	mbedtls_ssl_config config;
	mbedtls_ssl_context ssl;
};

static const char *protocols[] = { GATE_PROTOCOL_HOY, NULL };

static int on_send(void *owner, const unsigned char *bytes, size_t len)
{
	const struct remote_tls *tls = owner;
	ssize_t n = send(tls->fd, bytes, len, MSG_NOSIGNAL | (tls->hasty ? MSG_DONTWAIT : 0));

	if (n < 0)
		return errno == EINTR || (errno == EAGAIN && tls->hasty)
			       ? MBEDTLS_ERR_SSL_WANT_WRITE
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

/* r: what reading it gave. */
static int readable(int r, struct str pem, const char *name, struct err *err)
{
	return r || !pem.len ? err_set(err, -EINVAL, "%s holds nothing readable in PEM form", name)
			     : 0;
}

static int on_verify(void *owner, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	const struct remote_tls *tls = owner;

	tls_check_address(&tls->address, crt, depth, flags);
	return 0;
}

static int fill(struct remote_tls *tls, const char *host, struct str ca, struct str cert,
		struct str key, struct err *err)
{
	int r = tls_chance_open(&tls->chance, err);

	if (r >= 0)
		r = readable(tls_read_certificates(&tls->ca, ca), ca, "ca.pem", err);
	if (r >= 0)
		r = readable(tls_read_certificates(&tls->cert, cert), cert, "cert.pem", err);
	if (r >= 0)
		r = readable(tls_read_key(&tls->key, key, &tls->chance), key, "key.pem", err);
	if (r < 0)
		return r;
	if (tls_configure(&tls->config, MBEDTLS_SSL_IS_CLIENT, &tls->ca, &tls->chance) ||
	    mbedtls_ssl_conf_alpn_protocols(&tls->config, protocols) ||
	    mbedtls_ssl_conf_own_cert(&tls->config, &tls->cert, &tls->key) ||
	    mbedtls_ssl_setup(&tls->ssl, &tls->config) ||
	    tls_expect(&tls->ssl, host, &tls->address))
		return err_set(err, -ENOMEM, "no memory for TLS");
	mbedtls_ssl_conf_verify(&tls->config, on_verify, tls);
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
	tls_chance_close(&tls->chance);
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

ssize_t remote_tls_push(struct remote_tls *tls, const void *bytes, size_t len, struct err *err)
{
	int n;

	tls->hasty = true;
	n = mbedtls_ssl_write(&tls->ssl, bytes, len);
	tls->hasty = false;
	if (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE)
		return 0;
	return n < 0 ? broke(tls, n, err) : n;
}

bool remote_tls_pending(const struct remote_tls *tls)
{
	return mbedtls_ssl_get_bytes_avail(&tls->ssl) > 0 || mbedtls_ssl_check_pending(&tls->ssl);
}
