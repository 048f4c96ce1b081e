/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all ends of TLS have in common. Must never make a configuration with which the other side
 * goes unverified.
 */
#include "lib/tls_base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <psa/crypto.h>
#pragma GCC diagnostic pop

#if defined(__x86_64__)
_Static_assert((offsetof(struct tls_chance, random) +
		offsetof(mbedtls_ctr_drbg_context, MBEDTLS_PRIVATE(aes_ctx)) +
		offsetof(mbedtls_aes_context, MBEDTLS_PRIVATE(buf))) %
			       16 ==
		       0,
	       "round keys of AES-NI");
#endif

/* ---- chance ---- */

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen);

/*
 * Where mbedtls gets its chance from (rootfs/recipes/mbedtls.config.h): the kernel, without a
 * device node, and not before the kernel's own generator is seeded.
 */
int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen)
{
	ssize_t n = getrandom(output, len, 0);

	(void)data;
	if (n < 0)
		return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
	*olen = (size_t)n;
	return 0;
}

int tls_chance_open(struct tls_chance *chance, struct err *err)
{
	mbedtls_entropy_init(&chance->entropy);
	mbedtls_ctr_drbg_init(&chance->random);
	if (psa_crypto_init() != PSA_SUCCESS ||
	    mbedtls_ctr_drbg_seed(&chance->random, mbedtls_entropy_func, &chance->entropy, NULL, 0))
		return err_set(err, -EIO, "the crypto library cannot be set up");
	return 0;
}

void tls_chance_close(struct tls_chance *chance)
{
	mbedtls_ctr_drbg_free(&chance->random);
	mbedtls_entropy_free(&chance->entropy);
}

/* ---- texts ---- */

/* mbedtls reads PEM only with its NUL counted. */
static unsigned char *pem_text(struct str pem)
{
	unsigned char *text = calloc(1, pem.len + 1);

	if (text && pem.len)
		memcpy(text, pem.ptr, pem.len);
	return text;
}

int tls_read_certificates(mbedtls_x509_crt *chain, struct str pem)
{
	unsigned char *text;
	int r;

	if (!pem.len)
		return 0;
	text = pem_text(pem);
	if (!text)
		return MBEDTLS_ERR_X509_ALLOC_FAILED;
	r = mbedtls_x509_crt_parse(chain, text, pem.len + 1);
	free(text);
	return r;
}

int tls_read_key(mbedtls_pk_context *key, struct str pem, struct tls_chance *chance)
{
	unsigned char *text = pem_text(pem);
	int r;

	if (!text)
		return MBEDTLS_ERR_PK_ALLOC_FAILED;
	r = mbedtls_pk_parse_key(key, text, pem.len + 1, NULL, 0, mbedtls_ctr_drbg_random,
				 &chance->random);
	explicit_bzero(text, pem.len);
	free(text);
	return r;
}

/* ---- configuration ---- */

int tls_configure(mbedtls_ssl_config *config, int endpoint, const mbedtls_x509_crt *chain,
		  const struct tls_chance *chance)
{
	union { /* mbedtls asks for non-const, reads the chain, and has a lock in the other */
		const mbedtls_x509_crt *in;
		mbedtls_x509_crt *out;
	} authorities = { .in = chain };
	union {
		const mbedtls_ctr_drbg_context *in;
		mbedtls_ctr_drbg_context *out;
	} random = { .in = &chance->random };
	int r = mbedtls_ssl_config_defaults(config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
					    MBEDTLS_SSL_PRESET_DEFAULT);

	if (r != 0)
		return r;
	mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(config, authorities.out, NULL);
	mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, random.out);
	mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_3);
	return 0;
}

/* ---- who it is ---- */

int tls_expect(mbedtls_ssl_context *ssl, const char *host, struct tls_address *ret_address)
{
	*ret_address = (struct tls_address){ 0 };
	if (inet_pton(AF_INET, host, ret_address->bytes) == 1)
		ret_address->len = sizeof(struct in_addr);
	else if (inet_pton(AF_INET6, host, ret_address->bytes) == 1)
		ret_address->len = sizeof(struct in6_addr);
	return mbedtls_ssl_set_hostname(ssl, ret_address->len ? NULL : host);
}

void tls_check_address(const struct tls_address *address, const mbedtls_x509_crt *crt, int depth,
		       uint32_t *flags)
{
	if (!address->len || depth != 0)
		return;
	for (const mbedtls_x509_sequence *at = &crt->subject_alt_names; at; at = at->next)
		if ((at->buf.tag & (MBEDTLS_ASN1_TAG_CLASS_MASK | MBEDTLS_ASN1_TAG_VALUE_MASK)) ==
			    (MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_IP_ADDRESS) &&
		    at->buf.len == address->len &&
		    memcmp(at->buf.p, address->bytes, address->len) == 0)
			return;
	*flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
}
