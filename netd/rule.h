/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_RULE_H
#define HOY_NETD_RULE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/ini.h"
#include "netd/api/netd_msg.h"
#include "netd/ip6.h"

/*
 * The operator's own rules: [firewall] and [rule NAME] of network.ini as fixed-size records. For
 * each way that a new connection can take, the rules are asked in the order of the file; the first
 * that matches decides, else the policy of that way. Answers to what was let through pass.
 */
enum {
	RULES_MAX = 64,
	RULE_NAME_MAX = 63,
	RULE_PARTS_MAX = 16, /* sources, destinations, ports of one rule */
	RULE_LIMIT_MAX = 100000,
	RULE_ENTRIES_MAX = 1024, /* what all of them come to in the kernel's table */
};

enum rule_way {
	RULE_INBOUND,	/* to the machine's own sockets */
	RULE_PUBLISHED, /* from outside to a published port */
	RULE_OUTBOUND,	/* from a container to the outside */
	RULE_ROUTED,	/* through the machine, from one uplink to another */
	RULE_WAYS,
};
extern const char *const rule_way_names[RULE_WAYS];

enum rule_action { RULE_ACCEPT, RULE_DROP, RULE_REJECT, RULE_ACTIONS };
extern const char *const rule_action_names[RULE_ACTIONS];

enum { RULE_TCP = 1, RULE_UDP = 2, RULE_ICMP = 4 };

struct rule_prefix {
	bool v6; /* ip6 counts, else ip4 */
	uint8_t len;
	uint32_t ip4;
	struct ip6 ip6;
};

struct rule_ports {
	uint16_t first, last;
};

/* So many connections in that time, as many at once; what comes faster does not meet the rule. */
struct rule_limit {
	uint32_t count; /* 0 = no limit */
	uint32_t seconds;
};

struct rule {
	char name[RULE_NAME_MAX + 1];
	enum rule_way way;
	enum rule_action action;
	char interfaces[RULE_PARTS_MAX][IFNAMSIZ]; /* each may end in '*' */
	size_t interface_count;			   /* 0 = any */
	struct rule_prefix sources[RULE_PARTS_MAX], destinations[RULE_PARTS_MAX];
	size_t source_count, destination_count; /* 0 = any */
	unsigned protocols;			/* RULE_TCP ..., 0 = any */
	struct rule_ports ports[RULE_PARTS_MAX];
	size_t port_count; /* 0 = any */
	struct rule_limit limit;
	bool log; /* into the kernel's log, as often as all rules together may */
};

struct rules {
	enum rule_action policies[RULE_WAYS];
	struct rule list[RULES_MAX];
	size_t count;
	/* There was a mistake: whoever has older rules keeps them; these let nothing in. */
	bool refused;
};

/* One combination of a rule's parts, as the kernel's table takes them. */
struct rule_entry {
	uint8_t family;					/* AF_INET, AF_INET6, 0 = both */
	uint8_t proto;					/* IPPROTO_*, 0 = any */
	const struct rule_prefix *source, *destination; /* NULL = any */
	const struct rule_ports *ports;			/* NULL = any */
	const char *interface;				/* NULL = any */
};

/* RULE_TCP ...; 0 = no such name. */
unsigned rule_protocol(struct str name);

/* What holds where network.ini says nothing. */
void rules_default(struct rules *ret_rules);
/* What lets nothing in, and nothing out of containers either: in place of refused ones. */
void rules_close(struct rules *rules, bool outbound);
/* Mistakes are added to ini's issues. */
void rules_from_ini(struct ini_config *ini, struct rules *ret_rules);

/* For the schema: what one value may look like. */
int rule_check_ports(struct str value, struct err *err);
int rule_check_prefix(struct str value, struct err *err);
int rule_check_interface(struct str value, struct err *err);
int rule_check_limit(struct str value, struct err *err);
int rule_parse_limit(struct str value, struct rule_limit *ret_limit); /* "10/m"; -EINVAL */

/* Entry number i; false: its parts are of two families, there is no such packet. */
bool rule_entry(const struct rule *rule, size_t i, struct rule_entry *ret_entry);
/* One more than the last number to ask rule_entry() for. */
size_t rule_combinations(const struct rule *rule);

/* Can a packet of this kind to this port meet the rule? */
bool rule_may_match(const struct rule *rule, enum rule_way way, uint8_t proto, uint16_t port,
		    bool v6);
/* Does nothing but the port and the protocol decide? */
bool rule_is_unconditional(const struct rule *rule);

/* Parts as text, separated by blanks; '*' = any. */
void rule_print_prefixes(const struct rule_prefix *list, size_t count, struct buf *out);
void rule_print_protocols(const struct rule *rule, struct buf *out);
void rule_print_ports(const struct rule *rule, struct buf *out);
void rule_print_interfaces(const struct rule *rule, struct buf *out);
void rule_print_limit(const struct rule *rule, struct buf *out); /* "10/m", '*' = none */

#endif
