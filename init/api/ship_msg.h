/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_API_SHIP_MSG_H
#define HOY_INIT_API_SHIP_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/wire.h"

/*
 * Where the log is sent to: [log] of hoy.ini as the disk role read it. The disk role writes it into
 * DISK_MSG_CONFIG, PID 1 passes the bytes on unread, role syslog reads them.
 */
enum { SHIP_HOST_MAX = 254, SHIP_PATH_MAX = 256, SHIP_WISH_MAX = 1152 };

/* Whose lines: bits. */
enum { SHIP_SEND_SYSTEM = 1, SHIP_SEND_KERNEL = 2, SHIP_SEND_CONTAINERS = 4 };

struct ship_wish {
	char host[SHIP_HOST_MAX]; /* name or address, "" = the log stays here */
	uint16_t port;
	bool tls;
	char ca_file[SHIP_PATH_MAX];				/* of the server's certificate */
	char cert_file[SHIP_PATH_MAX], key_file[SHIP_PATH_MAX]; /* this machine's, "" = none */
	uint8_t facility;					/* RFC 5424 table 1 */
	uint8_t prio_max;					/* least urgent that is sent */
	uint64_t queue_bytes;
	uint8_t send; /* SHIP_SEND_* */
};

void ship_wish_put(struct buf *out, const struct ship_wish *wish);
/* The whole of `in`; 0 or -EBADMSG. */
int ship_wish_get(struct wire *in, struct ship_wish *ret_wish);

/* "kern" ... "local7" as RFC 5424 numbers them; -EINVAL. */
int ship_facility(struct str name, uint8_t *ret_facility);

/* "system kernel containers", any of them, to bits; -EINVAL for another word, or none at all. */
int ship_send(struct str words, uint8_t *ret_send);

#endif
