/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top: what the machine and its containers use, drawn again every two seconds. Runs in the console
 * program, out of the engine's metrics. Must stay readable at 80x24 and 115200 baud.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "init/console/console.h"
#include "init/console/script.h"
#include "init/console/screen.h"
#include "init/console/stats.h"
#include "init/console/top.h"
#include "lib/mono.h"
#include "lib/own.h"

enum {
	TOP_EVERY_MS = 2000,
	TOP_ONCE_MS = 1000,
	TOP_WAIT_MS = 1500,
	TOP_PATIENCE_MS = 20000,
	TOP_TEXT_MAX = 8 << 20
};

static struct screen screen;
static struct stats stats;
static enum stats_order order;

int top_sample(struct console *console, struct stats *ret_stats, int wait_ms, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	int r = console_call_within(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_METRICS, STR(""),
				    wait_ms, &reply, err);

	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	stats_take(ret_stats, wire_str(&in, TOP_TEXT_MAX), mono_now().ns / 1000000);
	return 0;
}

void top_machine(const struct stats *now, char *dst, size_t cap)
{
	char graph[STATS_HISTORY + 1], used[16], all[16], rx[16], tx[16];
	uint32_t whole = (now->processors ? now->processors : 1) * 1000;

	stats_graph(&now->machine, whole, graph);
	stats_bytes(now->machine.memory, used, sizeof(used));
	stats_bytes(now->machine.limit, all, sizeof(all));
	stats_bytes(now->machine.rx_rate, rx, sizeof(rx));
	stats_bytes(now->machine.tx_rate, tx, sizeof(tx));
	(void)snprintf(dst, cap, "cpu %3u%% of %u [%s]  memory %s of %s  network in %s/s out %s/s",
		       now->machine.cpu_permille / 10, now->processors, graph, used, all, rx, tx);
}

static void row_text(const struct stats_row *row, char *dst, size_t cap)
{
	char graph[STATS_HISTORY + 1], memory[16], limit[16], rx[16], tx[16];

	stats_graph(row, 100, graph);
	stats_bytes(row->memory, memory, sizeof(memory));
	stats_bytes(row->limit, limit, sizeof(limit));
	stats_bytes(row->rx_rate, rx, sizeof(rx));
	stats_bytes(row->tx_rate, tx, sizeof(tx));
	(void)snprintf(dst, cap, "%-18.18s %4u.%u%% %s %6s %6s %5llu %6s %6s", row->name,
		       row->cpu_permille / 10, row->cpu_permille % 10, graph, memory,
		       row->limit ? limit : "-", (unsigned long long)row->processes, rx, tx);
}

#define HEAD  "%-18s %6s %-16s %6s %6s %5s %6s %6s"
#define NAMES "NAME", "CPU", "LAST 30 S", "MEMORY", "LIMIT", "PROC", "IN/S", "OUT/S"

#define KEYS "q ends; sorted by c cpu, m memory, n network, a name"

static void draw(struct console *console, const struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };
	char line[200];
	uint32_t left = 0;

	buf_init(&out, 65536);
	screen_clear(&screen);
	if (err->code) {
		screen_line(&screen, "%s", err_text(err));
	} else {
		top_machine(&stats, line, sizeof(line));
		screen_line(&screen, "%s", line);
		screen_line(&screen, "%s", "");
		screen_line(&screen, HEAD, NAMES);
	}
	for (uint32_t i = 0; !err->code && i < stats.count; i++) {
		row_text(&stats.rows[i], line, sizeof(line));
		if (screen.row + 2 >= screen.rows)
			left++;
		else
			screen_line(&screen, "%s", line);
	}
	if (left)
		(void)snprintf(line, sizeof(line), "%s; %u more", KEYS, left);
	screen_last(&screen, left ? line : KEYS);
	screen_flush(&screen, &out);
	console_raw(console, buf_text(&out), out.len);
}

/* True: a key that ends it. */
static bool take_keys(struct console *console)
{
	unsigned char bytes[32];
	ssize_t n = console_read(console, bytes, sizeof(bytes));

	if (n < 0 && errno == EAGAIN)
		return false;
	for (ssize_t i = 0; i < n; i++) {
		switch (bytes[i]) {
		case 'q':
		case 3:
			return true;
		case 12:
			screen.valid = false;
			break;
		case 'c':
			order = STATS_BY_CPU;
			break;
		case 'm':
			order = STATS_BY_MEMORY;
			break;
		case 'n':
			order = STATS_BY_NETWORK;
			break;
		case 'a':
			order = STATS_BY_NAME;
			break;
		default:
			break;
		}
	}
	return n <= 0;
}

static void print_json(struct console *console, const struct stats_row *row)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 1024);
	script_put_text(&out, "name", row->name);
	script_put_number(&out, "cpu_permille", row->cpu_permille);
	script_put_number(&out, "memory_bytes", (int64_t)row->memory);
	script_put_number(&out, "memory_limit_bytes", (int64_t)row->limit);
	script_put_number(&out, "processes", (int64_t)row->processes);
	script_put_number(&out, "receive_bytes_per_s", (int64_t)row->rx_rate);
	script_put_number(&out, "transmit_bytes_per_s", (int64_t)row->tx_rate);
	console_json(console, buf_str(&out));
}

/* Two samples, and what lies between them: for scripts and pipes. */
static int print_once(struct console *console, struct err *err)
{
	char line[200];
	int r = top_sample(console, &stats, TOP_PATIENCE_MS, err);

	if (r >= 0)
		(void)poll(NULL, 0, TOP_ONCE_MS); /* keys mean nothing here */
	if (r >= 0)
		r = top_sample(console, &stats, TOP_PATIENCE_MS, err);
	if (r < 0)
		return r;
	stats_sort(&stats, order);
	if (!console->json) {
		top_machine(&stats, line, sizeof(line));
		console_printf(console, "%s\n" HEAD "\n", line, NAMES);
	}
	for (uint32_t i = 0; i < stats.count; i++) {
		row_text(&stats.rows[i], line, sizeof(line));
		if (console->json)
			print_json(console, &stats.rows[i]);
		else
			console_printf(console, "%s\n", line);
	}
	return 0;
}

int verb_top(struct console *console, const struct words *words, struct err *err)
{
	struct err away;

	(void)words;
	memset(&stats, 0, sizeof(stats));
	order = STATS_BY_CPU;
	if (!console->keys || console->json || console->capture)
		return print_once(console, err);
	screen_init(&screen, console->rows, console->columns);
	console_full_screen(console, true);
	do {
		away = (struct err){ 0 };
		(void)top_sample(console, &stats, TOP_WAIT_MS, &away);
		stats_sort(&stats, order);
		draw(console, &away);
	} while (!console->quit &&
		 !((console_wait(console, -1, TOP_EVERY_MS) & 1) && take_keys(console)));
	console_full_screen(console, false);
	return 0;
}
