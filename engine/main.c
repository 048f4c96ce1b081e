/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine program: runs the role that argv[1] names. Nothing else is decided here.
 */
#include <signal.h>
#include <string.h>
#include "engine/role.h"
#include "lib/log.h"
#include "lib/own.h"

static const struct {
	const char *name;
	int (*run)(void);
} roles[] = {
	{ "main", role_main }, { "store", role_store }, { "api", role_api },
	{ "pull", role_pull }, { "load", role_load },	{ "unpack", role_unpack },
	{ "pack", role_pack }, { "files", role_files }, { "sweep", role_sweep },
	{ "gate", role_gate }, { "sign", role_sign },	{ "compose", role_compose },
};

int main(int argc, char **argv)
{
	/* A peer that went away is an errno, not the end of the process. */
	(void)signal(SIGPIPE, SIG_IGN);
	log_last_words();
	for (size_t i = 0; argc == 2 && i < ARRAY_LEN(roles); i++) {
		if (strcmp(argv[1], roles[i].name) != 0)
			continue;
		log_init(strcmp(roles[i].name, "main") ? roles[i].name : "engine", LOG_PRIO_INFO);
		return roles[i].run();
	}
	log_init("engine", LOG_PRIO_INFO);
	fatal("usage: engine ROLE (started by init, not by hand)");
}
