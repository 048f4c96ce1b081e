/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the entry of /usr/lib/hoy/netd: one program, one role per process, each of which says by
 * what fault it ends. It must never do anything else before the role has set itself up.
 */
#include <stdio.h>
#include <string.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/role.h"

static const struct {
	const char *name;
	int (*run)(void);
} roles[] = {
	{ "main", role_main }, { "dhcp", role_dhcp },	  { "dns", role_dns },
	{ "ntp", role_ntp },   { "splice", role_splice }, { "probe", role_probe },
};

int main(int argc, char **argv)
{
	log_last_words();
	for (size_t i = 0; argc == 2 && i < ARRAY_LEN(roles); i++)
		if (!strcmp(argv[1], roles[i].name))
			return roles[i].run();
	fputs("usage: netd main|dhcp|dns|ntp|splice|probe (started by init, see hoy-netd(8))\n",
	      stderr);
	return 64;
}
