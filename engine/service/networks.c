/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks that Compose files declare: netd makes them before a service joins one, and they go when
 * no file names them. Runs in engine main. Must never touch one that somebody else made.
 */
#include "engine/service/networks.h"

#include <string.h>
#include "lib/own.h"
#include "netd/api/netd_msg.h"

enum { NETWORK_BODY_MAX = 1024 };

static struct str text_of(const struct ini_section *section, const char *key)
{
	return str_from(ini_text(compose_schema(), section, key));
}

static bool yes(const struct ini_section *section, const char *key, bool unset)
{
	return ini_number(compose_schema(), section, key, unset) != 0;
}

/* The body of NETD_MSG_NETWORK_SET. */
static void put_network(const struct ini_section *section, struct buf *body)
{
	const struct netd_network_set set = {
		.name = str_from(section->name),
		.subnet = text_of(section, "subnet"),
		.subnet6 = text_of(section, "subnet6"),
		.gateway = text_of(section, "gateway"),
		.range = text_of(section, "ip_range"),
		.driver = text_of(section, "driver"),
		.mode = text_of(section, "mode"),
		.parent = text_of(section, "parent"),
		.mtu = (uint32_t)ini_number(compose_schema(), section, "mtu", 0),
		.internal = yes(section, "internal", false),
		.no_ip4 = !yes(section, "ipv4", true),
		.no_ip6 = !yes(section, "ipv6", true),
	};

	buf_init(body, NETWORK_BODY_MAX);
	netd_network_set_encode(&set, body);
}

/* The one of this name in another configuration is the same. */
static bool stays(const struct ini_section *section, const struct ini_config *config)
{
	struct buf mine OWN(buf_done) = { 0 }, theirs OWN(buf_done) = { 0 };
	const struct ini_section *other = ini_find(config, "bridge", section->name);

	if (!other || other->bad)
		return false;
	put_network(section, &mine);
	put_network(other, &theirs);
	return str_eq(buf_str(&mine), buf_str(&theirs));
}

void manager_say_networks(struct manager *manager)
{
	for (const struct ini_section *s = manager->config.sections; s; s = s->next) {
		struct buf body OWN(buf_done) = { 0 };

		if (s->bad || strcmp(s->kind, "bridge") != 0 || !manager->env.networks)
			continue;
		put_network(s, &body);
		if (!buf_error(&body))
			manager->env.networks->set(manager->env.owner, s->name, buf_str(&body));
	}
}

void manager_drop_networks(struct manager *manager, const struct ini_config *next)
{
	for (const struct ini_section *s = manager->config.sections; s; s = s->next)
		if (!s->bad && !strcmp(s->kind, "bridge") && manager->env.networks &&
		    !stays(s, next))
			manager->env.networks->remove(manager->env.owner, s->name);
}
