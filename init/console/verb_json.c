/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What commands say with --json, one object for each thing. Runs in the console program. Must never
 * take a name away: scripts rely on them.
 */
#include "init/console/verb_json.h"
#include "init/console/script.h"
#include "lib/own.h"

enum { JSON_OBJECT_MAX = 262144, JSON_GROWTH = 6 };

void console_json_fields(struct console *console, const struct json_field *fields, size_t count)
{
	struct buf out OWN(buf_done) = { 0 };
	size_t size = JSON_OBJECT_MAX;

	for (size_t i = 0; i < count; i++)
		size += JSON_GROWTH * fields[i].text.len;
	buf_init(&out, size);
	for (size_t i = 0; i < count; i++) {
		if (i)
			(void)buf_add_byte(&out, ',');
		script_put_string(&out, str_from(fields[i].name));
		(void)buf_add_byte(&out, ':');
		if (fields[i].kind == JSON_KIND_TEXT)
			script_put_string(&out, fields[i].text);
		else if (fields[i].kind == JSON_KIND_NUMBER)
			(void)buf_printf(&out, "%lld", (long long)fields[i].number);
		else
			(void)buf_add_text(&out, fields[i].number ? "true" : "false");
	}
	console_json(console, buf_str(&out));
}

void console_json_text(struct console *console, const char *name, struct str text)
{
	CONSOLE_OBJECT(console, JSON_STR(name, text));
}

void console_json_issue(struct console *console, struct str issue)
{
	uint64_t line = 0, column = 0;
	struct str rest = issue, file = { 0 }, part;
	bool at_line = false;

	/* "data:services.ini:7:1: unknown key": the file is up to the first number. */
	while (!at_line && str_cut(&rest, ':', &part)) {
		at_line = str_to_u64(part, 0, UINT32_MAX, &line) == 0;
		if (!at_line)
			file = str_make(issue.ptr, (size_t)(part.ptr + part.len - issue.ptr));
	}
	if (at_line && str_cut(&rest, ':', &part))
		(void)str_to_u64(part, 0, UINT32_MAX, &column);
	CONSOLE_OBJECT(console, JSON_STR("issue", issue),
		       JSON_STR("file", at_line ? file : (struct str){ 0 }),
		       JSON_NUMBER("line", line), JSON_NUMBER("column", column));
}

void console_json_history(struct console *console, struct str text)
{
	enum { NUMBER = 6, WHEN = 21, STATE = 21 };
	struct str line;

	while (str_cut(&text, '\n', &line)) {
		struct str when = str_skip(line, line.len < NUMBER ? line.len : NUMBER), state,
			   note;
		uint64_t number;

		if (str_to_u64(str_trim(str_head(line, line.len - when.len)), 0, UINT32_MAX,
			       &number) < 0)
			continue; /* that a candidate waits */
		state = str_skip(when, when.len < WHEN ? when.len : WHEN);
		note = str_skip(state, state.len < STATE ? state.len : STATE);
		CONSOLE_OBJECT(console, JSON_NUMBER("revision", number),
			       JSON_STR("when", str_trim(str_head(when, when.len - state.len))),
			       JSON_STR("state", str_trim(str_head(state, state.len - note.len))),
			       JSON_STR("note", note));
	}
}

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
