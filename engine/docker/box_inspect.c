/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /containers/NAME/json. Runs in the api role. What the client said at creation comes back as
 * it was kept; a declared container is described from its definition.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "engine/docker/box_size.h"
#include "engine/docker/handlers.h"
#include "engine/docker/label.h"
#include "engine/docker/text.h"
#include "engine/docker/view.h"
#include "engine/oci/oci.h"
#include "engine/service/machine.h"
#include "lib/own.h"

#define NS_PER_S INT64_C(1000000000)

/* What is answered in two steps: the container, then its probes. */
struct inspect {
	struct docker_box *box;
	struct engine_health health; /* state "" = it has no test */
	bool secrets;		     /* the client may see them */
	unsigned minor;		     /* of the client's API */
	struct docker_client *client;
	const struct docker_sizes *sizes; /* NULL: not asked for */
};

static void put_health(struct json_writer *w, const struct engine_health *health)
{
	char time[DOCKER_TIME_MAX];

	json_key(w, "Health");
	json_begin_object(w);
	json_member_text(w, "Status", health->state);
	json_member_u64(w, "FailingStreak", health->streak);
	json_key(w, "Log");
	json_begin_array(w);
	for (uint32_t i = 0; i < health->count; i++) {
		json_begin_object(w);
		json_member_text(w, "Start",
				 docker_time(health->results[i].start_s * NS_PER_S, time));
		json_member_text(w, "End", docker_time(health->results[i].end_s * NS_PER_S, time));
		json_member_i64(w, "ExitCode", health->results[i].code);
		json_member_text(w, "Output", health->results[i].output);
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
}

static void put_state(struct json_writer *w, const struct docker_box *box,
		      const struct engine_health *health)
{
	const struct engine_view *view = &box->view;
	bool up = view->state == ENGINE_STATE_RUNNING || view->state == ENGINE_STATE_PAUSED;
	char time[DOCKER_TIME_MAX];

	json_key(w, "State");
	json_begin_object(w);
	json_member_text(w, "Status", docker_box_state(box));
	json_member_bool(w, "Running", up || view->state == ENGINE_STATE_RESTARTING);
	json_member_bool(w, "Paused", view->state == ENGINE_STATE_PAUSED);
	json_member_bool(w, "Restarting", view->state == ENGINE_STATE_RESTARTING);
	json_member_bool(w, "OOMKilled", view->oom);
	json_member_bool(w, "Dead", false);
	json_member_i64(w, "Pid", view->pid);
	json_member_i64(w, "ExitCode", view->exit_code);
	json_member_str(w, "Error", view->error);
	json_member_text(w, "StartedAt", docker_time(view->started_ns, time));
	json_member_text(w, "FinishedAt", docker_time(view->finished_ns, time));
	if (*health->state)
		put_health(w, health);
	json_end_object(w);
}

static void put_path(struct json_writer *w, const struct docker_box *box)
{
	struct image_texts args = { 0 };

	if (box->has_def && box->def.argv.count)
		args = (struct image_texts){ box->def.argv.items + 1, box->def.argv.count - 1 };
	json_member_text(w, "Path",
			 box->has_def && box->def.argv.count ? box->def.argv.items[0] : "");
	docker_put_texts(w, "Args", &args, false);
}

/* Does the row have that port of the container? */
static bool leads_to(const struct service_port *row, uint32_t port, uint8_t proto)
{
	return row->proto == proto && port >= row->container_port &&
	       port < (uint32_t)row->container_port + row->count;
}

/* All of the host's ports that lead to this one, where the first of them stands in row `first`. */
static void put_port(struct json_writer *w, const struct docker_box *box, uint32_t first,
		     uint32_t port)
{
	const struct container_def *def = &box->def;
	uint8_t proto = def->ports[first].proto;
	struct docker_port_place places[DOCKER_PORT_PLACES];
	char key[16], host[8];
	unsigned count;

	for (uint32_t k = 0; k < first; k++)
		if (leads_to(&def->ports[k], port, proto))
			return;
	(void)snprintf(key, sizeof(key), "%u/%s", port & UINT16_MAX,
		       proto == IPPROTO_UDP ? "udp" : "tcp");
	json_key(w, key);
	json_begin_array(w);
	for (uint32_t k = first; k < def->port_count; k++) {
		const struct service_port *row = &def->ports[k];

		if (!leads_to(row, port, proto))
			continue;
		(void)snprintf(host, sizeof(host), "%u",
			       (row->host_port + port - row->container_port) & UINT16_MAX);
		count = docker_port_places(box, row, places);
		for (unsigned i = 0; i < count; i++) {
			json_begin_object(w);
			json_member_text(w, "HostIp", places[i].ip);
			json_member_text(w, "HostPort", places[i].routed ? "" : host);
			json_end_object(w);
		}
	}
	json_end_array(w);
}

static void put_port_map(struct json_writer *w, const struct docker_box *box,
			 const struct json *exposed)
{
	const struct container_def *def = &box->def;
	const struct json *value;
	struct json_iter iter;
	struct str name;
	bool up = box->view.state == ENGINE_STATE_RUNNING || box->view.state == ENGINE_STATE_PAUSED;

	json_key(w, "Ports");
	json_begin_object(w);
	for (uint32_t i = 0; box->has_def && up && i < def->port_count; i++)
		for (uint32_t n = 0; n < def->ports[i].count; n++)
			put_port(w, box, i, def->ports[i].container_port + n);
	json_iter_init(&iter, up ? exposed : NULL);
	while (json_iter_next(&iter, &name, &value)) {
		if (docker_port_published(box, name))
			continue;
		json_key_str(w, name);
		json_put_null(w);
	}
	json_end_object(w);
}

static void put_network(struct json_writer *w, const struct inspect *inspect,
			const struct json_doc *api)
{
	const struct docker_box *box = inspect->box;
	const struct engine_address *first =
		box->view.address_count ? &box->view.addresses[0] : NULL;

	if (first && !str_is(first->network, "bridge"))
		first = NULL;
	json_key(w, "NetworkSettings");
	json_begin_object(w);
	json_member_text(w, "Bridge", "");
	json_member_str(w, "SandboxID", box->view.id);
	json_member_text(w, "SandboxKey", "");
	put_port_map(w, box, docker_box_exposed(box, api->root));
	json_member_bool(w, "HairpinMode", false);
	json_member_text(w, "LinkLocalIPv6Address", "");
	json_member_u64(w, "LinkLocalIPv6PrefixLen", 0);
	json_member_null(w, "SecondaryIPAddresses");
	json_member_null(w, "SecondaryIPv6Addresses");
	json_member_str(w, "EndpointID", first ? box->view.id : STR(""));
	json_member_str(w, "Gateway", first ? first->gateway : STR(""));
	json_member_text(w, "GlobalIPv6Address", "");
	json_member_u64(w, "GlobalIPv6PrefixLen", 0);
	json_member_str(w, "IPAddress", first ? first->ip4 : STR(""));
	json_member_u64(w, "IPPrefixLen", first ? first->prefix : 0);
	json_member_text(w, "IPv6Gateway", "");
	json_member_str(w, "MacAddress", first ? first->mac : STR(""));
	docker_put_networks(w, box, api->root, inspect->minor);
	json_end_object(w);
}

/* A declared container has no client that said anything: its definition tells. */
static void put_declared_config(struct json_writer *w, const struct docker_box *box)
{
	const struct container_def *def = &box->def;
	struct image_texts labels = { 0 }, none = { 0 };
	const char *texts[IMAGE_TEXTS_MAX + 1];

	for (uint32_t i = 0; i < def->labels.count; i++) {
		if (!docker_label_reserved(str_from(def->labels.items[i])))
			texts[labels.count++] = def->labels.items[i];
	}
	texts[labels.count++] = DOCKER_LABEL_DECLARED "=true";
	labels.items = texts;
	json_begin_object(w);
	json_member_text(w, "Hostname", box->has_def ? def->hostname : "");
	json_member_text(w, "Domainname", "");
	json_member_text(w, "User", box->has_def ? def->user : "");
	json_member_bool(w, "AttachStdin", false);
	json_member_bool(w, "AttachStdout", false);
	json_member_bool(w, "AttachStderr", false);
	json_member_bool(w, "Tty", box->has_def && def->tty);
	json_member_bool(w, "OpenStdin", false);
	json_member_bool(w, "StdinOnce", false);
	docker_put_texts(w, "Env", &def->env, false);
	docker_put_texts(w, "Cmd", &def->argv, true);
	json_member_str(w, "Image", box->view.reference);
	json_member_null(w, "Volumes");
	json_member_text(w, "WorkingDir", box->has_def ? def->workdir : "");
	docker_put_texts(w, "Entrypoint", &none, true);
	json_member_null(w, "OnBuild");
	docker_put_labels(w, "Labels", &labels);
	json_end_object(w);
}

static void put_declared_host(struct json_writer *w, const struct docker_box *box)
{
	static const char *const modes[] = { "bridge", "host", "none" };
	static const char *const users[] = { "", "host", "auto" };
	const struct container_def *def = &box->def;

	json_begin_object(w);
	json_member_text(w, "UsernsMode", box->has_def ? users[def->userns] : "");
	json_member_text(w, "NetworkMode", box->has_def ? modes[def->network_mode] : "bridge");
	json_member_bool(w, "Privileged", box->has_def && def->privileged);
	json_member_bool(w, "ReadonlyRootfs", box->has_def && def->read_only);
	json_member_bool(w, "AutoRemove", false);
	docker_put_texts(w, "CapAdd", &def->cap_add, true);
	docker_put_texts(w, "CapDrop", &def->cap_drop, true);
	json_member_i64(w, "Memory", def->mem_limit);
	json_member_i64(w, "NanoCpus", def->cpus * 1000000);
	json_member_i64(w, "PidsLimit", def->pids_limit);
	json_key(w, "RestartPolicy");
	json_begin_object(w);
	json_member_str(w, "Name", box->view.policy);
	json_member_u64(w, "MaximumRetryCount", box->view.policy_max);
	json_end_object(w);
	json_end_object(w);
}

static void put_said(struct json_writer *w, const struct docker_box *box, const char *key,
		     const struct json_doc *api,
		     void (*fallback)(struct json_writer *w, const struct docker_box *box))
{
	const struct json *value = json_get(api->root, key);

	json_key(w, key);
	if (value)
		json_put_value(w, value);
	else
		fallback(w, box);
}

/* Config as it was said; who only reads does not see the environment, where secrets stand. */
static void put_config(struct json_writer *w, const struct docker_box *box,
		       const struct json_doc *api, bool secrets)
{
	const struct json *config = json_get(api->root, "Config"), *value;
	struct json_iter iter;
	struct str key;

	if (secrets || !config) {
		put_said(w, box, "Config", api, put_declared_config);
		return;
	}
	json_key(w, "Config");
	json_begin_object(w);
	json_iter_init(&iter, config);
	while (json_iter_next(&iter, &key, &value)) {
		json_key_str(w, key);
		if (str_is(key, "Env"))
			json_put_null(w);
		else
			json_put_value(w, value);
	}
	json_end_object(w);
}

/* As it was said, with Docker's defaults; a declared one's from its definition. */
static void put_host(struct json_writer *w, const struct docker_box *box,
		     const struct json_doc *api)
{
	const struct json *said = json_get(api->root, "HostConfig");
	struct json_doc doc OWN(json_done) = { 0 };
	struct buf text OWN(buf_done) = { 0 };
	struct json_writer own;

	if (!said) {
		buf_init(&text, JSON_TEXT_MAX);
		json_writer_init(&own, &text);
		put_declared_host(&own, box);
		if (!buf_error(&text))
			(void)json_parse(buf_str(&text), JSON_TEXT_MAX, &doc, NULL);
		said = doc.root;
	}
	json_key(w, "HostConfig");
	docker_put_host_config(
		w, said, box->has_def && box->def.host_set ? box->def.host.memory_and_swap : 0);
}

static void put_driver(struct json_writer *w, const struct docker_box *box)
{
	json_key(w, "GraphDriver");
	json_begin_object(w);
	json_member_text(w, "Name", "erofs");
	json_key(w, "Data");
	json_begin_object(w);
	json_member_str(w, "ID", box->view.id);
	json_end_object(w);
	json_end_object(w);
}

static void put_files(struct json_writer *w, const struct docker_box *box)
{
	static const struct {
		const char *key, *format;
	} files[] = {
		{ "ResolvConfPath", "/run/hoy/engine/c/%.*s/resolv.conf" },
		{ "HostnamePath", "/run/hoy/engine/c/%.*s/hostname" },
		{ "HostsPath", "/run/hoy/engine/c/%.*s/hosts" },
		{ "LogPath", "/data/containers/%.*s/log/json.log" },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[256];

		(void)snprintf(path, sizeof(path), files[i].format, STR_ARG(box->view.id));
		json_member_text(w, files[i].key, path);
	}
}

static void put_box(struct json_writer *w, const struct inspect *inspect,
		    const struct json_doc *api)
{
	const struct docker_box *box = inspect->box;
	char time[DOCKER_TIME_MAX], id[DIGEST_TEXT_MAX], name[ENGINE_NAME_MAX + 2];

	(void)snprintf(name, sizeof(name), "/%.*s", STR_ARG(box->view.name));
	json_begin_object(w);
	json_member_str(w, "Id", box->view.id);
	json_member_text(w, "Created", docker_time(box->view.created_ns, time));
	put_path(w, box);
	put_state(w, box, &inspect->health);
	json_member_text(w, "Image", box->has_def ? digest_text(&box->def.image, id) : "");
	put_files(w, box);
	json_member_text(w, "Name", name);
	json_member_u64(w, "RestartCount", box->view.restarts);
	json_member_text(w, "Driver", "erofs");
	json_member_text(w, "Platform", "linux");
	json_member_text(w, "MountLabel", "");
	json_member_text(w, "ProcessLabel", "");
	json_member_text(w, "AppArmorProfile", "");
	docker_put_exec_ids(w, inspect->client->server, box->view.id);
	put_host(w, box, api);
	put_driver(w, box);
	if (inspect->sizes)
		docker_put_sizes(w, inspect->sizes, box);
	docker_put_mounts(w, box, api->root);
	put_config(w, box, api, inspect->secrets);
	put_network(w, inspect, api);
	json_end_object(w);
	(void)buf_add_byte(w->out, '\n');
}

static void inspect_reply(struct docker_client *client, const struct inspect *inspect)
{
	const struct docker_box *box = inspect->box;
	struct json_doc api OWN(json_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	if (box->has_def && box->def.host_set)
		(void)json_parse(str_from(box->def.host.api), JSON_TEXT_MAX, &api, NULL);
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	put_box(&w, inspect, &api);
	docker_reply_json(client, 200, buf_str(&body));
}

static void with_sizes(struct docker_client *client, const struct docker_sizes *sizes)
{
	struct inspect *inspect = client->work;

	inspect->sizes = sizes;
	inspect_reply(client, inspect);
}

static void inspect_end(struct docker_client *client, const struct inspect *inspect)
{
	if (docker_query_flag(client, "size", false))
		docker_sizes_ask(client, with_sizes);
	else
		inspect_reply(client, inspect);
}

static void on_health(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct inspect *inspect = client->work;
	struct wire in;

	(void)peer;
	(void)err; /* it ended meanwhile: what is known without its probes */
	if (reply) {
		wire_init(&in, reply->body.ptr, reply->body.len);
		engine_health_get(&in, &inspect->health);
		if (wire_end(&in) < 0)
			inspect->health.count = 0;
	}
	inspect_end(client, inspect);
}

static void no_free(void *work)
{
	(void)work; /* in the request's arena */
}

static void on_view(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct inspect *inspect = arena_alloc(&client->arena, sizeof(*inspect));
	struct docker_boxes boxes = { 0 };
	struct err bad = { -ENOMEM, "no memory for a request" };
	char *bytes;

	(void)peer;
	/* Slices of the box point into the answer, which has to last. */
	bytes = reply ? arena_alloc(&client->arena, reply->body.len + 1) : NULL;
	if (bytes)
		memcpy(bytes, reply->body.ptr, reply->body.len);
	if (!inspect || !bytes ||
	    docker_boxes_read(str_make(bytes, reply->body.len), &client->arena, &boxes, &bad) < 0 ||
	    !boxes.count) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	inspect->box = &boxes.rows[0];
	inspect->minor = client->minor;
	inspect->client = client;
	inspect->secrets = client->role > DOCKER_ROLE_READER;
	if (!inspect->secrets)
		inspect->box->def.env = (struct image_texts){ 0 };
	client->work = inspect;
	client->work_free = no_free;
	if (!inspect->box->view.health.len || str_is(inspect->box->view.health, "none")) {
		inspect_end(client, inspect);
		return;
	}
	(void)str_copy(inspect->box->view.health, inspect->health.state,
		       sizeof(inspect->health.state));
	docker_ask_argument(client, ENGINE_MSG_HEALTH, on_health);
}

void docker_inspect(struct docker_client *client)
{
	docker_ask_argument(client, ENGINE_MSG_VIEWS, on_view);
}
