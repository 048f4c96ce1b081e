/* SPDX-License-Identifier: Apache-2.0 */
/* Counter files of the kernel and labels: whole lines of printable text come out, whatever goes in.
 */
#include <stdint.h>
#include <stdlib.h>
#include "engine/metrics/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size), rest = text;
	const struct metrics_label label = { "name", text };
	struct metrics_net net;
	struct buf out;

	if (size > 4096)
		return 0;
	buf_init(&out, 1 << 20);
	metrics_cpus(&out, text);
	metrics_memory(&out, text);
	metrics_load(&out, text);
	metrics_sample(&out, "x", &label, 1, metrics_plain(text), 1000);
	(void)metrics_keyed(text, "oom_kill");
	(void)metrics_summed(text, "rbytes");
	while (metrics_net_next(&rest, &net))
		if (net.device.len > size)
			abort();
	for (size_t i = 0; i < out.len; i++)
		if ((out.data[i] < ' ' && out.data[i] != '\n') || out.data[i] == 0x7f)
			abort();
	if (buf_error(&out) || out.data[out.len - 1] != '\n')
		abort();
	buf_done(&out);
	return 0;
}
