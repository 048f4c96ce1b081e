/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container definition in wire form, as the state file keeps it. Runs in engine main, on its own
 * files only. Pure.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "engine/container/def.h"
#include "lib/own.h"

/*
 * The second is the first of a container with init, the third says so in a byte behind the rest and
 * has health checks: definitions without them keep their bytes.
 * The fourth is one whose `host` counts, with health checks or none; the fifth one whose `host` has
 * a second part.
 */
enum {
	DEF_VERSION = 1,
	DEF_VERSION_INIT = 2,
	DEF_VERSION_HEALTH = 3,
	DEF_VERSION_HOST = 4,
	DEF_VERSION_MORE = 5,
};

/*
 * Beside any version: behind all else stands disk_limit, then where in IPv6 ports are published,
 * then the user namespace, then what links give to the environment, then the terminal's size, then
 * the control group above its own.
 */
enum {
	DEF_HAS_DISK_LIMIT = 0x100,
	DEF_HAS_PORTS6 = 0x200,
	DEF_HAS_USERNS = 0x400,
	DEF_HAS_LINKS = 0x800,
	DEF_HAS_CONSOLE = 0x1000,
	DEF_HAS_GROUP = 0x2000,
	DEF_HAS_ALL = DEF_HAS_DISK_LIMIT | DEF_HAS_PORTS6 | DEF_HAS_USERNS | DEF_HAS_LINKS |
		      DEF_HAS_CONSOLE | DEF_HAS_GROUP,
};

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

static bool has_ports6(const struct container_def *def)
{
	for (uint32_t i = 0; i < def->port_count; i++)
		if (def->ports[i].families)
			return true;
	return false;
}

static void put_ports6(struct buf *out, const struct container_def *def)
{
	for (uint32_t i = 0; i < def->port_count; i++) {
		wire_put_u8(out, def->ports[i].families);
		wire_put_bytes(out, def->ports[i].host_ip6, sizeof(def->ports[i].host_ip6));
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

static void put_health(struct buf *out, const struct image_health *health)
{
	put_texts(out, &health->test);
	wire_put_i64(out, health->interval_ns);
	wire_put_i64(out, health->timeout_ns);
	wire_put_i64(out, health->start_period_ns);
	wire_put_i64(out, health->start_interval_ns);
	wire_put_u32(out, health->retries);
}

static bool has_links(const struct container_def *def)
{
	return def->host_set && def->host.link_env.count > 0;
}

static bool has_console(const struct container_def *def)
{
	return def->host_set && (def->host.console_rows || def->host.console_columns);
}

static bool has_group(const struct container_def *def)
{
	return def->host_set && *def->host.cgroup_parent;
}

static bool has_more(const struct container_def *def)
{
	return def_host_has_more(&def->host, def->mounts_more, def->mount_count);
}

static uint32_t version_of(const struct container_def *def)
{
	if (def->host_set)
		return has_more(def) ? DEF_VERSION_MORE : DEF_VERSION_HOST;
	if (def->health.test.count)
		return DEF_VERSION_HEALTH;
	return def->init ? DEF_VERSION_INIT : DEF_VERSION;
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

	wire_put_u32(out, version_of(def) | (def->disk_limit ? DEF_HAS_DISK_LIMIT : 0) |
				  (has_ports6(def) ? DEF_HAS_PORTS6 : 0) |
				  (def->userns ? DEF_HAS_USERNS : 0) |
				  (has_links(def) ? DEF_HAS_LINKS : 0) |
				  (has_console(def) ? DEF_HAS_CONSOLE : 0) |
				  (has_group(def) ? DEF_HAS_GROUP : 0));
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
	if (def->host_set) {
		wire_put_u8(out, def->init);
		wire_put_u8(out, def->health.test.count > 0);
		if (def->health.test.count)
			put_health(out, &def->health);
		def_host_encode(&def->host, def->mounts_more, def->mount_count, out);
		if (has_more(def))
			def_host_encode_more(&def->host, def->mounts_more, def->mount_count, out);
	}
	if (version_of(def) == DEF_VERSION_HEALTH) {
		wire_put_u8(out, def->init);
		put_health(out, &def->health);
	}
	if (def->disk_limit)
		wire_put_i64(out, def->disk_limit);
	if (has_ports6(def))
		put_ports6(out, def);
	if (def->userns)
		wire_put_u8(out, (uint8_t)def->userns);
	if (has_links(def))
		put_texts(out, &def->host.link_env);
	if (has_console(def)) {
		wire_put_u16(out, def->host.console_rows);
		wire_put_u16(out, def->host.console_columns);
	}
	if (has_group(def))
		wire_put_text(out, def->host.cgroup_parent);
}

/* The wire's error is sticky and always -EBADMSG; that memory ran out has to be known beside it. */
struct def_reader {
	struct wire *in;
	struct arena *arena;
	bool no_memory;
};

static const char *get_text(struct def_reader *reader, size_t max)
{
	const char *text = arena_text(reader->arena, wire_str(reader->in, max));

	if (!text)
		reader->no_memory = true;
	return text ? text : "";
}

static void *get_array(struct def_reader *reader, uint32_t count, size_t size)
{
	void *array = arena_array(reader->arena, count + 1U, size);

	if (!array)
		reader->no_memory = true;
	return array;
}

static void get_texts(struct def_reader *reader, struct image_texts *texts)
{
	uint32_t count = wire_count(reader->in, IMAGE_TEXTS_MAX);

	texts->items = get_array(reader, count, sizeof(*texts->items));
	for (uint32_t i = 0; texts->items && i < count; i++)
		texts->items[texts->count++] = get_text(reader, IMAGE_TEXT_MAX);
}

static void get_layers(struct def_reader *reader, struct container_def *def)
{
	uint32_t count = wire_count(reader->in, DEF_LAYERS_MAX);

	def->layers = get_array(reader, count, sizeof(*def->layers));
	for (uint32_t i = 0; def->layers && i < count; i++)
		wire_bytes(reader->in, def->layers[def->layer_count++].bytes, SHA256_SIZE);
}

static void get_mounts(struct def_reader *reader, struct container_def *def)
{
	uint32_t count = wire_count(reader->in, DEF_MOUNTS_MAX);

	def->mounts = get_array(reader, count, sizeof(*def->mounts));
	for (uint32_t i = 0; def->mounts && i < count; i++) {
		struct def_mount *mount = &def->mounts[def->mount_count++];
		uint8_t kind = wire_u8(reader->in);

		if (kind > DEF_MOUNT_IMAGE)
			reader->in->error = -EBADMSG;
		mount->kind = (enum def_mount_kind)kind;
		mount->source = get_text(reader, 4096);
		mount->target = get_text(reader, 4096);
		mount->read_only = wire_bool(reader->in);
	}
}

static void get_ports(struct def_reader *reader, struct container_def *def)
{
	uint32_t count = wire_count(reader->in, DEF_PORTS_MAX);

	def->ports = get_array(reader, count, sizeof(*def->ports));
	for (uint32_t i = 0; def->ports && i < count; i++) {
		struct service_port *port = &def->ports[def->port_count++];

		port->proto = wire_u8(reader->in);
		if (port->proto != IPPROTO_TCP && port->proto != IPPROTO_UDP)
			reader->in->error = -EBADMSG;
		port->host_ip = wire_u32(reader->in);
		port->host_port = wire_u16(reader->in);
		port->container_port = wire_u16(reader->in);
		port->count = wire_u16(reader->in);
	}
}

/* Written only where one has something to say. */
static void get_ports6(struct wire *in, struct container_def *def)
{
	static const uint8_t zero[sizeof(def->ports->host_ip6)];

	for (uint32_t i = 0; i < def->port_count; i++) {
		struct service_port *port = &def->ports[i];

		port->families = wire_u8(in);
		wire_bytes(in, port->host_ip6, sizeof(port->host_ip6));
		if (port->families > SERVICE_PORT_IP6 || (port->families && port->host_ip) ||
		    (port->families != SERVICE_PORT_IP6 &&
		     memcmp(port->host_ip6, zero, sizeof(zero)) != 0))
			in->error = -EBADMSG;
	}
	if (!has_ports6(def))
		in->error = -EBADMSG;
}

/* None of ours is below zero, and most become unsigned later. */
static int64_t get_number(struct wire *in, int64_t max)
{
	int64_t number = wire_i64(in);

	if (number < 0 || number > max)
		in->error = -EBADMSG;
	return number;
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
		*numbers[i] = get_number(in, INT64_MAX);
	def->log_max_file = (uint32_t)get_number(in, UINT32_MAX);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		*flags[i] = wire_bool(in);
}

/* One without a test is written in an older version. */
static void get_health(struct def_reader *reader, struct image_health *health)
{
	struct wire *in = reader->in;

	get_texts(reader, &health->test);
	health->interval_ns = get_number(in, INT64_MAX);
	health->timeout_ns = get_number(in, INT64_MAX);
	health->start_period_ns = get_number(in, INT64_MAX);
	health->start_interval_ns = get_number(in, INT64_MAX);
	health->retries = wire_u32(in);
	if (!health->test.count)
		in->error = -EBADMSG;
}

static void get_host(struct def_reader *reader, struct container_def *def, uint32_t version)
{
	def_host_init(&def->host);
	for (uint32_t i = 0; !def->host_set && i < def->mount_count; i++) {
		if (def->mounts[i].kind == DEF_MOUNT_IMAGE) /* its layers stand in `host` */
			reader->in->error = -EBADMSG;
	}
	if (!def->host_set)
		return;
	def->init = wire_bool(reader->in);
	if (wire_bool(reader->in))
		get_health(reader, &def->health);
	if (!def_host_decode(reader->in, reader->arena, def->mount_count, &def->host,
			     &def->mounts_more))
		reader->no_memory = true;
	if (version == DEF_VERSION_MORE && !reader->no_memory &&
	    !def_host_decode_more(reader->in, reader->arena, def->mount_count, &def->host,
				  def->mounts_more))
		reader->no_memory = true;
	for (uint32_t i = 0; !reader->no_memory && i < def->mount_count; i++) {
		bool image = def->mounts[i].kind == DEF_MOUNT_IMAGE;

		if ((image && !def->mounts[i].read_only) ||
		    (!image && def->mounts_more[i].layer_count))
			reader->in->error = -EBADMSG;
	}
}

/* What a bit of the version says is there. */
static void get_tail(struct def_reader *reader, struct container_def *def, uint32_t bits)
{
	struct wire *in = reader->in;
	uint8_t userns;

	if (bits & DEF_HAS_DISK_LIMIT) {
		def->disk_limit = get_number(in, INT64_MAX);
		if (!def->disk_limit)
			in->error = -EBADMSG;
	}
	if (bits & DEF_HAS_PORTS6 && !reader->no_memory)
		get_ports6(in, def);
	if (bits & DEF_HAS_USERNS) {
		userns = wire_u8(in);
		if (userns == DEF_USERNS_DEFAULT || userns > DEF_USERNS_AUTO)
			in->error = -EBADMSG;
		else
			def->userns = (enum def_userns)userns;
	}
	if (bits & DEF_HAS_LINKS) {
		get_texts(reader, &def->host.link_env);
		if (!has_links(def))
			in->error = -EBADMSG;
	}
	if (bits & DEF_HAS_CONSOLE) {
		def->host.console_rows = wire_u16(in);
		def->host.console_columns = wire_u16(in);
		if (!has_console(def))
			in->error = -EBADMSG;
	}
	if (bits & DEF_HAS_GROUP) {
		def->host.cgroup_parent = get_text(reader, DEF_GROUP_MAX);
		if (!has_group(def))
			in->error = -EBADMSG;
	}
}

int container_def_decode(struct wire *in, struct arena *arena, struct container_def *ret_def,
			 struct err *err)
{
	struct def_reader reader = { in, arena, false };
	struct container_def def = { 0 };
	uint32_t version, bits;
	const char **const texts[] = { &def.name, &def.reference, &def.workdir,
				       &def.user, &def.hostname,  &def.stop_signal };
	struct image_texts *const lists[] = { &def.argv,	&def.env,     &def.cap_add,
					      &def.cap_drop,	&def.devices, &def.dns,
					      &def.extra_hosts, &def.labels,  &def.aliases,
					      &def.networks };

	version = wire_u32(in);
	bits = version & DEF_HAS_ALL;
	version &= ~bits;
	if (version < DEF_VERSION || version > DEF_VERSION_MORE)
		in->error = -EBADMSG;
	def.init = version == DEF_VERSION_INIT;
	def.host_set = version >= DEF_VERSION_HOST;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = get_text(&reader, 4096);
	wire_bytes(in, def.image.bytes, SHA256_SIZE);
	get_layers(&reader, &def);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		get_texts(&reader, lists[i]);
	get_mounts(&reader, &def);
	get_ports(&reader, &def);
	get_rest(in, &def);
	if (version == DEF_VERSION_HEALTH) {
		def.init = wire_bool(in);
		get_health(&reader, &def.health);
	}
	get_host(&reader, &def, version);
	get_tail(&reader, &def, bits);
	if (reader.no_memory)
		return err_set(err, -ENOMEM, "no memory for a stored container definition");
	if (in->error)
		return err_set(err, -EBADMSG, "a stored container definition does not parse");
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
