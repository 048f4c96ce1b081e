/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that a Compose file can become: those of services.ini and, of network.ini, those of its
 * networks. Owned by engine main. Must hold no logic: netd checks what it is told.
 */
#include <string.h>
#include "engine/service/spec.h"
#include "lib/own.h"

#define LEN(min_, max_) .min = (min_), .max = (max_)

static const struct ini_key network_keys[] = {
	{ .section = "bridge", .key = "subnet", .type = INI_TYPE_TEXT, LEN(1, 64) },
	{ .section = "bridge", .key = "subnet6", .type = INI_TYPE_TEXT, LEN(1, 64) },
	{ .section = "bridge", .key = "gateway", .type = INI_TYPE_TEXT, LEN(1, 64) },
	{ .section = "bridge", .key = "ip_range", .type = INI_TYPE_TEXT, LEN(1, 64) },
	{ .section = "bridge", .key = "ipv4", .type = INI_TYPE_BOOL, .def = "yes" },
	{ .section = "bridge", .key = "ipv6", .type = INI_TYPE_BOOL, .def = "yes" },
	{ .section = "bridge", .key = "internal", .type = INI_TYPE_BOOL, .def = "no" },
	{ .section = "bridge",
	  .key = "driver",
	  .type = INI_TYPE_ENUM,
	  .choices = "bridge|macvlan|ipvlan" },
	{ .section = "bridge", .key = "mode", .type = INI_TYPE_TEXT, LEN(1, 15) },
	{ .section = "bridge", .key = "parent", .type = INI_TYPE_TEXT, LEN(1, 15) },
	{ .section = "bridge", .key = "mtu", .type = INI_TYPE_UINT, LEN(576, 65535) },
};

static const struct ini_schema network_schema = { "network", network_keys, ARRAY_LEN(network_keys),
						  NULL };

enum { KEYS_MAX = 128 };

const struct ini_schema *compose_schema(void)
{
	static struct ini_key keys[KEYS_MAX];
	static struct ini_schema schema = { .file = "services", .keys = keys };

	if (!schema.count && service_schema.count + network_schema.count <= KEYS_MAX) {
		memcpy(keys, service_schema.keys, service_schema.count * sizeof(keys[0]));
		memcpy(keys + service_schema.count, network_schema.keys,
		       network_schema.count * sizeof(keys[0]));
		schema.count = service_schema.count + network_schema.count;
	}
	return &schema;
}
