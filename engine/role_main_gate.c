/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way in from the network: the listening socket of [remote], the gate role behind it, and the
 * streams between it and the api role. Runs in engine main, which sees texts and fds only. Must
 * never listen without an authority that clients are verified by.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/api/gate_msg.h"
#include "engine/role_main.h"
#include "engine/role_main_access.h"
#include "engine/role_main_remote.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

static const char gate_default[] = "2376"; /* without a section, as in the schema */

enum { GATE_RETRY_MS = 1000, GATE_BACKLOG = 512, GATE_PEER = 1 };

/* ---- a client that the gate has let in ---- */

static void on_client(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct gate_client client;
	struct err err = { 0 };
	int fds[2] = { -1, -1 };
	struct wire in;
	bool hoy;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	gate_client_get(&in, &client);
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed request") : 0;
	hoy = r >= 0 && !strcmp(client.protocol, GATE_PROTOCOL_HOY);
	if (r >= 0 && !hoy && !worker_running(&engine->api))
		r = err_set(&err, -EAGAIN, "the Docker API is not there yet");
	if (r >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		r = err_sys(&err, -errno, "a stream for a client");
	if (r >= 0 && hoy)
		r = engine_remote_start(engine, &client, fds[1], &err);
	else if (r >= 0)
		r = msg_peer_send(&engine->api.peer, GATE_MSG_STREAM, msg->body, &fds[1], 1, &err);
	if (r < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, STR(""), &fds[0], 1);
	own_close(&fds[0]);
	own_close(&fds[1]);
}

static const struct msg_rule rules[] = {
	{ GATE_MSG_CLIENT, "gate-client", 13, 1024, 0, 0, GATE_PEER, on_client },
};

/* ---- configuration ---- */

static int read_pem(const struct ini_section *section, const char *key, struct buf *text,
		    struct err *err)
{
	const char *path = ini_text(&engine_schema, section, key);

	buf_init(text, GATE_PEM_MAX);
	if (!*path)
		return err_set(err, -EINVAL, "%s is missing: without it nobody can come in", key);
	return fs_read(-1, path, FS_HOST, GATE_PEM_MAX, text, err);
}

/* Whether [remote] names files: without any the machine's own authority counts. */
static bool names_files(const struct ini_section *section)
{
	static const char *const keys[] = { "ca_file", "cert_file", "key_file" };
	bool any = false;

	for (size_t i = 0; section && i < ARRAY_LEN(keys); i++)
		any |= *ini_text(&engine_schema, section, keys[i]) != 0;
	return any;
}

bool engine_gate_foreign(const struct engine *engine)
{
	return names_files(ini_find(&engine->manager.engine_config, "remote", ""));
}

static int put_revoked(const struct ini_section *section, struct gate_config *config,
		       struct err *err)
{
	const struct ini_value *value =
		section ? ini_get(&engine_schema, section, "revoked") : NULL;

	for (; value && config->revoked_count < GATE_REVOKED_MAX; value = value->next)
		config->revoked[config->revoked_count++] = value->text;
	if (value)
		return err_set(err, -EINVAL,
			       "more than %d revoked certificates: make a new authority",
			       GATE_REVOKED_MAX);
	return 0;
}

static int put_files(const struct ini_section *section, struct buf *body, struct err *err)
{
	struct buf ca OWN(buf_done) = { 0 }, certificate OWN(buf_done) = { 0 },
		      key OWN(buf_done) = { 0 };
	static struct gate_config config;
	int r = read_pem(section, "ca_file", &ca, err);

	if (r >= 0)
		r = read_pem(section, "cert_file", &certificate, err);
	if (r >= 0)
		r = read_pem(section, "key_file", &key, err);
	if (r < 0)
		return r;
	config = (struct gate_config){ .ca = buf_str(&ca),
				       .certificate = buf_str(&certificate),
				       .key = buf_str(&key) };
	r = put_revoked(section, &config, err);
	gate_config_put(body, &config);
	explicit_bzero(key.data, key.len);
	return r;
}

/* 1; 0 = nobody has been given a certificate yet, so nothing listens. */
static int put_config(const struct ini_section *section, struct buf *body, struct err *err)
{
	static struct gate_config config;
	int r;

	if (names_files(section)) {
		r = put_files(section, body, err);
	} else {
		config = (struct gate_config){ 0 };
		err->code = 0;
		if (!engine_access_config(&config, err))
			return err->code;
		r = put_revoked(section, &config, err);
		gate_config_put(body, &config);
	}
	if (r >= 0 && buf_error(body))
		r = err_set(err, -E2BIG, "the certificates are too large");
	return r < 0 ? r : 1;
}

/* "2376", "192.0.2.1:2376" */
static int read_address(struct str text, struct sockaddr_in *ret_address, struct err *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	ptrdiff_t colon = str_find(text, ':');
	char host[INET_ADDRSTRLEN] = "0.0.0.0";
	uint64_t port;

	if ((colon >= 0 && str_copy(str_head(text, (size_t)colon), host, sizeof(host)) < 0) ||
	    inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
	    str_to_u64(str_skip(text, colon < 0 ? 0 : (size_t)colon + 1), 1, 65535, &port) < 0)
		return err_set(err, -EINVAL, "[ADDRESS:]PORT, such as 2376 or 192.0.2.1:2376");
	address.sin_port = htons((uint16_t)port);
	*ret_address = address;
	return 0;
}

static int open_listener(const char *text, struct err *err)
{
	struct sockaddr_in address;
	const int on = 1;
	int fd OWN_FD = -1;
	int r = read_address(str_from(text), &address, err);

	if (r < 0)
		return r;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0 ||
	    listen(fd, GATE_BACKLOG) < 0)
		return err_sys(err, -errno, "listen on %s", text);
	return take_fd(&fd);
}

/* ---- the role ---- */

static void gate_retry(struct loop_timer *timer)
{
	engine_gate_load(timer->owner);
}

static void on_gate_ended(struct worker *worker)
{
	struct engine *engine = worker->owner;

	log_err("the gate role ended (%s), it is started again", worker->why);
	loop_timer_set(&engine->loop, &engine->gate_retry, GATE_RETRY_MS, gate_retry, engine);
}

static void on_configured(struct msg_peer *peer, void *owner, struct msg *reply,
			  const struct err *err)
{
	(void)peer;
	(void)owner;
	if (!reply)
		log_err("[remote]: %s", err_text(err));
}

static void gate_stop(struct engine *engine)
{
	worker_stop(&engine->gate);
	*engine->gate_listen = 0;
}

static int gate_start(struct engine *engine, const char *listen_text, struct err *err)
{
	int listener OWN_FD = -1;
	int r;

	if (worker_running(&engine->gate) && !strcmp(engine->gate_listen, listen_text))
		return 0;
	gate_stop(engine);
	listener = open_listener(listen_text, err);
	if (listener < 0)
		return listener;
	r = worker_start(&engine->gate, &engine->loop, "gate", rules, ARRAY_LEN(rules), &listener,
			 1, on_gate_ended, engine, err);
	if (r < 0)
		return r;
	engine->gate.peer.identity = GATE_PEER;
	(void)str_copy(str_from(listen_text), engine->gate_listen, sizeof(engine->gate_listen));
	log_notice("the Docker API listens on TCP %s for clients with a certificate", listen_text);
	return 0;
}

void engine_gate_load(struct engine *engine)
{
	const struct ini_section *section = ini_find(&engine->manager.engine_config, "remote", "");
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int r;

	loop_timer_stop(&engine->loop, &engine->gate_retry);
	if (section && section->bad) {
		gate_stop(engine);
		return;
	}
	buf_init(&body, GATE_CONFIG_MAX);
	r = put_config(section, &body, &err);
	if (!r) {
		gate_stop(engine);
		return;
	}
	if (r >= 0)
		r = gate_start(engine,
			       section ? ini_text(&engine_schema, section, "listen") : gate_default,
			       &err);
	if (r >= 0)
		r = (int)msg_peer_call(&engine->gate.peer, GATE_MSG_CONFIG, buf_str(&body), NULL, 0,
				       on_configured, engine, &err);
	if (body.data)
		explicit_bzero(body.data, body.len);
	if (r >= 0)
		return;
	log_err("[remote]: %s", err_text(&err));
	gate_stop(engine);
}
