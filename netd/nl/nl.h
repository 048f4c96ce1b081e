/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_NL_NL_H
#define HOY_NETD_NL_NL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * Netlink framing (netlink(7)): building requests in a struct buf, reading answers in bounds, and
 * one request-and-answer exchange on a socket. Building and reading are pure.
 */

/* ---- building; the buffer's sticky error tells at the end ---- */

/* Starts a message with its family header; returns its offset for nl_end(). */
size_t nl_begin(struct buf *out, uint16_t type, uint16_t flags, const void *header, size_t len);
/* Patches the length and pads to 4. */
void nl_end(struct buf *out, size_t start);

void nl_put(struct buf *out, uint16_t type, const void *data, size_t len);
void nl_put_u8(struct buf *out, uint16_t type, uint8_t v);
void nl_put_u16(struct buf *out, uint16_t type, uint16_t v);
void nl_put_u32(struct buf *out, uint16_t type, uint32_t v);
void nl_put_be16(struct buf *out, uint16_t type, uint16_t v);
void nl_put_be64(struct buf *out, uint16_t type, uint64_t v);
void nl_put_be32(struct buf *out, uint16_t type, uint32_t v);
void nl_put_text(struct buf *out, uint16_t type, const char *text); /* with its NUL */
size_t nl_nest(struct buf *out, uint16_t type);			    /* sets NLA_F_NESTED */
void nl_nest_end(struct buf *out, size_t start);

/* ---- reading ---- */

struct nl_attr {
	uint16_t type; /* without the flag bits */
	struct str data;
};

/* The next attribute of *rest; false at the end or at the first malformed one (*rest is emptied).
 */
bool nl_attr_next(struct str *rest, struct nl_attr *ret_attr);
/* Fixed-size values: 0 when the attribute has another size. */
uint8_t nl_attr_u8(const struct nl_attr *attr);
uint32_t nl_attr_u32(const struct nl_attr *attr);
uint32_t nl_attr_be32(const struct nl_attr *attr);
/* Copies a NUL-terminated or bare string; false when it does not fit in cap. */
bool nl_attr_text(const struct nl_attr *attr, char *dst, size_t cap);

struct nl_message {
	uint16_t type;
	uint16_t flags;
	uint32_t seq;
	struct str body; /* behind struct nlmsghdr */
};

/* The next message of a datagram, as nl_attr_next(). */
bool nl_message_next(struct str *rest, struct nl_message *ret_message);

/*
 * The verdict of an NLMSG_ERROR message: 0 for an acknowledgement, else the negative errno, with
 * the kernel's own words (extended ack) in text when it gave some.
 */
int nl_message_error(const struct nl_message *message, char *text, size_t cap);

/* ---- talking ---- */

struct nl {
	int fd; /* owned, -1 = none */
	uint32_t seq;
};

/* Opens a socket of the protocol (NETLINK_ROUTE, NETLINK_NETFILTER) in this network namespace. */
int nl_open(struct nl *nl, int protocol, struct err *err);
/* Takes over a socket that was opened elsewhere (inside a container's namespace). */
int nl_adopt(struct nl *nl, int fd, struct err *err);
/* Subscribes to a notification group (by number, RTNLGRP_LINK ...). */
int nl_join(struct nl *nl, int group, struct err *err);
void nl_done(struct nl *nl); /* accepts NULL and zeroed-with-fd--1 */

/*
 * Sends all messages in `batch` (sequence numbers are filled in, NLM_F_ACK is set on the last) and
 * collects the answers. 0, or the first error the kernel gave, with `what` named in err.
 */
int nl_call(struct nl *nl, struct buf *batch, const char *what, struct err *err);

/* One dump; fn is called for each message until it returns non-zero, which ends up as the result.
 */
typedef int nl_dump_fn(const struct nl_message *message, void *owner, struct err *err);
int nl_dump(struct nl *nl, struct buf *request, nl_dump_fn *fn, void *owner, const char *what,
	    struct err *err);

/* One request that the kernel answers with a message and an acknowledgement, as nl_dump(). */
int nl_get(struct nl *nl, struct buf *request, nl_dump_fn *fn, void *owner, const char *what,
	   struct err *err);

/* One datagram of notifications, not blocking: its length, 0 when there is none, -ENOBUFS when some
 * were lost (take a fresh dump), or another negative errno. */
int nl_receive(struct nl *nl, void *data, size_t cap);

enum { NL_DATAGRAM_MAX = 32 * 1024, NL_BATCH_MAX = 8 << 20 };

#endif
