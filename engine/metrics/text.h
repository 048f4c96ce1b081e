/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_METRICS_TEXT_H
#define HOY_ENGINE_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"

/*
 * The text format of Prometheus, version 0.0.4, pure: families with their samples, and the numbers
 * of the kernel's files that they are made of.
 */
enum metrics_type { METRICS_COUNTER, METRICS_GAUGE };

/* "# HELP" and "# TYPE"; the samples of a family follow it at once. */
void metrics_family(struct buf *out, const char *name, enum metrics_type type, const char *help);

struct metrics_label {
	const char *name;
	struct str value; /* any bytes: escaped, what is no printable ASCII becomes '?' */
};

/* One sample; value / divisor is printed, divisor a power of ten up to 10^9. */
void metrics_sample(struct buf *out, const char *name, const struct metrics_label *labels,
		    size_t count, uint64_t value, uint64_t divisor);

/* The number behind "KEY " in lines of "KEY NUMBER", also "KEY: NUMBER kB"; 0 when it is missing.
 */
uint64_t metrics_keyed(struct str text, const char *key);
/* The sum of the numbers behind "KEY=" in lines of "DEVICE KEY=NUMBER ...", as in io.stat. */
uint64_t metrics_summed(struct str text, const char *key);
/* The first number of a file; "max" and the like are 0. */
uint64_t metrics_plain(struct str text);
/* The next word between blanks; false at the end. */
bool metrics_word(struct str *rest, struct str *ret_word);

/* node_cpu_seconds_total out of /proc/stat. */
void metrics_cpus(struct buf *out, struct str stat);
/* node_memory_*_bytes out of /proc/meminfo. */
void metrics_memory(struct buf *out, struct str meminfo);
/* node_load1, 5 and 15 out of /proc/loadavg. */
void metrics_load(struct buf *out, struct str loadavg);

/* One row of /proc/net/dev after another; false at the end. */
struct metrics_net {
	struct str device;
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};
bool metrics_net_next(struct str *rest, struct metrics_net *ret_net);

/* The fields of a row as families: a counter's name behind the prefix, and where it stands. */
struct metrics_net_field {
	const char *name, *help;
	size_t offset; /* in struct metrics_net */
};
extern const struct metrics_net_field metrics_net_fields[];
extern const size_t metrics_net_field_count;

#endif
