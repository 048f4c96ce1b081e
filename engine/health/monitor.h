/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_HEALTH_MONITOR_H
#define HOY_ENGINE_HEALTH_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/health/machine.h"

/*
 * The health of running containers: probes at their times, what came of them. A container has a
 * monitor when its definition has a test; it is made when the container runs (or is adopted, then
 * with HEALTH_STATE_STARTING, as Docker does over a restart of its daemon) and ends with it.
 */
struct container;
struct health_monitor;

/* What people and the Docker API are shown; NULL = it has no test or does not run. Valid until the
 * loop runs on. */
const struct health *health_of(const struct container *container);
/* The same as a word: "none" for NULL. */
const char *health_word(const struct container *container);

/* ---- for engine/container only ---- */
void health_monitor_start(struct container *container);
/* No more probes; state NONE. Accepts a container without monitor. */
void health_monitor_stop(struct container *container);
/* A process of this container has ended: true when it was a probe's. */
bool health_monitor_exec_ended(struct container *container, uint32_t exec_id, int32_t code);

#endif
