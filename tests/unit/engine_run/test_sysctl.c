/* SPDX-License-Identifier: Apache-2.0 */
/* The rule for sysctls against a table of what kernels have and of what people have tried. */
#include <stdio.h>
#include <string.h>
#include "engine/run/spec.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

#define TABLE "tests/unit/engine_run/sysctls.tsv"

enum { LINE_SIZE = 512, ROWS_MIN = 300 };

/* What the rule says to a container with the host's or with its own namespaces. */
static bool may(const char *key, bool own)
{
	struct run_spec spec;
	struct err err = { 0 };

	run_spec_init(&spec);
	spec.ipc.mode = spec.net.mode = spec.uts.mode = own ? RUN_NS_MODE_NEW : RUN_NS_MODE_HOST;
	return run_sysctl_check(&spec, key, &err) == 0;
}

int main(void)
{
	char line[LINE_SIZE];
	FILE *table = fopen(TABLE, "re");
	int rows = 0, wrong = 0, of_host = 0;

	while (table && fgets(line, sizeof(line), table)) {
		char *word = strchr(line, '\t');
		bool wanted;

		if (line[0] == '#' || !word)
			continue;
		*word++ = '\0';
		wanted = strncmp(word, "yes", 3) == 0;
		rows++;
		of_host += may(line, false);
		if (may(line, true) == wanted)
			continue;
		wrong++;
		(void)printf("# '%s': the table says %s", line, word);
	}
	if (table)
		(void)fclose(table);
	ok(rows >= ROWS_MIN, "A19: %d keys", rows);
	ok(wrong == 0, "A19: every key as the table says");
	ok(of_host == 0, "A19: none of them in the host's namespaces");
	return tap_done();
}
