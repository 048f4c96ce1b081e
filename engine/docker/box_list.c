/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /containers/json, with Docker's filters. Runs in the api role.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/label.h"
#include "engine/docker/text.h"
#include "engine/docker/view.h"
#include "lib/own.h"

#define NS_PER_S INT64_C(1000000000)

static const char list_filters[] =
	"ancestor before exited expose health id is-task isolation label label! "
	"name network publish since status volume";

struct list {
	struct docker_filters filters;
	struct docker_boxes boxes;
	int64_t before_ns, since_ns;
	bool all;
	int64_t limit;
};

/* The command as `ps` shows it: words with a space between them. */
static void put_command(struct json_writer *w, const struct docker_box *box)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, 64 << 10);
	for (uint32_t i = 0; box->has_def && i < box->def.argv.count; i++)
		(void)buf_printf(&text, "%s%s", i ? " " : "", box->def.argv.items[i]);
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

static void put_row(struct json_writer *w, const struct docker_box *box)
{
	struct buf status OWN(buf_done) = { 0 }, name OWN(buf_done) = { 0 };
	char image[ENGINE_REF_MAX], id[DIGEST_TEXT_MAX];
	struct json_doc api = { 0 };

	if (box->has_def && box->def.host_set)
		(void)json_parse(str_from(box->def.host.api), JSON_TEXT_MAX, &api, NULL);
	buf_init(&status, 1024);
	buf_init(&name, 256);
	docker_box_status(box, &status);
	(void)buf_printf(&name, "/%.*s", STR_ARG(box->view.name));
	json_begin_object(w);
	json_member_str(w, "Id", box->view.id);
	json_key(w, "Names");
	json_begin_array(w);
	json_put_str(w, buf_str(&name));
	json_end_array(w);
	json_member_str(w, "Image", docker_box_image(box, &api, image, sizeof(image)));
	json_member_text(w, "ImageID", box->has_def ? digest_text(&box->def.image, id) : "");
	put_command(w, box);
	json_member_i64(w, "Created", box->view.created_ns / NS_PER_S);
	docker_put_ports(w, box);
	put_labels(w, box);
	json_member_text(w, "State", docker_box_state(box));
	json_member_str(w, "Status", buf_str(&status));
	json_key(w, "HostConfig");
	json_begin_object(w);
	json_member_str(w, "NetworkMode",
			json_str(json_get(json_get(api.root, "HostConfig"), "NetworkMode")));
	json_end_object(w);
	json_key(w, "NetworkSettings");
	json_begin_object(w);
	docker_put_networks(w, box);
	json_end_object(w);
	docker_put_mounts(w, box);
	json_end_object(w);
	json_done(&api);
}

/* ---- filters ---- */

static bool fits_ancestor(const struct list *list, const struct docker_box *box)
{
	struct json_doc none = { 0 };
	char image[ENGINE_REF_MAX], id[DIGEST_TEXT_MAX];
	struct str name = docker_box_image(box, &none, image, sizeof(image)), full;

	if (!docker_filters_have(&list->filters, "ancestor"))
		return true;
	if (!box->has_def)
		return false;
	full = str_from(digest_text(&box->def.image, id));
	for (size_t n = 0;; n++) {
		struct str value = docker_filters_value(&list->filters, "ancestor", n);

		if (!value.len)
			return false;
		if (str_eq(value, name) || str_starts(full, value) ||
		    str_starts(str_skip(full, 7), value) || str_eq(value, box->view.reference) ||
		    (str_starts(value, name) && str_is(str_skip(value, name.len), ":latest")))
			return true;
	}
}

static bool fits_lists(const struct list *list, const struct docker_box *box)
{
	const struct container_def *def = &box->def;
	bool volume = !docker_filters_have(&list->filters, "volume");
	bool network = !docker_filters_have(&list->filters, "network");

	for (uint32_t i = 0; box->has_def && !volume && i < def->mount_count; i++)
		volume = docker_filters_fit(&list->filters, "volume",
					    str_from(def->mounts[i].source), false) ||
			 docker_filters_fit(&list->filters, "volume",
					    str_from(def->mounts[i].target), false);
	for (uint32_t i = 0; box->has_def && !network && i < def->networks.count; i++) {
		char id[65];

		docker_network_id(str_from(def->networks.items[i]), id);
		network = docker_filters_fit(&list->filters, "network",
					     str_from(def->networks.items[i]), false) ||
			  docker_filters_fit(&list->filters, "network", str_from(id), false);
	}
	return volume && network;
}

static bool fits_exit(const struct list *list, const struct docker_box *box)
{
	char code[16];

	(void)snprintf(code, sizeof(code), "%d", box->view.exit_code);
	return !docker_filters_have(&list->filters, "exited") ||
	       (box->view.state == ENGINE_STATE_EXITED &&
		docker_filters_fit(&list->filters, "exited", str_from(code), false));
}

static bool fits(const struct list *list, const struct docker_box *box)
{
	const struct docker_filters *filters = &list->filters;
	const struct docker_labels labels = { .texts = box->has_def ? &box->def.labels : NULL,
					      .own = box->view.declared ? DOCKER_LABEL_DECLARED
							     "=true"
									: NULL };

	return docker_filters_fit(filters, "id", box->view.id, true) &&
	       docker_filters_fit(filters, "name", box->view.name, true) &&
	       docker_filters_fit(filters, "status", str_from(docker_box_state(box)), false) &&
	       docker_filters_fit(filters, "health", box->view.health, false) &&
	       docker_filters_labels(filters, &labels) && fits_ancestor(list, box) &&
	       fits_lists(list, box) && fits_exit(list, box) &&
	       (!list->before_ns || box->view.created_ns < list->before_ns) &&
	       (!list->since_ns || box->view.created_ns > list->since_ns);
}

/* `before` and `since` name containers. False: 404 has been answered. */
static bool find_bound(struct docker_client *client, struct list *list, const char *name,
		       int64_t *ret_ns)
{
	struct str wanted = docker_filters_value(&list->filters, name, 0);
	struct buf text OWN(buf_done) = { 0 };

	*ret_ns = 0;
	if (!wanted.len)
		return true;
	for (uint32_t i = 0; i < list->boxes.count; i++) {
		const struct engine_view *view = &list->boxes.rows[i].view;

		if (str_eq(view->name, wanted) || str_starts(view->id, wanted))
			*ret_ns = view->created_ns;
	}
	if (*ret_ns)
		return true;
	buf_init(&text, 512);
	(void)buf_printf(&text, "No such container: %.*s", STR_ARG(wanted));
	docker_reply_error(client, 404, buf_text(&text));
	return false;
}

static int newest_first(const void *a, const void *b)
{
	const struct docker_box *x = a, *y = b;

	return x->view.created_ns < y->view.created_ns	 ? 1
	       : x->view.created_ns > y->view.created_ns ? -1
							 : 0;
}

static void list_reply(struct docker_client *client, struct list *list)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	int64_t left = list->limit > 0 ? list->limit : INT64_MAX;

	qsort(list->boxes.rows, list->boxes.count, sizeof(*list->boxes.rows), newest_first);
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_array(&w);
	for (uint32_t i = 0; i < list->boxes.count && left; i++) {
		const struct docker_box *box = &list->boxes.rows[i];
		bool up = box->view.state == ENGINE_STATE_RUNNING ||
			  box->view.state == ENGINE_STATE_PAUSED ||
			  box->view.state == ENGINE_STATE_RESTARTING;

		if ((!list->all && !up) || !fits(list, box))
			continue;
		put_row(&w, box);
		left--;
	}
	json_end_array(&w);
	(void)buf_add_byte(&body, '\n');
	docker_reply_json(client, 200, buf_str(&body));
}

static void list_free(void *work)
{
	struct list *list = work;

	docker_filters_done(&list->filters);
	free(list);
}

static void on_views(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct list *list = client->work;
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_boxes_read(reply->body, &client->arena, &list->boxes, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else if (find_bound(client, list, "before", &list->before_ns) &&
		 find_bound(client, list, "since", &list->since_ns))
		list_reply(client, list);
}

void docker_list(struct docker_client *client)
{
	struct list *list = calloc(1, sizeof(*list));

	if (!list) {
		docker_reply_error(client, 500, "no memory for the list of containers");
		return;
	}
	client->work = list;
	client->work_free = list_free;
	if (docker_query_number(client, "limit", 0, &list->limit) < 0 ||
	    !docker_filters_read(client, list_filters, &list->filters))
		return;
	list->all = docker_query_flag(client, "all", false) || list->limit > 0 ||
		    docker_filters_have(&list->filters, "status") ||
		    docker_filters_have(&list->filters, "exited");
	docker_ask(client, ENGINE_MSG_VIEWS, STR(""), on_views);
}
