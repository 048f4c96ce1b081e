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

static void free_entry(struct dns_entry *entry)
{
	free(entry->networks);
	free(entry->ports);
	*entry = (struct dns_entry){ .id = "" };
}

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
		free_entry(&table->entries[i]);
	free(table->entries);
	free(table->rows);
	*table = (struct dns_table){ .entries = NULL };
}

/* ---- rows: where a name or an address is to be looked for ---- */

/* Kinds of keys never meet: each begins with another number. */
enum { KEY_NAME = 1, KEY_IP4, KEY_IP6 };

/* FNV-1a; letters count as small ones. The keys are the operator's: nobody gains by collisions. */
static uint32_t hash_of(uint8_t kind, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint32_t hash = (UINT32_C(2166136261) ^ kind) * 16777619;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = at[i];

		if (kind == KEY_NAME && c >= 'A' && c <= 'Z')
			c |= 0x20;
		hash = (hash ^ c) * 16777619;
	}
	return hash;
}

static size_t rows_of(const struct dns_entry *entry)
{
	size_t count = 0;

	for (size_t n = 0; n < entry->network_count; n++) /* name, short id, two addresses */
		count += 4 + entry->networks[n].alias_count;
	return count;
}

static int reserve_rows(struct dns_table *table, const struct dns_entry *more)
{
	size_t count = rows_of(more);
	struct dns_row *rows;

	for (int i = 0; i < DNS_CONTAINERS_MAX; i++)
		count += rows_of(&table->entries[i]);
	if (count <= table->row_room)
		return 0;
	rows = realloc(table->rows, 2 * count * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	table->rows = rows;
	table->row_room = 2 * count;
	return 0;
}

static void add_row(struct dns_table *table, int entry, size_t network, uint32_t hash)
{
	table->rows[table->row_count++] = (struct dns_row){ .hash = hash,
							    .entry = (uint16_t)entry,
							    .network = (uint16_t)network };
}

static void add_rows(struct dns_table *table, int index)
{
	const struct dns_entry *entry = &table->entries[index];

	for (size_t n = 0; n < entry->network_count; n++) {
		const struct dns_table_network *network = &entry->networks[n];

		add_row(table, index, n, hash_of(KEY_NAME, entry->name, strlen(entry->name)));
		add_row(table, index, n,
			hash_of(KEY_NAME, entry->id, strnlen(entry->id, SHORT_ID)));
		if (network->ip4)
			add_row(table, index, n,
				hash_of(KEY_IP4, &network->ip4, sizeof(network->ip4)));
		if (!ip6_is_zero(&network->ip6))
			add_row(table, index, n,
				hash_of(KEY_IP6, &network->ip6, sizeof(network->ip6)));
		for (size_t a = 0; a < network->alias_count; a++)
			add_row(table, index, n,
				hash_of(KEY_NAME, network->aliases[a],
					strlen(network->aliases[a])));
	}
}

static int compare_rows(const void *a, const void *b)
{
	const struct dns_row *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->entry != y->entry)
		return x->entry < y->entry ? -1 : 1;
	return x->network < y->network ? -1 : x->network > y->network;
}

/* The first row with that hash, or where it would stand. */
static size_t first_row(struct dns_table *table, uint32_t hash)
{
	size_t low = 0, high;

	if (table->stale) {
		table->row_count = 0;
		for (int i = 0; i < DNS_CONTAINERS_MAX; i++)
			add_rows(table, i);
		if (table->row_count)
			qsort(table->rows, table->row_count, sizeof(*table->rows), compare_rows);
		table->stale = false;
	}
	for (high = table->row_count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (table->rows[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The next row with that hash, each entry and network once; false behind the last one. */
static bool next_row(const struct dns_table *table, size_t *at, uint32_t hash,
		     const struct dns_entry **ret_entry,
		     const struct dns_table_network **ret_network)
{
	const struct dns_row *row = table->rows + *at;

	if (*at >= table->row_count || row->hash != hash)
		return false;
	while (*at < table->row_count && compare_rows(&table->rows[*at], row) == 0)
		++*at;
	*ret_entry = &table->entries[row->entry];
	*ret_network = &(*ret_entry)->networks[row->network];
	return true;
}

/* ---- containers ---- */

int dns_table_find(const struct dns_table *table, struct str id)
{
	for (int i = 0; i < DNS_CONTAINERS_MAX; i++)
		if (table->entries[i].id[0] && str_is(id, table->entries[i].id))
			return i;
	return -ENOENT;
}

void dns_table_remove(struct dns_table *table, int index)
{
	free_entry(&table->entries[index]);
	table->stale = true;
}

static int fill_network(struct dns_table_network *dst, const struct netd_attach_network *src)
{
	if (str_copy(src->name, dst->name, sizeof(dst->name)) < 0 ||
	    (src->ip4.len && ip4_parse(src->ip4, &dst->ip4) < 0) ||
	    (src->ip6.len && ip6_parse(src->ip6, &dst->ip6) < 0))
		return -EINVAL;
	for (uint32_t a = 0; a < src->alias_count; a++)
		if (str_copy(src->aliases[a], dst->aliases[dst->alias_count++],
			     sizeof(dst->aliases[0])) < 0)
			return -EINVAL;
	return 0;
}

static int fill_entry(struct dns_entry *entry, const struct netd_attach *attach)
{
	if (str_copy(attach->id, entry->id, sizeof(entry->id)) < 0 ||
	    str_copy(attach->name, entry->name, sizeof(entry->name)) < 0)
		return -EINVAL;
	entry->networks = calloc(attach->network_count + 1, sizeof(*entry->networks));
	entry->ports = calloc(attach->port_count + 1, sizeof(*entry->ports));
	if (!entry->networks || !entry->ports)
		return -ENOMEM;
	for (uint32_t i = 0; i < attach->network_count; i++)
		if (fill_network(&entry->networks[i], &attach->networks[i]) < 0)
			return -EINVAL;
	entry->network_count = attach->network_count;
	for (uint32_t i = 0; i < attach->port_count; i++)
		entry->ports[i] =
			(struct dns_port){ attach->ports[i].proto, attach->ports[i].container_port,
					   attach->ports[i].count };
	entry->port_count = attach->port_count;
	return 0;
}

int dns_table_set(struct dns_table *table, const struct netd_attach *attach)
{
	int index = dns_table_find(table, attach->id);
	struct dns_entry entry = { .forward = !(attach->flags & NETD_ATTACH_NO_FORWARD) };
	int r;

	for (int i = 0; index < 0 && i < DNS_CONTAINERS_MAX; i++)
		if (!table->entries[i].id[0])
			index = i;
	if (index < 0)
		return -ENOSPC;
	r = fill_entry(&entry, attach);
	if (r == 0)
		r = reserve_rows(table, &entry);
	if (r < 0) {
		free_entry(&entry);
		return r;
	}
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

bool dns_table_lookup(struct dns_table *table, int asker, const struct dns_name *name,
		      struct dns_found *ret_found)
{
	const struct dns_entry *me = &table->entries[asker], *entry;
	const struct dns_table_network *network;
	char text[DNS_NAME_TEXT_MAX];
	struct str wanted = str_from(dns_name_text(name, text));
	uint32_t hash = hash_of(KEY_NAME, wanted.ptr, wanted.len);
	size_t at = first_row(table, hash);
	bool known = false;

	ret_found->ip4_count = ret_found->ip6_count = 0;
	while (next_row(table, &at, hash, &entry, &network)) {
		if (!shared(me, network->name) || !called(entry, network, wanted))
			continue;
		known = true;
		if (network->ip4 && ret_found->ip4_count < DNS_ADDRESSES_MAX) {
			ret_found->entry4[ret_found->ip4_count] =
				(uint16_t)(entry - table->entries);
			ret_found->ip4[ret_found->ip4_count++] = network->ip4;
		}
		if (!ip6_is_zero(&network->ip6) && ret_found->ip6_count < DNS_ADDRESSES_MAX) {
			ret_found->entry6[ret_found->ip6_count] =
				(uint16_t)(entry - table->entries);
			ret_found->ip6[ret_found->ip6_count++] = network->ip6;
		}
	}
	return known;
}

/* ip6 counts when it is not NULL, else ip4. */
static bool find_name(struct dns_table *table, int asker, uint32_t ip4, const struct ip6 *ip6,
		      struct dns_name *ret_name)
{
	const struct dns_entry *me = &table->entries[asker], *entry;
	const struct dns_table_network *network;
	uint32_t hash =
		ip6 ? hash_of(KEY_IP6, ip6, sizeof(*ip6)) : hash_of(KEY_IP4, &ip4, sizeof(ip4));
	size_t at = first_row(table, hash);

	while (next_row(table, &at, hash, &entry, &network))
		if ((ip6 ? ip6_equal(&network->ip6, ip6) : network->ip4 == ip4) &&
		    shared(me, network->name))
			return dns_name_parse(str_from(entry->name), ret_name) == 0;
	return false;
}

bool dns_table_reverse(struct dns_table *table, int asker, uint32_t ip4, struct dns_name *ret_name)
{
	return ip4 && find_name(table, asker, ip4, NULL, ret_name);
}

bool dns_table_reverse6(struct dns_table *table, int asker, const struct ip6 *ip6,
			struct dns_name *ret_name)
{
	return !ip6_is_zero(ip6) && find_name(table, asker, 0, ip6, ret_name);
}
