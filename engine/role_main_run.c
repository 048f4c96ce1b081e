/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers that a person asks for by `hoy run`: a section of services.ini that is in no file
 * becomes a container of the table, as the Docker API's are. Runs in engine main; must never leave
 * one behind that could not be made.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/run_msg.h"
#include "engine/role_main_work.h"
#include "lib/ini.h"
#include "lib/mono.h"
#include "lib/own.h"
#include "lib/random.h"

enum { RUN_NAME_MAX = 63, RUN_WAITS_MAX = 256, RUN_MADE_UP_MAX = 40 };

struct run_work {
	struct engine_work work;
	struct ini_config config; /* what spec points into */
	struct service_spec *spec;
	char name[ENGINE_NAME_MAX];
	struct image_texts ports, volumes; /* by chance, without a name */
	uint8_t flags;
};

static void run_done(struct engine_work *work)
{
	ini_done(&((struct run_work *)work)->config);
}

/* ---- the definition ---- */

/* The first mistake, without the place in a text that nobody wrote. */
static int complaint(const struct ini_config *config, struct err *err)
{
	const char *text = config->issues->text;

	for (int colons = 0; colons < 3 && strchr(text, ':'); colons++)
		text = strchr(text, ':') + 1;
	return err_set(err, -EINVAL, "%s", text + (*text == ' '));
}

static int read_section(struct run_work *run, struct str text, struct err *err)
{
	const struct ini_section *section;
	int r;

	ini_init(&run->config);
	r = ini_add_text(&run->config, &service_schema, 0, "run", text, err);
	if (r < 0)
		return r;
	if (run->config.issues)
		return complaint(&run->config, err);
	section = ini_find(&run->config, "service", "run");
	if (!section || run->config.section_count != 1)
		return err_set(err, -EBADMSG, "one [service run] is expected");
	run->spec = service_spec_make(&run->config.arena, section, err);
	if (!run->spec)
		return err->code;
	if (!*run->spec->image || *run->spec->build || *run->spec->schedule ||
	    run->spec->replicas > 1 || run->spec->depends_count || run->spec->wait_count)
		return err_set(err, -EINVAL,
			       "one container of an image is run here; what builds, waits or has "
			       "times is for services.ini");
	return 0;
}

/* "registry/shop/web:1.4" -> "web-3fa2". */
static void make_up_name(const char *reference, char dst[ENGINE_NAME_MAX])
{
	struct str rest = str_from(reference), last = { 0 };
	size_t len;

	while (str_cut(&rest, '/', &last))
		;
	for (len = 0; len < last.len && len < RUN_MADE_UP_MAX; len++)
		if (strchr(":@", last.ptr[len]))
			break;
	(void)snprintf(dst, ENGINE_NAME_MAX, "%.*s-%04x", (int)len, last.ptr ? last.ptr : "",
		       random_jitter() & 0xffff);
}

static int take_name(struct run_work *run, struct err *err)
{
	if (!*run->name)
		make_up_name(run->spec->image, run->name);
	if (*run->name && !str_is_name(str_from(run->name)))
		return err_set(err, -EINVAL,
			       "a name has letters, digits, '.', '_' and '-', and begins with one "
			       "of the first two");
	if (strlen(run->name) < 2 || strlen(run->name) > RUN_NAME_MAX)
		return err_set(err, -EINVAL, "a name has 2 to %d characters", RUN_NAME_MAX);
	run->spec->name = run->spec->group = run->name;
	return 0;
}

/* ---- what nobody named ---- */

static bool has_port(const struct container_def *def, const struct service_port *port)
{
	for (uint32_t i = 0; i < def->port_count; i++) {
		const struct service_port *p = &def->ports[i];

		if (p->proto == port->proto && port->container_port >= p->container_port &&
		    port->container_port - p->container_port < p->count)
			return true;
	}
	return false;
}

/* "80", "8000-8003/udp": a row for each, whose port the start picks. */
static int add_ports(struct run_work *run, struct container_def *def, const char *text,
		     struct err *err)
{
	ptrdiff_t slash = str_find(str_from(text), '/');
	int len = (int)(slash < 0 ? (ptrdiff_t)strlen(text) : slash);
	const char *line = arena_printf(&run->work.arena, "%.*s:%s", len, text, text);
	struct service_port all;
	int r = line ? service_port_parse(str_from(line), &all, err)
		     : err_set(err, -ENOMEM, "no memory for ports");

	for (uint16_t i = 0; r >= 0 && i < all.count; i++) {
		const struct service_port one = { .proto = all.proto,
						  .container_port =
							  (uint16_t)(all.container_port + i),
						  .count = 1 };

		if (has_port(def, &one))
			continue;
		if (def->port_count == DEF_PORTS_MAX)
			return err_set(err, -E2BIG, "more than %d ports", DEF_PORTS_MAX);
		def->ports[def->port_count++] = one;
	}
	return r;
}

static int chance_ports(struct run_work *run, const struct image *image, struct container_def *def,
			struct err *err)
{
	struct service_port *ports = arena_array(&run->work.arena, DEF_PORTS_MAX, sizeof(*ports));
	int r = 0;

	if (!ports)
		return err_set(err, -ENOMEM, "no memory for ports");
	if (def->port_count)
		memcpy(ports, def->ports, def->port_count * sizeof(*ports));
	def->ports = ports;
	for (uint32_t i = 0; r >= 0 && i < run->ports.count; i++)
		r = add_ports(run, def, run->ports.items[i], err);
	for (uint32_t i = 0;
	     r >= 0 && run->flags & ENGINE_RUN_PUBLISH && i < image->exposed_ports.count; i++)
		(void)add_ports(run, def, image->exposed_ports.items[i], NULL);
	if (r >= 0 && def->network_mode != DEF_NETWORK_BRIDGE)
		def->port_count = 0; /* as Docker: nothing leads anywhere */
	return r;
}

/* A volume of 64 digits, which goes with its container, unless something is mounted there. */
static int add_volume(struct run_work *run, struct container_def *def, const char *path,
		      struct err *err)
{
	char *name = arena_alloc(&run->work.arena, CONTAINER_ID_LEN + 1);
	const char *line = arena_printf(&run->work.arena, "x:%s", path);
	struct service_volume volume;
	int r = line && name ? service_volume_parse(&run->work.arena, str_from(line), &volume, err)
			     : err_set(err, -ENOMEM, "no memory for volumes");

	for (uint32_t i = 0; r >= 0 && i < def->mount_count; i++)
		if (!strcmp(def->mounts[i].target, volume.target))
			return 0;
	if (r >= 0 && def->mount_count == DEF_MOUNTS_MAX)
		r = err_set(err, -E2BIG, "more than %d mounts", DEF_MOUNTS_MAX);
	if (r >= 0)
		r = random_hex(name, CONTAINER_ID_LEN, "the name of a volume", err);
	if (r < 0)
		return r;
	def->mounts_more[def->mount_count] =
		(struct def_mount_more){ .flags = DEF_MOUNT_ANONYMOUS, .subpath = "" };
	def->mounts[def->mount_count++] = (struct def_mount){ .kind = DEF_MOUNT_VOLUME,
							      .source = name,
							      .target = volume.target };
	return 0;
}

/* Those of the words and those of the image, behind what has a name. */
static int chance_volumes(struct run_work *run, const struct image *image,
			  struct container_def *def, struct err *err)
{
	struct def_mount *mounts = arena_array(&run->work.arena, DEF_MOUNTS_MAX, sizeof(*mounts));
	int r = 0;

	if (!mounts || def->mount_count > DEF_MOUNTS_MAX)
		return err_set(err, -E2BIG, "more than %d mounts", DEF_MOUNTS_MAX);
	if (def->mount_count)
		memcpy(mounts, def->mounts, def->mount_count * sizeof(*mounts));
	def->mounts = mounts;
	for (uint32_t i = 0; r >= 0 && i < run->volumes.count; i++)
		r = add_volume(run, def, run->volumes.items[i], err);
	for (uint32_t i = 0; r >= 0 && i < image->volumes.count; i++) {
		struct err why = { 0 };

		r = add_volume(run, def, image->volumes.items[i], &why);
		if (r < 0 && r != -EINVAL) /* where no volume can be, the image's wish is none */
			return err_set(err, r, "%s", err_text(&why));
		r = 0;
	}
	return r;
}

/* As the Docker API's, which asks the table for them. */
static int finish_def(struct run_work *run, const struct image *image, struct container_def *def,
		      struct err *err)
{
	struct arena *arena = &run->work.arena;
	int r;

	def->declared = false;
	if (!def->host_set)
		def_host_init(&def->host);
	def->host_set = true;
	def->host.created_ns = wall_now_s() * 1000000000;
	def->host.restart = (uint8_t)run->spec->restart;
	def->host.restart_max = run->spec->restart_max;
	def->host.auto_remove = (run->flags & ENGINE_RUN_REMOVE) != 0;
	def->host.stdin_open = def->host.stdin_once = (run->flags & ENGINE_RUN_STDIN) != 0;
	def->mounts_more = arena_array(arena, DEF_MOUNTS_MAX, sizeof(*def->mounts_more));
	if (!def->mounts_more)
		return err_set(err, -ENOMEM, "no memory for mounts");
	for (uint32_t i = 0; i < DEF_MOUNTS_MAX; i++)
		def->mounts_more[i].subpath = "";
	r = chance_ports(run, image, def, err);
	return r < 0 ? r : chance_volumes(run, image, def, err);
}

static int make(struct run_work *run, const struct image *image, struct buf *reply, struct err *err)
{
	const struct table_entry *entry;
	char id[CONTAINER_ID_LEN + 1];
	struct container_def def;
	int r = container_def_service(run->spec, image, &run->work.arena, &def, err);

	if (r >= 0)
		r = finish_def(run, image, &def, err);
	if (r >= 0)
		r = random_hex(id, CONTAINER_ID_LEN, "a container id", err);
	if (r < 0)
		return r;
	entry = engine_create(run->work.engine, id, &def, err);
	if (!entry)
		return err->code;
	wire_put_text(reply, entry->id);
	wire_put_text(reply, entry->def.name);
	return 0;
}

static void on_image(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct run_work *run = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct err bad = { 0 };
	struct image image;
	int r;

	(void)peer;
	if (!reply && err->code == -ENOENT)
		err_set(&bad, -ENODATA, "image %s is not in the store", run->spec->image);
	if (!reply) {
		work_fail(&run->work, bad.code ? &bad : err);
		return;
	}
	buf_init(&body, 1024);
	r = work_take_image(&run->work, reply, &image, &bad);
	if (r >= 0)
		r = make(run, &image, &body, &bad);
	if (r < 0)
		work_fail(&run->work, &bad);
	else
		work_reply(&run->work, buf_str(&body));
}

/* A list of the request, copied: it outlives the message. */
static int take_texts(struct run_work *run, struct wire *in, struct image_texts *list,
		      struct err *err)
{
	uint32_t count = wire_count(in, ENGINE_RUN_MORE_MAX);
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < count && !in->error; i++) {
		const char *text = arena_text(&run->work.arena, wire_str(in, ENGINE_RUN_TEXT_MAX));

		r = text ? image_texts_add(&run->work.arena, list, text, err)
			 : err_set(err, -ENOMEM, "no memory for a request");
	}
	return r;
}

void engine_run_call(struct msg_peer *peer, struct msg *msg)
{
	struct run_work *run = work_new(peer, msg, sizeof(*run), run_done);
	char image[ENGINE_REF_MAX];
	struct err err = { 0 };
	struct str section;
	struct wire in;
	int r = 0;

	if (!run)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, run->name, sizeof(run->name));
	run->flags = wire_u8(&in);
	section = wire_str(&in, ENGINE_RUN_SECTION_MAX);
	r = take_texts(run, &in, &run->ports, &err);
	if (r >= 0)
		r = take_texts(run, &in, &run->volumes, &err);
	if (r >= 0 && (wire_end(&in) < 0 || run->flags & ~ENGINE_RUN_MASK))
		r = err_set(&err, -EBADMSG, "malformed request");
	if (r >= 0)
		r = read_section(run, section, &err);
	if (r >= 0)
		r = take_name(run, &err);
	if (r >= 0)
		r = image_name(str_from(run->spec->image), image, &err);
	if (r >= 0)
		r = work_ask_image(&run->work, image, on_image, &err);
	if (r < 0)
		work_fail(&run->work, &err);
}

/* ---- its end ---- */

/* Somebody who waits for the end of one. */
struct run_wait {
	struct run_wait *next;
	struct msg_peer *peer;
	uint32_t serial;
	char id[CONTAINER_ID_LEN + 1];
};

static struct run_wait *run_waits;
static unsigned run_wait_count;

static void wait_drop(struct run_wait **at)
{
	struct run_wait *wait = *at;

	*at = wait->next;
	run_wait_count--;
	free(wait);
}

void engine_wait_call(struct msg_peer *peer, struct msg *msg)
{
	struct run_wait *wait = NULL;
	struct engine_target target = { 0 };
	char name[ENGINE_NAME_MAX];
	struct err err = { 0 };
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed request")
			      : engine_target(engine_of(peer), name, &target, &err);
	if (r >= 0 && target.service)
		r = err_set(&err, -EINVAL, "%s is declared in services.ini: it is not waited for",
			    target.service->name);
	if (r >= 0 && run_wait_count >= RUN_WAITS_MAX)
		r = err_set(&err, -EBUSY, "%u wait for containers already", run_wait_count);
	if (r >= 0 && !(wait = calloc(1, sizeof(*wait))))
		err_set(&err, -ENOMEM, "no memory for a request");
	if (!wait) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	*wait = (struct run_wait){ .next = run_waits, .peer = peer, .serial = msg->serial };
	(void)str_copy(str_from(target.entry->id), wait->id, sizeof(wait->id));
	run_waits = wait;
	run_wait_count++;
}

static void wait_answer(const struct run_wait *wait, bool ended, int32_t code)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&body, 16);
	wire_put_u32(&body, (uint32_t)code);
	err_set(&err, -ESRCH, "the container was removed");
	if (ended)
		(void)msg_reply(wait->peer, ENGINE_MSG_WAIT, wait->serial, buf_str(&body), NULL, 0);
	else
		(void)msg_reply_err(wait->peer, ENGINE_MSG_WAIT, wait->serial, &err);
}

void engine_waits_over(const char *id, bool ended, int32_t code)
{
	for (struct run_wait **at = &run_waits; *at;) {
		if (strcmp((*at)->id, id) != 0) {
			at = &(*at)->next;
			continue;
		}
		wait_answer(*at, ended, code);
		wait_drop(at);
	}
}

void engine_waits_gone(const struct msg_peer *peer)
{
	for (struct run_wait **at = &run_waits; *at;) {
		if ((*at)->peer == peer)
			wait_drop(at);
		else
			at = &(*at)->next;
	}
}
