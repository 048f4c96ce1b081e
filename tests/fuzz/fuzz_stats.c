/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's metrics as `top` reads them: no text makes more rows than there are, nor a graph
 * that is no graph. */
#include "init/console/stats.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stats stats;
	char graph[STATS_HISTORY + 1];

	memset(&stats, 0, sizeof(stats));
	for (int64_t now = 1; now < 3000; now += 1000) {
		stats_take(&stats, str_make(data, size), now);
		stats_sort(&stats, (enum stats_order)(now / 1000));
		if (stats.count > STATS_ROWS_MAX)
			abort();
		for (uint32_t i = 0; i < stats.count; i++) {
			stats_graph(&stats.rows[i], 100, graph);
			if (strlen(graph) != STATS_HISTORY)
				abort();
		}
	}
	return 0;
}
