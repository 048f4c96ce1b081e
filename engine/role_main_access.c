/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `access`: the machine's own authority for clients of the Docker API. Runs in engine main, which
 * keeps the record; a role of its own signs. Must never say that somebody was shut out, or let
 * somebody in, before it is on disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "engine/gate/keep.h"
#include "engine/role_main_access.h"
#include "engine/role_main_work.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { ACCESS_DAY_S = 86400, ACCESS_CLOCK_MIN_S = 1735689600 /* 2025 */ };

struct access_work {
	struct engine_work work;
	struct worker role;
	struct access_order order;
	char name[GATE_NAME_MAX + 1];
};

/* One for the process: what counts now, and what shall count once it is on disk. */
static struct gate_keep keep, next;
/* There is a record, and nobody could read it: it must not be replaced by one without its rows. */
static bool damaged;

static int open_state(const struct engine *engine, struct err *err)
{
	if (!engine->data_ready)
		return err_set(err, -EAGAIN, "the data partition is not there");
	return fs_open_dir(engine->containers.data_fd, "state", FS_BENEATH, 0700, err);
}

void engine_access_load(struct engine *engine)
{
	struct buf file OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int dir OWN_FD = open_state(engine, &err);
	int r = dir;

	buf_init(&file, GATE_KEEP_FILE_MAX);
	if (r >= 0)
		r = fs_read(dir, "access", FS_BENEATH, GATE_KEEP_FILE_MAX, &file, &err);
	damaged = r != -ENOENT && (r < 0 || gate_keep_decode(buf_str(&file), &keep, &err) < 0);
	if (damaged)
		log_err("access: %s; no client of the machine's own authority comes in",
			err_text(&err));
	if (file.data)
		explicit_bzero(file.data, file.len);
}

static int refuse_damaged(struct err *err)
{
	if (!damaged)
		return 0;
	return err_set(err, -EIO,
		       "/data/state/access, the record of who may come in, could not be read "
		       "(`log engine` tells why) and is not replaced: restart the machine; if it "
		       "stays, give [remote] of engine.ini an authority of its own (ca_file), or "
		       "remove the file: then all certificates that were issued end");
}

/* `next` counts once it is durable. */
static int store_next(struct engine *engine, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	int dir OWN_FD = open_state(engine, err);
	int r = dir;

	buf_init(&file, GATE_KEEP_FILE_MAX);
	if (r >= 0)
		r = gate_keep_encode(&next, &file, err);
	if (r >= 0)
		r = fs_replace(dir, "access", file.data, file.len, 0600, err);
	if (file.data)
		explicit_bzero(file.data, file.len);
	if (r < 0)
		return r;
	keep = next;
	engine_gate_load(engine);
	return 0;
}

bool engine_access_config(struct gate_config *config, struct err *err)
{
	if (!*keep.ca)
		return false;
	config->ca = str_from(keep.ca);
	config->certificate = str_from(keep.server);
	config->key = str_from(keep.server_key);
	for (uint32_t i = 0; i < keep.row_count; i++) {
		if (!keep.rows[i].revoked)
			continue;
		if (config->revoked_count == GATE_REVOKED_MAX) {
			err_set(err, -E2BIG, "more than %d revoked certificates", GATE_REVOKED_MAX);
			return false;
		}
		config->revoked[config->revoked_count++] = str_from(keep.rows[i].serial);
	}
	return true;
}

/* ---- issue ---- */

static void access_free(struct engine_work *work)
{
	struct access_work *access = (struct access_work *)(void *)work; /* its first member */

	worker_stop(&access->role);
}

static void on_signed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct access_work *access = owner;
	struct engine *engine = access->work.engine;
	struct buf body OWN(buf_done) = { 0 };
	struct access_made made = { 0 };
	struct err bad = { 0 };
	struct wire in;
	int r;

	(void)peer;
	if (!reply) {
		work_fail(&access->work, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	access_made_get(&in, &made);
	r = wire_end(&in) < 0 ? err_set(&bad, -EBADMSG, "the sign role answered with nonsense") : 0;
	if (r >= 0 && *keep.ca && !str_is(made.ca, keep.ca))
		r = err_set(&bad, -EAGAIN, "the authority was made meanwhile: try again");
	next = keep;
	for (uint32_t i = 0; i < access->order.host_count; i++)
		gate_keep_host(&next, access->order.hosts[i]);
	if (r >= 0)
		r = gate_keep_room(&next, wall_now_s(), &bad);
	if (r >= 0)
		r = gate_keep_take(&next, &access->order, &made, &bad);
	if (r >= 0)
		r = store_next(engine, &bad);
	explicit_bzero(&next, sizeof(next));
	if (r < 0) {
		work_fail(&access->work, &bad);
		return;
	}
	log_notice("audit: console: access issue %s: %s, serial %.*s", access->name,
		   gate_role_name(access->order.role), STR_ARG(made.serial));
	buf_init(&body, 4 * ACCESS_PEM_MAX);
	wire_put_str(&body, made.ca);
	wire_put_str(&body, made.client);
	wire_put_str(&body, made.client_key);
	wire_put_str(&body, made.serial);
	wire_put_i64(&body, access->order.until_s);
	wire_put_text(&body, engine->gate_listen);
	work_reply(&access->work, buf_str(&body));
	explicit_bzero(body.data, body.len);
}

static int read_order(struct access_work *access, struct wire *in, struct err *err)
{
	struct access_order *order = &access->order;
	struct str given[ACCESS_HOSTS_MAX];
	uint32_t days, count;
	uint8_t role;

	wire_text(in, access->name, sizeof(access->name));
	role = wire_u8(in);
	days = wire_u32(in);
	count = wire_count(in, ACCESS_HOSTS_MAX);
	next = keep;
	for (uint32_t i = 0; i < count; i++) {
		given[i] = wire_str(in, ACCESS_HOST_MAX);
		if (!access_host_fits(given[i]))
			in->error = -EBADMSG;
	}
	if (wire_end(in) < 0 || !gate_name_fits(str_from(access->name)) ||
	    role < GATE_ROLE_READER || role >= GATE_ROLE_COUNT || !days || days > ACCESS_DAYS_MAX)
		return err_set(err, -EBADMSG, "malformed request");
	/* The machine's certificate stands for all places that clients were told of. */
	for (uint32_t i = 0; i < count; i++)
		gate_keep_host(&next, given[i]);
	for (uint32_t i = 0; i < next.host_count; i++) {
		char *host = arena_text(&access->work.arena, str_from(next.hosts[i]));

		if (!host)
			return err_set(err, -ENOMEM, "no memory for a certificate");
		order->hosts[order->host_count++] = str_from(host);
	}
	order->name = str_from(access->name);
	order->role = (enum gate_role)role;
	order->until_s = wall_now_s() + (int64_t)days * ACCESS_DAY_S;
	order->ca = str_from(keep.ca);
	order->ca_key = str_from(keep.ca_key);
	return 0;
}

static int begin(struct access_work *access, struct wire *in, struct err *err)
{
	struct engine *engine = access->work.engine;
	struct buf body OWN(buf_done) = { 0 };
	int dir OWN_FD = open_state(engine, err);
	int64_t r = dir;

	if (r >= 0)
		r = refuse_damaged(err);
	if (r >= 0 && engine_gate_foreign(engine))
		r = err_set(err, -EEXIST,
			    "[remote] of engine.ini names an authority of its own (ca_file): "
			    "certificates are signed where its key is");
	if (r >= 0 && wall_now_s() < ACCESS_CLOCK_MIN_S)
		r = err_set(err, -EAGAIN,
			    "the clock is not set yet, a certificate would end at once; `status` "
			    "tells its state");
	if (r >= 0)
		r = read_order(access, in, err);
	if (r < 0)
		return (int)r;
	buf_init(&body, 4 * ACCESS_PEM_MAX);
	access_order_put(&body, &access->order);
	r = worker_start(&access->role, &engine->loop, "sign", NULL, 0, NULL, 0, NULL, access, err);
	if (r >= 0)
		r = msg_peer_call(&access->role.peer, ACCESS_MSG_SIGN, buf_str(&body), NULL, 0,
				  on_signed, access, err);
	if (body.data)
		explicit_bzero(body.data, body.len);
	return r < 0 ? (int)r : 0;
}

void engine_access_issue_call(struct msg_peer *peer, struct msg *msg)
{
	struct access_work *access = work_new(peer, msg, sizeof(*access), access_free);
	struct err err = { 0 };
	struct wire in;

	if (!access)
		return;
	access->role.pidfd = access->role.peer.fd = -1;
	wire_init(&in, msg->body.ptr, msg->body.len);
	if (begin(access, &in, &err) < 0)
		work_fail(&access->work, &err);
}

/* ---- list, revoke ---- */

void engine_access_list_call(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, GATE_KEEP_FILE_MAX);
	wire_put_u32(&body, keep.row_count);
	for (uint32_t i = 0; i < keep.row_count; i++)
		access_row_put(&body, &keep.rows[i]);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

void engine_access_revoke_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct buf body OWN(buf_done) = { 0 };
	char which[GATE_NAME_MAX + 1], shown[2 * GATE_NAME_MAX];
	struct err err = { 0 };
	uint32_t count = 0;
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, which, sizeof(which));
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed request") : 0;
	(void)str_escape(str_from(which), shown, sizeof(shown));
	next = keep;
	if (r >= 0)
		r = refuse_damaged(&err);
	if (r >= 0) {
		count = gate_keep_revoke(&next, str_from(which));
		if (!count)
			r = err_set(&err, -ENOENT,
				    "no certificate of the name or serial number '%s' is valid; "
				    "`access list` shows them",
				    shown);
	}
	if (r >= 0)
		r = store_next(engine, &err);
	explicit_bzero(&next, sizeof(next));
	if (r < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	log_notice("audit: console: access revoke %s: %u", shown, count);
	buf_init(&body, 16);
	wire_put_u32(&body, count);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}
