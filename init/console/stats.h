/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_STATS_H
#define HOY_INIT_CONSOLE_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/str.h"

/*
 * Figures of the machine and its containers over time, pure: out of the Prometheus text that the
 * engine gives (ENGINE_MSG_METRICS), with rates between two samples and a small history of each.
 */
enum { STATS_ROWS_MAX = 128, STATS_HISTORY = 16, STATS_NAME_MAX = 64 };

struct stats_row {
	char name[STATS_NAME_MAX];
	uint64_t cpu_ms, rx, tx, read, written; /* counters */
	uint64_t memory, limit, processes;
	uint32_t cpu_permille;		 /* of one processor, between the last two samples */
	uint64_t rx_rate, tx_rate;	 /* bytes a second */
	uint16_t history[STATS_HISTORY]; /* cpu_permille, newest last */
	uint32_t samples;
	bool seen;
};

struct stats {
	struct stats_row machine; /* memory = what is in use, limit = what there is */
	struct stats_row rows[STATS_ROWS_MAX];
	uint32_t count, dropped;
	uint64_t busy_ms;
	uint32_t processors;
	int64_t at_ms;
};

/* One more sample, taken at now_ms; what is not in it is gone. Lines that make no sense are passed
 * over. */
void stats_take(struct stats *stats, struct str text, int64_t now_ms);

enum stats_order { STATS_BY_CPU, STATS_BY_MEMORY, STATS_BY_NETWORK, STATS_BY_NAME };
/* Sorts the rows, largest first, by name where they are equal. */
void stats_sort(struct stats *stats, enum stats_order order);

/* The history as STATS_HISTORY characters from ' ' to '#', the largest value of it (at least
 * `full`) at the top. dst holds STATS_HISTORY + 1. */
void stats_graph(const struct stats_row *row, uint32_t full, char *dst);
/* "12.3M": at most 6 characters and a NUL. */
void stats_bytes(uint64_t bytes, char *dst, size_t cap);

#endif
