/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of HTTP/2 and gRPC on a connection of the API that became one of BuildKit's protocol: the
 * whole way through the server, from an accepted client. The first byte chooses /grpc or /session;
 * two clients are there at once, so that one may speak of the other's build.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/docker/server.h"
#include "lib/own.h"

enum { STEPS = 12, PIECE = 60000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop loop;
static struct msg_peer main_peer;
static struct docker_server server;

static void require(bool good)
{
	if (!good)
		abort();
}

static void begin(void)
{
	int fds[2];

	if (server.loop)
		return;
	require(loop_init(&loop, NULL) == 0 && msg_pair(fds, NULL) == 0);
	require(msg_peer_init(&main_peer, &loop, fds[0], 1, NULL, 0, 1 << 16, NULL, NULL, NULL) ==
		0);
	server.loop = &loop;
	server.main = &main_peer;
}

static void turn(void)
{
	for (int i = 0; i < STEPS; i++)
		(void)loop_step(&loop, 0, NULL);
}

static int client(const char *route, struct str bytes)
{
	static const char head[] =
		" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: Upgrade\r\n"
		"Upgrade: h2c\r\nX-Docker-Expose-Session-Uuid: s\r\n"
		"X-Docker-Expose-Session-Grpc-Method: /moby.filesync.v1.FileSync/DiffCopy\r\n"
		"\r\n";
	const struct gate_client who = { .name = "x", .address = "unix", .role = GATE_ROLE_ADMIN };
	int fds[2];

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	docker_server_take(&server, fds[0], &who);
	require(write(fds[1], route, strlen(route)) > 0 &&
		write(fds[1], head, sizeof(head) - 1) > 0);
	turn();
	if (bytes.len)
		require(write(fds[1], bytes.ptr, bytes.len) > 0);
	turn();
	return fds[1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_make(data + 1, size - 1), first;
	int one OWN_FD = -1, two OWN_FD = -1;

	if (size < 2 || size > PIECE)
		return 0;
	begin();
	/* The other one is a session where this one is not, with the second half of the bytes. */
	first = str_head(bytes, data[0] & 2 ? bytes.len / 2 : bytes.len);
	two = client(data[0] & 1 ? "POST /grpc" : "POST /session", str_skip(bytes, first.len));
	one = client(data[0] & 1 ? "POST /session" : "POST /grpc", first);
	own_close(&one);
	turn();
	own_close(&two);
	turn();
	return 0;
}
