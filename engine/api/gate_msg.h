/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_GATE_MSG_H
#define HOY_ENGINE_API_GATE_MSG_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"
#include "lib/wire.h"

/* What `hoy -H` speaks, beside "http/1.1": a protocol of TLS's ALPN. */
#define GATE_PROTOCOL_HOY "hoy/2"

/* Engine main, the gate role (TLS) and the api role: how a client from the network comes in. */
enum gate_msg {
	/* main -> gate: {struct gate_config} -> {}: what counts for handshakes from now on;
	 * connections whose certificate it revokes are closed. -EINVAL: a text cannot be read */
	GATE_MSG_CONFIG = 0x4c0,
	/* gate -> main: {struct gate_client} -> {} fds [the client's bytes, a stream socket]: a
	 * handshake has ended well */
	GATE_MSG_CLIENT,
	/* main -> api, one way: {struct gate_client} fds [the other end of it] */
	GATE_MSG_STREAM,
};

enum {
	GATE_NAME_MAX = 64,
	GATE_PEM_MAX = 256 << 10,
	GATE_REVOKED_MAX = 256,
	GATE_CONFIG_MAX = 1 << 20,
};

/* Who may do what; each may do what those before it may. The certificate's OU, in lower case. */
enum gate_role {
	GATE_ROLE_SCRAPER = 1, /* /metrics alone, no certificate's: who comes by [metrics] listen */
	GATE_ROLE_READER,
	GATE_ROLE_OPERATOR,
	GATE_ROLE_DEPLOYER,
	GATE_ROLE_ADMIN,
	GATE_ROLE_COUNT,
};

/* "reader" ...; "" for what is none. */
const char *gate_role_name(enum gate_role role);
/* 0 = it names none. */
enum gate_role gate_role_read(struct str name);

/* {text ca, text certificate, text key, u32 count, {text revoked}...} */
struct gate_config {
	struct str ca, certificate, key;      /* PEM */
	struct str revoked[GATE_REVOKED_MAX]; /* names, or serial numbers as hex digits */
	uint32_t revoked_count;
};
void gate_config_put(struct buf *out, const struct gate_config *config);
/* Slices into the body. */
void gate_config_get(struct wire *in, struct gate_config *ret_config);

/* {u8 role, text name, text address, text protocol} */
struct gate_client {
	enum gate_role role;
	char name[GATE_NAME_MAX + 1]; /* of the certificate (CN): letters, digits and ".-_@" */
	char address[64];	      /* where it comes from */
	char protocol[16];	      /* "http/1.1" */
};
void gate_client_put(struct buf *out, const struct gate_client *client);
/* A role or name that cannot be is an error. */
void gate_client_get(struct wire *in, struct gate_client *ret_client);
/* Whether a name can be one of a client; uid-N is how local callers are called. */
bool gate_name_fits(struct str name);

#endif
