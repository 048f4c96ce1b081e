/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `time`, `disk` and `resize`: the clock, the disks, the terminal. Runs in the console program.
 * Must escape what stands on a disk: whoever wrote it chose the names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "init/api/init_msg.h"
#include "init/console/console.h"
#include "init/console/disks.h"
#include "init/console/script.h"
#include "init/console/stats.h"
#include "init/console/verb_json.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"
#include "netd/api/netd_rows_msg.h"

enum {
	MACHINE_FILE_MAX = 65536,
	MACHINE_NAME_MAX = 64,
	MACHINE_SERVERS_MAX = 1024,
	MACHINE_WAIT_MS = 2000
};

/* ---- time ---- */

struct time_sync {
	bool synchronised;
	int64_t offset_us, agreed;
	struct buf servers; /* escaped, a blank between */
};

static void take_sync(struct time_sync *sync, const struct netd_field *field)
{
	char shown[256];

	if (str_is(field->name, "synchronised"))
		sync->synchronised = field->number != 0;
	else if (str_is(field->name, "offset_us"))
		sync->offset_us = field->number;
	else if (str_is(field->name, "servers"))
		sync->agreed = field->number;
	else if (str_is(field->name, "server")) {
		(void)str_escape(field->text, shown, sizeof(shown));
		(void)buf_printf(&sync->servers, "%s%s", sync->servers.len ? " " : "", shown);
	}
}

static int get_sync(struct console *console, struct time_sync *sync, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct netd_field field;
	struct wire in;
	int r;

	buf_init(&body, 64);
	wire_put_text(&body, "time");
	r = console_call_within(console, CONSOLE_SERVER_NETD, NETD_MSG_ROWS, buf_str(&body),
				MACHINE_WAIT_MS, &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	while (netd_row_next(&in, &field))
		if (field.kind != NETD_FIELD_END)
			take_sync(sync, &field);
	return in.error ? err_set(err, in.error, "netd answered with nonsense") : 0;
}

static void time_json(struct console *console, const struct init_status *status, const char *when,
		      const struct time_sync *sync, const char *why)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 8192);
	script_put_text(&out, "time", when);
	script_put_text(&out, "clock", init_clock_name(status->clock));
	script_put_number(&out, "uptime_ms", status->uptime_ms);
	script_put_bool(&out, "synchronised", sync->synchronised);
	script_put_number(&out, "offset_us", sync->offset_us);
	script_put_number(&out, "agreed", sync->agreed);
	script_put_text(&out, "servers", buf_text(&sync->servers));
	script_put_text(&out, "unknown", why);
	console_json(console, buf_str(&out));
}

int verb_time(struct console *console, const struct words *words, struct err *err)
{
	static struct init_status status;
	struct time_sync sync = { .synchronised = false };
	char when[40] = "?";
	struct err away = { 0 };
	struct tm tm = { 0 };
	time_t now;
	int r = console_status(console, &status, err);

	(void)words;
	if (r < 0)
		return r;
	now = (time_t)status.wall_s;
	if (gmtime_r(&now, &tm))
		(void)strftime(when, sizeof(when),
			       console->json ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d %H:%M:%S UTC", &tm);
	buf_init(&sync.servers, MACHINE_SERVERS_MAX);
	r = get_sync(console, &sync, &away);
	if (console->json) {
		time_json(console, &status, when, &sync, r < 0 ? err_text(&away) : "");
		buf_done(&sync.servers);
		return 0;
	}
	console_printf(console, "clock     %s (%s), up %lld s\n", when,
		       init_clock_name(status.clock), (long long)(status.uptime_ms / 1000));
	if (r < 0)
		console_printf(console, "state     %s\n", err_text(&away));
	else if (sync.synchronised)
		console_printf(
			console,
			"state     synchronised: %lld servers agree, %lld us off at the last "
			"look\n",
			(long long)sync.agreed, (long long)sync.offset_us);
	else
		console_printf(console, "state     not synchronised%s\n",
			       sync.servers.len ? " yet: `network show time` tells more" : "");
	console_printf(console, "servers   %s\n",
		       sync.servers.len ? buf_text(&sync.servers)
					: "none: NTP in network.ini or a lease names them");
	buf_done(&sync.servers);
	return 0;
}

/* ---- disk ---- */

/* A file of the kernel about one block device; empty where it has none. */
static void read_device(int sys_fd, const char *name, const char *file, struct buf *out)
{
	char path[MACHINE_NAME_MAX * 2 + 32];

	buf_clear(out);
	(void)snprintf(path, sizeof(path), "class/block/%s/%s", name, file);
	if (fs_read(sys_fd, path, FS_IN_ROOT, MACHINE_FILE_MAX, out, NULL) < 0)
		buf_clear(out);
}

struct disk_line {
	char name[MACHINE_NAME_MAX], label[160], model[160];
	bool partition, read_only, data;
	uint64_t bytes;
};

static void put_disk(struct console *console, const struct disk_line *disk)
{
	struct buf out OWN(buf_done) = { 0 };
	char size[16];

	if (console->json) {
		buf_init(&out, 4096);
		script_put_text(&out, "name", disk->name);
		script_put_number(&out, "bytes", (int64_t)disk->bytes);
		script_put_text(&out, "kind", disk->partition ? "partition" : "disk");
		script_put_text(&out, "label", disk->label);
		script_put_text(&out, "model", disk->model);
		script_put_bool(&out, "read_only", disk->read_only);
		script_put_bool(&out, "data", disk->data);
		console_json(console, buf_str(&out));
		return;
	}
	stats_bytes(disk->bytes, size, sizeof(size));
	console_printf(console, "%-14s %7s %-10s %-20s %s%s\n", disk->name, size,
		       disk->partition ? "partition" : "disk",
		       *disk->label   ? disk->label
		       : *disk->model ? disk->model
				      : "-",
		       disk->data ? "data partition" : "-", disk->read_only ? ", read-only" : "");
}

static void show_disk(struct console *console, int sys_fd, const struct disks_row *row,
		      const struct init_status *status)
{
	struct buf text OWN(buf_done) = { 0 };
	struct disk_line disk = { .bytes = row->bytes };
	struct str device = str_from(status->data_device);

	(void)str_escape(row->name, disk.name, sizeof(disk.name));
	if (str_find(row->name, '/') >= 0 || row->name.len >= MACHINE_NAME_MAX / 4)
		return;
	buf_init(&text, MACHINE_FILE_MAX);
	read_device(sys_fd, disk.name, "uevent", &text);
	disk.partition = str_is(disks_field(buf_str(&text), "DEVTYPE"), "partition");
	(void)str_escape(str_head(disks_field(buf_str(&text), "PARTNAME"), 36), disk.label,
			 sizeof(disk.label));
	read_device(sys_fd, disk.name, "device/model", &text);
	(void)str_escape(
		str_head(str_trim(str_head(buf_str(&text), text.len ? text.len - 1 : 0)), 36),
		disk.model, sizeof(disk.model));
	read_device(sys_fd, disk.name, "ro", &text);
	disk.read_only = text.len && text.data[0] == '1';
	disk.data = str_starts(device, STR("/dev/")) && str_is(str_skip(device, 5), disk.name);
	put_disk(console, &disk);
}

/* Loop devices and RAM disks are nobody's hardware. */
static bool is_hardware(struct str name)
{
	return !str_starts(name, STR("loop")) && !str_starts(name, STR("ram")) &&
	       !str_starts(name, STR("zram"));
}

int verb_disk(struct console *console, const struct words *words, struct err *err)
{
	static struct init_status status;
	struct buf list OWN(buf_done) = { 0 };
	int sys_fd OWN_FD = -1;
	struct disks_row row;
	char text[320];
	struct str rest;
	int r = console_status(console, &status, err);

	(void)words;
	buf_init(&list, MACHINE_FILE_MAX);
	if (r >= 0)
		r = sys_fd = fs_open(-1, "/sys", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	if (r >= 0)
		r = fs_read(-1, "/proc/partitions", FS_HOST, MACHINE_FILE_MAX, &list, err);
	if (r < 0)
		return r;
	if (!console->json)
		console_printf(console, "%-14s %7s %-10s %-20s %s\n", "DISK", "SIZE", "KIND",
			       "LABEL/MODEL", "USE");
	rest = buf_str(&list);
	while (disks_next(&rest, &row))
		if (is_hardware(row.name))
			show_disk(console, sys_fd, &row, &status);
	if (console->json)
		return 0;
	(void)str_escape(str_from(status.data_text), text, sizeof(text));
	if (status.data == INIT_DATA_READY)
		console_printf(console,
			       "/data is on %s, %llu of %llu MiB free; `df` tells what "
			       "takes the room\n",
			       status.data_device,
			       (unsigned long long)(status.data_free_bytes >> 20),
			       (unsigned long long)(status.data_bytes >> 20));
	else
		console_printf(console, "/data is not %s: %s%s%s\n",
			       status.data == INIT_DATA_LOST ? "written to any more" : "there",
			       init_data_state_name(status.data), *text ? "; " : "", text);
	return 0;
}

/* ---- resize ---- */

int verb_resize(struct console *console, const struct words *words, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };

	(void)words;
	if (!console->is_tty)
		return err_set(err, -EPERM, "there is no terminal to ask");
	console_tty_size(console);
	console->edit.columns = console->columns;
	if (!console->json) {
		console_printf(console, "%u rows, %u columns\n", console->rows, console->columns);
		return 0;
	}
	buf_init(&out, 128);
	script_put_number(&out, "rows", console->rows);
	script_put_number(&out, "columns", console->columns);
	console_json(console, buf_str(&out));
	return 0;
}
