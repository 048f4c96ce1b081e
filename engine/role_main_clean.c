/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images that go by themselves: which are in use, when it is looked, and what is told of it. Runs
 * in engine main, which knows who uses what; the store takes them away. Must never let an image go
 * that a section names, a container has, a service could go back to, or one of those was built
 * from.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include "engine/api/image_msg.h"
#include "engine/api/store_msg.h"
#include "engine/oci/reference.h"
#include "engine/role_main_work.h"
#include "lib/log.h"
#include "lib/own.h"

enum {
	CLEAN_EVERY_MS = 600000,
	CLEAN_ARENA = 96 << 20,
	CLEAN_LAYERS_MAX = 1 << 20,
	CLEAN_ROOM_MORE = 8 << 20, /* the store's reserve, and what the file system adds */
};

struct engine_room {
	struct engine_room *next;
	uint64_t bytes;
	void (*done)(void *asker); /* NULL: it does not wait any more */
	void *asker;
};

/* [engine] cleanup_* of engine.ini. */
struct clean_keys {
	int64_t age_ms, keep_ms;
	unsigned at, to; /* percent; at 0 = never */
};

static void take_keys(const struct engine *engine, struct clean_keys *ret_keys)
{
	const struct ini_section *section = ini_find(&engine->manager.engine_config, "engine", "");

	*ret_keys = (struct clean_keys){ .at = 85, .to = 75, .keep_ms = CLEAN_EVERY_MS };
	if (!section)
		return;
	ret_keys->age_ms = ini_number(&engine_schema, section, "cleanup_age", 0);
	ret_keys->keep_ms = ini_number(&engine_schema, section, "cleanup_keep", CLEAN_EVERY_MS);
	ret_keys->at = (unsigned)ini_number(&engine_schema, section, "cleanup_at", 85);
	ret_keys->to = (unsigned)ini_number(&engine_schema, section, "cleanup_to", 75);
}

/* How full the data partition is, as df(1) counts it, and what has to go for that. */
static unsigned fullness(const struct engine *engine, unsigned to, uint64_t *ret_need,
			 uint64_t *ret_free)
{
	struct statvfs st;
	uint64_t used, all, wanted;

	*ret_need = *ret_free = 0;
	if (!engine->data_ready || fstatvfs(engine->containers.data_fd, &st) < 0)
		return 0;
	used = (uint64_t)(st.f_blocks - st.f_bfree);
	all = used + st.f_bavail;
	wanted = all * to / 100;
	*ret_need = used > wanted ? (used - wanted) * st.f_frsize : 0;
	*ret_free = (uint64_t)st.f_bavail * st.f_frsize;
	return all ? (unsigned)((used * 100 + all - 1) / all) : 0;
}

/* ---- what is in use ---- */

/* An image of the store's list. */
struct clean_image {
	const char *reference;
	struct image image;
	bool used;
};

struct clean_list {
	struct arena arena;
	struct clean_image *images;
	uint32_t count;
	struct digest *layers; /* of those that are used, sorted */
	size_t layer_count, layer_room;
};

static void list_done(struct clean_list *list)
{
	free(list->layers);
	arena_done(&list->arena);
}

static int list_read(struct clean_list *list, struct str body, struct err *err)
{
	struct wire in, one;
	int r = 0;

	arena_init(&list->arena, CLEAN_ARENA);
	wire_init(&in, body.ptr, body.len);
	list->count = wire_count(&in, STORE_CLEAN_USED_MAX);
	list->images = arena_array(&list->arena, list->count + 1, sizeof(*list->images));
	for (uint32_t i = 0; r >= 0 && list->images && i < list->count; i++) {
		struct clean_image *image = &list->images[i];
		struct str record;

		image->reference = arena_text(&list->arena, wire_str(&in, STORE_REFERENCE_MAX));
		record = wire_blob(&in, STORE_RECORD_MAX);
		(void)wire_u64(&in);
		(void)wire_i64(&in);
		wire_init(&one, record.ptr, record.len);
		r = image->reference ? image_decode(&one, &list->arena, &image->image, err)
				     : -ENOMEM;
	}
	if (r < 0 || !list->images || wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "store: malformed list of images");
	return 0;
}

static bool names(const char *text, const char *reference)
{
	char name[OCI_REFERENCE_MAX];

	return *text && oci_reference_normalise(str_from(text), name, NULL) >= 0 &&
	       !strcmp(name, reference);
}

/* Also of a section that is refused: a typing error elsewhere in it makes no image unused. */
static bool section_names(const struct ini_section *section, const char *reference)
{
	const struct ini_value *image = ini_get(&service_schema, section, "image");
	char built[OCI_REFERENCE_MAX];

	if (strcmp(section->kind, "service") != 0)
		return false;
	(void)snprintf(built, sizeof(built), "hoy.local/%s:latest", section->name);
	return names(built, reference) ||
	       (image && names(ini_text(&service_schema, section, "image"), reference));
}

static bool is_named(const struct engine *engine, const char *reference)
{
	const struct ini_section *section = engine->manager.config.sections;

	for (; section; section = section->next)
		if (section_names(section, reference))
			return true;
	for (const struct service *s = engine->manager.services; s; s = s->next)
		if ((s->image.reference && !strcmp(s->image.reference, reference)) ||
		    (s->trial.has_good && !strcmp(s->trial.good.reference, reference)))
			return true;
	for (const struct table_entry *e = engine->table.first; e; e = e->next)
		if (names(e->def.reference, reference))
			return true;
	return false;
}

/* Also one whose name means another image by now: it can be committed, and made again. */
static bool has_container(const struct engine *engine, const struct digest *config)
{
	for (const struct table_entry *e = engine->table.first; e; e = e->next)
		if (!memcmp(&e->def.image, config, sizeof(*config)))
			return true;
	return false;
}

static int by_digest(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct digest));
}

static int add_layer(struct clean_list *list, const struct digest *digest, struct err *err)
{
	size_t room = list->layer_room ? list->layer_room * 2 : 256;
	void *bigger;

	if (list->layer_count == list->layer_room) {
		bigger = room > CLEAN_LAYERS_MAX ? NULL
						 : realloc(list->layers, room * sizeof(*digest));
		if (!bigger)
			return err_set(err, -ENOMEM, "no memory for the layers in use");
		list->layers = bigger;
		list->layer_room = room;
	}
	list->layers[list->layer_count++] = *digest;
	return 0;
}

/* All that it consists of is used anyway: containers hold it, or what was built from it is used. */
static bool is_part(const struct engine *engine, const struct clean_list *list,
		    const struct image *image)
{
	for (uint32_t i = 0; i < image->layer_count; i++) {
		const struct digest *digest = &image->layers[i].blob;

		if (!image_leases_hold(&engine->leases, digest) &&
		    !(list->layer_count &&
		      bsearch(digest, list->layers, list->layer_count, sizeof(*digest), by_digest)))
			return false;
	}
	return image->layer_count > 0;
}

static int find_used(const struct engine *engine, struct clean_list *list, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		struct clean_image *image = &list->images[i];

		image->used = is_named(engine, image->reference) ||
			      has_container(engine, &image->image.config);
		for (uint32_t k = 0; r >= 0 && image->used && k < image->image.layer_count; k++)
			r = add_layer(list, &image->image.layers[k].blob, err);
	}
	if (list->layer_count)
		qsort(list->layers, list->layer_count, sizeof(*list->layers), by_digest);
	for (uint32_t i = 0; r >= 0 && i < list->count; i++)
		list->images[i].used |= is_part(engine, list, &list->images[i].image);
	return r;
}

/* ---- one run ---- */

static void clean_now(struct loop_timer *timer);
static void clean_later(struct engine *engine);

static void run_ended(struct engine *engine)
{
	struct engine_clean *clean = &engine->clean;
	struct engine_room *room;

	clean->running = false;
	while ((room = clean->served) != NULL) {
		clean->served = room->next;
		if (room->done)
			room->done(room->asker);
		free(room);
	}
	if (clean->rooms)
		loop_timer_set(&engine->loop, &clean->timer, 0, clean_now, engine);
	else
		clean_later(engine);
}

static void say_gone(struct engine *engine, const char *reference, enum store_gone why,
		     int64_t idle_s)
{
	struct engine_clean *clean = &engine->clean;
	char shown[STORE_REFERENCE_MAX * 2], since[64] = "nothing uses it",
					     line[STORE_REFERENCE_MAX * 2 + 120];
	size_t len = strlen(clean->last);

	(void)str_escape(str_from(reference), shown, sizeof(shown));
	if (idle_s > 0 && wall_now_s() > idle_s)
		(void)snprintf(since, sizeof(since), "unused for %lld h",
			       (long long)(wall_now_s() - idle_s) / 3600);
	if (why == STORE_GONE_BEFORE)
		(void)snprintf(line, sizeof(line), "what %s was before: room was needed", shown);
	else
		(void)snprintf(line, sizeof(line), "%s (%s): %s", shown, since,
			       why == STORE_GONE_AGE ? "its age" : "room was needed");
	log_notice("clean-up: %s", line);
	(void)snprintf(clean->last + len, sizeof(clean->last) - len, "%s%s", len ? "; " : "", line);
	if (why != STORE_GONE_BEFORE)
		engine_event(engine, "image", "untag", reference, reference, NULL, 0);
}

static void on_cleaned(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct engine *engine = owner;
	char reference[STORE_REFERENCE_MAX];
	struct wire in;
	uint32_t objects, count;
	uint64_t bytes;

	(void)peer;
	if (!reply) {
		log_warn("clean-up: %s", err_text(err));
		run_ended(engine);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	bytes = wire_u64(&in);
	objects = wire_u32(&in);
	(void)wire_u32(&in);
	count = wire_count(&in, STORE_CLEAN_USED_MAX * 2);
	if (count)
		engine->clean.last[0] = 0;
	for (uint32_t i = 0; i < count && !in.error; i++) {
		enum store_gone why;

		wire_text(&in, reference, sizeof(reference));
		why = (enum store_gone)wire_u8(&in);
		say_gone(engine, reference, why, (int64_t)wire_u64(&in));
	}
	if (objects) {
		log_notice("clean-up: %llu KiB in %u unused files are given back",
			   (unsigned long long)(bytes >> 10), objects);
		engine->clean.last_s = wall_now_s();
		engine->clean.last_bytes = bytes;
	}
	run_ended(engine);
}

/* The most that somebody waits for, or what makes the disk less full. */
static uint64_t wanted_bytes(const struct engine *engine, const struct clean_keys *keys)
{
	uint64_t need, room, most = 0;
	unsigned full = fullness(engine, keys->to, &need, &room);

	if (!keys->at || full < keys->at)
		need = 0;
	for (const struct engine_room *r = engine->clean.served; r; r = r->next)
		if (keys->at && r->done && r->bytes > most)
			most = r->bytes;
	if (most && most < UINT64_MAX / 2 && most + CLEAN_ROOM_MORE > room)
		most = most + CLEAN_ROOM_MORE - room;
	else
		most = 0;
	return most > need ? most : need;
}

static int send_clean(struct engine *engine, const struct clean_list *list, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct clean_keys keys;
	uint32_t used = 0;
	int64_t r;

	take_keys(engine, &keys);
	for (uint32_t i = 0; i < list->count; i++)
		used += list->images[i].used;
	buf_init(&body, (size_t)STORE_CLEAN_USED_MAX * STORE_REFERENCE_MAX);
	wire_put_u64(&body, engine->manager.clock_good ? (uint64_t)wall_now_s() : 0);
	wire_put_u64(&body, (uint64_t)(keys.age_ms + 999) / 1000);
	wire_put_u64(&body, (uint64_t)keys.keep_ms);
	wire_put_u64(&body, wanted_bytes(engine, &keys));
	wire_put_u32(&body, used);
	for (uint32_t i = 0; i < list->count; i++)
		if (list->images[i].used)
			wire_put_text(&body, list->images[i].reference);
	engine_unmount_unused(engine);
	r = msg_peer_call(&engine->store.peer, STORE_MSG_CLEAN, buf_str(&body), NULL, 0, on_cleaned,
			  engine, err);
	return r < 0 ? (int)r : 0;
}

static void on_list(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct clean_list list OWN(list_done) = { 0 };
	struct engine *engine = owner;
	struct err bad = { 0 };
	int r;

	(void)peer;
	r = reply ? list_read(&list, reply->body, &bad)
		  : err_set(&bad, err->code, "%s", err_text(err));
	if (r >= 0)
		r = find_used(engine, &list, &bad);
	if (r >= 0)
		r = send_clean(engine, &list, &bad);
	if (r < 0) {
		log_warn("clean-up: %s", err_text(&bad));
		run_ended(engine);
	}
}

static void clean_now(struct loop_timer *timer)
{
	struct engine *engine = timer->owner;
	struct err err = { 0 };

	if (engine->clean.running)
		return;
	engine->clean.running = true;
	engine->clean.served = engine->clean.rooms;
	engine->clean.rooms = NULL;
	if (engine->store_up && msg_peer_call(&engine->store.peer, STORE_MSG_IMAGE_LIST, STR(""),
					      NULL, 0, on_list, engine, &err) >= 0)
		return;
	run_ended(engine);
}

/* ---- when ---- */

static void clean_later(struct engine *engine)
{
	struct clean_keys keys;
	int64_t ms = CLEAN_EVERY_MS;

	take_keys(engine, &keys);
	if (keys.age_ms && keys.age_ms / 4 < ms)
		ms = keys.age_ms / 4;
	if (keys.keep_ms < ms)
		ms = keys.keep_ms;
	loop_timer_set(&engine->loop, &engine->clean.timer, ms < 1000 ? 1000 : ms, clean_now,
		       engine);
}

void engine_clean_started(struct engine *engine)
{
	clean_later(engine);
}

void engine_clean_room(void *owner, uint64_t bytes, void (*done)(void *asker), void *asker)
{
	struct engine *engine = owner;
	struct engine_room *room = calloc(1, sizeof(*room));

	if (!room) {
		done(asker);
		return;
	}
	*room = (struct engine_room){ engine->clean.rooms, bytes, done, asker };
	engine->clean.rooms = room;
	loop_timer_set(&engine->loop, &engine->clean.timer, 0, clean_now, engine);
}

void engine_clean_forget(void *owner, const void *asker)
{
	struct engine *engine = owner;

	struct engine_room *const lists[] = { engine->clean.rooms, engine->clean.served };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (struct engine_room *r = lists[i]; r; r = r->next)
			if (r->asker == asker)
				r->done = NULL;
}

/* ---- what is told ---- */

static void put_when(struct buf *out, const struct clean_keys *keys, unsigned full)
{
	char age[80] = "none goes by age", room[120] = "none goes for room";

	if (keys->age_ms)
		(void)snprintf(age, sizeof(age), "those unused for %lld h go",
			       (long long)keys->age_ms / 3600000);
	if (keys->at)
		(void)snprintf(room, sizeof(room), "at %u %% unused ones go, until it is %u %%",
			       keys->at, keys->to);
	(void)buf_printf(out, "the data partition is %u %% full; %s; %s", full, room, age);
}

void engine_clean_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct buf body OWN(buf_done) = { 0 }, line OWN(buf_done) = { 0 };
	const struct engine_clean *clean = &engine->clean;
	time_t when = (time_t)clean->last_s;
	struct clean_keys keys;
	uint64_t need, room;
	char text[40];
	struct tm tm;

	take_keys(engine, &keys);
	buf_init(&line, 1024);
	buf_init(&body, 4096);
	put_when(&line, &keys, fullness(engine, keys.to, &need, &room));
	wire_put_u32(&body, clean->last_s ? 2 : 1);
	wire_put_str(&body, buf_str(&line));
	if (clean->last_s) {
		(void)gmtime_r(&when, &tm);
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
		buf_clear(&line);
		(void)buf_printf(&line, "last at %s: %llu KiB: %s", text,
				 (unsigned long long)(clean->last_bytes >> 10),
				 *clean->last ? clean->last : "files that nothing named");
		wire_put_str(&body, buf_str(&line));
	}
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}
