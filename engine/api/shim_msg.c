/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the records of shim messages and of the status file. Runs in engine main and in the shim,
 * without a heap there. Must never take a status file whose sum does not fit its content.
 */
#include "engine/api/shim_msg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/shim_version.h"
#include "lib/own.h"
#include "lib/wire.h"

#define EXIT_TAG "hoy-exit 1 "

void shim_exit_put(struct buf *out, const struct shim_exit *status)
{
	wire_put_u32(out, (uint32_t)status->code);
	wire_put_u32(out, status->signal);
	wire_put_u8(out, status->oom);
	wire_put_i64(out, status->started_ns);
	wire_put_i64(out, status->finished_ns);
}

void shim_exit_get(struct wire *in, struct shim_exit *ret_exit)
{
	ret_exit->code = (int32_t)wire_u32(in);
	ret_exit->signal = wire_u32(in);
	ret_exit->oom = wire_bool(in);
	ret_exit->started_ns = wire_i64(in);
	ret_exit->finished_ns = wire_i64(in);
}

/* FNV-1a, 32 bits: against a damaged file, not against an enemy. */
static uint32_t sum(const char *text, size_t len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	return hash;
}

int shim_exit_format(const struct shim_exit *status, char dst[SHIM_EXIT_TEXT_MAX])
{
	int n = snprintf(dst, SHIM_EXIT_TEXT_MAX, EXIT_TAG "%d %u %u %lld %lld", status->code,
			 status->signal, (unsigned)status->oom, (long long)status->started_ns,
			 (long long)status->finished_ns);

	n += snprintf(dst + n, SHIM_EXIT_TEXT_MAX - (size_t)n, " %08x\n", sum(dst, (size_t)n));
	return n;
}

int shim_exit_parse(struct str text, struct shim_exit *ret_exit, struct err *err)
{
	struct str rest = text, part;
	int64_t values[5];
	static const int64_t most[5] = { INT32_MAX, 64, 1, INT64_MAX, INT64_MAX };
	char wanted[SHIM_EXIT_TEXT_MAX];
	struct shim_exit status;
	int n;

	if (!str_starts(text, STR(EXIT_TAG)))
		return err_set(err, -EBADMSG, "exit file: not a status of version 1");
	rest = str_skip(rest, sizeof(EXIT_TAG) - 1);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (!str_cut(&rest, ' ', &part) || str_to_i64(part, 0, most[i], &values[i]) < 0)
			return err_set(err, -EBADMSG, "exit file: field %zu is damaged", i + 1);
	status = (struct shim_exit){ .code = (int32_t)values[0],
				     .signal = (uint32_t)values[1],
				     .oom = values[2] != 0,
				     .started_ns = values[3],
				     .finished_ns = values[4] };
	n = shim_exit_format(&status, wanted);
	if (!str_eq(text, str_make(wanted, (size_t)n)))
		return err_set(err, -EBADMSG, "exit file: its sum does not fit");
	*ret_exit = status;
	return 0;
}

int shim_report_decode(struct str body, struct shim_report *ret_report, struct err *err)
{
	struct shim_report report = { 0 };
	struct wire in;
	uint8_t state;

	wire_init(&in, body.ptr, body.len);
	report.version = wire_u16(&in);
	state = wire_u8(&in);
	report.pid = wire_u32(&in);
	shim_exit_get(&in, &report.exit);
	if (report.version == shim_version()) {
		report.dropped_lines = wire_u64(&in);
		report.exec_count = wire_count(&in, SHIM_EXECS_MAX);
		for (uint32_t i = 0; i < report.exec_count; i++) {
			report.execs[i].exec_id = wire_u32(&in);
			report.execs[i].pid = wire_u32(&in);
		}
	} else if (!in.error) { /* what a later version says behind the head */
		in.left = 0;
	}
	if (wire_end(&in) < 0 || state >= SHIM_STATE_COUNT)
		return err_set(err, -EBADMSG, "shim: malformed answer to STATE");
	report.state = (enum shim_state)state;
	*ret_report = report;
	return 0;
}
