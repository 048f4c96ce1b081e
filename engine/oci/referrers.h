/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_OCI_REFERRERS_H
#define HOY_ENGINE_OCI_REFERRERS_H

#include <stdint.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/str.h"

/*
 * Manifests that refer to another one by "subject" (signatures, lists of packages), and the index
 * that lists those of one digest: OCI distribution spec 1.1, "Listing Referrers". Pure.
 */
enum { OCI_REFERRERS_MAX = 1024 };

struct oci_referrer {
	struct digest digest;
	uint64_t size;
	const char *media_type, *artifact_type; /* in the arena; a type that is none is "" */
};

/*
 * Adds the entries of an index behind the *count that are in `list` (room for OCI_REFERRERS_MAX);
 * artifact_type "" = all of them. What is no descriptor is passed over. -EBADMSG, -ENOMEM; more
 * than there is room for: -E2BIG.
 */
int oci_referrers_parse(struct str text, const char *artifact_type, struct arena *arena,
			struct oci_referrer *list, uint32_t *count, struct err *err);

/* The digest that a manifest refers to: 1, 0 = none, -EBADMSG. */
int oci_subject_parse(struct str manifest, struct digest *ret_subject, struct err *err);

/*
 * The index with this manifest in it, beside all that was there (empty text = none yet): 1, 0 = it
 * is listed already. media_type: of the manifest. -EBADMSG: the index is none.
 */
int oci_referrers_add(struct str index, struct str manifest, const char *media_type,
		      struct buf *out, struct err *err);

#endif
