/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_REFERRERS_H
#define HOY_ENGINE_REGISTRY_REFERRERS_H

#include "engine/oci/referrers.h"
#include "engine/registry/session.h"

/*
 * What refers to a digest, by the referrers API, or by the tag "sha256-<hex>" of registries without
 * it: into `list` (room for OCI_REFERRERS_MAX). artifact_type "" = all. None is no error. Errors as
 * session_get(), -EBADMSG.
 */
int referrers_list(struct session *session, const struct digest *digest, const char *artifact_type,
		   struct arena *arena, struct oci_referrer *list, uint32_t *ret_count,
		   struct err *err);

/*
 * Behind the push of a manifest to a registry that did not answer with OCI-Subject: it keeps no
 * lists of referrers itself, and gets the manifest into that tag. Nothing where the manifest has no
 * subject. media_type: of the manifest.
 */
int referrers_push(struct session *session, struct str manifest, const char *media_type,
		   struct err *err);

/* PULL_MSG_REFERRERS (engine/api/pull_msg.h): its body, and the reply's. */
int referrers_serve(struct str body, struct str system_ca, struct buf *reply, struct err *err);

#endif
