/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store role's housekeeping: leases, collection, checks, room. Must never drop what a name or a
 * lease holds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/role_store.h"
#include "lib/arena.h"
#include "lib/log.h"
#include "lib/mono.h"
#include "lib/own.h"

void store_role_lease(struct msg_peer *peer, struct msg *msg)
{
	static struct digest digests[STORE_LEASE_DIGESTS_MAX];
	char name[STORE_REFERENCE_MAX];
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	uint32_t count = wire_count(&in, STORE_LEASE_DIGESTS_MAX);
	for (uint32_t i = 0; i < count; i++)
		store_digest_get(&in, &digests[i]);
	if (wire_end(&in) < 0)
		store_role_refuse_malformed(msg);
	else
		store_role_answer_empty(
			msg, store_lease_set(&store_role.store, name, digests, count, &err), &err);
}

void store_role_trash(struct loop_timer *timer)
{
	struct err err = { 0 };
	const struct mono begin = mono_now();
	int r = store_trash_step(&store_role.store, &err);
	if (r < 0)
		log_warn("%s", err_text(&err));
	if (r != 1)
		return;
	/* Half of the time is for those who ask: big files take long, and many small ones do not.
	 */
	const int64_t took = mono_diff_ms(mono_now(), begin);
	loop_timer_set(&store_role.service.loop, timer, took < ROLE_TRASH_MS ? took : ROLE_TRASH_MS,
		       store_role_trash, NULL);
}

void store_role_gc(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct store_collected sum = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	uint8_t what = msg->body.len > 0 ? wire_u8(&in) : 0;
	if (wire_end(&in) < 0) {
		store_role_refuse_malformed(msg);
		return;
	}
	if (((what & STORE_GC_CACHE) && store_cache_clear(&store_role.store, &err) < 0) ||
	    ((what & STORE_GC_BEFORE) && store_before_clear(&store_role.store, &err) < 0) ||
	    store_gc(&store_role.store, &sum, &err) < 0) {
		store_role_refuse(msg, &err);
		return;
	}
	loop_timer_set(&store_role.service.loop, &store_role.trash_timer, 0, store_role_trash,
		       NULL);
	buf_init(&body, 64);
	wire_put_u64(&body, sum.bytes);
	wire_put_u32(&body, sum.objects);
	wire_put_u32(&body, sum.leased);
	store_role_answer(msg, &body, -1);
}

/* ---- the build cache ---- */

void store_role_cache_list(struct msg_peer *peer, struct msg *msg)
{
	static struct store_cache_row rows[REFS_CACHE_MAX];
	struct buf body OWN(buf_done) = { 0 };
	uint32_t count = 0, shown = 0;
	struct err err = { 0 };
	(void)peer;
	if (store_cache_rows(&store_role.store, rows, &count, &err) < 0) {
		store_role_refuse(msg, &err);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		shown += rows[i].bytes > 0;
	buf_init(&body, ROLE_LIST_MAX);
	wire_put_u32(&body, shown);
	for (uint32_t i = 0; i < count; i++) {
		if (rows[i].bytes == 0)
			continue;
		store_digest_put(&body, &rows[i].key);
		wire_put_u64(&body, rows[i].bytes);
		wire_put_i64(&body, rows[i].made_s);
		wire_put_i64(&body, rows[i].used_s);
		wire_put_u8(&body, rows[i].shared);
		wire_put_u8(&body, rows[i].in_use);
	}
	store_role_answer(msg, &body, -1);
}

static void on_cache_gone(void *owner, const struct store_cache_row *row)
{
	struct buf *names = owner;
	if (row->bytes == 0)
		return;
	store_digest_put(names, &row->key);
	wire_put_u64(names, row->bytes);
	store_role.gone++;
}

void store_role_cache_prune(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 }, names OWN(buf_done) = { 0 };
	struct store_collected sum = { 0 };
	struct store_cache_prune prune;
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	prune.shared = wire_bool(&in);
	prune.before_s = wire_i64(&in);
	prune.keep_bytes = wire_u64(&in);
	if (wire_end(&in) < 0) {
		store_role_refuse_malformed(msg);
		return;
	}
	buf_init(&names, ROLE_LIST_MAX - 64);
	buf_init(&body, ROLE_LIST_MAX);
	store_role.gone = 0;
	if (store_cache_prune(&store_role.store, &prune, on_cache_gone, &names, &err) < 0 ||
	    store_gc(&store_role.store, &sum, &err) < 0) {
		store_role_refuse(msg, &err);
		return;
	}
	loop_timer_set(&store_role.service.loop, &store_role.trash_timer, 0, store_role_trash,
		       NULL);
	wire_put_u64(&body, sum.bytes);
	wire_put_u32(&body, store_role.gone);
	wire_put_bytes(&body, names.data, names.len);
	store_role_answer(msg, &body, -1);
}

/* ---- what goes by itself ---- */

static void on_gone(void *owner, const char *reference, enum store_gone why, int64_t idle_s)
{
	struct buf *names = owner;
	wire_put_text(names, reference);
	wire_put_u8(names, (uint8_t)why);
	wire_put_u64(names, (uint64_t)idle_s);
	store_role.gone++;
}

static int read_clean(struct msg *msg, struct arena *arena, struct store_clean *ret_clean)
{
	char name[STORE_REFERENCE_MAX];
	struct wire in;
	wire_init(&in, msg->body.ptr, msg->body.len);
	const uint64_t now_s = wire_u64(&in), age_s = wire_u64(&in), keep_ms = wire_u64(&in);
	*ret_clean = (struct store_clean){ .now_s = (int64_t)now_s,
					   .age_s = (int64_t)age_s,
					   .keep_ms = (int64_t)keep_ms,
					   .need = wire_u64(&in) };
	ret_clean->used_count = wire_count(&in, STORE_CLEAN_USED_MAX);
	ret_clean->used = arena_array(arena, ret_clean->used_count + 1, sizeof(*ret_clean->used));
	for (uint32_t i = 0; ret_clean->used && i < ret_clean->used_count; i++) {
		wire_text(&in, name, sizeof(name));
		ret_clean->used[i] = arena_text(arena, str_from(name));
		if (!ret_clean->used[i] || (i && strcmp(ret_clean->used[i - 1], name) >= 0))
			return -EBADMSG;
	}
	if (wire_end(&in) < 0 || !ret_clean->used || now_s > INT64_MAX || age_s > INT64_MAX ||
	    keep_ms > INT64_MAX)
		return -EBADMSG;
	return 0;
}

/* Who waits for room may use it at once. */
static void empty_trash(void)
{
	struct err err = { 0 };
	int r;
	do
		r = store_trash_step(&store_role.store, &err);
	while (r == 1);
	if (r < 0)
		log_warn("%s", err_text(&err));
}

void store_role_clean(struct msg_peer *peer, struct msg *msg)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 }, names OWN(buf_done) = { 0 };
	struct store_collected sum = { 0 };
	struct store_clean clean;
	struct err err = { 0 };
	(void)peer;
	arena_init(&arena, ROLE_LIST_MAX);
	if (read_clean(msg, &arena, &clean) < 0) {
		store_role_refuse_malformed(msg);
		return;
	}
	buf_init(&names, ROLE_LIST_MAX);
	buf_init(&body, ROLE_LIST_MAX + 64);
	store_role.gone = 0;
	int r = store_clean(&store_role.store, &clean, on_gone, &names, &sum, &err);
	if (clean.need > 0)
		empty_trash();
	else
		loop_timer_set(&store_role.service.loop, &store_role.trash_timer, 0,
			       store_role_trash, NULL);
	/* After a failure too what went is told: it will not come back. */
	if (r < 0 && !store_role.gone) {
		store_role_refuse(msg, &err);
		return;
	}
	if (r < 0)
		log_warn("%s", err_text(&err));
	wire_put_u64(&body, sum.bytes);
	wire_put_u32(&body, sum.objects);
	wire_put_u32(&body, sum.leased);
	wire_put_u32(&body, store_role.gone);
	wire_put_bytes(&body, names.data, names.len);
	store_role_answer(msg, &body, -1);
}

void store_role_fall_back(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	char name[STORE_REFERENCE_MAX];
	struct digest config;
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0) {
		store_role_refuse_malformed(msg);
		return;
	}
	int r = store_image_runs(&store_role.store, name)
			? err_set(&err, -EEXIST, "it has all its layers and runs")
			: store_fall_back(&store_role.store, name, &config, &err);
	if (r < 0) {
		store_role_refuse(msg, &err);
		return;
	}
	buf_init(&body, 64);
	store_digest_put(&body, &config);
	store_role_answer(msg, &body, -1);
}

/* ---- check ---- */

void store_role_check_line(void *owner, uint32_t serial, const char *line)
{
	struct buf body OWN(buf_done) = { 0 };
	(void)owner;
	buf_init(&body, 4096);
	wire_put_text(&body, line);
	(void)msg_reply_more(&store_role.service.main, STORE_MSG_CHECK, serial, buf_str(&body));
}

/* What a check found that images lack. */
struct lacking {
	uint32_t serial, count;
	struct buf names;
};

static void on_lacking(void *owner, const char *reference, const char *what,
		       const struct digest *digest)
{
	struct lacking *lacking = owner;
	char line[STORE_REFERENCE_MAX + 128], text[DIGEST_TEXT_MAX];
	(void)snprintf(line, sizeof(line), "image %s lacks its %s %s", reference, what,
		       digest_text(digest, text));
	store_role_check_line(NULL, lacking->serial, line);
	wire_put_text(&lacking->names, reference);
	lacking->count++;
}

void store_role_check_done(void *owner, uint32_t serial, const struct sum_found *found)
{
	struct lacking lacking = { .serial = serial };
	struct store_collected orphans = { 0 };
	char line[128];
	struct buf body OWN(buf_done) = { 0 };
	struct msg msg = { .type = STORE_MSG_CHECK, .serial = serial };
	(void)owner;
	buf_init(&body, ROLE_LIST_MAX);
	buf_init(&lacking.names, ROLE_LIST_MAX - 64);
	store_lacking(&store_role.store, found->gone, found->gone_count, on_lacking, &lacking);
	if (store_orphans(&store_role.store, &orphans, NULL) == 0 && orphans.objects > 0) {
		(void)snprintf(line, sizeof(line), "%u files that nothing uses, %llu KiB",
			       orphans.objects, (unsigned long long)(orphans.bytes >> 10));
		store_role_check_line(NULL, serial, line);
	}
	wire_put_u32(&body, found->checked);
	wire_put_u32(&body, found->damaged + lacking.count);
	wire_put_u32(&body, lacking.count);
	wire_put_bytes(&body, lacking.names.data, lacking.names.len);
	store_role_answer(&msg, &body, -1);
	buf_done(&lacking.names);
}

void store_role_check(struct msg_peer *peer, struct msg *msg)
{
	struct err err = { 0 };
	(void)peer;
	if (sum_check(&store_role.sums, msg->serial, msg->body.ptr[0] != 0, &err) < 0)
		store_role_refuse(msg, &err);
}

void store_role_space(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct store_space space;
	struct err err = { 0 };
	(void)peer;
	if (store_space(&store_role.store, &space, &err) < 0) {
		store_role_refuse(msg, &err);
		return;
	}
	buf_init(&body, 64);
	wire_put_u64(&body, space.blob_bytes);
	wire_put_u64(&body, space.layer_bytes);
	wire_put_u64(&body, space.free_bytes);
	wire_put_u32(&body, space.images);
	wire_put_u32(&body, space.layers);
	store_role_answer(msg, &body, -1);
}

void store_role_room(struct msg_peer *peer, struct msg *msg)
{
	char what[STORE_REFERENCE_MAX];
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	uint64_t bytes = wire_u64(&in);
	wire_text(&in, what, sizeof(what));
	if (wire_end(&in) < 0)
		store_role_refuse_malformed(msg);
	else
		store_role_answer_empty(msg, store_room(&store_role.store, bytes, what, &err),
					&err);
}
