/* SPDX-License-Identifier: Apache-2.0 */
/* top: rates and histories out of the engine's metrics. */
#include "init/console/stats.h"
#include <stdio.h>
#include <string.h>
#include "lib/own.h"
#include "tests/unit/tap.h"

static struct stats stats;

static const struct stats_row *row(const char *name)
{
	for (uint32_t i = 0; i < stats.count; i++)
		if (!strcmp(stats.rows[i].name, name))
			return &stats.rows[i];
	return NULL;
}

static void take(unsigned cpu_s, unsigned rx, int64_t now_ms, const char *more)
{
	static char text[4096];

	(void)snprintf(
		text, sizeof(text),
		"# HELP x y\n# TYPE x counter\n"
		"node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} %u.50\n"
		"node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 9999.00\n"
		"node_cpu_seconds_total{cpu=\"1\",mode=\"idle\"} 9999.00\n"
		"node_memory_MemTotal_bytes 1000\nnode_memory_MemAvailable_bytes 400\n"
		"node_network_receive_bytes_total{device=\"eth0\"} %u\n"
		"node_network_receive_bytes_total{device=\"lo\"} 77777777\n"
		"container_cpu_usage_seconds_total{id=\"a\",image=\"i\",name=\"web\"} %u.250\n"
		"container_memory_working_set_bytes{id=\"a\",image=\"q\\\"}\",name=\"web\"} 2048\n"
		"container_network_receive_bytes_total{name=\"web\",interface=\"eth0\"} %u\n"
		"container_network_receive_bytes_total{name=\"web\",interface=\"eth1\"} %u\n%s",
		cpu_s, rx, cpu_s, rx, rx, more);
	stats_take(&stats, str_from(text), now_ms);
}

static void test_rates(void)
{
	take(10, 1000, 1000, "");
	is_int(stats.count, 1, "one container");
	is_int(row("web")->cpu_permille, 0, "one sample is no rate");
	take(11, 5000, 3000,
	     "container_processes{name=\"other\"} 3\n"
	     "container_fs_reads_bytes_total{name=\"other\"} 4096\n"
	     "container_fs_writes_bytes_total{name=\"other\"} 8192\nnonsense{\nx{name=\"\n");
	is_int(stats.count, 2, "a second one came");
	is_int(row("web")->cpu_permille, 500, "one second of two");
	is_int((long long)row("web")->rx_rate, 4000, "both interfaces of it, a second");
	is_int((long long)row("web")->memory, 2048, "a label with a quote and a bracket in it");
	is_int(stats.machine.cpu_permille, 500, "the machine's, without idle");
	is_int((long long)stats.machine.rx_rate, 2000, "the machine's network, without lo");
	is_int((long long)stats.machine.memory, 600, "what is in use");
	is_int(stats.processors, 2, "two processors");
	is_int((long long)row("other")->processes, 3, "processes");
	ok(row("other")->read == 4096 && row("other")->written == 8192, "disks");
	take(1, 100, 4000, "");
	is_int(stats.count, 1, "one that is gone has no row");
	is_int(row("web")->cpu_permille, 1250, "a counter that fell was begun anew");
}

static void test_graph(void)
{
	char graph[STATS_HISTORY + 1];
	struct stats_row one = { 0 };

	one.history[STATS_HISTORY - 1] = 1000;
	one.history[STATS_HISTORY - 2] = 500;
	one.history[STATS_HISTORY - 3] = 1;
	stats_graph(&one, 100, graph);
	is_text(graph, "             .=#", "a history, its largest at the top");
	one = (struct stats_row){ .history = { 50 } };
	stats_graph(&one, 100, graph);
	is_text(graph, "=               ", "little stays little");
}

static void test_bytes(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = { { 0, "0B" },
		      { 1023, "1023B" },
		      { 1024, "1.0K" },
		      { 1536, "1.5K" },
		      { 102400, "100K" },
		      { 1048575, "1023K" },
		      { 1048576, "1.0M" },
		      { 5ULL << 30, "5.0G" },
		      { 3ULL << 40, "3.0T" },
		      { 99ULL << 50, "99.0P" } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[16];

		stats_bytes(cases[i].bytes, text, sizeof(text));
		is_text(text, cases[i].text, "bytes for people");
	}
}

static void test_sort(void)
{
	stats = (struct stats){ .count = 3,
				.rows = { { .name = "b", .memory = 5, .cpu_permille = 1 },
					  { .name = "c", .memory = 9, .cpu_permille = 7 },
					  { .name = "a", .memory = 5, .cpu_permille = 7 } } };
	stats_sort(&stats, STATS_BY_CPU);
	ok(!strcmp(stats.rows[0].name, "a") && !strcmp(stats.rows[2].name, "b"), "by processor");
	stats_sort(&stats, STATS_BY_MEMORY);
	ok(!strcmp(stats.rows[0].name, "c") && !strcmp(stats.rows[1].name, "a"), "by memory");
	stats_sort(&stats, STATS_BY_NAME);
	ok(!strcmp(stats.rows[0].name, "a") && !strcmp(stats.rows[2].name, "c"), "by name");
}

int main(void)
{
	test_rates();
	test_graph();
	test_bytes();
	test_sort();
	return tap_done();
}
