/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of what engine main, the gate and the api role say about clients from the network. Pure.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/gate_msg.h"
#include "lib/own.h"

static const char *const role_names[GATE_ROLE_COUNT] = { "",	     "scraper",	 "reader",
							 "operator", "deployer", "admin" };

const char *gate_role_name(enum gate_role role)
{
	return (unsigned)role < GATE_ROLE_COUNT ? role_names[role] : "";
}

enum gate_role gate_role_read(struct str name)
{
	for (unsigned i = GATE_ROLE_READER; i < GATE_ROLE_COUNT; i++) {
		if (str_is(name, role_names[i]))
			return (enum gate_role)i;
	}
	return 0;
}

bool gate_name_fits(struct str name)
{
	static const char marks[] = ".-_@";

	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    (!c || !strchr(marks, c)))
			return false;
	}
	return name.len > 0 && name.len <= GATE_NAME_MAX && !str_starts(name, STR("uid-"));
}

void gate_config_put(struct buf *out, const struct gate_config *config)
{
	wire_put_str(out, config->ca);
	wire_put_str(out, config->certificate);
	wire_put_str(out, config->key);
	wire_put_u32(out, config->revoked_count);
	for (uint32_t i = 0; i < config->revoked_count; i++)
		wire_put_str(out, config->revoked[i]);
}

void gate_config_get(struct wire *in, struct gate_config *ret_config)
{
	ret_config->ca = wire_str(in, GATE_PEM_MAX);
	ret_config->certificate = wire_str(in, GATE_PEM_MAX);
	ret_config->key = wire_str(in, GATE_PEM_MAX);
	ret_config->revoked_count = wire_count(in, GATE_REVOKED_MAX);
	for (uint32_t i = 0; i < ret_config->revoked_count; i++)
		ret_config->revoked[i] = wire_str(in, 128);
}

void gate_client_put(struct buf *out, const struct gate_client *client)
{
	wire_put_u8(out, (uint8_t)client->role);
	wire_put_text(out, client->name);
	wire_put_text(out, client->address);
	wire_put_text(out, client->protocol);
}

void gate_client_get(struct wire *in, struct gate_client *ret_client)
{
	uint8_t role = wire_u8(in);

	wire_text(in, ret_client->name, sizeof(ret_client->name));
	wire_text(in, ret_client->address, sizeof(ret_client->address));
	wire_text(in, ret_client->protocol, sizeof(ret_client->protocol));
	if (role < GATE_ROLE_SCRAPER || role >= GATE_ROLE_COUNT ||
	    !gate_name_fits(str_from(ret_client->name)))
		in->error = -EBADMSG;
	ret_client->role = in->error ? 0 : (enum gate_role)role;
}
