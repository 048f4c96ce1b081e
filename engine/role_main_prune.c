/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving back what nothing uses, kind by kind, by filters. Runs in engine main. Must never let go
 * of what a service declares or a container runs from.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "engine/api/image_msg.h"
#include "engine/api/store_msg.h"
#include "engine/oci/reference.h"
#include "engine/role_main_usage.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { OFFSET_MAX_S = 14 * 3600 };

static void prune_images(struct usage_work *usage);

static void prune_end(struct usage_work *usage, uint64_t bytes)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, USAGE_REPLY_MAX);
	wire_put_u64(&body, bytes);
	wire_put_u32(&body, usage->gone);
	wire_put_bytes(&body, usage->went.data, usage->went.len);
	buf_done(&usage->went);
	work_reply(&usage->tree.work, buf_str(&body));
}

static void on_collected(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct usage_work *usage = owner;
	struct wire in;

	(void)peer;
	if (!reply) {
		usage_fail(usage, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	prune_end(usage, wire_u64(&in));
}

static void collect(struct usage_work *usage)
{
	const uint8_t what = usage->kind == ENGINE_PRUNE_CACHE ? STORE_GC_CACHE : STORE_GC_BEFORE;
	struct err err = { 0 };

	engine_unmount_unused(usage->tree.work.engine);
	if (work_ask(&usage->tree.work, STORE_MSG_GC, str_make(&what, 1), on_collected, &err) < 0)
		usage_fail(usage, &err);
}

static bool label_fits(const struct image_pairs *labels, const char *filter)
{
	struct str rest = str_from(filter), key = { 0 };

	(void)str_cut(&rest, '=', &key);
	for (uint32_t i = 0; i < labels->count; i++)
		if (str_is(key, labels->items[i].key) &&
		    (key.len == strlen(filter) || str_is(rest, labels->items[i].value)))
			return true;
	return false;
}

/* A service that is declared may need it at any time: its image is in use. */
bool engine_image_declared(const struct engine *engine, const char *reference)
{
	char name[OCI_REFERENCE_MAX];

	for (const struct service *s = engine->manager.services; s; s = s->next) {
		if (s->image.reference && !strcmp(s->image.reference, reference))
			return true;
		if (s->spec && *s->spec->image &&
		    oci_reference_normalise(str_from(s->spec->image), name, NULL) >= 0 &&
		    !strcmp(name, reference))
			return true;
	}
	return false;
}

/*
 * RFC 3339 texts in UTC are in the order of their times; one that says none is old. One with
 * another offset is not parsed here: it stays for the hours that it may be off.
 */
static bool is_younger(const char *created, int64_t until_s)
{
	bool utc = str_ends(str_from(created), STR("Z"));
	time_t until = (time_t)(utc ? until_s : until_s - OFFSET_MAX_S);
	char text[32];
	struct tm tm;

	(void)gmtime_r(&until, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return *created && strncmp(created, text, 19) >= 0;
}

static bool may_go(const struct usage_work *usage, const struct held *held)
{
	const struct engine *engine = usage->tree.work.engine;

	if ((!usage->all && *held->image.reference) || usage_image_users(engine, &held->image) ||
	    engine_image_declared(engine, held->reference))
		return false;
	if (usage->has_until && is_younger(held->image.created, usage->until_s))
		return false;
	for (uint32_t i = 0; i < usage->label_count; i++)
		if (!label_fits(&held->image.labels, usage->labels[i]))
			return false;
	for (uint32_t i = 0; i < usage->not_label_count; i++)
		if (label_fits(&held->image.labels, usage->not_labels[i]))
			return false;
	return true;
}

static void on_removed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct usage_work *usage = owner;

	(void)peer;
	(void)err; /* removed by somebody else */
	if (reply) {
		wire_put_text(&usage->went, usage->images[usage->at].reference);
		usage->gone++;
	}
	usage->at++;
	prune_images(usage);
}

static void prune_images(struct usage_work *usage)
{
	struct buf body OWN(buf_done) = { 0 };

	while (usage->at < usage->count && !may_go(usage, &usage->images[usage->at]))
		usage->at++;
	buf_init(&body, 1024);
	if (usage->at < usage->count)
		wire_put_text(&body, usage->images[usage->at].reference);
	if (usage->at == usage->count || work_ask(&usage->tree.work, STORE_MSG_IMAGE_REMOVE,
						  buf_str(&body), on_removed, NULL) < 0)
		collect(usage);
}

static bool declares_volume(const struct service_spec *spec, const char *name)
{
	for (uint32_t i = 0; i < spec->volume_count; i++)
		if (*spec->volumes[i].source != '/' && !strcmp(spec->volumes[i].source, name))
			return true;
	return false;
}

/* Volumes that no container has; their trees go the way of all trees. */
static void prune_volumes(struct usage_work *usage)
{
	struct engine *engine = usage->tree.work.engine;
	int data = engine->containers.data_fd;
	int volumes OWN_FD = fs_open_dir(data, "volumes", FS_BENEATH, 0711, NULL);
	int trash OWN_FD = fs_open_dir(data, "trash", FS_BENEATH, 0700, NULL);
	struct err err = { 0 };
	char name[320];

	if (volumes < 0 || trash < 0 || usage_list_volumes(usage, &err) < 0) {
		usage_fail(usage, &err);
		return;
	}
	for (uint32_t i = 0; i < usage->name_count; i++) {
		const char *volume = usage->names[i] + 8;
		bool used = usage_volume_users(engine, volume) > 0;

		for (const struct service *s = engine->manager.services; !used && s; s = s->next)
			used = s->spec && declares_volume(s->spec, volume);
		(void)snprintf(name, sizeof(name), "volume-%lld-%s", (long long)time(NULL), volume);
		if (used || fs_rename(volumes, volume, trash, name, NULL) < 0)
			continue;
		wire_put_text(&usage->went, volume);
		usage->gone++;
	}
	(void)fs_sync_dir(volumes, NULL);
	engine_trashed(engine);
	prune_end(usage, 0);
}

static void on_listed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct usage_work *usage = owner;
	struct err bad = { 0 };

	(void)peer;
	if (!reply)
		usage_fail(usage, err);
	else if (usage_take_list(usage, reply->body, &bad) < 0)
		usage_fail(usage, &bad);
	else
		prune_images(usage);
}

static bool text_label_fits(const struct image_texts *labels, const char *filter)
{
	struct str wanted = str_from(filter);

	for (uint32_t i = 0; i < labels->count; i++) {
		struct str rest = str_from(labels->items[i]), key = { 0 };

		(void)str_cut(&rest, '=', &key);
		if (str_is(wanted, labels->items[i]) || str_is(key, filter))
			return true;
	}
	return false;
}

static bool box_may_go(const struct usage_work *usage, const struct table_entry *entry)
{
	if (entry->state != TABLE_STATE_CREATED && entry->state != TABLE_STATE_EXITED)
		return false;
	if (usage->has_until && entry->created_s >= usage->until_s)
		return false;
	for (uint32_t i = 0; i < usage->label_count; i++)
		if (!text_label_fits(&entry->def.labels, usage->labels[i]))
			return false;
	for (uint32_t i = 0; i < usage->not_label_count; i++)
		if (text_label_fits(&entry->def.labels, usage->not_labels[i]))
			return false;
	return true;
}

static void unheard(void *owner, const struct err *err)
{
	(void)owner;
	(void)err;
}

/* Containers that no section declares and that do not run. */
static void prune_boxes(struct usage_work *usage)
{
	static int nobody;
	struct table_entry *next;

	for (struct table_entry *e = usage->tree.work.engine->table.first; e; e = next) {
		char name[256];
		struct err err = { 0 };

		next = e->next;
		(void)str_copy(str_from(e->def.name), name, sizeof(name));
		if (!box_may_go(usage, e) ||
		    table_remove(e, false, false, unheard, &nobody, &err) < 0)
			continue;
		wire_put_text(&usage->went, name);
		usage->gone++;
	}
	prune_end(usage, 0);
}

/* At most ENGINE_FILTERS_MAX times. */
static int take_filter(struct usage_work *usage, struct str key, struct str value, struct err *err)
{
	const char *text = arena_text(&usage->tree.work.arena, value);

	if (!text)
		return err_set(err, -ENOMEM, "no memory for a filter");
	if (str_is(key, "until")) {
		usage->has_until = true;
		return str_to_i64(value, 0, INT64_C(253402300799), &usage->until_s) < 0
			       ? err_set(err, -EINVAL, "until has to be a number of seconds")
			       : 0;
	}
	if (str_is(key, "dangling") && usage->kind == ENGINE_PRUNE_IMAGES)
		usage->all = str_is(value, "false") || str_is(value, "0");
	else if (str_is(key, "label"))
		usage->labels[usage->label_count++] = text;
	else if (str_is(key, "label!"))
		usage->not_labels[usage->not_label_count++] = text;
	else
		return err_set(err, -EINVAL, "there is no filter %.*s", STR_ARG(key));
	return 0;
}

void engine_prune_kind_call(struct msg_peer *peer, struct msg *msg)
{
	struct usage_work *usage = tree_new(peer, msg, sizeof(*usage));
	struct err err = { 0 };
	struct wire in;
	uint32_t count;
	int r = 0;

	if (!usage)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	usage->kind = (enum engine_prune)wire_u8(&in);
	count = wire_count(&in, ENGINE_FILTERS_MAX);
	for (uint32_t i = 0; r >= 0 && i < count; i++) {
		struct str key = wire_str(&in, 64);

		r = take_filter(usage, key, wire_str(&in, 4096), &err);
	}
	if (r >= 0 && (wire_end(&in) < 0 || usage->kind > ENGINE_PRUNE_CONTAINERS))
		r = err_set(&err, -EBADMSG, "malformed request");
	else if (r >= 0 && count &&
		 (usage->kind == ENGINE_PRUNE_VOLUMES || usage->kind == ENGINE_PRUNE_CACHE))
		r = err_set(&err, -EINVAL,
			    "volumes and the build cache go without a filter: all that "
			    "nothing uses");
	buf_init(&usage->went, USAGE_REPLY_MAX - 64);
	if (r >= 0 && usage->kind == ENGINE_PRUNE_IMAGES)
		r = work_ask(&usage->tree.work, STORE_MSG_IMAGE_LIST, STR(""), on_listed, &err);
	else if (r >= 0 && usage->kind == ENGINE_PRUNE_VOLUMES)
		prune_volumes(usage);
	else if (r >= 0 && usage->kind == ENGINE_PRUNE_CONTAINERS)
		prune_boxes(usage);
	else if (r >= 0)
		collect(usage);
	if (r < 0)
		usage_fail(usage, &err);
}
