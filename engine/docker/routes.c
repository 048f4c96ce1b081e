/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The route table of the Docker API and its handlers. Runs in the api role. Field names and their
 * types are those of the Engine API 1.51.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include "engine/api/engine_msg.h"
#include "engine/docker/rfc3339.h"
#include "engine/docker/server.h"
#include "engine/oci/oci.h"
#include "lib/mono.h"
#include "lib/own.h"

/* ---- system ---- */

static void get_ping(struct docker_client *client)
{
	docker_reply_text(client, 200, "OK");
}

static void get_version(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 };
	struct utsname machine;
	struct json_writer w;

	buf_init(&body, 4096);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_key(&w, "Platform");
	json_begin_object(&w);
	json_member_text(&w, "Name", "Hoy");
	json_end_object(&w);
	json_member_text(&w, "Version", HOY_VERSION);
	json_member_text(&w, "ApiVersion", "1.51");
	json_member_text(&w, "MinAPIVersion", "1.24");
	json_member_text(&w, "Os", "linux");
	json_member_text(&w, "Arch", oci_platform_own().architecture);
	if (uname(&machine) == 0)
		json_member_text(&w, "KernelVersion", machine.release);
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

static void info_answer(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct docker_client *client = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	struct utsname machine;
	struct wire in;
	uint32_t running, declared;

	(void)peer;
	if (!reply) {
		docker_reply_error(client, docker_status(err->code), err_text(err));
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	running = wire_u32(&in);
	declared = wire_u32(&in);
	buf_init(&body, 8192);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_u64(&w, "Containers", declared);
	json_member_u64(&w, "ContainersRunning", running);
	json_member_u64(&w, "ContainersPaused", 0);
	json_member_u64(&w, "ContainersStopped", declared - running);
	json_member_text(&w, "Driver", "erofs");
	json_member_text(&w, "LoggingDriver", "json-file");
	json_member_text(&w, "CgroupDriver", "cgroupfs");
	json_member_text(&w, "CgroupVersion", "2");
	json_member_text(&w, "OSType", "linux");
	if (uname(&machine) == 0) {
		json_member_text(&w, "Architecture", machine.machine);
		json_member_text(&w, "KernelVersion", machine.release);
	}
	json_member_text(&w, "OperatingSystem", "Hoy " HOY_VERSION);
	json_member_text(&w, "ServerVersion", HOY_VERSION);
	json_member_bool(&w, "LiveRestoreEnabled", true);
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

static void get_info(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_INFO, STR(""), info_answer);
}

/* ---- containers ---- */

static void put_ports(struct json_writer *w, const char *ports)
{
	struct str rest = str_from(ports), one;

	json_begin_array(w);
	while (str_cut(&rest, ',', &one)) {
		struct str text = str_trim(one);
		ptrdiff_t arrow = str_find(text, '>'), slash = str_find(text, '/');
		struct str host = arrow > 1 ? str_head(text, (size_t)arrow - 1) : text;
		struct str inside;
		ptrdiff_t colon = str_find(host, ':');
		uint64_t public_port, private_port;

		if (arrow < 0 || slash < arrow)
			continue;
		inside = str_head(str_skip(text, (size_t)arrow + 1), (size_t)(slash - arrow - 1));
		if (str_to_u64(colon < 0 ? host : str_skip(host, (size_t)colon + 1), 1, 65535,
			       &public_port) < 0 ||
		    str_to_u64(inside, 1, 65535, &private_port) < 0)
			continue; /* a range: listed by `hoy network show ports` */
		json_begin_object(w);
		json_member_str(w, "IP",
				colon < 0 ? STR("0.0.0.0") : str_head(host, (size_t)colon));
		json_member_u64(w, "PrivatePort", private_port);
		json_member_u64(w, "PublicPort", public_port);
		json_member_str(w, "Type", str_skip(text, (size_t)slash + 1));
		json_end_object(w);
	}
	json_end_array(w);
}

static const char *docker_state(const struct engine_row *row)
{
	if (!strcmp(row->state, "running") || !strcmp(row->state, "restarting"))
		return row->state;
	if (!strcmp(row->state, "exited") || !strcmp(row->state, "stopped"))
		return "exited";
	return "created";
}

static void put_row(struct json_writer *w, const struct engine_row *row)
{
	char name[ENGINE_NAME_MAX + 1] = "/";

	memcpy(name + 1, row->name, sizeof(row->name));
	json_begin_object(w);
	json_member_text(w, "Id", *row->id ? row->id : row->name);
	json_key(w, "Names");
	json_begin_array(w);
	json_put_text(w, name);
	json_end_array(w);
	json_member_text(w, "Image", row->image);
	json_member_text(w, "ImageID", "");
	json_member_text(w, "Command", "");
	json_member_i64(w, "Created", row->created_s);
	json_key(w, "Ports");
	put_ports(w, row->ports);
	json_key(w, "Labels");
	json_begin_object(w);
	json_member_text(w, "hoy.declared", row->declared ? "true" : "false");
	json_end_object(w);
	json_member_text(w, "State", docker_state(row));
	json_member_text(w, "Status", row->status);
	json_key(w, "Mounts");
	json_begin_array(w);
	json_end_array(w);
	json_end_object(w);
}

static void list_answer(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct docker_client *client = owner;
	struct buf body OWN(buf_done) = { 0 };
	char all[8] = "";
	struct json_writer w;
	struct engine_row row;
	struct wire in;
	uint32_t count;

	(void)peer;
	if (!reply) {
		docker_reply_error(client, docker_status(err->code), err_text(err));
		return;
	}
	(void)docker_query(client, "all", all, sizeof(all));
	wire_init(&in, reply->body.ptr, reply->body.len);
	count = wire_count(&in, ENGINE_ROWS_MAX);
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_array(&w);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		engine_row_get(&in, &row);
		if (!strcmp(row.state, "running") || !strcmp(all, "1") || !strcmp(all, "true"))
			put_row(&w, &row);
	}
	json_end_array(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

static void get_containers(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_PS, STR(""), list_answer);
}

static void put_state(struct json_writer *w, const struct engine_row *row)
{
	json_key(w, "State");
	json_begin_object(w);
	json_member_text(w, "Status", docker_state(row));
	json_member_bool(w, "Running", !strcmp(row->state, "running"));
	json_member_bool(w, "Paused", false);
	json_member_bool(w, "Restarting", !strcmp(row->state, "restarting"));
	json_member_i64(w, "Pid", row->pid);
	json_member_i64(w, "ExitCode", row->exit_code);
	json_member_text(w, "Error", strcmp(row->state, "running") ? row->status : "");
	json_end_object(w);
}

static void inspect_answer(struct msg_peer *peer, void *owner, struct msg *reply,
			   const struct err *err)
{
	struct docker_client *client = owner;
	struct buf body OWN(buf_done) = { 0 };
	char name[ENGINE_NAME_MAX + 1] = "/";
	struct json_writer w;
	struct engine_row row;
	struct wire in;

	(void)peer;
	if (!reply) {
		docker_reply_error(client, docker_status(err->code), err_text(err));
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	engine_row_get(&in, &row);
	memcpy(name + 1, row.name, sizeof(row.name));
	buf_init(&body, 16384);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_text(&w, "Id", *row.id ? row.id : row.name);
	json_member_text(&w, "Name", name);
	put_state(&w, &row);
	json_member_text(&w, "Image", row.image);
	json_member_u64(&w, "RestartCount", row.restarts);
	json_key(&w, "Config");
	json_begin_object(&w);
	json_member_text(&w, "Image", row.image);
	json_end_object(&w);
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

static void ask_name(struct docker_client *client, uint16_t type, msg_reply_fn *fn)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 512);
	wire_put_text(&body, client->argument);
	docker_ask(client, type, buf_str(&body), fn);
}

static void get_container(struct docker_client *client)
{
	ask_name(client, ENGINE_MSG_INSPECT, inspect_answer);
}

static void act_answer(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	if (reply)
		docker_reply_empty(owner, 204);
	else
		docker_reply_error(owner, docker_status(err->code), err_text(err));
}

static void ask_act(struct docker_client *client, enum engine_act act, int64_t argument)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 512);
	wire_put_text(&body, client->argument);
	wire_put_u8(&body, (uint8_t)act);
	wire_put_i64(&body, argument);
	docker_ask(client, ENGINE_MSG_ACT, buf_str(&body), act_answer);
}

static void post_start(struct docker_client *client)
{
	ask_act(client, ENGINE_ACT_START, -1);
}

static void post_stop(struct docker_client *client)
{
	ask_act(client, ENGINE_ACT_STOP, -1);
}

static void post_restart(struct docker_client *client)
{
	ask_act(client, ENGINE_ACT_RESTART, -1);
}

/* ---- images ---- */

static void images_answer(struct msg_peer *peer, void *owner, struct msg *reply,
			  const struct err *err)
{
	struct docker_client *client = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	struct wire in;
	uint32_t count;

	(void)peer;
	if (!reply) {
		docker_reply_error(client, docker_status(err->code), err_text(err));
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	count = wire_count(&in, 65536);
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_array(&w);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		struct engine_image image;
		int64_t created = 0; /* as Docker shows an image that does not say it */

		engine_image_get(&in, &image);
		(void)rfc3339_parse(str_from(image.created), &created);
		json_begin_object(&w);
		json_member_text(&w, "Id", image.digest);
		json_key(&w, "RepoTags");
		json_begin_array(&w);
		json_put_text(&w, image.reference);
		json_end_array(&w);
		json_member_u64(&w, "Size", image.disk_bytes);
		json_member_i64(&w, "Created", created);
		json_member_i64(&w, "Containers", -1);
		json_member_i64(&w, "SharedSize", -1);
		json_end_object(&w);
	}
	json_end_array(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

static void get_images(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_IMAGES, STR(""), images_answer);
}

const struct docker_route docker_routes[] = {
	{ "GET", "/_ping", DOCKER_ROLE_READER, get_ping },
	{ "GET", "/version", DOCKER_ROLE_READER, get_version },
	{ "GET", "/info", DOCKER_ROLE_READER, get_info },
	{ "GET", "/containers/json", DOCKER_ROLE_READER, get_containers },
	{ "GET", "/containers/{}/json", DOCKER_ROLE_READER, get_container },
	{ "POST", "/containers/{}/start", DOCKER_ROLE_OPERATOR, post_start },
	{ "POST", "/containers/{}/stop", DOCKER_ROLE_OPERATOR, post_stop },
	{ "POST", "/containers/{}/restart", DOCKER_ROLE_OPERATOR, post_restart },
	{ "GET", "/images/json", DOCKER_ROLE_READER, get_images },
};
const size_t docker_route_count = ARRAY_LEN(docker_routes);
