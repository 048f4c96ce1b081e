/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_API_NETD_MSG_H
#define HOY_NETD_API_NETD_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"
#include "netd/api/netd_network_msg.h"

/*
 * What others say to netd on /run/hoy/netd.sock. A peer with uid 0 is the engine, one with group
 * hoy-console is the console; SHOW, ROWS, CHECK, PROBE, SUBSCRIBE and NETWORK_LIST are open to
 * both, all else is the engine's. Every call is answered; an error carries a text for the user.
 * -EADDRINUSE: a port or address is taken, by whom; -ENOENT: unknown network (the nearest is named)
 * or container; -ENOSPC: no free address; -EINVAL: a wrong value; -EBUSY: it has containers.
 */
enum netd_msg {
	/*
	 * struct netd_attach; fds: [0] network namespace, [1] NETLINK_ROUTE socket opened inside
	 * it, [2] UDP socket bound to 127.0.0.11 inside it, [3] TCP socket listening there, [4]
	 * NETLINK_NETFILTER socket opened inside it. With [4] the sockets [2] and [3] are bound to
	 * port 0 (any): netd makes port 53 lead to them, and the container may listen on port 53 of
	 * every address itself. Without [4] they are bound to port 53. Bind with IP_FREEBIND (lo is
	 * still down; netd brings it up) and SO_REUSEPORT (a second ATTACH comes while the first
	 * pair is still served). [2] to [4] may be left out.
	 * -> struct netd_attached. Same id and same namespace: the interface is adopted, nothing
	 * that flows is disturbed; the ports are replaced by the new list in one step. Same id and
	 * another namespace: the old one is detached first, its addresses are kept for the new one.
	 */
	NETD_MSG_ATTACH = 1,
	/* {text id} -> {}. Interfaces, ports, names, addresses are given back. Unknown: success. */
	NETD_MSG_DETACH = 2,
	/* {u32 count, text id ...} -> {}. All that the engine has attached since it connected: what
	 * netd remembers beyond it is detached. Sent once after a reconnect. */
	NETD_MSG_SYNC = 3,
	/* struct netd_network_set -> {text subnet, gateway, subnet6, gateway6}; "" where a family
	 * is not there. Again with the same values: success; with others: -EEXIST. */
	NETD_MSG_NETWORK_SET = 4,
	/* {text name} -> {}. Networks of network.ini and "bridge" cannot be removed. */
	NETD_MSG_NETWORK_REMOVE = 5,
	/* {} -> list of struct netd_network */
	NETD_MSG_NETWORK_LIST = 6,
	/* {} -> MORE replies of struct netd_event; the current state comes at once */
	NETD_MSG_SUBSCRIBE = 7,
	/* {text what} -> {text lines}; what: see netd_show_names, or "why ADDRESS:PORT[/udp]",
	 * "trace SRC -> ADDRESS:PORT[/udp]": which published port, rule or absence decides */
	NETD_MSG_SHOW = 8,
	/* {} -> {u32 count, text issue..., text changes} (ini_try() of lib/ini.h): network.ini as
	 * the layers in INI_TRY_DIR would make it. {u8 1} -> the issues of the one in force */
	NETD_MSG_CHECK = 9,
	/*
	 * A further network for an attached container: netd_connect_encode(); fds: [0] its network
	 * namespace, [1] NETLINK_ROUTE socket opened inside it. -> struct netd_attached, all of its
	 * networks. The new one is the last: it takes the default route where no other carries one.
	 * -EEXIST: it is there already. -ENOENT: not attached, or no such network. -ESTALE: it is
	 * attached in another namespace.
	 */
	NETD_MSG_CONNECT = 10,
	/* {text id, text network}; fds as CONNECT -> struct netd_attached, what is left. Default
	 * route and ports go over to the next network that is not internal, or wait for one. */
	NETD_MSG_DISCONNECT = 11,
	/* {text what} -> rows (netd_rows_msg.h): what SHOW prints, for programs */
	NETD_MSG_ROWS = 12,
	/* {} -> {} and an fd: ping, traceroute or dig, see probe_msg.h. -EBUSY: wait for one. */
	NETD_MSG_PROBE = 13,
};

enum netd_event_kind {
	NETD_EVENT_UPLINK_UP = 1, /* up, or its address changed; text = "eth0 10.0.2.15/24" */
	NETD_EVENT_UPLINK_DOWN = 2,
	NETD_EVENT_DNS = 3, /* servers changed; text = addresses separated by spaces */
};

enum {
	NETD_ID_MAX = 64,	     /* container id, bytes */
	NETD_NAME_MAX = 127,	     /* container, alias and network names */
	NETD_NETWORKS_MAX = 8,	     /* per container */
	NETD_ALIASES_MAX = 16,	     /* per container and network */
	NETD_PORTS_MAX = 1024,	     /* rows per container; a row may be a range */
	NETD_PORT_RANGE_MAX = 65535, /* ports per row */
	NETD_NETWORK_LIST_MAX = 128,
	NETD_SYNC_MAX = 1024,
	NETD_SHOW_MAX = 64 * 1024,
};

enum netd_attach_flag {
	NETD_ATTACH_NO_FORWARD = 1, /* the container's resolver answers container names only */
	/* Ports wait where no network lets them in; without it such an ATTACH is refused. */
	NETD_ATTACH_PORTS_WAIT = 2,
};

struct netd_attach_network {
	struct str name, *aliases;
	uint32_t alias_count;
	struct str ip4;	   /* dotted, or empty = netd picks one; stays empty without IPv4 */
	struct str ip6;	   /* the same; stays empty where the network has no IPv6 */
	struct str mac;	   /* empty = it follows from ip4, or from ip6 where that is all */
	struct str ifname; /* inside; empty = the network's prefix and its place among them */
};

struct netd_port {
	uint8_t proto;	   /* 6 TCP, 17 UDP */
	uint32_t host_ip4; /* host byte order, 0 = every address of the host */
	uint16_t host_port;
	uint16_t container_port;
	uint16_t count; /* consecutive ports, 1 = one */
	/* NETD_PORT_*; 0 = IPv4, and IPv6 as well where host_ip4 is 0 and the container has it. */
	uint8_t families;
	uint8_t host_ip6[16]; /* not zero: this one address, and IPv6 alone */
};

enum netd_port_family { NETD_PORT_IP4 = 1, NETD_PORT_IP6 = 2 };

struct netd_attach {
	struct str id, name;
	uint8_t flags;
	struct netd_attach_network *networks; /* the first one carries the default route */
	uint32_t network_count;		      /* 0: only lo and the resolver */
	struct netd_port *ports;
	uint32_t port_count;
};

enum netd_attached_flag {
	NETD_ATTACHED_ROUTED4 =
		1, /* what it publishes there is its own address, none of the host's */
	NETD_ATTACHED_ROUTED6 = 2,
	NETD_ATTACHED_TOLD6 = 4, /* that the network has IPv6 was asked for */
};

struct netd_attached_network {
	struct str network, ip4; /* "" without IPv4 */
	uint8_t prefix;
	struct str gateway; /* "" on an internal network */
	struct str mac;
	struct str ifname; /* inside the container: eth0, eth1 ... */
	struct str ip6;	   /* "" without IPv6 */
	uint8_t prefix6;
	struct str gateway6, host_ip; /* where ports that name no address are published; "" = all */
	uint8_t flags;		      /* enum netd_attached_flag */
};

struct netd_attached {
	struct netd_attached_network *networks; /* in the order of the request */
	uint32_t count;
};

struct netd_event {
	uint8_t kind; /* enum netd_event_kind */
	struct str text;
};
extern const char *const netd_show_names[]; /* what SHOW understands, ends with NULL */

/*
 * Encoders append to out (its sticky error tells). Decoders return 0, -EBADMSG (form) or -EINVAL
 * (a value), with arrays in the arena and strings as slices into body.
 */
void netd_attach_encode(const struct netd_attach *attach, struct buf *out);
int netd_attach_decode(struct str body, struct arena *arena, struct netd_attach *ret_attach,
		       struct err *err);

void netd_connect_encode(struct str id, const struct netd_attach_network *network, struct buf *out);
int netd_connect_decode(struct str body, struct arena *arena, struct str *ret_id,
			struct netd_attach_network *ret_network, struct err *err);

void netd_attached_encode(const struct netd_attached *attached, struct buf *out);
int netd_attached_decode(struct str body, struct arena *arena, struct netd_attached *ret_attached,
			 struct err *err);

void netd_event_encode(const struct netd_event *event, struct buf *out);
int netd_event_decode(struct str body, struct netd_event *ret_event, struct err *err);

#endif
