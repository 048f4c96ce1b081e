/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stats`: one table of what each container uses, out of two samples of the engine's metrics one
 * second apart. Runs in the console program; `top` is the same as a screen.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "init/console/console.h"
#include "init/console/script.h"
#include "init/console/stats.h"
#include "init/console/top.h"
#include "lib/own.h"

enum { STATS_BETWEEN_MS = 1000, STATS_WAIT_MS = 20000 };

#define STATS_HEAD "%-18s %7s %7s %7s %15s %15s %5s\n"

/* "1.2K / 3.4M" */
static void pair(uint64_t first, uint64_t second, char *dst, size_t cap)
{
	char one[16], two[16];

	stats_bytes(first, one, sizeof(one));
	stats_bytes(second, two, sizeof(two));
	(void)snprintf(dst, cap, "%s / %s", one, two);
}

static void put_row(struct console *console, const struct stats_row *row)
{
	char memory[16], limit[16] = "-", net[40], block[40], cpu[16], count[24];
	struct buf out OWN(buf_done) = { 0 };

	if (console->json) {
		buf_init(&out, 2048);
		script_put_text(&out, "name", row->name);
		script_put_number(&out, "cpu_permille", row->cpu_permille);
		script_put_number(&out, "memory_bytes", (int64_t)row->memory);
		script_put_number(&out, "memory_limit_bytes", (int64_t)row->limit);
		script_put_number(&out, "receive_bytes", (int64_t)row->rx);
		script_put_number(&out, "transmit_bytes", (int64_t)row->tx);
		script_put_number(&out, "read_bytes", (int64_t)row->read);
		script_put_number(&out, "written_bytes", (int64_t)row->written);
		script_put_number(&out, "pids", (int64_t)row->processes);
		console_json(console, buf_str(&out));
		return;
	}
	stats_bytes(row->memory, memory, sizeof(memory));
	if (row->limit)
		stats_bytes(row->limit, limit, sizeof(limit));
	pair(row->rx, row->tx, net, sizeof(net));
	pair(row->read, row->written, block, sizeof(block));
	(void)snprintf(cpu, sizeof(cpu), "%u.%u%%", row->cpu_permille / 10, row->cpu_permille % 10);
	(void)snprintf(count, sizeof(count), "%llu", (unsigned long long)row->processes);
	console_printf(console, STATS_HEAD, row->name, cpu, memory, limit, net, block, count);
}

static const struct stats_row *row_named(const struct stats *stats, const char *name)
{
	for (uint32_t i = 0; i < stats->count; i++)
		if (!strcmp(stats->rows[i].name, name))
			return &stats->rows[i];
	return NULL;
}

int verb_stats(struct console *console, const struct words *words, struct err *err)
{
	static struct stats stats;
	int r;

	memset(&stats, 0, sizeof(stats));
	r = top_sample(console, &stats, STATS_WAIT_MS, err);
	for (int i = 1; i < words->count && r >= 0; i++)
		if (!row_named(&stats, words->items[i]))
			r = err_set(err, -ENOENT, "no container called %s runs; `ps` lists them",
				    words->items[i]);
	if (r < 0)
		return r;
	(void)poll(NULL, 0, STATS_BETWEEN_MS); /* keys mean nothing here */
	r = top_sample(console, &stats, STATS_WAIT_MS, err);
	if (r < 0)
		return r;
	stats_sort(&stats, STATS_BY_NAME);
	if (!console->json)
		console_printf(console, STATS_HEAD, "NAME", "CPU%", "MEM", "LIMIT", "NET IN / OUT",
			       "BLOCK IN / OUT", "PIDS");
	for (uint32_t i = 0; i < stats.count; i++) {
		bool wanted = words->count == 1;

		for (int k = 1; k < words->count; k++)
			wanted = wanted || !strcmp(words->items[k], stats.rows[i].name);
		if (wanted)
			put_row(console, &stats.rows[i]);
	}
	return 0;
}
