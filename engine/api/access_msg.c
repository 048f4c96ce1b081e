/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of what console, engine main and the signing role say about certificates. Pure; runs in
 * all of them. Must never let a name through that would mean something else in a certificate.
 */
#include "engine/api/access_msg.h"
#include <errno.h>
#include "lib/own.h"

bool access_host_fits(struct str host)
{
	for (size_t i = 0; i < host.len; i++) {
		char c = host.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '.' && c != '-')
			return false;
	}
	return host.len > 0 && host.len <= ACCESS_HOST_MAX && host.ptr[0] != '-' &&
	       host.ptr[0] != '.';
}

static enum gate_role take_role(struct wire *in)
{
	uint8_t role = wire_u8(in);

	if (role < GATE_ROLE_READER || role >= GATE_ROLE_COUNT) {
		in->error = -EBADMSG;
		return 0;
	}
	return (enum gate_role)role;
}

static bool is_serial(struct str serial)
{
	for (size_t i = 0; i < serial.len; i++) {
		char c = serial.ptr[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
	}
	return serial.len > 0 && serial.len <= ACCESS_SERIAL_MAX;
}

void access_order_put(struct buf *out, const struct access_order *order)
{
	wire_put_str(out, order->ca);
	wire_put_str(out, order->ca_key);
	wire_put_str(out, order->name);
	wire_put_u8(out, (uint8_t)order->role);
	wire_put_i64(out, order->until_s);
	wire_put_u32(out, order->host_count);
	for (uint32_t i = 0; i < order->host_count; i++)
		wire_put_str(out, order->hosts[i]);
}

void access_order_get(struct wire *in, struct access_order *ret_order)
{
	ret_order->ca = wire_str(in, ACCESS_PEM_MAX);
	ret_order->ca_key = wire_str(in, ACCESS_PEM_MAX);
	ret_order->name = wire_str(in, GATE_NAME_MAX);
	ret_order->role = take_role(in);
	ret_order->until_s = wire_i64(in);
	ret_order->host_count = wire_count(in, ACCESS_HOSTS_MAX);
	for (uint32_t i = 0; i < ret_order->host_count; i++) {
		ret_order->hosts[i] = wire_str(in, ACCESS_HOST_MAX);
		if (!access_host_fits(ret_order->hosts[i]))
			in->error = -EBADMSG;
	}
	if (!gate_name_fits(ret_order->name) || !ret_order->ca.len != !ret_order->ca_key.len)
		in->error = -EBADMSG;
	if (in->error)
		ret_order->host_count = 0;
}

void access_made_put(struct buf *out, const struct access_made *made)
{
	const struct str texts[] = { made->ca,	   made->ca_key,     made->server, made->server_key,
				     made->client, made->client_key, made->serial };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		wire_put_str(out, texts[i]);
}

void access_made_get(struct wire *in, struct access_made *ret_made)
{
	struct str *const texts[] = { &ret_made->ca,	 &ret_made->ca_key,
				      &ret_made->server, &ret_made->server_key,
				      &ret_made->client, &ret_made->client_key };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		*texts[i] = wire_str(in, ACCESS_PEM_MAX);
		if (!texts[i]->len)
			in->error = -EBADMSG;
	}
	ret_made->serial = wire_str(in, ACCESS_SERIAL_MAX);
	if (!is_serial(ret_made->serial))
		in->error = -EBADMSG;
}

void access_row_put(struct buf *out, const struct access_row *row)
{
	wire_put_text(out, row->name);
	wire_put_u8(out, (uint8_t)row->role);
	wire_put_text(out, row->serial);
	wire_put_i64(out, row->until_s);
	wire_put_u8(out, row->revoked);
}

void access_row_get(struct wire *in, struct access_row *ret_row)
{
	*ret_row = (struct access_row){ 0 };
	wire_text(in, ret_row->name, sizeof(ret_row->name));
	ret_row->role = take_role(in);
	wire_text(in, ret_row->serial, sizeof(ret_row->serial));
	ret_row->until_s = wire_i64(in);
	ret_row->revoked = wire_bool(in);
	if (!gate_name_fits(str_from(ret_row->name)) || !is_serial(str_from(ret_row->serial)))
		in->error = -EBADMSG;
}
