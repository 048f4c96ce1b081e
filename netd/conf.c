/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the schema of network.ini and its records. Run by netd main at start and at RELOAD. It must
 * never guess: a section with a mistake is refused as a whole and the links it names stay as they
 * are.
 */
#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "netd/conf_read.h"

enum { METRIC_DEFAULT = 100 };

#define RULE_ACTIONS_TEXT "accept|drop|reject"
#define NETDEV_KINDS	  "vlan|bond|bridge|macvlan|ipvlan|veth|dummy"
#define BOND_MODES	  "balance-rr|active-backup|balance-xor|broadcast|802.3ad|balance-tlb|balance-alb"

static const struct ini_key keys[] = {
	{ "network", "Match.Name", INI_TYPE_TEXT, false, 1, CONF_MATCH_MAX - 1, "*", NULL, NULL,
	  "interfaces this section is for; * and ? match, ! in front turns it around",
	  conf_check_glob },
	{ "network", "Match.MACAddress", INI_TYPE_TEXT, true, 17, 17, NULL, NULL, NULL,
	  "only interfaces with one of these addresses", conf_check_mac },
	{ "network", "Match.PermanentMACAddress", INI_TYPE_TEXT, true, 17, 17, NULL, NULL, NULL,
	  "only interfaces whose hardware came with one of these addresses", conf_check_mac },
	{ "network", "Match.Type", INI_TYPE_TEXT, false, 1, CONF_MATCH_MAX - 1, NULL, NULL, NULL,
	  "only interfaces of this kind: ether, bridge, bond, vlan, macvlan, ipvlan; ! turns it "
	  "around",
	  conf_check_glob },
	{ "network", "Match.Driver", INI_TYPE_TEXT, false, 1, CONF_MATCH_MAX - 1, NULL, NULL, NULL,
	  "only interfaces that this driver of the kernel carries: virtio_net, e1000e",
	  conf_check_glob },
	{ "network", "Link.MTUBytes", INI_TYPE_UINT, false, 576, 65535, NULL, NULL, "bytes",
	  "MTU of the interface", NULL },
	{ "network", "Link.MACAddress", INI_TYPE_TEXT, false, 17, 17, NULL, NULL, NULL,
	  "address that the interface is given", conf_check_own_mac },
	{ "network", "Link.Unmanaged", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "leave the interfaces that match alone", NULL },
	{ "network", "Link.ActivationPolicy", INI_TYPE_ENUM, false, 0, 0, "up", "up|manual|down",
	  NULL, "bring the interface up, leave that to others, or take it down", NULL },
	{ "network", "Link.RequiredForOnline", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "as systemd has it, and without effect: nothing here waits for a network", NULL },
	{ "network", "KeepConfiguration", INI_TYPE_ENUM, false, 0, 0, "yes", "yes", NULL,
	  "what is in force outlives a restart of netd; there is nothing else to choose", NULL },
	{ "network", "ConfigureWithoutCarrier", INI_TYPE_ENUM, false, 0, 0, "yes", "yes", NULL,
	  "static addresses are there without a cable; there is nothing else to choose", NULL },
	{ "network", "IPv4Forwarding", INI_TYPE_TEXT, false, 2, 5, NULL, NULL, NULL,
	  "no: what goes through the machine is for [rule] sections with on = routed",
	  conf_check_forwarding },
	{ "network", "IPv6Forwarding", INI_TYPE_TEXT, false, 2, 5, NULL, NULL, NULL,
	  "no: as IPv4Forwarding", conf_check_forwarding },
	{ "network", "IPMasquerade", INI_TYPE_TEXT, false, 2, 4, NULL, NULL, NULL,
	  "no: containers' addresses are translated by themselves, and nobody else's",
	  conf_check_masquerade },
	{ "network", "LLMNR", INI_TYPE_ENUM, false, 0, 0, "no", "no", NULL,
	  "there is none: names are asked of name servers", NULL },
	{ "network", "MulticastDNS", INI_TYPE_ENUM, false, 0, 0, "no", "no", NULL,
	  "there is none: names are asked of name servers", NULL },
	{ "network", "DHCP", INI_TYPE_ENUM, false, 0, 0, NULL, "yes|no|ipv4|ipv6", NULL,
	  "take an address by DHCPv4 (yes, ipv4); the default is yes unless Address is set", NULL },
	{ "network", "Address", INI_TYPE_TEXT, true, 1, 64, NULL, NULL, NULL,
	  "a static address with its prefix", conf_check_prefix },
	{ "network", "Gateway", INI_TYPE_TEXT, true, 1, 64, NULL, NULL, NULL,
	  "default gateway, one of each family; beats the one from DHCP and routers",
	  conf_check_host },
	{ "network", "DNS", INI_TYPE_TEXT, true, 1, 64, NULL, NULL, NULL,
	  "a name server; beats those from DHCP", conf_check_host },
	{ "network", "Domains", INI_TYPE_TEXT, true, 1, DOMAIN_MAX - 1, NULL, NULL, NULL,
	  "a search domain; beats the one from DHCP", conf_check_domain },
	{ "network", "NTP", INI_TYPE_TEXT, true, 1, DOMAIN_MAX - 1, NULL, NULL, NULL,
	  "a time server; beats those from DHCP", conf_check_time_server },
	{ "network", "IPv6AcceptRA", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "IPv6 addresses, default route and name servers by router advertisements", NULL },
	{ "network", "LinkLocalAddressing", INI_TYPE_ENUM, false, 0, 0, "ipv6", "ipv6|no", NULL,
	  "no: the interface has no IPv6 at all", NULL },
	{ "network", "IPv6AcceptRA.UseDNS", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "use the routers' name servers", NULL },
	{ "network", "IPv6AcceptRA.UseDomains", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "use the routers' search domains", NULL },
	{ "network", "IPv6AcceptRA.DHCPv6Client", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "ask a DHCPv6 server where routers say that there is one", NULL },
	{ "network", "IPv6AcceptRA.UseRoutePrefix", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "routes that the routers tell of (RFC 4191), not their default route alone", NULL },
	{ "network", "IPv6AcceptRA.Token", INI_TYPE_TEXT, false, 3, 64, NULL, NULL, NULL,
	  "how addresses of a prefix end: static:::10; without it stable ones that say nothing",
	  conf_check_token },
	{ "network", "DHCPv6.UseAddress", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "take an address of the server", NULL },
	{ "network", "DHCPv6.UseDNS", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "use the server's name servers", NULL },
	{ "network", "DHCPv6.UseDomains", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "use the server's search domains", NULL },
	{ "network", "DHCPv6.UseNTP", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "use the server's time servers", NULL },
	{ "network", "DHCPv6.PrefixDelegationHint", INI_TYPE_TEXT, false, 4, 8, NULL, NULL, NULL,
	  "ask for a prefix of this length: ::/56", conf_check_hint },
	{ "network", "DHCPv6.WithoutRA", INI_TYPE_ENUM, false, 0, 0, "no",
	  "no|solicit|information-request", NULL, "ask a server also where no router calls for it",
	  NULL },
	{ "network", "DHCPv6.SendRelease", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "give the lease back when the machine is powered off", NULL },
	{ "network", "MTUBytes", INI_TYPE_UINT, false, 576, 65535, NULL, NULL, "bytes",
	  "MTU of the interface", NULL },
	{ "network", "RouteMetric", INI_TYPE_UINT, false, 1, 65535, "100", NULL, NULL,
	  "metric of the routes; the lowest wins", NULL },
	{ "network", "DuplicateAddressDetection", INI_TYPE_ENUM, false, 0, 0, "yes",
	  "yes|no|strict", NULL,
	  "probe a leased address before use: 3 times 200 ms, or as slowly as RFC 5227 says",
	  NULL },
	{ "network", "DHCPv4.UseRoutes", INI_TYPE_ENUM, false, 0, 0, "gateway", "yes|no|gateway",
	  NULL, "routes of the server: all, none, or the default route alone", NULL },
	{ "network", "DHCPv4.UseDNS", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "use the server's name servers", NULL },
	{ "network", "DHCPv4.UseDomains", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "use the server's search domain", NULL },
	{ "network", "DHCPv4.UseMTU", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "use the server's MTU", NULL },
	{ "network", "DHCPv4.UseNTP", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "use the server's time servers", NULL },
	{ "network", "DHCPv4.UseHostname", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "the machine is called as the server says, where hoy.ini gives it no name of its own",
	  NULL },
	{ "network", "DHCPv4.IPv6OnlyMode", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "do without IPv4 where the server says that the network does (RFC 8925)", NULL },
	{ "network", "DHCPv4.SendHostname", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "tell the server a host name", NULL },
	{ "network", "DHCPv4.Hostname", INI_TYPE_TEXT, false, 1, 63, NULL, NULL, NULL,
	  "that name, where it is not the machine's", conf_check_hostname },
	{ "network", "DHCPv4.ClientIdentifier", INI_TYPE_ENUM, false, 0, 0, "mac", "mac|duid", NULL,
	  "what the server knows the machine by", NULL },
	{ "network", "DHCPv4.SendRelease", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "give the lease back when the machine is powered off", NULL },
	{ "network", "DHCPv4.SendDecline", INI_TYPE_BOOL, false, 0, 0, NULL, NULL, NULL,
	  "probe an address and tell the server of a conflict: DuplicateAddressDetection's other "
	  "name",
	  NULL },
	{ "network", "DHCPv4.RequestOptions", INI_TYPE_TEXT, true, 1, 63, NULL, NULL, NULL,
	  "numbers of options to ask for beside those that are used", conf_check_options },
	{ "network", "DHCPv4.RouteMetric", INI_TYPE_UINT, false, 1, 65535, NULL, NULL, NULL,
	  "metric of the routes that a lease brings, where it is another", NULL },
	{ "network", "VLAN", INI_TYPE_TEXT, true, 1, IFNAMSIZ - 1, NULL, NULL, NULL,
	  "a VLAN on the interface, declared as [netdev NAME]", conf_check_ifname },
	{ "network", "MACVLAN", INI_TYPE_TEXT, true, 1, IFNAMSIZ - 1, NULL, NULL, NULL,
	  "a macvlan on the interface, declared as [netdev NAME]", conf_check_ifname },
	{ "network", "IPVLAN", INI_TYPE_TEXT, true, 1, IFNAMSIZ - 1, NULL, NULL, NULL,
	  "an ipvlan on the interface, declared as [netdev NAME]", conf_check_ifname },
	{ "network", "Bond", INI_TYPE_TEXT, false, 1, IFNAMSIZ - 1, NULL, NULL, NULL,
	  "the bond that the interface is a part of", conf_check_ifname },
	{ "network", "Bridge", INI_TYPE_TEXT, false, 1, IFNAMSIZ - 1, NULL, NULL, NULL,
	  "the bridge that the interface is a port of", conf_check_ifname },
	{ "netdev", "Kind", INI_TYPE_ENUM, false, 0, 0, "bridge", NETDEV_KINDS, NULL,
	  "what the interface is", NULL },
	{ "netdev", "MACAddress", INI_TYPE_TEXT, false, 17, 17, NULL, NULL, NULL,
	  "its address; without it that of its parts", conf_check_own_mac },
	{ "netdev", "VLAN.Id", INI_TYPE_UINT, false, 1, 4094, NULL, NULL, NULL,
	  "number of the VLAN", NULL },
	{ "netdev", "MACVLAN.Mode", INI_TYPE_ENUM, false, 0, 0, "bridge",
	  "private|vepa|bridge|passthru", NULL, "who of those on one interface hears whom", NULL },
	{ "netdev", "IPVLAN.Mode", INI_TYPE_ENUM, false, 0, 0, "L2", "L2|L3|L3S", NULL,
	  "what is shared: the segment, or the routes of the interface below", NULL },
	{ "netdev", "Peer.Name", INI_TYPE_TEXT, false, 1, IFNAMSIZ - 1, NULL, NULL, NULL,
	  "name of a veth's other end", conf_check_ifname },
	{ "netdev", "Bond.Mode", INI_TYPE_ENUM, false, 0, 0, "active-backup", BOND_MODES, NULL,
	  "how its parts share the work", NULL },
	{ "netdev", "Bond.MIIMonitorSec", INI_TYPE_DURATION, false, 10, 10000, "100ms", NULL, NULL,
	  "how often the parts' carriers are looked at", NULL },
	{ "netdev", "Bond.LACPTransmitRate", INI_TYPE_ENUM, false, 0, 0, "slow", "slow|fast", NULL,
	  "802.3ad: how often the other side is to speak", NULL },
	{ "netdev", "Bridge.STP", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "find loops with other bridges", NULL },
	{ "netdev", "Bridge.VLANFiltering", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "ports carry only the VLANs that are theirs", NULL },
	{ "address", "Network", INI_TYPE_TEXT, false, 1, NETD_NAME_MAX, NULL, NULL, NULL,
	  "the [network] section it belongs to", NULL },
	{ "address", "Address", INI_TYPE_TEXT, false, 1, 64, NULL, NULL, NULL,
	  "a static address with its prefix", conf_check_prefix },
	{ "address", "Label", INI_TYPE_TEXT, false, 1, IFNAMSIZ - 1, NULL, NULL, NULL,
	  "name of an IPv4 address: the interface's, a colon, a word", conf_check_glob },
	{ "address", "Scope", INI_TYPE_ENUM, false, 0, 0, "global", "global|link|host", NULL,
	  "where an IPv4 address means something", NULL },
	{ "address", "PreferredLifetime", INI_TYPE_ENUM, false, 0, 0, "forever", "forever|0", NULL,
	  "0: never a source by itself", NULL },
	{ "address", "AddPrefixRoute", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "its prefix is on the link", NULL },
	{ "address", "DuplicateAddressDetection", INI_TYPE_ENUM, false, 0, 0, "ipv6", "ipv6|none",
	  NULL, "ask whether somebody has an IPv6 address", NULL },
	{ "route", "Network", INI_TYPE_TEXT, false, 1, NETD_NAME_MAX, NULL, NULL, NULL,
	  "the [network] section it belongs to", NULL },
	{ "route", "Destination", INI_TYPE_TEXT, false, 1, 64, "default", NULL, NULL,
	  "where it leads", conf_check_destination },
	{ "route", "Gateway", INI_TYPE_TEXT, false, 1, 64, NULL, NULL, NULL,
	  "over which machine; without it the destination is on the link", conf_check_host },
	{ "route", "Type", INI_TYPE_ENUM, false, 0, 0, "unicast",
	  "unicast|blackhole|unreachable|prohibit|throw", NULL,
	  "what becomes of packets on it, where it leads nowhere", NULL },
	{ "route", "Metric", INI_TYPE_UINT, false, 1, 65535, NULL, NULL, NULL,
	  "the lowest wins; else that of the network", NULL },
	{ "route", "Table", INI_TYPE_UINT, false, 1, 4294967295, NULL, NULL, NULL,
	  "number of the routing table, where it is not the main one", NULL },
	{ "route", "PreferredSource", INI_TYPE_TEXT, false, 1, 64, NULL, NULL, NULL,
	  "address that packets on this way come from", conf_check_host },
	{ "route", "GatewayOnLink", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "the gateway is on the link, whatever the addresses say", NULL },
	{ "route", "MTUBytes", INI_TYPE_UINT, false, 576, 65535, NULL, NULL, "bytes",
	  "largest packet on this way", NULL },
	{ "bridge", "subnet", INI_TYPE_TEXT, false, 1, 64, NULL, NULL, NULL,
	  "addresses of the network; without it a free one is picked", conf_check_subnet },
	{ "bridge", "ipv4", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "containers on it have IPv4; one with IPv6 alone has none", NULL },
	{ "bridge", "ipv6", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "containers on it have IPv6 as well", NULL },
	{ "bridge", "subnet6", INI_TYPE_TEXT, false, 1, 64, NULL, NULL, NULL,
	  "IPv6 addresses of the network; without it one below the machine's own prefix",
	  conf_check_subnet6 },
	{ "bridge", "internal", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "no way out and no way in but from containers on it", NULL },
	{ "bridge", "icc", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "containers on it reach each other, and not their published ports alone", NULL },
	{ "bridge", "host_binding", INI_TYPE_TEXT, false, 7, 15, NULL, NULL, NULL,
	  "the host's address for published ports that name none; without it all of them",
	  conf_check_gateway },
	{ "bridge", "gateway_mode", INI_TYPE_ENUM, false, 0, 0, "nat",
	  "nat|nat-unprotected|routed|isolated", NULL,
	  "what the machine is to it for IPv4: translating, routing, or not there", NULL },
	{ "bridge", "gateway_mode6", INI_TYPE_ENUM, false, 0, 0, "nat",
	  "nat|nat-unprotected|routed|isolated", NULL, "the same for IPv6", NULL },
	{ "bridge", "masquerade", INI_TYPE_BOOL, false, 0, 0, "yes", NULL, NULL,
	  "what leaves it carries the machine's address", NULL },
	{ "bridge", "bridge_name", INI_TYPE_TEXT, false, 1, IFNAMSIZ - 1, NULL, NULL, NULL,
	  "what its bridge is called; without it after the network's name", conf_check_ifname },
	{ "bridge", "ifname_prefix", INI_TYPE_TEXT, false, 1, IFNAMSIZ - 4, NULL, NULL, NULL,
	  "what interfaces in containers are called, with a number behind it; without it eth",
	  conf_check_ifname },
	{ "bridge", "driver", INI_TYPE_ENUM, false, 0, 0, "bridge", "bridge|macvlan|ipvlan", NULL,
	  "what carries it: a bridge, or a share in an interface of the host", NULL },
	{ "bridge", "mode", INI_TYPE_ENUM, false, 0, 0, NULL, "bridge|private|vepa|l2|l3|l3s", NULL,
	  "of macvlan (the first three) or ipvlan (the others)", NULL },
	{ "bridge", "parent", INI_TYPE_TEXT, false, 1, IFNAMSIZ - 1, NULL, NULL, NULL,
	  "macvlan, ipvlan: the interface that containers share", conf_check_ifname },
	{ "bridge", "gateway", INI_TYPE_TEXT, false, 7, 15, NULL, NULL, NULL,
	  "default gateway of containers; without it the first address", conf_check_gateway },
	{ "bridge", "ip_range", INI_TYPE_TEXT, false, 9, 18, NULL, NULL, NULL,
	  "the part of the subnet that addresses are picked from", conf_check_range },
	{ "bridge", "gateway6", INI_TYPE_TEXT, false, 2, 45, NULL, NULL, NULL,
	  "the same of IPv6; without it the first address", conf_check_gateway6 },
	{ "bridge", "reserved", INI_TYPE_TEXT, true, 2, 45, NULL, NULL, NULL,
	  "an address of its subnets that no container gets", conf_check_reserved },
	{ "bridge", "inhibit_ipv4", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "the machine has no IPv4 address there: somebody else on it is the gateway", NULL },
	{ "bridge", "rate", INI_TYPE_TEXT, false, 1, 15, NULL, NULL, NULL,
	  "bits per second of each container, each way: 10M", conf_check_rate },
	{ "bridge", "mtu", INI_TYPE_UINT, false, 576, 65535, NULL, NULL, "bytes",
	  "MTU of containers; without it that of the uplinks", NULL },
	{ "dns", "server", INI_TYPE_TEXT, true, 1, DNS_UPSTREAM_TEXT_MAX - 1, NULL, NULL, NULL,
	  "a name server: ADDRESS, [ADDRESS]:PORT, ADDRESS#NAME; beats those of the uplinks",
	  conf_check_server },
	{ "dns", "over_tls", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "ask by TLS and never in plain text", NULL },
	{ "dns", "pin", INI_TYPE_TEXT, true, 44, 52, NULL, NULL, NULL,
	  "SHA-256 in base64 of the public key that a server has to have", conf_check_pin },
	{ "dns", "ca_file", INI_TYPE_PATH, false, 1, 255, NULL, NULL, NULL,
	  "PEM file of the authorities that are trusted; without it the system's", NULL },
	{ "firewall", "inbound", INI_TYPE_ENUM, false, 0, 0, "accept", RULE_ACTIONS_TEXT, NULL,
	  "what becomes of connections to the machine itself that no rule is about", NULL },
	{ "firewall", "published", INI_TYPE_ENUM, false, 0, 0, "accept", RULE_ACTIONS_TEXT, NULL,
	  "the same of connections from outside to published ports", NULL },
	{ "firewall", "outbound", INI_TYPE_ENUM, false, 0, 0, "accept", RULE_ACTIONS_TEXT, NULL,
	  "the same of connections from containers to the outside", NULL },
	{ "firewall", "routed", INI_TYPE_ENUM, false, 0, 0, "drop", RULE_ACTIONS_TEXT, NULL,
	  "the same of connections through the machine, between its interfaces", NULL },
	{ "rule", "on", INI_TYPE_ENUM, false, 0, 0, NULL, "inbound|published|outbound|routed", NULL,
	  "which connections the rule is about", NULL },
	{ "rule", "action", INI_TYPE_ENUM, false, 0, 0, NULL, RULE_ACTIONS_TEXT, NULL,
	  "what becomes of them", NULL },
	{ "rule", "limit", INI_TYPE_TEXT, false, 3, 8, NULL, NULL, NULL,
	  "only so many new connections: 10/s, 10/m or 10/h; more of them do not meet the rule",
	  rule_check_limit },
	{ "rule", "log", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "tell of it in the kernel's log, once a second at most", NULL },
	{ "rule", "interface", INI_TYPE_TEXT, true, 1, IFNAMSIZ - 1, NULL, NULL, NULL,
	  "the interface to the outside; a * at the end matches all that begin so",
	  rule_check_interface },
	{ "rule", "source", INI_TYPE_TEXT, true, 1, 64, NULL, NULL, NULL,
	  "only from this address or subnet", rule_check_prefix },
	{ "rule", "destination", INI_TYPE_TEXT, true, 1, 64, NULL, NULL, NULL,
	  "only to this address or subnet", rule_check_prefix },
	{ "rule", "protocol", INI_TYPE_ENUM, true, 0, 0, NULL, "tcp|udp|icmp", NULL,
	  "only this protocol", NULL },
	{ "rule", "port", INI_TYPE_TEXT, true, 1, 11, NULL, NULL, NULL,
	  "only to this port or range; of a published port the host's", rule_check_ports },
};

static const char *const named[] = {
	"network", "bridge", "netdev", "address", "route", "rule", NULL
};

const struct ini_schema conf_schema = { "network", keys, ARRAY_LEN(keys), named };

bool conf_subnet6_ok(const struct ip6 *subnet6, uint8_t prefix6)
{
	struct ip6 network = ip6_network(subnet6, prefix6);

	/* Room for as many containers as the largest usual IPv4 subnet; local or global unicast. */
	return prefix6 >= 16 && prefix6 <= 112 && ip6_equal(subnet6, &network) &&
	       (ip6_is_ula(subnet6) || (subnet6->b[0] & 0xe0) == 0x20);
}

void conf_uplink_default(struct conf_uplink *ret_uplink)
{
	*ret_uplink = (struct conf_uplink){
		.name = "default",
		.dhcp = true,
		.probe = CONF_PROBE_YES,
		.metric = METRIC_DEFAULT,
		.accept_ra = true,
		.ra_dns = true,
		.ra_domains = true,
		.ra_dhcp6 = true,
		.dhcp6 = { .use_address = true,
			   .use_dns = true,
			   .use_domains = true,
			   .use_ntp = true,
			   .send_release = true },
		.dhcp4 = { .use_routes = CONF_USE_ROUTES_GATEWAY,
			   .use_dns = true,
			   .use_domains = true,
			   .use_mtu = true,
			   .use_ntp = true,
			   .use_hostname = true,
			   .send_hostname = true,
			   .send_release = true },
	};
}

static void read_dhcp4(const struct ini_section *section, struct conf_dhcp4 *dhcp4)
{
	const char *routes = ini_text(&conf_schema, section, "DHCPv4.UseRoutes");

	dhcp4->use_routes = !strcmp(routes, "no")    ? CONF_USE_ROUTES_NO
			    : !strcmp(routes, "yes") ? CONF_USE_ROUTES_ALL
						     : CONF_USE_ROUTES_GATEWAY;
	dhcp4->use_dns = conf_flag(section, "DHCPv4.UseDNS");
	dhcp4->use_domains = conf_flag(section, "DHCPv4.UseDomains");
	dhcp4->use_mtu = conf_flag(section, "DHCPv4.UseMTU");
	dhcp4->use_ntp = conf_flag(section, "DHCPv4.UseNTP");
	dhcp4->use_hostname = conf_flag(section, "DHCPv4.UseHostname");
	dhcp4->v6only = conf_flag(section, "DHCPv4.IPv6OnlyMode");
	dhcp4->send_hostname = conf_flag(section, "DHCPv4.SendHostname");
	dhcp4->send_release = conf_flag(section, "DHCPv4.SendRelease");
	dhcp4->by_duid =
		!strcmp(ini_text(&conf_schema, section, "DHCPv4.ClientIdentifier"), "duid");
	dhcp4->metric = conf_number(section, "DHCPv4.RouteMetric");
	for (const struct ini_value *v = conf_values(section, "DHCPv4.RequestOptions"); v;
	     v = v->next)
		(void)conf_options_parse(v->text, dhcp4);
	(void)str_copy(str_from(ini_text(&conf_schema, section, "DHCPv4.Hostname")),
		       dhcp4->hostname, sizeof(dhcp4->hostname));
}

static void read_dhcp6(const struct ini_section *section, struct conf_dhcp6 *dhcp6)
{
	const struct ini_value *hint =
		ini_get(&conf_schema, section, "DHCPv6.PrefixDelegationHint");
	const char *without = ini_text(&conf_schema, section, "DHCPv6.WithoutRA");
	struct ip6 ip6;

	if (hint)
		(void)ip6_parse_prefix(hint->text, -1, &ip6, &dhcp6->hint_len);
	dhcp6->without_ra = !strcmp(without, "solicit") ? CONF_WITHOUT_RA_SOLICIT
			    : !strcmp(without, "no")	? CONF_WITHOUT_RA_NO
							: CONF_WITHOUT_RA_INFORMATION;
	dhcp6->use_address = conf_flag(section, "DHCPv6.UseAddress");
	dhcp6->use_dns = conf_flag(section, "DHCPv6.UseDNS");
	dhcp6->use_domains = conf_flag(section, "DHCPv6.UseDomains");
	dhcp6->use_ntp = conf_flag(section, "DHCPv6.UseNTP");
	dhcp6->send_release = conf_flag(section, "DHCPv6.SendRelease");
}

static void read_link(const struct ini_section *section, struct conf_uplink *uplink)
{
	const char *policy = ini_text(&conf_schema, section, "Link.ActivationPolicy");
	const struct ini_value *v = conf_values(section, "Match.MACAddress");

	for (; v && uplink->mac_count < CONF_MACS_MAX; v = v->next)
		(void)mac_parse(v->text, uplink->macs[uplink->mac_count++]);
	v = conf_values(section, "Match.PermanentMACAddress");
	for (; v && uplink->perm_mac_count < CONF_MACS_MAX; v = v->next)
		(void)mac_parse(v->text, uplink->perm_macs[uplink->perm_mac_count++]);
	(void)str_copy(str_from(ini_text(&conf_schema, section, "Match.Type")), uplink->type,
		       sizeof(uplink->type));
	(void)str_copy(str_from(ini_text(&conf_schema, section, "Match.Driver")), uplink->driver,
		       sizeof(uplink->driver));
	v = ini_get(&conf_schema, section, "Link.MACAddress");
	uplink->set_mac = v && mac_parse(v->text, uplink->mac) == 0;
	uplink->unmanaged = conf_flag(section, "Link.Unmanaged");
	uplink->activation = !strcmp(policy, "manual") ? CONF_ACTIVATION_MANUAL
			     : !strcmp(policy, "down") ? CONF_ACTIVATION_DOWN
						       : CONF_ACTIVATION_UP;
	uplink->mtu = conf_number(section, "Link.MTUBytes");
	if (!uplink->mtu)
		uplink->mtu = conf_number(section, "MTUBytes");
}

static void read_addresses(const struct ini_section *section, struct conf_uplink *uplink)
{
	const struct ini_value *v;

	for (v = conf_values(section, "Address"); v; v = v->next) {
		struct conf_addr6 *six = &uplink->addrs6[uplink->addr6_count];
		struct conf_addr *four = &uplink->addrs[uplink->addr_count];

		if (uplink->addr_count < CONF_ADDRS_MAX &&
		    ip4_parse_prefix(v->text, -1, &four->ip4, &four->prefix) == 0)
			uplink->addr_count++;
		else if (uplink->addr6_count < CONF_ADDRS_MAX &&
			 ip6_parse_prefix(v->text, -1, &six->ip6, &six->prefix) == 0)
			uplink->addr6_count++;
	}
	for (v = conf_values(section, "Gateway"); v; v = v->next)
		if (ip4_parse(v->text, &uplink->gateway) < 0)
			(void)ip6_parse(v->text, &uplink->gateway6);
	uplink->no_ip6 = !strcmp(ini_text(&conf_schema, section, "LinkLocalAddressing"), "no");
	uplink->accept_ra = !uplink->no_ip6 && conf_flag(section, "IPv6AcceptRA");
	uplink->ra_dns = conf_flag(section, "IPv6AcceptRA.UseDNS");
	uplink->ra_domains = conf_flag(section, "IPv6AcceptRA.UseDomains");
	uplink->ra_dhcp6 = conf_flag(section, "IPv6AcceptRA.DHCPv6Client");
	uplink->ra_routes = conf_flag(section, "IPv6AcceptRA.UseRoutePrefix");
	v = ini_get(&conf_schema, section, "IPv6AcceptRA.Token");
	if (v)
		(void)conf_token_parse(v->text, &uplink->token);
}

static void read_lists(const struct ini_section *section, struct conf_uplink *uplink)
{
	const struct ini_value *v;

	for (v = conf_values(section, "DNS"); v && uplink->dns_count < CONF_DNS_MAX; v = v->next)
		if (ip_any_parse(v->text, &uplink->dns[uplink->dns_count]) == 0)
			uplink->dns_count++;
	for (v = conf_values(section, "Domains"); v && uplink->domain_count < CONF_DOMAINS_MAX;
	     v = v->next)
		if (str_copy(v->text, uplink->domains[uplink->domain_count], DOMAIN_MAX) == 0)
			uplink->domain_count++;
	for (v = conf_values(section, "NTP"); v && uplink->ntp_count < CONF_NTP_MAX; v = v->next)
		if (str_copy(v->text, uplink->ntp[uplink->ntp_count], DOMAIN_MAX) == 0)
			uplink->ntp_count++;
}

static void add_uplink(struct ini_config *ini, struct ini_section *section, struct conf *conf)
{
	struct conf_uplink *uplink = &conf->uplinks[conf->uplink_count];
	const char *dhcp, *probe;

	if (conf->uplink_count == CONF_UPLINKS_MAX ||
	    str_copy(str_from(section->name), uplink->name, sizeof(uplink->name)) < 0) {
		ini_complain(ini, section, NULL,
			     "[network %s]: at most %d networks, names of %d bytes", section->name,
			     CONF_UPLINKS_MAX, NETD_NAME_MAX);
		return;
	}
	conf->uplink_count++;
	(void)str_copy(str_from(ini_text(&conf_schema, section, "Match.Name")), uplink->match,
		       sizeof(uplink->match));
	uplink->refused = section->bad;
	if (section->bad)
		return;
	read_link(section, uplink);
	read_addresses(section, uplink);
	read_lists(section, uplink);
	read_dhcp4(section, &uplink->dhcp4);
	read_dhcp6(section, &uplink->dhcp6);
	conf_read_parts(ini, section, uplink);
	dhcp = ini_text(&conf_schema, section, "DHCP");
	/* DHCPv6 is begun by routers, or by DHCPv6.WithoutRA. */
	uplink->dhcp =
		!uplink->master[0] &&
		(dhcp[0] ? !strcmp(dhcp, "yes") || !strcmp(dhcp, "ipv4") : uplink->addr_count == 0);
	probe = ini_text(&conf_schema, section, "DuplicateAddressDetection");
	uplink->probe = !strcmp(probe, "strict") ? CONF_PROBE_STRICT
			: !strcmp(probe, "no")	 ? CONF_PROBE_NO
						 : CONF_PROBE_YES;
	if (ini_get(&conf_schema, section, "DHCPv4.SendDecline") &&
	    uplink->probe != CONF_PROBE_STRICT)
		uplink->probe =
			conf_flag(section, "DHCPv4.SendDecline") ? CONF_PROBE_YES : CONF_PROBE_NO;
	uplink->metric = conf_number(section, "RouteMetric");
}

void conf_from_ini(struct ini_config *ini, struct conf *ret_conf)
{
	*ret_conf = (struct conf){ .bridge_count = 1 };
	ret_conf->bridges[0] =
		(struct conf_bridge){ .name = "bridge", .subnet = 0xac110000, .prefix = 16 };
	for (struct ini_section *section = ini->sections; section; section = section->next) {
		if (!strcmp(section->kind, "network"))
			add_uplink(ini, section, ret_conf);
		else if (!strcmp(section->kind, "bridge"))
			conf_add_bridge(ini, section, ret_conf);
		else if (!strcmp(section->kind, "dns"))
			conf_read_dns(ini, section, &ret_conf->dns);
	}
	for (struct ini_section *section = ini->sections; section; section = section->next) {
		if (!strcmp(section->kind, "route"))
			conf_add_route(ini, section, ret_conf);
		else if (!strcmp(section->kind, "address"))
			conf_add_address(ini, section, ret_conf);
		else if (!strcmp(section->kind, "netdev"))
			conf_add_netdev(ini, section, ret_conf);
	}
	conf_note_refused(ini, ret_conf);
	rules_from_ini(ini, &ret_conf->rules);
}

bool conf_match(const char *glob, const char *name)
{
	const char *star = NULL, *retry = NULL;

	while (*name) {
		if (*glob == '?' || *glob == *name) {
			glob++;
			name++;
		} else if (*glob == '*') {
			star = ++glob;
			retry = name;
		} else if (star) {
			glob = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}

bool conf_match_list(const char *list, const char *name, bool *ret_exact)
{
	bool invert = list[0] == '!', found = false;
	struct str rest = str_from(list + invert), word;
	char glob[CONF_MATCH_MAX];

	*ret_exact = false;
	while (rest.len && str_cut(&rest, ' ', &word)) {
		if (!word.len || str_copy(word, glob, sizeof(glob)) < 0)
			continue;
		found |= conf_match(glob, name);
		*ret_exact |= !invert && !strcmp(glob, name);
	}
	return found != invert;
}
