/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_LINK_UPLINK_H
#define HOY_NETD_LINK_UPLINK_H

#include "lib/mono.h"
#include "netd/conf.h"
#include "netd/dhcp/dhcp_codec.h"
#include "netd/dhcp6/dhcp6_client.h"
#include "netd/link/link_plan.h"
#include "netd/nd/nd_client.h"

/* The links that lead out of the machine: which they are and what they shall look like. Pure. */
enum { UPLINK_INNER_MAX = 64, UPLINK_TIME_SERVERS_MAX = 8 };

struct uplink {
	int index; /* 0 = free */
	char name[IFNAMSIZ];
	uint8_t mac[6];
	bool carrier;
	int master; /* index of conf.master, 0 = not there (yet) */
	struct conf_uplink conf;
	uint32_t metric; /* conf.metric, moved where another uplink has the same; uplinks_rank() */
	struct conf_addr inner[UPLINK_INNER_MAX]; /* container networks: no lease leads them away */
	size_t inner_count;
	struct conf_addr6 inner6[UPLINK_INNER_MAX];
	size_t inner6_count;
	bool dhcp_started;
	bool releasing;	     /* the lease is being given back before the end */
	char dhcp_state[16]; /* for SHOW */
	bool has_lease;
	struct dhcp_lease lease;
	struct mono asked; /* its time counts from here */
	bool dhcp6_started;
	bool releasing6;
	bool managed, other; /* a router said that there is DHCPv6 */
	struct dhcp6_wish wish6;
	struct ip6 source6;
	char dhcp6_state[16]; /* for SHOW */
	bool has_lease6;
	struct dhcp6_lease lease6;
	struct mono asked6; /* its times count from here */
	bool nd_started;
	struct nd_known known;		/* what its routers say */
	uint8_t tries[ND_PREFIXES_MAX]; /* addresses of a prefix that somebody else had */
	uint8_t secret[16];		/* behind stable addresses; of the machine */
};

struct uplinks {
	struct uplink list[CONF_UPLINKS_MAX];
};

/* Hardware that may lead out: Ethernet by type, no kind of its own (bridge, veth, dummy ...), no
 * master. */
bool uplink_suits(const struct rtnl_link *link);

/*
 * Which links are managed and how: those that a [network] section matches (first match wins);
 * without any section the first suitable link, by DHCP. False: leave the link alone.
 */
bool uplink_configure(const struct rtnl_state *state, const struct conf *conf,
		      const struct rtnl_link *link, struct conf_uplink *ret_conf);

/* What the link shall look like now. Without a lease a DHCP link is up and keeps nothing of ours.
 */
void uplink_wanted(const struct uplink *uplink, struct mono now, struct link_wanted *ret_wanted);

/*
 * The stable address of a prefix (RFC 7217): it follows from the secret, the interface, the prefix
 * and how often somebody else had the one before.
 */
struct ip6 uplink_stable_address(const struct uplink *uplink, const struct ip6 *prefix,
				 uint8_t tries);
/* Passes on to another address where the kernel found that somebody else has it; true = it did. */
bool uplink_note_conflicts(struct uplink *uplink, const struct rtnl_state *state);

/* Gives each uplink a metric of its own: equal ones in the order of their indexes. */
void uplinks_rank(struct uplinks *uplinks);

struct uplink *uplink_find(struct uplinks *uplinks, int index);

/* Name servers and search domains of all uplinks, without repeats: with carrier first, by metric.
 */
struct uplink_dns {
	struct ip_any servers[CONF_DNS_MAX];
	size_t server_count;
	char domains[CONF_DOMAINS_MAX][DOMAIN_MAX];
	size_t domain_count;
};
void uplink_dns(const struct uplinks *uplinks, struct uplink_dns *ret_dns);
/* What their servers call the machine; "" = nothing; NULL = not known yet. */
const char *uplink_hostname(const struct uplinks *uplinks);
/* Time servers in the same order: what network.ini names, else what a lease brought. */
struct uplink_time_servers {
	char list[UPLINK_TIME_SERVERS_MAX][DOMAIN_MAX]; /* addresses or names */
	size_t count;
};
void uplink_time_servers(const struct uplinks *uplinks, struct uplink_time_servers *ret_servers);
/* own: the machine has a resolver of its own, which alone is named. */
void uplink_resolv_conf(const struct uplink_dns *dns, bool own, struct buf *out);

#endif
