/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_GATE_GATE_H
#define HOY_ENGINE_GATE_GATE_H

#include "engine/api/gate_msg.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/msg.h"

/*
 * The TLS side of TCP 2376: accepts, verifies the client's certificate, and carries bytes between
 * the client and a stream that engine main gives it. What the bytes mean is none of its business.
 *
 * A connection: HANDSHAKE -> ASKED (main is asked for a stream) -> OPEN -> CLOSING (what is left is
 * written). From each it may end at once.
 */
enum {
	GATE_CONNECTIONS_MAX = 256,
	GATE_OF_ONE_NAME_MAX = 64,
	GATE_OF_ONE_ADDRESS_MAX = 16, /* handshakes under way */
	GATE_HANDSHAKE_MS = 5000,
	GATE_CLOSE_MS = 10000,
	GATE_HIGH = 64 << 10, /* bytes that wait in one direction: its producer is not read */
};

struct gate;

/* listen_fd: bound and listening, taken over. Handshakes are refused until gate_configure(). NULL
 * with err. */
struct gate *gate_new(struct loop *loop, int listen_fd, struct msg_peer *main_peer,
		      struct err *err);
/* Heeds it from the next handshake on; ends connections that it revokes. -EINVAL. */
int gate_configure(struct gate *gate, const struct gate_config *config, struct err *err);

#endif
