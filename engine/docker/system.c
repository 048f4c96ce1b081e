/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client asks about the engine itself: ping, version, info. Runs in the api role.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include "engine/api/engine_msg.h"
#include "engine/docker/handlers.h"
#include "engine/docker/record.h"
#include "engine/docker/text.h"
#include "engine/docker/view.h"
#include "engine/oci/oci.h"
#include "lib/own.h"

void docker_ping(struct docker_client *client)
{
	client->not_kept = true;
	docker_reply_text(client, 200, "OK");
}

static void put_component(struct json_writer *w, const struct utsname *machine)
{
	char time[DOCKER_TIME_MAX];

	json_key(w, "Components");
	json_begin_array(w);
	json_begin_object(w);
	json_member_text(w, "Name", "Engine");
	json_member_text(w, "Version", HOY_VERSION);
	json_key(w, "Details");
	json_begin_object(w);
	json_member_text(w, "ApiVersion", "1.51");
	json_member_text(w, "MinAPIVersion", "1.24");
	json_member_text(w, "Arch", oci_platform_own().architecture);
	json_member_text(w, "BuildTime", docker_time((int64_t)HOY_BUILD_EPOCH * 1000000000, time));
	json_member_text(w, "Os", "linux");
	json_member_text(w, "KernelVersion", machine->release);
	json_member_text(w, "Experimental", "false");
	json_member_text(w, "GitCommit", "");
	json_member_text(w, "GoVersion", "");
	json_end_object(w);
	json_end_object(w);
	json_end_array(w);
}

void docker_version(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 };
	struct utsname machine = { 0 };
	char time[DOCKER_TIME_MAX];
	struct json_writer w;

	(void)uname(&machine);
	buf_init(&body, 4096);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_key(&w, "Platform");
	json_begin_object(&w);
	json_member_text(&w, "Name", "Hoy");
	json_end_object(&w);
	put_component(&w, &machine);
	json_member_text(&w, "Version", HOY_VERSION);
	json_member_text(&w, "ApiVersion", "1.51");
	json_member_text(&w, "MinAPIVersion", "1.24");
	json_member_text(&w, "GitCommit", "");
	json_member_text(&w, "GoVersion", "");
	json_member_text(&w, "Os", "linux");
	json_member_text(&w, "Arch", oci_platform_own().architecture);
	json_member_text(&w, "KernelVersion", machine.release);
	json_member_text(&w, "BuildTime", docker_time((int64_t)HOY_BUILD_EPOCH * 1000000000, time));
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

/* ---- info ---- */

struct counts {
	unsigned all, running, paused, stopped;
};

static void put_texts(struct json_writer *w, const char *key, const char *const *texts,
		      size_t count)
{
	json_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < count; i++)
		json_put_text(w, texts[i]);
	json_end_array(w);
}

static void put_plugins(struct json_writer *w)
{
	static const char *const volumes[] = { "local" };
	static const char *const networks[] = { "bridge", "host", "ipvlan", "macvlan", "null" };
	static const char *const logs[] = { "json-file", "local", "none", "syslog" };
	static const char *const runtimes[] = { "io.containerd.runc.v2", "runc" };
	static const char *const security[] = { "name=seccomp,profile=builtin", "name=cgroupns" };

	json_key(w, "Plugins");
	json_begin_object(w);
	put_texts(w, "Volume", volumes, ARRAY_LEN(volumes));
	put_texts(w, "Network", networks, ARRAY_LEN(networks));
	json_member_null(w, "Authorization");
	put_texts(w, "Log", logs, ARRAY_LEN(logs));
	json_end_object(w);
	put_texts(w, "SecurityOptions", security, ARRAY_LEN(security));
	json_key(w, "Runtimes");
	json_begin_object(w);
	/* The names that clients know for the one there is. */
	for (size_t i = 0; i < ARRAY_LEN(runtimes); i++) {
		json_key(w, runtimes[i]);
		json_begin_object(w);
		json_member_text(w, "path", "hoy");
		json_end_object(w);
	}
	json_end_object(w);
	json_member_text(w, "DefaultRuntime", "runc");
	json_key(w, "Swarm");
	json_begin_object(w);
	json_member_text(w, "NodeID", "");
	json_member_text(w, "NodeAddr", "");
	json_member_text(w, "LocalNodeState", "inactive");
	json_member_bool(w, "ControlAvailable", false);
	json_member_text(w, "Error", "");
	json_member_null(w, "RemoteManagers");
	json_end_object(w);
}

enum { INFO_BRIDGE_MINOR = 50 /* without BridgeNf members */ };

static void put_can(struct json_writer *w, unsigned minor)
{
	static const char *const can[] = { "MemoryLimit", "SwapLimit",	    "CpuCfsPeriod",
					   "CpuCfsQuota", "CPUShares",	    "CPUSet",
					   "PidsLimit",	  "IPv4Forwarding", "LiveRestoreEnabled" };

	for (size_t i = 0; i < ARRAY_LEN(can); i++)
		json_member_bool(w, can[i], true);
	json_member_bool(w, "OomKillDisable", false);
	if (minor < INFO_BRIDGE_MINOR) {
		json_member_bool(w, "BridgeNfIptables", false);
		json_member_bool(w, "BridgeNfIp6tables", false);
	}
	json_member_bool(w, "Debug", false);
	json_member_bool(w, "ExperimentalBuild", false);
}

static void put_machine(struct json_writer *w, const struct docker_server *server)
{
	struct utsname machine = { 0 };

	(void)uname(&machine);
	json_member_text(w, "KernelVersion", machine.release);
	json_member_text(w, "OperatingSystem", "Hoy " HOY_VERSION);
	json_member_text(w, "OSVersion", HOY_VERSION);
	json_member_text(w, "OSType", "linux");
	json_member_text(w, "Architecture", machine.machine);
	json_member_u64(w, "NCPU", server->cpus);
	json_member_u64(w, "MemTotal", server->memory_bytes);
	json_member_text(w, "Name", machine.nodename);
}

/* What a registry of the engine is: docker.io, and no others by name. */
static void put_registries(struct json_writer *w)
{
	struct image_texts none = { 0 };

	json_key(w, "RegistryConfig");
	json_begin_object(w);
	docker_put_texts(w, "InsecureRegistryCIDRs", &none, false);
	json_key(w, "IndexConfigs");
	json_begin_object(w);
	json_key(w, "docker.io");
	json_begin_object(w);
	docker_put_texts(w, "Mirrors", &none, false);
	json_member_text(w, "Name", "docker.io");
	json_member_bool(w, "Official", true);
	json_member_bool(w, "Secure", true);
	json_end_object(w);
	json_end_object(w);
	docker_put_texts(w, "Mirrors", &none, false);
	json_end_object(w);
}

static void put_versions(struct json_writer *w, unsigned minor)
{
	static const char *const parts[] = { "ContainerdCommit", "RuncCommit", "InitCommit" };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		json_key(w, parts[i]);
		json_begin_object(w);
		json_member_text(w, "ID", HOY_VERSION);
		if (minor < 49)
			json_member_text(w, "Expected", HOY_VERSION);
		json_end_object(w);
	}
}

static void info_reply(struct docker_client *client, const struct counts *counts, uint32_t images)
{
	struct buf body OWN(buf_done) = { 0 };
	struct image_texts none = { 0 };
	char time[DOCKER_TIME_MAX];
	struct json_writer w;

	buf_init(&body, 65536);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_text(&w, "ID", client->server->id);
	json_member_u64(&w, "Containers", counts->all);
	json_member_u64(&w, "ContainersRunning", counts->running);
	json_member_u64(&w, "ContainersPaused", counts->paused);
	json_member_u64(&w, "ContainersStopped", counts->stopped);
	json_member_u64(&w, "Images", images);
	json_member_text(&w, "Driver", "erofs");
	json_key(&w, "DriverStatus");
	json_begin_array(&w);
	json_end_array(&w);
	put_can(&w, client->minor);
	json_member_text(&w, "LoggingDriver", "json-file");
	json_member_text(&w, "CgroupDriver", "cgroupfs");
	json_member_text(&w, "CgroupVersion", "2");
	json_member_text(&w, "SystemTime", docker_time_nano(docker_now_ns(), time));
	put_machine(&w, client->server);
	json_member_text(&w, "IndexServerAddress", "https://index.docker.io/v1/");
	json_member_text(&w, "DockerRootDir", "/data");
	json_member_text(&w, "HttpProxy", "");
	json_member_text(&w, "HttpsProxy", "");
	json_member_text(&w, "NoProxy", "");
	json_member_text(&w, "ServerVersion", HOY_VERSION);
	json_member_text(&w, "InitBinary", "hoy-init");
	json_member_text(&w, "Isolation", "");
	json_member_u64(&w, "NFd", 0);
	json_member_u64(&w, "NGoroutines", 0);
	json_member_u64(&w, "NEventsListener", 0);
	put_registries(&w);
	put_versions(&w, client->minor);
	json_member_null(&w, "GenericResources");
	docker_put_texts(&w, "Labels", &none, false);
	docker_put_texts(&w, "CDISpecDirs", &none, false);
	put_plugins(&w);
	json_key(&w, "Warnings");
	json_begin_array(&w);
	json_end_array(&w);
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

/* An image with three names is one image. */
static bool first_of_id(const struct docker_images *images, uint32_t at)
{
	const struct digest *own = &images->rows[at].image.config;

	for (uint32_t i = 0; i < at; i++) {
		if (!memcmp(&images->rows[i].image.config, own, sizeof(*own)))
			return false;
	}
	return true;
}

static void on_images(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	const struct counts *counts = client->work;
	struct docker_images images = { 0 };
	struct err bad = { 0 };
	uint32_t count = 0;

	(void)peer;
	(void)err;
	if (reply && docker_images_read(reply->body, &client->arena, &images, &bad) < 0)
		images = (struct docker_images){ 0 };
	for (uint32_t i = 0; i < images.count; i++)
		count += first_of_id(&images, i);
	info_reply(client, counts, count);
}

static void work_in_arena(void *work)
{
	(void)work;
}

static void on_views(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct counts *counts = arena_alloc(&client->arena, sizeof(*counts));
	struct docker_boxes boxes = { 0 };
	struct err bad = { 0 };

	(void)peer;
	if (!counts || !reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	for (uint32_t i = 0; i < boxes.count; i++) {
		enum engine_state state = boxes.rows[i].view.state;

		counts->all++;
		counts->running += state == ENGINE_STATE_RUNNING;
		counts->paused += state == ENGINE_STATE_PAUSED;
	}
	counts->stopped = counts->all - counts->running - counts->paused;
	client->work = counts;
	client->work_free = work_in_arena;
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_images);
}

/* Without the data partition there is none yet. */
static void on_id(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_server *server = client->server;
	struct wire in;

	(void)peer;
	(void)err;
	if (reply) {
		wire_init(&in, reply->body.ptr, reply->body.len);
		wire_text(&in, server->id, sizeof(server->id));
		if (wire_end(&in) < 0)
			server->id[0] = 0;
	}
	docker_ask(client, ENGINE_MSG_VIEWS_BRIEF, STR(""), on_views);
}

void docker_info(struct docker_client *client)
{
	if (*client->server->id)
		docker_ask(client, ENGINE_MSG_VIEWS_BRIEF, STR(""), on_views);
	else
		docker_ask(client, ENGINE_MSG_ID, STR(""), on_id);
}

/* ---- what a Docker engine outside of a swarm answers ---- */

void docker_swarm_leave(struct docker_client *client)
{
	docker_reply_error(client, 503, "This node is not part of a swarm");
}

const char docker_no_swarm[] =
	"This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "
	"connect this node to swarm and try again.";

void docker_swarm(struct docker_client *client)
{
	docker_reply_error(client, 503, docker_no_swarm);
}

/* ---- plugins: there are none, and none can be ---- */

void docker_plugins(struct docker_client *client)
{
	docker_reply_json(client, 200, STR("[]\n"));
}

void docker_plugin_none(struct docker_client *client)
{
	char text[160];

	if (*client->argument) {
		(void)snprintf(text, sizeof(text), "plugin \"%.100s\" not found", client->argument);
		docker_reply_error(client, 404, text);
		return;
	}
	docker_reply_error(client, 501, "this engine has no plugins");
}
