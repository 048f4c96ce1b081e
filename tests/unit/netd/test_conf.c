/* SPDX-License-Identifier: Apache-2.0 */
/* network.ini: records, mistakes, addresses as text. */
#include "lib/own.h"
#include "netd/conf.h"
#include "tests/unit/tap.h"

static unsigned load(const char *text, struct conf *conf, char *issue, size_t cap)
{
	OWN(ini_done) struct ini_config ini;

	ini_init(&ini);
	if (ini_add_text(&ini, &conf_schema, 0, "test:network.ini", str_from(text), NULL) < 0)
		return 99;
	conf_from_ini(&ini, conf);
	snprintf(issue, cap, "%s", ini.issues ? ini.issues->text : "");
	return ini.issue_count;
}

static void test_good(void)
{
	static struct conf conf;
	char issue[400];

	is_int(load("", &conf, issue, sizeof(issue)), 0, "an empty file is fine");
	ok(conf.uplink_count == 0 && conf.bridge_count == 1 && conf.bridges[0].subnet == 0xac110000,
	   "and gives the default bridge");
	is_int(load("[network lan]\nMatch.Name = en*\nAddress = 10.0.0.2/24\nAddress = "
		    "10.0.0.3/24\n"
		    "Address = 2001:db8::7/64\nGateway = 2001:db8::1\nDNS = 2001:db8::53\n"
		    "Gateway = 10.0.0.1\nDNS = 9.9.9.9\nDomains = a.example\nMTUBytes = 9000\n"
		    "[network wan]\nDuplicateAddressDetection = strict\nRouteMetric = 7\n"
		    "[bridge shop]\nsubnet = 172.30.0.0/24\ninternal = yes\n[bridge bridge]\n"
		    "subnet = 10.200.0.0/16\n[bridge six]\nsubnet6 = fd00:7::/64\n"
		    "[bridge four]\nipv6 = no\n",
		    &conf, issue, sizeof(issue)),
	       0, "a full one: %s", issue);
	ok(conf.uplink_count == 2 && conf.uplinks[0].addr_count == 2 && !conf.uplinks[0].dhcp &&
		   conf.uplinks[0].gateway == 0x0a000001 && conf.uplinks[0].mtu == 9000,
	   "static: no DHCP unless asked for");
	ok(conf.uplinks[0].addr6_count == 1 && conf.uplinks[0].gateway6.b[15] == 1 &&
		   conf.uplinks[0].dns_count == 2 && conf.uplinks[0].dns[0].v6 &&
		   conf.uplinks[0].accept_ra && conf.uplinks[0].ra_dns,
	   "IPv6 beside it");
	ok(conf.uplinks[1].dhcp && conf.uplinks[1].probe == CONF_PROBE_STRICT &&
		   conf.uplinks[1].metric == 7 && !strcmp(conf.uplinks[1].match, "*"),
	   "DHCP with what was said");
	ok(conf.bridge_count == 4 && conf.bridges[0].subnet == 0x0ac80000 &&
		   conf.bridges[1].internal && conf.bridges[1].prefix == 24,
	   "bridges; the default one may get another subnet");
	ok(conf.bridges[2].prefix6 == 64 && conf.bridges[2].subnet6.b[3] == 7 &&
		   conf.bridges[3].no_ip6 && !conf.bridges[0].no_ip6,
	   "with an IPv6 subnet, and without IPv6");
}

static void test_dns(void)
{
	static const char pin[] = "pin = sha256//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
	static const char *const bad[] = { "192.0.2.53#",      "192.0.2.53#a b",   "192.0.2.53:0",
					   "192.0.2.53:65536", "[192.0.2.53]:853", "[2001:db8::53",
					   "224.0.0.1",	       "dns.example",	   "127.0.0.53",
					   "127.0.0.53:53" };
	static struct conf conf;
	char issue[400], text[600], shown[DNS_UPSTREAM_TEXT_MAX];
	bool counted = true;

	snprintf(text, sizeof(text),
		 "[dns]\nover_tls = yes\nserver = 192.0.2.53#dns.example\n"
		 "server = [2001:db8::53]:8853#dns.example\nserver = 2001:db8::54\n%s",
		 pin);
	is_int(load(text, &conf, issue, sizeof(issue)), 0, "[dns]: %s", issue);
	ok(conf.dns.over_tls && conf.dns.servers.count == 3 && !conf.dns.refused &&
		   conf.dns.servers.list[2].tls &&
		   dns_upstream_port(&conf.dns.servers.list[0]) == 853 &&
		   dns_upstream_port(&conf.dns.servers.list[1]) == 8853,
	   "three servers by TLS");
	is_text(dns_upstream_text(&conf.dns.servers.list[1], shown),
		"[2001:db8::53]:8853#dns.example", "as it was written");
	for (size_t i = 0; i < DNS_PIN_SIZE; i++)
		counted &= conf.dns.servers.pins[0][i] == i;
	ok(conf.dns.servers.pin_count == 1 && counted, "and a pin");
	is_int(load("[dns]\nserver = 192.0.2.53#dns.example\n", &conf, issue, sizeof(issue)), 1,
	       "a name without TLS");
	ok(conf.dns.refused && !conf.dns.servers.count, "refuses all of it: %s", issue);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[dns]\nover_tls = yes\nserver = %s\n", bad[i]);
		ok(load(text, &conf, issue, sizeof(issue)) == 1 && conf.dns.refused,
		   "server = %s is refused", bad[i]);
	}
	ok(load("[dns]\nserver = 127.0.0.53:53\n", &conf, issue, sizeof(issue)) == 1 &&
		   strstr(issue, "would ask itself"),
	   "the machine's own resolver, and why: %s", issue);
	is_int(load("[dns]\nserver = 127.0.0.53:5353\nserver = 127.0.0.1\n", &conf, issue,
		    sizeof(issue)),
	       0, "others at the loopback are somebody else: %s", issue);
	is_int(load("[dns]\nover_tls = yes\n"
		    "pin = AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n",
		    &conf, issue, sizeof(issue)),
	       1, "a pin with bits that nobody meant");
}

static void test_systemd(void)
{
	static struct conf conf;
	const struct conf_uplink *uplink = &conf.uplinks[0];
	char issue[400];

	is_int(load("[network lan]\nMatch.Name = en* eth0\nMatch.MACAddress = 52:54:00:AA:bb:01\n"
		    "Match.MACAddress = 52:54:00:aa:bb:02\nLink.MTUBytes = 1400\n"
		    "Link.MACAddress = 02:00:00:00:00:07\nLink.ActivationPolicy = manual\n"
		    "DHCPv4.UseRoutes = yes\nDHCPv4.UseDNS = no\nDHCPv4.UseMTU = no\n"
		    "DHCPv4.SendHostname = no\nDHCPv4.Hostname = box\nDHCPv4.SendRelease = no\n"
		    "DHCPv4.RouteMetric = 9\n"
		    "[route far]\nNetwork = lan\nDestination = 10.0.0.0/8\nGateway = 192.0.2.9\n"
		    "MTUBytes = 1300\n[route out]\nNetwork = lan\nGateway = 192.0.2.1\nMetric = "
		    "3\n",
		    &conf, issue, sizeof(issue)),
	       0, "systemd's spelling: %s", issue);
	ok(uplink->mac_count == 2 && uplink->macs[0][3] == 0xaa && uplink->macs[1][5] == 2 &&
		   uplink->set_mac && uplink->mac[5] == 7 && uplink->mtu == 1400 &&
		   uplink->activation == CONF_ACTIVATION_MANUAL && !uplink->unmanaged,
	   "[Match] and [Link]");
	ok(uplink->dhcp && uplink->dhcp4.use_routes == CONF_USE_ROUTES_ALL &&
		   !uplink->dhcp4.use_dns && uplink->dhcp4.use_domains && !uplink->dhcp4.use_mtu &&
		   !uplink->dhcp4.send_hostname && !strcmp(uplink->dhcp4.hostname, "box") &&
		   !uplink->dhcp4.send_release && uplink->dhcp4.metric == 9,
	   "[DHCPv4]");
	is_int(load("[network lan]\nDHCP = ipv6\nNTP = 2001:db8::123\nNTP = ntp.example\n"
		    "DHCPv4.ClientIdentifier = duid\nDHCPv6.UseNTP = no\n"
		    "IPv6AcceptRA.UseRoutePrefix = yes\nIPv6AcceptRA.Token = static:::10\n"
		    "Link.RequiredForOnline = yes\nKeepConfiguration = yes\nLLMNR = no\n"
		    "ConfigureWithoutCarrier = yes\nMulticastDNS = no\n"
		    "Match.PermanentMACAddress = 52:54:00:00:00:09\n",
		    &conf, issue, sizeof(issue)),
	       0, "more of it: %s", issue);
	ok(!uplink->dhcp && uplink->ntp_count == 2 && !strcmp(uplink->ntp[0], "2001:db8::123") &&
		   uplink->dhcp4.by_duid && !uplink->dhcp6.use_ntp && uplink->ra_routes &&
		   uplink->token.b[15] == 0x10 && uplink->perm_macs[0][5] == 9,
	   "DHCP = ipv6 is none of IPv4; time servers by IPv6; [IPv6AcceptRA]");
	is_int(load("[network lan]\nMatch.Driver = virtio_net e1000*\nDHCPv4.UseHostname = no\n"
		    "DHCPv4.IPv6OnlyMode = yes\nIPv4Forwarding = no\nIPMasquerade = no\n",
		    &conf, issue, sizeof(issue)),
	       0, "and more: %s", issue);
	ok(!strcmp(uplink->driver, "virtio_net e1000*") && !uplink->dhcp4.use_hostname &&
		   uplink->dhcp4.v6only,
	   "drivers, the server's name, IPv6 alone");
	is_int(load("[network lan]\nIPMasquerade = ipv4\n", &conf, issue, sizeof(issue)), 1,
	       "IPMasquerade");
	ok(strstr(issue, "network.ini:2:") && strstr(issue, "only containers' are translated"),
	   "is refused with the reason: %s", issue);
	is_int(load("[network lan]\nIPv4Forwarding = yes\n", &conf, issue, sizeof(issue)), 1,
	       "IPv4Forwarding");
	ok(strstr(issue, "[rule NAME] with on = routed"), "and what to write instead: %s", issue);
}

static void test_systemd_routes(void)
{
	static struct conf conf;
	const struct conf_uplink *uplink = &conf.uplinks[0];
	char issue[400];

	is_int(load("[network lan]\nMatch.Name = en* eth0\n[route far]\nNetwork = lan\n"
		    "Destination = 10.0.0.0/8\nGateway = 192.0.2.9\nMTUBytes = 1300\n"
		    "[route out]\nNetwork = lan\nGateway = 192.0.2.1\nMetric = 3\n",
		    &conf, issue, sizeof(issue)),
	       0, "routes: %s", issue);
	ok(uplink->route_count == 2 && uplink->routes[0].dst.prefix == 8 &&
		   uplink->routes[0].mtu == 1300 && uplink->routes[1].dst.prefix == 0 &&
		   uplink->routes[1].metric == 3,
	   "[Route], the default one as well");
	is_int(load("[network lan]\nMatch.Name = eth0\n[route x]\nNetwork = lam\nGateway = "
		    "10.0.0.1\n",
		    &conf, issue, sizeof(issue)),
	       1, "a route of no network");
	ok(strstr(issue, "lam") && conf.uplink_count == 1 && !uplink->refused,
	   "is said and costs itself alone: %s", issue);
}

static void test_bad(void)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
		{ "[network a]\nAdress = 10.0.0.2/24\n", "Address" },
		{ "[network a]\nAddress = 10.0.0.2\n", "prefix" },
		{ "[network a]\nAddress = 10.0.0.256/24\n", "prefix" },
		{ "[network a]\nGateway = 10.0.0.1/24\n", "2001:db8::1" },
		{ "[network a]\nDNS = localhost\n", "2001:db8::1" },
		{ "[network a]\nAddress = ::1/128\n", "2001:db8::7/64" },
		{ "[network a]\nLinkLocalAddressing = ipv4\n", "LinkLocalAddressing" },
		{ "[network a]\nDomains = a b\n", "domain" },
		{ "[network a]\nDHCP = maybe\n", "DHCP" },
		{ "[network a]\nLink.MACAddress = 01:00:00:00:00:01\n", "MAC" },
		{ "[network a]\nMatch.MACAddress = 52-54-00-12-34-56\n", "MAC" },
		{ "[network a]\nDHCPv4.UseRoute = yes\n", "DHCPv4.UseRoutes" },
		{ "[network a]\nDHCPv4.Hostname = a b\n", "host name" },
		{ "[network a]\nLLMNR = yes\n", "LLMNR" },
		{ "[network a]\nNTP = fe80::1\n", "time server" },
		{ "[network a]\nNTP = 192.0.2.1 192.0.2.2\n", "time server" },
		{ "[network a]\nIPv6AcceptRA.Token = ::1:0:0:0:10\n", "static:::10" },
		{ "[network a]\nIPv6AcceptRA.Token = prefixstable\n", "static:::10" },
		{ "[bridge x]\nsubnet = 172.30.0.1/24\n", "subnet" },
		{ "[bridge x]\nsubnet = 172.30.0.0/32\n", "subnet" },
		{ "[bridge x]\nsubnet6 = fd00::1/64\n", "subnet6" },
		{ "[bridge x]\nsubnet6 = fe80::/64\n", "subnet6" },
		{ "[bridge x]\nipv4 = no\nipv6 = no\n", "without addresses" },
		{ "[bridge x]\nipv4 = no\nsubnet = 172.30.0.0/24\n", "subnet6" },
		{ "[bridge x]\nipv4 = no\ngateway = 172.30.0.1\n", "subnet6" },
		{ "[bridge x]\nsubnet = 172.17.9.0/24\n", "overlaps" },
		{ "[brigde x]\nsubnet = 172.30.0.0/24\n", "bridge" },
	};
	static struct conf conf;
	char issue[400];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ok(load(rows[i].text, &conf, issue, sizeof(issue)) >= 1 &&
			   strstr(issue, rows[i].word) && strstr(issue, "test:network.ini:"),
		   "mistake %zu: %s", i, issue);
		ok(conf.bridge_count == 1 && (conf.uplink_count == 0 || conf.uplinks[0].refused),
		   "mistake %zu refuses its section only", i);
	}
}

static void test_text(void)
{
	static const char *const bad[] = { "",		"1.2.3",    "1.2.3.4.5",
					   "01.2.3.4",	"1.2.3.4.", "1..2.3",
					   "256.1.1.1", " 1.2.3.4", "1.2.3.-4" };
	char text[IP4_TEXT_MAX];
	uint32_t ip4 = 0;
	uint8_t prefix;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(ip4_parse(str_from(bad[i]), &ip4) < 0 && ip4 == 0, "'%s' is no address", bad[i]);
	ok(ip4_parse(STR("255.0.10.1"), &ip4) == 0 && ip4 == 0xff000a01, "an address");
	is_text(ip4_text(ip4, text), "255.0.10.1", "and back");
	ok(ip4_parse_prefix(STR("10.0.0.1/33"), -1, &ip4, &prefix) < 0, "a prefix of 33");
	ok(ip4_parse_prefix(STR("10.0.0.1"), 24, &ip4, &prefix) == 0 && prefix == 24,
	   "the default");
	ok(ip4_mask(0) == 0 && ip4_mask(32) == UINT32_MAX && ip4_mask(20) == 0xfffff000, "masks");
	ok(domain_ok(STR("a-b.example_1")) && !domain_ok(STR("-a")) && !domain_ok(STR("a..b")) &&
		   !domain_ok(STR("a\nb")) && !domain_ok(STR("a;b")) && !domain_ok(STR("")),
	   "domains that may stand in resolv.conf");
	ok(conf_match("e?h*", "eth0") && conf_match("*", "x") && !conf_match("en*", "eth0") &&
		   conf_match("a*b*c", "aXbYc") && !conf_match("a*b", "abX"),
	   "globs");
}

static void test_rules(void)
{
	static struct conf conf;
	const struct rule *rule = &conf.rules.list[0];
	struct rule_entry entry;
	int entries = 0;
	char issue[400];

	(void)load("", &conf, issue, sizeof(issue));
	ok(!conf.rules.refused && conf.rules.count == 0 &&
		   conf.rules.policies[RULE_PUBLISHED] == RULE_ACCEPT &&
		   conf.rules.policies[RULE_ROUTED] == RULE_DROP,
	   "without rules: open, but nothing is routed");
	is_int(load("[firewall]\ninbound = drop\npublished = reject\n"
		    "[rule a]\non = published\naction = accept\nsource = 10.0.0.0/8\n"
		    "source = 2001:db8::/32\ndestination = 192.0.2.7\nprotocol = tcp\n"
		    "protocol = udp\nport = 80\nport = 8000-8099\ninterface = wlan*\nlimit = "
		    "10/m\nlog = yes\n"
		    "[rule b]\non = outbound\naction = drop\nprotocol = icmp\n",
		    &conf, issue, sizeof(issue)),
	       0, "rules with every part: %s", issue);
	ok(conf.rules.count == 2 && conf.rules.policies[RULE_INBOUND] == RULE_DROP &&
		   conf.rules.policies[RULE_PUBLISHED] == RULE_REJECT && rule->source_count == 2 &&
		   rule->ports[1].last == 8099 && rule->protocols == (RULE_TCP | RULE_UDP) &&
		   rule->interface_count == 1 && !strcmp(rule->interfaces[0], "wlan*") &&
		   rule->limit.count == 10 && rule->limit.seconds == 60 && rule->log &&
		   !conf.rules.list[1].log && !conf.rules.list[1].limit.count,
	   "are what was said");
	for (size_t i = 0; i < rule_combinations(rule); i++)
		entries += rule_entry(rule, i, &entry);
	is_int(entries, 4,
	       "two protocols, two ports, and only sources of the destination's family");
	entries = 0;
	for (size_t i = 0; i < rule_combinations(&conf.rules.list[1]); i++)
		entries += rule_entry(&conf.rules.list[1], i, &entry);
	is_int(entries, 2, "ICMP is one of each family");
	ok(rule_may_match(rule, RULE_PUBLISHED, 6, 8050, false) &&
		   !rule_may_match(rule, RULE_PUBLISHED, 6, 8050, true) &&
		   !rule_may_match(rule, RULE_PUBLISHED, 6, 81, false) &&
		   !rule_may_match(rule, RULE_INBOUND, 6, 80, false),
	   "what may meet it");
}

static void test_rule_mistakes(void)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "[rule a]\naction = drop\n", "on is missing" },
		{ "[rule a]\non = inbound\n", "action is missing" },
		{ "[rule a]\non = inbound\naction = drop\nport = 22\n", "protocol = tcp or udp" },
		{ "[rule a]\non = inbound\naction = drop\nprotocol = icmp\nport = 22\n",
		  "protocol = tcp or udp" },
		{ "[rule a]\non = inbound\naction = drop\nsource = 10.0.0.1/8\n", "host bits" },
		{ "[rule a]\non = inbound\naction = drop\nsource = ::1\ndestination = 10.0.0.1\n",
		  "two families" },
		{ "[rule a]\non = inbound\naction = drop\nprotocol = tcp\nport = 90-80\n",
		  "a port or a range" },
		{ "[rule a]\non = inbound\naction = drop\nprotocol = tcp\nport = 90-\n",
		  "a port or a range" },
		{ "[rule a]\non = inbound\naction = drop\ninterface = e*h\n", "eth0 or wlan*" },
		{ "[rule]\non = inbound\naction = drop\n", "[rule] needs a name: [rule NAME]" },
		{ "[firewall]\ninbound = open\n", "accept" },
		{ "[firewal]\ninbound = drop\n", "unknown section" },
		{ "[rules ssh]\naction = drop\n", "unknown section" },
		{ "[fw]\ninbound = drop\n", "unknown section" },
		{ "[rule one\naction = drop\n", "section head" },
	};
	static struct conf conf;
	char issue[400];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned issues = load(rows[i].text, &conf, issue, sizeof(issue));

		ok(issues == 1 && strstr(issue, rows[i].why) && conf.rules.refused &&
			   conf.rules.count == 0 &&
			   conf.rules.policies[RULE_PUBLISHED] == RULE_DROP &&
			   conf.rules.policies[RULE_INBOUND] == RULE_DROP &&
			   conf.rules.policies[RULE_OUTBOUND] == RULE_ACCEPT,
		   "a mistake lets nothing in: %s", issue);
	}
	(void)load("[bridg x]\ninternal = yes\n", &conf, issue, sizeof(issue));
	ok(!conf.rules.refused, "what is like another section has nothing to do with it: %s",
	   issue);
	(void)load("[firewall]\noutbound = drop\n[rule a]\non = inbound\n", &conf, issue,
		   sizeof(issue));
	ok(conf.rules.policies[RULE_OUTBOUND] == RULE_DROP, "what was to be kept in stays in");
	(void)load("[rule a]\non = outbound\n", &conf, issue, sizeof(issue));
	ok(conf.rules.policies[RULE_OUTBOUND] == RULE_DROP, "also where only a rule says so");
}

static void test_rules_full(void)
{
	static struct conf conf;
	OWN(buf_done) struct buf text = { 0 };
	char issue[400];

	buf_init(&text, 1 << 16);
	buf_add_text(&text, "[rule a]\non = inbound\naction = drop\nprotocol = tcp\n");
	for (unsigned i = 0; i < RULE_PARTS_MAX; i++)
		buf_printf(&text, "source = 10.0.%u.0/24\ndestination = 10.1.%u.0/24\nport = %u\n",
			   i, i, i + 1);
	buf_add_byte(&text, '\0');
	is_int(load((const char *)text.data, &conf, issue, sizeof(issue)), 1,
	       "too many combinations");
	ok(strstr(issue, "more than 1024") && conf.rules.refused, "are refused: %s", issue);
	buf_clear(&text);
	for (unsigned i = 0; i <= RULES_MAX; i++)
		buf_printf(&text, "[rule r%u]\non = inbound\naction = drop\n", i);
	buf_add_byte(&text, '\0');
	is_int(load((const char *)text.data, &conf, issue, sizeof(issue)), 1, "too many rules");
	ok(strstr(issue, "at most 64 rules"), "are refused: %s", issue);
}

int main(void)
{
	test_good();
	test_dns();
	test_systemd();
	test_systemd_routes();
	test_bad();
	test_text();
	test_rules();
	test_rule_mistakes();
	test_rules_full();
	return tap_done();
}
