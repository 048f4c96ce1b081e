/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the section [dns] of network.ini. Run by netd main at start and at RELOAD. It must never let
 * a mistake send a question in plain text: all of the section is refused then, and nothing is
 * forwarded.
 */
#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "netd/conf_read.h"

int conf_check_server(struct str value, struct err *err)
{
	struct dns_upstream upstream;

	if (dns_upstream_parse(value, &upstream) < 0)
		return err_set(err, -EINVAL,
			       "expected a server such as 192.0.2.53, [2001:db8::53]:853 or "
			       "192.0.2.53#dns.example");
	if (upstream.address.ip4 == DNS_OWN_ADDRESS && !upstream.address.v6 &&
	    (!upstream.port || upstream.port == DNS_PORT))
		return err_set(err, -EINVAL,
			       "127.0.0.53 is the machine's own resolver, which would ask itself; "
			       "name the server that it shall ask");
	return 0;
}

int conf_check_pin(struct str value, struct err *err)
{
	uint8_t pin[DNS_PIN_SIZE];

	if (dns_pin_parse(value, pin) < 0)
		return err_set(err, -EINVAL,
			       "expected 44 characters of base64: the SHA-256 of a public key");
	return 0;
}

static const char *read_section(const struct ini_section *section, struct conf_dns *dns)
{
	struct dns_upstreams *servers = &dns->servers;
	const struct ini_value *v = conf_values(section, "server");

	dns->over_tls = conf_flag(section, "over_tls");
	for (; v && servers->count < DNS_UPSTREAMS_MAX; v = v->next)
		if (dns_upstream_parse(v->text, &servers->list[servers->count]) == 0)
			servers->list[servers->count++].tls = dns->over_tls;
	if (v)
		return "at most 4 servers";
	v = conf_values(section, "pin");
	for (; v && servers->pin_count < DNS_PINS_MAX; v = v->next)
		if (dns_pin_parse(v->text, servers->pins[servers->pin_count]) == 0)
			servers->pin_count++;
	if (v)
		return "at most 4 pins";
	if (servers->pin_count && !dns->over_tls)
		return "pin means nothing without over_tls = yes";
	for (size_t i = 0; i < servers->count && !dns->over_tls; i++)
		if (servers->list[i].name[0])
			return "the name behind # means nothing without over_tls = yes";
	(void)str_copy(str_from(ini_text(&conf_schema, section, "ca_file")), dns->ca_file,
		       sizeof(dns->ca_file));
	return NULL;
}

void conf_read_dns(struct ini_config *ini, struct ini_section *section, struct conf_dns *dns)
{
	const char *why = NULL;

	memset(dns, 0, sizeof(*dns)); /* compared byte for byte */
	if (!section->bad)
		why = read_section(section, dns);
	if (why)
		ini_complain(ini, section, NULL, "[dns]: %s", why);
	if (section->bad || why) {
		memset(dns, 0, sizeof(*dns));
		dns->refused = true;
	}
}
