/* SPDX-License-Identifier: Apache-2.0 */
/* Trees that go to clients: the order of names, hard links, holes, files that are asked for. */
#include <errno.h>
#include "engine/buildkit/fileset.h"
#include "engine/buildkit/packet.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static void put(struct buf *records, enum entry_type type, const char *path, const char *target,
		uint64_t size)
{
	const struct entry entry = { .type = type,
				     .path = str_from(path),
				     .target = str_from(target),
				     .mode = 04755,
				     .mtime_s = 5,
				     .size = size };

	entry_encode(&entry, records);
}

static void put_data(struct buf *records, uint64_t offset, const char *text)
{
	const struct entry entry = { .type = ENTRY_DATA, .offset = offset, .data = str_from(text) };

	entry_encode(&entry, records);
}

/* Files first, as the files role walks; "a.b" is a directory, and b a name of the file a/z. */
static void make_records(struct buf *records, const char *link)
{
	const struct entry end = { .type = ENTRY_END, .entries = 7, .bytes = 6 };

	buf_init(records, 1 << 20);
	put(records, ENTRY_DIR, "", "", 0);
	put(records, ENTRY_FILE, "z", "", 100000);
	put_data(records, 2, "abc");
	put(records, ENTRY_HARDLINK, "b", link, 0);
	put(records, ENTRY_DIR, "a.b", "", 0);
	put(records, ENTRY_SYMLINK, "a.b/way", "/etc", 0);
	put(records, ENTRY_DIR, "a", "", 0);
	put(records, ENTRY_FILE, "a/one", "", 3);
	put_data(records, 0, "one");
	entry_encode(&end, records);
}

/* All packets of one reading into out, each as its type, its id and its length. */
static int read_all(struct fileset *set, const struct buf *records, struct buf *out,
		    struct err *err)
{
	struct str rest = buf_str(records);
	struct buf message OWN(buf_done) = { 0 };
	static struct packet packet;
	size_t used;
	int r = 1;

	buf_init(&message, 1 << 20);
	fileset_again(set);
	while (r > 0 && !set->state.ended) {
		buf_clear(&message);
		r = fileset_step(set, rest, &message, &used, err);
		rest = str_skip(rest, used);
		if (r > 0 && message.len && packet_get(buf_str(&message), &packet, NULL) >= 0)
			(void)buf_printf(out, "%d:%u:%zu ", (int)packet.type, packet.id,
					 packet.data.len);
	}
	return r;
}

static void test_tree(void)
{
	static const char *const told[] = { "a", "a/one", "a.b", "a.b/way>/etc", "b", "z>b" };
	struct buf records OWN(buf_done) = { 0 }, message OWN(buf_done) = { 0 },
			   out OWN(buf_done) = { 0 };
	static struct packet packet;
	struct fileset set;
	struct err err = { 0 };

	make_records(&records, "z");
	buf_init(&message, 1 << 20);
	buf_init(&out, 1 << 20);
	fileset_init(&set);
	ok(read_all(&set, &records, &out, &err) == 1 && !out.len,
	   "the first reading tells nothing");
	is_int(fileset_sort(&set, &err), 0, "it is sorted");
	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		char text[64];

		buf_clear(&message);
		ok(fileset_tell(&set, &message) &&
			   packet_get(buf_str(&message), &packet, NULL) == 0 && packet.has_stat,
		   "entry %zu", i);
		(void)snprintf(text, sizeof(text), "%.*s%s%.*s", STR_ARG(packet.stat.path),
			       packet.stat.link.len ? ">" : "", STR_ARG(packet.stat.link));
		is_text(text, told[i], "it is %s", told[i]);
	}
	ok(packet.stat.mode == 04755 && packet.stat.time_ns == 5000000000 &&
		   packet.stat.size == 100000,
	   "its mode, time and size");
	ok(!fileset_tell(&set, &message), "that is all");
	ok(fileset_want(&set, 5, NULL) == -EBADMSG && fileset_want(&set, 2, NULL) == -EBADMSG &&
		   fileset_want(&set, 6, NULL) == -EBADMSG,
	   "only files are asked for, by their first name");
	ok(fileset_want(&set, 4, &err) == 0 && fileset_want(&set, 4, &err) == 0 &&
		   set.wanted_count == 1,
	   "one is");
	is_int(read_all(&set, &records, &out, &err), 1, "the second reading");
	is_text(buf_text(&out), "2:4:2 2:4:3 2:4:65536 2:4:34459 2:4:0 ", "a file with its holes");
	ok(set.wanted_count == 0 && set.bytes == 100000, "it was sent");
	buf_clear(&out);
	(void)fileset_want(&set, 1, &err);
	(void)read_all(&set, &records, &out, &err);
	is_text(buf_text(&out), "2:1:3 2:1:0 ", "another one");
	buf_clear(&records);
	put(&records, ENTRY_FILE, "z", "", 7);
	is_int(read_all(&set, &records, &out, &err), -EBADMSG, "what has changed meanwhile");
	fileset_done(&set);
}

static void test_lost_link(void)
{
	struct buf records OWN(buf_done) = { 0 }, out OWN(buf_done) = { 0 };
	struct fileset set;
	struct err err = { 0 };

	make_records(&records, "a.b");
	buf_init(&out, 1024);
	fileset_init(&set);
	ok(read_all(&set, &records, &out, &err) == 1 && fileset_sort(&set, &err) == -EBADMSG,
	   "a hard link to a directory");
	fileset_done(&set);
}

int main(void)
{
	test_tree();
	test_lost_link();
	return tap_done();
}
