/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_TLS_BASE_H
#define HOY_LIB_TLS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/str.h"
/* Its inline functions switch over enums in part. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#pragma GCC diagnostic pop

/*
 * What all ends of TLS here have in common, client or server: chance, PEM texts, and a
 * configuration in which the other side is always verified. A program that uses it links mbedtls.
 */

/* By AES-NI mbedtls writes its round keys to addresses that have to be multiples of 16, and trusts
 * to luck that they are: tls_base.c asserts what stands here. */
struct tls_chance {
	_Alignas(16) mbedtls_entropy_context entropy;
	uint64_t gap;
	mbedtls_ctr_drbg_context random;
};

/* Sets mbedtls up in this process, too. -EIO; may be closed in any case. */
int tls_chance_open(struct tls_chance *chance, struct err *err);
void tls_chance_close(struct tls_chance *chance);

/*
 * Adds the certificates of a PEM text; "" adds none. 0, the number of those that cannot be read,
 * or a code of mbedtls.
 */
int tls_read_certificates(mbedtls_x509_crt *chain, struct str pem);
/* The copy that mbedtls needs is wiped. 0 or a code of mbedtls. */
int tls_read_key(mbedtls_pk_context *key, struct str pem, struct tls_chance *chance);

/*
 * For MBEDTLS_SSL_IS_CLIENT or _SERVER over TCP: TLS 1.2 and 1.3, and nobody without a certificate
 * by the chain's authorities. Chain and chance live longer than it. 0 or a code of mbedtls.
 */
int tls_configure(mbedtls_ssl_config *config, int endpoint, const mbedtls_x509_crt *chain,
		  const struct tls_chance *chance);

/* The address that a server is called by instead of a name; len 0 = by its name. */
struct tls_address {
	uint8_t bytes[16];
	size_t len;
};

/*
 * The name that the server's certificate has to be for. An address is none for SNI (RFC 6066 3):
 * mbedtls, which would send it, is told of no name, and *ret_address is what tls_check_address()
 * wants. "" or a name that is no address: len 0. 0 or a code of mbedtls.
 */
int tls_expect(mbedtls_ssl_context *ssl, const char *host, struct tls_address *ret_address);
/* For the callback of mbedtls_ssl_conf_verify(): adds to *flags what is wrong at depth 0. */
void tls_check_address(const struct tls_address *address, const mbedtls_x509_crt *crt, int depth,
		       uint32_t *flags);

#endif
