/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_MSG_H
#define HOY_NETD_DNS_DNS_MSG_H

/* Between netd main and its dns role. Bodies: */
enum dns_msg {
	/* struct netd_attach with every address filled in; fds: [0] UDP and [1] TCP
	 * socket inside the container, or none: the sockets it has stay. */
	DNS_MSG_ATTACH = 0x0301,
	DNS_MSG_DETACH = 0x0302, /* {text id} */
	/* {u32 serial, struct dns_upstreams}: asked in this order; fd: the authorities that are
	 * trusted, as a PEM file, where one is asked by TLS and has to have a certificate. */
	DNS_MSG_UPSTREAM = 0x0303,
	/* To main: {u32 serial of UPSTREAM, u8 server, text}: what its connection is like. */
	DNS_MSG_LINK = 0x0311,
};

#endif
