/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of what the api role is told about containers, volumes and networks. Pure; linked by
 * engine main and the api role. Must never allocate.
 */
#include <errno.h>
#include "engine/api/view_msg.h"

enum { VIEW_TEXT_MAX = 4096, VIEW_API_MAX = 512 << 10 };

void engine_view_put(struct buf *out, const struct engine_view *view)
{
	wire_put_str(out, view->id);
	wire_put_str(out, view->name);
	wire_put_str(out, view->reference);
	wire_put_str(out, view->error);
	wire_put_str(out, view->status);
	wire_put_str(out, view->health);
	wire_put_u8(out, (uint8_t)view->state);
	wire_put_u8(out, view->declared);
	wire_put_u8(out, view->oom);
	wire_put_u32(out, (uint32_t)view->pid);
	wire_put_u32(out, (uint32_t)view->exit_code);
	wire_put_u32(out, view->restarts);
	wire_put_str(out, view->policy);
	wire_put_u32(out, view->policy_max);
	wire_put_i64(out, view->created_ns);
	wire_put_i64(out, view->started_ns);
	wire_put_i64(out, view->finished_ns);
	wire_put_u32(out, view->address_count);
	for (uint32_t i = 0; i < view->address_count; i++) {
		const struct engine_address *address = &view->addresses[i];

		wire_put_str(out, address->network);
		wire_put_str(out, address->ip4);
		wire_put_str(out, address->gateway);
		wire_put_str(out, address->mac);
		wire_put_u8(out, address->prefix);
		wire_put_str(out, address->ip6);
		wire_put_str(out, address->gateway6);
		wire_put_u8(out, address->prefix6);
		wire_put_str(out, address->host_ip);
		wire_put_u8(out, address->flags);
	}
	wire_put_str(out, view->def);
	wire_put_u64(out, view->edition);
}

void engine_view_get(struct wire *in, struct engine_view *ret_view)
{
	uint8_t state;

	ret_view->id = wire_str(in, VIEW_TEXT_MAX);
	ret_view->name = wire_str(in, VIEW_TEXT_MAX);
	ret_view->reference = wire_str(in, VIEW_TEXT_MAX);
	ret_view->error = wire_str(in, VIEW_TEXT_MAX);
	ret_view->status = wire_str(in, VIEW_TEXT_MAX);
	ret_view->health = wire_str(in, VIEW_TEXT_MAX);
	state = wire_u8(in);
	if (state >= ENGINE_STATE_COUNT)
		in->error = -EBADMSG;
	ret_view->state = (enum engine_state)state;
	ret_view->declared = wire_bool(in);
	ret_view->oom = wire_bool(in);
	ret_view->pid = (int32_t)wire_u32(in);
	ret_view->exit_code = (int32_t)wire_u32(in);
	ret_view->restarts = wire_u32(in);
	ret_view->policy = wire_str(in, VIEW_TEXT_MAX);
	ret_view->policy_max = wire_u32(in);
	ret_view->created_ns = wire_i64(in);
	ret_view->started_ns = wire_i64(in);
	ret_view->finished_ns = wire_i64(in);
	ret_view->address_count = wire_count(in, ENGINE_VIEW_NETWORKS_MAX);
	for (uint32_t i = 0; i < ret_view->address_count; i++) {
		struct engine_address *address = &ret_view->addresses[i];

		address->network = wire_str(in, VIEW_TEXT_MAX);
		address->ip4 = wire_str(in, VIEW_TEXT_MAX);
		address->gateway = wire_str(in, VIEW_TEXT_MAX);
		address->mac = wire_str(in, VIEW_TEXT_MAX);
		address->prefix = wire_u8(in);
		address->ip6 = wire_str(in, VIEW_TEXT_MAX);
		address->gateway6 = wire_str(in, VIEW_TEXT_MAX);
		address->prefix6 = wire_u8(in);
		address->host_ip = wire_str(in, VIEW_TEXT_MAX);
		address->flags = wire_u8(in);
	}
	ret_view->def = wire_blob(in, ENGINE_DEF_MAX);
	ret_view->edition = wire_u64(in);
}

void engine_event_put(struct buf *out, const struct engine_event *event)
{
	wire_put_i64(out, event->time_ns);
	wire_put_str(out, event->type);
	wire_put_str(out, event->action);
	wire_put_str(out, event->id);
	wire_put_str(out, event->name);
	wire_put_str(out, event->image);
	wire_put_u32(out, (uint32_t)event->number);
	wire_put_i64(out, event->duration_s);
	wire_put_u32(out, event->label_count);
	for (uint32_t i = 0; i < event->label_count; i++)
		wire_put_str(out, event->labels[i]);
}

void engine_event_get(struct wire *in, struct engine_event *ret_event)
{
	ret_event->time_ns = wire_i64(in);
	ret_event->type = wire_str(in, VIEW_TEXT_MAX);
	ret_event->action = wire_str(in, VIEW_TEXT_MAX);
	ret_event->id = wire_str(in, VIEW_TEXT_MAX);
	ret_event->name = wire_str(in, VIEW_TEXT_MAX);
	ret_event->image = wire_str(in, VIEW_TEXT_MAX);
	ret_event->number = (int32_t)wire_u32(in);
	ret_event->duration_s = wire_i64(in);
	ret_event->label_count = wire_count(
		in, (uint32_t)(sizeof(ret_event->labels) / sizeof(ret_event->labels[0])));
	for (uint32_t i = 0; i < ret_event->label_count; i++)
		ret_event->labels[i] = wire_str(in, VIEW_API_MAX);
}

void engine_volume_put(struct buf *out, const struct engine_volume *volume)
{
	wire_put_str(out, volume->name);
	wire_put_str(out, volume->path);
	wire_put_str(out, volume->api);
	wire_put_i64(out, volume->created_s);
	wire_put_u32(out, volume->users);
}

void engine_volume_get(struct wire *in, struct engine_volume *ret_volume)
{
	ret_volume->name = wire_str(in, VIEW_TEXT_MAX);
	ret_volume->path = wire_str(in, VIEW_TEXT_MAX);
	ret_volume->api = wire_str(in, VIEW_API_MAX);
	ret_volume->created_s = wire_i64(in);
	ret_volume->users = wire_u32(in);
}

void engine_network_put(struct buf *out, const struct engine_network *network)
{
	wire_put_str(out, network->name);
	wire_put_str(out, network->id);
	wire_put_str(out, network->subnet);
	wire_put_str(out, network->gateway);
	wire_put_str(out, network->bridge);
	wire_put_str(out, network->api);
	wire_put_u8(out, network->internal);
	wire_put_u8(out, network->fixed);
	wire_put_i64(out, network->created_s);
	wire_put_str(out, network->driver);
	wire_put_str(out, network->subnet6);
	wire_put_str(out, network->gateway6);
}

void engine_network_get(struct wire *in, struct engine_network *ret_network)
{
	ret_network->name = wire_str(in, VIEW_TEXT_MAX);
	ret_network->id = wire_str(in, VIEW_TEXT_MAX);
	ret_network->subnet = wire_str(in, VIEW_TEXT_MAX);
	ret_network->gateway = wire_str(in, VIEW_TEXT_MAX);
	ret_network->bridge = wire_str(in, VIEW_TEXT_MAX);
	ret_network->api = wire_str(in, VIEW_API_MAX);
	ret_network->internal = wire_bool(in);
	ret_network->fixed = wire_bool(in);
	ret_network->created_s = wire_i64(in);
	ret_network->driver = wire_str(in, VIEW_TEXT_MAX);
	ret_network->subnet6 = wire_str(in, VIEW_TEXT_MAX);
	ret_network->gateway6 = wire_str(in, VIEW_TEXT_MAX);
}
