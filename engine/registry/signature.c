/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding signatures in a registry. Runs in the pull role. It must never take "there is none" or "I
 * could not look" for "it is signed".
 */
#include "engine/registry/signature.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/oci/oci.h"
#include "engine/registry/cosign.h"
#include "engine/registry/referrers.h"
#include "lib/log.h"
#include "lib/own.h"

enum { SIGNATURE_REFERRERS_MAX = 16 };

struct search {
	struct session *session;
	const struct pull_signature *policy;
	struct arena *arena;
	struct digest digest; /* whose signature is looked for */
	unsigned seen;	      /* signatures that were found, by whatever key */
};

/* A text of the registry; digest NULL = whatever it is. -ENOENT as usual. */
static int fetch(struct search *search, const char *kind, const char *name,
		 const struct digest *digest, size_t max, struct buf *text, struct err *err)
{
	const struct session_request request = {
		.kind = kind,
		.name = name,
		.accept = OCI_MEDIA_MANIFEST ", " OCI_MEDIA_INDEX ", */*",
	};
	struct client_response response;
	struct sha256 hash;
	struct digest is;
	int r = session_get(search->session, &request, &response, err);

	if (r < 0)
		return r;
	buf_clear(text);
	r = client_read_all(&response, max, text, err);
	client_finish(&response);
	if (r < 0 || !digest)
		return r;
	sha256_init(&hash);
	sha256_add(&hash, text->data, text->len);
	sha256_end(&hash, &is);
	if (memcmp(&is, digest, sizeof(is)) != 0)
		return err_set(err, -EBADMSG, "signature %s: other bytes than the digest's", name);
	return 0;
}

/* 1 = the payload is there and signed. */
static int check_one(struct search *search, const struct cosign_signature *signature,
		     struct err *err)
{
	struct buf payload OWN(buf_done) = { 0 };
	char name[DIGEST_TEXT_MAX];
	int r;

	buf_init(&payload, COSIGN_PAYLOAD_MAX);
	digest_text(&signature->payload, name);
	r = fetch(search, "blobs", name, &signature->payload, COSIGN_PAYLOAD_MAX, &payload, err);
	if (r < 0)
		return r;
	search->seen++;
	return cosign_verify(buf_str(&payload), signature->signature, &search->digest,
			     search->policy->keys, err);
}

/* A damaged signature does not hide a good one beside it: 1 = one is good, 0 = none. */
static int check_manifest(struct search *search, struct str text, struct err *err)
{
	struct cosign_signature list[COSIGN_SIGNATURES_MAX];
	int count = cosign_manifest_parse(text, search->arena, list, COSIGN_SIGNATURES_MAX, err);
	int r = 0;

	for (int i = 0; i < count && r != 1 && r != -EINVAL; i++)
		r = check_one(search, &list[i], err);
	if (count < 0)
		return count;
	return r == 1 || r == -EINVAL ? r : 0;
}

/* cosign's own way: "sha256-<hex>.sig". */
static int search_tag(struct search *search, struct buf *text, struct err *err)
{
	char digest[DIGEST_TEXT_MAX], name[DIGEST_TEXT_MAX + 8];
	int r;

	snprintf(name, sizeof(name), "sha256-%s.sig", digest_text(&search->digest, digest) + 7);
	r = fetch(search, "manifests", name, NULL, OCI_DOCUMENT_MAX, text, err);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : check_manifest(search, buf_str(text), err);
}

static int search_referrers(struct search *search, struct buf *text, struct err *err)
{
	struct oci_referrer *list = arena_array(search->arena, OCI_REFERRERS_MAX, sizeof(*list));
	char name[DIGEST_TEXT_MAX];
	uint32_t count = 0;
	int r = list ? referrers_list(search->session, &search->digest, COSIGN_ARTIFACT_TYPE,
				      search->arena, list, &count, err)
		     : err_set(err, -ENOMEM, "no memory for signatures");

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < count && i < SIGNATURE_REFERRERS_MAX && r != 1 && r != -EINVAL;
	     i++) {
		digest_text(&list[i].digest, name);
		r = fetch(search, "manifests", name, &list[i].digest, OCI_DOCUMENT_MAX, text, err);
		if (r == 0)
			r = check_manifest(search, buf_str(text), err);
	}
	return r == 1 || r == -EINVAL ? r : 0;
}

/* 1 = signed, 0 = not; all that is between is an error. */
static int search_digest(struct search *search, const struct digest *digest, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	int r;

	buf_init(&text, OCI_DOCUMENT_MAX + 1);
	search->digest = *digest;
	r = search_tag(search, &text, err);
	return r == 0 ? search_referrers(search, &text, err) : r;
}

static int verdict(const struct search *search, const struct digest *source, int r, struct err *err)
{
	char text[DIGEST_TEXT_MAX];

	if (r == 1)
		return 0;
	digest_text(source, text);
	if (r == 0 && search->seen == 0)
		r = err_set(err, -EBADMSG, "%s has no signature, and signature = require", text);
	else if (r == 0)
		r = err_set(err, -EBADMSG,
			    "%s has %u signatures, but none of a key in signature_key=", text,
			    search->seen);
	else
		err_prefix(err, "the signature of %s cannot be checked", text);
	return r;
}

int signature_check(struct session *session, const struct pull_signature *policy,
		    const struct digest *source, const struct digest *manifest, struct arena *arena,
		    struct err *err)
{
	struct search search = { .session = session, .policy = policy, .arena = arena };
	struct err why = { 0 };
	int r;

	if (policy->policy == PULL_SIGNATURE_OFF)
		return 0;
	if (!policy->keys[0])
		r = err_set(&why, -EINVAL, "%s",
			    policy->keys_missing[0] ? policy->keys_missing
						    : "give a key with signature_key=");
	else
		r = search_digest(&search, source, &why);
	if (r == 0 && memcmp(source, manifest, sizeof(*source)) != 0)
		r = search_digest(&search, manifest, &why);
	r = verdict(&search, source, r, &why);
	if (r == 0)
		return 0;
	if (policy->policy == PULL_SIGNATURE_WARN) {
		log_warn("image %s: %s", session->repository, err_text(&why));
		return 0;
	}
	if (err)
		*err = why;
	return r;
}
