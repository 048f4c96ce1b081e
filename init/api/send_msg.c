/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the wire form of where a support archive is sent to. Pure; the disk role writes it, role
 * send reads it.
 */
#include "init/api/send_msg.h"

void send_wish_put(struct buf *out, const struct send_wish *wish)
{
	wire_put_text(out, wish->host);
	wire_put_u16(out, wish->port);
	wire_put_text(out, wish->path);
	wire_put_u8(out, wish->post);
	wire_put_text(out, wish->ca_file);
	wire_put_text(out, wish->cert_file);
	wire_put_text(out, wish->key_file);
	wire_put_text(out, wish->proxy);
	wire_put_u16(out, wish->proxy_port);
	wire_put_text(out, wish->token);
	wire_put_text(out, wish->name);
	wire_put_u64(out, wish->size);
}

int send_wish_get(struct wire *in, struct send_wish *ret_wish)
{
	struct send_wish wish = { 0 };
	int r;

	wire_text(in, wish.host, sizeof(wish.host));
	wish.port = wire_u16(in);
	wire_text(in, wish.path, sizeof(wish.path));
	wish.post = wire_bool(in);
	wire_text(in, wish.ca_file, sizeof(wish.ca_file));
	wire_text(in, wish.cert_file, sizeof(wish.cert_file));
	wire_text(in, wish.key_file, sizeof(wish.key_file));
	wire_text(in, wish.proxy, sizeof(wish.proxy));
	wish.proxy_port = wire_u16(in);
	wire_text(in, wish.token, sizeof(wish.token));
	wire_text(in, wish.name, sizeof(wish.name));
	wish.size = wire_u64(in);
	r = wire_end(in);
	if (r == 0)
		*ret_wish = wish;
	return r;
}
