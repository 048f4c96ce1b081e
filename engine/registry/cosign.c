/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cosign's documents and the one kind of key that is taken. Pure; runs in the pull role. It must
 * never call a signature good whose payload names another digest.
 */
#include "engine/registry/cosign.h"

#include <errno.h>
#include <string.h>
#include <mbedtls/base64.h>
/* Its inline functions switch over enums in part. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#pragma GCC diagnostic pop
#include "engine/json/json.h"

enum { COSIGN_SIGNATURE_MAX = 512, COSIGN_KEY_MAX = 4096 };

static const char payload_type[] = "application/vnd.dev.cosign.simplesigning.v1+json";
static const char annotation[] = "dev.cosignproject.cosign/signature";
static const char key_begin[] = "-----BEGIN ";
static const char key_end[] = "-----END PUBLIC KEY-----";

static int take_layer(const struct json *layer, struct arena *arena, struct cosign_signature *ret)
{
	struct str signature = json_str(json_get(json_get(layer, "annotations"), annotation));

	if (!json_is(json_get(layer, "mediaType"), payload_type) || signature.len == 0 ||
	    signature.len > COSIGN_SIGNATURE_MAX)
		return 0;
	if (digest_parse(json_str(json_get(layer, "digest")), &ret->payload, NULL) < 0 ||
	    json_u64(json_get(layer, "size"), COSIGN_PAYLOAD_MAX, &ret->size) < 0)
		return 0;
	ret->signature = arena_text(arena, signature);
	return ret->signature ? 1 : -ENOMEM;
}

int cosign_manifest_parse(struct str text, struct arena *arena, struct cosign_signature *ret_list,
			  uint32_t max, struct err *err)
{
	struct json_doc doc = { 0 };
	struct json_iter iter;
	const struct json *layer;
	struct str key;
	int count = 0, r = json_parse(text, JSON_TEXT_MAX, &doc, err);

	if (r < 0)
		return r;
	json_iter_init(&iter, json_get(doc.root, "layers"));
	while (r >= 0 && (uint32_t)count < max && json_iter_next(&iter, &key, &layer)) {
		r = take_layer(layer, arena, &ret_list[count]);
		count += r > 0;
	}
	json_done(&doc);
	return r < 0 ? err_set(err, r, "no memory for a signature") : count;
}

/* ---- verifying ---- */

static bool names_digest(struct str payload, const struct digest *digest)
{
	struct json_doc doc = { 0 };
	const struct json *critical;
	struct digest named;
	bool good;

	if (json_parse(payload, COSIGN_PAYLOAD_MAX, &doc, NULL) < 0)
		return false;
	critical = json_get(doc.root, "critical");
	good = json_is(json_get(critical, "type"), "cosign container image signature") &&
	       digest_parse(
		       json_str(json_get(json_get(critical, "image"), "docker-manifest-digest")),
		       &named, NULL) == 0 &&
	       memcmp(&named, digest, sizeof(named)) == 0;
	json_done(&doc);
	return good;
}

/* The next key of the text: 1, 0 = none left, -EINVAL. */
static int next_key(const char **at, mbedtls_pk_context *key, struct err *err)
{
	const char *begin = strstr(*at, key_begin), *end = begin ? strstr(begin, key_end) : NULL;
	unsigned char pem[COSIGN_KEY_MAX];
	size_t len;

	if (!begin)
		return 0;
	if (!end || (size_t)(end - begin) >= sizeof(pem) - sizeof(key_end))
		return err_set(err, -EINVAL, "signature_key holds no public key in PEM form");
	len = (size_t)(end - begin) + sizeof(key_end) - 1;
	memcpy(pem, begin, len);
	pem[len] = 0;
	*at = end + sizeof(key_end) - 1;
	if (mbedtls_pk_parse_public_key(key, pem, len + 1) != 0 ||
	    mbedtls_pk_get_type(key) != MBEDTLS_PK_ECKEY ||
	    mbedtls_pk_ec(*key)->MBEDTLS_PRIVATE(grp).id != MBEDTLS_ECP_DP_SECP256R1)
		return err_set(err, -EINVAL,
			       "signature_key holds a key that is no ECDSA P-256 public key");
	return 1;
}

int cosign_verify(struct str payload, const char *signature, const struct digest *digest,
		  const char *keys, struct err *err)
{
	unsigned char der[COSIGN_SIGNATURE_MAX];
	struct sha256 hash;
	struct digest is;
	size_t len = 0;
	bool readable =
		mbedtls_base64_decode(der, sizeof(der), &len, (const unsigned char *)signature,
				      strlen(signature)) == 0;
	bool good = false;
	int r = 1;

	sha256_init(&hash);
	sha256_add(&hash, payload.ptr, payload.len);
	sha256_end(&hash, &is);
	while (r == 1) {
		mbedtls_pk_context key;

		mbedtls_pk_init(&key);
		r = next_key(&keys, &key, err);
		if (r == 1 && readable)
			good = good || mbedtls_pk_verify(&key, MBEDTLS_MD_SHA256, is.bytes,
							 sizeof(is.bytes), der, len) == 0;
		mbedtls_pk_free(&key);
	}
	return r < 0 ? r : good && names_digest(payload, digest);
}
