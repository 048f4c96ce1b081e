/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what is known of a link's routers and when to ask them. Pure, used by the dhcp role; main
 * reads the record. It must never grow with what a neighbour sends, nor report more than once
 * a second.
 */
#include <errno.h>
#include <string.h>
#include "netd/nd/nd_client.h"

enum {
	SOLICIT_FIRST_MS = 4000, /* RFC 7559: doubled each time, with some randomness */
	SOLICIT_MAX_MS = 3600000,
	REPORT_EVERY_MS = 1000,
	TWO_HOURS_S = 7200,
};

static int64_t after_s(struct mono now, uint32_t seconds)
{
	return seconds == ND_FOREVER ? ND_NEVER : now.ns + (int64_t)seconds * 1000000000;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void want_report(struct nd_client *client, struct mono now, struct nd_actions *actions)
{
	struct mono due = mono_add_ms(client->reported, REPORT_EVERY_MS);

	if (client->reported_once && mono_before(now, due)) {
		client->report_due = due;
		client->report_set = true;
		return;
	}
	client->report_set = false;
	client->reported_once = true;
	client->reported = now;
	actions->report = true;
}

static void solicit(struct nd_client *client, struct mono now, struct nd_actions *actions)
{
	int64_t pause_ms = SOLICIT_FIRST_MS;

	for (unsigned i = 0; i < client->attempt && pause_ms < SOLICIT_MAX_MS; i++)
		pause_ms *= 2;
	if (pause_ms > SOLICIT_MAX_MS)
		pause_ms = SOLICIT_MAX_MS;
	pause_ms += pause_ms * (int64_t)(client->random() % 200) / 1000 - pause_ms / 10;
	client->attempt++;
	client->solicit_due = mono_add_ms(now, pause_ms);
	client->solicit_set = true;
	actions->solicit = true;
}

void nd_client_start(struct nd_client *client, struct mono now, const struct nd_known *known,
		     struct nd_actions *actions)
{
	if (known)
		client->known = *known;
	if (client->carrier)
		solicit(client, now, actions);
}

void nd_client_carrier(struct nd_client *client, struct mono now, bool carrier,
		       struct nd_actions *actions)
{
	if (carrier == client->carrier)
		return;
	client->carrier = carrier;
	client->heard = client->solicit_set = false;
	client->attempt = 0;
	/* It may be another network behind the cable now: the routers say. */
	if (carrier)
		solicit(client, now, actions);
}

static void note_router(struct nd_known *known, struct mono now, const struct nd_advert *advert)
{
	struct nd_known_router *router = NULL;

	for (size_t i = 0; i < known->router_count && !router; i++)
		if (ip6_equal(&known->routers[i].ip6, &advert->router))
			router = &known->routers[i];
	if (!router && (!advert->lifetime_s || known->router_count == ND_ROUTERS_MAX))
		return;
	if (!router)
		router = &known->routers[known->router_count++];
	*router = (struct nd_known_router){ .ip6 = advert->router,
					    .preference = advert->preference,
					    .until_ns = after_s(now, advert->lifetime_s) };
}

/* RFC 4862 5.5.3 e: nobody can end an address within two hours by a forged advertisement. */
static int64_t next_valid(int64_t valid_ns, struct mono now, uint32_t valid_s)
{
	int64_t wanted = after_s(now, valid_s), floor = after_s(now, TWO_HOURS_S);

	if (!valid_ns || wanted > floor || wanted > valid_ns)
		return wanted;
	return valid_ns <= floor ? valid_ns : floor;
}

static void note_prefix(struct nd_known *known, struct mono now, const struct nd_prefix *said)
{
	struct nd_known_prefix *prefix = NULL;

	for (size_t i = 0; i < known->prefix_count && !prefix; i++)
		if (known->prefixes[i].len == said->len &&
		    ip6_equal(&known->prefixes[i].prefix, &said->prefix))
			prefix = &known->prefixes[i];
	if (!prefix && (!said->valid_s || known->prefix_count == ND_PREFIXES_MAX))
		return;
	if (!prefix) {
		prefix = &known->prefixes[known->prefix_count++];
		*prefix = (struct nd_known_prefix){ .prefix = said->prefix, .len = said->len };
	}
	if (said->onlink)
		prefix->onlink_ns = after_s(now, said->valid_s);
	if (!said->autonomous || said->len != 64)
		return;
	prefix->valid_ns = next_valid(prefix->valid_ns, now, said->valid_s);
	prefix->preferred_ns = after_s(now, said->preferred_s);
	if (prefix->preferred_ns > prefix->valid_ns)
		prefix->preferred_ns = prefix->valid_ns;
}

static void note_route(struct nd_known *known, struct mono now, const struct nd_advert *advert,
		       const struct nd_route *said)
{
	struct nd_known_route *route = NULL;

	for (size_t i = 0; i < known->route_count && !route; i++)
		if (known->routes[i].len == said->len &&
		    ip6_equal(&known->routes[i].prefix, &said->prefix) &&
		    ip6_equal(&known->routes[i].router, &advert->router))
			route = &known->routes[i];
	if (!route && (!said->lifetime_s || known->route_count == ND_ROUTES_MAX))
		return;
	if (!route)
		route = &known->routes[known->route_count++];
	*route = (struct nd_known_route){ .prefix = said->prefix,
					  .len = said->len,
					  .router = advert->router,
					  .preference = said->preference,
					  .until_ns = after_s(now, said->lifetime_s) };
}

static void note_names(struct nd_known *known, struct mono now, const struct nd_advert *advert)
{
	size_t k;

	for (size_t i = 0; i < advert->dns_count; i++) {
		for (k = 0; k < known->dns_count; k++)
			if (ip6_equal(&known->dns[k], &advert->dns[i]))
				break;
		if (k == ND_DNS_MAX || (k == known->dns_count && !advert->dns_s[i]))
			continue;
		known->dns_count += k == known->dns_count;
		known->dns[k] = advert->dns[i];
		known->dns_ns[k] = after_s(now, advert->dns_s[i]);
	}
	for (size_t i = 0; i < advert->domain_count; i++) {
		for (k = 0; k < known->domain_count; k++)
			if (str_is_nocase(str_from(known->domains[k]), advert->domains[i]))
				break;
		if (k == ND_DOMAINS_MAX || (k == known->domain_count && !advert->domain_s[i]))
			continue;
		known->domain_count += k == known->domain_count;
		memcpy(known->domains[k], advert->domains[i], DOMAIN_MAX);
		known->domain_ns[k] = after_s(now, advert->domain_s[i]);
	}
}

void nd_client_receive(struct nd_client *client, struct mono now, const struct nd_advert *advert,
		       struct nd_actions *actions)
{
	struct nd_known *known = &client->known;

	note_router(known, now, advert);
	for (size_t i = 0; i < advert->prefix_count; i++)
		note_prefix(known, now, &advert->prefixes[i]);
	for (size_t i = 0; i < advert->route_count; i++)
		note_route(known, now, advert, &advert->routes[i]);
	note_names(known, now, advert);
	if (advert->mtu)
		known->mtu = advert->mtu;
	known->managed = advert->managed;
	known->other = advert->other;
	(void)nd_known_expire(known, now);
	if (advert->lifetime_s) { /* one that is no default router answers for itself only */
		client->heard = true;
		client->solicit_set = false;
	}
	want_report(client, now, actions);
}

void nd_client_timer(struct nd_client *client, struct mono now, struct nd_actions *actions)
{
	if (client->solicit_set && !mono_before(now, client->solicit_due))
		solicit(client, now, actions);
	if (nd_known_expire(&client->known, now) ||
	    (client->report_set && !mono_before(now, client->report_due)))
		want_report(client, now, actions);
}

static void sooner(int64_t at_ns, int64_t *due_ns)
{
	if (at_ns && at_ns < *due_ns)
		*due_ns = at_ns;
}

bool nd_client_due(const struct nd_client *client, struct mono *ret_due)
{
	const struct nd_known *known = &client->known;
	int64_t due_ns = ND_NEVER;

	if (client->solicit_set)
		sooner(client->solicit_due.ns, &due_ns);
	if (client->report_set)
		sooner(client->report_due.ns, &due_ns);
	for (size_t i = 0; i < known->router_count; i++)
		sooner(known->routers[i].until_ns, &due_ns);
	for (size_t i = 0; i < known->route_count; i++)
		sooner(known->routes[i].until_ns, &due_ns);
	for (size_t i = 0; i < known->prefix_count; i++) {
		sooner(known->prefixes[i].onlink_ns, &due_ns);
		sooner(known->prefixes[i].valid_ns, &due_ns);
	}
	for (size_t i = 0; i < known->dns_count; i++)
		sooner(known->dns_ns[i], &due_ns);
	for (size_t i = 0; i < known->domain_count; i++)
		sooner(known->domain_ns[i], &due_ns);
	ret_due->ns = due_ns;
	return due_ns != ND_NEVER;
}

static bool expire_prefixes(struct nd_known *known, struct mono now)
{
	bool changed = false;
	size_t kept = 0;

	for (size_t i = 0; i < known->prefix_count; i++) {
		struct nd_known_prefix prefix = known->prefixes[i];

		if (prefix.onlink_ns && prefix.onlink_ns <= now.ns) {
			prefix.onlink_ns = 0;
			changed = true;
		}
		if (prefix.valid_ns && prefix.valid_ns <= now.ns) {
			prefix.valid_ns = prefix.preferred_ns = 0;
			changed = true;
		}
		if (prefix.onlink_ns || prefix.valid_ns)
			known->prefixes[kept++] = prefix;
	}
	known->prefix_count = kept;
	return changed;
}

static bool expire_routes(struct nd_known *known, struct mono now)
{
	size_t kept = 0, before = known->route_count;

	for (size_t i = 0; i < before; i++)
		if (known->routes[i].until_ns > now.ns)
			known->routes[kept++] = known->routes[i];
	known->route_count = kept;
	return kept != before;
}

bool nd_known_expire(struct nd_known *known, struct mono now)
{
	size_t routers = 0, dns = 0, domains = 0;
	bool changed = expire_prefixes(known, now);

	changed |= expire_routes(known, now);
	for (size_t i = 0; i < known->router_count; i++)
		if (known->routers[i].until_ns > now.ns)
			known->routers[routers++] = known->routers[i];
	for (size_t i = 0; i < known->dns_count; i++)
		if (known->dns_ns[i] > now.ns) {
			known->dns_ns[dns] = known->dns_ns[i];
			known->dns[dns++] = known->dns[i];
		}
	for (size_t i = 0; i < known->domain_count; i++)
		if (known->domain_ns[i] > now.ns) {
			known->domain_ns[domains] = known->domain_ns[i];
			memmove(known->domains[domains++], known->domains[i], DOMAIN_MAX);
		}
	changed |= routers != known->router_count || dns != known->dns_count ||
		   domains != known->domain_count;
	known->router_count = routers;
	known->dns_count = dns;
	known->domain_count = domains;
	return changed;
}

const struct nd_known_router *nd_known_router(const struct nd_known *known)
{
	const struct nd_known_router *best = NULL;

	for (size_t i = 0; i < known->router_count; i++)
		if (!best || known->routers[i].preference > best->preference)
			best = &known->routers[i];
	return best;
}

bool nd_known_route_leads(const struct nd_known *known, const struct nd_known_route *route)
{
	for (size_t i = 0; i < known->route_count; i++) {
		const struct nd_known_route *other = &known->routes[i];

		if (other->len == route->len && ip6_equal(&other->prefix, &route->prefix) &&
		    (other->preference > route->preference ||
		     (other->preference == route->preference && other < route)))
			return false;
	}
	return true;
}

void nd_known_encode(const struct nd_known *known, struct buf *out)
{
	wire_put_u32(out, (uint32_t)known->router_count);
	for (size_t i = 0; i < known->router_count; i++) {
		wire_put_bytes(out, known->routers[i].ip6.b, sizeof(known->routers[i].ip6.b));
		wire_put_u8(out, (uint8_t)(known->routers[i].preference + 1));
		wire_put_i64(out, known->routers[i].until_ns);
	}
	wire_put_u32(out, (uint32_t)known->prefix_count);
	for (size_t i = 0; i < known->prefix_count; i++) {
		const struct nd_known_prefix *prefix = &known->prefixes[i];

		wire_put_bytes(out, prefix->prefix.b, sizeof(prefix->prefix.b));
		wire_put_u8(out, prefix->len);
		wire_put_i64(out, prefix->onlink_ns);
		wire_put_i64(out, prefix->valid_ns);
		wire_put_i64(out, prefix->preferred_ns);
	}
	wire_put_u32(out, (uint32_t)known->dns_count);
	for (size_t i = 0; i < known->dns_count; i++) {
		wire_put_bytes(out, known->dns[i].b, sizeof(known->dns[i].b));
		wire_put_i64(out, known->dns_ns[i]);
	}
	wire_put_u32(out, (uint32_t)known->domain_count);
	for (size_t i = 0; i < known->domain_count; i++) {
		wire_put_text(out, known->domains[i]);
		wire_put_i64(out, known->domain_ns[i]);
	}
	wire_put_u32(out, (uint32_t)known->route_count);
	for (size_t i = 0; i < known->route_count; i++) {
		const struct nd_known_route *route = &known->routes[i];

		wire_put_bytes(out, route->prefix.b, sizeof(route->prefix.b));
		wire_put_u8(out, route->len);
		wire_put_bytes(out, route->router.b, sizeof(route->router.b));
		wire_put_u8(out, (uint8_t)(route->preference + 1));
		wire_put_i64(out, route->until_ns);
	}
	wire_put_u32(out, known->mtu);
	wire_put_u8(out, known->managed);
	wire_put_u8(out, known->other);
}

static void decode_prefix(struct wire *in, struct nd_known_prefix *prefix)
{
	struct ip6 network;

	wire_bytes(in, prefix->prefix.b, sizeof(prefix->prefix.b));
	prefix->len = wire_u8(in);
	prefix->onlink_ns = wire_i64(in);
	prefix->valid_ns = wire_i64(in);
	prefix->preferred_ns = wire_i64(in);
	network = ip6_network(&prefix->prefix, prefix->len);
	if (!prefix->len || prefix->len > 128 || !ip6_equal(&network, &prefix->prefix) ||
	    ip6_is_link_local(&network) || network.b[0] == 0xff || prefix->onlink_ns < 0 ||
	    prefix->valid_ns < 0 || (prefix->valid_ns && prefix->len != 64) ||
	    prefix->preferred_ns > later(prefix->valid_ns, 0))
		in->error = -EBADMSG;
}

static void decode_names(struct wire *in, struct nd_known *known)
{
	known->dns_count = wire_count(in, ND_DNS_MAX);
	for (size_t i = 0; i < known->dns_count; i++) {
		wire_bytes(in, known->dns[i].b, sizeof(known->dns[i].b));
		known->dns_ns[i] = wire_i64(in);
		if (!ip6_is_host(&known->dns[i]))
			in->error = -EBADMSG;
	}
	known->domain_count = wire_count(in, ND_DOMAINS_MAX);
	for (size_t i = 0; i < known->domain_count; i++) {
		wire_text(in, known->domains[i], DOMAIN_MAX);
		known->domain_ns[i] = wire_i64(in);
		if (!domain_ok(str_from(known->domains[i])))
			in->error = -EBADMSG;
	}
}

static void decode_routes(struct wire *in, struct nd_known *known)
{
	known->route_count = wire_count(in, ND_ROUTES_MAX);
	for (size_t i = 0; i < known->route_count; i++) {
		struct nd_known_route *route = &known->routes[i];
		struct ip6 network;
		uint8_t preference;

		wire_bytes(in, route->prefix.b, sizeof(route->prefix.b));
		route->len = wire_u8(in);
		wire_bytes(in, route->router.b, sizeof(route->router.b));
		preference = wire_u8(in);
		route->preference = preference - 1;
		route->until_ns = wire_i64(in);
		if (route->len > 128 || preference > 2 || !ip6_is_link_local(&route->router)) {
			in->error = -EBADMSG;
			return;
		}
		network = ip6_network(&route->prefix, route->len);
		if (!ip6_equal(&network, &route->prefix) ||
		    (route->len && (ip6_is_link_local(&network) || network.b[0] == 0xff)))
			in->error = -EBADMSG;
	}
}

void nd_known_decode(struct wire *in, struct nd_known *ret_known)
{
	*ret_known = (struct nd_known){ .router_count = wire_count(in, ND_ROUTERS_MAX) };
	for (size_t i = 0; i < ret_known->router_count; i++) {
		struct nd_known_router *router = &ret_known->routers[i];
		uint8_t preference;

		wire_bytes(in, router->ip6.b, sizeof(router->ip6.b));
		preference = wire_u8(in);
		router->preference = preference - 1;
		router->until_ns = wire_i64(in);
		if (!ip6_is_link_local(&router->ip6) || preference > 2)
			in->error = -EBADMSG;
	}
	ret_known->prefix_count = wire_count(in, ND_PREFIXES_MAX);
	for (size_t i = 0; i < ret_known->prefix_count && !in->error; i++)
		decode_prefix(in, &ret_known->prefixes[i]);
	decode_names(in, ret_known);
	if (!in->error)
		decode_routes(in, ret_known);
	ret_known->mtu = wire_u32(in);
	ret_known->managed = wire_bool(in);
	ret_known->other = wire_bool(in);
	if (in->error)
		*ret_known = (struct nd_known){ 0 };
}
