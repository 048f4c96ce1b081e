/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_MSG_WIRE_H
#define HOY_LIB_MSG_WIRE_H

#include "lib/msg.h"

/* What msg.c and msg_peer.c share, and what the fuzz target of the header calls. For lib only. */

enum { MSG_HEADER_SIZE = 20 };

void msg_encode_header(const struct msg *msg, unsigned char header[MSG_HEADER_SIZE]);

/*
 * Reads the header of a packet that came with nfds fds. ret_msg gets type, flags, serial, nfds and
 * the body (a slice of packet; only its length when MSG_FLAG_MEMFD is set). -EBADMSG.
 */
int msg_decode_header(const unsigned char *packet, size_t len, size_t nfds, struct msg *ret_msg,
		      struct err *err);

/* -EMSGSIZE when body or fds are beyond what a message may carry. */
int msg_check_outgoing(const struct msg *msg, struct err *err);

/* The body as a sealed memfd (caller owns). */
int msg_body_memfd(const struct msg *msg, struct err *err);

/* One packet; fds includes a memfd. 0 or a negative errno, no text. */
int msg_send_raw(int fd, const unsigned char header[MSG_HEADER_SIZE], struct str body,
		 const int *fds, size_t nfds);

/* Turns the body of a reply with MSG_FLAG_ERROR into err; returns its code. */
int msg_read_error(const struct msg *reply, struct err *err);

#endif
