/* SPDX-License-Identifier: Apache-2.0 */
/* Single messages over real sockets: bodies short and long, fds, malformed packets. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "lib/msg.h"
#include "lib/msg_wire.h"
#include "tests/unit/lib/place.h"
#include "tests/unit/tap.h"

static int ends[2];

static unsigned open_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_short(void)
{
	struct msg sent = { .type = 7, .flags = MSG_FLAG_CALL, .serial = 99 }, got;

	sent.body = STR("a\0b");
	is_int(msg_send(ends[0], &sent, NULL), 0, "a short message");
	is_int(msg_recv(ends[1], &got, NULL), 1, "arrives");
	ok(got.type == 7 && got.flags == MSG_FLAG_CALL && got.serial == 99, "with its header");
	ok(str_eq(got.body, STR("a\0b")), "and body");
	is_int((long long)got.nfds, 0, "and no fd");
	msg_done(&got);
	sent.body = (struct str){ 0 };
	is_int(msg_send(ends[0], &sent, NULL), 0, "an empty one");
	is_int(msg_recv(ends[1], &got, NULL), 1, "arrives");
	ok(got.body.len == 0 && got.memory == NULL, "empty");
	msg_done(&got);
	msg_done(&got);
	msg_done(NULL);
}

static void test_sizes(void)
{
	static const size_t sizes[] = { 1, 65535, 65536, 65537, 1 << 20, MSG_BODY_MAX };
	char *data = malloc(MSG_BODY_MAX + 1);
	unsigned before = open_fds();
	struct msg got;
	struct err err;

	for (size_t i = 0; data && i < MSG_BODY_MAX; i++)
		data[i] = (char)(i * 31 >> 3);
	for (size_t i = 0; data && i < ARRAY_LEN(sizes); i++) {
		struct msg sent = { .type = 1, .body = str_make(data, sizes[i]) };

		is_int(msg_send(ends[0], &sent, &err), 0, "a body of %zu bytes", sizes[i]);
		is_int(msg_recv(ends[1], &got, &err), 1, "arrives");
		ok(str_eq(got.body, sent.body), "whole");
		is_int(got.flags, 0, "however it travelled");
		msg_done(&got);
	}
	{
		struct msg sent = { .type = 1, .body = str_make(data, MSG_BODY_MAX + 1) };

		is_int(msg_send(ends[0], &sent, &err), -EMSGSIZE, "16 MiB and a byte");
	}
	is_int(open_fds(), before, "no fd stays behind");
	free(data);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino &&
	       x.st_dev == y.st_dev;
}

static void test_fds(void)
{
	unsigned before = open_fds();
	struct msg sent = { .type = 2, .nfds = MSG_FDS_MAX }, got;
	char *big = calloc(1, 100000);
	int fd;

	for (size_t i = 0; i < MSG_FDS_MAX; i++)
		sent.fds[i] = i % 2 ? ends[0] : 0;
	is_int(msg_send(ends[0], &sent, NULL), 0, "eight fds");
	is_int(msg_recv(ends[1], &got, NULL), 1, "arrive");
	is_int((long long)got.nfds, MSG_FDS_MAX, "all of them");
	ok(same_file(got.fds[1], ends[0]) && same_file(got.fds[0], 0), "in order");
	ok(fcntl(got.fds[0], F_GETFD) & FD_CLOEXEC, "close-on-exec");
	fd = msg_take_fd(&got, 1);
	ok(same_file(fd, ends[0]), "one is taken");
	is_int(msg_take_fd(&got, 1), -1, "once");
	is_int(msg_take_fd(&got, 8), -1, "and none beyond");
	msg_done(&got);
	is_int(fcntl(fd, F_GETFD), FD_CLOEXEC, "what was taken lives");
	own_close(&fd);
	sent.body = str_make(big, 100000);
	is_int(msg_send(ends[0], &sent, NULL), 0, "eight fds and a long body");
	is_int(msg_recv(ends[1], &got, NULL), 1, "arrive");
	ok(got.nfds == 8 && same_file(got.fds[1], ends[0]), "the body's own fd does not count");
	is_int((long long)got.body.len, 100000, "the body is there");
	msg_done(&got);
	sent.nfds = MSG_FDS_MAX + 1;
	is_int(msg_send(ends[0], &sent, NULL), -EMSGSIZE, "nine are refused");
	is_int(open_fds(), before, "no fd stays behind");
	free(big);
}

static void test_held(void)
{
	struct msg sent = { .type = 1, .body = STR("first") }, first, second;

	(void)msg_send(ends[0], &sent, NULL);
	sent.body = STR("second");
	(void)msg_send(ends[0], &sent, NULL);
	is_int(msg_recv(ends[1], &first, NULL), 1, "a message that is held");
	is_int(msg_recv(ends[1], &second, NULL), 1, "while another comes");
	ok(str_is(first.body, "first") && str_is(second.body, "second"), "both bodies stand");
	msg_done(&first);
	ok(str_is(second.body, "second"), "each until its own end");
	msg_done(&second);
}

/* A packet as it comes from somebody who does not keep to the rules. */
static void send_packet(const void *data, size_t len, const int *fds, size_t nfds)
{
	unsigned char header[MSG_HEADER_SIZE] = { 0 };

	memcpy(header, data, len < sizeof(header) ? len : sizeof(header));
	if (len < sizeof(header))
		(void)!send(ends[0], header, len, 0);
	else
		(void)msg_send_raw(
			ends[0], header,
			str_make((const char *)data + MSG_HEADER_SIZE, len - MSG_HEADER_SIZE), fds,
			nfds);
}

static void is_malformed(const void *data, size_t len, const int *fds, size_t nfds,
			 const char *what)
{
	struct msg got;

	send_packet(data, len, fds, nfds);
	is_int(msg_recv(ends[1], &got, NULL), -EBADMSG, "%s", what);
}

static void test_malformed(void)
{
	static const unsigned char good[MSG_HEADER_SIZE + 2] = { 'H', 'O', 'Y', '1', 5,	  0,  0, 0,
								 1,   0,   0,	0,   2,	  0,  0, 0,
								 0,   0,   0,	0,   'o', 'k' };
	static unsigned char huge[MSG_HEADER_SIZE + MSG_BODY_INLINE_MAX + 1];
	unsigned char bad[sizeof(good)];
	unsigned before = open_fds();
	int fds[MSG_FDS_MAX + 1] = { 0 };
	struct msg got;

	send_packet(good, sizeof(good), NULL, 0);
	is_int(msg_recv(ends[1], &got, NULL), 1, "the packet that the others differ from");
	msg_done(&got);
	is_malformed(good, 1, NULL, 0, "one byte");
	is_malformed(good, MSG_HEADER_SIZE - 1, NULL, 0, "a header cut off");
	is_malformed(good, MSG_HEADER_SIZE + 1, NULL, 0, "a body cut off");
	is_malformed(good, sizeof(good), fds, 1, "an fd too many");
	is_malformed(good, sizeof(good), fds, 9, "nine too many");
#define BROKEN(index, value, what)      \
	memcpy(bad, good, sizeof(bad)); \
	bad[index] = value;             \
	is_malformed(bad, sizeof(bad), NULL, 0, what)
	BROKEN(0, 'h', "another magic");
	BROKEN(6, 32, "a flag nobody knows");
	BROKEN(6, MSG_FLAG_MEMFD, "a long body without an fd");
	BROKEN(12, 1, "a body longer than it says");
	BROKEN(15, 0x7f, "a body that says it is enormous");
	BROKEN(16, 1, "an fd announced that did not come");
	BROKEN(18, 1, "a reserved byte");
	memcpy(huge, good, MSG_HEADER_SIZE);
	huge[14] = 1;
	huge[12] = 1;
	is_malformed(huge, sizeof(huge), NULL, 0, "more than the buffer takes");
	is_int(open_fds(), before, "no fd stays behind");
}

/* A long body whose sender can still change it must never be mapped. */
static void test_unsealed(void)
{
	unsigned char packet[MSG_HEADER_SIZE] = { 'H', 'O', 'Y', '1', 5, 0, MSG_FLAG_MEMFD };
	OWN_FD int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	unsigned before = open_fds();

	packet[14] = 2; /* 128 KiB */
	is_int(ftruncate(fd, 2 << 16), 0, "a memfd");
	is_malformed(packet, sizeof(packet), &fd, 1, "without seals");
	is_int(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0, "sealed");
	is_malformed(packet, sizeof(packet), &fd, 1, "but not against cutting");
	is_int(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0, "sealed at last");
	packet[14] = 3;
	is_malformed(packet, sizeof(packet), &fd, 1, "of another length");
	is_malformed(packet, sizeof(packet), (int[]){ 0 }, 1, "an fd that is no memfd");
	is_int(open_fds(), before, "no fd stays behind");
}

static void test_ends(void)
{
	struct msg sent = { .type = 1 }, got;
	int pair[2];

	is_int(msg_pair(pair, NULL), 0, "a pair");
	is_int(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0, "non-blocking");
	is_int(msg_recv(pair[0], &got, NULL), -EAGAIN, "nothing is there");
	(void)msg_send(pair[1], &sent, NULL);
	own_close(&pair[1]);
	is_int(msg_recv(pair[0], &got, NULL), 1, "what was sent before the end");
	msg_done(&got);
	is_int(msg_recv(pair[0], &got, NULL), 0, "then the end");
	is_int(msg_send(pair[0], &sent, NULL), -EPIPE, "nobody reads: an error, no signal");
	own_close(&pair[0]);
}

/* The other side of msg_call_sync(): answers each call in its own way. */
static void serve(int fd)
{
	struct msg call, event = { .type = 3, .body = STR("event") };
	static const unsigned char error[] = { 0xfe, 0xff, 0xff, 0xff, 4,   0,
					       0,    0,	   'n',	 'o',  'n', 'e' };

	while (msg_recv(fd, &call, NULL) == 1) {
		struct msg reply = { .type = call.type, .flags = MSG_FLAG_REPLY };

		reply.serial = call.serial;
		reply.body = call.body;
		if (call.type == 2) {
			reply.flags |= MSG_FLAG_ERROR;
			reply.body = str_make(error, sizeof(error));
		}
		if (call.type == 4)
			reply.flags |= MSG_FLAG_ERROR; /* with a body that is none */
		if (call.type == 5)
			_exit(0);
		(void)msg_send(fd, &event, NULL);
		if (call.type != 3)
			(void)msg_send(fd, &reply, NULL);
		msg_done(&call);
	}
	_exit(0);
}

static void test_call(void)
{
	struct err err = { 0 };
	struct msg reply;
	int pair[2];
	pid_t pid;

	(void)msg_pair(pair, NULL);
	pid = fork();
	if (pid == 0) {
		own_close(&pair[0]);
		serve(pair[1]);
	}
	own_close(&pair[1]);
	is_int(msg_call_sync(pair[0], 1, STR("hello"), NULL, 0, 60000, &reply, &err), 0, "a call");
	ok(str_is(reply.body, "hello"), "its answer, past an event");
	msg_done(&reply);
	is_int(msg_call_sync(pair[0], 2, STR("?"), NULL, 0, 60000, &reply, &err), -ENOENT,
	       "an error as answer");
	is_text(err.text, "none", "with its text");
	is_int(msg_call_sync(pair[0], 3, STR("?"), NULL, 0, 50, &reply, &err), -ETIMEDOUT,
	       "no answer");
	is_int(msg_call_sync(pair[0], 4, STR("junk"), NULL, 0, 60000, &reply, &err), -EBADMSG,
	       "a malformed error");
	is_int(msg_call_sync(pair[0], 5, STR("?"), NULL, 0, 60000, &reply, &err), -EPIPE,
	       "the other side goes");
	own_close(&pair[0]);
	(void)waitpid(pid, NULL, 0);
}

static void test_named(void)
{
	int place = place_make("msg"), server, client, accepted, other;
	struct msg sent = { .type = 9, .body = STR("hi") }, got;
	uint32_t uid = 77, gid = 77;
	struct stat st = { 0 };
	int pid = 0;

	server = msg_listen(place, "init.sock", 0660, NULL);
	ok(server >= 0, "a listening socket");
	(void)fs_stat(place, "init.sock", FS_BENEATH, &st, NULL);
	is_int(st.st_mode & 07777, 0660, "with its mode");
	client = msg_connect(place, "init.sock", NULL);
	accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	ok(client >= 0 && accepted >= 0, "a client");
	is_int(msg_credentials(accepted, &uid, &gid, &pid, NULL), 0, "who is it?");
	ok(uid == getuid() && gid == getgid() && pid == getpid(), "it is us");
	(void)msg_send(client, &sent, NULL);
	is_int(msg_recv(accepted, &got, NULL), 1, "it talks");
	msg_done(&got);
	own_close(&server);
	is_int(msg_connect(place, "init.sock", NULL), -ECONNREFUSED, "nobody listens any more");
	other = msg_listen(place, "init.sock", 0600, NULL);
	ok(other >= 0, "the stale file makes room");
	place_write(place, "file", "x");
	is_int(msg_listen(place, "file", 0600, NULL), -EEXIST, "a file does not");
	is_int(msg_listen(place, "a/b", 0600, NULL), -EINVAL, "names only");
	is_int(msg_connect(place, "none", NULL), -ENOENT, "no such socket");
	own_close(&client);
	own_close(&accepted);
	own_close(&other);
	place_remove(place);
}

int main(void)
{
	is_int(msg_pair(ends, NULL), 0, "a pair");
	test_short();
	test_sizes();
	test_fds();
	test_held();
	test_malformed();
	test_unsealed();
	test_ends();
	test_call();
	test_named();
	own_close(&ends[0]);
	own_close(&ends[1]);
	return tap_done();
}
