/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS client of the pull role. It must never go on with a connection whose certificate was not
 * verified: there is no switch for that here or above.
 */
#include "engine/registry/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <mbedtls/error.h>
#pragma GCC diagnostic pop
#include "engine/registry/net.h"
#include "lib/mono.h"
#include "lib/tls_base.h"

enum { TLS_HANDSHAKE_MS = 20000 };

struct tls_trust {
	mbedtls_x509_crt chain;
	mbedtls_x509_crt identity; /* the client's own */
	mbedtls_pk_context key;
	bool has_identity;
	struct tls_chance chance;
	bool user_ca; /* the user gave one of his own */
};

struct tls {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	struct tls_address address; /* of a registry that is not called by a name */
	int fd;
	int timeout_ms;
	int error; /* errno of the socket below mbedtls */
	bool handshake;
	char expired[32], not_yet[32];
	char names[160]; /* of the leaf, for the message */
};

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

static const char *protocols[] = { "http/1.1", NULL };

/* ---- trust ---- */

static int fill_identity(struct tls_trust *trust, const struct tls_texts *texts, struct err *err)
{
	char why[120];
	int r;

	if (texts->identity.len == 0 && texts->key.len == 0)
		return 0;
	r = texts->identity.len ? tls_read_certificates(&trust->identity, texts->identity)
				: MBEDTLS_ERR_X509_INVALID_FORMAT;
	if (r != 0)
		return err_set(err, -EINVAL,
			       "client_cert holds no readable certificate in PEM form");
	r = texts->key.len ? tls_read_key(&trust->key, texts->key, &trust->chance)
			   : MBEDTLS_ERR_PK_KEY_INVALID_FORMAT;
	if (r != 0) {
		mbedtls_strerror(r, why, sizeof(why));
		return err_set(err, -EINVAL, "client_key holds no readable private key (%s)", why);
	}
	if (mbedtls_pk_check_pair(&trust->identity.pk, &trust->key, mbedtls_ctr_drbg_random,
				  &trust->chance.random) != 0)
		return err_set(err, -EINVAL, "client_key is not the key of client_cert");
	trust->has_identity = true;
	return 0;
}

static int fill_trust(struct tls_trust *trust, const struct tls_texts *texts, struct err *err)
{
	char why[120];
	int r;

	r = tls_chance_open(&trust->chance, err);
	if (r < 0)
		return r;
	r = tls_read_certificates(&trust->chain, texts->ca);
	if (r != 0) {
		mbedtls_strerror(r < 0 ? r : MBEDTLS_ERR_X509_INVALID_FORMAT, why, sizeof(why));
		return err_set(err, -EINVAL,
			       "ca_file holds no readable certificate in PEM form (%s)", why);
	}
	trust->user_ca = texts->ca.len > 0;
	if (tls_read_certificates(&trust->chain, texts->system) == MBEDTLS_ERR_X509_ALLOC_FAILED)
		return err_set(err, -ENOMEM, "TLS: no memory for the trusted certificates");
	return fill_identity(trust, texts, err);
}

int tls_trust_new(const struct tls_texts *texts, struct tls_trust **ret_trust, struct err *err)
{
	struct tls_trust *trust = calloc(1, sizeof(*trust));
	int r;

	if (!trust)
		return err_set(err, -ENOMEM, "TLS: no memory");
	mbedtls_x509_crt_init(&trust->chain);
	mbedtls_x509_crt_init(&trust->identity);
	mbedtls_pk_init(&trust->key);
	r = fill_trust(trust, texts, err);
	if (r < 0) {
		tls_trust_free(trust);
		return r;
	}
	*ret_trust = trust;
	return 0;
}

void tls_trust_free(struct tls_trust *trust)
{
	if (!trust)
		return;
	mbedtls_x509_crt_free(&trust->chain);
	mbedtls_x509_crt_free(&trust->identity);
	mbedtls_pk_free(&trust->key);
	tls_chance_close(&trust->chance);
	free(trust);
}

/* ---- bytes ---- */

static int bio_send(void *owner, const unsigned char *data, size_t len)
{
	struct tls *tls = owner;
	ssize_t n = net_write(tls->fd, data, len, tls->timeout_ms);

	if (n >= 0)
		return (int)n;
	/* Who closes in the handshake has said why: the alert is still to be read. */
	if (tls->handshake && (n == -EPIPE || n == -ECONNRESET))
		return (int)len;
	tls->error = (int)n;
	return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int bio_receive(void *owner, unsigned char *dst, size_t cap)
{
	struct tls *tls = owner;
	ssize_t n = net_read(tls->fd, dst, cap, tls->timeout_ms);

	if (n >= 0)
		return (int)n;
	if (n == -EAGAIN)
		return MBEDTLS_ERR_SSL_WANT_READ;
	tls->error = (int)n;
	return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/* ---- what is wrong with a certificate ---- */

static void print_date(const mbedtls_x509_time *t, char dst[32])
{
	snprintf(dst, 32, "%04d-%02d-%02d", t->year, t->mon, t->day);
}

static void add_name(struct tls *tls, const mbedtls_x509_buf *san)
{
	size_t used = strlen(tls->names);
	char name[80] = "";

	switch (san->tag & MBEDTLS_ASN1_TAG_VALUE_MASK) {
	case MBEDTLS_X509_SAN_DNS_NAME:
		str_escape(str_make(san->p, san->len), name, sizeof(name));
		break;
	case MBEDTLS_X509_SAN_IP_ADDRESS:
		inet_ntop(san->len == 4 ? AF_INET : AF_INET6, san->p, name, sizeof(name));
		break;
	default:
		break;
	}
	if (name[0] && used + strlen(name) + 3 < sizeof(tls->names))
		snprintf(tls->names + used, sizeof(tls->names) - used, "%s%s", used ? ", " : "",
			 name);
}

/* Called for each certificate of the chain; remembers what a message needs. */
static int on_verify(void *owner, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct tls *tls = owner;

	tls_check_address(&tls->address, crt, depth, flags);
	if (*flags & MBEDTLS_X509_BADCERT_EXPIRED)
		print_date(&crt->valid_to, tls->expired);
	if (*flags & MBEDTLS_X509_BADCERT_FUTURE)
		print_date(&crt->valid_from, tls->not_yet);
	if (depth == 0) {
		tls->names[0] = 0;
		for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s; s = s->next) {
			if (s->buf.p && (s->buf.len == 4 || s->buf.len == 16 ||
					 (s->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) !=
						 MBEDTLS_X509_SAN_IP_ADDRESS))
				add_name(tls, &s->buf);
		}
	}
	return 0;
}

static int certificate_error(const struct tls_trust *trust, struct tls *tls, const struct url *url,
			     struct err *err)
{
	uint32_t flags = mbedtls_ssl_get_verify_result(&tls->ssl);
	time_t now = (time_t)wall_now_s();
	char today[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(today, sizeof(today), "%Y-%m-%d", &tm);
	if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
		return err_set(
			err, -EKEYREJECTED,
			"certificate expired on %s (the clock here says %s): renew it on the "
			"registry",
			tls->expired, today);
	if (flags & MBEDTLS_X509_BADCERT_FUTURE)
		return err_set(err, -EKEYREJECTED,
			       "certificate is valid only from %s on, the clock here says %s: set "
			       "the clock",
			       tls->not_yet, today);
	if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		return err_set(err, -EKEYREJECTED,
			       "certificate is not trusted (self-signed or foreign CA); %s",
			       trust->user_ca ? "it was not signed by the CA in ca_file="
					      : "give ca_file=");
	if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH)
		return err_set(err, -EKEYREJECTED, "certificate is not for %s, it names: %s",
			       url->host, tls->names[0] ? tls->names : "nothing");
	if (flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK |
		     MBEDTLS_X509_BADCERT_BAD_KEY))
		return err_set(err, -EKEYREJECTED,
			       "certificate uses a weak or unknown key or hash: issue it anew");
	return err_set(err, -EKEYREJECTED, "certificate was refused (reasons 0x%x)",
		       (unsigned)flags);
}

static int handshake_error(const struct tls_trust *trust, struct tls *tls, const struct url *url,
			   int code, struct err *err)
{
	char why[120];

	if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
		return certificate_error(trust, tls, url, err);
	if (tls->error == -ETIMEDOUT)
		return err_set(err, -ETIMEDOUT, "no answer to the TLS handshake");
	if (tls->error)
		return err_sys(err, tls->error, "TLS handshake");
	if (code == MBEDTLS_ERR_SSL_INVALID_RECORD || code == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE ||
	    code == MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION)
		return err_set(err, -EPROTO,
			       "TLS 1.2 or 1.3 is not spoken there (plain HTTP, or too old?)");
	if (code == MBEDTLS_ERR_SSL_CONN_EOF || code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		return err_set(err, -ECONNRESET, "the connection was closed in the TLS handshake");
	mbedtls_strerror(code, why, sizeof(why));
	if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
		return err_set(err, -EACCES, TLS_REFUSED_TEXT);
	return err_set(err, -EPROTO, "TLS handshake: %s", why);
}

/* ---- connection ---- */

static int configure(const struct tls_trust *trust, bool with_identity, struct tls *tls,
		     const struct url *url)
{
	union {
		const struct tls_trust *in;
		struct tls_trust *out; /* mbedtls asks for non-const and only reads them */
	} t = { .in = trust };
	int r = tls_configure(&tls->config, MBEDTLS_SSL_IS_CLIENT, &trust->chain, &trust->chance);

	if (r != 0)
		return r;
	mbedtls_ssl_conf_verify(&tls->config, on_verify, tls);
	mbedtls_ssl_conf_ciphersuites(&tls->config, ciphersuites);
	r = mbedtls_ssl_conf_alpn_protocols(&tls->config, protocols);
	if (r == 0 && with_identity && trust->has_identity)
		r = mbedtls_ssl_conf_own_cert(&tls->config, &t.out->identity, &t.out->key);
	if (r == 0)
		r = mbedtls_ssl_setup(&tls->ssl, &tls->config);
	if (r == 0)
		r = tls_expect(&tls->ssl, url->host, &tls->address);
	mbedtls_ssl_set_bio(&tls->ssl, tls, bio_send, bio_receive, NULL);
	return r;
}

int tls_connect(const struct tls_trust *trust, bool with_identity, int fd, const struct url *url,
		struct tls **ret_tls, struct err *err)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int r;

	if (!tls)
		return err_set(err, -ENOMEM, "TLS: no memory");
	mbedtls_ssl_init(&tls->ssl);
	mbedtls_ssl_config_init(&tls->config);
	tls->fd = fd;
	tls->timeout_ms = TLS_HANDSHAKE_MS;
	r = configure(trust, with_identity, tls, url);
	if (r != 0) {
		r = err_set(err, -ENOMEM, "TLS: a connection cannot be set up (-0x%x)",
			    (unsigned)-r);
		tls_free(tls);
		return r;
	}
	tls->handshake = true;
	do
		r = mbedtls_ssl_handshake(&tls->ssl);
	while (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE);
	tls->handshake = false;
	if (r != 0) {
		r = handshake_error(trust, tls, url, r, err);
		tls_free(tls);
		return r;
	}
	tls->timeout_ms = NET_IDLE_MS;
	*ret_tls = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	tls->timeout_ms = 0;
	mbedtls_ssl_close_notify(&tls->ssl);
	mbedtls_ssl_free(&tls->ssl);
	mbedtls_ssl_config_free(&tls->config);
	free(tls);
}

static ssize_t io_error(struct tls *tls, int code)
{
	int error = tls->error;

	tls->error = 0;
	if (error)
		return error;
	if (code == MBEDTLS_ERR_SSL_CONN_EOF)
		return -ECONNRESET; /* cut off without a close_notify */
	if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
		return -EACCES; /* TLS 1.3: the verdict on our certificate comes behind the
				   handshake */
	return -EPROTO;
}

ssize_t tls_read(struct tls *tls, void *dst, size_t cap, int timeout_ms)
{
	int r;

	tls->timeout_ms = timeout_ms;
	/* TLS 1.3 tickets and key updates come between the data. */
	do
		r = mbedtls_ssl_read(&tls->ssl, dst, cap);
	while ((r == MBEDTLS_ERR_SSL_WANT_READ && timeout_ms > 0) ||
	       r == MBEDTLS_ERR_SSL_WANT_WRITE || r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
	tls->timeout_ms = NET_IDLE_MS;
	if (r == MBEDTLS_ERR_SSL_WANT_READ)
		return -EAGAIN;
	if (r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		return 0;
	if (r == 0)
		return -ECONNRESET;
	return r > 0 ? r : io_error(tls, r);
}

ssize_t tls_write(struct tls *tls, const void *data, size_t len)
{
	int r;

	do
		r = mbedtls_ssl_write(&tls->ssl, data, len);
	while (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE ||
	       r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
	return r >= 0 ? r : io_error(tls, r);
}
