/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links of old as other calls see them: the names that the list shows, and a link that is removed.
 * Runs in the api role.
 */
#include <errno.h>
#include <string.h>
#include "engine/docker/create.h"
#include "engine/docker/handlers.h"
#include "engine/docker/view.h"
#include "lib/own.h"

/* "ALIAS:container:NAME" of a definition with such links; false: it is another line. */
static bool read_line(const struct container_def *def, uint32_t at, struct str *ret_alias,
		      struct str *ret_name)
{
	struct str rest = str_from(def->extra_hosts.items[at]);

	(void)str_cut(&rest, ':', ret_alias);
	if (!def->host_set || !def->host.link_env.count ||
	    !str_starts(rest, STR(DEF_HOST_CONTAINER)))
		return false;
	*ret_name = str_skip(rest, sizeof(DEF_HOST_CONTAINER) - 1);
	return true;
}

void docker_put_link_names(struct json_writer *w, const struct docker_boxes *boxes,
			   const struct docker_box *box)
{
	for (uint32_t i = 0; boxes && i < boxes->count; i++) {
		const struct docker_box *other = &boxes->rows[i];

		for (uint32_t k = 0; other->has_def && k < other->def.extra_hosts.count; k++) {
			struct buf text OWN(buf_done) = { 0 };
			struct str alias, name;

			if (!read_line(&other->def, k, &alias, &name) || !name.len ||
			    (!str_eq(name, box->view.name) && !str_starts(box->view.id, name)))
				continue;
			buf_init(&text, 1024);
			(void)buf_printf(&text, "/%.*s/%.*s", STR_ARG(other->view.name),
					 STR_ARG(alias));
			json_put_str(w, buf_str(&text));
		}
	}
}

/* ---- rm --link ---- */

static void put_links(struct json_writer *w, const struct json *links, struct str gone)
{
	struct str name, alias, none;
	const struct json *link;
	struct json_iter iter;

	json_begin_array(w);
	json_iter_init(&iter, links);
	while (json_iter_next(&iter, &none, &link)) {
		create_link_parts(json_str(link), &name, &alias);
		if (!str_eq(alias, gone))
			json_put_value(w, link);
	}
	json_end_array(w);
}

/* What inspect gives back, without the link. */
static void put_api(struct json_writer *w, const struct json *api, struct str gone)
{
	const struct json *value, *member;
	struct json_iter iter, inner;
	struct str key, name;

	json_begin_object(w);
	json_iter_init(&iter, api);
	while (json_iter_next(&iter, &key, &value)) {
		json_key_str(w, key);
		if (!str_is(key, "HostConfig")) {
			json_put_value(w, value);
			continue;
		}
		json_begin_object(w);
		json_iter_init(&inner, value);
		while (json_iter_next(&inner, &name, &member)) {
			json_key_str(w, name);
			if (str_is(name, "Links"))
				put_links(w, member, gone);
			else
				json_put_value(w, member);
		}
		json_end_object(w);
	}
	json_end_object(w);
}

static const char *api_without(struct arena *arena, const char *before, struct str gone)
{
	struct json_doc doc OWN(json_done) = { 0 };
	struct buf text OWN(buf_done) = { 0 };
	struct json_writer w;

	if (json_parse(str_from(before), JSON_TEXT_MAX, &doc, NULL) < 0)
		return before;
	buf_init(&text, CREATE_API_MAX);
	json_writer_init(&w, &text);
	put_api(&w, doc.root, gone);
	return buf_error(&text) ? NULL : arena_text(arena, buf_str(&text));
}

/* Whether a row of link_env ("NAME/=DB_PORT...") is that of this alias and container. */
static bool is_row_of(struct str row, struct str alias, struct str target)
{
	struct str name;

	if (!str_cut(&row, '/', &name) || !str_eq(name, target) || row.len < alias.len + 2)
		return false;
	row = str_skip(row, 1);
	for (size_t i = 0; i < alias.len; i++) {
		char c = alias.ptr[i];

		c = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
		if (row.ptr[i] != c)
			return false;
	}
	return row.ptr[alias.len] == '_';
}

static int remove_link(struct arena *arena, struct container_def *def, struct str gone,
		       bool *ret_found, struct err *err)
{
	struct image_texts hosts = { 0 }, rows = { 0 };
	struct str target = STR(""), alias, name;
	int r = 0;

	*ret_found = false;
	for (uint32_t i = 0; r >= 0 && i < def->extra_hosts.count; i++) {
		if (read_line(def, i, &alias, &name) && str_eq(alias, gone)) {
			*ret_found = true;
			target = name;
		} else {
			r = image_texts_add(arena, &hosts, def->extra_hosts.items[i], err);
		}
	}
	for (uint32_t i = 0; r >= 0 && i < def->host.link_env.count; i++) {
		if (!is_row_of(str_from(def->host.link_env.items[i]), gone, target))
			r = image_texts_add(arena, &rows, def->host.link_env.items[i], err);
	}
	if (r < 0)
		return r;
	def->extra_hosts = hosts;
	def->host.link_env = rows;
	def->host.api = api_without(arena, def->host.api, gone);
	return def->host.api ? 0 : err_set(err, -ENOMEM, "no memory for a request");
}

static void no_such(struct docker_client *client, struct str alias)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, 1024);
	(void)buf_printf(&text, "No such container: %s/%.*s", client->argument, STR_ARG(alias));
	docker_reply_error(client, 404, buf_text(&text));
}

static void on_view(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct str alias = str_from(client->work);
	struct docker_boxes boxes = { 0 };
	struct container_def def;
	struct err bad = { 0 };
	bool found = false;

	(void)peer;
	(void)err;
	if (!reply) {
		no_such(client, alias);
		return;
	}
	if (docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0) {
		docker_reply_err(client, &bad);
		return;
	}
	if (boxes.count && boxes.rows[0].has_def && boxes.rows[0].def.host_set) {
		def = boxes.rows[0].def;
		if (remove_link(&client->arena, &def, alias, &found, &bad) < 0) {
			docker_reply_err(client, &bad);
			return;
		}
	}
	if (found)
		docker_ask_def(client, &boxes.rows[0], &def, ENGINE_MSG_CHANGE, docker_done_empty);
	else
		no_such(client, alias);
}

static void no_free(void *work)
{
	(void)work; /* in the request's arena */
}

void docker_link_remove(struct docker_client *client)
{
	const char *name = client->argument + (client->argument[0] == '/');
	char *slash = strrchr(client->argument, '/');
	char *alias;

	if (!slash || slash < name) {
		docker_reply_error(client, 409,
				   "Conflict, cannot remove the default link name of the "
				   "container");
		return;
	}
	alias = arena_text(&client->arena, str_from(slash + 1));
	if (!alias) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	*slash = 0;
	memmove(client->argument, name, strlen(name) + 1);
	client->work = alias;
	client->work_free = no_free;
	docker_ask_argument(client, ENGINE_MSG_VIEWS, on_view);
}
