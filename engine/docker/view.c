/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers as the list and inspect show them: the parts that both share. Runs in the api role.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "engine/docker/text.h"
#include "engine/docker/view.h"
#include "engine/oci/reference.h"
#include "lib/own.h"
#include "lib/sha256.h"

#define NS_PER_S INT64_C(1000000000)

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
		struct docker_box *box = &boxes.rows[boxes.count];
		struct str bytes = wire_blob(&in, MSG_BODY_MAX);
		struct wire one;

		wire_init(&one, bytes.ptr, bytes.len);
		engine_view_get(&one, &box->view);
		if (wire_end(&one) < 0)
			return err_set(err, -EBADMSG, "malformed list of containers");
		wire_init(&one, box->view.def.ptr, box->view.def.len);
		box->has_def = box->view.def.len > 0;
		if (box->has_def && container_def_decode(&one, arena, &box->def, err) < 0)
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

void docker_box_status(const struct docker_box *box, struct buf *out)
{
	const struct engine_view *view = &box->view;
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

void docker_put_ports(struct json_writer *w, const struct docker_box *box)
{
	bool up = box->view.state == ENGINE_STATE_RUNNING || box->view.state == ENGINE_STATE_PAUSED;

	json_key(w, "Ports");
	json_begin_array(w);
	for (uint32_t i = 0; box->has_def && up && i < box->def.port_count; i++) {
		const struct service_port *port = &box->def.ports[i];
		struct in_addr in = { port->host_ip };
		char address[INET_ADDRSTRLEN] = "0.0.0.0";

		(void)inet_ntop(AF_INET, &in, address, sizeof(address));
		for (uint16_t n = 0; n < port->count; n++) {
			json_begin_object(w);
			json_member_text(w, "IP", address);
			json_member_u64(w, "PrivatePort", port->container_port + (uint64_t)n);
			json_member_u64(w, "PublicPort", port->host_port + (uint64_t)n);
			json_member_text(w, "Type", port->proto == IPPROTO_UDP ? "udp" : "tcp");
			json_end_object(w);
		}
	}
	json_end_array(w);
}

void docker_put_mounts(struct json_writer *w, const struct docker_box *box)
{
	static const char *const kinds[] = { "volume", "bind", "tmpfs" };

	json_key(w, "Mounts");
	json_begin_array(w);
	for (uint32_t i = 0; box->has_def && i < box->def.mount_count; i++) {
		const struct def_mount *mount = &box->def.mounts[i];
		char path[512];

		if (mount->kind == DEF_MOUNT_TMPFS)
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
		json_member_text(w, "Mode", mount->read_only ? "ro" : "");
		json_member_bool(w, "RW", !mount->read_only);
		json_member_text(w, "Propagation", mount->kind == DEF_MOUNT_BIND ? "rprivate" : "");
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

static void put_endpoint(struct json_writer *w, const struct docker_box *box, struct str name,
			 const struct engine_address *address)
{
	char id[65];

	docker_network_id(name, id);
	json_key_str(w, name);
	json_begin_object(w);
	json_member_null(w, "IPAMConfig");
	json_member_null(w, "Links");
	docker_put_texts(w, "Aliases", &box->def.aliases, true);
	json_member_str(w, "MacAddress", address ? address->mac : STR(""));
	json_member_null(w, "DriverOpts");
	json_member_u64(w, "GwPriority", 0);
	json_member_text(w, "NetworkID", id);
	json_member_str(w, "EndpointID", address ? box->view.id : STR(""));
	json_member_str(w, "Gateway", address ? address->gateway : STR(""));
	json_member_str(w, "IPAddress", address ? address->ip4 : STR(""));
	json_member_u64(w, "IPPrefixLen", address ? address->prefix : 0);
	json_member_text(w, "IPv6Gateway", "");
	json_member_text(w, "GlobalIPv6Address", "");
	json_member_u64(w, "GlobalIPv6PrefixLen", 0);
	json_member_null(w, "DNSNames");
	json_end_object(w);
}

void docker_put_networks(struct json_writer *w, const struct docker_box *box)
{
	const struct container_def *def = &box->def;

	json_key(w, "Networks");
	json_begin_object(w);
	if (box->has_def && def->network_mode == DEF_NETWORK_HOST)
		put_endpoint(w, box, STR("host"), NULL);
	else if (box->has_def && def->network_mode == DEF_NETWORK_NONE &&
		 (!def->host_set || !*def->host.network_from))
		put_endpoint(w, box, STR("none"), NULL);
	for (uint32_t i = 0;
	     box->has_def && def->network_mode == DEF_NETWORK_BRIDGE && i < def->networks.count;
	     i++) {
		const struct engine_address *address = NULL;

		for (uint32_t k = 0; k < box->view.address_count; k++) {
			if (str_is(box->view.addresses[k].network, def->networks.items[i]))
				address = &box->view.addresses[k];
		}
		put_endpoint(w, box, str_from(def->networks.items[i]), address);
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
