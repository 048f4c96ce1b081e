/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies of pull's and unpack's messages, there and back. */
#include <errno.h>
#include <string.h>
#include "engine/api/pull_msg.h"
#include "engine/api/unpack_msg.h"
#include "tests/unit/tap.h"

static struct arena arena;

static void test_start(void)
{
	struct pull_start start = { .reference = "x",
				    .os = "linux",
				    .architecture = "amd64",
				    .host_count = 1 },
			  back;
	struct buf out;

	start.hosts[0] = (struct pull_host){
		.host = "h:1", .insecure = true, .ca_pem = "pem", .user = "u", .password = "p"
	};
	buf_init(&out, PULL_START_MAX);
	pull_start_encode(&start, &out);
	is_int(pull_start_decode(buf_str(&out), &arena, &back, NULL), 0, "a start");
	ok(back.host_count == 1 && back.hosts[0].insecure, "its host");
	is_text(back.hosts[0].password, "p", "password");
	is_text(back.hosts[0].token, "", "what was not set is empty");
	is_int(pull_start_decode(str_head(buf_str(&out), out.len - 1), &arena, &back, NULL),
	       -EBADMSG, "one byte less");
	ok(back.known.len == 0, "nothing is known");
	pull_start_add_known(&out, STR("a\0b"));
	is_int(pull_start_decode(buf_str(&out), &arena, &back, NULL), 0, "with a known record");
	ok(str_eq(back.known, STR("a\0b")), "which came whole");
	is_text(back.hosts[0].password, "p", "behind what was there");
	buf_done(&out);
}

static void test_blob(void)
{
	struct pull_blob blob = { .size = 5,
				  .kind = PULL_KIND_LAYER,
				  .probe = true,
				  .media_type = "t",
				  .has_diff = true,
				  .index = 1,
				  .total = 2 },
			 back;
	struct buf out;

	blob.diff.bytes[31] = 9;
	buf_init(&out, 4096);
	pull_blob_encode(&blob, &out);
	is_int(pull_blob_decode(buf_str(&out), &arena, &back, NULL), 0, "a blob");
	ok(back.size == 5 && back.probe && back.has_diff && back.diff.bytes[31] == 9 &&
		   back.total == 2,
	   "as it was");
	buf_clear(&out);
	blob.kind = (enum pull_kind)9;
	pull_blob_encode(&blob, &out);
	is_int(pull_blob_decode(buf_str(&out), &arena, &back, NULL), -EBADMSG, "an unknown kind");
	buf_done(&out);
}

static void test_others(void)
{
	struct pull_archive archive = { "r", "linux", "amd64", "" }, archive_back;
	struct pull_progress progress = { .done = 1,
					  .total = 2,
					  .what = "layer 1/2",
					  .stage = PULL_STAGE_STORE },
			     progress_back;
	struct unpack_start start = { .media_type = "t",
				      .flags = UNPACK_FLAG_LAYER,
				      .bytes_max = 7 },
			    start_back;
	struct unpack_result result = { .entries = 3, .bytes = 4, .stream_bytes = 5 }, result_back;
	struct buf out;

	buf_init(&out, 4096);
	pull_archive_encode(&archive, &out);
	is_int(pull_archive_decode(buf_str(&out), &arena, &archive_back, NULL), 0, "an archive");
	is_text(archive_back.architecture, "amd64", "its machine");
	buf_clear(&out);
	pull_progress_encode(&progress, &out);
	is_int(pull_progress_decode(buf_str(&out), &arena, &progress_back, NULL), 0, "progress");
	is_text(progress_back.what, "layer 1/2", "of what");
	is_int(progress_back.stage, PULL_STAGE_STORE, "how far");
	out.data[out.len - 1] = PULL_STAGE_MOUNTED + 1;
	is_int(pull_progress_decode(buf_str(&out), &arena, &progress_back, NULL), -EBADMSG,
	       "an unknown stage");
	buf_clear(&out);
	unpack_start_encode(&start, &out);
	is_int(unpack_start_decode(buf_str(&out), &start_back, NULL), 0, "unpack's start");
	ok(start_back.flags == UNPACK_FLAG_LAYER && start_back.bytes_max == 7, "as it was");
	buf_clear(&out);
	unpack_result_encode(&result, &out);
	is_int(unpack_result_decode(buf_str(&out), &result_back, NULL), 0, "unpack's result");
	ok(result_back.entries == 3 && result_back.stream_bytes == 5, "as it was");
	is_int(unpack_result_decode(str_head(buf_str(&out), 10), &result_back, NULL), -EBADMSG,
	       "cut off");
	buf_done(&out);
}

static void line(uint64_t done, uint64_t total, uint64_t rate, const char *want)
{
	const struct pull_progress progress = {
		.done = done, .total = total, .rate = rate, .what = "layer 2/5"
	};
	char text[120];

	pull_progress_line(&progress, text, sizeof(text));
	is_text(text, want, "%llu of %llu", (unsigned long long)done, (unsigned long long)total);
	ok(strlen(text) < 80, "fits a line");
}

static void test_line(void)
{
	line(0, 100, 0, "layer 2/5 [>         ] 0 of 100 B");
	line(42 << 20, 120 << 20, 10 << 20,
	     "layer 2/5 [===>      ] 42.0 of 120.0 MiB, 10.0 MiB/s, 8 s left");
	line(512 << 10, 1 << 20, 1000,
	     "layer 2/5 [=====>    ] 0.5 of 1.0 MiB, 1000 B/s, 8 min left");
	line(1 << 20, 1 << 20, 7, "layer 2/5 [==========] 1.0 of 1.0 MiB");
	line(0, UINT64_C(5) << 40, 1, "layer 2/5 [>         ] 0.0 of 5.0 TiB, 1 B/s, stalled");
	line(0, 1 << 30, 50000, "layer 2/5 [>         ] 0.0 of 1.0 GiB, 48.8 KiB/s, 5 h left");
	line(9, 5, 1, "layer 2/5 [==========] 5 of 5 B");
	line(UINT64_MAX, UINT64_MAX, UINT64_MAX,
	     "layer 2/5 [==========] 16777215.9 of 16777215.9 TiB");
}

int main(void)
{
	test_line();
	arena_init(&arena, 1 << 20);
	test_start();
	test_blob();
	test_others();
	arena_done(&arena);
	return tap_done();
}
