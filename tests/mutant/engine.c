/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No test: what the engine's mutant has more than the engine. Roles are started without an
 * environment; here they are told which defence is off, for they are mutants too. Must never be
 * linked into another program.
 */
#include <stdio.h>
#include <stdlib.h>

int __real_execve(const char *path, char *const argv[], char *const envp[]);
int __wrap_execve(const char *path, char *const argv[], char *const envp[]);
int __wrap_execve(const char *path, char *const argv[], char *const envp[])
{
	static char text[64];
	char *only[] = { text, NULL };
	const char *off = getenv("HOY_DEFENCE_OFF");

	if (!off || (envp && envp[0]))
		return __real_execve(path, argv, envp);
	(void)snprintf(text, sizeof(text), "HOY_DEFENCE_OFF=%s", off);
	return __real_execve(path, argv, only);
}
