/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_GATE_KEEP_H
#define HOY_ENGINE_GATE_KEEP_H

#include "engine/api/access_msg.h"
#include "lib/err.h"

/*
 * What the machine keeps of its own authority, in one file (/data/state/access, 0600):
 *   0  "hoyaccs1"
 *   8  SHA-256 of the rest
 *  40  text ca, text ca_key, text server, text server_key, u32 count, {text host}..., u32 count,
 *      {struct access_row}...
 * A file that is cut or changed is refused as a whole: the port stays closed then.
 */
struct gate_keep {
	char ca[ACCESS_PEM_MAX], ca_key[ACCESS_PEM_MAX];
	char server[ACCESS_PEM_MAX], server_key[ACCESS_PEM_MAX];
	char hosts[ACCESS_HOSTS_MAX][ACCESS_HOST_MAX + 1];
	uint32_t host_count, row_count;
	struct access_row rows[ACCESS_ROWS_MAX];
};

enum { GATE_KEEP_FILE_MAX = 128 << 10, GATE_KEEP_MARGIN_S = 30 * 86400 };

int gate_keep_encode(const struct gate_keep *keep, struct buf *out, struct err *err);
/* -EBADMSG, then *ret_keep is empty. */
int gate_keep_decode(struct str file, struct gate_keep *ret_keep, struct err *err);

/* Remembers a host as the youngest; the oldest goes where there are too many. */
void gate_keep_host(struct gate_keep *keep, struct str host);
/*
 * Makes room for one more row: those that ended before now_s go, revoked ones only
 * GATE_KEEP_MARGIN_S later. -E2BIG: there is none.
 */
int gate_keep_room(struct gate_keep *keep, int64_t now_s, struct err *err);
/* What was made counts from now on. */
int gate_keep_take(struct gate_keep *keep, const struct access_order *order,
		   const struct access_made *made, struct err *err);
/* Takes the certificates of this name or serial number back; how many were not yet. */
uint32_t gate_keep_revoke(struct gate_keep *keep, struct str which);

#endif
