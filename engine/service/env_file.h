/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_ENV_FILE_H
#define HOY_ENGINE_SERVICE_ENV_FILE_H

#include "engine/service/spec.h"

/*
 * env_file of services.ini: who reads env files for Compose (engine/compose, in a process of its
 * own) reads these too. The values of the key as a Compose file that asks for them.
 */
void env_file_ask(const struct ini_value *value, struct buf *text);

/*
 * The answer (struct compose_answer): its variables in front of those of the section's environment;
 * a file that cannot be taken is an issue of the section. -ENOMEM, -EBADMSG.
 */
int env_file_take(struct ini_config *config, struct ini_section *section, struct str answer,
		  struct err *err);

#endif
