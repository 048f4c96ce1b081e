/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_PRUNE_H
#define HOY_ENGINE_BUILDKIT_PRUNE_H

#include "engine/buildkit/grpc.h"

/* Control.Prune: answers with a record of what went. */
void buildkit_prune(struct grpc_call *call, struct str message);

#endif
