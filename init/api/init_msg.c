/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the wire form of struct init_status; linked into init (writes) and the console (reads).
 * Must never do I/O.
 */
#include "init/api/init_msg.h"
#include "lib/own.h"

static void unit_put(struct buf *out, const struct init_unit_status *u)
{
	wire_put_text(out, u->name);
	wire_put_u8(out, u->state);
	wire_put_u32(out, u->pid);
	wire_put_u32(out, u->restarts);
	wire_put_i64(out, u->since_ms);
	wire_put_i64(out, u->retry_ms);
	wire_put_text(out, u->text);
	wire_put_u32(out, u->exit_count);
	for (size_t i = 0; i < u->exit_count && i < INIT_EXITS_MAX; i++) {
		wire_put_i64(out, u->exits[i].at_ms);
		wire_put_text(out, u->exits[i].reason);
	}
}

void init_status_put(struct buf *out, const struct init_status *s)
{
	wire_put_text(out, s->hostname);
	wire_put_text(out, s->version);
	wire_put_i64(out, s->uptime_ms);
	wire_put_i64(out, s->wall_s);
	wire_put_u8(out, s->clock);
	wire_put_u8(out, s->claimed);
	wire_put_u8(out, s->data);
	wire_put_text(out, s->boot_reason);
	wire_put_text(out, s->data_device);
	wire_put_text(out, s->data_text);
	wire_put_u64(out, s->data_bytes);
	wire_put_u64(out, s->data_free_bytes);
	wire_put_u64(out, s->mem_kib);
	wire_put_u64(out, s->mem_available_kib);
	wire_put_u32(out, s->config_issues);
	wire_put_u32(out, s->unit_count);
	for (size_t i = 0; i < s->unit_count && i < INIT_UNITS_MAX; i++)
		unit_put(out, &s->units[i]);
}

static void unit_get(struct wire *in, struct init_unit_status *u)
{
	wire_text(in, u->name, sizeof(u->name));
	u->state = wire_u8(in);
	u->pid = wire_u32(in);
	u->restarts = wire_u32(in);
	u->since_ms = wire_i64(in);
	u->retry_ms = wire_i64(in);
	wire_text(in, u->text, sizeof(u->text));
	u->exit_count = (uint8_t)wire_count(in, INIT_EXITS_MAX);
	for (size_t i = 0; i < u->exit_count; i++) {
		u->exits[i].at_ms = wire_i64(in);
		wire_text(in, u->exits[i].reason, sizeof(u->exits[i].reason));
	}
}

int init_status_get(struct wire *in, struct init_status *ret_status)
{
	struct init_status *s = ret_status;

	*s = (struct init_status){ 0 };
	wire_text(in, s->hostname, sizeof(s->hostname));
	wire_text(in, s->version, sizeof(s->version));
	s->uptime_ms = wire_i64(in);
	s->wall_s = wire_i64(in);
	s->clock = wire_u8(in);
	s->claimed = wire_bool(in);
	s->data = wire_u8(in);
	wire_text(in, s->boot_reason, sizeof(s->boot_reason));
	wire_text(in, s->data_device, sizeof(s->data_device));
	wire_text(in, s->data_text, sizeof(s->data_text));
	s->data_bytes = wire_u64(in);
	s->data_free_bytes = wire_u64(in);
	s->mem_kib = wire_u64(in);
	s->mem_available_kib = wire_u64(in);
	s->config_issues = wire_u32(in);
	s->unit_count = wire_count(in, INIT_UNITS_MAX);
	for (size_t i = 0; i < s->unit_count; i++)
		unit_get(in, &s->units[i]);
	return wire_end(in);
}

static const char *name_of(const char *const *names, size_t count, uint8_t value)
{
	return value < count ? names[value] : "?";
}

const char *init_unit_state_name(uint8_t state)
{
	static const char *const names[] = { "stopped", "starting", "running", "stopping",
					     "backoff" };

	return name_of(names, ARRAY_LEN(names), state);
}

const char *init_data_state_name(uint8_t state)
{
	static const char *const names[] = { "searching", "checking", "formatting", "ready",
					     "absent",	  "damaged",  "failed",	    "lost" };

	return name_of(names, ARRAY_LEN(names), state);
}

const char *init_clock_name(uint8_t clock)
{
	static const char *const names[] = { "floor", "hardware clock", "set" };

	return name_of(names, ARRAY_LEN(names), clock);
}
