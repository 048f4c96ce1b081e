/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_MAIN_ACCESS_H
#define HOY_ENGINE_ROLE_MAIN_ACCESS_H

#include "engine/role_main.h"

/* Inside of role_main*.c: the machine's own authority (role_main_access.c), and [remote]'s. */
struct gate_config;

/* [remote] of engine.ini as it is now: opens, changes or closes the way in from the network. */
void engine_gate_load(struct engine *engine);
/* The listener of [metrics], as engine.ini has it by now (role_main_scrape.c). */
void engine_scrape_load(struct engine *engine);
/* Whether [remote] names the authority's files, so that the machine's own does not count. */
bool engine_gate_foreign(const struct engine *engine);
/* Its record, once the data partition is there. */
void engine_access_load(struct engine *engine);
/* What counts of it, slices that live until it changes. False: there is none, or *err tells why. */
bool engine_access_config(struct gate_config *config, struct err *err);

msg_handler_fn engine_access_issue_call, engine_access_list_call, engine_access_revoke_call;

#endif
