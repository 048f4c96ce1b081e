/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container definition in wire form, as the state file keeps it. Runs in engine main, on its own
 * files only. Pure.
 */
#include <errno.h>
#include <string.h>
#include "engine/container/def.h"
#include "lib/own.h"

enum { DEF_VERSION = 1 };

static void put_texts(struct buf *out, const struct image_texts *texts)
{
	wire_put_u32(out, texts->count);
	for (uint32_t i = 0; i < texts->count; i++)
		wire_put_text(out, texts->items[i]);
}

static void put_ports(struct buf *out, const struct container_def *def)
{
	wire_put_u32(out, def->port_count);
	for (uint32_t i = 0; i < def->port_count; i++) {
		const struct service_port *port = &def->ports[i];

		wire_put_u8(out, port->proto);
		wire_put_u32(out, port->host_ip);
		wire_put_u16(out, port->host_port);
		wire_put_u16(out, port->container_port);
		wire_put_u16(out, port->count);
	}
}

static void put_mounts(struct buf *out, const struct container_def *def)
{
	wire_put_u32(out, def->mount_count);
	for (uint32_t i = 0; i < def->mount_count; i++) {
		wire_put_u8(out, (uint8_t)def->mounts[i].kind);
		wire_put_text(out, def->mounts[i].source);
		wire_put_text(out, def->mounts[i].target);
		wire_put_u8(out, def->mounts[i].read_only);
	}
}

void container_def_encode(const struct container_def *def, struct buf *out)
{
	const struct image_texts *const lists[] = { &def->argv,	       &def->env,     &def->cap_add,
						    &def->cap_drop,    &def->devices, &def->dns,
						    &def->extra_hosts, &def->labels,  &def->aliases,
						    &def->networks };
	const char *const texts[] = { def->name, def->reference, def->workdir,
				      def->user, def->hostname,	 def->stop_signal };
	const int64_t numbers[] = { def->mem_limit,	def->cpus,	   def->pids_limit,
				    def->stop_grace_ms, def->log_max_size, def->log_max_file };
	const bool flags[] = { def->privileged, def->read_only, def->tty, def->log_off,
			       def->declared };

	wire_put_u32(out, DEF_VERSION);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		wire_put_text(out, texts[i]);
	wire_put_bytes(out, def->image.bytes, SHA256_SIZE);
	wire_put_u32(out, def->layer_count);
	for (uint32_t i = 0; i < def->layer_count; i++)
		wire_put_bytes(out, def->layers[i].bytes, SHA256_SIZE);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		put_texts(out, lists[i]);
	put_mounts(out, def);
	put_ports(out, def);
	wire_put_u8(out, (uint8_t)def->network_mode);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		wire_put_i64(out, numbers[i]);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		wire_put_u8(out, flags[i]);
}

static const char *get_text(struct wire *in, struct arena *arena, size_t max)
{
	const char *text = arena_text(arena, wire_str(in, max));

	if (!text && !in->error)
		in->error = -ENOMEM;
	return text ? text : "";
}

static void *get_array(struct wire *in, struct arena *arena, uint32_t count, size_t size)
{
	void *array = arena_array(arena, count + 1U, size);

	if (!array && !in->error)
		in->error = -ENOMEM;
	return array;
}

static void get_texts(struct wire *in, struct arena *arena, struct image_texts *texts)
{
	uint32_t count = wire_count(in, IMAGE_TEXTS_MAX);

	texts->items = get_array(in, arena, count, sizeof(*texts->items));
	for (uint32_t i = 0; texts->items && i < count; i++)
		texts->items[texts->count++] = get_text(in, arena, IMAGE_TEXT_MAX);
}

static void get_layers(struct wire *in, struct arena *arena, struct container_def *def)
{
	uint32_t count = wire_count(in, DEF_LAYERS_MAX);

	def->layers = get_array(in, arena, count, sizeof(*def->layers));
	for (uint32_t i = 0; def->layers && i < count; i++)
		wire_bytes(in, def->layers[def->layer_count++].bytes, SHA256_SIZE);
}

static void get_mounts(struct wire *in, struct arena *arena, struct container_def *def)
{
	uint32_t count = wire_count(in, DEF_MOUNTS_MAX);

	def->mounts = get_array(in, arena, count, sizeof(*def->mounts));
	for (uint32_t i = 0; def->mounts && i < count; i++) {
		struct def_mount *mount = &def->mounts[def->mount_count++];
		uint8_t kind = wire_u8(in);

		if (kind > DEF_MOUNT_TMPFS)
			in->error = -EBADMSG;
		mount->kind = (enum def_mount_kind)kind;
		mount->source = get_text(in, arena, 4096);
		mount->target = get_text(in, arena, 4096);
		mount->read_only = wire_bool(in);
	}
}

static void get_ports(struct wire *in, struct arena *arena, struct container_def *def)
{
	uint32_t count = wire_count(in, DEF_PORTS_MAX);

	def->ports = get_array(in, arena, count, sizeof(*def->ports));
	for (uint32_t i = 0; def->ports && i < count; i++) {
		struct service_port *port = &def->ports[def->port_count++];

		port->proto = wire_u8(in);
		port->host_ip = wire_u32(in);
		port->host_port = wire_u16(in);
		port->container_port = wire_u16(in);
		port->count = wire_u16(in);
	}
}

static void get_rest(struct wire *in, struct container_def *def)
{
	uint8_t mode = wire_u8(in);
	bool *const flags[] = { &def->privileged, &def->read_only, &def->tty, &def->log_off,
				&def->declared };
	int64_t *const numbers[] = { &def->mem_limit, &def->cpus, &def->pids_limit,
				     &def->stop_grace_ms, &def->log_max_size };

	if (mode > DEF_NETWORK_NONE)
		in->error = -EBADMSG;
	def->network_mode = (enum def_network_mode)mode;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		*numbers[i] = wire_i64(in);
	def->log_max_file = (uint32_t)wire_i64(in);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		*flags[i] = wire_bool(in);
}

int container_def_decode(struct wire *in, struct arena *arena, struct container_def *ret_def,
			 struct err *err)
{
	struct container_def def = { 0 };
	const char **const texts[] = { &def.name, &def.reference, &def.workdir,
				       &def.user, &def.hostname,  &def.stop_signal };
	struct image_texts *const lists[] = { &def.argv,	&def.env,     &def.cap_add,
					      &def.cap_drop,	&def.devices, &def.dns,
					      &def.extra_hosts, &def.labels,  &def.aliases,
					      &def.networks };

	if (wire_u32(in) != DEF_VERSION && !in->error)
		in->error = -EBADMSG;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = get_text(in, arena, 4096);
	wire_bytes(in, def.image.bytes, SHA256_SIZE);
	get_layers(in, arena, &def);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		get_texts(in, arena, lists[i]);
	get_mounts(in, arena, &def);
	get_ports(in, arena, &def);
	get_rest(in, &def);
	if (in->error)
		return err_set(err, in->error, "a stored container definition does not parse");
	*ret_def = def;
	return 0;
}

int container_def_digest(const struct container_def *def, struct digest *ret_digest,
			 struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct sha256 hash;

	buf_init(&body, DEF_BYTES_MAX);
	container_def_encode(def, &body);
	if (buf_error(&body))
		return err_set(err, buf_error(&body), "definition of container %s", def->name);
	sha256_init(&hash);
	sha256_add(&hash, body.data, body.len);
	sha256_end(&hash, ret_digest);
	return 0;
}
