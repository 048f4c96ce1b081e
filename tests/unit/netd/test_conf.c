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
	ok(conf.uplink_count == 0 && conf.bridge_count == 1 && conf.bridges[0].subnet == 0xac140000,
	   "and gives the default bridge");
	is_int(load("[network lan]\nMatch.Name = en*\nAddress = 10.0.0.2/24\nAddress = "
		    "10.0.0.3/24\n"
		    "Gateway = 10.0.0.1\nDNS = 9.9.9.9\nDomains = a.example\nMTUBytes = 9000\n"
		    "[network wan]\nDuplicateAddressDetection = strict\nRouteMetric = 7\n"
		    "[bridge shop]\nsubnet = 172.30.0.0/24\ninternal = yes\n[bridge bridge]\n"
		    "subnet = 10.200.0.0/16\n",
		    &conf, issue, sizeof(issue)),
	       0, "a full one: %s", issue);
	ok(conf.uplink_count == 2 && conf.uplinks[0].addr_count == 2 && !conf.uplinks[0].dhcp &&
		   conf.uplinks[0].gateway == 0x0a000001 && conf.uplinks[0].mtu == 9000,
	   "static: no DHCP unless asked for");
	ok(conf.uplinks[1].dhcp && conf.uplinks[1].probe == CONF_PROBE_STRICT &&
		   conf.uplinks[1].metric == 7 && !strcmp(conf.uplinks[1].match, "*"),
	   "DHCP with what was said");
	ok(conf.bridge_count == 2 && conf.bridges[0].subnet == 0x0ac80000 &&
		   conf.bridges[1].internal && conf.bridges[1].prefix == 24,
	   "bridges; the default one may get another subnet");
}

static void test_bad(void)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
		{ "[network a]\nAdress = 10.0.0.2/24\n", "Address" },
		{ "[network a]\nAddress = 10.0.0.2\n", "prefix" },
		{ "[network a]\nAddress = 10.0.0.256/24\n", "prefix" },
		{ "[network a]\nGateway = 10.0.0.1/24\n", "IPv4" },
		{ "[network a]\nDNS = localhost\n", "IPv4" },
		{ "[network a]\nDomains = a b\n", "domain" },
		{ "[network a]\nDHCP = maybe\n", "DHCP" },
		{ "[bridge x]\nsubnet = 172.30.0.1/24\n", "subnet" },
		{ "[bridge x]\nsubnet = 172.30.0.0/31\n", "subnet" },
		{ "[bridge x]\nsubnet = 172.20.9.0/24\n", "overlaps" },
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

int main(void)
{
	test_good();
	test_bad();
	test_text();
	return tap_done();
}
