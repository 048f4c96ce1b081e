/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_TABLE_H
#define HOY_NETD_DNS_DNS_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include "netd/api/netd_msg.h"
#include "netd/dns/dns_codec.h"

/*
 * Who is called what: the containers with their networks, names and addresses. A container sees the
 * names of those it shares a network with, at their address on that network.
 */
enum { DNS_CONTAINERS_MAX = 1024, DNS_ADDRESSES_MAX = 32 };

struct dns_table_network {
	char name[NETD_NAME_MAX + 1];
	uint32_t ip4;	/* 0 = none */
	struct ip6 ip6; /* zero = none */
	char aliases[NETD_ALIASES_MAX][NETD_NAME_MAX + 1];
	size_t alias_count;
};

/* Ports inside the container that it publishes. */
struct dns_port {
	uint8_t proto;
	uint16_t first, count;
};

struct dns_entry {
	char id[NETD_ID_MAX + 1]; /* "" = free */
	char name[NETD_NAME_MAX + 1];
	bool forward;
	struct dns_table_network *networks; /* heap */
	size_t network_count;
	struct dns_port *ports; /* heap */
	size_t port_count;
};

/* One name or address of a container on one of its networks. */
struct dns_row {
	uint32_t hash;
	uint16_t entry, network;
};

struct dns_table {
	struct dns_entry *entries; /* DNS_CONTAINERS_MAX, heap */
	struct dns_row *rows;	   /* sorted by hash, entry, network; heap */
	size_t row_count, row_room;
	bool stale; /* rows are made anew by the next question */
};

int dns_table_init(struct dns_table *table);
void dns_table_done(struct dns_table *table);
/* Adds or replaces; addresses are required in attach->networks. Index, -ENOSPC, -ENOMEM, -EINVAL.
 */
int dns_table_set(struct dns_table *table, const struct netd_attach *attach);
/* Index or -ENOENT. */
int dns_table_find(const struct dns_table *table, struct str id);
void dns_table_remove(struct dns_table *table, int index);

struct dns_found {
	uint32_t ip4[DNS_ADDRESSES_MAX];
	size_t ip4_count;
	struct ip6 ip6[DNS_ADDRESSES_MAX];
	size_t ip6_count;
	/* whose address it is, of each */
	uint16_t entry4[DNS_ADDRESSES_MAX], entry6[DNS_ADDRESSES_MAX];
};

/*
 * Addresses of `name` as container `asker` sees it. The name is known when the result is true, even
 * with no address of one kind.
 */
bool dns_table_lookup(struct dns_table *table, int asker, const struct dns_name *name,
		      struct dns_found *ret_found);
/* The name of the container that has this address on a network of the asker. */
bool dns_table_reverse(struct dns_table *table, int asker, uint32_t ip4, struct dns_name *ret_name);
bool dns_table_reverse6(struct dns_table *table, int asker, const struct ip6 *ip6,
			struct dns_name *ret_name);

#endif
