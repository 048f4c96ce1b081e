/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records that the engine's processes send each other. The first byte chooses the record; what
 * is taken to its last byte is written as the very bytes it was read from.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/api/files_msg.h"
#include "engine/api/image_msg.h"
#include "engine/api/pack_msg.h"
#include "engine/api/pull_msg.h"
#include "engine/api/shim_msg.h"
#include "engine/api/store_msg.h"
#include "engine/api/unpack_msg.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads a body and writes it again; false when it is refused. */
typedef bool record_fn(struct str body, struct arena *arena, struct buf *out);

/* A record with get and put on a cursor. */
#define RECORD(name)                                                                 \
	static bool on_##name(struct str body, struct arena *arena, struct buf *out) \
	{                                                                            \
		static struct name record;                                           \
		struct wire in;                                                      \
		(void)arena;                                                         \
		memset(&record, 0, sizeof(record));                                  \
		wire_init(&in, body.ptr, body.len);                                  \
		name##_get(&in, &record);                                            \
		if (wire_end(&in) < 0)                                               \
			return false;                                                \
		name##_put(out, &record);                                            \
		return true;                                                         \
	}

/* One with encode and decode of a whole body, into an arena or not. */
#define BODY(name, ...)                                                              \
	static bool on_##name(struct str body, struct arena *arena, struct buf *out) \
	{                                                                            \
		static struct name record;                                           \
		(void)arena;                                                         \
		if (name##_decode(body, __VA_ARGS__ & record, NULL) < 0)             \
			return false;                                                \
		name##_encode(&record, out);                                         \
		return true;                                                         \
	}

/* One with get and put on a cursor whose texts live in the arena. */
#define TEXTS(name)                                                                  \
	static bool on_##name(struct str body, struct arena *arena, struct buf *out) \
	{                                                                            \
		static struct name record;                                           \
		struct wire in;                                                      \
		memset(&record, 0, sizeof(record));                                  \
		wire_init(&in, body.ptr, body.len);                                  \
		name##_get(&in, arena, &record);                                     \
		if (wire_end(&in) < 0)                                               \
			return false;                                                \
		name##_put(out, &record);                                            \
		return true;                                                         \
	}

RECORD(files_copy)
RECORD(files_user)
RECORD(pack_result)
RECORD(store_layer)
RECORD(store_cached)
RECORD(store_put_args)
RECORD(engine_row)
RECORD(engine_health)
RECORD(engine_image)
RECORD(shim_exit)
BODY(pull_start, arena, )
BODY(pull_archive, arena, )
BODY(pull_blob, arena, )
BODY(pull_progress, arena, )
BODY(unpack_start, )
BODY(unpack_result, )
BODY(pull_save, )
TEXTS(engine_history)
TEXTS(engine_path_stat)

static bool on_new_image(struct str body, struct arena *arena, struct buf *out)
{
	static struct engine_new_image wanted;
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	if (engine_new_image_get(&in, arena, &wanted, NULL) < 0 || wire_end(&in) < 0)
		return false;
	engine_new_image_put(out, &wanted);
	return true;
}

static bool on_exit_file(struct str body, struct arena *arena, struct buf *out)
{
	char text[SHIM_EXIT_TEXT_MAX];
	struct shim_exit status;

	(void)arena;
	if (shim_exit_parse(body, &status, NULL) < 0)
		return false;
	(void)buf_add(out, text, (size_t)shim_exit_format(&status, text));
	return true;
}

static bool on_exec(struct str body, struct arena *arena, struct buf *out)
{
	static struct engine_exec_args args;

	if (engine_exec_get(body, arena, &args, NULL) < 0)
		return false;
	engine_exec_put(out, &args);
	return true;
}

/* Only the shim writes this one, without a heap: here its bounds are checked. */
static bool on_report(struct str body, struct arena *arena, struct buf *out)
{
	struct shim_report report;

	(void)arena;
	(void)out;
	if (shim_report_decode(body, &report, NULL) == 0 &&
	    (report.exec_count > SHIM_EXECS_MAX || report.state >= SHIM_STATE_COUNT))
		abort();
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static record_fn *const records[] = {
		on_files_copy,	   on_files_user,	on_pack_result,	  on_store_layer,
		on_store_cached,   on_store_put_args,	on_engine_row,	  on_shim_exit,
		on_pull_start,	   on_pull_archive,	on_pull_blob,	  on_pull_progress,
		on_unpack_start,   on_unpack_result,	on_exit_file,	  on_report,
		on_exec,	   on_engine_image,	on_engine_health, on_pull_save,
		on_engine_history, on_engine_path_stat, on_new_image,
	};
	struct arena arena OWN(arena_done) = { 0 };
	struct buf out OWN(buf_done) = { 0 };
	struct str body;

	if (size < 1 || size > 1 << 20)
		return 0;
	body = str_make(data + 1, size - 1);
	arena_init(&arena, 16 << 20);
	buf_init(&out, 4 << 20);
	if (records[data[0] % ARRAY_LEN(records)](body, &arena, &out) &&
	    (buf_error(&out) || !str_eq(buf_str(&out), body)))
		abort();
	return 0;
}
