/* SPDX-License-Identifier: Apache-2.0 */
/* Two peers on one loop: rules, calls, MORE, errors, back-pressure, going away. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/msg.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

enum { ECHO = 1, MANY, FAIL, LATE, QUIT, NUMBER, UNKNOWN, ENGINE = 1, CONSOLE = 2 };

static struct loop loop;
static struct msg_peer server, client;
static unsigned handled, gone_calls, answers;
static uint32_t late_serial;
static char answer[64];
static int answer_code;

static void on_echo(struct msg_peer *peer, struct msg *msg)
{
	handled++;
	(void)msg_reply(peer, msg->type, msg->serial, msg->body, msg->fds, msg->nfds);
}

static void on_many(struct msg_peer *peer, struct msg *msg)
{
	handled++;
	(void)msg_reply_more(peer, MANY, msg->serial, STR("1"));
	(void)msg_reply_more(peer, MANY, msg->serial, STR("2"));
	(void)msg_reply(peer, MANY, msg->serial, STR("3"), NULL, 0);
}

static void on_fail(struct msg_peer *peer, struct msg *msg)
{
	struct err err;

	handled++;
	(void)err_set(&err, -ENOENT, "no network 'x'");
	(void)msg_reply_err(peer, FAIL, msg->serial, &err);
}

static void on_late(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	handled++;
	late_serial = msg->serial;
}

static void on_quit(struct msg_peer *peer, struct msg *msg)
{
	(void)msg;
	handled++;
	msg_peer_done(peer); /* from within its own handler */
}

static void on_number(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	(void)msg;
	handled++;
}

static const struct msg_rule rules[] = {
	{ ECHO, "ECHO", 0, 1 << 20, 0, 2, ENGINE | CONSOLE, on_echo },
	{ MANY, "MANY", 0, 0, 0, 0, ENGINE, on_many },
	{ FAIL, "FAIL", 0, 0, 0, 0, ENGINE, on_fail },
	{ LATE, "LATE", 0, 0, 0, 0, ENGINE, on_late },
	{ QUIT, "QUIT", 0, 0, 0, 0, ENGINE, on_quit },
	{ NUMBER, "NUMBER", 4, 8, 0, 0, CONSOLE, on_number },
};

static void on_gone(struct msg_peer *peer)
{
	(void)peer;
	gone_calls++;
}

static void on_answer(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	(void)owner;
	answers++;
	answer_code = err ? err->code : 0;
	(void)snprintf(answer, sizeof(answer), "%.*s",
		       reply ? (int)reply->body.len : (int)strlen(err_text(err)),
		       reply && reply->body.ptr ? reply->body.ptr : err_text(err));
}

static void start(uint32_t identity, size_t queue_max)
{
	/* What a socket holds is a setting of the machine, and some tests fill one. */
	const int room = 106496;
	int ends[2];

	handled = gone_calls = answers = 0;
	answer[0] = '\0';
	if (msg_pair(ends, NULL) < 0 ||
	    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) < 0 ||
	    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) < 0 ||
	    msg_peer_init(&server, &loop, ends[0], identity, rules, ARRAY_LEN(rules), queue_max,
			  on_gone, NULL, NULL) < 0 ||
	    msg_peer_init(&client, &loop, ends[1], 0, NULL, 0, queue_max, on_gone, NULL, NULL) < 0)
		abort();
}

static void settle(void)
{
	for (int i = 0; i < 400; i++)
		(void)loop_step(&loop, 0, NULL);
}

static void stop(void)
{
	msg_peer_done(&server);
	msg_peer_done(&client);
}

static int64_t call(uint16_t type, struct str body)
{
	int64_t serial = msg_peer_call(&client, type, body, NULL, 0, on_answer, &answers, NULL);

	settle();
	return serial;
}

static void test_calls(void)
{
	start(ENGINE, 1 << 20);
	ok(call(ECHO, STR("hello")) > 0, "a call has a serial");
	is_text(answer, "hello", "and an answer");
	(void)call(MANY, STR(""));
	is_int(answers, 4, "three more answers to one call");
	is_text(answer, "3", "in order");
	(void)call(FAIL, STR(""));
	is_int(answer_code, -ENOENT, "an error comes as one");
	is_text(answer, "no network 'x'", "with its text");
	(void)call(LATE, STR(""));
	is_int(answers, 5, "no answer yet");
	(void)msg_reply(&server, LATE, late_serial, STR("late"), NULL, 0);
	settle();
	is_text(answer, "late", "an answer may come later");
	(void)msg_reply(&server, LATE, late_serial, STR("twice"), NULL, 0);
	settle();
	is_text(answer, "late", "but only once");
	(void)call(LATE, STR(""));
	msg_peer_forget(&client, &answers);
	(void)msg_reply(&server, LATE, late_serial, STR("unwanted"), NULL, 0);
	settle();
	is_text(answer, "late", "a forgotten call has no answer");
	is_int(msg_peer_send(&client, ECHO, STR("one way"), NULL, 0, NULL), 0, "one way");
	settle();
	is_int(answers, 6, "an answer to no call is dropped");
	stop();
}

static void test_rules(void)
{
	start(CONSOLE, 0);
	(void)call(FAIL, STR(""));
	is_int(answer_code, -EPERM, "not for this identity");
	is_text(answer, "FAIL: this peer may not send it", "says which");
	(void)call(UNKNOWN, STR(""));
	is_int(answer_code, -ENOSYS, "an unknown type");
	(void)call(NUMBER, STR("abc"));
	is_int(answer_code, -EBADMSG, "too short a body");
	(void)call(NUMBER, STR("123456789"));
	is_text(answer, "NUMBER: a body of 9 bytes, expected 4 to 8", "too long a one");
	(void)msg_peer_call(&client, NUMBER, STR("1234"), (int[]){ 0 }, 1, on_answer, NULL, NULL);
	settle();
	is_text(answer, "NUMBER: 1 fds, expected 0 to 0", "an fd too many");
	is_int(handled, 0, "no handler ran");
	(void)msg_peer_send(&client, UNKNOWN, STR(""), NULL, 0, NULL);
	settle();
	is_int((long long)server.dropped, 1, "one-way nonsense is counted");
	(void)call(NUMBER, STR("1234"));
	is_int(handled, 1, "what fits gets through");
	stop();
}

static void test_going(void)
{
	start(ENGINE, 0);
	(void)call(LATE, STR(""));
	(void)call(QUIT, STR(""));
	is_int(handled, 2, "the server closed within its handler");
	ok(!msg_peer_alive(&server) && !msg_peer_alive(&client), "both know");
	is_int(answers, 2, "outstanding calls were answered");
	is_int(answer_code, -EPIPE, "with an error");
	is_int(gone_calls, 1, "the side that did not close was told");
	is_int((long long)msg_peer_call(&client, ECHO, STR(""), NULL, 0, on_answer, NULL, NULL),
	       -EPIPE, "no further calls");
	is_int(msg_reply(&server, LATE, late_serial, STR(""), NULL, 0), -EPIPE, "nor answers");
	stop();
	start(ENGINE, 0);
	(void)call(LATE, STR(""));
	msg_peer_done(&client);
	is_int(answers, 1, "done answers what is outstanding");
	settle();
	is_int(gone_calls, 1, "the other side is told");
	stop();
	{
		struct msg_peer zeroed = { 0 };

		msg_peer_done(&zeroed);
		ok(!msg_peer_alive(&zeroed), "a zeroed peer is not alive");
	}
}

static void test_garbage(void)
{
	start(ENGINE, 0);
	is_int(send(client.fd, "garbage", 7, 0), 7, "a malformed packet");
	settle();
	ok(!msg_peer_alive(&server), "ends the peer");
	is_int(gone_calls, 2, "both sides are told");
	stop();
}

static void test_pressure(void)
{
	static char body[30000];
	unsigned sent = 0, refused = 0;

	start(ENGINE, 200000);
	while (sent < 1000 &&
	       msg_peer_send(&client, ECHO, str_make(body, sizeof(body)), NULL, 0, NULL) == 0)
		sent++;
	ok(sent > 6 && sent < 1000, "socket and queue are bounded");
	ok(client.queue_bytes > 0 && client.queue_bytes <= client.queue_max, "by what was set");
	is_int((long long)client.dropped, 1, "what found no room is counted");
	settle();
	is_int(handled, sent, "all that was taken arrives");
	ok(client.queue == NULL && client.queue_bytes == 0, "the queue is empty again");
	stop();

	start(ENGINE, 0);
	for (int i = 0; i < 50; i++)
		refused += msg_peer_send(&client, ECHO, str_make(body, sizeof(body)), NULL, 0,
					 NULL) == -EAGAIN;
	ok(refused > 0 && client.dropped == refused, "without a queue a full socket drops");
	ok(client.queue == NULL, "and nothing is kept");
	settle();
	is_int((long long)(handled + refused), 50, "the rest arrives");
	stop();
}

static void test_queued_fds(void)
{
	static char body[100000];
	int null_fd = dup(0);
	unsigned sent = 0;

	start(ENGINE, 1 << 20);
	/* Long bodies and fds that wait in the queue outlive the caller's. */
	while (client.queue == NULL && sent++ < 1000)
		(void)msg_peer_send(&client, ECHO, str_make(body, 60000), NULL, 0, NULL);
	is_int(msg_peer_send(&client, ECHO, str_make(body, sizeof(body)), &null_fd, 1, NULL), 0,
	       "a long body with an fd waits");
	(void)close(null_fd);
	settle();
	is_int(handled, sent + 1, "and arrives");
	stop();
}

/* LATE is answered by hand; the serials in the order in which they came. */
enum { MANY_CALLS = 4 * MSG_CALLS_MAX };
static uint32_t asked[MANY_CALLS];
static unsigned asked_count, most_at_once;
static int ordered[MANY_CALLS];
static unsigned ordered_count;

static void on_asked(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	if (asked_count < MANY_CALLS)
		asked[asked_count++] = msg->serial;
}

static const struct msg_rule asked_rules[] = { { LATE, "LATE", 0, 8, 0, 1, ENGINE, on_asked } };

static void on_ordered(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	(void)reply;
	answers += !err;
	ordered[ordered_count++ % MANY_CALLS] = (int)(intptr_t)owner;
}

static void start_asked(void)
{
	start(ENGINE, 1 << 20);
	server.rules = asked_rules;
	server.rule_count = ARRAY_LEN(asked_rules);
	asked_count = most_at_once = ordered_count = 0;
}

static int64_t ask(int number, int fd)
{
	return msg_peer_call(&client, LATE, STR("12345678"), &fd, fd >= 0, on_ordered,
			     (void *)(intptr_t)number, NULL); // NOLINT: a number as its owner
}

static void test_many_calls(void)
{
	int fd = dup(0), good = 0, in_order = 1;

	start_asked();
	for (int i = 1; i <= MANY_CALLS; i++)
		good += ask(i, fd) > 0;
	(void)close(fd);
	is_int(good, MANY_CALLS, "%d calls at once are taken", MANY_CALLS);
	settle();
	is_int(asked_count, MSG_CALLS_MAX, "%d of them are on their way", MSG_CALLS_MAX);
	for (unsigned done = 0; done < asked_count; done++) {
		if (asked_count - done > most_at_once)
			most_at_once = asked_count - done;
		(void)msg_reply(&server, LATE, asked[done], STR(""), NULL, 0);
		settle();
	}
	for (unsigned i = 0; i < ordered_count; i++)
		in_order &= ordered[i] == (int)i + 1;
	is_int(answers, MANY_CALLS, "each is answered in the end");
	ok(ordered_count == MANY_CALLS && in_order, "in the order of the calls");
	is_int(most_at_once, MSG_CALLS_MAX, "never more on their way than that");
	is_int((long long)client.queue_bytes, 0, "and nothing is kept");
	stop();
}

static void test_held_calls_end(void)
{
	int64_t r = 1;
	unsigned taken = 0;

	start_asked();
	while (r > 0 && taken < 1U << 20) {
		r = ask(7, -1);
		taken += r > 0;
	}
	is_int(r, -EAGAIN, "calls that wait are bounded");
	ok(taken > MANY_CALLS && client.queue_bytes <= client.queue_max, "by the queue's bytes");
	for (int i = 0; i < 8; i++)
		(void)ask(8, -1);
	msg_peer_forget(&client, (void *)(intptr_t)7); // NOLINT: a number as its owner
	settle();
	is_int(asked_count, 2 * MSG_CALLS_MAX, "calls that are forgotten make room for the next");
	stop();
	is_int(ordered_count, 0, "and tell nobody, neither those nor the ones that waited");

	start_asked();
	for (int i = 0; i < MANY_CALLS; i++)
		(void)ask(9, -1);
	stop();
	is_int(ordered_count, MANY_CALLS, "the end of the other side is told to those that wait");

	start(ENGINE, 0);
	for (r = 0; r >= 0;)
		r = msg_peer_call(&client, LATE, STR(""), NULL, 0, on_answer, NULL, NULL);
	is_int(r, -EBUSY, "without a queue one more is too many");
	stop();
	is_int(answers, MSG_CALLS_MAX, "each of the others is answered");
}

/* A call that waits for room and then cannot be sent at all is answered, and the next one goes. */
static void test_lost_call(void)
{
	static char large[60000];
	const int small = 1;
	int64_t r;

	start(ENGINE, 1 << 20);
	do
		r = msg_peer_send(&client, NUMBER, str_make(large, 2000), NULL, 0, NULL);
	while (r == 0 && !client.queue);
	r = msg_peer_call(&client, ECHO, str_make(large, sizeof(large)), NULL, 0, on_answer,
			  &answers, NULL);
	is_int(r > 0, 1, "a call waits for room");
	r = msg_peer_call(&client, ECHO, STR("next"), NULL, 0, on_answer, &answers, NULL);
	is_int(r > 0, 1, "and another behind it");
	(void)setsockopt(client.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	settle();
	is_int(answers, 2, "both are answered");
	is_text(answer, "next", "the second by the other side");
	stop();
}

int main(void)
{
	is_int(loop_init(&loop, NULL), 0, "a loop");
	test_calls();
	test_rules();
	test_going();
	test_garbage();
	test_pressure();
	test_queued_fds();
	test_many_calls();
	test_held_calls_end();
	test_lost_call();
	loop_done(&loop);
	return tap_done();
}
