/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_NL_NFT_H
#define HOY_NETD_NL_NFT_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "netd/driver.h"
#include "netd/ip6.h"
#include "netd/nl/nl.h"
#include "netd/rule.h"

/*
 * The one firewall table, "inet hoy". Its chains change with the operator's rules alone; networks
 * and published ports are elements of its sets and maps, so a change costs the same with ten ports
 * and ten thousand.
 *
 *   map pub4   address . protocol . port -> address . port   published on one host address
 *   map any4   protocol . port -> address . port             published on every host address
 *   set nets4  subnets of the container networks             set brs       their bridges
 *   set inner  bridges of internal networks                  set pairs     bridge . the same bridge
 *   map pub6, any6, set nets6   the same for IPv6            set nat4/6    those of nets4/6 whose
 *                                                                          packets are translated
 *   set shut4/6   those of nat4/6 that nobody outside is let in to directly
 *   set reach4/6  address . protocol . port in containers, where that itself is published
 *   set open      bridge . family . protocol that everybody outside is let in to
 *
 *   map splice    protocol -> port on ::1 that what is published on ::1 is led to
 *
 *   guard (prerouting -300)  nothing but lo may carry 127/8 (of ::1 the kernel sees to that);
 *                            nobody outside reaches a container's translated address directly
 *   out (nat -100)           to ::1 and published there: to the port that map splice has
 *   pre, out (nat -100)      to a local address -> pub: dnat by pub4, else by any4
 *   in (input 0)             lo, established, neighbours and DHCP; all else -> opin
 *   fwdc (forward 0, drop)   established; same bridge; internal ends here; dnat from a bridge; dnat
 *                            -> oppub; open, reach -> oppub; bridge -> outside -> opout; outside
 *                            -> outside -> oproute
 *   opin, oppub, opout, oproute   the operator's rules for that way, then its policy
 *   op.NAME, limit.NAME, logs     of a rule that is logged or limited; the limit of all logged ones
 *   count.NAME, count.policy.WAY  how many packets met a rule, a policy
 *   pst (nat 100)            masquerade loopback and hairpin of published ports, and what leaves
 */
struct nft_network {
	char bridge[IFNAMSIZ];
	uint32_t subnet;
	uint8_t prefix;
	bool internal;
	bool no_icc;	    /* nothing is passed on from one of its containers to another */
	struct ip6 subnet6; /* zero = no IPv6 */
	uint8_t prefix6;
	bool nat4, nat6, shut4, shut6; /* in which sets its subnets are */
	enum network_gate gate4, gate6;
};

/* One row of published ports: `count` consecutive ones. Addresses in host byte order. */
struct nft_port {
	uint8_t proto;
	uint32_t host_ip4; /* 0 = every address */
	uint16_t host_port;
	uint32_t to_ip4;
	uint16_t to_port;
	uint16_t count;
	bool v6; /* host_ip6 (zero = every one) and to_ip6 count, not the others */
	struct ip6 host_ip6, to_ip6;
	bool routed; /* published is the container's own address, which is the host's here */
};

struct nft_content {
	const struct nft_network *networks;
	size_t network_count;
	const struct nft_port *ports;
	size_t port_count;
	const struct rules *rules;
	/* Where TCP and UDP to ::1 are led; 0 = nowhere. */
	uint16_t splice_port, splice_udp_port;
};

/* What changes in one batch: the removals come first. */
struct nft_change {
	const struct nft_network *network_del, *network_add; /* NULL = none */
	const struct nft_port *port_del, *port_add;
	size_t port_del_count, port_add_count;
};

/* ---- pure encoders: whole batches, begin and end included ---- */

/* The table alone with these flags, made or taken over. */
void nft_encode_claim(uint32_t table_flags, struct buf *out);
/* Deletes the table and makes it anew with its whole content: one transaction, no gap. */
void nft_encode_table(uint32_t table_flags, const struct nft_content *content, struct buf *out);
void nft_encode_change(const struct nft_change *change, struct buf *out);
void nft_encode_drop(struct buf *out);
/* The table of the bridges, as the two above. Ports of containers are vHASH.N. */
enum { NFT_PORT_HASH_DIGITS = 10, NFT_COUNT_NAME_MAX = RULE_NAME_MAX + 1 };
/* Names of the counters: this and the rule's, or the way's with "policy." in front. */
#define NFT_COUNT_PREFIX "count."
#define NFT_COUNT_POLICY "policy."
void nft_encode_bridge_claim(uint32_t table_flags, struct buf *out);
void nft_encode_bridge(uint32_t table_flags, struct buf *out);

/* ---- expressions, for nft_table.c ---- */

struct nft_expr {
	size_t elem, data;
};
struct nft_expr nft_expr_begin(struct buf *out, const char *name);
void nft_expr_end(struct buf *out, struct nft_expr expr);
void nft_expr_meta(struct buf *out, uint32_t key, uint32_t reg);
void nft_expr_ct(struct buf *out, uint32_t key, uint32_t reg);
void nft_expr_ct_original(struct buf *out, uint32_t key, uint32_t reg); /* before translation */
void nft_expr_payload(struct buf *out, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg);
void nft_expr_cmp(struct buf *out, uint32_t reg, bool equal, const void *data, size_t len);
void nft_expr_range(struct buf *out, uint32_t reg, const void *first, const void *last, size_t len);
void nft_expr_mask(struct buf *out, uint32_t reg, const void *mask, size_t len); /* len <= 16 */
void nft_expr_lookup(struct buf *out, const char *set, bool invert);
void nft_expr_map(struct buf *out, const char *map, uint32_t dreg);
void nft_expr_fib_daddr_type(struct buf *out);
void nft_expr_dnat(struct buf *out, uint8_t family, uint32_t addr_reg, uint32_t port_reg);
void nft_expr_redirect(struct buf *out, uint32_t port_reg);
void nft_expr_masquerade(struct buf *out);
void nft_expr_reject(struct buf *out, bool tcp);
void nft_expr_limit(struct buf *out, const char *object);
void nft_expr_count(struct buf *out, const char *object);
void nft_expr_log(struct buf *out, const char *prefix);
void nft_expr_verdict(struct buf *out, int32_t code, const char *chain);

/* ---- messages of a batch, for nft_table.c and nft_elem.c ---- */

size_t nft_begin(struct buf *out, uint16_t type, uint16_t flags, uint8_t family);
void nft_batch_begin(struct buf *out);
void nft_batch_end(struct buf *out);
void nft_encode_sets(struct buf *out); /* and chains */
void nft_encode_rules(const struct rules *rules, struct buf *out);
extern const char *const nft_rule_chains[RULE_WAYS];
void nft_encode_networks(const struct nft_network *networks, size_t count, bool add,
			 struct buf *out);
void nft_encode_ports(const struct nft_port *ports, size_t count, bool add, struct buf *out);
void nft_encode_splice(uint16_t tcp_port, uint16_t udp_port, struct buf *out);

/* ---- on the kernel ---- */

struct nft {
	struct nl nl;
	uint32_t table_flags; /* what the kernel agreed to */
};

/*
 * Opens the socket and claims the table: owned and persistent where the kernel can (a foreign flush
 * then passes it by, and it outlives us until the next netd takes it over), else plain. -EPERM when
 * another live process owns it.
 */
int nft_open(struct nft *nft, struct err *err);
void nft_done(struct nft *nft);
bool nft_owned(const struct nft *nft);

/* How many packets met a rule, or a way's policy ("policy.inbound"), since the table was loaded. */
struct nft_count {
	char name[NFT_COUNT_NAME_MAX];
	uint64_t packets, bytes;
};
/* The first `cap` of them. */
int nft_counts(struct nft *nft, struct nft_count *list, size_t cap, size_t *ret_count,
	       struct err *err);
/* One of the kernel's answer; false: it is none of ours. Pure. */
bool nft_read_count(const struct nl_message *message, struct nft_count *ret_count);

/* Table "bridge hoy": no container is a router or DHCP server to its bridge. */
int nft_load_bridge(struct nft *nft, struct err *err);
int nft_load(struct nft *nft, const struct nft_content *content, struct err *err);
int nft_apply(struct nft *nft, const struct nft_change *change, struct err *err);

/* Inside a container: 127.0.0.11:53 leads to the resolver's sockets on other ports. Takes the
 * socket over; it must have been opened in that namespace. */
int nft_redirect_resolver(int netfilter_fd, uint16_t udp_port, uint16_t tcp_port, struct err *err);
void nft_encode_resolver(uint16_t udp_port, uint16_t tcp_port, struct buf *out); /* pure */

/*
 * Forgets tracked UDP flows whose original destination is one of these ports, so that a client with
 * a fixed source port reaches the container that is published now. TCP ends by itself.
 */
int nft_forget_flows(const struct nft_port *ports, size_t count, struct err *err);
/* The request for one range row; pure. */
void nft_encode_forget(const struct nft_port *port, uint16_t host_port, struct buf *out);

/*
 * UDP over IPv6 on ::1: the port that client_port asked for before the firewall led it to our_port.
 * -ENOENT: the kernel does not know of it (any more).
 */
int nft_flow_port(uint16_t client_port, uint16_t our_port, uint16_t *ret_port, struct err *err);
void nft_encode_flow(uint16_t client_port, uint16_t our_port, struct buf *out); /* pure */
/* The destination port of the original direction in the kernel's answer; false: not in it. Pure. */
bool nft_read_flow(const struct nl_message *message, uint16_t *ret_port);

#endif
