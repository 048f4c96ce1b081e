/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets: what the decoder of headers accepts comes out of the encoder byte for byte, and the real
 * receive path closes what it was sent. The first byte is the number of fds that come along.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/msg_wire.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_decoder(const uint8_t *packet, size_t len, size_t nfds)
{
	unsigned char header[MSG_HEADER_SIZE];
	struct err err = { 0 };
	struct msg msg;
	int r = msg_decode_header(packet, len, nfds, &msg, &err);

	if (r < 0) {
		require(r == -EBADMSG && err.text[0]);
		return;
	}
	require(msg.nfds <= MSG_FDS_MAX && msg.body.len <= MSG_BODY_MAX);
	msg_encode_header(&msg, header);
	require(memcmp(header, packet, sizeof(header)) == 0);
	if (!(msg.flags & MSG_FLAG_MEMFD))
		require(msg.body.len == len - MSG_HEADER_SIZE);
}

/* Through a socket; returns whether it was taken. */
static void check_receiver(const uint8_t *packet, size_t len, size_t nfds)
{
	unsigned char header[MSG_HEADER_SIZE];
	int ends[2], fds[MSG_FDS_MAX + 1], lowest, after;
	struct msg msg = { 0 };

	if (len < MSG_HEADER_SIZE || msg_pair(ends, NULL) < 0)
		return;
	lowest = fcntl(0, F_DUPFD_CLOEXEC, 3);
	own_close(&lowest);
	lowest = fcntl(0, F_DUPFD_CLOEXEC, 3);
	for (size_t i = 0; i < nfds; i++)
		fds[i] = 0;
	memcpy(header, packet, sizeof(header));
	require(msg_send_raw(ends[0], header,
			     str_make(packet + MSG_HEADER_SIZE, len - MSG_HEADER_SIZE), fds,
			     nfds) == 0);
	if (msg_recv(ends[1], &msg, NULL) == 1 && msg.body.len > 0)
		require(msg.body.ptr[0] == (char)packet[MSG_HEADER_SIZE]);
	if (msg.flags & MSG_FLAG_ERROR) {
		struct err err = { 0 };

		require(msg_read_error(&msg, &err) < 0 && err.code < 0);
	}
	msg_done(&msg);
	/* The next free number is the same as before: nothing stayed open. */
	after = lowest;
	own_close(&lowest);
	lowest = fcntl(0, F_DUPFD_CLOEXEC, 3);
	require(lowest == after);
	own_close(&lowest);
	own_close(&ends[0]);
	own_close(&ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t nfds = size > 0 ? data[0] % (MSG_FDS_MAX + 2) : 0;

	if (size < 1 || size > MSG_HEADER_SIZE + 4096)
		return 0;
	check_decoder(data + 1, size - 1, nfds);
	check_receiver(data + 1, size - 1, nfds);
	return 0;
}
