/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_SIGNATURE_H
#define HOY_ENGINE_REGISTRY_SIGNATURE_H

#include "engine/api/pull_msg.h"
#include "engine/registry/session.h"
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/sha256.h"

/*
 * Looks for a signature of one of the two digests (what the reference named, and the manifest
 * chosen through it) by one of the policy's keys: below cosign's tag, then by the referrers API of
 * distribution spec 1.1 or its tag. 0 = signed, or the policy is satisfied with a warning in the
 * log; -EBADMSG: not signed by these keys; -EINVAL: the keys; or what session_get() says.
 */
int signature_check(struct session *session, const struct pull_signature *policy,
		    const struct digest *source, const struct digest *manifest, struct arena *arena,
		    struct err *err);

#endif
