/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_MAIN_H
#define HOY_NETD_MAIN_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/loop.h"
#include "lib/msg.h"
#include "netd/api/netd_msg.h"
#include "netd/conf.h"
#include "netd/container/attachment.h"
#include "netd/container/keep.h"
#include "netd/container/network.h"
#include "netd/link/uplink.h"
#include "netd/main_dns.h"
#include "netd/nl/nft.h"
#include "netd/nl/nl.h"
#include "netd/ntp/ntp_client.h"

/*
 * What the files of role main share: one struct, one instance. role_main.c starts and stops, the
 * others are what they are called; main_client.c serves the socket, main_show.c prints.
 */
enum { MAIN_CLIENTS_MAX = 16 };

enum main_identity { MAIN_IDENTITY_ENGINE = 1, MAIN_IDENTITY_CONSOLE = 2, MAIN_IDENTITY_OTHER = 4 };

struct netd;

/* What the ntp role said last. */
struct main_time_report {
	uint8_t verdict; /* enum ntp_verdict */
	uint8_t agreed;	 /* servers */
	bool synchronised;
	int64_t offset_ns;
};

struct main_time {
	struct uplink_time_servers servers;
	struct main_time_report report;
	bool failed; /* the clock could not be set */
};

/* What this machine is called by in IPv6, for its whole life. */
struct main_self {
	struct ip6 ula; /* fdXX:XXXX:XXXX::/48; zero = the kernel has no IPv6 */
	uint8_t secret[16];
};

struct main_client {
	struct netd *netd;
	struct msg_peer peer;
	bool used;
	uint32_t subscribed; /* serial of SUBSCRIBE, 0 = none */
};

struct main_helper {
	struct netd *netd;
	const char *role; /* "dhcp", "dns", "ntp" */
	struct msg_peer peer;
	int pidfd;
	struct loop_io exit_io;
	struct loop_timer restart;
	unsigned failures;
	struct mono started;
};

struct netd {
	struct loop loop;
	struct conf conf;
	struct rules rules_before; /* what the table has while conf's are new */
	/* conf's were taken once; they are those of before: mistakes, or the kernel refused */
	bool has_rules, rules_kept, rules_unfit;
	int config_fd; /* /run/hoy/config, -1 = none */
	int state_fd;  /* /run/hoy/netd */
	int attach_fd; /* /run/hoy/netd/attach */
	int etc_fd;    /* /run/hoy/net/etc */
	int sysctl_fd; /* /proc/sys */
	int data_fd;   /* /data/state, -1 = not there (yet) */
	struct nl route, events;
	struct nft nft;
	struct main_self self;
	struct networks networks;
	struct attachments attachments;
	struct keep keep;
	struct uplinks uplinks;
	struct uplink_dns dns;
	struct main_dns forwarder;
	char uplink_text[64]; /* last event: "eth0 10.0.2.15/24", "" = down */
	struct loop_io events_io, listen_io;
	struct loop_timer scan, alive, stop;
	bool going_off; /* the machine is being powered off */
	struct msg_peer init;
	struct main_client clients[MAIN_CLIENTS_MAX];
	struct main_helper dhcp, dns_role, ntp, splice; /* netd of the last two: NULL = not yet */
	int splice_fd, splice_udp_fd;			/* TCP and UDP on ::1; -1 = none */
	uint16_t splice_port, splice_udp_port;
	struct main_time time;
};
/* main_init.c: INIT_MSG_*; init may be absent in tests of other parts (then -1 is no error). */
int main_init_start(struct netd *netd, int fd, struct err *err);
void main_init_ready(struct netd *netd, const char *text);
void main_init_status(struct netd *netd, const char *text);

/* main_conf.c: network.ini, also again at RELOAD. */
int main_conf_load(struct netd *netd, struct err *err);
/* Networks of the configuration and those that calls made: into netd->networks, without bridges. */
void main_networks_load(struct netd *netd);
int main_networks_save(struct netd *netd, struct err *err);

/* main_ula.c: the machine's own prefix; of this boot, then the one that /data keeps. */
void main_self_start(struct netd *netd);
void main_self_data(struct netd *netd);

int main_link_start(struct netd *netd, struct err *err);
/* Compares the kernel with what is wanted and changes the difference, soon. */
void main_link_scan_soon(struct netd *netd);
void main_link_lease(struct netd *netd, uint32_t index, struct mono asked,
		     const struct dhcp_lease *lease);
void main_link_known(struct netd *netd, uint32_t index, const struct nd_known *known);
void main_link_lost(struct netd *netd, uint32_t index, const char *why);
void main_link_forget_dhcp(struct netd *netd); /* the role died: START again */
/* release: leases are given back where SendRelease says so; LOST tells when that is done. */
void main_link_stop(struct netd *netd, bool release);
bool main_link_releasing(const struct netd *netd);
void main_link_data(struct netd *netd, bool ready); /* /data came or went */

/* main_lease.c; main_lease_read(): the lease and when it was asked for, into start. */
struct dhcp_start;
void main_lease_save(const struct netd *netd, const struct uplink *uplink);
void main_lease_drop(const struct netd *netd, const struct uplink *uplink);
bool main_lease_read(int dirfd, const struct uplink *uplink, struct dhcp_start *start);

/* main_dhcp6.c */
void main_link_lease6(struct netd *netd, uint32_t index, struct mono asked,
		      const struct dhcp6_lease *lease);
void main_link_lost6(struct netd *netd, uint32_t index, const char *why);
void main_dhcp6_recall(struct netd *netd, struct uplink *uplink); /* the lease of this boot */
void main_dhcp6_id(const struct netd *netd, const struct uplink *uplink, struct dhcp_id *ret_id);
void main_dhcp6_keep(struct netd *netd, struct uplink *uplink, const struct rtnl_state *state);
void main_dhcp6_stop(struct netd *netd, struct uplink *uplink, bool release);
void main_dhcp6_decline(struct netd *netd, struct uplink *uplink);
void main_dhcp6_data(struct netd *netd, struct uplink *uplink); /* /data is there */
/* Gives the networks below a delegated prefix their subnets, where it is another one. */
void main_dhcp6_networks(struct netd *netd);
void main_dhcp6_networks_recall(struct netd *netd); /* the prefix of this boot, at the start */

/* main_nd.c: routers of IPv6. */
void main_nd_start(struct netd *netd, struct uplink *uplink);
void main_nd_stop(struct netd *netd, struct uplink *uplink);
void main_nd_recall(struct netd *netd, struct uplink *uplink); /* of this boot */
void main_nd_sysctls(struct netd *netd, const struct uplink *uplink);

/* main_roles.c */
int main_helper_start(struct netd *netd, struct main_helper *helper, const char *role,
		      struct err *err);
void main_helper_send(struct main_helper *helper, uint16_t type, struct str body, const int *fds,
		      size_t nfds);
void main_dns_attach(struct netd *netd, const struct attachment *attachment, bool with_sockets);
void main_dns_detach(struct netd *netd, struct str id);

/* main_probe.c: a process that pings, traces or digs once; the fd that speaks to it. -EBUSY. */
int main_probe_start(struct netd *netd, struct err *err);
void main_probe_sysctls(struct netd *netd); /* its user may make ICMP datagram sockets */
/* main_heal.c: *state is loaded anew where something was put back; false = try again. */
bool main_heal(struct netd *netd, struct rtnl_state *state);
void main_sweep(struct netd *netd); /* once the engine has said what there is */

/* main_time.c */
bool main_time_allowed(void);		   /* may this process be given CAP_SYS_TIME? */
void main_time_servers(struct netd *netd); /* they may have changed */
void main_time_forget(struct netd *netd);  /* the role is new */
void main_time_hurry(struct netd *netd);
void main_time_adjust(struct netd *netd, int64_t offset_ns, bool at_once);
void main_time_state(struct netd *netd, const struct main_time_report *report);
void main_time_show(const struct netd *netd, struct buf *out);

/* main_container.c */
int main_firewall_load(struct netd *netd, struct err *err);
uint32_t main_mtu(const struct netd *netd, const struct rtnl_state *state); /* 0 = the usual */
int main_attach(struct netd *netd, const struct netd_attach *attach, struct msg *msg,
		struct buf *reply, struct err *err);
/* main_connect.c: NETD_MSG_CONNECT and DISCONNECT. */
int main_connect(struct netd *netd, struct str id, const struct netd_attach_network *network,
		 struct msg *msg, struct buf *reply, struct err *err);
int main_disconnect(struct netd *netd, struct str id, struct str network, struct msg *msg,
		    struct buf *reply, struct err *err);
void main_detach(struct netd *netd, struct attachment *attachment);
int main_network_set(struct netd *netd, const struct network *wanted, struct network **ret_network,
		     struct err *err);
int main_network_remove(struct netd *netd, struct network *network, struct err *err);
uint32_t main_network_users(const struct netd *netd, const struct network *network);

/* main_client.c */
int main_client_start(struct netd *netd, int listen_fd, struct err *err);
/* The engine connects again and attaches everything anew. */
void main_client_renew(struct netd *netd);
void main_client_event(struct netd *netd, enum netd_event_kind kind, const char *text);

#endif
