/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No test: the switches of the test-only programs. HOY_DEFENCE_OFF=A5_NULL switches that one
 * defence off, of this process and of its children; HOY_SHIM_VERSION=2 makes it one of another
 * version. Runs in every program below build/ARCH/mutant; must never be linked into another one
 * (tests/ns/run_mutant.py looks).
 */
#include "lib/defence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/shim_version.h"
#include "lib/own.h"

enum { UNKNOWN = DEFENCE_COUNT + 1 };

static const char *const names[DEFENCE_COUNT] = {
	[DEFENCE_A1_OWN_FILE] = "A1_OWN_FILE",	 [DEFENCE_A2_HIDDEN] = "A2_HIDDEN",
	[DEFENCE_A3_DIRECTORY] = "A3_DIRECTORY", [DEFENCE_A3_FILES] = "A3_FILES",
	[DEFENCE_A3_STANDARD] = "A3_STANDARD",	 [DEFENCE_A4_TARGET] = "A4_TARGET",
	[DEFENCE_A5_NULL] = "A5_NULL",		 [DEFENCE_A6_CONSOLE] = "A6_CONSOLE",
	[DEFENCE_A7_KERNELS] = "A7_KERNELS",	 [DEFENCE_A8_OWN_PLACES] = "A8_OWN_PLACES",
	[DEFENCE_A9_MADE] = "A9_MADE",		 [DEFENCE_A10_INHERITABLE] = "A10_INHERITABLE",
	[DEFENCE_A11_GROUPS] = "A11_GROUPS",	 [DEFENCE_A12_NUMBERS] = "A12_NUMBERS",
	[DEFENCE_A13_BOUNDED] = "A13_BOUNDED",	 [DEFENCE_A14_NO_PROGRAM] = "A14_NO_PROGRAM",
	[DEFENCE_A15_IN_ROOT] = "A15_IN_ROOT",	 [DEFENCE_A16_NAMED] = "A16_NAMED",
	[DEFENCE_A17_SOURCE] = "A17_SOURCE",	 [DEFENCE_A18_TEXT] = "A18_TEXT",
	[DEFENCE_A19_SYSCTL] = "A19_SYSCTL",	 [DEFENCE_A20_KEYRING] = "A20_KEYRING",
	[DEFENCE_A21_DEVICES] = "A21_DEVICES",	 [DEFENCE_A22_SESSION] = "A22_SESSION",
	[DEFENCE_A23_SAME] = "A23_SAME",	 [DEFENCE_A24_MASKS] = "A24_MASKS",
	[DEFENCE_A25_USERS] = "A25_USERS",	 [DEFENCE_C3_NETWORK] = "C3_NETWORK",
	[DEFENCE_C4_SOURCE] = "C4_SOURCE",	 [DEFENCE_C7_OUTSIDE] = "C7_OUTSIDE",
};

static int off = UNKNOWN;
static uint16_t version = 1;

/* Before main(), for a role may forget its environment. */
static __attribute__((constructor)) void look(void)
{
	const char *name = getenv("HOY_DEFENCE_OFF"), *other = getenv("HOY_SHIM_VERSION");

	if (other && *other >= '0' && *other <= '9')
		version = (uint16_t)(*other - '0');
	off = DEFENCE_COUNT;
	if (!name)
		return;
	for (int i = 0; i < DEFENCE_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			off = i;
	if (off == DEFENCE_COUNT) {
		(void)fprintf(stderr, "no defence is called %s\n", name);
		exit(2);
	}
}

uint16_t shim_version(void)
{
	return version;
}

bool defence_on(enum defence defence)
{
	return off != (int)defence;
}
