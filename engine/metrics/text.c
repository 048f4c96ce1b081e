/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text format of Prometheus and the kernel's counters that go into it. Pure; runs in engine
 * main, on files of the kernel alone. Must never read a byte that a container wrote.
 */
#include "engine/metrics/text.h"

#include <stdio.h>
#include <string.h>
#include "lib/own.h"

enum { TICKS_PER_S = 100, KIB = 1024 };

/* ---- writing ---- */

void metrics_family(struct buf *out, const char *name, enum metrics_type type, const char *help)
{
	(void)buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
			 type == METRICS_COUNTER ? "counter" : "gauge");
}

static void put_value(struct buf *out, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if (c == '\\' || c == '"')
			(void)buf_add_byte(out, '\\');
		(void)buf_add_byte(out, c < ' ' || c >= 0x7f ? '?' : c);
	}
}

static int digits_of(uint64_t divisor)
{
	int digits = 0;

	for (; divisor > 1; divisor /= 10)
		digits++;
	return digits;
}

void metrics_sample(struct buf *out, const char *name, const struct metrics_label *labels,
		    size_t count, uint64_t value, uint64_t divisor)
{
	(void)buf_add_text(out, name);
	for (size_t i = 0; i < count; i++) {
		(void)buf_printf(out, "%s%s=\"", i ? "," : "{", labels[i].name);
		put_value(out, labels[i].value);
		(void)buf_add_byte(out, '"');
	}
	(void)buf_printf(out, "%s %llu", count ? "}" : "", (unsigned long long)(value / divisor));
	if (divisor > 1)
		(void)buf_printf(out, ".%0*llu", digits_of(divisor),
				 (unsigned long long)(value % divisor));
	(void)buf_add_byte(out, '\n');
}

/* ---- reading ---- */

bool metrics_word(struct str *rest, struct str *ret_word)
{
	size_t start = 0, end;

	while (start < rest->len && (rest->ptr[start] == ' ' || rest->ptr[start] == '\t'))
		start++;
	end = start;
	while (end < rest->len && rest->ptr[end] != ' ' && rest->ptr[end] != '\t')
		end++;
	*ret_word = str_make(rest->ptr + start, end - start);
	*rest = str_skip(*rest, end);
	return ret_word->len > 0;
}

static uint64_t next_number(struct str *rest)
{
	uint64_t number = 0;
	struct str word;

	if (metrics_word(rest, &word))
		(void)str_to_u64(word, 0, UINT64_MAX, &number);
	return number;
}

uint64_t metrics_keyed(struct str text, const char *key)
{
	struct str line, name;

	while (text.len > 0 && str_cut(&text, '\n', &line)) {
		if (!metrics_word(&line, &name))
			continue;
		if (name.ptr[name.len - 1] == ':')
			name.len--;
		if (str_is(name, key))
			return next_number(&line);
	}
	return 0;
}

uint64_t metrics_summed(struct str text, const char *key)
{
	uint64_t sum = 0, number;
	struct str line, word, name;

	while (text.len > 0 && str_cut(&text, '\n', &line))
		while (metrics_word(&line, &word)) {
			if (str_find(word, '=') < 0 || !str_cut(&word, '=', &name) ||
			    !str_is(name, key) || str_to_u64(word, 0, UINT64_MAX, &number) < 0)
				continue;
			sum = number > UINT64_MAX - sum ? UINT64_MAX : sum + number;
		}
	return sum;
}

uint64_t metrics_plain(struct str text)
{
	struct str line;

	return text.len > 0 && str_cut(&text, '\n', &line) ? next_number(&line) : 0;
}

/* ---- the machine ---- */

void metrics_cpus(struct buf *out, struct str stat)
{
	static const char *const modes[] = { "user",   "nice", "system",  "idle",
					     "iowait", "irq",  "softirq", "steal" };
	static const char name[] = "node_cpu_seconds_total";
	struct str line, cpu;

	metrics_family(out, name, METRICS_COUNTER, "Seconds the CPUs spent in each mode.");
	while (stat.len > 0 && str_cut(&stat, '\n', &line)) {
		if (!str_starts(line, STR("cpu")) || !metrics_word(&line, &cpu) || cpu.len == 3)
			continue;
		for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
			const struct metrics_label labels[] = { { "cpu", str_skip(cpu, 3) },
								{ "mode", str_from(modes[i]) } };

			metrics_sample(out, name, labels, 2, next_number(&line), TICKS_PER_S);
		}
	}
}

void metrics_memory(struct buf *out, struct str meminfo)
{
	static const char *const keys[] = { "MemTotal", "MemFree",   "MemAvailable", "Buffers",
					    "Cached",	"SwapTotal", "SwapFree",     "Shmem",
					    "Slab",	"Dirty" };
	char name[64], help[64];

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		(void)snprintf(name, sizeof(name), "node_memory_%s_bytes", keys[i]);
		(void)snprintf(help, sizeof(help), "Memory information field %s_bytes.", keys[i]);
		metrics_family(out, name, METRICS_GAUGE, help);
		metrics_sample(out, name, NULL, 0, metrics_keyed(meminfo, keys[i]) * KIB, 1);
	}
}

/* "0.42" in hundredths. */
static uint64_t hundredths(struct str word)
{
	uint64_t whole = 0, part = 0;
	struct str head;

	if (str_cut(&word, '.', &head))
		(void)str_to_u64(head, 0, UINT32_MAX, &whole);
	(void)str_to_u64(word, 0, 99, &part);
	return whole * 100 + part;
}

void metrics_load(struct buf *out, struct str loadavg)
{
	static const char *const names[] = { "node_load1", "node_load5", "node_load15" };
	static const char *const helps[] = { "1m load average.", "5m load average.",
					     "15m load average." };
	struct str word;

	for (size_t i = 0; i < ARRAY_LEN(names) && metrics_word(&loadavg, &word); i++) {
		metrics_family(out, names[i], METRICS_GAUGE, helps[i]);
		metrics_sample(out, names[i], NULL, 0, hundredths(word), 100);
	}
}

#define FIELD(name, help, member)                                \
	{                                                        \
		name, help, offsetof(struct metrics_net, member) \
	}

const struct metrics_net_field metrics_net_fields[] = {
	FIELD("receive_bytes_total", "Bytes received.", rx_bytes),
	FIELD("receive_packets_total", "Packets received.", rx_packets),
	FIELD("receive_errors_total", "Errors while receiving.", rx_errors),
	FIELD("receive_packets_dropped_total", "Packets dropped while receiving.", rx_dropped),
	FIELD("transmit_bytes_total", "Bytes sent.", tx_bytes),
	FIELD("transmit_packets_total", "Packets sent.", tx_packets),
	FIELD("transmit_errors_total", "Errors while sending.", tx_errors),
	FIELD("transmit_packets_dropped_total", "Packets dropped while sending.", tx_dropped),
};
const size_t metrics_net_field_count = ARRAY_LEN(metrics_net_fields);

bool metrics_net_next(struct str *rest, struct metrics_net *ret_net)
{
	struct str line;

	while (rest->len > 0 && str_cut(rest, '\n', &line)) {
		ptrdiff_t colon = str_find(line, ':');
		uint64_t n[12];

		if (colon < 0)
			continue;
		ret_net->device = str_trim(str_head(line, (size_t)colon));
		line = str_skip(line, (size_t)colon + 1);
		for (size_t i = 0; i < ARRAY_LEN(n); i++)
			n[i] = next_number(&line);
		ret_net->rx_bytes = n[0];
		ret_net->rx_packets = n[1];
		ret_net->rx_errors = n[2];
		ret_net->rx_dropped = n[3];
		ret_net->tx_bytes = n[8];
		ret_net->tx_packets = n[9];
		ret_net->tx_errors = n[10];
		ret_net->tx_dropped = n[11];
		return true;
	}
	return false;
}
