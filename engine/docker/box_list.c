/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /containers/json, with Docker's filters. Runs in the api role.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/docker/box_row.h"
#include "engine/docker/box_size.h"
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/label.h"
#include "engine/docker/text.h"
#include "engine/docker/view.h"
#include "lib/own.h"

static const char list_filters[] =
	"ancestor before exited expose health id is-task isolation label label! "
	"name network publish since status volume";

struct list {
	struct docker_filters filters;
	struct docker_boxes boxes;
	int64_t before_ns, since_ns;
	bool all, plain; /* plain: neither filters nor a limit nor sizes */
	bool sized;
	int64_t limit;
};

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

	if (box->has_def && !network && def->network_mode != DEF_NETWORK_BRIDGE)
		network = docker_filters_fit(
			&list->filters, "network",
			def->network_mode == DEF_NETWORK_HOST ? STR("host") : STR("none"), false);

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

/* Patterns may be for the name as the list shows it, with a slash in front. */
static bool fits_name(const struct docker_filters *filters, struct str name)
{
	char shown[ENGINE_NAME_MAX + 2];

	(void)snprintf(shown, sizeof(shown), "/%.*s", STR_ARG(name));
	return docker_filters_fit(filters, "name", name, true) ||
	       docker_filters_fit(filters, "name", str_from(shown), true);
}

static bool fits_exit(const struct list *list, const struct docker_box *box)
{
	char code[16];

	(void)snprintf(code, sizeof(code), "%d", box->view.exit_code);
	return !docker_filters_have(&list->filters, "exited") ||
	       (box->view.state == ENGINE_STATE_EXITED &&
		docker_filters_fit(&list->filters, "exited", str_from(code), false));
}

static bool fits_ports(const struct docker_filters *filters, const struct docker_box *box);
static bool fits_task(const struct docker_filters *filters);

static bool fits(const struct list *list, const struct docker_box *box)
{
	const struct docker_filters *filters = &list->filters;
	const struct docker_labels labels = { .texts = box->has_def ? &box->def.labels : NULL,
					      .own = box->view.declared ? DOCKER_LABEL_DECLARED
							     "=true"
									: NULL };

	return docker_filters_fit(filters, "id", box->view.id, true) &&
	       fits_name(filters, box->view.name) &&
	       docker_filters_fit(filters, "status", str_from(docker_box_state(box)), false) &&
	       docker_filters_fit(filters, "health", box->view.health, false) &&
	       docker_filters_labels(filters, &labels) && fits_ports(filters, box) &&
	       fits_task(filters) && fits_ancestor(list, box) && fits_lists(list, box) &&
	       fits_exit(list, box) &&
	       (!list->before_ns || box->view.created_ns < list->before_ns) &&
	       (!list->since_ns || box->view.created_ns > list->since_ns);
}

/* A value of a filter that is none. */
static bool refuse(struct docker_client *client, const char *format, const char *name,
		   struct str value)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, 512);
	(void)buf_printf(&text, format, name, value.len > 80 ? 80 : (int)value.len,
			 value.ptr ? value.ptr : "");
	docker_reply_error(client, 400, buf_text(&text));
	return false;
}

/* "80", "80/udp", "80-82/tcp" -> the range and the protocol. */
static bool read_range(struct str text, uint64_t *ret_from, uint64_t *ret_to, struct str *ret_proto)
{
	struct str ports, first;

	(void)str_cut(&text, '/', &ports);
	*ret_proto = text.len ? text : STR("tcp");
	(void)str_cut(&ports, '-', &first);
	if (str_to_u64(first, 0, UINT16_MAX, ret_from) < 0)
		return false;
	*ret_to = *ret_from;
	return !ports.len || (str_to_u64(ports, *ret_from, UINT16_MAX, ret_to) >= 0);
}

/* What each filter's values may be. False: 400 has been answered. */
static bool check_values(struct docker_client *client, const struct docker_filters *filters)
{
	static const struct {
		const char *name, *words, *format;
	} lists[] = {
		{ "status", "created restarting running removing paused exited dead",
		  "invalid filter '%s=%.*s'" },
		{ "health", "starting healthy unhealthy none",
		  "unrecognized filter value for %s: %.*s" },
	};
	static const char *const ports[] = { "publish", "expose" };
	struct str value, proto;
	uint64_t from, to;
	int64_t code;
	bool task;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		for (size_t n = 0; (value = docker_filters_value(filters, lists[i].name, n)).len;
		     n++) {
			struct str words = str_from(lists[i].words), word;
			bool known = false;

			while (str_cut(&words, ' ', &word))
				known |= str_eq(word, value);
			if (!known)
				return refuse(client, lists[i].format, lists[i].name, value);
		}
	}
	for (size_t n = 0; (value = docker_filters_value(filters, "exited", n)).len; n++) {
		if (str_to_i64(value, INT32_MIN, INT32_MAX, &code) < 0)
			return refuse(client, "invalid filter '%s=%.*s': invalid syntax", "exited",
				      value);
	}
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		for (size_t n = 0; (value = docker_filters_value(filters, ports[i], n)).len; n++) {
			if (!read_range(value, &from, &to, &proto))
				return refuse(client,
					      "error while looking up for %s %.*s: invalid syntax",
					      ports[i], value);
		}
	}
	return docker_filters_flag(client, filters, "is-task", false, &task);
}

/* Whether a port of the container is in one of the filter's ranges. */
static bool in_ranges(const struct docker_filters *filters, const char *filter, uint64_t port,
		      struct str own)
{
	struct str value, proto;
	uint64_t from, to;

	for (size_t n = 0; (value = docker_filters_value(filters, filter, n)).len; n++) {
		if (read_range(value, &from, &to, &proto) && port >= from && port <= to &&
		    str_eq(proto, own))
			return true;
	}
	return false;
}

/* `publish` looks at the machine's ports, `expose` at the container's. */
static bool fits_ports(const struct docker_filters *filters, const struct docker_box *box)
{
	bool publish = docker_filters_have(filters, "publish");
	bool expose = docker_filters_have(filters, "expose");
	struct json_doc api OWN(json_done) = { 0 };
	const struct json *value;
	struct json_iter iter;
	struct str name, proto;
	uint64_t from, to;

	for (uint32_t i = 0; box->has_def && i < box->def.port_count; i++) {
		const struct service_port *row = &box->def.ports[i];

		proto = row->proto == IPPROTO_UDP ? STR("udp") : STR("tcp");
		for (uint32_t n = 0; n < row->count; n++) {
			publish &= !in_ranges(filters, "publish", row->host_port + n, proto);
			expose &= !in_ranges(filters, "expose", row->container_port + n, proto);
		}
	}
	if (expose && box->has_def && box->def.host_set)
		(void)json_parse(str_from(box->def.host.api), JSON_TEXT_MAX, &api, NULL);
	json_iter_init(&iter, json_get(json_get(api.root, "Config"), "ExposedPorts"));
	while (expose && json_iter_next(&iter, &name, &value)) {
		if (read_range(name, &from, &to, &proto))
			expose = !in_ranges(filters, "expose", from, proto);
	}
	return !publish && !expose;
}

static bool fits_task(const struct docker_filters *filters)
{
	struct str value = docker_filters_value(filters, "is-task", 0);

	return !str_is(value, "true") && !str_is(value, "1");
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

static bool is_up(const struct engine_view *view)
{
	return view->state == ENGINE_STATE_RUNNING || view->state == ENGINE_STATE_PAUSED ||
	       view->state == ENGINE_STATE_RESTARTING;
}

/* Rows are big: their places are sorted. */
static int newest_first(const void *a, const void *b)
{
	const struct docker_box *x = *(const struct docker_box *const *)a;
	const struct docker_box *y = *(const struct docker_box *const *)b;

	return x->view.created_ns < y->view.created_ns	 ? 1
	       : x->view.created_ns > y->view.created_ns ? -1
							 : 0;
}

static const struct docker_box **in_order(struct docker_client *client,
					  const struct docker_boxes *boxes)
{
	const struct docker_box **order =
		arena_array(&client->arena, boxes->count + 1U, sizeof(*order));

	for (uint32_t i = 0; order && i < boxes->count; i++)
		order[i] = &boxes->rows[i];
	if (order)
		qsort(order, boxes->count, sizeof(*order), newest_first);
	else
		docker_reply_error(client, 500, "no memory for the list of containers");
	return order;
}

/* Rows that say more than their own container: how much it takes, or what links of others call it.
 */
static void list_reply(struct docker_client *client, const struct docker_sizes *sizes)
{
	struct list *list = client->work;
	const struct docker_box **order = in_order(client, &list->boxes);
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	int64_t left = list->limit > 0 ? list->limit : INT64_MAX;
	size_t from, to;

	if (!order)
		return;
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_array(&w);
	for (uint32_t i = 0; i < list->boxes.count && left; i++) {
		if ((!list->all && !is_up(&order[i]->view)) || !fits(list, order[i]))
			continue;
		docker_put_row(&w, order[i], &list->boxes, client->minor, sizes, &from, &to);
		left--;
	}
	json_end_array(&w);
	(void)buf_add_byte(&body, '\n');
	docker_reply_json(client, 200, buf_str(&body));
}

/* ---- rows that were written before are taken as they are ---- */

/* What is left of a list: rows in the order in which they are shown. */
static void rows_reply(struct docker_client *client, const struct docker_row *const *rows,
		       uint32_t count)
{
	struct str *parts = arena_array(&client->arena, 4U * count + 2, sizeof(*parts));
	struct buf text OWN(buf_done) = { 0 }, json OWN(buf_done) = { 0 };
	struct json_writer w;
	size_t used = 0;

	buf_init(&text, 2048);
	buf_init(&json, 16384);
	for (uint32_t i = 0; parts && i < count; i++) {
		const char *status;

		buf_clear(&text);
		buf_clear(&json);
		docker_view_status(&rows[i]->view, &text);
		json_writer_init(&w, &json);
		json_put_str(&w, buf_str(&text));
		status = arena_text(&client->arena, buf_str(&json));
		if (!status) {
			parts = NULL;
			break;
		}
		parts[used++] = i ? STR(",") : STR("[");
		parts[used++] = str_make(rows[i]->text, rows[i]->from);
		parts[used++] = str_from(status);
		parts[used++] = str_make(rows[i]->text + rows[i]->to, rows[i]->len - rows[i]->to);
	}
	if (!parts) {
		docker_reply_error(client, 500, "no memory for the list of containers");
		return;
	}
	parts[used++] = count ? STR("]\n") : STR("[]\n");
	docker_reply_parts(client, 200, parts, used);
}

static int newest_row_first(const void *a, const void *b)
{
	const struct docker_row *x = *(const struct docker_row *const *)a;
	const struct docker_row *y = *(const struct docker_row *const *)b;

	return x->view.created_ns < y->view.created_ns	 ? 1
	       : x->view.created_ns > y->view.created_ns ? -1
							 : 0;
}

/* All rows, or those that are up; they come in the order in which they were made, mostly. */
static void plain_reply(struct docker_client *client, const struct list *list,
			const struct docker_row **rows, uint32_t count)
{
	uint32_t shown = 0;

	for (uint32_t i = 0; i < count / 2; i++) {
		const struct docker_row *row = rows[i];

		rows[i] = rows[count - 1 - i];
		rows[count - 1 - i] = row;
	}
	qsort(rows, count, sizeof(*rows), newest_row_first);
	for (uint32_t i = 0; i < count; i++) {
		if (list->all || is_up(&rows[i]->view))
			rows[shown++] = rows[i];
	}
	rows_reply(client, rows, shown);
}

/* Nothing new in any of them: true, and it is answered. */
static bool brief_reply(struct docker_client *client, const struct list *list, struct str body)
{
	const struct docker_row **rows;
	uint32_t count, found = 0;
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, 2 * ENGINE_ROWS_MAX);
	rows = arena_array(&client->arena, count + 1U, sizeof(struct docker_row *));
	docker_rows_begin();
	for (; rows && found < count; found++) {
		rows[found] = docker_rows_find(wire_blob(&in, MSG_BODY_MAX), client->minor);
		if (!rows[found])
			return false;
	}
	if (!rows || wire_end(&in) < 0)
		return false;
	plain_reply(client, list, rows, count);
	docker_rows_end();
	return true;
}

/* As brief_reply(), from whole views: what is new is written now, and kept. */
static int full_reply(struct docker_client *client, const struct list *list, struct str body,
		      struct err *err)
{
	static struct docker_box box;
	const struct docker_row **rows;
	uint32_t count, made = 0;
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, 2 * ENGINE_ROWS_MAX);
	rows = arena_array(&client->arena, count + 1U, sizeof(struct docker_row *));
	if (!rows)
		return err_set(err, -ENOMEM, "no memory for the list of containers");
	for (; made < count; made++) {
		struct str bytes = wire_blob(&in, MSG_BODY_MAX);

		if (docker_box_read(bytes, false, NULL, &box, err) < 0)
			return err->code;
		rows[made] = docker_row_of(client, bytes, &box, err);
		if (!rows[made])
			return err->code;
	}
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "malformed list of containers");
	plain_reply(client, list, rows, count);
	return 0;
}

/* Filters look at definitions: all are read, but their rows need not be written again. */
static int chosen_reply(struct docker_client *client, struct list *list, struct err *err)
{
	const struct docker_box **order = in_order(client, &list->boxes);
	const struct docker_row **rows, **all;
	int64_t left = list->limit > 0 ? list->limit : INT64_MAX;
	uint32_t shown = 0;

	if (!order)
		return 0; /* it is answered */
	rows = arena_array(&client->arena, list->boxes.count + 1U, sizeof(struct docker_row *));
	all = arena_array(&client->arena, list->boxes.count + 1U, sizeof(struct docker_row *));
	if (!rows || !all)
		return err_set(err, -ENOMEM, "no memory for the list of containers");
	for (uint32_t i = 0; i < list->boxes.count; i++) {
		all[i] = docker_row_of(client, STR(""), &list->boxes.rows[i], err);
		if (!all[i])
			return err->code;
	}
	for (uint32_t i = 0; i < list->boxes.count && left; i++) {
		if ((!list->all && !is_up(&order[i]->view)) || !fits(list, order[i]))
			continue;
		rows[shown++] = all[order[i] - list->boxes.rows];
		left--;
	}
	rows_reply(client, rows, shown);
	return 0;
}

static bool has_links(struct str views)
{
	static const char mark[] = ":" DEF_HOST_CONTAINER;

	return memmem(views.ptr, views.len, mark, sizeof(mark) - 1) != NULL;
}

static void list_free(void *work)
{
	struct list *list = work;

	docker_filters_done(&list->filters);
	free(list);
}

/* Slices of the rows point into the answer: with further questions it has to last. */
static int keep_boxes(struct docker_client *client, struct list *list, struct str body,
		      struct err *err)
{
	char *bytes = list->sized ? arena_alloc(&client->arena, body.len + 1) : NULL;

	if (list->sized && !bytes)
		return err_set(err, -ENOMEM, "no memory for the list of containers");
	if (bytes) {
		memcpy(bytes, body.ptr, body.len);
		body = str_make(bytes, body.len);
	}
	return docker_boxes_read(body, &client->arena, &list->boxes, err);
}

static void on_views(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct list *list = client->work;
	struct err bad = { 0 };
	bool alone = reply && !list->sized && !has_links(reply->body);

	(void)peer;
	/* With links a row is not its own container's alone. */
	if (alone && list->plain) {
		docker_rows_begin();
		if (full_reply(client, list, reply->body, &bad) < 0)
			docker_reply_err(client, &bad);
		docker_rows_end();
		return;
	}
	if (!reply || keep_boxes(client, list, reply->body, &bad) < 0) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	if (!find_bound(client, list, "before", &list->before_ns) ||
	    !find_bound(client, list, "since", &list->since_ns))
		return;
	if (list->sized) {
		docker_sizes_ask(client, list_reply);
	} else if (alone) {
		docker_rows_begin();
		if (chosen_reply(client, list, &bad) < 0)
			docker_reply_err(client, &bad);
		docker_rows_end();
	} else {
		list_reply(client, NULL);
	}
}

/* Few bytes for each container: most lists are asked for again with nothing new in them. */
static void on_brief(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;

	(void)peer;
	if (!reply)
		docker_reply_err(client, err);
	else if (!brief_reply(client, client->work, reply->body))
		docker_ask(client, ENGINE_MSG_VIEWS, STR(""), on_views);
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
	    !docker_filters_read(client, list_filters, &list->filters) ||
	    !check_values(client, &list->filters))
		return;
	list->all = docker_query_flag(client, "all", false) || list->limit > 0 ||
		    docker_filters_have(&list->filters, "status") ||
		    docker_filters_have(&list->filters, "exited");
	list->sized = docker_query_flag(client, "size", false);
	list->plain = list->limit <= 0 && !json_count(list->filters.doc.root) && !list->sized;
	if (list->plain)
		docker_ask(client, ENGINE_MSG_VIEWS_BRIEF, STR(""), on_brief);
	else
		docker_ask(client, ENGINE_MSG_VIEWS, STR(""), on_views);
}
