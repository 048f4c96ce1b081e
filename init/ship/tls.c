/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns TLS towards a syslog server, by mbedtls. Run by role syslog. Must never send a line to a
 * server whose certificate is not the authority's.
 */
#include "init/ship/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <mbedtls/error.h>
#pragma GCC diagnostic pop
#include "lib/tls_base.h"

struct ship_trust {
	mbedtls_x509_crt ca, own; /* own: of this machine, none where the key is none */
	mbedtls_pk_context key;
	struct tls_chance chance;
};

struct ship_tls {
	int fd;
	uint64_t *written;
	size_t pending; /* bytes of a write that was cut short: it is repeated as it was */
	struct tls_address address; /* of a server without a name */
	mbedtls_ssl_config config;
	mbedtls_ssl_context ssl;
};

static int fill_own(struct ship_trust *trust, struct str cert, struct str key, struct err *err)
{
	if (tls_read_certificates(&trust->own, cert) != 0 || !trust->own.raw.p)
		return err_set(err, -EINVAL, "cert_file holds no readable certificate in PEM form");
	if (tls_read_key(&trust->key, key, &trust->chance) != 0)
		return err_set(err, -EINVAL, "key_file holds no readable private key in PEM form");
	return 0;
}

static int fill(struct ship_trust *trust, struct str pem, struct err *err)
{
	int r = tls_chance_open(&trust->chance, err);

	if (r < 0)
		return r;
	/* Above 0: so many of them cannot be read, which a bundle may well have. */
	if (tls_read_certificates(&trust->ca, pem) < 0 || !trust->ca.raw.p)
		return err_set(err, -EINVAL, "it holds no readable certificate in PEM form");
	return 0;
}

struct ship_trust *ship_trust_new(struct str pem, struct str cert, struct str key, struct err *err)
{
	struct ship_trust *trust = calloc(1, sizeof(*trust));

	if (trust == NULL) {
		(void)err_set(err, -ENOMEM, "no memory for TLS");
		return NULL;
	}
	mbedtls_x509_crt_init(&trust->ca);
	mbedtls_x509_crt_init(&trust->own);
	mbedtls_pk_init(&trust->key);
	if (fill(trust, pem, err) < 0 || (cert.len > 0 && fill_own(trust, cert, key, err) < 0)) {
		mbedtls_x509_crt_free(&trust->ca);
		mbedtls_x509_crt_free(&trust->own);
		mbedtls_pk_free(&trust->key);
		tls_chance_close(&trust->chance);
		free(trust);
		return NULL;
	}
	return trust;
}

static int on_verify(void *owner, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	const struct ship_tls *tls = owner;

	tls_check_address(&tls->address, crt, depth, flags);
	return 0;
}

static int on_send(void *owner, const unsigned char *bytes, size_t len)
{
	const struct ship_tls *tls = owner;
	ssize_t n = send(tls->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE
							 : MBEDTLS_ERR_SSL_CONN_EOF;
	*tls->written += (uint64_t)n;
	return (int)n;
}

static int on_receive(void *owner, unsigned char *dst, size_t cap)
{
	const struct ship_tls *tls = owner;
	ssize_t n = recv(tls->fd, dst, cap, MSG_DONTWAIT);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ
							 : MBEDTLS_ERR_SSL_CONN_EOF;
	return (int)n;
}

struct ship_tls *ship_tls_new(struct ship_trust *trust, int fd, const char *host, uint64_t *written,
			      struct err *err)
{
	struct ship_tls *tls = calloc(1, sizeof(*tls));

	if (tls != NULL) {
		tls->fd = fd;
		tls->written = written;
		mbedtls_ssl_init(&tls->ssl);
		mbedtls_ssl_config_init(&tls->config);
	}
	if (tls == NULL ||
	    tls_configure(&tls->config, MBEDTLS_SSL_IS_CLIENT, &trust->ca, &trust->chance) ||
	    (trust->own.raw.p &&
	     mbedtls_ssl_conf_own_cert(&tls->config, &trust->own, &trust->key)) ||
	    mbedtls_ssl_setup(&tls->ssl, &tls->config) ||
	    tls_expect(&tls->ssl, host, &tls->address)) {
		(void)err_set(err, -ENOMEM, "no memory for TLS");
		ship_tls_free(tls);
		return NULL;
	}
	mbedtls_ssl_conf_verify(&tls->config, on_verify, tls);
	mbedtls_ssl_set_bio(&tls->ssl, tls, on_send, on_receive, NULL);
	return tls;
}

void ship_tls_free(struct ship_tls *tls)
{
	if (tls == NULL)
		return;
	if (mbedtls_ssl_is_handshake_over(&tls->ssl))
		(void)mbedtls_ssl_close_notify(&tls->ssl);
	mbedtls_ssl_free(&tls->ssl);
	mbedtls_ssl_config_free(&tls->config);
	free(tls);
}

static int broke(struct ship_tls *tls, int code, struct err *err)
{
	char why[200] = "";

	if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) {
		(void)mbedtls_x509_crt_verify_info(why, sizeof(why), "",
						   mbedtls_ssl_get_verify_result(&tls->ssl));
		why[strcspn(why, "\n")] = '\0';
		return err_set(err, -EKEYREJECTED, "the server's certificate is not good: %s", why);
	}
	if (code == 0 || code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ||
	    code == MBEDTLS_ERR_SSL_CONN_EOF)
		return err_set(err, -EPIPE, "the server closed the connection");
	mbedtls_strerror(code, why, sizeof(why));
	return err_set(err, -EPROTO, "TLS: %s", why);
}

int ship_tls_handshake(struct ship_tls *tls, struct err *err)
{
	int r = mbedtls_ssl_handshake(&tls->ssl);

	if (r == 0)
		return SHIP_TLS_DONE;
	if (r == MBEDTLS_ERR_SSL_WANT_READ)
		return SHIP_TLS_READS;
	return r == MBEDTLS_ERR_SSL_WANT_WRITE ? SHIP_TLS_WRITES : broke(tls, r, err);
}

ssize_t ship_tls_write(struct ship_tls *tls, const void *bytes, size_t len, struct err *err)
{
	int n = mbedtls_ssl_write(&tls->ssl, bytes, tls->pending > 0 ? tls->pending : len);

	if (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE) {
		if (tls->pending == 0)
			tls->pending = len;
		return 0;
	}
	tls->pending = 0;
	return n > 0 ? n : broke(tls, n, err);
}

ssize_t ship_tls_read(struct ship_tls *tls, void *dst, size_t cap, struct err *err)
{
	int n = mbedtls_ssl_read(&tls->ssl, dst, cap);

	if (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE ||
	    n == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
		return 0;
	return n > 0 ? n : broke(tls, n, err);
}
