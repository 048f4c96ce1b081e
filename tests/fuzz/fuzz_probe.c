/* SPDX-License-Identifier: Apache-2.0 */
/* What ping, traceroute and dig are asked for, echo packets and answers of name servers: whatever
 * comes, what is printed of it is printable. */
#include <stdlib.h>
#include "lib/own.h"
#include "netd/api/probe_msg.h"
#include "netd/dns/dns_walk.h"
#include "netd/probe/echo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ask(struct str body)
{
	struct probe_ask ask, again;
	struct buf out OWN(buf_done) = { 0 };

	if (probe_ask_get(body, &ask) < 0)
		return;
	buf_init(&out, PROBE_ASK_BYTES_MAX);
	probe_ask_put(&out, &ask);
	if (probe_ask_get(buf_str(&out), &again) < 0 || !str_eq(buf_str(&out), body))
		abort();
}

static void check_walk(struct str message)
{
	struct buf data OWN(buf_done) = { 0 };
	struct dns_walk_record record;
	struct dns_walk walk;

	if (dns_walk_begin(message, &walk) < 0)
		return;
	buf_init(&data, 1 << 20);
	while (dns_walk_next(&walk, &record, &data) > 0) {
		if (record.section >= DNS_SECTION_COUNT || walk.at > message.len || !*record.name)
			abort();
		for (size_t i = 0; i < data.len; i++)
			if (data.data[i] < ' ' || data.data[i] > '~')
				abort();
		buf_clear(&data);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_make(data, size);
	uint16_t number;
	char text[16];

	check_ask(bytes);
	check_walk(bytes);
	(void)echo_read(bytes, size & 1, 0, &number);
	(void)echo_returned(bytes, size & 1, &number);
	if (size >= 3 && !*echo_error_text(data[0] & 1, data[1], data[2]))
		abort();
	if (probe_type_read(bytes, &number) == 0 &&
	    probe_type_read(str_from(probe_type_name(number, text)), &number) < 0)
		abort();
	return 0;
}
