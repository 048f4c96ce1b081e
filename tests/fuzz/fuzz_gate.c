/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages about clients from the network: what is read has a role and a name that can be, and
 * comes out as it went in.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/gate/identity.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_client(const uint8_t *data, size_t size)
{
	struct buf again OWN(buf_done) = { 0 };
	struct gate_client client;
	struct wire in;

	wire_init(&in, data, size);
	gate_client_get(&in, &client);
	if (wire_end(&in) < 0)
		return;
	require(client.role >= GATE_ROLE_SCRAPER && client.role < GATE_ROLE_COUNT);
	require(gate_name_fits(str_from(client.name)));
	buf_init(&again, 4096);
	gate_client_put(&again, &client);
	require(again.len == size && !memcmp(again.data, data, size));
}

static void check_config(const uint8_t *data, size_t size)
{
	const struct gate_identity identity = { .name = "anna", .serial = "1f", .role = 1 };
	static struct gate_config config;
	struct buf again OWN(buf_done) = { 0 };
	bool named = false;
	struct wire in;

	wire_init(&in, data, size);
	gate_config_get(&in, &config);
	if (wire_end(&in) < 0)
		return;
	for (uint32_t i = 0; i < config.revoked_count; i++)
		named |= str_is(config.revoked[i], "anna");
	require(!named || gate_identity_revoked(&identity, config.revoked, config.revoked_count));
	buf_init(&again, GATE_CONFIG_MAX);
	gate_config_put(&again, &config);
	require(again.len == size && !memcmp(again.data, data, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 65536)
		return 0;
	check_client(data, size);
	check_config(data, size);
	return 0;
}
