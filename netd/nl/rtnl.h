/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_NL_RTNL_H
#define HOY_NETD_NL_RTNL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "netd/ip4.h"
#include "netd/ip6.h"
#include "netd/nl/nl.h"

/*
 * Links, addresses, routes and neighbours (rtnetlink(7)). Encoders append one request to a buffer
 * and are pure; readers turn one message into a struct. IPv4 addresses are in host byte order. An
 * address or route with `v6` uses the fields that end in 6, one without it the others.
 */

/* Marks addresses (IFA_PROTO) and routes (rtm_protocol) as ours: what lacks it is never touched. */
enum { RTNL_OURS = 72 };
enum { RTNL_FOREVER = -1, RTNL_TABLE_MAIN = 254 };
/* Values of rtm_type of routes that lead nowhere; packets are refused, dropped, or asked elsewhere.
 */
enum {
	RTNL_TYPE_BLACKHOLE = 6,
	RTNL_TYPE_UNREACHABLE = 7,
	RTNL_TYPE_PROHIBIT = 8,
	RTNL_TYPE_THROW = 9,
};
/* Values of rtm_scope. */
enum { RTNL_SCOPE_GLOBAL = 0, RTNL_SCOPE_LINK = 253 };

struct rtnl_link {
	int index;
	int master;	/* 0 = none */
	uint32_t flags; /* IFF_* */
	uint32_t mtu;
	uint16_t arp_type; /* ARPHRD_* */
	bool carrier;
	char name[IFNAMSIZ];
	char kind[16]; /* "bridge", "veth" ...; "" = hardware (or lo) */
	uint8_t mac[6];
	uint8_t perm_mac[6]; /* that the hardware came with; zero = none */
	uint32_t group;	     /* RTNL_OURS: network.ini declares it */
	int parent;	     /* of a VLAN; 0 = none */
	uint16_t vlan_id;    /* of a VLAN */
	uint8_t bond_mode;   /* of a bond */
	uint8_t mode;	     /* of a macvlan or ipvlan */
	bool stp, vlan_filtering;
	bool isolated;	 /* a bridge's port that hears no other such port */
	char qdisc[16];	 /* "noqueue", "tbf" ... */
	char driver[32]; /* "" = not asked for: rtnl_state_drivers() */
};

struct rtnl_addr {
	int index;
	uint32_t ip4;
	uint8_t prefix;
	uint8_t proto;
	int64_t valid_s; /* RTNL_FOREVER = no end */
	bool v6;
	struct ip6 ip6;
	int64_t preferred_s;  /* IPv6; 0 = deprecated */
	bool nodad;	      /* used at once: nobody else can have it */
	bool noroute;	      /* its prefix is not on the link by itself */
	bool tentative;	      /* read: not usable yet */
	bool dad_failed;      /* read: somebody else has it */
	bool deprecated;      /* IPv4: not a source by itself (IPv6: preferred_s = 0) */
	uint8_t scope;	      /* IPv4: RTNL_SCOPE_* */
	char label[IFNAMSIZ]; /* IPv4: "" = the link's name */
};

struct rtnl_route {
	uint32_t dst, gateway, prefsrc; /* 0 = none */
	uint8_t prefix;
	uint8_t proto, scope, type; /* RT_SCOPE_*, RTN_* */
	uint32_t table;		    /* 0 = the main one */
	uint32_t metric;
	int out;      /* ifindex, 0 = none */
	uint32_t mtu; /* 0 = the link's */
	bool onlink;
	bool v6;
	struct ip6 dst6, gateway6, prefsrc6; /* zero = none */
};

/* One end of a new veth pair; the peer is born inside the namespace. */
struct rtnl_veth {
	const char *name;
	const char *peer_name;
	const uint8_t *peer_mac;
	int peer_netns_fd;
	int master; /* bridge of the host end */
	uint32_t mtu;
};

/* IFF_UP on or off; mtu, name and master are changed when not 0/NULL (a renamed link must be down).
 */
struct rtnl_link_change {
	int index;
	bool set_up, up;
	uint32_t mtu;
	bool set_master; /* also to none */
	int master;
	const uint8_t *mac; /* six bytes, or NULL */
	const char *name;
};

void rtnl_encode_link_change(const struct rtnl_link_change *change, struct buf *out);
void rtnl_encode_bridge(const char *name, const uint8_t mac[6], struct buf *out);
void rtnl_encode_veth(const struct rtnl_veth *veth, struct buf *out);
void rtnl_encode_link_del(int index, struct buf *out);
void rtnl_encode_addr(const struct rtnl_addr *addr, bool add, struct buf *out);
void rtnl_encode_route(const struct rtnl_route *route, bool add, struct buf *out);
/* "blackhole", "unreachable", "prohibit", "throw"; NULL of a route that leads somewhere. */
const char *rtnl_route_nowhere(uint8_t type);
/* A permanent neighbour entry. */
void rtnl_encode_neigh(int index, uint32_t ip4, const uint8_t mac[6], struct buf *out);

/* 0, -ENOMSG when it is a message of another kind, -EBADMSG. */
int rtnl_read_link(const struct nl_message *message, struct rtnl_link *ret_link);
int rtnl_read_addr(const struct nl_message *message, struct rtnl_addr *ret_addr);
int rtnl_read_route(const struct nl_message *message, struct rtnl_route *ret_route);

/* The kernel's present state in bounded arrays. */
enum { RTNL_LINKS_MAX = 1024, RTNL_ADDRS_MAX = 1024, RTNL_ROUTES_MAX = 1024 };

struct rtnl_state {
	struct rtnl_link *links;
	struct rtnl_addr *addrs;
	/* Of the main table, and ours of the others; without the kernel's own. */
	struct rtnl_route *routes;
	size_t link_count, addr_count, route_count;
	bool more; /* there was more than fits */
};

int rtnl_state_load(struct nl *nl, struct rtnl_state *ret_state, struct err *err);
/* Fills in links[].driver; of one that has none it stays empty. */
void rtnl_state_drivers(struct nl *nl, struct rtnl_state *state);
void rtnl_state_done(struct rtnl_state *state); /* accepts NULL and zeroed */
const struct rtnl_link *rtnl_state_link(const struct rtnl_state *state, int index);
const struct rtnl_link *rtnl_state_named(const struct rtnl_state *state, const char *name);

/* Opens a socket that is told of every change of links, addresses and routes; read it with
 * nl_receive(). */
int rtnl_watch(struct nl *nl, struct err *err);

/* One request of its own with its acknowledgement. */
int rtnl_link_up(struct nl *nl, int index, struct err *err);
/* Up, and a port of the bridge `master`. */
int rtnl_link_join(struct nl *nl, int index, int master, struct err *err);
/* A bridge's port: do packets of other isolated ports reach it? */
int rtnl_port_isolate(struct nl *nl, int index, bool isolated, struct err *err);
int rtnl_find_link(struct nl *nl, const char *name, struct rtnl_link *ret_link, struct err *err);

#endif
