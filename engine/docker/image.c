/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as Docker shows them: list, inspect, history. Runs in the api role.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/image_text.h"
#include "engine/docker/record.h"
#include "engine/docker/rfc3339.h"
#include "engine/docker/text.h"
#include "engine/docker/usage.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

enum {
	VIRTUAL_SIZE_MINOR = 44,     /* is left out from this version of the API on */
	CONTAINER_CONFIG_MINOR = 45, /* so is this */
};

/* Rows of one id, the first of them at `at`. */
static bool first_of_id(const struct docker_images *images, uint32_t at)
{
	for (uint32_t i = 0; i < at; i++) {
		if (!strcmp(images->rows[i].id, images->rows[at].id))
			return false;
	}
	return true;
}

/* A pattern as Go's path.Match reads it, against "repo:tag" and "repo". */
static bool matches(struct str pattern, const char *familiar)
{
	const char *slash = strrchr(familiar, '/'), *colon = strrchr(familiar, ':');
	bool tagged = colon && (!slash || colon > slash);
	char text[256], repo[OCI_REFERENCE_MAX];
	size_t len = tagged ? (size_t)(colon - familiar) : strlen(familiar);

	return str_copy(pattern, text, sizeof(text)) >= 0 &&
	       str_copy(str_make(familiar, len), repo, sizeof(repo)) >= 0 &&
	       (!fnmatch(text, familiar, FNM_PATHNAME) || !fnmatch(text, repo, FNM_PATHNAME));
}

/* By the filter `reference`, where there is one. */
static bool name_fits(const struct docker_filters *filters, const struct docker_image *row)
{
	const char *familiar = row->familiar;
	struct str value = STR(" ");

	if (!filters || !docker_filters_have(filters, "reference"))
		return true;
	for (size_t n = 0; value.len; n++) {
		value = docker_filters_value(filters, "reference", n);
		if (value.len && (matches(value, familiar) || matches(value, row->image.reference)))
			return true;
	}
	return false;
}

void docker_put_image_names(struct json_writer *w, const struct docker_images *images,
			    const char *id, const struct docker_filters *filters)
{
	json_key(w, "RepoTags");
	json_begin_array(w);
	for (uint32_t i = 0; i < images->count; i++) {
		if (!strcmp(images->rows[i].id, id) && *images->rows[i].familiar &&
		    name_fits(filters, &images->rows[i]))
			json_put_text(w, images->rows[i].familiar);
	}
	json_end_array(w);
	json_key(w, "RepoDigests");
	json_begin_array(w);
	for (uint32_t i = 0; i < images->count; i++) {
		bool again = false;

		for (uint32_t k = 0; k < i; k++)
			again |= !strcmp(images->rows[i].digest, images->rows[k].digest);
		if (!strcmp(images->rows[i].id, id) && *images->rows[i].digest && !again &&
		    name_fits(filters, &images->rows[i]))
			json_put_text(w, images->rows[i].digest);
	}
	json_end_array(w);
}

void docker_put_pairs(struct json_writer *w, const char *key, const struct image_pairs *pairs)
{
	json_key(w, key);
	if (!pairs->count) {
		json_put_null(w);
		return;
	}
	json_begin_object(w);
	for (uint32_t i = 0; i < pairs->count; i++)
		json_member_text(w, pairs->items[i].key, pairs->items[i].value);
	json_end_object(w);
}

int64_t docker_image_created_s(const struct image *image)
{
	int64_t seconds = 0; /* as Docker shows an image that does not say it */

	(void)rfc3339_parse(str_from(image->created), &seconds);
	return seconds;
}

/* Whether an image's layers are the first ones of another's. */
static bool is_below(const struct image *base, const struct image *image)
{
	if (base->layer_count >= image->layer_count)
		return false;
	for (uint32_t i = 0; i < base->layer_count; i++) {
		if (memcmp(&base->layers[i].diff, &image->layers[i].diff,
			   sizeof(base->layers[i].diff)) != 0)
			return false;
	}
	return base->layer_count > 0;
}

/* What an image that got its newest layer here was made from, as far as that is here; else "". */
static const char *parent_of(const struct docker_images *images, const struct docker_image *row)
{
	const struct docker_image *found = NULL;

	for (uint32_t i = 0; row->made_s && i < images->count; i++) {
		const struct docker_image *base = &images->rows[i];

		if (is_below(&base->image, &row->image) &&
		    (!found || base->image.layer_count > found->image.layer_count))
			found = base;
	}
	return found ? found->id : "";
}

/* ---- list ---- */

static const char list_filters[] = "before dangling label label! reference since until";

static bool fits_reference(const struct docker_filters *filters, const struct docker_images *images,
			   const char *id)
{
	if (!docker_filters_have(filters, "reference"))
		return true;
	for (uint32_t i = 0; i < images->count; i++) {
		if (!strcmp(images->rows[i].id, id) && name_fits(filters, &images->rows[i]))
			return true;
	}
	return false;
}

/* What a list is narrowed to beyond names and labels. */
struct bounds {
	bool dangling;	      /* where the filter is given */
	int64_t since, until; /* created between the two, in nanoseconds */
};

static int64_t created_ns(const struct image *image)
{
	int64_t ns = 0;

	(void)docker_time_parse(str_from(image->created), &ns);
	return ns;
}

/* `before` and `since` name images; of several the narrowest counts. False: it was answered. */
static bool read_bounds(struct docker_client *client, const struct docker_filters *filters,
			const struct docker_images *images, struct bounds *ret_bounds)
{
	static const char *const names[] = { "since", "before" };
	struct bounds bounds = { .since = INT64_MIN };

	if (!docker_filters_flag(client, filters, "dangling", false, &bounds.dangling) ||
	    !docker_filters_untils(client, filters, &bounds.until))
		return false;
	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		for (size_t n = 0;; n++) {
			const struct docker_image *found;
			char name[OCI_REFERENCE_MAX];
			struct str value = docker_filters_value(filters, names[k], n);
			struct err err = { 0 };
			int64_t at;

			if (!value.len)
				break;
			if (str_copy(value, name, sizeof(name)) < 0)
				name[0] = 0;
			if (docker_images_find(images, name, &found, &err) < 0) {
				docker_reply_err(client, &err);
				return false;
			}
			at = created_ns(&found->image);
			if (k == 0 && at > bounds.since)
				bounds.since = at;
			if (k == 1 && at < bounds.until)
				bounds.until = at;
		}
	}
	*ret_bounds = bounds;
	return true;
}

static bool fits(const struct docker_filters *filters, const struct bounds *bounds,
		 const struct docker_images *images, const struct docker_image *row)
{
	const struct docker_labels labels = { .pairs = &row->image.labels };
	int64_t at = created_ns(&row->image);

	return (!docker_filters_have(filters, "dangling") || bounds->dangling == !*row->familiar) &&
	       at > bounds->since && at < bounds->until &&
	       docker_filters_labels(filters, &labels) && fits_reference(filters, images, row->id);
}

/* Images of one second in the order of the store. */
static int newest_first(const void *a, const void *b)
{
	const struct docker_image *x = *(const struct docker_image *const *)a;
	const struct docker_image *y = *(const struct docker_image *const *)b;
	int64_t at = docker_image_created_s(&x->image), other = docker_image_created_s(&y->image);

	if (at != other)
		return at < other ? 1 : -1;
	return x < y ? -1 : x > y;
}

/* With shared-size in the query what is shared is measured, else it is -1. */
static void put_shared(struct json_writer *w, const struct docker_usage *usage, const char *id)
{
	const struct docker_usage_row *used = usage ? docker_usage_image(usage, id) : NULL;

	json_member_i64(w, "SharedSize", used ? (int64_t)used->shared : usage ? 0 : -1);
}

static void list_reply(struct docker_client *client, const struct docker_images *images,
		       const struct docker_filters *filters, const struct bounds *bounds,
		       const struct docker_usage *usage)
{
	const struct docker_image **order =
		arena_array(&client->arena, images->count + 1U, sizeof(*order));
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	if (!order) {
		docker_reply_error(client, 500, "no memory for the list of images");
		return;
	}
	for (uint32_t i = 0; i < images->count; i++)
		order[i] = &images->rows[i];
	qsort(order, images->count, sizeof(*order), newest_first);
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_array(&w);
	for (uint32_t i = 0; i < images->count; i++) {
		const struct docker_image *row = order[i];

		if (!first_of_id(images, (uint32_t)(row - images->rows)) ||
		    !fits(filters, bounds, images, row))
			continue;
		json_begin_object(&w);
		json_member_text(&w, "Id", row->id);
		json_member_text(&w, "ParentId", parent_of(images, row));
		docker_put_image_names(&w, images, row->id, filters);
		json_member_i64(&w, "Created", docker_image_created_s(&row->image));
		json_member_u64(&w, "Size", row->disk_bytes);
		if (client->minor < VIRTUAL_SIZE_MINOR)
			json_member_u64(&w, "VirtualSize", row->disk_bytes);
		put_shared(&w, usage, row->id);
		docker_put_pairs(&w, "Labels", &row->image.labels);
		json_member_i64(&w, "Containers", -1);
		json_end_object(&w);
	}
	json_end_array(&w);
	(void)buf_add_byte(&body, '\n');
	docker_reply_json(client, 200, buf_str(&body));
}

static void list_answer(struct docker_client *client, const struct docker_images *images,
			const struct docker_usage *usage)
{
	struct docker_filters filters OWN(docker_filters_done) = { 0 };
	struct bounds bounds;

	if (docker_filters_read(client, list_filters, &filters) &&
	    read_bounds(client, &filters, images, &bounds))
		list_reply(client, images, &filters, &bounds, usage);
}

static void on_list_usage(struct msg_peer *peer, void *owner, struct msg *reply,
			  const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_usage usage;
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_usage_read(reply->body, &client->arena, &usage, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		list_answer(client, client->work, &usage);
}

static void no_free(void *work)
{
	(void)work; /* in the request's arena */
}

static void on_list(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_images *images = arena_alloc(&client->arena, sizeof(*images));
	struct err bad = { 0 };

	(void)peer;
	if (!images)
		err_set(&bad, -ENOMEM, "no memory for the list of images");
	if (!reply || !images ||
	    docker_images_read(reply->body, &client->arena, images, &bad) < 0) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	if (!docker_query_flag(client, "shared-size", false)) {
		list_answer(client, images, NULL);
		return;
	}
	client->work = images;
	client->work_free = no_free;
	docker_ask(client, ENGINE_MSG_USAGE, STR(""), on_list_usage);
}

void docker_images(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_list);
}

/* ---- inspect ---- */

static void put_set(struct json_writer *w, const char *key, const struct image_texts *texts)
{
	json_key(w, key);
	if (!texts->count) {
		json_put_null(w);
		return;
	}
	json_begin_object(w);
	for (uint32_t i = 0; i < texts->count; i++) {
		json_key(w, texts->items[i]);
		json_begin_object(w);
		json_end_object(w);
	}
	json_end_object(w);
}

/* What is not said of a health check is left out, as Docker does. */
static void put_given(struct json_writer *w, const char *key, int64_t value)
{
	if (value)
		json_member_i64(w, key, value);
}

static void put_config(struct json_writer *w, const char *key, const struct image *image)
{
	json_key(w, key);
	json_begin_object(w);
	json_member_text(w, "Hostname", "");
	json_member_text(w, "Domainname", "");
	json_member_text(w, "User", image->user);
	json_member_bool(w, "AttachStdin", false);
	json_member_bool(w, "AttachStdout", false);
	json_member_bool(w, "AttachStderr", false);
	if (image->exposed_ports.count)
		put_set(w, "ExposedPorts", &image->exposed_ports);
	json_member_bool(w, "Tty", false);
	json_member_bool(w, "OpenStdin", false);
	json_member_bool(w, "StdinOnce", false);
	docker_put_texts(w, "Env", &image->env, true);
	docker_put_texts(w, "Cmd", &image->cmd, true);
	json_member_text(w, "Image", "");
	put_set(w, "Volumes", &image->volumes);
	json_member_text(w, "WorkingDir", image->workdir);
	docker_put_texts(w, "Entrypoint", &image->entrypoint, true);
	docker_put_texts(w, "OnBuild", &image->on_build, true);
	docker_put_pairs(w, "Labels", &image->labels);
	if (*image->stop_signal)
		json_member_text(w, "StopSignal", image->stop_signal);
	if (image->shell.count)
		docker_put_texts(w, "Shell", &image->shell, false);
	if (image->health.test.count) {
		json_key(w, "Healthcheck");
		json_begin_object(w);
		docker_put_texts(w, "Test", &image->health.test, false);
		put_given(w, "Interval", image->health.interval_ns);
		put_given(w, "Timeout", image->health.timeout_ns);
		put_given(w, "StartPeriod", image->health.start_period_ns);
		put_given(w, "StartInterval", image->health.start_interval_ns);
		put_given(w, "Retries", image->health.retries);
		json_end_object(w);
	}
	json_end_object(w);
}

static void put_layers(struct json_writer *w, const struct image *image)
{
	char digest[DIGEST_TEXT_MAX];

	json_key(w, "RootFS");
	json_begin_object(w);
	json_member_text(w, "Type", "layers");
	json_key(w, "Layers");
	json_begin_array(w);
	for (uint32_t i = 0; i < image->layer_count; i++)
		json_put_text(w, digest_text(&image->layers[i].diff, digest));
	json_end_array(w);
	json_end_object(w);
}

/* When it was made here, or what it says of itself: a time in any case. */
static const char *tag_time(const struct docker_image *row, char dst[DOCKER_TIME_MAX])
{
	if (row->made_s)
		return docker_time(row->made_s * 1000000000, dst);
	return docker_image_created_s(&row->image) ? row->image.created : "0001-01-01T00:00:00Z";
}

static void inspect_reply(struct docker_client *client, const struct docker_images *images,
			  const struct docker_image *row)
{
	struct buf body OWN(buf_done) = { 0 };
	char time[DOCKER_TIME_MAX];
	struct json_writer w;

	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_text(&w, "Id", row->id);
	docker_put_image_names(&w, images, row->id, NULL);
	json_member_text(&w, "Parent", parent_of(images, row));
	/* An image of OCI's form says it in its newest step. */
	json_member_text(&w, "Comment",
			 row->image.history_count
				 ? row->image.history[row->image.history_count - 1].comment
				 : "");
	json_member_text(&w, "Created", row->image.created);
	json_member_text(&w, "DockerVersion", "");
	json_member_text(&w, "Author", row->image.author);
	put_config(&w, "Config", &row->image);
	if (client->minor < CONTAINER_CONFIG_MINOR)
		put_config(&w, "ContainerConfig", &row->image); /* docker-compose 1 reads it */
	json_member_text(&w, "Architecture", row->image.architecture);
	if (*row->image.variant)
		json_member_text(&w, "Variant", row->image.variant);
	json_member_text(&w, "Os", row->image.os);
	json_member_u64(&w, "Size", row->disk_bytes);
	if (client->minor < VIRTUAL_SIZE_MINOR)
		json_member_u64(&w, "VirtualSize", row->disk_bytes);
	json_key(&w, "GraphDriver");
	json_begin_object(&w);
	json_key(&w, "Data");
	json_put_null(&w);
	json_member_text(&w, "Name", "erofs");
	json_end_object(&w);
	put_layers(&w, &row->image);
	json_key(&w, "Metadata");
	json_begin_object(&w);
	json_member_text(&w, "LastTagTime", tag_time(row, time));
	json_end_object(&w);
	json_end_object(&w);
	(void)buf_add_byte(&body, '\n');
	docker_reply_json(client, 200, buf_str(&body));
}

/* All names of an image, or null. */
static void put_tags(struct json_writer *w, const struct docker_images *images, const char *id)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < images->count; i++) {
		if (strcmp(images->rows[i].id, id) != 0 || !*images->rows[i].familiar)
			continue;
		if (!count++)
			json_begin_array(w);
		json_put_text(w, images->rows[i].familiar);
	}
	if (count)
		json_end_array(w);
	else
		json_put_null(w);
}

/* Newest step first, as Docker lists them; only the newest names the image. */
static void history_reply(struct docker_client *client, const struct docker_images *images,
			  const struct docker_image *row)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_array(&w);
	for (uint32_t i = row->image.history_count; i > 0; i--) {
		const struct image_history *step = &row->image.history[i - 1];
		int64_t seconds = 0;

		(void)rfc3339_parse(str_from(step->created), &seconds);
		json_begin_object(&w);
		json_member_text(&w, "Id", i == row->image.history_count ? row->id : "<missing>");
		json_member_i64(&w, "Created", seconds);
		json_member_text(&w, "CreatedBy", step->created_by);
		json_key(&w, "Tags");
		if (i == row->image.history_count)
			put_tags(&w, images, row->id);
		else
			json_put_null(&w);
		json_member_u64(
			&w, "Size",
			step->empty_layer || i != row->image.history_count ? 0 : row->disk_bytes);
		json_member_text(&w, "Comment", step->comment);
		json_end_object(&w);
	}
	json_end_array(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

typedef void reply_fn(struct docker_client *client, const struct docker_images *images,
		      const struct docker_image *row);

static void one_image(struct docker_client *client, struct msg *reply, const struct err *err,
		      reply_fn *fn)
{
	const struct docker_image *found;
	struct docker_images images;
	struct err bad = { 0 };

	if (!reply || docker_images_read(reply->body, &client->arena, &images, &bad) < 0 ||
	    docker_images_find(&images, client->argument, &found, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		fn(client, &images, found);
}

static void on_inspect(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	one_image(owner, reply, err, inspect_reply);
}

static void on_history(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	one_image(owner, reply, err, history_reply);
}

void docker_image_inspect(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_inspect);
}

void docker_image_history(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_history);
}
