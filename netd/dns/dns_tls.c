/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns TLS with the servers that questions are forwarded to. Run by the dns role alone. It must
 * never go on with a server that was not authenticated: there is no switch for that here or above.
 */
#include "netd/dns/dns_tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <mbedtls/error.h>
#pragma GCC diagnostic pop
#include "lib/sha256.h"
#include "lib/tls_base.h"

struct dns_trust {
	mbedtls_x509_crt chain;
	struct tls_chance chance;
	uint8_t pins[DNS_PINS_MAX][DNS_PIN_SIZE];
	size_t pin_count;
};

struct dns_tls {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	const struct dns_trust *trust;
	const struct dns_upstream *upstream;
	struct tls_address address; /* of a server without a name */
	int fd;
	int error;	  /* errno of the socket below mbedtls */
	size_t unwritten; /* length of the write that mbedtls wants to see again */
	bool unpinned;	  /* its key is none of the pins */
};

/* ---- trust ---- */

/* A bundle may hold a few that cannot be read. */
static int add_authorities(struct dns_trust *trust, struct str pem, struct err *err)
{
	int r = tls_read_certificates(&trust->chain, pem);

	if (r == MBEDTLS_ERR_X509_ALLOC_FAILED)
		return err_set(err, -ENOMEM, "no memory for the trusted certificates");
	if (r < 0 || !trust->chain.raw.p)
		return err_set(err, -EINVAL,
			       "ca_file of [dns] holds no readable certificate in PEM form");
	return 0;
}

int dns_trust_new(struct str ca_pem, const struct dns_upstreams *upstreams,
		  struct dns_trust **ret_trust, struct err *err)
{
	struct dns_trust *trust = calloc(1, sizeof(*trust));
	int r;

	if (!trust)
		return err_set(err, -ENOMEM, "no memory for TLS");
	mbedtls_x509_crt_init(&trust->chain);
	memcpy(trust->pins, upstreams->pins, sizeof(trust->pins));
	trust->pin_count = upstreams->pin_count;
	r = tls_chance_open(&trust->chance, err);
	if (r == 0 && ca_pem.len)
		r = add_authorities(trust, ca_pem, err);
	if (r < 0) {
		dns_trust_free(trust);
		return r;
	}
	*ret_trust = trust;
	return 0;
}

void dns_trust_free(struct dns_trust *trust)
{
	if (!trust)
		return;
	mbedtls_x509_crt_free(&trust->chain);
	tls_chance_close(&trust->chance);
	free(trust);
}

/* ---- bytes ---- */

static int bio_send(void *owner, const unsigned char *data, size_t len)
{
	struct dns_tls *tls = owner;
	ssize_t n = send(tls->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0)
		return (int)n;
	if (errno == EAGAIN)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	tls->error = -errno;
	return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int bio_receive(void *owner, unsigned char *dst, size_t cap)
{
	struct dns_tls *tls = owner;
	ssize_t n = recv(tls->fd, dst, cap, MSG_DONTWAIT);

	if (n >= 0)
		return (int)n;
	if (errno == EAGAIN)
		return MBEDTLS_ERR_SSL_WANT_READ;
	tls->error = -errno;
	return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/* ---- who is it ---- */

static bool pinned(const struct dns_trust *trust, const mbedtls_x509_crt *crt)
{
	struct digest digest;
	struct sha256 sha;
	bool found = false;

	sha256_init(&sha);
	sha256_add(&sha, crt->pk_raw.p, crt->pk_raw.len);
	sha256_end(&sha, &digest);
	for (size_t i = 0; i < trust->pin_count; i++)
		found |= memcmp(trust->pins[i], digest.bytes, sizeof(digest.bytes)) == 0;
	return found;
}

/* Called for each certificate from the authority to the server's own, which is depth 0. */
static int on_verify(void *owner, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct dns_tls *tls = owner;

	if (!tls->trust->pin_count) {
		tls_check_address(&tls->address, crt, depth, flags);
		return 0;
	}
	if (!tls->upstream->name[0])
		*flags = 0; /* the key alone counts */
	if (depth == 0 && !pinned(tls->trust, crt)) {
		tls->unpinned = true;
		*flags |= MBEDTLS_X509_BADCERT_OTHER;
	}
	return 0;
}

static int certificate_error(struct dns_tls *tls, struct err *err)
{
	uint32_t flags = mbedtls_ssl_get_verify_result(&tls->ssl);
	char address[IP_ANY_TEXT_MAX];

	if (tls->unpinned)
		return err_set(err, -EKEYREJECTED, "its key is none of the pins of [dns]");
	if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
		return err_set(err, -EKEYREJECTED,
			       "its certificate has expired, by the clock here");
	if (flags & MBEDTLS_X509_BADCERT_FUTURE)
		return err_set(err, -EKEYREJECTED,
			       "its certificate is not valid yet, by the clock here");
	if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		return err_set(err, -EKEYREJECTED,
			       "its certificate is by no authority that is trusted: ca_file or "
			       "pin of [dns]");
	if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH)
		return err_set(err, -EKEYREJECTED, "its certificate is not for %s",
			       tls->upstream->name[0]
				       ? tls->upstream->name
				       : ip_any_text(&tls->upstream->address, address));
	return err_set(err, -EKEYREJECTED, "its certificate was refused (reasons 0x%x)",
		       (unsigned)flags);
}

/* ---- connection ---- */

static int configure(struct dns_tls *tls)
{
	const struct dns_upstream *upstream = tls->upstream;
	char address[IP_ANY_TEXT_MAX];
	int r = tls_configure(&tls->config, MBEDTLS_SSL_IS_CLIENT, &tls->trust->chain,
			      &tls->trust->chance);

	if (r != 0)
		return r;
	mbedtls_ssl_conf_verify(&tls->config, on_verify, tls);
	r = mbedtls_ssl_setup(&tls->ssl, &tls->config);
	if (r == 0)
		r = tls_expect(&tls->ssl,
			       upstream->name[0] ? upstream->name
						 : ip_any_text(&upstream->address, address),
			       &tls->address);
	mbedtls_ssl_set_bio(&tls->ssl, tls, bio_send, bio_receive, NULL);
	return r;
}

int dns_tls_new(const struct dns_trust *trust, int fd, const struct dns_upstream *upstream,
		struct dns_tls **ret_tls, struct err *err)
{
	struct dns_tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return err_set(err, -ENOMEM, "no memory for TLS");
	mbedtls_ssl_init(&tls->ssl);
	mbedtls_ssl_config_init(&tls->config);
	tls->trust = trust;
	tls->upstream = upstream;
	tls->fd = fd;
	if (configure(tls) != 0) {
		dns_tls_free(tls);
		return err_set(err, -ENOMEM, "no memory for TLS");
	}
	*ret_tls = tls;
	return 0;
}

void dns_tls_free(struct dns_tls *tls)
{
	if (!tls)
		return;
	(void)mbedtls_ssl_close_notify(&tls->ssl);
	mbedtls_ssl_free(&tls->ssl);
	mbedtls_ssl_config_free(&tls->config);
	free(tls);
}

int dns_tls_handshake(struct dns_tls *tls, uint32_t *ret_events, struct err *err)
{
	int r = mbedtls_ssl_handshake(&tls->ssl);
	char why[120];

	if (r == 0)
		return 0;
	*ret_events = r == MBEDTLS_ERR_SSL_WANT_WRITE ? EPOLLOUT : EPOLLIN;
	if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE)
		return -EAGAIN;
	if (r == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
		return certificate_error(tls, err);
	if (tls->error)
		return err_sys(err, tls->error, "TLS handshake");
	if (r == MBEDTLS_ERR_SSL_CONN_EOF || r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		return err_set(err, -ECONNRESET, "it closed the connection in the TLS handshake");
	mbedtls_strerror(r, why, sizeof(why));
	return err_set(err, -EPROTO, "TLS handshake: %s", why);
}

static ssize_t io_error(struct dns_tls *tls, int code)
{
	if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE)
		return -EAGAIN;
	if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || code == MBEDTLS_ERR_SSL_CONN_EOF)
		return 0;
	return tls->error ? tls->error : -EPROTO;
}

ssize_t dns_tls_read(struct dns_tls *tls, void *dst, size_t cap)
{
	int r;

	/* TLS 1.3 tickets come between the data. */
	do
		r = mbedtls_ssl_read(&tls->ssl, dst, cap);
	while (r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
	return r > 0 ? r : io_error(tls, r);
}

ssize_t dns_tls_write(struct dns_tls *tls, const void *data, size_t len)
{
	int r;

	/* What it holds already is the record of the first try: it answers with this call's length.
	 */
	if (tls->unwritten)
		len = tls->unwritten;
	do
		r = mbedtls_ssl_write(&tls->ssl, data, len);
	while (r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
	tls->unwritten = r == MBEDTLS_ERR_SSL_WANT_WRITE ? len : 0;
	return r > 0 ? r : io_error(tls, r);
}
