/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /containers/NAME/stats: the kernel's counters, which engine main hands over unread, as Docker
 * names them; once, or every second. Runs in the api role.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/docker/handlers.h"
#include "engine/docker/text.h"
#include "engine/docker/view.h"
#include "lib/own.h"

enum {
	STATS_EVERY_MS = 1000,
	STATS_FILES_MAX = 16,
	STATS_FILE_MAX = 64 << 10,
	STATS_TICK_NS = 10000000
};

struct sample {
	int64_t time_ns;
	uint64_t cpu_ns, user_ns, system_ns, host_ns;
	uint64_t memory, memory_max, pids, pids_max;
	uint64_t periods, throttled, throttled_ns;
	uint32_t cpus;
	struct str net, memory_stat, io_stat; /* the files, while the answer is there */
};

struct stats {
	struct docker_client *client;
	struct loop_timer timer;
	struct sample before;
	bool stream, one_shot, have;
	char id[68], name[ENGINE_NAME_MAX + 1];
};

static void stats_free(void *work)
{
	struct stats *stats = work;

	loop_timer_stop(stats->client->server->loop, &stats->timer);
	free(stats);
}

/* ---- reading ---- */

/* The number behind "KEY " in lines of "KEY NUMBER". */
static uint64_t keyed(struct str text, const char *key)
{
	struct str line, name;
	uint64_t number;

	while (str_cut(&text, '\n', &line)) {
		(void)str_cut(&line, ' ', &name);
		if (str_is(name, key) && str_to_u64(line, 0, UINT64_MAX, &number) >= 0)
			return number;
	}
	return 0;
}

static uint64_t plain(struct str text)
{
	struct str line;
	uint64_t number = 0;

	(void)str_cut(&text, '\n', &line);
	(void)str_to_u64(line, 0, UINT64_MAX, &number);
	return number;
}

/* The next word of a line whose words have any number of spaces between them. */
static bool next_word(struct str *line, struct str *ret_word)
{
	while (str_cut(line, ' ', ret_word)) {
		if (ret_word->len)
			return true;
	}
	return false;
}

/* "cpu  USER NICE SYSTEM ..." in ticks, and how many "cpuN" there are. */
static void read_host(struct str text, struct sample *sample)
{
	struct str line, word;
	uint64_t number;

	while (str_cut(&text, '\n', &line)) {
		if (!str_starts(line, STR("cpu")))
			continue;
		(void)next_word(&line, &word);
		sample->cpus += word.len > 3;
		while (word.len == 3 && next_word(&line, &word)) {
			if (str_to_u64(word, 0, UINT64_MAX / STATS_TICK_NS, &number) < 0)
				break;
			sample->host_ns += number * STATS_TICK_NS;
			word.len = 3;
		}
	}
}

static void read_file(struct str name, struct str text, struct sample *sample)
{
	if (str_is(name, "memory.current"))
		sample->memory = plain(text);
	else if (str_is(name, "memory.max"))
		sample->memory_max = plain(text); /* "max": 0 */
	else if (str_is(name, "memory.stat"))
		sample->memory_stat = text;
	else if (str_is(name, "pids.current"))
		sample->pids = plain(text);
	else if (str_is(name, "pids.max"))
		sample->pids_max = plain(text);
	else if (str_is(name, "net/dev"))
		sample->net = text;
	else if (str_is(name, "io.stat"))
		sample->io_stat = text;
	else if (str_is(name, "host"))
		read_host(text, sample);
	else if (str_is(name, "cpu.stat")) {
		sample->cpu_ns = keyed(text, "usage_usec") * 1000;
		sample->user_ns = keyed(text, "user_usec") * 1000;
		sample->system_ns = keyed(text, "system_usec") * 1000;
		sample->periods = keyed(text, "nr_periods");
		sample->throttled = keyed(text, "nr_throttled");
		sample->throttled_ns = keyed(text, "throttled_usec") * 1000;
	}
}

static bool read_sample(struct str body, struct sample *ret_sample)
{
	struct sample sample = { .time_ns = docker_now_ns() };
	struct wire in;
	uint32_t count;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, STATS_FILES_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		struct str name = wire_str(&in, 64), text = wire_blob(&in, STATS_FILE_MAX);

		read_file(name, text, &sample);
	}
	*ret_sample = sample;
	return wire_end(&in) >= 0;
}

/* ---- writing ---- */

static void put_cpu(struct json_writer *w, const char *key, const struct sample *sample)
{
	json_key(w, key);
	json_begin_object(w);
	json_key(w, "cpu_usage");
	json_begin_object(w);
	json_member_u64(w, "total_usage", sample->cpu_ns);
	json_member_u64(w, "usage_in_kernelmode", sample->system_ns);
	json_member_u64(w, "usage_in_usermode", sample->user_ns);
	json_end_object(w);
	json_member_u64(w, "system_cpu_usage", sample->host_ns);
	json_member_u64(w, "online_cpus", sample->cpus);
	json_key(w, "throttling_data");
	json_begin_object(w);
	json_member_u64(w, "periods", sample->periods);
	json_member_u64(w, "throttled_periods", sample->throttled);
	json_member_u64(w, "throttled_time", sample->throttled_ns);
	json_end_object(w);
	json_end_object(w);
}

static void put_memory(struct json_writer *w, const struct sample *sample, uint64_t machine)
{
	struct str rest = sample->memory_stat, line, name;
	uint64_t number;

	json_key(w, "memory_stats");
	json_begin_object(w);
	json_member_u64(w, "usage", sample->memory);
	json_key(w, "stats");
	json_begin_object(w);
	while (str_cut(&rest, '\n', &line)) {
		(void)str_cut(&line, ' ', &name);
		if (!name.len || str_to_u64(line, 0, UINT64_MAX, &number) < 0)
			continue;
		json_key_str(w, name);
		json_put_u64(w, number);
	}
	json_end_object(w);
	json_member_u64(w, "limit", sample->memory_max ? sample->memory_max : machine);
	json_end_object(w);
}

/* "eth0: RX_BYTES PACKETS ERRS DROP ... (8) TX_BYTES ...": all interfaces but lo. */
static void put_networks(struct json_writer *w, struct str text)
{
	static const char *const columns[16] = {
		[0] = "rx_bytes", [1] = "rx_packets", [2] = "rx_errors",  [3] = "rx_dropped",
		[8] = "tx_bytes", [9] = "tx_packets", [10] = "tx_errors", [11] = "tx_dropped"
	};
	struct str line, name, word;
	uint64_t number;

	json_key(w, "networks");
	json_begin_object(w);
	while (str_cut(&text, '\n', &line)) {
		ptrdiff_t colon = str_find(line, ':');

		name = colon < 0 ? STR("lo") : str_trim(str_head(line, (size_t)colon));
		if (str_is(name, "lo"))
			continue;
		line = str_skip(line, (size_t)colon + 1);
		json_key_str(w, name);
		json_begin_object(w);
		for (size_t i = 0; i < ARRAY_LEN(columns) && next_word(&line, &word); i++) {
			if (columns[i] && str_to_u64(word, 0, UINT64_MAX, &number) >= 0)
				json_member_u64(w, columns[i], number);
		}
		json_end_object(w);
	}
	json_end_object(w);
}

/* "8:0 rbytes=1 wbytes=2 rios=3 ...": what Docker lists as "read" and "write" of a device. */
static void put_device(struct json_writer *w, struct str line)
{
	static const char *const kinds[] = { "rbytes=", "read", "wbytes=", "write" };
	struct str number, word;
	uint64_t major, minor, value;

	(void)str_cut(&line, ' ', &number);
	(void)str_cut(&number, ':', &word);
	if (str_to_u64(word, 0, UINT32_MAX, &major) < 0 ||
	    str_to_u64(number, 0, UINT32_MAX, &minor) < 0)
		return;
	while (next_word(&line, &word)) {
		for (size_t i = 0; i < ARRAY_LEN(kinds); i += 2) {
			struct str key = str_from(kinds[i]);

			if (!str_starts(word, key) ||
			    str_to_u64(str_skip(word, key.len), 0, UINT64_MAX, &value) < 0)
				continue;
			json_begin_object(w);
			json_member_u64(w, "major", major);
			json_member_u64(w, "minor", minor);
			json_member_text(w, "op", kinds[i + 1]);
			json_member_u64(w, "value", value);
			json_end_object(w);
		}
	}
}

static void put_blocks(struct json_writer *w, struct str text)
{
	/* Control groups of version 2 do not count these: Docker shows them without values. */
	static const char *const unknown[] = {
		"io_serviced_recursive",  "io_queue_recursive",	 "io_service_time_recursive",
		"io_wait_time_recursive", "io_merged_recursive", "io_time_recursive",
		"sectors_recursive",
	};
	struct str line;

	json_key(w, "blkio_stats");
	json_begin_object(w);
	json_key(w, "io_service_bytes_recursive");
	json_begin_array(w);
	while (str_cut(&text, '\n', &line))
		put_device(w, line);
	json_end_array(w);
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		json_member_null(w, unknown[i]);
	json_end_object(w);
	json_key(w, "storage_stats");
	json_begin_object(w);
	json_end_object(w);
}

static void put_sample(struct buf *out, const struct stats *stats, const struct sample *sample)
{
	const struct sample *before = stats->have ? &stats->before : &(struct sample){ 0 };
	char time[DOCKER_TIME_MAX];
	struct json_writer w;

	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_text(&w, "name", stats->name);
	json_member_text(&w, "id", stats->id);
	json_member_text(&w, "read", docker_time_nano(sample->time_ns, time));
	json_member_text(&w, "preread", docker_time_nano(before->time_ns, time));
	json_key(&w, "pids_stats");
	json_begin_object(&w);
	json_member_u64(&w, "current", sample->pids);
	if (sample->pids_max)
		json_member_u64(&w, "limit", sample->pids_max);
	json_end_object(&w);
	put_blocks(&w, sample->io_stat);
	json_member_u64(&w, "num_procs", 0);
	put_cpu(&w, "cpu_stats", sample);
	put_cpu(&w, "precpu_stats", before);
	put_memory(&w, sample, stats->client->server->memory_bytes);
	put_networks(&w, sample->net);
	json_end_object(&w);
	(void)buf_add_byte(out, '\n');
}

/* ---- asking ---- */

static void on_timer(struct loop_timer *timer);

static void on_counters(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct docker_client *client = owner;
	struct stats *stats = client->work;
	struct buf body OWN(buf_done) = { 0 };
	struct sample sample = { 0 };

	(void)peer;
	if (!reply && client->streaming) {
		docker_stream_end(client); /* it has ended */
		return;
	}
	/* One that does not run has no counters: Docker shows zeros. */
	if (!reply && err->code != -EBUSY) {
		docker_reply_err(client, err);
		return;
	}
	if (reply)
		(void)read_sample(reply->body, &sample);
	buf_init(&body, 65536);
	put_sample(&body, stats, &sample);
	if (!stats->stream && reply && !stats->one_shot && !stats->have) {
		/* Two samples, so that a share can be told. */
		stats->before = sample;
		stats->have = true;
		loop_timer_set(client->server->loop, &stats->timer, STATS_EVERY_MS, on_timer,
			       stats);
		return;
	}
	if (!stats->stream) {
		docker_reply_json(client, 200, buf_str(&body));
		return;
	}
	stats->before = sample;
	stats->have = true;
	if (!client->streaming)
		docker_stream_begin(client, "application/json");
	if (client->fd < 0)
		return;
	loop_timer_set(client->server->loop, &stats->timer, STATS_EVERY_MS, on_timer, stats);
	if (!docker_stream_full(client))
		docker_stream_add(client, buf_str(&body));
}

static void on_timer(struct loop_timer *timer)
{
	struct stats *stats = timer->owner;
	struct docker_client *client = stats->client;
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, sizeof(client->argument) + 16);
	wire_put_text(&body, client->argument);
	if (msg_peer_call(client->server->main, ENGINE_MSG_COUNTERS, buf_str(&body), NULL, 0,
			  on_counters, client, NULL) < 0)
		loop_timer_set(client->server->loop, timer, STATS_EVERY_MS, on_timer, stats);
}

static void on_view(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct stats *stats = client->work;
	struct docker_boxes boxes = { 0 };
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0 ||
	    !boxes.count) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	(void)str_copy(boxes.rows[0].view.id, stats->id, sizeof(stats->id));
	(void)snprintf(stats->name, sizeof(stats->name), "/%.*s", STR_ARG(boxes.rows[0].view.name));
	docker_ask_argument(client, ENGINE_MSG_COUNTERS, on_counters);
}

void docker_stats(struct docker_client *client)
{
	struct stats *stats;

	if (docker_query_flag(client, "stream", true) &&
	    docker_query_flag(client, "one-shot", false)) {
		docker_reply_error(client, 400, "cannot have stream=true and one-shot=true");
		return;
	}
	stats = calloc(1, sizeof(*stats));

	if (!stats) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	stats->client = client;
	stats->stream = docker_query_flag(client, "stream", true);
	stats->one_shot = docker_query_flag(client, "one-shot", false);
	client->work = stats;
	client->work_free = stats_free;
	docker_ask_argument(client, ENGINE_MSG_VIEWS, on_view);
}
