/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_SPLICE_SPLICE_MSG_H
#define HOY_NETD_SPLICE_SPLICE_MSG_H

/* Between netd main and its splice role. Bodies: */
enum splice_msg {
	/* main -> role: {u32 ms until an idle UDP flow ends}; fds [0]: a TCP socket that listens on
	 * ::1, [1]: a UDP socket there */
	SPLICE_MSG_LISTEN = 0x0501,
	/* role -> main: {u8 protocol, u16 port} -> {u16 published port, u16 port of the container,
	 * 16 bytes IPv6 address, u32 IPv4 address or 0}; -ENOENT: not published on ::1 (any more).
	 * Of TCP the published port is asked for; of UDP the client's, as the socket sees it: which
	 * port it asked for the connection tracking knows, and main alone may ask that. */
	SPLICE_MSG_WHERE = 0x0502,
	/* main -> role: {u16 first, u16 count}: UDP flows to these published ports end */
	SPLICE_MSG_FORGET = 0x0503,
};

#endif
