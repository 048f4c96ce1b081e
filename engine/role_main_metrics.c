/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ENGINE_MSG_METRICS: the machine and its containers as Prometheus text, with the names of
 * node_exporter and cAdvisor. Runs in engine main, on files of the kernel alone. Must never keep
 * anything between two calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include "engine/metrics/text.h"
#include "engine/role_main.h"
#include "lib/fs.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { METRICS_MAX = 8 << 20, METRICS_FILE_MAX = 65536, METRICS_BOXES_MAX = 1024, LABELS = 3 };

struct box {
	const char *name, *health;
	const struct container *container;
	uint32_t restarts;
	uint64_t cpu_us, user_us, system_us;
	uint64_t memory, inactive, limit, pids, oom, read, written;
};

struct boxes {
	struct box items[METRICS_BOXES_MAX];
	size_t count;
};

/* ---- reading ---- */

static void read_host(const char *path, struct buf *out)
{
	int fd OWN_FD = fs_open(-1, path, FS_HOST, O_RDONLY, 0, NULL);

	buf_clear(out);
	if (fd >= 0)
		(void)fs_read_fd(fd, METRICS_FILE_MAX, out, NULL);
}

static void read_group(const struct container *container, const char *name, struct buf *out)
{
	buf_clear(out);
	(void)fs_read(container->cgroup_fd, name, FS_BENEATH_XDEV, METRICS_FILE_MAX, out, NULL);
}

static void add(struct boxes *boxes, const struct container *container, const char *name,
		uint32_t restarts)
{
	struct buf text OWN(buf_done) = { 0 };
	struct box *box = &boxes->items[boxes->count];

	if (boxes->count == METRICS_BOXES_MAX || container->phase != CONTAINER_PHASE_RUNNING)
		return;
	*box = (struct box){ .name = name,
			     .health = health_word(container),
			     .container = container,
			     .restarts = restarts };
	buf_init(&text, METRICS_FILE_MAX);
	read_group(container, "cpu.stat", &text);
	box->cpu_us = metrics_keyed(buf_str(&text), "usage_usec");
	box->user_us = metrics_keyed(buf_str(&text), "user_usec");
	box->system_us = metrics_keyed(buf_str(&text), "system_usec");
	read_group(container, "memory.current", &text);
	box->memory = metrics_plain(buf_str(&text));
	read_group(container, "memory.max", &text);
	box->limit = metrics_plain(buf_str(&text));
	read_group(container, "memory.stat", &text);
	box->inactive = metrics_keyed(buf_str(&text), "inactive_file");
	read_group(container, "pids.current", &text);
	box->pids = metrics_plain(buf_str(&text));
	read_group(container, "memory.events", &text);
	box->oom = metrics_keyed(buf_str(&text), "oom_kill");
	read_group(container, "io.stat", &text);
	box->read = metrics_summed(buf_str(&text), "rbytes");
	box->written = metrics_summed(buf_str(&text), "wbytes");
	boxes->count++;
}

static void collect(const struct engine *engine, struct boxes *boxes)
{
	for (const struct service *s = engine->manager.services; s; s = s->next)
		if (s->container)
			add(boxes, s->container, s->name, s->restarts);
	for (const struct table_entry *e = engine->table.first; e; e = e->next)
		if (e->container)
			add(boxes, e->container, e->def.name, e->restarts);
}

/* ---- containers ---- */

static uint64_t cpu_of(const struct box *box)
{
	return box->cpu_us;
}

static uint64_t user_of(const struct box *box)
{
	return box->user_us;
}

static uint64_t system_of(const struct box *box)
{
	return box->system_us;
}

static uint64_t memory_of(const struct box *box)
{
	return box->memory;
}

/* cAdvisor's: without the file pages that the kernel would give up first. */
static uint64_t working_set_of(const struct box *box)
{
	return box->memory > box->inactive ? box->memory - box->inactive : 0;
}

static uint64_t limit_of(const struct box *box)
{
	return box->limit;
}

static uint64_t pids_of(const struct box *box)
{
	return box->pids;
}

static uint64_t oom_of(const struct box *box)
{
	return box->oom;
}

static uint64_t read_of(const struct box *box)
{
	return box->read;
}

static uint64_t written_of(const struct box *box)
{
	return box->written;
}

static uint64_t start_of(const struct box *box)
{
	return (uint64_t)box->container->started_ns / 1000000;
}

static uint64_t seen_of(const struct box *box)
{
	(void)box;
	return (uint64_t)wall_now_s();
}

static uint64_t restarts_of(const struct box *box)
{
	return box->restarts;
}

/* 1 = healthy, or no check; 0 = unhealthy; 2 = it is starting. */
static uint64_t health_of_box(const struct box *box)
{
	if (!strcmp(box->health, "unhealthy"))
		return 0;
	return !strcmp(box->health, "starting") ? 2 : 1;
}

static const struct {
	const char *name;
	enum metrics_type type;
	const char *help;
	uint64_t (*value)(const struct box *box);
	uint64_t divisor;
} families[] = {
	{ "container_cpu_usage_seconds_total", METRICS_COUNTER, "Processor time consumed.", cpu_of,
	  1000000 },
	{ "container_cpu_user_seconds_total", METRICS_COUNTER, "Processor time in user mode.",
	  user_of, 1000000 },
	{ "container_cpu_system_seconds_total", METRICS_COUNTER, "Processor time in the kernel.",
	  system_of, 1000000 },
	{ "container_memory_usage_bytes", METRICS_GAUGE, "Memory in use, caches with it.",
	  memory_of, 1 },
	{ "container_memory_working_set_bytes", METRICS_GAUGE,
	  "Memory in use without what the kernel would give up first.", working_set_of, 1 },
	{ "container_spec_memory_limit_bytes", METRICS_GAUGE, "Memory limit, 0 = none.", limit_of,
	  1 },
	{ "container_processes", METRICS_GAUGE, "Processes and threads.", pids_of, 1 },
	{ "container_oom_events_total", METRICS_COUNTER, "Processes killed for memory.", oom_of,
	  1 },
	{ "container_fs_reads_bytes_total", METRICS_COUNTER, "Read from disks.", read_of, 1 },
	{ "container_fs_writes_bytes_total", METRICS_COUNTER, "Written to disks.", written_of, 1 },
	{ "container_start_time_seconds", METRICS_GAUGE, "When it was started, since 1970.",
	  start_of, 1000 },
	{ "container_last_seen", METRICS_GAUGE, "When it was seen, seconds since 1970.", seen_of,
	  1 },
	{ "container_health_state", METRICS_GAUGE,
	  "1 healthy or without a check, 0 unhealthy, 2 starting.", health_of_box, 1 },
	{ "hoy_container_restarts_total", METRICS_COUNTER, "Times it was started again.",
	  restarts_of, 1 },
};

static void label(const struct box *box, struct metrics_label labels[LABELS])
{
	labels[0] = (struct metrics_label){ "id", str_from(box->container->id) };
	labels[1] = (struct metrics_label){ "image", str_from(box->container->def.reference) };
	labels[2] = (struct metrics_label){ "name", str_from(box->name) };
}

static void put_boxes(struct buf *out, const struct boxes *boxes)
{
	struct metrics_label labels[LABELS];

	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		metrics_family(out, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < boxes->count; i++) {
			label(&boxes->items[i], labels);
			metrics_sample(out, families[f].name, labels, LABELS,
				       families[f].value(&boxes->items[i]), families[f].divisor);
		}
	}
}

/* ---- interfaces ---- */

/* One family of each counter for all rows of a file; box NULL = the machine's own. */
static void put_net_rows(struct buf *out, const char *family, const struct metrics_net_field *field,
			 const struct box *box, struct str rows)
{
	struct metrics_label labels[LABELS + 1];
	struct metrics_net net;
	size_t count = 0;

	if (box) {
		label(box, labels);
		count = LABELS;
	}
	while (metrics_net_next(&rows, &net)) {
		uint64_t value;

		if (box && str_is(net.device, "lo"))
			continue;
		memcpy(&value, (const char *)&net + field->offset, sizeof(value));
		labels[count] = (struct metrics_label){ box ? "interface" : "device", net.device };
		metrics_sample(out, family, labels, count + 1, value, 1);
	}
}

static void put_net(struct buf *out, const struct boxes *boxes)
{
	struct buf text OWN(buf_done) = { 0 };
	char family[80], path[32];

	buf_init(&text, METRICS_FILE_MAX);
	for (size_t f = 0; f < metrics_net_field_count; f++) {
		const struct metrics_net_field *field = &metrics_net_fields[f];

		read_host("/proc/net/dev", &text);
		(void)snprintf(family, sizeof(family), "node_network_%s", field->name);
		metrics_family(out, family, METRICS_COUNTER, field->help);
		put_net_rows(out, family, field, NULL, buf_str(&text));
		(void)snprintf(family, sizeof(family), "container_network_%s", field->name);
		metrics_family(out, family, METRICS_COUNTER, field->help);
		for (size_t i = 0; i < boxes->count; i++) {
			const struct box *box = &boxes->items[i];

			(void)snprintf(path, sizeof(path), "/proc/%d/net/dev",
				       (int)box->container->pid);
			read_host(path, &text);
			put_net_rows(out, family, field, box, buf_str(&text));
		}
	}
}

/* ---- the machine ---- */

static void put_one(struct buf *out, const char *name, const char *help, uint64_t value,
		    uint64_t divisor)
{
	metrics_family(out, name, METRICS_GAUGE, help);
	metrics_sample(out, name, NULL, 0, value, divisor);
}

static void put_disk(struct buf *out, const struct engine *engine)
{
	const struct metrics_label labels[] = { { "fstype", STR("ext4") },
						{ "mountpoint", STR("/data") } };
	struct statvfs fs;

	if (!engine->data_ready || fstatvfs(engine->containers.data_fd, &fs) < 0)
		return;
	metrics_family(out, "node_filesystem_size_bytes", METRICS_GAUGE, "Filesystem size.");
	metrics_sample(out, "node_filesystem_size_bytes", labels, 2,
		       (uint64_t)fs.f_blocks * fs.f_frsize, 1);
	metrics_family(out, "node_filesystem_free_bytes", METRICS_GAUGE, "Filesystem free space.");
	metrics_sample(out, "node_filesystem_free_bytes", labels, 2,
		       (uint64_t)fs.f_bfree * fs.f_frsize, 1);
	metrics_family(out, "node_filesystem_avail_bytes", METRICS_GAUGE,
		       "Filesystem space for those who are not root.");
	metrics_sample(out, "node_filesystem_avail_bytes", labels, 2,
		       (uint64_t)fs.f_bavail * fs.f_frsize, 1);
	metrics_family(out, "node_filesystem_files_free", METRICS_GAUGE, "Free inodes.");
	metrics_sample(out, "node_filesystem_files_free", labels, 2, (uint64_t)fs.f_ffree, 1);
}

static void put_machine(struct buf *out, const struct engine *engine)
{
	struct buf text OWN(buf_done) = { 0 };
	struct timex clock = { 0 };
	int64_t now_s = wall_now_s();

	buf_init(&text, METRICS_FILE_MAX);
	read_host("/proc/stat", &text);
	metrics_cpus(out, buf_str(&text));
	read_host("/proc/meminfo", &text);
	metrics_memory(out, buf_str(&text));
	read_host("/proc/loadavg", &text);
	metrics_load(out, buf_str(&text));
	put_disk(out, engine);
	put_one(out, "node_time_seconds", "System time, seconds since 1970.", (uint64_t)now_s, 1);
	put_one(out, "node_boot_time_seconds", "When the machine started, seconds since 1970.",
		(uint64_t)(now_s - mono_now().ns / 1000000000), 1);
	put_one(out, "node_timex_sync_status", "1 when the clock is synchronised, else 0.",
		adjtimex(&clock) >= 0 && !(clock.status & STA_UNSYNC), 1);
	read_host("/proc/sys/net/netfilter/nf_conntrack_count", &text);
	put_one(out, "node_nf_conntrack_entries", "Connections that are tracked.",
		metrics_plain(buf_str(&text)), 1);
	read_host("/proc/sys/net/netfilter/nf_conntrack_max", &text);
	put_one(out, "node_nf_conntrack_entries_limit", "Most connections that can be tracked.",
		metrics_plain(buf_str(&text)), 1);
}

/* What role syslog of init says about the log on its way, where there is one. */
static void put_log(struct buf *out)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, METRICS_FILE_MAX);
	read_host("/run/hoy/syslog", &text);
	if (!text.len)
		return;
	put_one(out, "hoy_log_server_connected", "1 while the log server is connected, else 0.",
		metrics_keyed(buf_str(&text), "connected"), 1);
	put_one(out, "hoy_log_queue_lines", "Lines of the log that wait for the server.",
		metrics_keyed(buf_str(&text), "queue_lines"), 1);
	put_one(out, "hoy_log_queue_bytes", "Room that they take in the queue.",
		metrics_keyed(buf_str(&text), "queue_bytes"), 1);
	metrics_family(out, "hoy_log_dropped_total", METRICS_COUNTER,
		       "Lines of the log that no server will see.");
	metrics_sample(out, "hoy_log_dropped_total", NULL, 0,
		       metrics_keyed(buf_str(&text), "dropped"), 1);
}

void engine_metrics_call(struct msg_peer *peer, struct msg *msg)
{
	const struct engine *engine = engine_of(peer);
	struct buf text OWN(buf_done) = { 0 }, body OWN(buf_done) = { 0 };
	struct boxes *boxes = calloc(1, sizeof(*boxes));
	struct err err = { 0 };

	buf_init(&text, METRICS_MAX);
	buf_init(&body, METRICS_MAX + 16);
	if (!boxes) {
		(void)err_set(&err, -ENOMEM, "metrics: out of memory");
	} else {
		collect(engine, boxes);
		put_machine(&text, engine);
		put_log(&text);
		put_boxes(&text, boxes);
		put_net(&text, boxes);
		wire_put_str(&body, buf_str(&text));
		if (buf_error(&text) || buf_error(&body))
			(void)err_set(&err, -E2BIG, "metrics: there are too many containers");
	}
	free(boxes);
	if (err.code)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}
