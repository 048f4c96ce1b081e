/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_API_SEND_MSG_H
#define HOY_INIT_API_SEND_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/wire.h"

/*
 * Where a support archive is sent to: [support] of hoy.ini as the disk role read it, and the
 * archive itself. The disk role answers DISK_MSG_SUPPORT_SEND with it, PID 1 passes the bytes on
 * unread, role send reads them.
 */
enum send_msg {
	INIT_MSG_SEND = 0x0118, /* init -> send, its only one: struct send_wish and an fd */
	/* A call of console and clients: {text path of an archive in /data/transfer} -> MORE of
	 * {u64 bytes sent, u64 of}, then {text what the server answers}. Closing the connection
	 * ends it.
	 */
	INIT_MSG_SUPPORT_SEND = 0x0131,
	INIT_MSG_SEND_STEP = 0x0132, /* send -> init, one way: {u64 bytes sent, u64 of} */
	INIT_MSG_SEND_END = 0x0133,  /* send -> init, one way: {u32 code, text}, 0 = it arrived */
};

enum {
	SEND_HOST_MAX = 254,
	SEND_PATH_MAX = 1024,
	SEND_FILE_MAX = 256,
	SEND_TOKEN_MAX = 512,
	SEND_NAME_MAX = 64,
	SEND_WISH_MAX = 3000,
	SEND_PORT = 443,
};

struct send_wish {
	char host[SEND_HOST_MAX]; /* name or address of the server */
	uint16_t port;
	char path[SEND_PATH_MAX];    /* on the server; the name is put behind a '/' at its end */
	bool post;		     /* POST instead of PUT */
	char ca_file[SEND_FILE_MAX]; /* "" = the authorities of the image */
	char cert_file[SEND_FILE_MAX], key_file[SEND_FILE_MAX]; /* this machine's, "" = none */
	char proxy[SEND_HOST_MAX]; /* HTTP, asked to CONNECT; "" = none */
	uint16_t proxy_port;
	char token[SEND_TOKEN_MAX]; /* "" = none */
	char name[SEND_NAME_MAX];   /* of the archive */
	uint64_t size;		    /* its bytes */
};

void send_wish_put(struct buf *out, const struct send_wish *wish);
/* The whole of `in`; 0 or -EBADMSG. */
int send_wish_get(struct wire *in, struct send_wish *ret_wish);

#endif
