/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the figures of `events`: read from the files of one control group, written in runc's words.
 * A file that is missing belongs to a controller that the host has not: its members are zero or
 * left out. It must never write into the group.
 */
#include <stdio.h>
#include <string.h>
#include "engine/bundle/stats.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/str.h"

enum { FILE_MAX = 64 << 10, NAME_LEN_MAX = 64, NS_PER_USEC = 1000 };

static int read_file(int group, const char *name, struct buf *out)
{
	buf_init(out, FILE_MAX);
	return fs_read(group, name, FS_BENEATH, FILE_MAX - 1, out, NULL);
}

/* The number in a file of one line; UINT64_MAX is "max". */
static bool file_number(int group, const char *name, uint64_t *ret)
{
	struct buf text OWN(buf_done) = { 0 };
	struct str rest, line;

	if (read_file(group, name, &text) < 0)
		return false;
	rest = buf_str(&text);
	if (!str_cut(&rest, '\n', &line))
		return false;
	if (str_is(line, "max")) {
		*ret = UINT64_MAX;
		return true;
	}
	return str_to_u64(line, 0, UINT64_MAX, ret) == 0;
}

static uint64_t number_or(int group, const char *name, uint64_t unset)
{
	uint64_t value;

	return file_number(group, name, &value) ? value : unset;
}

/* The value of a line "key value". */
static uint64_t key_number(struct str text, const char *key)
{
	struct str line, name;
	uint64_t value = 0;

	while (str_cut(&text, '\n', &line))
		if (str_cut(&line, ' ', &name) && str_is(name, key))
			(void)str_to_u64(line, 0, UINT64_MAX, &value);
	return value;
}

/* ---- how long processes waited (psi) ---- */

/* "1.25" in thousandths. */
static int64_t milli_of(struct str text)
{
	struct str whole;
	uint64_t units = 0, hundredths = 0;

	(void)str_cut(&text, '.', &whole);
	(void)str_to_u64(whole, 0, INT32_MAX, &units);
	(void)str_to_u64(text, 0, 99, &hundredths);
	return (int64_t)(units * 1000 + hundredths * 10);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
static void put_pressure_line(struct json_writer *w, struct str line)
{
	struct str word, name;

	if (!str_cut(&line, ' ', &word) || word.len == 0)
		return;
	json_key_str(w, word);
	json_begin_object(w);
	while (str_cut(&line, ' ', &word)) {
		uint64_t total = 0;

		if (!str_cut(&word, '=', &name))
			continue;
		json_key_str(w, name);
		if (!str_is(name, "total")) {
			json_put_milli(w, milli_of(word));
			continue;
		}
		(void)str_to_u64(word, 0, UINT64_MAX, &total);
		json_put_u64(w, total);
	}
	json_end_object(w);
}

static void put_pressure(struct json_writer *w, int group, const char *name)
{
	struct buf text OWN(buf_done) = { 0 };
	struct str rest, line;

	/* It is there and cannot be read where the kernel was started without psi. */
	if (read_file(group, name, &text) < 0)
		return;
	json_key(w, "psi");
	json_begin_object(w);
	rest = buf_str(&text);
	while (str_cut(&rest, '\n', &line))
		put_pressure_line(w, line);
	json_end_object(w);
}

/* ---- one controller each ---- */

static void put_cpu(struct json_writer *w, int group)
{
	struct buf text OWN(buf_done) = { 0 };
	struct str stat;

	(void)read_file(group, "cpu.stat", &text);
	stat = buf_str(&text);
	json_key(w, "cpu");
	json_begin_object(w);
	json_key(w, "usage");
	json_begin_object(w);
	json_member_u64(w, "total", key_number(stat, "usage_usec") * NS_PER_USEC);
	json_member_u64(w, "kernel", key_number(stat, "system_usec") * NS_PER_USEC);
	json_member_u64(w, "user", key_number(stat, "user_usec") * NS_PER_USEC);
	json_end_object(w);
	json_key(w, "throttling");
	json_begin_object(w);
	json_member_u64(w, "periods", key_number(stat, "nr_periods"));
	json_member_u64(w, "throttledPeriods", key_number(stat, "nr_throttled"));
	json_member_u64(w, "throttledTime", key_number(stat, "throttled_usec") * NS_PER_USEC);
	json_end_object(w);
	put_pressure(w, group, "cpu.pressure");
	json_end_object(w);
}

struct memory_entry {
	const char *name, *limit, *usage, *max, *events;
};

static void put_memory_entry(struct json_writer *w, int group, const struct memory_entry *entry)
{
	struct buf events OWN(buf_done) = { 0 };
	uint64_t peak;

	(void)read_file(group, entry->events, &events);
	json_key(w, entry->name);
	json_begin_object(w);
	json_member_u64(w, "limit", number_or(group, entry->limit, UINT64_MAX));
	json_member_u64(w, "usage", number_or(group, entry->usage, 0));
	if (file_number(group, entry->max, &peak))
		json_member_u64(w, "max", peak);
	json_member_u64(w, "failcnt", key_number(buf_str(&events), "max"));
	json_end_object(w);
}

static void put_memory(struct json_writer *w, int group)
{
	static const struct memory_entry entries[] = {
		{ "usage", "memory.max", "memory.current", "memory.peak", "memory.events" },
		{ "swap", "memory.swap.max", "memory.swap.current", "memory.swap.peak",
		  "memory.swap.events" },
	};
	struct buf text OWN(buf_done) = { 0 };
	struct str rest, line, name;

	(void)read_file(group, "memory.stat", &text);
	rest = buf_str(&text);
	json_key(w, "memory");
	json_begin_object(w);
	json_member_u64(w, "cache", key_number(rest, "file"));
	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		put_memory_entry(w, group, &entries[i]);
	json_key(w, "raw");
	json_begin_object(w);
	while (str_cut(&rest, '\n', &line)) {
		uint64_t value;

		if (!str_cut(&line, ' ', &name) || str_to_u64(line, 0, UINT64_MAX, &value) < 0)
			continue;
		json_key_str(w, name);
		json_put_u64(w, value);
	}
	json_end_object(w);
	put_pressure(w, group, "memory.pressure");
	json_end_object(w);
}

static void put_pids(struct json_writer *w, int group, uint64_t processes)
{
	uint64_t limit;

	json_key(w, "pids");
	json_begin_object(w);
	json_member_u64(w, "current", number_or(group, "pids.current", processes));
	if (file_number(group, "pids.max", &limit) && limit != UINT64_MAX)
		json_member_u64(w, "limit", limit);
	json_end_object(w);
}

static void put_transfer(struct json_writer *w, struct str device, const char *op, struct str value)
{
	struct str major;
	uint64_t numbers[3] = { 0 };

	(void)str_cut(&device, ':', &major);
	if (str_to_u64(major, 0, UINT32_MAX, &numbers[0]) < 0 ||
	    str_to_u64(device, 0, UINT32_MAX, &numbers[1]) < 0 ||
	    str_to_u64(value, 0, UINT64_MAX, &numbers[2]) < 0)
		return;
	json_begin_object(w);
	json_member_u64(w, "major", numbers[0]);
	json_member_u64(w, "minor", numbers[1]);
	json_member_text(w, "op", op);
	json_member_u64(w, "value", numbers[2]);
	json_end_object(w);
}

/* Of "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..." the two that are asked for. */
static void put_transfers(struct json_writer *w, struct str text, const char *key,
			  const char *const names[2])
{
	static const char *const ops[2] = { "Read", "Write" };
	struct str line, device, word, name;

	json_key(w, key);
	json_begin_array(w);
	while (str_cut(&text, '\n', &line)) {
		if (!str_cut(&line, ' ', &device))
			continue;
		while (str_cut(&line, ' ', &word))
			for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
				struct str rest = word;

				if (str_cut(&rest, '=', &name) && str_is(name, names[i]))
					put_transfer(w, device, ops[i], rest);
			}
	}
	json_end_array(w);
}

static void put_io(struct json_writer *w, int group)
{
	static const char *const bytes[2] = { "rbytes", "wbytes" };
	static const char *const times[2] = { "rios", "wios" };
	struct buf text OWN(buf_done) = { 0 };
	int r = read_file(group, "io.stat", &text);

	json_key(w, "blkio");
	json_begin_object(w);
	if (r == 0) {
		put_transfers(w, buf_str(&text), "ioServiceBytesRecursive", bytes);
		put_transfers(w, buf_str(&text), "ioServicedRecursive", times);
	}
	put_pressure(w, group, "io.pressure");
	json_end_object(w);
}

/* "hugetlb.2MB.current" -> "2MB" with its figures. */
static int put_page_size(int group, const char *name, unsigned char type, void *owner,
			 struct err *err)
{
	struct json_writer *w = owner;
	struct str size = str_from(name);
	struct buf events OWN(buf_done) = { 0 };
	char file[NAME_LEN_MAX];

	(void)type;
	(void)err;
	if (!str_starts(size, STR("hugetlb.")) || !str_ends(size, STR(".current")) ||
	    str_ends(size, STR(".rsvd.current")) || size.len >= sizeof(file) - 8)
		return 0;
	size = str_skip(str_head(size, size.len - strlen(".current")), strlen("hugetlb."));
	json_key_str(w, size);
	json_begin_object(w);
	json_member_u64(w, "usage", number_or(group, name, 0));
	(void)snprintf(file, sizeof(file), "hugetlb.%.*s.events", STR_ARG(size));
	(void)read_file(group, file, &events);
	json_member_u64(w, "failcnt", key_number(buf_str(&events), "max"));
	json_end_object(w);
	return 0;
}

void stats_put(struct json_writer *w, int group, uint64_t processes)
{
	json_begin_object(w);
	put_cpu(w, group);
	put_memory(w, group);
	put_pids(w, group, processes);
	put_io(w, group);
	json_key(w, "hugetlb");
	json_begin_object(w);
	(void)fs_each(group, put_page_size, w, NULL);
	json_end_object(w);
	json_end_object(w);
}
