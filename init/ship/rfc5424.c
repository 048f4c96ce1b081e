/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the form of a line for a syslog server. Pure; run by role syslog. Must never let a byte of
 * a line end its frame or its header.
 */
#include "init/ship/rfc5424.h"

#include <stdbool.h>
#include <time.h>

enum { HOSTNAME_MAX = 255, FACILITY_KERN = 0, SEVERITIES = 8, SECOND_MS = 1000, CENTI_MS = 10 };

/* sequenceId goes from 1 to 2147483647 and begins again (RFC 5424 section 7.3.1). */
#define SEQUENCE_MAX UINT64_C(2147483647)

/* A header field: printable US-ASCII without blanks, "-" for nothing. */
static void put_name(struct buf *out, struct str name, size_t max)
{
	size_t n = name.len < max ? name.len : max;

	for (size_t i = 0; i < n; i++) {
		char c = name.ptr[i];

		(void)buf_add_byte(out, c > ' ' && c <= '~' ? (unsigned char)c : '_');
	}
	if (n == 0)
		(void)buf_add_byte(out, '-');
}

static void put_time(struct buf *out, int64_t wall_ms)
{
	time_t at = (time_t)(wall_ms / SECOND_MS);
	struct tm tm = { 0 };
	char text[32];

	if (wall_ms <= 0 || gmtime_r(&at, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		(void)buf_add_byte(out, '-');
	else
		(void)buf_printf(out, "%s.%03dZ", text, (int)(wall_ms % SECOND_MS));
}

static void put_text(struct buf *out, struct str text)
{
	size_t n = text.len < SHIP_TEXT_MAX ? text.len : SHIP_TEXT_MAX;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		(void)buf_add_byte(out, c < ' ' || c == 0x7f ? '?' : c);
	}
}

void rfc5424_put(struct buf *out, const struct ship_line *line, uint8_t facility,
		 const char *hostname)
{
	char memory[SHIP_FRAME_MAX];
	struct buf text = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };

	if (line->source == SHIP_SOURCE_KERNEL)
		facility = FACILITY_KERN;
	(void)buf_printf(&text, "<%u>1 ",
			 (unsigned)facility * SEVERITIES + (line->prio % SEVERITIES));
	put_time(&text, line->wall_ms);
	(void)buf_add_byte(&text, ' ');
	put_name(&text, str_from(hostname), HOSTNAME_MAX);
	(void)buf_add_byte(&text, ' ');
	put_name(&text, line->who, SHIP_WHO_MAX);
	(void)buf_add_byte(&text, ' ');
	put_name(&text, line->proc, SHIP_WORD_MAX);
	(void)buf_add_byte(&text, ' ');
	put_name(&text, line->kind, SHIP_WORD_MAX);
	(void)buf_add_text(&text, " [meta");
	if (line->number > 0)
		(void)buf_printf(&text, " sequenceId=\"%llu\"",
				 (unsigned long long)((line->number - 1) % SEQUENCE_MAX + 1));
	(void)buf_printf(
		&text, " sysUpTime=\"%llu\"] ",
		(unsigned long long)(line->uptime_ms > 0 ? line->uptime_ms / CENTI_MS : 0));
	put_text(&text, line->text);
	(void)buf_printf(out, "%zu ", text.len);
	(void)buf_add_str(out, buf_str(&text));
}
