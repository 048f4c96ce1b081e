/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of POST /containers/create. Whatever is taken has a definition that goes through its
 * wire form unchanged, with a target for each mount that no other has, and texts for inspect that
 * are JSON; whatever is refused says why.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/container/log_route.h"
#include "engine/docker/create.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_def(const struct container_def *def)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf first OWN(buf_done) = { 0 }, second OWN(buf_done) = { 0 };
	struct container_def back;
	struct json_doc api = { 0 };
	struct wire in;

	buf_init(&first, DEF_BYTES_MAX);
	buf_init(&second, DEF_BYTES_MAX);
	arena_init(&arena, DEF_BYTES_MAX * 2);
	container_def_encode(def, &first);
	if (buf_error(&first))
		return;
	wire_init(&in, first.data, first.len);
	/* A text may be longer than a definition takes: then the client is told so. */
	if (container_def_decode(&in, &arena, &back, NULL) < 0)
		return;
	require(wire_end(&in) >= 0 && back.host_set && !back.declared);
	container_def_encode(&back, &second);
	require(str_eq(buf_str(&first), buf_str(&second)));
	require(json_parse(str_from(back.host.api), JSON_TEXT_MAX, &api, NULL) == 0);
	json_done(&api);
	for (uint32_t i = 0; i < back.mount_count; i++) {
		require(back.mounts[i].target[0] == '/' && back.mounts[i].target[1]);
		for (uint32_t k = 0; k < i; k++)
			require(strcmp(back.mounts[i].target, back.mounts[k].target) != 0);
	}
	for (uint32_t i = 0; i < back.labels.count; i++)
		require(strncmp(back.labels.items[i], "hoy.", 4) != 0);
}

/* What the api role says of a syslog server engine main reads, and the shim gets. */
static void check_route(const struct container_def *def)
{
	struct buf route OWN(buf_done) = { 0 };
	bool syslog = !strncmp(def->host.log_driver, "syslog", 6);
	struct err err = { 0 };
	int r;

	buf_init(&route, 1024);
	r = log_route_put(def, "0123456789abcdef", "host", &route, &err);
	require(r >= 0 || strstr(err.text, "tag is longer"));
	require(r < 0 || syslog == (route.len > 0));
}

static void fill_image(struct image *image, struct image_pair *pair)
{
	static const char *cmd[] = { "sh" }, *env[] = { "PATH=/bin", "A=image" };
	static const char *ports[] = { "80/tcp" }, *volumes[] = { "/srv/data" };

	image_init(image);
	image->reference = "docker.io/library/x:1";
	image->cmd = (struct image_texts){ cmd, 1 };
	image->env = (struct image_texts){ env, 2 };
	image->exposed_ports = (struct image_texts){ ports, 1 };
	image->volumes = (struct image_texts){ volumes, 1 };
	*pair = (struct image_pair){ "hoy.declared", "true" };
	image->labels = (struct image_pairs){ pair, 1 };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const steps[])(struct create * create, struct err * err) = {
		create_config, create_host, create_mounts, create_network, create_api,
	};
	struct arena arena OWN(arena_done) = { 0 };
	struct create create = {
		.arena = &arena, .hostname = "host", .role = DOCKER_ROLE_ADMIN, .minor = 51
	};
	struct json_doc doc = { 0 };
	struct image_pair pair;
	struct err err = { 0 };
	struct image image;
	int r = 0;

	if (size > 65536 || json_parse(str_make(data, size), 65536, &doc, NULL) < 0)
		return 0;
	arena_init(&arena, DOCKER_ARENA_MAX);
	fill_image(&image, &pair);
	memset(create.id, 'a', 64);
	create.body = doc.root;
	create.host = json_get(doc.root, "HostConfig");
	create.image = &image;
	r = create_check(doc.root, &err);
	def_host_init(&create.def.host);
	create.def.host_set = true;
	create.def.name = "fuzz";
	create.def.reference = image.reference;
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(steps); i++)
		r = steps[i](&create, &err);
	require((r < 0) == (err.code != 0));
	if (r >= 0) {
		check_def(&create.def);
		check_route(&create.def);
	} else {
		require(*err.text);
	}
	json_done(&doc);
	return 0;
}
