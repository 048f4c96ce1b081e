/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the names of containers in the dns role. Memory only. It must never tell a container about
 * one that it shares no network with.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "netd/dns/dns_table.h"
#include "netd/ip4.h"

enum { SHORT_ID = 12 };

int dns_table_init(struct dns_table *table)
{
	table->entries = calloc(DNS_CONTAINERS_MAX, sizeof(*table->entries));
	return table->entries ? 0 : -ENOMEM;
}

void dns_table_done(struct dns_table *table)
{
	if (!table || !table->entries)
		return;
	for (int i = 0; i < DNS_CONTAINERS_MAX; i++)
		free(table->entries[i].networks);
	free(table->entries);
	table->entries = NULL;
}

int dns_table_find(const struct dns_table *table, struct str id)
{
	for (int i = 0; i < DNS_CONTAINERS_MAX; i++)
		if (table->entries[i].id[0] && str_is(id, table->entries[i].id))
			return i;
	return -ENOENT;
}

void dns_table_remove(struct dns_table *table, int index)
{
	free(table->entries[index].networks);
	table->entries[index] = (struct dns_entry){ .id = "" };
}

static int fill_network(struct dns_table_network *dst, const struct netd_attach_network *src)
{
	if (str_copy(src->name, dst->name, sizeof(dst->name)) < 0 ||
	    ip4_parse(src->ip4, &dst->ip4) < 0 ||
	    (src->ip6.len && ip6_parse(src->ip6, &dst->ip6) < 0))
		return -EINVAL;
	for (uint32_t a = 0; a < src->alias_count; a++)
		if (str_copy(src->aliases[a], dst->aliases[dst->alias_count++],
			     sizeof(dst->aliases[0])) < 0)
			return -EINVAL;
	return 0;
}

int dns_table_set(struct dns_table *table, const struct netd_attach *attach)
{
	int index = dns_table_find(table, attach->id);
	struct dns_entry entry = { .forward = !(attach->flags & NETD_ATTACH_NO_FORWARD) };

	for (int i = 0; index < 0 && i < DNS_CONTAINERS_MAX; i++)
		if (!table->entries[i].id[0])
			index = i;
	if (index < 0)
		return -ENOSPC;
	if (str_copy(attach->id, entry.id, sizeof(entry.id)) < 0 ||
	    str_copy(attach->name, entry.name, sizeof(entry.name)) < 0)
		return -EINVAL;
	entry.networks = calloc(attach->network_count + 1, sizeof(*entry.networks));
	if (!entry.networks)
		return -ENOMEM;
	for (uint32_t i = 0; i < attach->network_count; i++) {
		if (fill_network(&entry.networks[i], &attach->networks[i]) < 0) {
			free(entry.networks);
			return -EINVAL;
		}
	}
	entry.network_count = attach->network_count;
	dns_table_remove(table, index);
	table->entries[index] = entry;
	return index;
}

static bool called(const struct dns_entry *entry, const struct dns_table_network *network,
		   struct str name)
{
	if (name.len == 0)
		return false;
	if (str_is_nocase(name, entry->name) ||
	    (name.len == SHORT_ID && str_eq(name, str_head(str_from(entry->id), SHORT_ID))))
		return true;
	for (size_t a = 0; a < network->alias_count; a++)
		if (str_is_nocase(name, network->aliases[a]))
			return true;
	return false;
}

static const struct dns_table_network *shared(const struct dns_entry *asker, const char *network)
{
	for (size_t i = 0; i < asker->network_count; i++)
		if (!strcmp(asker->networks[i].name, network))
			return &asker->networks[i];
	return NULL;
}

bool dns_table_lookup(const struct dns_table *table, int asker, const struct dns_name *name,
		      struct dns_found *ret_found)
{
	const struct dns_entry *me = &table->entries[asker];
	char text[DNS_NAME_TEXT_MAX];
	struct str wanted = str_from(dns_name_text(name, text));

	ret_found->ip4_count = ret_found->ip6_count = 0;
	for (int i = 0; i < DNS_CONTAINERS_MAX; i++) {
		const struct dns_entry *entry = &table->entries[i];

		for (size_t n = 0; entry->id[0] && n < entry->network_count; n++) {
			const struct dns_table_network *network = &entry->networks[n];

			if (!shared(me, network->name) || !called(entry, network, wanted))
				continue;
			if (ret_found->ip4_count < DNS_ADDRESSES_MAX)
				ret_found->ip4[ret_found->ip4_count++] = network->ip4;
			if (!ip6_is_zero(&network->ip6) && ret_found->ip6_count < DNS_ADDRESSES_MAX)
				ret_found->ip6[ret_found->ip6_count++] = network->ip6;
		}
	}
	return ret_found->ip4_count > 0;
}

/* ip6 counts when it is not NULL, else ip4. */
static bool find_name(const struct dns_table *table, int asker, uint32_t ip4, const struct ip6 *ip6,
		      struct dns_name *ret_name)
{
	const struct dns_entry *me = &table->entries[asker];

	for (int i = 0; i < DNS_CONTAINERS_MAX; i++) {
		const struct dns_entry *entry = &table->entries[i];

		for (size_t n = 0; entry->id[0] && n < entry->network_count; n++) {
			const struct dns_table_network *network = &entry->networks[n];

			if ((ip6 ? ip6_equal(&network->ip6, ip6) : network->ip4 == ip4) &&
			    shared(me, network->name))
				return dns_name_parse(str_from(entry->name), ret_name) == 0;
		}
	}
	return false;
}

bool dns_table_reverse(const struct dns_table *table, int asker, uint32_t ip4,
		       struct dns_name *ret_name)
{
	return find_name(table, asker, ip4, NULL, ret_name);
}

bool dns_table_reverse6(const struct dns_table *table, int asker, const struct ip6 *ip6,
			struct dns_name *ret_name)
{
	return !ip6_is_zero(ip6) && find_name(table, asker, 0, ip6, ret_name);
}
