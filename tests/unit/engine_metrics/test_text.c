/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus text out of the kernel's counters. */
#include <string.h>
#include "engine/metrics/text.h"
#include "tests/unit/tap.h"

static struct buf out;

static void expect(const char *want, const char *what)
{
	is_text(buf_text(&out), want, "%s", what);
	buf_clear(&out);
}

static void test_writing(void)
{
	const struct metrics_label labels[] = { { "name", STR("a\"b\\c\n\xff") },
						{ "image", STR("x:1") } };

	metrics_family(&out, "a_total", METRICS_COUNTER, "Help.");
	expect("# HELP a_total Help.\n# TYPE a_total counter\n", "a family");
	metrics_sample(&out, "a_total", NULL, 0, 12, 1);
	expect("a_total 12\n", "a sample");
	metrics_sample(&out, "a_total", labels, 2, 1000042, 1000000);
	expect("a_total{name=\"a\\\"b\\\\c??\",image=\"x:1\"} 1.000042\n", "labels, a fraction");
	metrics_sample(&out, "a", NULL, 0, 18446744073709551615U, 1);
	expect("a 18446744073709551615\n", "the largest number");
}

static void test_machine(void)
{
	metrics_cpus(&out, STR("cpu  9 9\ncpu0 150 0 25 1000 3 0 1 0 0 0\nintr 1\n"));
	ok(strstr(buf_text(&out), "\nnode_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 1.50\n") &&
		   strstr(buf_text(&out), "{cpu=\"0\",mode=\"idle\"} 10.00\n"),
	   "each processor, each mode, in seconds");
	ok(!strstr(buf_text(&out), "cpu=\"\""), "not their sum");
	buf_clear(&out);
	metrics_memory(&out, STR("MemTotal:       1024 kB\nMemAvailable:     10 kB\n"));
	ok(strstr(buf_text(&out), "\nnode_memory_MemTotal_bytes 1048576\n") &&
		   strstr(buf_text(&out), "\nnode_memory_MemAvailable_bytes 10240\n"),
	   "memory in bytes");
	buf_clear(&out);
	metrics_load(&out, STR("0.42 1.05 12.00 1/2 3\n"));
	ok(strstr(buf_text(&out), "\nnode_load1 0.42\n") &&
		   strstr(buf_text(&out), "\nnode_load5 1.05\n") &&
		   strstr(buf_text(&out), "\nnode_load15 12.00\n"),
	   "load averages");
	buf_clear(&out);
}

static void test_files(void)
{
	struct str rest =
		STR("Inter-| Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13\n"
		    "    lo: 7\n");
	struct metrics_net net;

	is_int((long)metrics_keyed(STR("usage_usec 5\nuser_usec 7\n"), "user_usec"), 7, "by key");
	is_int((long)metrics_keyed(STR("low 0\noom 3\noom_kill 2\n"), "oom_kill"), 2,
	       "the whole key");
	is_int((long)metrics_keyed(STR(""), "x"), 0, "a missing one");
	is_int((long)metrics_plain(STR("4096\n")), 4096, "a number alone");
	is_int((long)metrics_plain(STR("max\n")), 0, "max is none");
	is_int((long)metrics_summed(STR("8:0 rbytes=5 wbytes=9 rios=1\n8:16 rbytes=7\n"), "rbytes"),
	       12, "all devices of io.stat");
	is_int((long)metrics_summed(STR("8:0 rbytes=\n8:1 rbytes=x\nrbytes 7\n"), "rbytes"), 0,
	       "what is no number");
	ok(metrics_net_next(&rest, &net) && str_is(net.device, "eth0") && net.rx_bytes == 1 &&
		   net.rx_dropped == 4 && net.tx_bytes == 9 && net.tx_dropped == 12,
	   "an interface, without the head of the table");
	ok(metrics_net_next(&rest, &net) && str_is(net.device, "lo") && net.rx_bytes == 7 &&
		   net.tx_bytes == 0,
	   "a row that is cut off");
	ok(!metrics_net_next(&rest, &net), "the end");
}

int main(void)
{
	buf_init(&out, 1 << 20);
	test_writing();
	test_machine();
	test_files();
	buf_done(&out);
	return tap_done();
}
