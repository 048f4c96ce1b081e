/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the answer to "network trace SRC -> DST:PORT": what a new connection meets on its way, chain
 * by chain as nl/nft_table.c lays them, with the map, rule, route or absence that decides. Run by
 * netd main. It must never send a packet, nor change anything.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "lib/own.h"
#include "netd/main_place.h"
#include "netd/main_tell.h"

struct trace {
	struct netd *netd;
	const struct rtnl_state *state;
	struct buf *out;
	struct place from;	   /* its port is nobody's */
	struct place to, asked;	   /* now, and as it was asked for */
	bool from_machine, mapped; /* mapped: a published port led elsewhere */
	const struct network *from_net, *to_net;
	char in[IFNAMSIZ], way_out[IFNAMSIZ];
	unsigned steps;
};

static void step(struct trace *trace, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void step(struct trace *trace, const char *where, const char *fmt, ...)
{
	va_list ap;

	buf_printf(trace->out, "%2u %-7s ", ++trace->steps, where);
	va_start(ap, fmt);
	(void)buf_vprintf(trace->out, fmt, ap);
	va_end(ap);
	buf_add_byte(trace->out, '\n');
}

static bool within(const struct place *place, const struct rule_prefix *prefix)
{
	if (place->v6 != prefix->v6)
		return false;
	return place->v6 ? ip6_in_prefix(&place->ip6, &prefix->ip6, prefix->len)
			 : !((place->ip4 ^ prefix->ip4) & ip4_mask(prefix->len));
}

/* ---- routes ---- */

struct way {
	bool found;
	const char *nowhere; /* rtnl_route_nowhere() */
	unsigned prefix;
	uint32_t metric;
	int index;
	char gateway[IP6_TEXT_MAX];
};

/* Of two ways the one with the longer prefix, then the one with the lower metric. */
static bool better(const struct way *way, unsigned prefix, uint32_t metric)
{
	return !way->found || prefix > way->prefix ||
	       (prefix == way->prefix && metric < way->metric);
}

static void try_route(const struct rtnl_route *route, const struct place *place, struct way *way)
{
	const struct rule_prefix prefix = {
		.v6 = route->v6, .len = route->prefix, .ip4 = route->dst, .ip6 = route->dst6
	};
	bool via = route->v6 ? !ip6_is_zero(&route->gateway6) : route->gateway != 0;

	if ((route->table && route->table != RTNL_TABLE_MAIN) || !within(place, &prefix) ||
	    !better(way, route->prefix, route->metric))
		return;
	*way = (struct way){ .found = true,
			     .nowhere = rtnl_route_nowhere(route->type),
			     .prefix = route->prefix,
			     .metric = route->metric,
			     .index = route->out };
	if (via && route->v6)
		(void)ip6_text(&route->gateway6, way->gateway);
	else if (via)
		(void)ip4_text(route->gateway, way->gateway);
}

/* The main table, and the subnets of our addresses, which the kernel routes by itself. */
static struct way find_way(const struct rtnl_state *state, const struct place *place)
{
	struct way way = { .found = false };

	for (size_t i = 0; i < state->route_count; i++)
		try_route(&state->routes[i], place, &way);
	for (size_t i = 0; i < state->addr_count; i++) {
		const struct rtnl_addr *addr = &state->addrs[i];
		const struct rule_prefix prefix = {
			.v6 = addr->v6, .len = addr->prefix, .ip4 = addr->ip4, .ip6 = addr->ip6
		};

		if (!addr->noroute && within(place, &prefix) && better(&way, addr->prefix, 0))
			way = (struct way){ .found = true,
					    .prefix = addr->prefix,
					    .index = addr->index };
	}
	return way;
}

static void name_of(const struct rtnl_state *state, int index, char dst[IFNAMSIZ])
{
	const struct rtnl_link *link = rtnl_state_link(state, index);

	(void)snprintf(dst, IFNAMSIZ, "%s", link ? link->name : "?");
}

/* ---- the operator's rules ---- */

static bool any_within(const struct place *place, const struct rule_prefix *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (within(place, &list[i]))
			return true;
	return count == 0;
}

static bool is_interface(const char *wanted, const char *name)
{
	size_t len = strlen(wanted);

	if (len && wanted[len - 1] == '*')
		return !strncmp(wanted, name, len - 1);
	return !len || !strcmp(wanted, name);
}

static bool over_any(const struct rule *rule, const char *name)
{
	for (size_t i = 0; i < rule->interface_count; i++)
		if (is_interface(rule->interfaces[i], name))
			return true;
	return rule->interface_count == 0;
}

/* True where the first rule that fits, or the policy, accepts. */
static bool ask_rules(struct trace *trace, const char *chain, enum rule_way way)
{
	const struct rules *rules = &trace->netd->conf.rules;
	/* Rules about published ports mean the place that was asked for. */
	const struct place *to = way == RULE_PUBLISHED ? &trace->asked : &trace->to;
	const char *interface = way == RULE_OUTBOUND ? trace->way_out : trace->in;

	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->list[i];

		if (!rule_may_match(rule, way, to->proto, to->port, to->v6) ||
		    !over_any(rule, interface) ||
		    !any_within(&trace->from, rule->sources, rule->source_count) ||
		    !any_within(to, rule->destinations, rule->destination_count))
			continue;
		if (rule->limit.count) { /* both may be; what is left is told for the later one */
			step(trace, chain, "rule %s: %s while fewer than its limit; else on",
			     rule->name, rule_action_names[rule->action]);
			continue;
		}
		step(trace, chain, "rule %s: %s%s", rule->name, rule_action_names[rule->action],
		     rule->log ? ", logged" : "");
		return rule->action == RULE_ACCEPT;
	}
	step(trace, chain, "no rule fits; [firewall] %s: %s", rule_way_names[way],
	     rule_action_names[rules->policies[way]]);
	return rules->policies[way] == RULE_ACCEPT;
}

/* ---- the stations ---- */

static void show_from(struct trace *trace)
{
	struct way back = find_way(trace->state, &trace->from);

	trace->from_machine = place_is_local(trace->state, &trace->from);
	trace->from_net = trace->from_machine ? NULL : place_network(trace->netd, &trace->from);
	if (trace->from_machine) {
		step(trace, "from", "%s: this machine itself", trace->from.text);
		return;
	}
	if (trace->from_net) {
		memcpy(trace->in, trace->from_net->bridge, sizeof(trace->in));
		step(trace, "from", "%s: a container on network %s, in over %s", trace->from.text,
		     trace->from_net->name, trace->in);
		return;
	}
	name_of(trace->state, back.index, trace->in);
	if (back.found && !back.nowhere)
		step(trace, "from", "%s: outside, in over %s as far as the way back tells",
		     trace->from.text, trace->in);
	else
		step(trace, "from", "%s: outside; there is no way back to it", trace->from.text);
}

static bool is_loopback(const struct place *place)
{
	return place->v6 ? ip6_is_loopback(&place->ip6) : place->ip4 >> 24 == 127;
}

static bool is_guarded(const struct trace *trace)
{
	const struct network *network = place_network(trace->netd, &trace->to);

	return network && !trace->from_net && network_is_shut(network, trace->to.v6);
}

static bool pass_guard(struct trace *trace)
{
	if (trace->from_machine)
		return true;
	if (!trace->to.v6 && (is_loopback(&trace->to) || is_loopback(&trace->from)))
		step(trace, "guard", "drop: 127/8 comes in over a wire");
	else if (is_guarded(trace))
		step(trace, "guard", "drop: from outside to a container's own address");
	else {
		step(trace, "guard", "nothing drops it");
		return true;
	}
	return false;
}

static void take_map(struct trace *trace, const struct nft_port *row,
		     const struct attachment *holder, bool one_address)
{
	uint16_t port = (uint16_t)(row->to_port + trace->to.port - row->host_port);
	char text[IP6_TEXT_MAX];

	trace->mapped = true;
	trace->to.port = port;
	if (row->v6)
		trace->to.ip6 = row->to_ip6;
	else
		trace->to.ip4 = row->to_ip4;
	step(trace, trace->from_machine ? "out" : "pre",
	     "map %s%c: published by container %.*s, on to %s%s%s:%u", one_address ? "pub" : "any",
	     row->v6 ? '6' : '4', STR_ARG(holder->attach.name), row->v6 ? "[" : "",
	     row->v6 ? ip6_text(&row->to_ip6, text) : ip4_text(row->to_ip4, text),
	     row->v6 ? "]" : "", port);
}

static void ask_maps(struct trace *trace)
{
	const char *chain = trace->from_machine ? "out" : "pre";
	const struct attachment *holder;
	struct nft_port row;

	if (!place_is_local(trace->state, &trace->to))
		step(trace, chain, "%s is no address of this machine: no map is asked",
		     trace->to.text);
	else if (place_port(trace->netd, &trace->to, true, &holder, &row))
		take_map(trace, &row, holder, true);
	else if (place_port(trace->netd, &trace->to, false, &holder, &row))
		take_map(trace, &row, holder, false);
	else
		step(trace, chain, "no container publishes %s", trace->to.text);
}

static bool ask_route(struct trace *trace)
{
	struct way way = find_way(trace->state, &trace->to);

	if (!way.found || way.nowhere) {
		step(trace, "route", "%s", way.found ? way.nowhere : "no route");
		return false;
	}
	name_of(trace->state, way.index, trace->way_out);
	trace->to_net = place_network(trace->netd, &trace->to);
	step(trace, "route", "/%u over %s%s%s", way.prefix, trace->way_out,
	     way.gateway[0] ? " by " : "", way.gateway);
	return true;
}

static bool is_reached(struct trace *trace)
{
	const struct attachment *holder;
	struct nft_port row;

	return place_port(trace->netd, &trace->to, true, &holder, &row) && row.routed;
}

static bool pass_forward(struct trace *trace)
{
	const struct network *from = trace->from_net, *to = trace->to_net;

	if (trace->from_machine)
		return true;
	if (from && from == to && from->no_icc && !trace->mapped) {
		step(trace, "bridge", "drop: network %s has icc = no", from->name);
		return false;
	}
	if (from && from == to) {
		step(trace, "fwdc", "accept: on one bridge");
		return true;
	}
	if ((from && from->internal) || (to && to->internal)) {
		step(trace, "fwdc", "drop: network %s is internal",
		     from && from->internal ? from->name : to->name);
		return false;
	}
	if (trace->mapped && from) {
		step(trace, "fwdc", "accept: a container by a published port");
		return true;
	}
	if (trace->mapped)
		return ask_rules(trace, "oppub", RULE_PUBLISHED);
	if (to && network_gate(to, trace->to.v6) == NETWORK_GATE_ROUTED && is_reached(trace)) {
		step(trace, "fwdc", "set reach%c: published, and network %s is routed",
		     trace->to.v6 ? '6' : '4', to->name);
		return from || ask_rules(trace, "oppub", RULE_PUBLISHED);
	}
	if (to && !from && network_gate(to, trace->to.v6) == NETWORK_GATE_UNPROTECTED) {
		step(trace, "fwdc", "set open: network %s is nat-unprotected", to->name);
		return ask_rules(trace, "oppub", RULE_PUBLISHED);
	}
	if (from && !to)
		return ask_rules(trace, "opout", RULE_OUTBOUND);
	if (!from && !to)
		return ask_rules(trace, "oproute", RULE_ROUTED);
	step(trace, "fwdc",
	     from ? "drop: bridges reach the outside only" : "drop: nothing publishes it");
	return false;
}

static void show_source(struct trace *trace)
{
	bool translated = trace->from_net && network_translates(trace->from_net, trace->from.v6);

	if (trace->mapped && !trace->from.v6 && is_loopback(&trace->from))
		step(trace, "pst", "the source becomes this machine's address on %s",
		     trace->way_out);
	else if (translated && trace->mapped && trace->to_net)
		step(trace, "pst",
		     "the source becomes this machine's address on %s: it goes back "
		     "to a container",
		     trace->way_out);
	else if (translated && !trace->to_net)
		step(trace, "pst", "the source becomes this machine's address on %s",
		     trace->way_out);
	else
		step(trace, "pst", "the source stays as it is");
}

/* What is left when no map led away from the machine. */
static void arrive(struct trace *trace)
{
	bool let = true;

	if (trace->from_machine)
		step(trace, "in", "accept: over lo");
	else
		let = ask_rules(trace, "opin", RULE_INBOUND);
	buf_printf(trace->out, "verdict: %s\n",
		   let ? "it is up to a socket of the machine itself" : "it does not get in");
}

static void walk(struct trace *trace)
{
	show_from(trace);
	if (pass_guard(trace)) {
		ask_maps(trace);
		if (!trace->mapped && place_is_local(trace->state, &trace->to)) {
			arrive(trace);
			return;
		}
		if (trace->mapped && trace->to.v6 && is_loopback(&trace->asked)) {
			step(trace, "splice",
			     "role splice takes it and carries it to the container");
			buf_add_text(trace->out, "verdict: it goes on by role splice\n");
			return;
		}
		if (ask_route(trace) && pass_forward(trace)) {
			show_source(trace);
			buf_printf(trace->out, "verdict: it goes on over %s\n", trace->way_out);
			return;
		}
	}
	buf_add_text(trace->out, "verdict: it does not get through\n");
}

int main_trace(struct netd *netd, const struct rtnl_state *state, struct str what, struct buf *out,
	       struct err *err)
{
	struct trace trace = { .netd = netd, .state = state, .out = out };
	struct str from = str_trim(what), rest;
	struct ip_any any;
	size_t len = 0;
	int r;

	while (len < from.len && from.ptr[len] != ' ' &&
	       !str_starts(str_skip(from, len), STR("->")))
		len++;
	rest = str_trim(str_skip(from, len));
	from = str_head(from, len);
	if (str_starts(rest, STR("->")))
		rest = str_trim(str_skip(rest, 2));
	if (ip_any_parse(from, &any) < 0 || any.scope)
		return err_set(err, -EINVAL,
			       "expected an address, '->' and a place, such as 192.0.2.7 -> "
			       "10.0.0.1:80");
	r = place_parse(rest, &trace.to, err);
	if (r < 0)
		return r;
	if (any.v6 != trace.to.v6)
		return err_set(err, -EINVAL, "both have to be of one family");
	trace.from.v6 = any.v6;
	trace.from.ip4 = any.ip4;
	trace.from.ip6 = any.ip6;
	(void)str_copy(from, trace.from.text, sizeof(trace.from.text));
	trace.asked = trace.to;
	walk(&trace);
	return 0;
}
