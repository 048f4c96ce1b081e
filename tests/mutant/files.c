/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No test: the engine's files role alone, with the defences that tests switch off.
 */
#include <signal.h>
#include "engine/role.h"
#include "lib/log.h"

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	log_init("files", LOG_PRIO_INFO);
	return role_files();
}
