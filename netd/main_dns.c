/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what role dns is told of servers, and the resolver that the machine itself has while [dns]
 * says more than resolv.conf can. Run by netd main. It must never name a server without the TLS
 * that was asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/dns/dns_msg.h"
#include "netd/main.h"

enum { OWN_BACKLOG = 64 };
/* What role dns calls the machine's own resolver: no container's id. */
#define OWN_ID "machine"

bool main_dns_own(const struct netd *netd)
{
	const struct conf_dns *dns = &netd->conf.dns;

	return dns->refused || dns->over_tls || dns->servers.count > 0;
}

static int listen_on(int type, struct err *err)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(DNS_PORT),
				  .sin_addr.s_addr = htonl(DNS_OWN_ADDRESS) };
	OWN_FD int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)(const void *)&at, sizeof(at)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, OWN_BACKLOG) < 0))
		return err_sys(err, -errno, "the machine's own resolver at 127.0.0.53:53");
	return take_fd(&fd);
}

/* Role dns serves these like those of a container without a network: it is told no names. */
static void serve_machine(struct netd *netd)
{
	struct main_dns *own = &netd->forwarder;
	struct netd_attach attach = { .id = STR(OWN_ID), .name = STR(OWN_ID) };
	OWN(buf_done) struct buf body = { 0 };
	struct err err;

	if (!main_dns_own(netd))
		return;
	if (own->udp_fd <= 0 || own->tcp_fd <= 0) {
		own->udp_fd = listen_on(SOCK_DGRAM, &err);
		own->tcp_fd = own->udp_fd < 0 ? -1 : listen_on(SOCK_STREAM, &err);
		if (own->tcp_fd < 0) {
			log_err("%s", err_text(&err));
			own_close(&own->udp_fd);
			return;
		}
	}
	buf_init(&body, 256);
	netd_attach_encode(&attach, &body);
	main_helper_send(&netd->dns_role, DNS_MSG_ATTACH, buf_str(&body),
			 (const int[]){ own->udp_fd, own->tcp_fd }, 2);
}

static void fill(const struct netd *netd, struct dns_upstreams *upstreams)
{
	const struct conf_dns *dns = &netd->conf.dns;

	*upstreams = dns->servers;
	if (dns->refused)
		upstreams->count = 0;
	else if (!dns->servers.count)
		for (size_t i = 0; i < netd->dns.server_count && i < DNS_UPSTREAMS_MAX; i++) {
			upstreams->list[upstreams->count].address = netd->dns.servers[i];
			upstreams->list[upstreams->count++].tls = dns->over_tls;
		}
}

/* The authorities that servers' certificates have to be by; -1 = none can be read. */
static int open_authorities(const struct conf_dns *dns)
{
	OWN_FD int root = -1;
	struct err err;
	int fd;

	if (!dns->over_tls)
		return -1;
	root = fs_open(AT_FDCWD, "/", FS_HOST, O_PATH | O_DIRECTORY, 0, &err);
	if (root < 0) {
		log_err("%s", err_text(&err));
		return -1;
	}
	fd = fs_open(root, dns->ca_file[0] ? dns->ca_file : "/etc/ssl/certs/ca-certificates.crt",
		     FS_IN_ROOT, O_RDONLY, 0, &err);
	/* Pins may be enough: what is missing shows where it is needed. */
	if (fd < 0)
		log_warn("DNS over TLS: no authorities to trust: %s", err_text(&err));
	return fd;
}

void main_dns_upstreams(struct netd *netd)
{
	OWN_FD int authorities = open_authorities(&netd->conf.dns);
	struct main_dns *told = &netd->forwarder;
	OWN(buf_done) struct buf body = { 0 };

	fill(netd, &told->upstreams);
	memset(told->states, 0, sizeof(told->states));
	buf_init(&body, 2048);
	wire_put_u32(&body, ++told->serial);
	dns_upstreams_encode(&told->upstreams, &body);
	main_helper_send(&netd->dns_role, DNS_MSG_UPSTREAM, buf_str(&body), &authorities,
			 authorities >= 0 ? 1 : 0);
	serve_machine(netd);
}

void main_dns_link(struct msg_peer *peer, struct msg *msg)
{
	struct main_helper *helper = peer->owner;
	struct main_dns *told = &helper->netd->forwarder;
	char state[sizeof(told->states[0])];
	struct wire in;
	uint32_t serial;
	uint8_t server;

	wire_init(&in, msg->body.ptr, msg->body.len);
	serial = wire_u32(&in);
	server = wire_u8(&in);
	wire_text(&in, state, sizeof(state));
	if (wire_end(&in) == 0 && serial == told->serial && server < DNS_UPSTREAMS_MAX)
		memcpy(told->states[server], state, sizeof(state));
}

void main_dns_show(const struct netd *netd, struct buf *out)
{
	const struct main_dns *told = &netd->forwarder;
	char text[DNS_UPSTREAM_TEXT_MAX];

	for (size_t i = 0; i < told->upstreams.count; i++) {
		const struct dns_upstream *upstream = &told->upstreams.list[i];

		buf_printf(out, "server %s%s%s%s\n", dns_upstream_text(upstream, text),
			   upstream->tls ? " by TLS" : "", told->states[i][0] ? ": " : "",
			   told->states[i]);
	}
	if (netd->conf.dns.refused)
		buf_add_text(out, "no name server: [dns] of network.ini has a mistake, and "
				  "nothing is forwarded until it is mended\n");
	else if (!told->upstreams.count)
		buf_add_text(out, "no name server: no lease yet, and no DNS in network.ini\n");
}
