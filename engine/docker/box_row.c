/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of GET /containers/json: written, or taken as it was written the last time (row_cache.h).
 * Runs in the api role.
 */
#include "engine/docker/box_row.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/docker/label.h"
#include "engine/docker/text.h"
#include "lib/own.h"

enum { ROW_ANNOTATIONS_MINOR = 46 /* from there on */, ROW_KEY_MAX = ENGINE_DEF_MAX + 32768 };

#define NS_PER_S INT64_C(1000000000)

/* The command as `ps` shows it: words with a space between them, quoted where they have one. */
static void put_command(struct json_writer *w, const struct docker_box *box)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, 64 << 10);
	for (uint32_t i = 0; box->has_def && i < box->def.argv.count; i++) {
		const char *quote = i && strchr(box->def.argv.items[i], ' ') ? "'" : "";

		(void)buf_printf(&text, "%s%s%s%s", i ? " " : "", quote, box->def.argv.items[i],
				 quote);
	}
	json_member_str(w, "Command", buf_str(&text));
}

static void put_labels(struct json_writer *w, const struct docker_box *box)
{
	static const char *declared = DOCKER_LABEL_DECLARED "=true";
	struct image_texts labels = { 0 };
	const char *texts[IMAGE_TEXTS_MAX + 1];

	for (uint32_t i = 0; box->has_def && i < box->def.labels.count; i++) {
		if (!docker_label_reserved(str_from(box->def.labels.items[i])))
			texts[labels.count++] = box->def.labels.items[i];
	}
	if (box->view.declared)
		texts[labels.count++] = declared;
	labels.items = texts;
	docker_put_labels(w, "Labels", &labels);
}

void docker_put_row(struct json_writer *w, const struct docker_box *box,
		    const struct docker_boxes *others, unsigned minor,
		    const struct docker_sizes *sizes, size_t *ret_from, size_t *ret_to)
{
	struct buf status OWN(buf_done) = { 0 }, name OWN(buf_done) = { 0 };
	char image[ENGINE_REF_MAX], id[DIGEST_TEXT_MAX];
	struct json_doc api = { 0 };

	if (box->has_def && box->def.host_set)
		(void)json_parse(str_from(box->def.host.api), JSON_TEXT_MAX, &api, NULL);
	buf_init(&status, 1024);
	buf_init(&name, 256);
	docker_view_status(&box->view, &status);
	(void)buf_printf(&name, "/%.*s", STR_ARG(box->view.name));
	json_begin_object(w);
	json_member_str(w, "Id", box->view.id);
	json_key(w, "Names");
	json_begin_array(w);
	json_put_str(w, buf_str(&name));
	docker_put_link_names(w, others, box);
	json_end_array(w);
	json_member_str(w, "Image", docker_box_image(box, &api, image, sizeof(image)));
	json_member_text(w, "ImageID", box->has_def ? digest_text(&box->def.image, id) : "");
	put_command(w, box);
	json_member_i64(w, "Created", box->view.created_ns / NS_PER_S);
	docker_put_ports(w, box, api.root);
	if (sizes)
		docker_put_sizes(w, sizes, box);
	put_labels(w, box);
	json_member_text(w, "State", docker_box_state(box));
	json_key(w, "Status");
	*ret_from = w->out->len;
	json_put_str(w, buf_str(&status));
	*ret_to = w->out->len;
	json_key(w, "HostConfig");
	json_begin_object(w);
	json_member_str(w, "NetworkMode",
			json_str(json_get(json_get(api.root, "HostConfig"), "NetworkMode")));
	if (minor >= ROW_ANNOTATIONS_MINOR &&
	    json_count(json_get(json_get(api.root, "HostConfig"), "Annotations"))) {
		json_key(w, "Annotations");
		json_put_value(w, json_get(json_get(api.root, "HostConfig"), "Annotations"));
	}
	json_end_object(w);
	json_key(w, "NetworkSettings");
	json_begin_object(w);
	docker_put_networks(w, box, api.root, minor);
	json_end_object(w);
	docker_put_mounts(w, box, api.root);
	json_end_object(w);
	json_done(&api);
}

/* All that engine main says of it, its definition by its edition where that has one. */
static int put_key(const struct engine_view *view, struct buf *out, struct err *err)
{
	struct engine_view brief = *view;

	if (brief.edition)
		brief.def = STR("");
	engine_view_put(out, &brief);
	return buf_error(out) ? err_set(err, buf_error(out), "container %.*s says too much",
					STR_ARG(view->id))
			      : 0;
}

const struct docker_row *docker_row_of(struct docker_client *client, struct str bytes,
				       struct docker_box *box, struct err *err)
{
	struct buf key OWN(buf_done) = { 0 }, text OWN(buf_done) = { 0 };
	const struct docker_row *row;
	struct json_writer w;
	size_t from = 0, to = 0;

	buf_init(&key, ROW_KEY_MAX);
	if (put_key(&box->view, &key, err) < 0)
		return NULL;
	row = docker_rows_find(buf_str(&key), client->minor);
	if (row)
		return row;
	if (bytes.len && docker_box_read(bytes, true, &client->arena, box, err) < 0)
		return NULL;
	buf_init(&text, DOCKER_REPLY_MAX);
	json_writer_init(&w, &text);
	docker_put_row(&w, box, NULL, client->minor, NULL, &from, &to);
	if (!buf_error(&text))
		row = docker_rows_keep(buf_str(&key), client->minor, buf_str(&text), from, to);
	if (!row)
		err_set(err, -ENOMEM, "no memory for the list of containers");
	return row;
}
