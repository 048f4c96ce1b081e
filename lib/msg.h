/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_MSG_H
#define HOY_LIB_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/wire.h"

/*
 * Messages between our processes: one SOCK_SEQPACKET datagram each, a fixed header and a body in
 * wire form. A body over 64 KiB travels as a sealed memfd that rides as the first fd.
 *
 *   offset 0  u32 magic "HOY1"     8  u32 serial (of the call; a reply repeats it)
 *          4  u16 type            12  u32 body length
 *          6  u16 flags           16  u16 nfds (of the message, without the memfd), u16 zero
 */
enum {
	MSG_BODY_INLINE_MAX = 65536,
	MSG_BODY_MAX = 16 << 20,
	MSG_FDS_MAX = 8,
	MSG_CALLS_MAX = 64, /* that the other side is asked at once */
};

enum msg_flag {
	MSG_FLAG_REPLY = 1, /* answers the call with this serial */
	MSG_FLAG_ERROR = 2, /* body is i32 code, text: becomes struct err at the caller */
	MSG_FLAG_MORE = 4,  /* further replies to the same serial follow */
	MSG_FLAG_MEMFD = 8, /* the body is in the first fd */
	MSG_FLAG_CALL = 16, /* the sender waits for a reply */
};

struct msg {
	uint16_t type;
	uint16_t flags;
	uint32_t serial;
	struct str body;
	int fds[MSG_FDS_MAX]; /* owned by the message: msg_done() closes what was not taken */
	size_t nfds;
	void *memory;  /* of the body, freed by msg_done() */
	size_t mapped; /* bytes of memory that are a mapping */
};

/*
 * The body of a received message lives until msg_done(). Up to 64 KiB it stands in the process's
 * one static buffer, so that receiving allocates nothing as long as each message is done with
 * before the next one is received; only then is memory taken from the heap.
 */

void msg_done(struct msg *msg);
/* Moves fd number i out (the caller owns it), -1 when there is none. */
int msg_take_fd(struct msg *msg, size_t i);

/* ---- plain socket calls, blocking or not as the socket is ---- */

/* A connected pair, CLOEXEC. */
int msg_pair(int ret_fds[2], struct err *err);
/* fds are duplicated by the kernel: the caller keeps its own. -EAGAIN when the socket is full. */
int msg_send(int fd, const struct msg *msg, struct err *err);
/* 1 = a message, 0 = the peer is gone, -EAGAIN, -EBADMSG (malformed: drop the peer), other errno.
 */
int msg_recv(int fd, struct msg *ret_msg, struct err *err);

/* A call and its (single) answer on a blocking socket, for clients such as the console and tests.
 */
int msg_call_sync(int fd, uint16_t type, struct str body, const int *fds, size_t nfds,
		  int timeout_ms, struct msg *ret_reply, struct err *err);

/* ---- peers on a loop ---- */

struct msg_peer;

/* Handler of a request. Answer with msg_reply*(), now or later (keep the serial). */
typedef void msg_handler_fn(struct msg_peer *peer, struct msg *msg);

/* One row for each message a daemon takes: checked before the handler runs. */
struct msg_rule {
	uint16_t type;
	const char *name;
	uint32_t min, max; /* body bytes */
	uint8_t fds_min, fds_max;
	uint32_t identities; /* bit set of identities that may send it */
	msg_handler_fn *handler;
};

/*
 * The answer to msg_peer_call(). reply is NULL when the peer went away or the answer was an error
 * (then err tells); with MSG_FLAG_MORE set in reply->flags it is called again.
 */
typedef void msg_reply_fn(struct msg_peer *peer, void *owner, struct msg *reply,
			  const struct err *err);

struct msg_call {
	uint32_t serial; /* 0 = free */
	msg_reply_fn *fn;
	void *owner;
};

struct msg_peer {
	struct loop *loop;
	struct loop_io io;
	int fd;		   /* owned; -1 once closed */
	uint32_t identity; /* one bit; set by whoever accepted or spawned it */
	const struct msg_rule *rules;
	size_t rule_count;
	void (*gone)(struct msg_peer *peer); /* after the fd was closed and calls were failed */
	void *owner;
	uint32_t next_serial;
	struct msg_call calls[MSG_CALLS_MAX];
	struct msg_queued *queue;      /* unsent messages, heap, bounded by queue_max */
	struct msg_queued *held;       /* calls over MSG_CALLS_MAX, oldest first, as bounded */
	size_t queue_bytes, queue_max; /* 0 = never queue: a full socket drops the message */
	uint64_t dropped;
};

/* Takes over fd (made non-blocking). rules may be NULL for a peer that only answers our calls. */
int msg_peer_init(struct msg_peer *peer, struct loop *loop, int fd, uint32_t identity,
		  const struct msg_rule *rules, size_t rule_count, size_t queue_max,
		  void (*gone)(struct msg_peer *peer), void *owner, struct err *err);
/* Closes, fails the outstanding calls, does not call gone(). Accepts a zeroed peer. */
void msg_peer_done(struct msg_peer *peer);
bool msg_peer_alive(const struct msg_peer *peer);
/* Handles what has arrived, at most MSG_DRAIN_MAX messages: of a process that has ended. May call
 * gone(). */
enum { MSG_DRAIN_MAX = 256 };
void msg_peer_drain(struct msg_peer *peer);

/* One-way message. */
int msg_peer_send(struct msg_peer *peer, uint16_t type, struct str body, const int *fds,
		  size_t nfds, struct err *err);
/*
 * A call; fn runs exactly once (or once more for each MORE). Returns the serial or -errno. While
 * MSG_CALLS_MAX wait for an answer a further one waits for its turn within queue_max: -EAGAIN when
 * that is full, -EBUSY when it is 0.
 */
int64_t msg_peer_call(struct msg_peer *peer, uint16_t type, struct str body, const int *fds,
		      size_t nfds, msg_reply_fn *fn, void *owner, struct err *err);
/* fn will not run any more for calls of this owner. */
void msg_peer_forget(struct msg_peer *peer, const void *owner);

int msg_reply(struct msg_peer *peer, uint16_t type, uint32_t serial, struct str body,
	      const int *fds, size_t nfds);
int msg_reply_more(struct msg_peer *peer, uint16_t type, uint32_t serial, struct str body);
int msg_reply_err(struct msg_peer *peer, uint16_t type, uint32_t serial, const struct err *err);

/* uid, gid and pid of the other side of an accepted socket (never of an inherited pair). */
int msg_credentials(int fd, uint32_t *ret_uid, uint32_t *ret_gid, int *ret_pid, struct err *err);

/* Listening and connecting on a pathname socket below dirfd (mode of the socket file). */
int msg_listen(int dirfd, const char *name, unsigned mode, struct err *err);
int msg_connect(int dirfd, const char *name, struct err *err);

#endif
