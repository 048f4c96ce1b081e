/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_PRUNE_H
#define HOY_ENGINE_BUILDKIT_PRUNE_H

#include "engine/buildkit/grpc.h"

/* Control.Prune: a record of each step that went. Control.DiskUsage: of each that is there. */
void buildkit_prune(struct grpc_call *call, struct str message);
void buildkit_usage(struct grpc_call *call, struct str message);

#endif
