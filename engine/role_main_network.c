/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks made over the API. netd knows the network; /data/state/networks/NAME keeps what has to
 * be said to it again after a boot, and what the client said (labels, options) as text that is not
 * read here: {i64 created, text subnet, u8 internal, text api, text more}; what netd wants beside
 * name and subnet stands in `more` and is not read either. Runs in engine main.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/view_msg.h"
#include "engine/role_main_work.h"
#include "engine/service/networks.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"

enum { NETWORK_FILE_MAX = 300 << 10, NETWORK_API_MAX = 256 << 10, NETWORKS_REPLY_MAX = 15 << 20 };

struct network_record {
	int64_t created_s;
	struct str subnet, api, more;
	bool internal;
};

/* A call of the api role that netd answers first. */
struct network_call {
	struct engine *engine;
	struct msg_peer *peer;
	uint16_t type;
	uint32_t serial;
	char name[NETD_NAME_MAX + 1];
	bool internal;
	struct buf api, more;
};

static int records_open(const struct engine *engine, struct err *err)
{
	if (!engine->data_ready)
		return err_set(err, -EAGAIN, "the data partition is not there");
	return fs_open_dir(engine->containers.data_fd, "state/networks", FS_BENEATH, 0700, err);
}

/* False when there is none, or it is damaged; slices point into file. */
static bool record_read(int dir, const char *name, struct buf *file,
			struct network_record *ret_record)
{
	struct wire in;

	buf_clear(file);
	if (fs_read(dir, name, FS_BENEATH, NETWORK_FILE_MAX, file, NULL) < 0)
		return false;
	wire_init(&in, file->data, file->len);
	ret_record->created_s = wire_i64(&in);
	ret_record->subnet = wire_str(&in, 64);
	ret_record->internal = wire_bool(&in);
	ret_record->api = wire_str(&in, NETWORK_API_MAX);
	ret_record->more = (struct str){ 0 };
	if (in.left) /* files of earlier versions end here */
		ret_record->more = wire_blob(&in, NETD_NETWORK_MORE_MAX);
	return wire_end(&in) >= 0;
}

static struct network_call *call_new(struct msg_peer *peer, const struct msg *msg, const char *name,
				     struct err *err)
{
	struct network_call *call = calloc(1, sizeof(*call));

	if (!call) {
		err_set(err, -ENOMEM, "no memory for a request");
		return NULL;
	}
	*call = (struct network_call){
		.engine = engine_of(peer), .peer = peer, .type = msg->type, .serial = msg->serial
	};
	(void)str_copy(str_from(name), call->name, sizeof(call->name));
	buf_init(&call->api, NETWORK_API_MAX);
	buf_init(&call->more, NETD_NETWORK_MORE_MAX);
	return call;
}

static void call_end(struct network_call *call, const struct err *err, struct str body)
{
	if (err && err->code)
		(void)msg_reply_err(call->peer, call->type, call->serial, err);
	else
		(void)msg_reply(call->peer, call->type, call->serial, body, NULL, 0);
	buf_done(&call->api);
	buf_done(&call->more);
	free(call);
}

static void ask_netd(struct network_call *call, uint16_t type, struct str body, msg_reply_fn *fn)
{
	struct network_client *network = &call->engine->network;
	struct err err = { 0 };

	if (!network->up)
		err_set(&err, -EAGAIN, "the network helper is not there yet");
	else if (msg_peer_call(&network->peer, type, body, NULL, 0, fn, call, &err) >= 0)
		return;
	call_end(call, &err, STR(""));
}

/* ---- list ---- */

static void put_network(struct engine *engine, int dir, const struct netd_network *from,
			struct buf *out)
{
	struct network_record record = { 0 };
	struct buf file OWN(buf_done) = { 0 };
	char name[NETD_NAME_MAX + 1] = "";
	struct engine_network row = { .name = from->name,
				      .subnet = from->subnet,
				      .gateway = from->gateway,
				      .bridge = from->bridge,
				      .driver = from->driver,
				      .subnet6 = from->subnet6,
				      .gateway6 = from->gateway6,
				      .internal = from->internal,
				      .fixed = from->fixed };

	(void)engine;
	buf_init(&file, NETWORK_FILE_MAX);
	if (!from->fixed && dir >= 0 && str_copy(from->name, name, sizeof(name)) >= 0 &&
	    record_read(dir, name, &file, &record)) {
		row.api = record.api;
		row.created_s = record.created_s;
	}
	engine_network_put(out, &row);
}

static void on_list(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct network_call *call = owner;
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct netd_network *networks;
	struct err bad = { 0 };
	int dir OWN_FD = -1;
	uint32_t count;

	(void)peer;
	arena_init(&arena, 1 << 20);
	if (!reply || netd_networks_decode(reply->body, &arena, &networks, &count, &bad) < 0) {
		call_end(call, reply ? &bad : err, STR(""));
		return;
	}
	dir = records_open(call->engine, NULL);
	buf_init(&body, NETWORKS_REPLY_MAX);
	wire_put_u32(&body, count);
	for (uint32_t i = 0; i < count; i++)
		put_network(call->engine, dir, &networks[i], &body);
	call_end(call, NULL, buf_str(&body));
}

void engine_networks_call(struct msg_peer *peer, struct msg *msg)
{
	struct err err = { 0 };
	struct network_call *call = call_new(peer, msg, "", &err);

	if (!call)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		ask_netd(call, NETD_MSG_NETWORK_LIST, STR(""), on_list);
}

/* ---- make ---- */

static void on_made(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct network_call *call = owner;
	struct buf file OWN(buf_done) = { 0 };
	struct err bad = { 0 };
	int dir OWN_FD = -1;
	struct wire in;

	(void)peer;
	if (!reply) {
		call_end(call, err, STR(""));
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	buf_init(&file, NETWORK_FILE_MAX);
	wire_put_i64(&file, wall_now_s());
	wire_put_str(&file, wire_str(&in, 64));
	wire_put_u8(&file, call->internal);
	wire_put_str(&file, buf_str(&call->api));
	wire_put_str(&file, buf_str(&call->more));
	dir = records_open(call->engine, &bad);
	if (dir >= 0)
		(void)fs_replace(dir, call->name, file.data, file.len, 0600, &bad);
	if (!bad.code)
		engine_event(call->engine, "network", "create", call->name, call->name, NULL, 0);
	call_end(call, &bad, STR(""));
}

void engine_network_make_call(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct network_call *call = NULL;
	char name[NETD_NAME_MAX + 1];
	struct err err = { 0 };
	struct str subnet, api, more;
	struct wire in;
	bool internal;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	subnet = wire_str(&in, 64);
	internal = wire_bool(&in);
	api = wire_str(&in, NETWORK_API_MAX);
	more = wire_blob(&in, NETD_NETWORK_MORE_MAX);
	if (wire_end(&in) < 0 || !*name || strchr(name, '/') || *name == '.')
		err_set(&err, -EINVAL, "invalid network name");
	else
		call = call_new(peer, msg, name, &err);
	if (!call) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	call->internal = internal;
	(void)buf_add_str(&call->api, api);
	(void)buf_add_str(&call->more, more);
	buf_init(&body, 1024);
	wire_put_text(&body, name);
	wire_put_str(&body, subnet);
	wire_put_u8(&body, internal);
	(void)buf_add_str(&body, more);
	ask_netd(call, NETD_MSG_NETWORK_SET, buf_str(&body), on_made);
}

/* ---- remove ---- */

static void on_removed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct network_call *call = owner;
	int dir OWN_FD = records_open(call->engine, NULL);

	(void)peer;
	if (reply && dir >= 0) {
		(void)fs_unlink(dir, call->name, NULL);
		(void)fs_sync_dir(dir, NULL);
		engine_event(call->engine, "network", "destroy", call->name, call->name, NULL, 0);
	}
	call_end(call, reply ? NULL : err, STR(""));
}

void engine_network_remove_call(struct msg_peer *peer, struct msg *msg)
{
	struct network_call *call = NULL;
	char name[NETD_NAME_MAX + 1];
	struct err err = { 0 };
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0 || !*name || strchr(name, '/'))
		err_set(&err, -EBADMSG, "malformed request");
	else
		call = call_new(peer, msg, name, &err);
	if (!call)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		ask_netd(call, NETD_MSG_NETWORK_REMOVE, msg->body, on_removed);
}

/* ---- after each connect to netd ---- */

static void on_said_again(struct msg_peer *peer, void *owner, struct msg *reply,
			  const struct err *err)
{
	(void)peer;
	(void)owner;
	if (!reply && err->code != -ECONNRESET)
		log_warn("network: %s", err_text(err));
}

static int say_again(int dirfd, const char *name, unsigned char d_type, void *owner,
		     struct err *err)
{
	struct engine *engine = owner;
	struct network_record record = { 0 };
	struct buf file OWN(buf_done) = { 0 }, body OWN(buf_done) = { 0 };

	(void)d_type;
	(void)err;
	buf_init(&file, NETWORK_FILE_MAX);
	if (*name == '.' || !record_read(dirfd, name, &file, &record))
		return 0;
	buf_init(&body, 1024);
	wire_put_text(&body, name);
	wire_put_str(&body, record.subnet);
	wire_put_u8(&body, record.internal);
	(void)buf_add_str(&body, record.more);
	(void)msg_peer_call(&engine->network.peer, NETD_MSG_NETWORK_SET, buf_str(&body), NULL, 0,
			    on_said_again, NULL, NULL);
	return 0;
}

void engine_networks_up(struct engine *engine)
{
	int dir OWN_FD = engine->network.up ? records_open(engine, NULL) : -1;

	if (dir >= 0)
		(void)fs_each(dir, say_again, engine, NULL);
	if (engine->network.up)
		manager_say_networks(&engine->manager);
}

/* ---- those of Compose files ---- */

enum { LEAVING_RETRY_MS = 1000 };

/* One that no file names any more, or names with other values: it goes once no container is on it.
 */
struct leaving {
	struct leaving *next;
	struct engine *engine;
	struct loop_timer retry;
	char name[NETD_NAME_MAX + 1];
};

static struct leaving *all_leaving;

static void leave(struct leaving *leaving);

static void leaving_end(struct leaving *leaving)
{
	struct leaving **at = &all_leaving;

	while (*at != leaving)
		at = &(*at)->next;
	*at = leaving->next;
	loop_timer_stop(&leaving->engine->loop, &leaving->retry);
	free(leaving);
}

static void on_retry(struct loop_timer *timer)
{
	leave(CONTAINER_OF(timer, struct leaving, retry));
}

static void on_left(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct leaving *leaving = owner;
	struct engine *engine = leaving->engine;
	bool gone = reply || err->code == -ENOENT;

	(void)peer;
	if (!gone && err->code == -EBUSY) {
		loop_timer_set(&engine->loop, &leaving->retry, LEAVING_RETRY_MS, on_retry, leaving);
		return;
	}
	if (!gone && err->code != -ECONNRESET)
		log_warn("network %s of a Compose file: %s", leaving->name, err_text(err));
	leaving_end(leaving);
	if (gone)
		manager_say_networks(&engine->manager); /* one of its name may be wanted again */
}

static void leave(struct leaving *leaving)
{
	struct network_client *network = &leaving->engine->network;
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, sizeof(leaving->name) + 8);
	wire_put_text(&body, leaving->name);
	if (!network->up || msg_peer_call(&network->peer, NETD_MSG_NETWORK_REMOVE, buf_str(&body),
					  NULL, 0, on_left, leaving, NULL) < 0)
		leaving_end(leaving);
}

/* -EEXIST: network.ini has one of this name, which counts; or the one of before is leaving. */
static void on_declared(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	(void)peer;
	(void)owner;
	if (!reply && err->code != -ECONNRESET && err->code != -EEXIST)
		log_warn("network of a Compose file: %s", err_text(err));
}

/* Made over the API by somebody, who keeps it. */
static bool is_api(const struct engine *engine, const char *name)
{
	int dir OWN_FD = records_open(engine, NULL);

	return dir >= 0 && fs_exists(dir, name, FS_BENEATH);
}

static void declare(void *owner, const char *name, struct str body)
{
	struct engine *engine = owner;

	if (engine->network.up && !is_api(engine, name)) /* else engine_networks_up() says it */
		(void)msg_peer_call(&engine->network.peer, NETD_MSG_NETWORK_SET, body, NULL, 0,
				    on_declared, NULL, NULL);
}

static void undeclare(void *owner, const char *name)
{
	struct engine *engine = owner;
	struct leaving *leaving = all_leaving;

	while (leaving && strcmp(leaving->name, name) != 0)
		leaving = leaving->next;
	if (leaving || is_api(engine, name))
		return;
	leaving = calloc(1, sizeof(*leaving));
	if (!leaving || str_copy(str_from(name), leaving->name, sizeof(leaving->name)) < 0) {
		free(leaving);
		return;
	}
	leaving->engine = engine;
	leaving->next = all_leaving;
	all_leaving = leaving;
	leave(leaving);
}

const struct service_networks engine_networks = { declare, undeclare };
