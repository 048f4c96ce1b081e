/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a peer on a loop: calls and their answers, the table check in front of each handler, the
 * bounded queue of what the socket did not take and of calls that wait for their turn. Every daemon
 * runs it; with queue_max 0 nothing is allocated. It must never touch a peer again after a handler
 * or gone() ran: either may free it.
 */
#include "lib/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "lib/msg_wire.h"
#include "lib/own.h"
#include "lib/sys.h"

/* One packet that waits for room in the socket, or a call that waits for one of calls[]. */
struct msg_queued {
	struct msg_queued *next;
	struct msg_call call;	  /* of one that waits in held */
	uint32_t serial;	  /* of a call, 0 = none */
	int fds[MSG_FDS_MAX + 1]; /* owned */
	size_t nfds, len;
	unsigned char header[MSG_HEADER_SIZE];
	char body[];
};

static void queued_free(struct msg_queued *item)
{
	for (size_t i = 0; i < item->nfds; i++)
		own_close(&item->fds[i]);
	free(item);
}

/* The first of the queue or of held, whose bytes are one account. */
static void pop_item(struct msg_peer *peer, struct msg_queued **first)
{
	struct msg_queued *item = *first;

	*first = item->next;
	peer->queue_bytes -= sizeof(*item) + item->len;
	queued_free(item);
}

static void append(struct msg_queued **at, struct msg_queued *item)
{
	while (*at)
		at = &(*at)->next;
	*at = item;
}

/* A copy of the packet that is counted as queued; -EAGAIN and counted as dropped without room. */
static int copy_packet(struct msg_peer *peer, const struct msg *msg, struct msg_queued **ret_item,
		       struct err *err)
{
	bool apart = msg->body.len > MSG_BODY_INLINE_MAX;
	size_t len = apart ? 0 : msg->body.len;
	struct msg_queued *item = NULL;
	int r = 0;

	if (peer->queue_max > peer->queue_bytes &&
	    sizeof(*item) + len <= peer->queue_max - peer->queue_bytes)
		item = calloc(1, sizeof(*item) + len);
	if (!item) {
		peer->dropped++;
		return err_set(err, -EAGAIN, "send message %u: the other side does not read",
			       msg->type);
	}
	item->len = len;
	if (len > 0)
		memcpy(item->body, msg->body.ptr, len);
	msg_encode_header(msg, item->header);
	if (apart) {
		r = msg_body_memfd(msg, err);
		if (r >= 0)
			item->fds[item->nfds++] = r;
	}
	for (size_t i = 0; r >= 0 && i < msg->nfds; i++) {
		r = sys_fcntl(msg->fds[i], F_DUPFD_CLOEXEC, 3);
		if (r >= 0)
			item->fds[item->nfds++] = r;
		else
			(void)err_sys(err, r, "send message %u: keep an fd", msg->type);
	}
	if (r < 0) {
		queued_free(item);
		return r;
	}
	peer->queue_bytes += sizeof(*item) + len;
	item->serial = msg->flags & MSG_FLAG_CALL ? msg->serial : 0;
	*ret_item = item;
	return 0;
}

static int queue_packet(struct msg_peer *peer, const struct msg *msg, struct err *err)
{
	struct msg_queued *item;
	int r = copy_packet(peer, msg, &item, err);

	if (r < 0)
		return r;
	append(&peer->queue, item);
	return loop_change(peer->loop, &peer->io, EPOLLIN | EPOLLOUT);
}

/*
 * Sends what waits, as far as the socket takes it. 0, or the error that ends the peer; 1: a call
 * could not be sent and is taken out, *ret_serial says which.
 */
static int flush_queue(struct msg_peer *peer, uint32_t *ret_serial)
{
	while (peer->queue) {
		struct msg_queued *item = peer->queue;
		uint32_t serial = item->serial;
		int r = msg_send_raw(peer->fd, item->header, str_make(item->body, item->len),
				     item->fds, item->nfds);

		if (r == -EAGAIN)
			return 0;
		if (r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN)
			return r;
		pop_item(peer, &peer->queue);
		if (r >= 0)
			continue;
		peer->dropped++; /* it cannot be sent (no memory, its size): the next may */
		if (!serial)
			continue;
		*ret_serial = serial;
		return 1;
	}
	return loop_change(peer->loop, &peer->io, EPOLLIN);
}

static int transmit(struct msg_peer *peer, const struct msg *msg, struct err *err)
{
	int r;

	if (!msg_peer_alive(peer))
		return err_set(err, -EPIPE, "send message %u: the other side is gone", msg->type);
	r = msg_check_outgoing(msg, err);
	if (r < 0)
		return r;
	if (!peer->queue) {
		struct err failed;

		r = msg_send(peer->fd, msg, &failed);
		if (r >= 0)
			return 0;
		if (r != -EAGAIN)
			return err_set(err, r, "%s", failed.text);
	}
	return queue_packet(peer, msg, err);
}

static void set_fds(struct msg *msg, const int *fds, size_t nfds)
{
	msg->nfds = nfds; /* one too many is found by the check of outgoing messages */
	for (size_t i = 0; i < nfds && i < MSG_FDS_MAX; i++)
		msg->fds[i] = fds[i];
}

int msg_peer_send(struct msg_peer *peer, uint16_t type, struct str body, const int *fds,
		  size_t nfds, struct err *err)
{
	struct msg msg = { .type = type, .body = body };

	set_fds(&msg, fds, nfds);
	return transmit(peer, &msg, err);
}

/* ---- calls ---- */

static struct msg_call *find_call(struct msg_peer *peer, uint32_t serial)
{
	for (size_t i = 0; i < MSG_CALLS_MAX; i++)
		if (peer->calls[i].serial == serial)
			return &peer->calls[i];
	return NULL;
}

static bool serial_held(const struct msg_peer *peer, uint32_t serial)
{
	for (const struct msg_queued *item = peer->held; item; item = item->next)
		if (item->call.serial == serial)
			return true;
	return false;
}

static uint32_t fresh_serial(struct msg_peer *peer)
{
	do {
		if (++peer->next_serial == 0)
			peer->next_serial = 1;
	} while (find_call(peer, peer->next_serial) || serial_held(peer, peer->next_serial));
	return peer->next_serial;
}

/* All of calls[] are taken: the call is kept until one is answered. */
static int hold_call(struct msg_peer *peer, const struct msg *msg, const struct msg_call *call,
		     struct err *err)
{
	struct msg_queued *item;
	int r = msg_peer_alive(peer)
			? msg_check_outgoing(msg, err)
			: err_set(err, -EPIPE, "call %u: the other side is gone", msg->type);

	if (r >= 0 && peer->queue_max == 0)
		r = err_set(err, -EBUSY, "call %u: %d calls wait for an answer already", msg->type,
			    MSG_CALLS_MAX);
	if (r >= 0)
		r = copy_packet(peer, msg, &item, err);
	if (r < 0)
		return r;
	item->call = *call;
	append(&peer->held, item);
	return 0;
}

/* Calls that were held go on, in their order, as far as there is room for them. */
static void release_held(struct msg_peer *peer)
{
	struct msg_call *slot;

	if (!peer->held || !msg_peer_alive(peer)) /* of one that is gone they fail, all */
		return;
	while (peer->held && (slot = find_call(peer, 0))) {
		struct msg_queued *item = peer->held;

		peer->held = item->next;
		item->next = NULL;
		*slot = item->call;
		append(&peer->queue, item);
	}
	(void)loop_change(peer->loop, &peer->io, EPOLLIN | (peer->queue ? EPOLLOUT : 0U));
}

int64_t msg_peer_call(struct msg_peer *peer, uint16_t type, struct str body, const int *fds,
		      size_t nfds, msg_reply_fn *fn, void *owner, struct err *err)
{
	struct msg msg = { .type = type, .flags = MSG_FLAG_CALL, .body = body };
	struct msg_call *slot = find_call(peer, 0), call = { .fn = fn, .owner = owner };
	int r;

	msg.serial = call.serial = fresh_serial(peer);
	set_fds(&msg, fds, nfds);
	r = slot ? transmit(peer, &msg, err) : hold_call(peer, &msg, &call, err);
	if (r < 0)
		return r;
	if (slot)
		*slot = call;
	return (int64_t)msg.serial;
}

void msg_peer_forget(struct msg_peer *peer, const void *owner)
{
	for (size_t i = 0; i < MSG_CALLS_MAX; i++)
		if (peer->calls[i].serial != 0 && peer->calls[i].owner == owner)
			peer->calls[i] = (struct msg_call){ 0 };
	/* What it asked for is done all the same, as with a call that is on its way. */
	for (struct msg_queued *item = peer->held; item; item = item->next)
		if (item->call.owner == owner)
			item->call.fn = NULL;
	release_held(peer);
}

static void fail_calls(struct msg_peer *peer)
{
	struct err err;

	(void)err_set(&err, -EPIPE, "the other side is gone");
	for (size_t i = 0; i < MSG_CALLS_MAX; i++) {
		struct msg_call call = peer->calls[i];

		if (call.serial == 0)
			continue;
		peer->calls[i] = (struct msg_call){ 0 };
		if (call.fn)
			call.fn(peer, call.owner, NULL, &err);
	}
	while (peer->held) {
		struct msg_call call = peer->held->call;

		pop_item(peer, &peer->held);
		if (call.fn)
			call.fn(peer, call.owner, NULL, &err);
	}
}

/* ---- answers ---- */

int msg_reply(struct msg_peer *peer, uint16_t type, uint32_t serial, struct str body,
	      const int *fds, size_t nfds)
{
	struct msg msg = { .type = type, .flags = MSG_FLAG_REPLY, .serial = serial, .body = body };

	set_fds(&msg, fds, nfds);
	return transmit(peer, &msg, NULL);
}

int msg_reply_more(struct msg_peer *peer, uint16_t type, uint32_t serial, struct str body)
{
	struct msg msg = { .type = type,
			   .flags = MSG_FLAG_REPLY | MSG_FLAG_MORE,
			   .serial = serial,
			   .body = body };

	return transmit(peer, &msg, NULL);
}

int msg_reply_err(struct msg_peer *peer, uint16_t type, uint32_t serial, const struct err *err)
{
	/* By hand, for PID 1 answers too and a struct buf would allocate. */
	char body[8 + ERR_TEXT_MAX];
	const char *text = err_text(err);
	size_t len = strlen(text);
	uint32_t code = (uint32_t)(err && err->code < 0 ? err->code : -EIO);
	struct msg msg = { .type = type,
			   .flags = MSG_FLAG_REPLY | MSG_FLAG_ERROR,
			   .serial = serial };

	for (size_t i = 0; i < 4; i++) {
		body[i] = (char)(code >> (8 * i));
		body[4 + i] = (char)(len >> (8 * i));
	}
	memcpy(body + 8, text, len);
	msg.body = str_make(body, 8 + len);
	return transmit(peer, &msg, NULL);
}

/* ---- what comes in ---- */

static void close_peer(struct msg_peer *peer)
{
	loop_remove(peer->loop, &peer->io);
	own_close(&peer->fd);
	while (peer->queue)
		pop_item(peer, &peer->queue);
}

static void lose_peer(struct msg_peer *peer)
{
	void (*gone)(struct msg_peer *) = peer->gone;

	close_peer(peer);
	fail_calls(peer);
	if (gone)
		gone(peer);
}

static void take_reply(struct msg_peer *peer, struct msg *msg)
{
	struct msg_call *slot = msg->serial != 0 ? find_call(peer, msg->serial) : NULL;
	struct msg_call call;
	struct err err;

	if (!slot) /* forgotten meanwhile */
		return;
	call = *slot;
	if (!(msg->flags & MSG_FLAG_MORE) || (msg->flags & MSG_FLAG_ERROR)) {
		*slot = (struct msg_call){ 0 };
		release_held(peer);
	}
	if (!call.fn)
		return;
	if (msg->flags & MSG_FLAG_ERROR) {
		(void)msg_read_error(msg, &err);
		call.fn(peer, call.owner, NULL, &err);
	} else {
		call.fn(peer, call.owner, msg, NULL);
	}
}

/* The row of the table, or NULL with err saying why the message is refused. */
static const struct msg_rule *check_request(const struct msg_peer *peer, const struct msg *msg,
					    struct err *err)
{
	for (size_t i = 0; i < peer->rule_count; i++) {
		const struct msg_rule *rule = &peer->rules[i];

		if (rule->type != msg->type)
			continue;
		if (!(rule->identities & peer->identity))
			(void)err_set(err, -EPERM, "%s: this peer may not send it", rule->name);
		else if (msg->body.len < rule->min || msg->body.len > rule->max)
			(void)err_set(err, -EBADMSG, "%s: a body of %zu bytes, expected %u to %u",
				      rule->name, msg->body.len, rule->min, rule->max);
		else if (msg->nfds < rule->fds_min || msg->nfds > rule->fds_max)
			(void)err_set(err, -EBADMSG, "%s: %zu fds, expected %u to %u", rule->name,
				      msg->nfds, rule->fds_min, rule->fds_max);
		else
			return rule;
		return NULL;
	}
	(void)err_set(err, -ENOSYS, "message %u is not known here", msg->type);
	return NULL;
}

static void take_request(struct msg_peer *peer, struct msg *msg)
{
	const struct msg_rule *rule;
	struct err err;

	rule = check_request(peer, msg, &err);
	if (rule)
		rule->handler(peer, msg);
	else if (msg->flags & MSG_FLAG_CALL)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		peer->dropped++;
}

/* Its packet was lost: whoever called is told, and the next in the hold takes its place. */
static void fail_call(struct msg_peer *peer, uint32_t serial)
{
	struct msg_call *slot = find_call(peer, serial), call;
	struct err err;

	if (!slot) /* forgotten meanwhile */
		return;
	call = *slot;
	*slot = (struct msg_call){ 0 };
	release_held(peer);
	(void)err_set(&err, -EIO, "the call could not be sent");
	if (call.fn)
		call.fn(peer, call.owner, NULL, &err);
}

/* One message for each event: afterwards the peer may be gone, so nothing looks at it again. */
static void peer_ready(struct loop_io *io, uint32_t events)
{
	struct msg_peer *peer = io->owner;
	struct msg msg = { 0 };
	uint32_t lost;
	int r = events & EPOLLOUT ? flush_queue(peer, &lost) : 0;

	if (r < 0) {
		lose_peer(peer);
		return;
	}
	if (r > 0) {
		fail_call(peer, lost);
		return;
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	r = msg_recv(peer->fd, &msg, NULL);
	if (r == -EAGAIN || r == -ENOMEM)
		return;
	if (r <= 0) {
		lose_peer(peer);
		return;
	}
	if (msg.flags & MSG_FLAG_REPLY)
		take_reply(peer, &msg);
	else
		take_request(peer, &msg);
	msg_done(&msg);
}

void msg_peer_drain(struct msg_peer *peer)
{
	for (int n = 0; n < MSG_DRAIN_MAX && msg_peer_alive(peer); n++) {
		struct pollfd poll_fd = { .fd = peer->fd, .events = POLLIN };

		if (poll(&poll_fd, 1, 0) <= 0)
			return;
		peer_ready(&peer->io, EPOLLIN);
	}
}

int msg_peer_init(struct msg_peer *peer, struct loop *loop, int fd, uint32_t identity,
		  const struct msg_rule *rules, size_t rule_count, size_t queue_max,
		  void (*gone)(struct msg_peer *peer), void *owner, struct err *err)
{
	int flags = sys_fcntl(fd, F_GETFL, 0);
	int r = flags < 0 ? flags : sys_fcntl(fd, F_SETFL, flags | O_NONBLOCK);

	*peer = (struct msg_peer){
		.loop = loop,
		.fd = -1,
		.identity = identity,
		.rules = rules,
		.rule_count = rules ? rule_count : 0,
		.gone = gone,
		.owner = owner,
		.queue_max = queue_max,
	};
	peer->io.fd = -1;
	if (r < 0)
		return err_sys(err, r, "make fd %d non-blocking", fd);
	r = loop_add(loop, &peer->io, fd, EPOLLIN, peer_ready, peer, err);
	if (r < 0)
		return r;
	peer->fd = fd;
	return 0;
}

void msg_peer_done(struct msg_peer *peer)
{
	if (!peer || !peer->loop)
		return;
	close_peer(peer);
	fail_calls(peer);
	peer->loop = NULL;
}

bool msg_peer_alive(const struct msg_peer *peer)
{
	return peer->loop && peer->fd >= 0;
}
