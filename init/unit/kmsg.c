/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the form of the kernel's log records. Pure; PID 1 runs it when a person asks for the
 * kernel's log. Must never hand on a byte that a terminal would obey.
 */
#include "init/unit/kmsg.h"

#include <stdio.h>
#include <string.h>

enum { LEVEL_MASK = 7, PRIO_MAX = 1 << 16 };

#define KMSG_WHO "kernel: "

bool kmsg_parse(struct str record, struct ring_line *ret_line)
{
	struct str head, text, prio, number, stamp;
	uint64_t prio_value, number_value, micros;
	size_t n = sizeof(KMSG_WHO) - 1;

	if (!str_cut(&record, ';', &head) || !str_cut(&record, '\n', &text) ||
	    !str_cut(&head, ',', &prio) || !str_cut(&head, ',', &number) ||
	    !str_cut(&head, ',', &stamp))
		return false;
	if (str_to_u64(prio, 0, PRIO_MAX, &prio_value) < 0 ||
	    str_to_u64(number, 0, UINT64_MAX, &number_value) < 0 ||
	    str_to_u64(stamp, 0, INT64_MAX, &micros) < 0)
		return false;
	ret_line->number = number_value;
	ret_line->uptime_ms = (int64_t)(micros / 1000);
	ret_line->prio = (uint8_t)(prio_value & LEVEL_MASK);
	ret_line->unit = 0;
	memcpy(ret_line->text, KMSG_WHO, n);
	for (size_t i = 0; i < text.len && n < RING_TEXT_MAX; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		ret_line->text[n++] = (char)(c < ' ' || c >= 0x7f ? '?' : c);
	}
	ret_line->text[n] = '\0';
	ret_line->len = n;
	return true;
}
