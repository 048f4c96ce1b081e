/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_ACCESS_MSG_H
#define HOY_ENGINE_API_ACCESS_MSG_H

#include "engine/api/gate_msg.h"
#include "lib/buf.h"
#include "lib/wire.h"

/* Certificates of the machine's own authority: console, engine main and the role that signs. */
enum access_msg {
	/* main -> sign: {struct access_order} -> {struct access_made} */
	ACCESS_MSG_SIGN = 0x4d0,
	/* console -> main: {text name, u8 role, u32 days, u32 count, {text host}...} ->
	 * {text ca, text certificate, text key, text serial, i64 until_s, text listen} */
	ACCESS_MSG_ISSUE,
	/* {} -> {u32 count, struct access_row...}: oldest first */
	ACCESS_MSG_LIST,
	/* {text name or serial number} -> {u32 how many count no more now} */
	ACCESS_MSG_REVOKE,
};

enum {
	ACCESS_SERIAL_MAX = 40, /* hexadecimal digits */
	ACCESS_HOST_MAX = 253,
	ACCESS_HOSTS_MAX = 16,
	ACCESS_PEM_MAX = 4096,
	ACCESS_ROWS_MAX = 200,
	ACCESS_DAYS_MAX = 3650,
};

/* {text ca, text ca_key, text name, u8 role, i64 until_s, u32 count, {text host}...} */
struct access_order {
	struct str ca, ca_key; /* PEM; both empty: an authority is made first */
	struct str name;
	enum gate_role role;
	int64_t until_s; /* the client's certificate ends then, since 1970 */
	struct str hosts[ACCESS_HOSTS_MAX];
	uint32_t host_count; /* names and IPv4 addresses that the machine is reached by */
};

/* {text ca, text ca_key, text server, text server_key, text client, text client_key, text serial}
 */
struct access_made {
	struct str ca, ca_key, server, server_key, client, client_key; /* PEM */
	struct str serial;					       /* of the client's */
};

/* {text name, u8 role, text serial, i64 until_s, u8 revoked} */
struct access_row {
	char name[GATE_NAME_MAX + 1];
	char serial[ACCESS_SERIAL_MAX + 1];
	enum gate_role role;
	int64_t until_s;
	bool revoked;
};

/* Slices into the body; what cannot be (a role, a name, a host) is an error. */
void access_order_put(struct buf *out, const struct access_order *order);
void access_order_get(struct wire *in, struct access_order *ret_order);
void access_made_put(struct buf *out, const struct access_made *made);
void access_made_get(struct wire *in, struct access_made *ret_made);
void access_row_put(struct buf *out, const struct access_row *row);
void access_row_get(struct wire *in, struct access_row *ret_row);
/* Whether a certificate can stand for this place: a name of DNS or an IPv4 address. */
bool access_host_fits(struct str host);

#endif
