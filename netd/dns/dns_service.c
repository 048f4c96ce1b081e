/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns which services of containers there are, for SRV questions in the dns role. Memory only. It
 * must never tell of a port that a container does not publish.
 */
#include "netd/dns/dns_service.h"

#include <netinet/in.h>
#include <string.h>
#include "lib/own.h"

/* Names of the service name registry (RFC 6335) that people give containers' ports. */
static const struct {
	const char *name;
	uint16_t port;
} usual[] = {
	{ "amqp", 5672 },  { "amqps", 5671 },	    { "coap", 5683 },  { "domain", 53 },
	{ "ftp", 21 },	   { "http", 80 },	    { "https", 443 },  { "imap", 143 },
	{ "imaps", 993 },  { "ldap", 389 },	    { "ldaps", 636 },  { "mqtt", 1883 },
	{ "mysql", 3306 }, { "nfs", 2049 },	    { "ntp", 123 },    { "postgresql", 5432 },
	{ "redis", 6379 }, { "secure-mqtt", 8883 }, { "sip", 5060 },   { "sips", 5061 },
	{ "smtp", 25 },	   { "ssh", 22 },	    { "syslog", 514 }, { "xmpp-client", 5222 },
};

static uint16_t port_of(struct str label)
{
	uint64_t number;

	if (str_to_u64(label, 1, 65535, &number) == 0)
		return (uint16_t)number;
	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		if (str_is(label, usual[i].name))
			return usual[i].port;
	return 0;
}

static bool publishes(const struct dns_entry *entry, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < entry->port_count; i++) {
		const struct dns_port *row = &entry->ports[i];

		if (row->proto == proto && port >= row->first && port - row->first < row->count)
			return true;
	}
	return false;
}

static struct dns_target *target_of(struct dns_targets *targets, const struct dns_entry *entry)
{
	struct dns_target *target;
	struct dns_name name;

	if (dns_name_parse(str_from(entry->name), &name) < 0)
		return NULL;
	for (size_t i = 0; i < targets->count; i++)
		if (dns_name_same(&targets->list[i].name, &name))
			return &targets->list[i];
	if (targets->count == DNS_TARGETS_MAX)
		return NULL;
	target = &targets->list[targets->count++];
	*target = (struct dns_target){ .name = name };
	return target;
}

/* Cuts "_word." off the front; false where there is none. */
static bool cut_word(struct str *rest, struct str *ret_word)
{
	struct str word, left = *rest;

	if (!str_cut(&left, '.', &word) || word.len < 2 || word.ptr[0] != '_')
		return false;
	*ret_word = str_skip(word, 1);
	*rest = left;
	return true;
}

enum dns_service_verdict dns_service_find(struct dns_table *table, int asker,
					  const struct dns_name *name,
					  struct dns_targets *ret_targets)
{
	char text[DNS_NAME_TEXT_MAX];
	struct str rest = str_from(dns_name_text(name, text)), port = { 0 }, proto;
	struct dns_found found;
	struct dns_name owner;
	uint8_t number;

	*ret_targets = (struct dns_targets){ .count = 0 };
	if (!cut_word(&rest, &proto))
		return DNS_SERVICE_FOREIGN;
	if (!str_is(proto, "tcp") && !str_is(proto, "udp")) {
		port = proto;
		if (!cut_word(&rest, &proto))
			return DNS_SERVICE_FOREIGN;
	}
	if (dns_name_parse(rest, &owner) < 0 || !dns_table_lookup(table, asker, &owner, &found))
		return DNS_SERVICE_FOREIGN;
	number = str_is(proto, "tcp") ? IPPROTO_TCP : str_is(proto, "udp") ? IPPROTO_UDP : 0;
	if (number && !port.len)
		return DNS_SERVICE_EMPTY;
	ret_targets->port = number ? port_of(port) : 0;
	for (size_t i = 0; i < found.ip4_count && ret_targets->port; i++) {
		const struct dns_entry *entry = &table->entries[found.entry4[i]];
		struct dns_target *target;

		if (!publishes(entry, number, ret_targets->port))
			continue;
		target = target_of(ret_targets, entry);
		if (target)
			target->ip4 = found.ip4[i];
	}
	for (size_t i = 0; i < found.ip6_count && ret_targets->port; i++) {
		const struct dns_entry *entry = &table->entries[found.entry6[i]];

		if (publishes(entry, number, ret_targets->port)) {
			struct dns_target *target = target_of(ret_targets, entry);

			if (target)
				target->ip6 = found.ip6[i];
		}
	}
	return ret_targets->count ? DNS_SERVICE_FOUND : DNS_SERVICE_NONE;
}
