/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates and histories out of counters. Runs in the console program. Pure: must never believe that a
 * counter only grows, or that a line is whole.
 */
#include "init/console/stats.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/own.h"

enum { PERMILLE = 1000, SECOND_MS = 1000, KIB = 1024, GRAPH_STEPS = 8 };

struct sample {
	struct str metric, labels, value;
};

/* `name{labels} value`, or `name value`. */
static bool split(struct str line, struct sample *ret_sample)
{
	ptrdiff_t open = str_find(line, '{'), blank;

	if (!line.len || line.ptr[0] == '#')
		return false;
	*ret_sample = (struct sample){ 0 };
	if (open >= 0) {
		size_t close = line.len;

		while (close > 0 && line.ptr[close - 1] != '}')
			close--;
		if (close <= (size_t)open + 1)
			return false;
		ret_sample->metric = str_head(line, (size_t)open);
		ret_sample->labels =
			str_head(str_skip(line, (size_t)open + 1), close - (size_t)open - 2);
		ret_sample->value = str_trim(str_skip(line, close));
		return ret_sample->value.len > 0;
	}
	blank = str_find(line, ' ');
	if (blank < 0)
		return false;
	ret_sample->metric = str_head(line, (size_t)blank);
	ret_sample->value = str_trim(str_skip(line, (size_t)blank));
	return ret_sample->value.len > 0;
}

/* The text between the quotes behind NAME=; escapes stay as they are. */
static bool label(struct str labels, const char *name, struct str *ret_text)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < labels.len;) {
		size_t key = i, from;

		while (i < labels.len && labels.ptr[i] != '=')
			i++;
		if (i + 1 >= labels.len || labels.ptr[i + 1] != '"')
			return false;
		from = i += 2;
		while (i < labels.len && labels.ptr[i] != '"')
			i += labels.ptr[i] == '\\' ? 2U : 1U;
		if (i >= labels.len)
			return false;
		if (from - 2 - key == len && !memcmp(labels.ptr + key, name, len)) {
			*ret_text = str_make(labels.ptr + from, i - from);
			return true;
		}
		i += i + 1 < labels.len && labels.ptr[i + 1] == ',' ? 2U : 1U;
	}
	return false;
}

/* A number with at most three digits behind its point, times 1000; 0 where it is none. */
static uint64_t milli(struct str value)
{
	ptrdiff_t dot = str_find(value, '.');
	struct str whole = dot < 0 ? value : str_head(value, (size_t)dot);
	struct str rest = dot < 0 ? (struct str){ 0 } : str_skip(value, (size_t)dot + 1);
	uint64_t n = 0, part = 0;

	if (str_to_u64(whole, 0, UINT64_MAX / PERMILLE - 1, &n) < 0)
		return 0;
	rest = str_head(rest, rest.len < 3 ? rest.len : 3);
	if (rest.len && str_to_u64(rest, 0, PERMILLE - 1, &part) < 0)
		return 0;
	for (size_t i = rest.len; rest.len && i < 3; i++)
		part *= 10;
	return n * PERMILLE + part;
}

static struct stats_row *row_of(struct stats *stats, struct str name)
{
	char shown[STATS_NAME_MAX];
	struct stats_row *row;

	(void)str_escape(str_head(name, STATS_NAME_MAX / 4), shown, sizeof(shown));
	for (uint32_t i = 0; i < stats->count; i++)
		if (!strcmp(stats->rows[i].name, shown))
			return &stats->rows[i];
	if (stats->count == STATS_ROWS_MAX) {
		stats->dropped++;
		return NULL;
	}
	row = &stats->rows[stats->count++];
	*row = (struct stats_row){ 0 };
	memcpy(row->name, shown, sizeof(row->name));
	return row;
}

struct totals {
	uint64_t busy_ms, memory, available;
	uint32_t processors;
};

static void take_machine(struct stats *stats, struct totals *totals, const struct sample *sample)
{
	struct str text = { 0 };
	uint64_t value = milli(sample->value);

	if (str_is(sample->metric, "node_cpu_seconds_total") &&
	    label(sample->labels, "mode", &text)) {
		totals->processors += str_is(text, "idle");
		if (!str_is(text, "idle") && !str_is(text, "iowait"))
			totals->busy_ms += value;
	} else if (str_is(sample->metric, "node_memory_MemTotal_bytes")) {
		totals->memory = value / PERMILLE;
	} else if (str_is(sample->metric, "node_memory_MemAvailable_bytes")) {
		totals->available = value / PERMILLE;
	} else if (str_is(sample->metric, "node_network_receive_bytes_total") &&
		   label(sample->labels, "device", &text) && !str_is(text, "lo")) {
		stats->machine.rx += value / PERMILLE;
	} else if (str_is(sample->metric, "node_network_transmit_bytes_total") &&
		   label(sample->labels, "device", &text) && !str_is(text, "lo")) {
		stats->machine.tx += value / PERMILLE;
	}
}

static void take_container(struct stats *stats, const struct sample *sample)
{
	uint64_t value = milli(sample->value);
	struct stats_row *row;
	struct str name;

	if (!label(sample->labels, "name", &name))
		return;
	row = row_of(stats, name);
	if (row == NULL)
		return;
	row->seen = true;
	if (str_is(sample->metric, "container_cpu_usage_seconds_total"))
		row->cpu_ms = value;
	else if (str_is(sample->metric, "container_memory_working_set_bytes"))
		row->memory = value / PERMILLE;
	else if (str_is(sample->metric, "container_spec_memory_limit_bytes"))
		row->limit = value / PERMILLE;
	else if (str_is(sample->metric, "container_processes"))
		row->processes = value / PERMILLE;
	else if (str_is(sample->metric, "container_network_receive_bytes_total"))
		row->rx += value / PERMILLE;
	else if (str_is(sample->metric, "container_network_transmit_bytes_total"))
		row->tx += value / PERMILLE;
	else if (str_is(sample->metric, "container_fs_reads_bytes_total"))
		row->read = value / PERMILLE;
	else if (str_is(sample->metric, "container_fs_writes_bytes_total"))
		row->written = value / PERMILLE;
}

/* A counter that fell was begun anew: its container was started again. */
static uint64_t grown(uint64_t before, uint64_t now)
{
	return now >= before ? now - before : now;
}

static void settle(struct stats_row *row, const struct stats_row *before, int64_t ms)
{
	if (ms > 0 && before->samples > 0) {
		uint64_t span = (uint64_t)ms, permille;

		permille = grown(before->cpu_ms, row->cpu_ms) * PERMILLE / span;
		row->cpu_permille = permille > UINT16_MAX ? UINT16_MAX : (uint32_t)permille;
		row->rx_rate = grown(before->rx, row->rx) / span * SECOND_MS +
			       grown(before->rx, row->rx) % span * SECOND_MS / span;
		row->tx_rate = grown(before->tx, row->tx) / span * SECOND_MS +
			       grown(before->tx, row->tx) % span * SECOND_MS / span;
		memmove(row->history, row->history + 1,
			sizeof(row->history) - sizeof(row->history[0]));
		row->history[STATS_HISTORY - 1] = (uint16_t)row->cpu_permille;
	}
	row->samples++;
}

void stats_take(struct stats *stats, struct str text, int64_t now_ms)
{
	static struct stats before;
	struct totals totals = { 0 };
	int64_t ms = now_ms - stats->at_ms;
	struct sample sample;
	struct str line;
	uint32_t kept = 0;

	before = *stats;
	stats->machine.rx = stats->machine.tx = 0;
	stats->dropped = 0;
	for (uint32_t i = 0; i < stats->count; i++) {
		stats->rows[i].seen = false;
		stats->rows[i].rx = stats->rows[i].tx = 0;
	}
	while (str_cut(&text, '\n', &line)) {
		if (!split(line, &sample))
			continue;
		if (str_starts(sample.metric, STR("node_")))
			take_machine(stats, &totals, &sample);
		else if (str_starts(sample.metric, STR("container_")))
			take_container(stats, &sample);
	}
	stats->machine.cpu_ms = totals.busy_ms;
	stats->machine.limit = totals.memory;
	stats->machine.memory =
		totals.memory > totals.available ? totals.memory - totals.available : 0;
	stats->processors = totals.processors;
	settle(&stats->machine, &before.machine, ms);
	for (uint32_t i = 0; i < stats->count; i++) { /* new rows stand behind those of before */
		settle(&stats->rows[i],
		       i < before.count ? &before.rows[i] : &(struct stats_row){ 0 }, ms);
		if (stats->rows[i].seen)
			stats->rows[kept++] = stats->rows[i];
	}
	stats->count = kept;
	stats->at_ms = now_ms;
}

static uint64_t weight(const struct stats_row *row, enum stats_order order)
{
	switch (order) {
	case STATS_BY_CPU:
		return row->cpu_permille;
	case STATS_BY_MEMORY:
		return row->memory;
	case STATS_BY_NETWORK:
		return row->rx_rate + row->tx_rate;
	case STATS_BY_NAME:
		return 0;
	}
	return 0;
}

void stats_sort(struct stats *stats, enum stats_order order)
{
	for (uint32_t i = 1; i < stats->count; i++) {
		struct stats_row row = stats->rows[i];
		uint64_t own = weight(&row, order);
		uint32_t at = i;

		while (at > 0) {
			uint64_t other = weight(&stats->rows[at - 1], order);

			if (other > own ||
			    (other == own && strcmp(stats->rows[at - 1].name, row.name) <= 0))
				break;
			stats->rows[at] = stats->rows[at - 1];
			at--;
		}
		stats->rows[at] = row;
	}
}

void stats_graph(const struct stats_row *row, uint32_t full, char *dst)
{
	static const char steps[GRAPH_STEPS + 1] = " .:-=+*#";
	uint32_t most = full ? full : 1;

	for (size_t i = 0; i < STATS_HISTORY; i++)
		most = row->history[i] > most ? row->history[i] : most;
	for (size_t i = 0; i < STATS_HISTORY; i++) {
		uint32_t step = (row->history[i] * (GRAPH_STEPS - 1) + most - 1) / most;

		dst[i] = steps[step];
	}
	dst[STATS_HISTORY] = '\0';
}

void stats_bytes(uint64_t bytes, char *dst, size_t cap)
{
	static const char units[] = "BKMGTP";
	uint64_t tenths = bytes;
	size_t unit = 0;

	if (bytes < KIB) {
		(void)snprintf(dst, cap, "%uB", (unsigned)bytes);
		return;
	}
	for (unit = 1; unit + 2 < sizeof(units) && tenths >= (uint64_t)KIB * KIB; unit++)
		tenths /= KIB;
	if (tenths / KIB < 100)
		(void)snprintf(dst, cap, "%u.%u%c", (unsigned)(tenths / KIB),
			       (unsigned)(tenths % KIB * 10 / KIB), units[unit]);
	else
		(void)snprintf(dst, cap, "%u%c", (unsigned)(tenths / KIB % 100000), units[unit]);
}
