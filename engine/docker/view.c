/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers as the list and inspect show them: the parts that both share. Runs in the api role.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "engine/docker/text.h"
#include "engine/docker/view.h"
#include "engine/oci/reference.h"
#include "engine/run/spec_mount.h"
#include "lib/own.h"
#include "lib/sha256.h"
#include "netd/api/netd_msg.h"

#define NS_PER_S INT64_C(1000000000)

int docker_box_read(struct str bytes, bool def, struct arena *arena, struct docker_box *ret_box,
		    struct err *err)
{
	struct wire one;

	wire_init(&one, bytes.ptr, bytes.len);
	engine_view_get(&one, &ret_box->view);
	if (wire_end(&one) < 0)
		return err_set(err, -EBADMSG, "malformed list of containers");
	wire_init(&one, ret_box->view.def.ptr, ret_box->view.def.len);
	ret_box->has_def = def && ret_box->view.def.len > 0;
	return ret_box->has_def ? container_def_decode(&one, arena, &ret_box->def, err) : 0;
}

int docker_boxes_read(struct str body, struct arena *arena, struct docker_boxes *ret_boxes,
		      struct err *err)
{
	struct docker_boxes boxes = { 0 };
	struct wire in;
	uint32_t count;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, 2 * ENGINE_ROWS_MAX);
	boxes.rows = arena_array(arena, count + 1U, sizeof(*boxes.rows));
	if (!boxes.rows)
		return err_set(err, -ENOMEM, "no memory for the list of containers");
	for (; boxes.count < count; boxes.count++) {
		struct str bytes = wire_blob(&in, MSG_BODY_MAX);

		if (docker_box_read(bytes, true, arena, &boxes.rows[boxes.count], err) < 0)
			return err->code;
	}
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "malformed list of containers");
	*ret_boxes = boxes;
	return 0;
}

const char *docker_box_state(const struct docker_box *box)
{
	static const char *const names[ENGINE_STATE_COUNT] = {
		[ENGINE_STATE_CREATED] = "created",   [ENGINE_STATE_RUNNING] = "running",
		[ENGINE_STATE_PAUSED] = "paused",     [ENGINE_STATE_RESTARTING] = "restarting",
		[ENGINE_STATE_REMOVING] = "removing", [ENGINE_STATE_EXITED] = "exited",
	};

	return names[box->view.state];
}

void docker_view_status(const struct engine_view *view, struct buf *out)
{
	int64_t now = docker_now_ns();
	char ago[DOCKER_TIME_MAX];

	switch (view->state) {
	case ENGINE_STATE_CREATED:
		(void)buf_add_text(out, "Created");
		if (view->declared && view->status.len)
			(void)buf_printf(out, " (%.*s)", STR_ARG(view->status));
		break;
	case ENGINE_STATE_RUNNING:
	case ENGINE_STATE_PAUSED:
		(void)buf_printf(out, "Up %s%s",
				 docker_ago((now - view->started_ns) / NS_PER_S, ago),
				 view->state == ENGINE_STATE_PAUSED ? " (Paused)" : "");
		if (view->health.len && !str_is(view->health, "none"))
			(void)buf_printf(out,
					 str_is(view->health, "starting") ? " (health: %.*s)"
									  : " (%.*s)",
					 STR_ARG(view->health));
		break;
	case ENGINE_STATE_RESTARTING:
		(void)buf_printf(out, "Restarting (%d) %s ago", view->exit_code,
				 docker_ago((now - view->finished_ns) / NS_PER_S, ago));
		break;
	case ENGINE_STATE_REMOVING:
		(void)buf_add_text(out, "Removal In Progress");
		break;
	case ENGINE_STATE_EXITED:
		(void)buf_printf(out, "Exited (%d) %s ago", view->exit_code,
				 docker_ago((now - view->finished_ns) / NS_PER_S, ago));
		break;
	case ENGINE_STATE_COUNT:
		break;
	}
}

/* "80/tcp": false when it is none. */
static bool read_port(struct str name, uint64_t *ret_port, struct str *ret_proto)
{
	struct str number;

	(void)str_cut(&name, '/', &number);
	*ret_proto = name.len ? name : STR("tcp");
	return str_to_u64(number, 1, UINT16_MAX, ret_port) >= 0;
}

bool docker_port_published(const struct docker_box *box, struct str name)
{
	uint64_t port;
	struct str proto;

	if (!box->has_def || !read_port(name, &port, &proto))
		return false;
	for (uint32_t i = 0; i < box->def.port_count; i++) {
		const struct service_port *row = &box->def.ports[i];

		if (port >= row->container_port &&
		    port < (uint32_t)row->container_port + row->count &&
		    str_is(proto, row->proto == IPPROTO_UDP ? "udp" : "tcp"))
			return true;
	}
	return false;
}

const struct json *docker_box_exposed(const struct docker_box *box, const struct json *api)
{
	return box->has_def && box->def.network_mode == DEF_NETWORK_BRIDGE
		       ? json_get(json_get(api, "Config"), "ExposedPorts")
		       : NULL;
}

/* Where ports lead: the first network that has the family and is not internal; NULL: nowhere. */
static const struct engine_address *port_target(const struct docker_box *box, bool v6)
{
	for (uint32_t i = 0; i < box->view.address_count; i++) {
		const struct engine_address *address = &box->view.addresses[i];

		if (v6 ? address->ip6.len && address->gateway6.len
		       : address->ip4.len && address->gateway.len)
			return address;
	}
	return NULL;
}

unsigned docker_port_places(const struct docker_box *box, const struct service_port *row,
			    struct docker_port_place ret_places[DOCKER_PORT_PLACES])
{
	const struct engine_address *four = port_target(box, false), *six = port_target(box, true);
	bool ip4 = row->families != SERVICE_PORT_IP6;
	bool ip6 = !row->host_ip && row->families != SERVICE_PORT_IP4;
	bool routed4 = ip4 && four && four->flags & NETD_ATTACHED_ROUTED4;
	bool routed6 = ip6 && six && six->flags & NETD_ATTACHED_ROUTED6;
	unsigned count = 0;

	if (ip4 || !routed6) {
		struct docker_port_place *place = &ret_places[count++];

		place->routed = routed4;
		if (routed4)
			(void)str_copy(STR("0.0.0.0"), place->ip, sizeof(place->ip));
		else if (row->host_ip || row->families || !four || !four->host_ip.len ||
			 str_copy(four->host_ip, place->ip, sizeof(place->ip)) < 0)
			(void)service_port_ip(row, place->ip);
	}
	/* Told apart only where the families differ from the usual. */
	if (ip6 && six && (routed4 || routed6)) {
		(void)str_copy(STR("::"), ret_places[count].ip, sizeof(ret_places[count].ip));
		ret_places[count++].routed = routed6;
	}
	return count;
}

static void put_port(struct json_writer *w, const struct docker_port_place *place,
		     const struct service_port *port, uint16_t n)
{
	json_begin_object(w);
	json_member_text(w, "IP", place->ip);
	json_member_u64(w, "PrivatePort", port->container_port + (uint64_t)n);
	if (!place->routed)
		json_member_u64(w, "PublicPort", port->host_port + (uint64_t)n);
	json_member_text(w, "Type", port->proto == IPPROTO_UDP ? "udp" : "tcp");
	json_end_object(w);
}

void docker_put_ports(struct json_writer *w, const struct docker_box *box, const struct json *api)
{
	struct docker_port_place places[DOCKER_PORT_PLACES];
	const struct json *value;
	struct json_iter iter;
	struct str name, proto;
	uint64_t number;
	bool up = box->view.state == ENGINE_STATE_RUNNING || box->view.state == ENGINE_STATE_PAUSED;

	json_key(w, "Ports");
	json_begin_array(w);
	for (uint32_t i = 0; box->has_def && up && i < box->def.port_count; i++) {
		const struct service_port *port = &box->def.ports[i];
		unsigned count = docker_port_places(box, port, places);

		for (uint16_t n = 0; n < port->count; n++)
			for (unsigned k = 0; k < count; k++)
				put_port(w, &places[k], port, n);
	}
	json_iter_init(&iter, up ? docker_box_exposed(box, api) : NULL);
	while (json_iter_next(&iter, &name, &value)) {
		if (docker_port_published(box, name) || !read_port(name, &number, &proto))
			continue;
		json_begin_object(w);
		json_member_u64(w, "PrivatePort", number);
		json_member_str(w, "Type", proto);
		json_end_object(w);
	}
	json_end_array(w);
}

static const char *propagation_name(const struct docker_box *box, uint32_t index)
{
	enum run_propagation kind = RUN_PROPAGATION_DEFAULT;

	if (box->def.host_set)
		kind = (enum run_propagation)box->def.mounts_more[index].propagation;
	return kind == RUN_PROPAGATION_SHARED  ? "rshared"
	       : kind == RUN_PROPAGATION_SLAVE ? "rslave"
					       : "rprivate";
}

/* Whether "/a//b/", as it was said, is the clean path. */
static bool is_path(struct str said, const char *path)
{
	struct str left = str_from(path), part, wanted;

	(void)str_cut(&left, '/', &wanted);
	while (str_cut(&said, '/', &part)) {
		if (!part.len || str_is(part, "."))
			continue;
		if (!str_cut(&left, '/', &wanted) || !str_eq(part, wanted))
			return false;
	}
	return !left.len;
}

/* Whether one of the said mounts is a tmpfs there; else HostConfig.Tmpfs asked for it. */
static bool is_said_tmpfs(const struct json *mounts, const char *target)
{
	const struct json *value;
	struct json_iter iter;
	struct str none;

	json_iter_init(&iter, mounts);
	while (json_iter_next(&iter, &none, &value)) {
		if (str_is(json_str(json_get(value, "Type")), "tmpfs") &&
		    is_path(json_str(json_get(value, "Target")), target))
			return true;
	}
	return false;
}

void docker_put_mounts(struct json_writer *w, const struct docker_box *box, const struct json *api)
{
	static const char *const kinds[] = { "volume", "bind", "tmpfs", "image" };
	const struct json *said = json_get(json_get(api, "HostConfig"), "Mounts");

	json_key(w, "Mounts");
	json_begin_array(w);
	for (uint32_t i = 0; box->has_def && i < box->def.mount_count; i++) {
		const struct def_mount *mount = &box->def.mounts[i];
		char path[512];

		if (mount->kind == DEF_MOUNT_TMPFS && !is_said_tmpfs(said, mount->target))
			continue;
		json_begin_object(w);
		json_member_text(w, "Type", kinds[mount->kind]);
		if (mount->kind == DEF_MOUNT_VOLUME) {
			(void)snprintf(path, sizeof(path), "/data/volumes/%s", mount->source);
			json_member_text(w, "Name", mount->source);
			json_member_text(w, "Source", path);
			json_member_text(w, "Driver", "local");
		} else {
			json_member_text(w, "Source", mount->source);
		}
		json_member_text(w, "Destination", mount->target);
		json_member_text(w, "Mode", mount->read_only && *mount->source ? "ro" : "");
		json_member_bool(w, "RW", !mount->read_only);
		json_member_text(w, "Propagation",
				 mount->kind == DEF_MOUNT_BIND ? propagation_name(box, i) : "");
		json_end_object(w);
	}
	json_end_array(w);
}

void docker_network_id(struct str name, char dst[65])
{
	static const char salt[] = "hoy-network:";
	struct digest digest;
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, salt, sizeof(salt) - 1);
	sha256_add(&hash, name.ptr, name.len);
	sha256_end(&hash, &digest);
	str_hex(digest.bytes, SHA256_SIZE, dst);
}

/* A member as the client said it, or null. */
static void put_as_said(struct json_writer *w, const struct json *said, const char *key)
{
	const struct json *value = json_get(said, key);

	if (!value || !json_count(value)) {
		json_member_null(w, key);
		return;
	}
	json_key(w, key);
	json_put_value(w, value);
}

static bool own_id(const struct docker_box *box, const char *text)
{
	return strlen(text) == 12 && str_starts(box->view.id, str_from(text));
}

struct endpoint {
	const struct docker_box *box;
	const struct json *all; /* what was said of each network */
	unsigned minor;
};

/* Whether a network's endpoint was given that name. */
static bool is_said_alias(const struct json *said, const char *alias)
{
	const struct json *value;
	struct json_iter iter;
	struct str none;

	json_iter_init(&iter, json_get(said, "Aliases"));
	while (json_iter_next(&iter, &none, &value)) {
		if (str_is(json_str(value), alias))
			return true;
	}
	return false;
}

/* What is said of no endpoint holds in all. Without the container's own short id since 1.45: that
 * one stands in DNSNames. */
static void put_aliases(struct json_writer *w, const struct endpoint *endpoint, struct str network,
			const struct json *said)
{
	const struct docker_box *box = endpoint->box;
	const struct image_texts *all = &box->def.aliases;
	const char *kept[IMAGE_TEXTS_MAX], *own = NULL;
	struct image_texts aliases = { kept, 0 };

	for (uint32_t i = 0; i < all->count && i < ARRAY_LEN(kept); i++) {
		if (own_id(box, all->items[i]))
			own = all->items[i];
		else if (!endpoint->all || is_said_alias(said, all->items[i]))
			kept[aliases.count++] = all->items[i];
	}
	if (own && endpoint->minor < 45 && !str_is(network, "bridge"))
		kept[aliases.count++] = own;
	docker_put_texts(w, "Aliases", &aliases, true);
}

/* The names that the resolver of a network that somebody made knows it by. */
static void put_dns_names(struct json_writer *w, const struct docker_box *box, struct str network)
{
	const struct image_texts *aliases = &box->def.aliases;
	struct str id = str_head(box->view.id, 12), host = str_from(box->def.hostname);

	json_key(w, "DNSNames");
	if (!box->has_def || box->def.network_mode != DEF_NETWORK_BRIDGE ||
	    str_is(network, "bridge")) {
		json_put_null(w);
		return;
	}
	json_begin_array(w);
	json_put_str(w, box->view.name);
	for (uint32_t i = 0; i < aliases->count; i++) {
		if (!own_id(box, aliases->items[i]))
			json_put_text(w, aliases->items[i]);
	}
	json_put_str(w, id);
	if (host.len && !str_eq(host, id))
		json_put_str(w, host);
	json_end_array(w);
}

static void put_endpoint(struct json_writer *w, const struct endpoint *endpoint, struct str name,
			 const struct engine_address *address)
{
	const struct docker_box *box = endpoint->box;
	const struct json *said = NULL;
	const struct engine_address *six;
	int64_t priority = 0;
	char id[65], key[256];

	if (str_copy(name, key, sizeof(key)) >= 0)
		said = json_get(endpoint->all, key);
	/* Each network has IPv6; shown is what was asked for, and what is all that there is. */
	six = address && (!address->ip4.len || address->flags & NETD_ATTACHED_TOLD6 ||
			  json_str(json_get(json_get(said, "IPAMConfig"), "IPv6Address")).len)
		      ? address
		      : NULL;
	docker_network_id(name, id);
	json_key_str(w, name);
	json_begin_object(w);
	put_as_said(w, said, "IPAMConfig");
	put_as_said(w, said, "Links");
	put_aliases(w, endpoint, name, said);
	json_member_str(w, "MacAddress",
			address ? address->mac : json_str(json_get(said, "MacAddress")));
	put_as_said(w, said, "DriverOpts");
	(void)json_i64(json_get(said, "GwPriority"), INT32_MIN, INT32_MAX, &priority);
	json_member_i64(w, "GwPriority", priority);
	json_member_text(w, "NetworkID", id);
	json_member_str(w, "EndpointID", address ? box->view.id : STR(""));
	json_member_str(w, "Gateway", address ? address->gateway : STR(""));
	json_member_str(w, "IPAddress", address ? address->ip4 : STR(""));
	json_member_u64(w, "IPPrefixLen", address ? address->prefix : 0);
	json_member_str(w, "IPv6Gateway", six ? six->gateway6 : STR(""));
	json_member_str(w, "GlobalIPv6Address", six ? six->ip6 : STR(""));
	json_member_u64(w, "GlobalIPv6PrefixLen", six ? six->prefix6 : 0);
	put_dns_names(w, box, name);
	json_end_object(w);
}

void docker_put_networks(struct json_writer *w, const struct docker_box *box,
			 const struct json *api, unsigned minor)
{
	const struct endpoint endpoint = { box, json_get(api, "Endpoints"), minor };
	const struct container_def *def = &box->def;

	json_key(w, "Networks");
	json_begin_object(w);
	if (box->has_def && def->network_mode == DEF_NETWORK_HOST)
		put_endpoint(w, &endpoint, STR("host"), NULL);
	else if (box->has_def && def->network_mode == DEF_NETWORK_NONE &&
		 (!def->host_set || !*def->host.network_from))
		put_endpoint(w, &endpoint, STR("none"), NULL);
	for (uint32_t i = 0;
	     box->has_def && def->network_mode == DEF_NETWORK_BRIDGE && i < def->networks.count;
	     i++) {
		const struct engine_address *address = NULL;

		for (uint32_t k = 0; k < box->view.address_count; k++) {
			if (str_is(box->view.addresses[k].network, def->networks.items[i]))
				address = &box->view.addresses[k];
		}
		put_endpoint(w, &endpoint, str_from(def->networks.items[i]), address);
	}
	json_end_object(w);
}

struct str docker_box_image(const struct docker_box *box, struct json_doc *api, char *dst,
			    size_t cap)
{
	struct oci_reference reference;
	char text[OCI_REFERENCE_MAX];
	struct str said = json_str(json_get(json_get(api->root, "Config"), "Image"));

	if (said.len)
		return said;
	if (oci_reference_parse(box->view.reference, &reference, NULL) < 0 ||
	    str_copy(str_from(oci_reference_familiar(&reference, text)), dst, cap) < 0)
		return box->view.reference;
	if (str_ends(str_from(dst), STR(":latest")) && strlen(dst) < cap)
		return str_head(str_from(dst), strlen(dst) - 7);
	return str_from(dst);
}
