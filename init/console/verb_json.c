/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ps, images, health and status say with --json. Runs in the console program. Must never take
 * a name away: scripts rely on them.
 */
#include "init/console/verb_json.h"
#include "init/console/script.h"
#include "lib/own.h"

enum { JSON_OBJECT_MAX = 262144 };

void console_json_row(struct console *console, const struct engine_row *row)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, JSON_OBJECT_MAX);
	(void)buf_printf(&out, "\"pid\":%d", row->pid);
	script_put_text(&out, "name", row->name);
	script_put_text(&out, "id", row->id);
	script_put_text(&out, "image", row->image);
	script_put_text(&out, "state", row->state);
	script_put_text(&out, "status", row->status);
	script_put_text(&out, "health", row->health);
	script_put_text(&out, "ports", row->ports);
	script_put_number(&out, "created", row->created_s);
	script_put_number(&out, "exit_code", row->exit_code);
	script_put_number(&out, "restarts", row->restarts);
	script_put_bool(&out, "declared", row->declared);
	console_json(console, buf_str(&out));
}

void console_json_image(struct console *console, const struct engine_image *image)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, JSON_OBJECT_MAX);
	(void)buf_printf(&out, "\"layers\":%u", image->layers);
	script_put_text(&out, "reference", image->reference);
	script_put_text(&out, "digest", image->digest);
	script_put_text(&out, "created", image->created);
	script_put_text(&out, "architecture", image->architecture);
	script_put_number(&out, "bytes", (int64_t)image->bytes);
	script_put_number(&out, "disk_bytes", (int64_t)image->disk_bytes);
	console_json(console, buf_str(&out));
}

void console_json_health(struct console *console, const struct engine_health *health)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, JSON_OBJECT_MAX);
	(void)buf_printf(&out, "\"failures\":%u", health->streak);
	script_put_text(&out, "state", health->state);
	(void)buf_add_text(&out, ",\"results\":[");
	for (uint32_t i = 0; i < health->count; i++) {
		(void)buf_add_text(&out, i ? ",{" : "{");
		script_put_number(&out, "start", health->results[i].start_s);
		script_put_number(&out, "end", health->results[i].end_s);
		script_put_number(&out, "code", health->results[i].code);
		script_put_text(&out, "output", health->results[i].output);
		(void)buf_add_text(&out, "}");
	}
	(void)buf_add_text(&out, "]");
	console_json(console, buf_str(&out));
}

static void put_units(struct buf *out, const struct init_status *status)
{
	(void)buf_add_text(out, ",\"units\":[");
	for (uint32_t i = 0; i < status->unit_count; i++) {
		const struct init_unit_status *unit = &status->units[i];

		(void)buf_add_text(out, i ? ",{" : "{");
		script_put_text(out, "name", unit->name);
		script_put_text(out, "state", init_unit_state_name(unit->state));
		script_put_number(out, "pid", unit->pid);
		script_put_number(out, "restarts", unit->restarts);
		script_put_text(out, "status", unit->text);
		script_put_text(out, "last_end", unit->exit_count ? unit->exits[0].reason : "");
		(void)buf_add_text(out, "}");
	}
	(void)buf_add_text(out, "]");
}

void console_json_status(struct console *console, const struct init_status *status)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, JSON_OBJECT_MAX);
	(void)buf_printf(&out, "\"uptime_ms\":%lld", (long long)status->uptime_ms);
	script_put_text(&out, "hostname", status->hostname);
	script_put_text(&out, "version", status->version);
	script_put_bool(&out, "claimed", status->claimed);
	script_put_text(&out, "started_by", status->boot_reason);
	script_put_number(&out, "time", status->wall_s);
	script_put_text(&out, "clock", init_clock_name(status->clock));
	script_put_number(&out, "memory_kib", (int64_t)status->mem_kib);
	script_put_number(&out, "memory_available_kib", (int64_t)status->mem_available_kib);
	script_put_text(&out, "data", init_data_state_name(status->data));
	script_put_text(&out, "data_device", status->data_device);
	script_put_text(&out, "data_text", status->data_text);
	script_put_number(&out, "data_bytes", (int64_t)status->data_bytes);
	script_put_number(&out, "data_free_bytes", (int64_t)status->data_free_bytes);
	script_put_number(&out, "config_issues", status->config_issues);
	put_units(&out, status);
	console_json(console, buf_str(&out));
}
