/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `df`, `store`, and `prune` of one kind: the room on the data partition. Runs in the console
 * program. Must never print a name that others chose unescaped.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "engine/api/image_msg.h"
#include "init/console/console.h"
#include "init/console/verb_json.h"
#include "init/unit/logline.h"
#include "lib/own.h"

#define PRUNE_USAGE \
	"prune [images [-a] | containers | volumes | cache] [--filter until=TIME|label=KEY]..."

enum { STORE_WAIT_MS = 600 * 1000, STORE_LIST_MAX = 65536, STORE_TEXT_MAX = 512 };

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

/* What takes room: an image, a container or a volume. */
struct room {
	const char *kind;
	struct str name;
	uint64_t bytes, shared;
	uint32_t containers; /* that use it */
};

static void print_room(struct console *console, const struct room *room)
{
	bool image = !strcmp(room->kind, "image"), box = !strcmp(room->kind, "container");
	char shown[STORE_TEXT_MAX], shared[24] = "";

	if (console->json) {
		CONSOLE_OBJECT(console, JSON_TEXT("kind", room->kind), JSON_STR("name", room->name),
			       JSON_NUMBER("bytes", room->bytes),
			       JSON_NUMBER("shared_bytes", room->shared),
			       JSON_NUMBER("containers", room->containers));
		return;
	}
	(void)str_escape(room->name, shown, sizeof(shown));
	if (image)
		(void)snprintf(shared, sizeof(shared), "%.1f", mib(room->shared));
	if (box)
		console_printf(console, "%-40s %10.1f\n", shown, mib(room->bytes));
	else
		console_printf(console, "%-40s %10.1f %10s %u\n", shown, mib(room->bytes), shared,
			       room->containers);
}

static void print_head(struct console *console, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void print_head(struct console *console, const char *fmt, ...)
{
	char text[128];
	va_list ap;

	if (console->json)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	console_printf(console, "%s", text);
}

static void print_images(struct console *console, struct wire *in)
{
	uint32_t count = wire_count(in, STORE_LIST_MAX);

	print_head(console, "%-40s %10s %10s %s\n", "IMAGE", "MiB", "SHARED", "CONTAINERS");
	for (uint32_t i = 0; i < count && !in->error; i++) {
		struct room room = { .kind = "image", .name = wire_str(in, STORE_TEXT_MAX) };

		(void)wire_str(in, STORE_TEXT_MAX);
		(void)wire_str(in, STORE_TEXT_MAX);
		room.bytes = wire_u64(in);
		room.shared = wire_u64(in);
		room.containers = wire_u32(in);
		print_room(console, &room);
	}
}

static void print_containers(struct console *console, struct wire *in)
{
	uint32_t count = wire_count(in, STORE_LIST_MAX);

	print_head(console, "\n%-40s %10s\n", "CONTAINER", "MiB");
	for (uint32_t i = 0; i < count && !in->error; i++) {
		struct room room = { .kind = "container" };

		(void)wire_str(in, STORE_TEXT_MAX);
		room.name = wire_str(in, STORE_TEXT_MAX);
		(void)wire_str(in, STORE_TEXT_MAX);
		(void)wire_str(in, STORE_TEXT_MAX);
		(void)wire_i64(in);
		room.bytes = wire_u64(in);
		print_room(console, &room);
	}
}

static void print_volumes(struct console *console, struct wire *in)
{
	uint32_t count = wire_count(in, STORE_LIST_MAX);

	print_head(console, "\n%-40s %10s %10s %s\n", "VOLUME", "MiB", "", "CONTAINERS");
	for (uint32_t i = 0; i < count && !in->error; i++) {
		struct room room = { .kind = "volume", .name = wire_str(in, STORE_TEXT_MAX) };

		room.bytes = wire_u64(in);
		room.containers = wire_u32(in);
		print_room(console, &room);
	}
}

/* What goes by itself, and what went last. */
static int print_clean(struct console *console, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	char shown[2 * STORE_TEXT_MAX];
	struct wire in;
	uint32_t count;
	int r = console_call_within(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_CLEAN, STR(""),
				    STORE_WAIT_MS, &reply, err);

	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, STORE_LIST_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		struct str text = wire_str(&in, STORE_TEXT_MAX);

		(void)str_escape(text, shown, sizeof(shown));
		if (console->json)
			console_json_text(console, "clean_up", text);
		else
			console_printf(console, "clean-up: %s\n", shown);
	}
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "the engine's answer is malformed") : 0;
}

int verb_df(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	uint64_t layers;
	int r = console_call_within(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_USAGE, STR(""),
				    STORE_WAIT_MS, &reply, err);

	(void)words;
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	layers = wire_u64(&in);
	print_images(console, &in);
	print_containers(console, &in);
	print_volumes(console, &in);
	if (console->json)
		CONSOLE_OBJECT(console, JSON_TEXT("kind", "store"), JSON_TEXT("name", ""),
			       JSON_NUMBER("bytes", layers));
	else
		console_printf(console, "\nlayers and blobs: %.1f MiB\n", mib(layers));
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "the engine's answer is malformed");
	return print_clean(console, err);
}

int verb_store(struct console *console, const struct words *words, struct err *err)
{
	const struct console_job job = { .type = ENGINE_MSG_STORE_CHECK,
					 .done = "",
					 .background = "the check goes on in the background\n" };
	bool repair = words->count > 2 && !strcmp(words->items[2], "--repair");
	const char body[1] = { repair };

	console->json_name = "text";
	if (strcmp(words->items[1], "check") != 0 || (words->count > 2 && !repair))
		return err_set(err, -EINVAL, "usage: store check [--repair]");
	return console_follow(console, &job, str_make(body, sizeof(body)), err);
}

/* ---- prune ---- */

/* "until=24h" as seconds since 1970, else the words as they are. */
static int put_filter(const char *text, struct buf *body, struct err *err)
{
	struct str value = str_from(text), key = { 0 };
	int64_t until_s;
	char number[24];

	if (!str_cut(&value, '=', &key) || !key.len || strlen(text) == key.len)
		return err_set(err, -EINVAL,
			       "--filter: until=TIME, label=KEY[=VALUE] or label!=KEY[=VALUE] is "
			       "expected, not '%.60s'",
			       text);
	/* As docker says it: "label!=key". */
	if (!str_is(key, "until")) {
		wire_put_str(body, key);
		wire_put_str(body, value);
		return 0;
	}
	if (logline_time(value, (int64_t)time(NULL), &until_s) < 0)
		return err_set(err, -EINVAL,
			       "--filter: until: a time is expected: 24h, 2026-11-21 or "
			       "\"2026-11-21 21:55\"");
	(void)snprintf(number, sizeof(number), "%lld", (long long)until_s);
	wire_put_text(body, "until");
	wire_put_text(body, number);
	return 0;
}

static int put_filters(const struct words *words, uint8_t kind, struct buf *body, struct err *err)
{
	uint32_t count = 0;
	struct buf filters OWN(buf_done) = { 0 };

	buf_init(&filters, STORE_TEXT_MAX * 16);
	for (int i = 2; i < words->count; i++) {
		bool all = !strcmp(words->items[i], "-a") && kind == ENGINE_PRUNE_IMAGES;
		int r = 0;

		if (all) {
			wire_put_text(&filters, "dangling");
			wire_put_text(&filters, "false");
		} else if (!strcmp(words->items[i], "--filter") && i + 1 < words->count) {
			r = put_filter(words->items[++i], &filters, err);
		} else {
			r = err_set(err, -EINVAL, "usage: %s", PRUNE_USAGE);
		}
		if (r < 0)
			return r;
		count++;
	}
	wire_put_u32(body, count);
	wire_put_bytes(body, filters.data, filters.len);
	return 0;
}

int verb_prune_kind(struct console *console, const struct words *words, struct err *err)
{
	static const char *const kinds[] = { [ENGINE_PRUNE_IMAGES] = "images",
					     [ENGINE_PRUNE_VOLUMES] = "volumes",
					     [ENGINE_PRUNE_CACHE] = "cache",
					     [ENGINE_PRUNE_CONTAINERS] = "containers" };
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	uint8_t kind = 0;
	uint32_t count;
	uint64_t bytes;
	struct wire in;
	int r;

	while (kind < ARRAY_LEN(kinds) && strcmp(kinds[kind], words->items[1]) != 0)
		kind++;
	if (kind == ARRAY_LEN(kinds))
		return err_set(err, -EINVAL, "usage: %s", PRUNE_USAGE);
	buf_init(&body, STORE_TEXT_MAX * 17);
	wire_put_u8(&body, kind);
	r = put_filters(words, kind, &body, err);
	if (r < 0)
		return r;
	r = console_call_within(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_PRUNE_KIND,
				buf_str(&body), STORE_WAIT_MS, &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	bytes = wire_u64(&in);
	count = wire_count(&in, STORE_LIST_MAX);
	console->json_name = "removed";
	for (uint32_t i = 0; i < count && !in.error; i++)
		console_foreign(console, wire_str(&in, STORE_TEXT_MAX));
	if (console->json)
		CONSOLE_OBJECT(console, JSON_TEXT("kind", kinds[kind]), JSON_NUMBER("count", count),
			       JSON_NUMBER("bytes", bytes));
	else if (kind == ENGINE_PRUNE_CONTAINERS) /* what they had goes by and by */
		console_printf(console, "%u containers removed\n", count);
	else
		console_printf(console, "%.1f MiB given back\n", mib(bytes));
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "the engine's answer is malformed") : 0;
}
