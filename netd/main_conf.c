/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading network.ini and the list of networks that calls made. Run by netd main at start and
 * at RELOAD. It must never stop at a mistake: each one is said and the rest is used.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/main_tell.h"

enum { NETWORKS_FILE_MAX = 48 << 10, ISSUES_SHOWN = 16 };

static int read_ini(const struct netd *netd, struct ini_config *ini, struct err *err)
{
	ini_init(ini);
	return netd->config_fd >= 0 ? ini_load(ini, &conf_schema, netd->config_fd, err) : 0;
}

int main_conf_load(struct netd *netd, struct err *err)
{
	struct conf_dns old_dns;
	OWN(ini_done) struct ini_config ini;
	const struct ini_issue *issue;
	unsigned shown = 0;
	int r = read_ini(netd, &ini, err);

	if (r < 0)
		return r;
	netd->rules_before = netd->conf.rules;
	old_dns = netd->conf.dns;
	conf_from_ini(&ini, &netd->conf);
	/* The authorities' file may have changed below its name. */
	netd->forwarder.stale |=
		netd->conf.dns.over_tls || memcmp(&old_dns, &netd->conf.dns, sizeof(old_dns)) != 0;
	for (issue = ini.issues; issue && shown < ISSUES_SHOWN; issue = issue->next, shown++)
		log_err("%s", issue->text);
	if (ini.issue_count > shown)
		log_err("network.ini: %u further mistakes", ini.issue_count - shown);
	netd->rules_kept = netd->conf.rules.refused && netd->has_rules;
	if (netd->rules_kept) {
		log_err("network.ini: mistakes in [firewall] or [rule]: the rules stay as they "
			"were");
		netd->conf.rules = netd->rules_before;
	} else if (netd->conf.rules.refused) {
		log_err("network.ini: mistakes in [firewall] or [rule]: nothing is let in until "
			"they are mended");
	}
	return 0;
}

static int add(struct netd *netd, struct network *wanted, const struct rtnl_state *state)
{
	struct network *made;
	struct err err;

	if (network_check(wanted, &err) < 0 ||
	    network_add(&netd->networks, wanted, state, &made, &err) < 0) {
		log_err("%s", err_text(&err));
		if (wanted->fixed && !network_find(&netd->networks, str_from(wanted->name)))
			conf_refuse(&netd->networks.refused, wanted->name, err_text(&err));
		return -1;
	}
	if (wanted->fixed)
		made->fixed = true;
	return 0;
}

static void get_traits(struct wire *in, struct network_traits *traits)
{
	uint32_t count;

	wire_text(in, traits->bridge, sizeof(traits->bridge));
	wire_text(in, traits->ifname_prefix, sizeof(traits->ifname_prefix));
	traits->gate4 = (enum network_gate)wire_u8(in);
	traits->gate6 = (enum network_gate)wire_u8(in);
	traits->no_masquerade = wire_bool(in);
	traits->inhibit4 = wire_bool(in);
	traits->told6 = wire_bool(in);
	wire_bytes(in, traits->gateway6.b, sizeof(traits->gateway6.b));
	count = wire_count(in, NETWORK_RESERVED_MAX);
	for (uint32_t i = 0; i < count; i++)
		(void)network_reserve(traits, wire_str(in, IP_ANY_TEXT_MAX), NULL);
}

static void put_traits(const struct network_traits *traits, struct buf *out)
{
	char text[IP_ANY_TEXT_MAX];

	wire_put_text(out, traits->bridge);
	wire_put_text(out, traits->ifname_prefix);
	wire_put_u8(out, (uint8_t)traits->gate4);
	wire_put_u8(out, (uint8_t)traits->gate6);
	wire_put_u8(out, traits->no_masquerade);
	wire_put_u8(out, traits->inhibit4);
	wire_put_u8(out, traits->told6);
	wire_put_bytes(out, traits->gateway6.b, sizeof(traits->gateway6.b));
	wire_put_u32(out, traits->reserved_count);
	for (uint8_t i = 0; i < traits->reserved_count; i++)
		wire_put_text(out, ip_any_text(&traits->reserved[i], text));
}

static void add_saved(struct netd *netd, const struct rtnl_state *state)
{
	OWN(buf_done) struct buf file = { 0 };
	struct wire in;
	uint32_t count;

	buf_init(&file, NETWORKS_FILE_MAX);
	if (fs_read(netd->state_fd, "networks", FS_BENEATH, NETWORKS_FILE_MAX - 1, &file, NULL) < 0)
		return;
	wire_init(&in, file.data, file.len);
	count = wire_count(&in, NETWORKS_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		struct network network = { .fixed = false };
		uint8_t driver;

		wire_text(&in, network.name, sizeof(network.name));
		network.subnet = wire_u32(&in);
		network.prefix = wire_u8(&in);
		network.internal = wire_bool(&in);
		network.no_ip6 = wire_bool(&in);
		network.given6 = wire_bool(&in);
		wire_bytes(&in, network.subnet6.b, sizeof(network.subnet6.b));
		network.prefix6 = wire_u8(&in);
		network.delegated = wire_bool(&in);
		driver = wire_u8(&in);
		network.mode = wire_u8(&in);
		wire_text(&in, network.bridge, sizeof(network.bridge));
		network.gateway = wire_u32(&in);
		network.range = wire_u32(&in);
		network.range_len = wire_u8(&in);
		network.mtu = wire_u32(&in);
		network.rate = wire_u64(&in);
		network.no_ip4 = wire_bool(&in);
		network.no_icc = wire_bool(&in);
		network.host_ip4 = wire_u32(&in);
		get_traits(&in, &network.traits);
		if (driver > NETWORK_IPVLAN || network.traits.gate4 > NETWORK_GATE_ISOLATED ||
		    network.traits.gate6 > NETWORK_GATE_ISOLATED)
			break;
		network.driver = (enum network_driver)driver;
		if (!in.error && network.name[0] &&
		    !network_find(&netd->networks, str_from(network.name)))
			(void)add(netd, &network, state);
	}
	if (wire_end(&in) < 0)
		log_warn("the list of networks was damaged; the engine will name them again");
}

void main_networks_load(struct netd *netd)
{
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	struct err err;

	netd->networks.refused = netd->conf.refused; /* never less: who lists them counts on it */
	if (rtnl_state_load(&netd->route, &state, &err) < 0) {
		log_err("%s", err_text(&err));
		return;
	}
	/* Those with a subnet first: what is picked for the others must not lie in their way. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < netd->conf.bridge_count; i++) {
			const struct conf_bridge *bridge = &netd->conf.bridges[i];
			struct network network = { .subnet = bridge->subnet,
						   .prefix = bridge->prefix,
						   .internal = bridge->internal,
						   .no_ip4 = bridge->no_ip4,
						   .no_icc = bridge->no_icc,
						   .host_ip4 = bridge->host_ip4,
						   .no_ip6 = bridge->no_ip6,
						   .given6 = bridge->prefix6 != 0,
						   .subnet6 = bridge->subnet6,
						   .prefix6 = bridge->prefix6,
						   .delegated = bridge->delegated,
						   .driver = bridge->driver,
						   .mode = bridge->mode,
						   .gateway = bridge->gateway,
						   .range = bridge->range,
						   .range_len = bridge->range_len,
						   .mtu = bridge->mtu,
						   .rate = bridge->rate,
						   .traits = bridge->traits,
						   .fixed = true };

			if ((bridge->subnet == 0) != (pass == 1))
				continue;
			memcpy(network.name, bridge->name, sizeof(network.name));
			memcpy(network.bridge, bridge->parent, sizeof(network.bridge));
			(void)add(netd, &network, &state);
		}
		if (pass == 0)
			add_saved(netd, &state);
	}
}

int main_networks_save(struct netd *netd, struct err *err)
{
	OWN(buf_done) struct buf file = { 0 };

	buf_init(&file, NETWORKS_FILE_MAX);
	wire_put_u32(&file, (uint32_t)netd->networks.count);
	for (size_t i = 0; i < netd->networks.count; i++) {
		const struct network *network = &netd->networks.list[i];

		wire_put_text(&file, network->name);
		wire_put_u32(&file, network->subnet);
		wire_put_u8(&file, network->prefix);
		wire_put_u8(&file, network->internal);
		wire_put_u8(&file, network->no_ip6);
		wire_put_u8(&file, network->given6);
		wire_put_bytes(&file, network->subnet6.b, sizeof(network->subnet6.b));
		wire_put_u8(&file, network->prefix6);
		wire_put_u8(&file, network->delegated);
		wire_put_u8(&file, (uint8_t)network->driver);
		wire_put_u8(&file, network->mode);
		wire_put_text(&file, network_is_bridge(network) ? "" : network->bridge);
		wire_put_u32(&file, network->gateway);
		wire_put_u32(&file, network->range);
		wire_put_u8(&file, network->range_len);
		wire_put_u32(&file, network->mtu);
		wire_put_u64(&file, network->rate);
		wire_put_u8(&file, network->no_ip4);
		wire_put_u8(&file, network->no_icc);
		wire_put_u32(&file, network->host_ip4);
		put_traits(&network->traits, &file);
	}
	if (buf_error(&file) < 0)
		return err_set(err, buf_error(&file), "the list of networks is too long");
	return fs_replace(netd->state_fd, "networks", file.data, file.len, 0600, err);
}

int main_conf_issues(struct netd *netd, struct buf *out, struct err *err)
{
	static struct conf conf; /* only for what it finds */
	OWN(ini_done) struct ini_config ini;
	const struct conf_refused_list *refused = &netd->networks.refused;
	int r = read_ini(netd, &ini, err);

	if (r < 0)
		return r;
	conf_from_ini(&ini, &conf);
	/* What the text alone does not show: subnets in the way of the machine's own. */
	wire_put_u32(out, ini.issue_count + (uint32_t)(refused->count - netd->conf.refused.count));
	for (const struct ini_issue *issue = ini.issues; issue; issue = issue->next)
		wire_put_text(out, issue->text);
	for (size_t i = netd->conf.refused.count; i < refused->count; i++)
		wire_put_text(out, refused->list[i].why);
	return 0;
}
