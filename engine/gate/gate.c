/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections from the network, from accept() to the last byte. Runs in the gate role: no file
 * system, no capability, no socket but those it was given. Must never pass on a byte of a client
 * whose certificate it has not verified, nor one to a client.
 */
#include "engine/gate/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/gate/identity.h"
#include "engine/gate/trust.h"
#include "lib/log.h"
#include "lib/own.h"

enum { GATE_PIECE = 16 << 10, GATE_LOG_EVERY_MS = 1000 };

enum connection_state {
	CONNECTION_HANDSHAKE,
	CONNECTION_ASKED,
	CONNECTION_OPEN,
	CONNECTION_CLOSING
};

struct connection {
	struct gate *gate;
	struct connection *next;
	enum connection_state state;
	int fd, inner_fd; /* of the client; of the stream, -1 = not (or no more) there */
	struct loop_io io, inner_io;
	struct loop_timer timer, burial;
	mbedtls_ssl_context ssl;
	struct gate_trust *trust;
	struct gate_identity identity;
	char address[64];
	struct buf in, out; /* plain: from the client, for the client */
	size_t sending;	    /* bytes of `out` that TLS has taken and not sent yet */
	bool wants_write;   /* TLS waits for room in the socket */
	bool in_ended, out_ended;
};

struct gate {
	struct loop *loop;
	struct msg_peer *main;
	struct loop_io listen;
	int listen_fd;
	struct gate_trust *trust; /* NULL = not configured yet */
	struct buf revoked_text;
	struct gate_config config; /* of it `revoked` counts; slices into revoked_text */
	struct connection *connections;
	unsigned count, unsaid;
	struct loop_timer log_timer;
};

static void pump(struct connection *connection);

/* ---- what is said of those who do not get in: a line a second ---- */

static void log_again(struct loop_timer *timer)
{
	struct gate *gate = timer->owner;

	if (gate->unsaid)
		log_warn("%u more connections were refused", gate->unsaid);
	gate->unsaid = 0;
}

static void say_refused(struct gate *gate, const char *address, const char *why)
{
	if (gate->log_timer.armed) {
		gate->unsaid++;
		return;
	}
	log_warn("connection from %s refused: %s", address, why);
	loop_timer_set(gate->loop, &gate->log_timer, GATE_LOG_EVERY_MS, log_again, gate);
}

/* ---- end ---- */

static void bury(struct loop_timer *timer)
{
	struct connection *connection = timer->owner;

	mbedtls_ssl_free(&connection->ssl);
	gate_trust_drop(connection->trust);
	buf_done(&connection->in);
	buf_done(&connection->out);
	free(connection);
}

static void connection_close(struct connection *connection)
{
	struct gate *gate = connection->gate;
	struct connection **at = &gate->connections;

	if (connection->fd < 0)
		return;
	while (*at && *at != connection)
		at = &(*at)->next;
	if (*at)
		*at = connection->next;
	gate->count--;
	msg_peer_forget(gate->main, connection);
	loop_timer_stop(gate->loop, &connection->timer);
	loop_remove(gate->loop, &connection->io);
	loop_remove(gate->loop, &connection->inner_io);
	own_close(&connection->fd);
	own_close(&connection->inner_fd);
	/* A callback of it may be on the stack above us. */
	loop_timer_set(gate->loop, &connection->burial, 0, bury, connection);
}

static void on_late(struct loop_timer *timer)
{
	struct connection *connection = timer->owner;

	if (connection->state == CONNECTION_HANDSHAKE)
		say_refused(connection->gate, connection->address, "no handshake within 5 s");
	connection_close(connection);
}

/* ---- bytes below TLS ---- */

static int bio_send(void *owner, const unsigned char *data, size_t len)
{
	const struct connection *connection = owner;
	ssize_t n = send(connection->fd, data, len, MSG_NOSIGNAL);

	if (n >= 0)
		return (int)n;
	return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE
						 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int bio_receive(void *owner, unsigned char *dst, size_t cap)
{
	const struct connection *connection = owner;
	ssize_t n = recv(connection->fd, dst, cap, 0);

	if (n >= 0)
		return (int)n;
	return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ
						 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/* ---- which events count ---- */

static void on_client(struct loop_io *io, uint32_t events);
static void on_stream(struct loop_io *io, uint32_t events);

/* What nobody waits for is not watched at all: a silenced socket would tell its hang-up for ever.
 */
static void watch_one(struct connection *connection, struct loop_io *io, int fd, uint32_t events,
		      loop_io_fn *fn)
{
	struct loop *loop = connection->gate->loop;

	if (fd < 0 || !events)
		loop_remove(loop, io);
	else if (io->fn)
		(void)loop_change(loop, io, events);
	else
		(void)loop_add(loop, io, fd, events, fn, connection, NULL);
}

static void watch(struct connection *connection)
{
	bool room_in = connection->in.len < GATE_HIGH, room_out = connection->out.len < GATE_HIGH;
	bool open = connection->state == CONNECTION_OPEN;
	uint32_t client = 0, stream = 0;

	if (connection->fd < 0)
		return;
	if (!connection->in_ended && (open ? room_in : connection->state == CONNECTION_HANDSHAKE))
		client |= EPOLLIN;
	if (connection->wants_write)
		client |= EPOLLOUT;
	if (open && !connection->out_ended && room_out)
		stream |= EPOLLIN;
	if (open && connection->in.len)
		stream |= EPOLLOUT;
	watch_one(connection, &connection->io, connection->fd, client, on_client);
	watch_one(connection, &connection->inner_io, connection->inner_fd, stream, on_stream);
}

/* ---- the bytes of an open connection ---- */

/* False: the connection is over. */
static bool read_client(struct connection *connection)
{
	while (!connection->in_ended && connection->in.len < GATE_HIGH) {
		int r;

		if (buf_reserve(&connection->in, GATE_PIECE) < 0)
			return false;
		r = mbedtls_ssl_read(&connection->ssl,
				     (unsigned char *)connection->in.data + connection->in.len,
				     GATE_PIECE);
		if (r == MBEDTLS_ERR_SSL_WANT_READ)
			return true;
		if (r == MBEDTLS_ERR_SSL_WANT_WRITE) {
			connection->wants_write = true;
			return true;
		}
		if (r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
			connection->in_ended = true;
			return true;
		}
		if (r <= 0) /* cut off: what it meant to say is not known to be whole */
			return false;
		connection->in.len += (size_t)r;
	}
	return true;
}

static bool write_stream(struct connection *connection)
{
	while (connection->in.len) {
		ssize_t n = send(connection->inner_fd, connection->in.data, connection->in.len,
				 MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n < 0) { /* the api role reads no more; what it wrote is still to come */
			buf_clear(&connection->in);
			connection->in_ended = true;
			return true;
		}
		buf_consume(&connection->in, (size_t)n);
	}
	if (connection->in_ended)
		(void)shutdown(connection->inner_fd, SHUT_WR);
	return true;
}

static void read_stream(struct connection *connection)
{
	while (!connection->out_ended && connection->out.len < GATE_HIGH) {
		ssize_t n;

		if (buf_reserve(&connection->out, GATE_PIECE) < 0)
			return;
		n = recv(connection->inner_fd, connection->out.data + connection->out.len,
			 GATE_PIECE, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			connection->out_ended = true;
			return;
		}
		connection->out.len += (size_t)n;
	}
}

/* False: the connection is over. TLS wants the same bytes again until it has sent them. */
static bool write_client(struct connection *connection)
{
	connection->wants_write = false;
	while (connection->out.len) {
		size_t len = connection->sending ? connection->sending : connection->out.len;
		int r = mbedtls_ssl_write(&connection->ssl,
					  (const unsigned char *)connection->out.data, len);

		if (r == MBEDTLS_ERR_SSL_WANT_WRITE) {
			connection->sending = len;
			connection->wants_write = true;
			return true;
		}
		if (r == MBEDTLS_ERR_SSL_WANT_READ)
			return true;
		if (r < 0)
			return false;
		connection->sending = 0;
		buf_consume(&connection->out, (size_t)r);
	}
	return true;
}

static void closing(struct connection *connection)
{
	int r = mbedtls_ssl_close_notify(&connection->ssl);

	if (r == MBEDTLS_ERR_SSL_WANT_WRITE) {
		connection->state = CONNECTION_CLOSING;
		connection->wants_write = true;
		loop_timer_set(connection->gate->loop, &connection->timer, GATE_CLOSE_MS, on_late,
			       connection);
		watch(connection);
		return;
	}
	connection_close(connection);
}

static void pump(struct connection *connection)
{
	bool fine = read_client(connection) && write_stream(connection);

	if (fine) {
		read_stream(connection);
		fine = write_client(connection);
	}
	if (!fine)
		connection_close(connection);
	else if (connection->out_ended && !connection->out.len)
		closing(connection);
	else
		watch(connection);
}

/* ---- the handshake ---- */

static unsigned count_of(const struct gate *gate, const char *name)
{
	unsigned count = 0;

	for (const struct connection *c = gate->connections; c; c = c->next)
		count += c->state != CONNECTION_HANDSHAKE && !strcmp(c->identity.name, name);
	return count;
}

static void on_stream_given(struct msg_peer *peer, void *owner, struct msg *reply,
			    const struct err *err)
{
	struct connection *connection = owner;

	(void)peer;
	if (reply)
		connection->inner_fd = msg_take_fd(reply, 0);
	if (connection->inner_fd < 0) {
		say_refused(connection->gate, connection->address,
			    reply ? "no stream" : err_text(err));
		connection_close(connection);
		return;
	}
	loop_timer_stop(connection->gate->loop, &connection->timer);
	connection->state = CONNECTION_OPEN;
	pump(connection);
}

static void ask_stream(struct connection *connection)
{
	struct gate *gate = connection->gate;
	struct gate_client client = { .role = connection->identity.role };
	struct buf body OWN(buf_done) = { 0 };
	const char *protocol = mbedtls_ssl_get_alpn_protocol(&connection->ssl);
	struct err err = { 0 };

	(void)str_copy(str_from(connection->identity.name), client.name, sizeof(client.name));
	(void)str_copy(str_from(connection->address), client.address, sizeof(client.address));
	(void)str_copy(str_from(protocol ? protocol : "http/1.1"), client.protocol,
		       sizeof(client.protocol));
	buf_init(&body, 1024);
	gate_client_put(&body, &client);
	connection->state = CONNECTION_ASKED;
	if (msg_peer_call(gate->main, GATE_MSG_CLIENT, buf_str(&body), NULL, 0, on_stream_given,
			  connection, &err) >= 0) {
		watch(connection);
		return;
	}
	say_refused(gate, connection->address, err_text(&err));
	connection_close(connection);
}

/* Whether the certificate that was verified may come in. */
static bool admit(struct connection *connection)
{
	struct gate *gate = connection->gate;
	const mbedtls_x509_crt *certificate = mbedtls_ssl_get_peer_cert(&connection->ssl);
	struct err err = { 0 };

	if (!certificate || mbedtls_ssl_get_verify_result(&connection->ssl))
		err_set(&err, -EACCES, "no verified certificate");
	else if (gate_identity_read(certificate, &connection->identity, &err) >= 0) {
		if (gate_identity_revoked(&connection->identity, gate->config.revoked,
					  gate->config.revoked_count))
			err_set(&err, -EACCES, "the certificate of %s is revoked",
				connection->identity.name);
		else if (count_of(gate, connection->identity.name) >= GATE_OF_ONE_NAME_MAX)
			err_set(&err, -EAGAIN, "%s has %d connections already",
				connection->identity.name, GATE_OF_ONE_NAME_MAX);
		else
			return true;
	}
	say_refused(gate, connection->address, err_text(&err));
	return false;
}

static const char *handshake_why(const struct connection *connection, int code, char dst[160])
{
	uint32_t flags = mbedtls_ssl_get_verify_result(&connection->ssl);

	if (code == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE)
		return "it has shown no certificate";
	if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || (flags && flags != UINT32_MAX)) {
		if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
			return "its certificate has expired";
		if (flags & MBEDTLS_X509_BADCERT_FUTURE)
			return "its certificate is not valid yet";
		if (flags & MBEDTLS_X509_BADCERT_EXT_KEY_USAGE)
			return "its certificate is not one for clients (extended key usage)";
		return "its certificate was not signed by the authority of ca_file";
	}
	(void)snprintf(dst, 160, "TLS handshake failed (-0x%x)", (unsigned)-code);
	return dst;
}

static void handshake(struct connection *connection)
{
	int r = mbedtls_ssl_handshake(&connection->ssl);
	char why[160];

	connection->wants_write = r == MBEDTLS_ERR_SSL_WANT_WRITE;
	if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE) {
		watch(connection);
		return;
	}
	if (r != 0) {
		say_refused(connection->gate, connection->address,
			    handshake_why(connection, r, why));
		connection_close(connection);
	} else if (admit(connection)) {
		ask_stream(connection);
	} else {
		(void)mbedtls_ssl_send_alert_message(&connection->ssl,
						     MBEDTLS_SSL_ALERT_LEVEL_FATAL,
						     MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED);
		connection_close(connection);
	}
}

static void on_client(struct loop_io *io, uint32_t events)
{
	struct connection *connection = io->owner;

	(void)events;
	switch (connection->state) {
	case CONNECTION_HANDSHAKE:
		handshake(connection);
		break;
	case CONNECTION_OPEN:
		pump(connection);
		break;
	case CONNECTION_CLOSING:
		closing(connection);
		break;
	case CONNECTION_ASKED:
		watch(connection);
		break;
	}
}

static void on_stream(struct loop_io *io, uint32_t events)
{
	(void)events;
	pump(io->owner);
}

/* ---- accept ---- */

static unsigned handshakes_from(const struct gate *gate, const char *address)
{
	unsigned count = 0;

	for (const struct connection *c = gate->connections; c; c = c->next)
		count += c->state == CONNECTION_HANDSHAKE && !strcmp(c->address, address);
	return count;
}

static int connection_new(struct gate *gate, int *fd, const char *address)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	struct err err = { 0 };

	if (!connection)
		return -ENOMEM;
	connection->gate = gate;
	connection->fd = connection->inner_fd = -1;
	(void)str_copy(str_from(address), connection->address, sizeof(connection->address));
	buf_init(&connection->in, GATE_HIGH + GATE_PIECE);
	buf_init(&connection->out, GATE_HIGH + GATE_PIECE);
	mbedtls_ssl_init(&connection->ssl);
	connection->trust = gate->trust;
	connection->trust->users++;
	if (mbedtls_ssl_setup(&connection->ssl, &gate->trust->config) ||
	    loop_add(gate->loop, &connection->io, *fd, EPOLLIN, on_client, connection, &err) < 0) {
		loop_timer_set(gate->loop, &connection->burial, 0, bury, connection);
		return -ENOMEM;
	}
	mbedtls_ssl_set_bio(&connection->ssl, connection, bio_send, bio_receive, NULL);
	connection->fd = take_fd(fd);
	connection->next = gate->connections;
	gate->connections = connection;
	gate->count++;
	loop_timer_set(gate->loop, &connection->timer, GATE_HANDSHAKE_MS, on_late, connection);
	return 0;
}

static void on_accept(struct loop_io *io, uint32_t events)
{
	struct gate *gate = io->owner;
	struct sockaddr_in from = { 0 };
	socklen_t len = sizeof(from);
	int fd OWN_FD = accept4(io->fd, (struct sockaddr *)(void *)&from, &len,
				SOCK_CLOEXEC | SOCK_NONBLOCK);
	char address[64] = "";

	(void)events;
	if (fd < 0)
		return;
	(void)inet_ntop(AF_INET, &from.sin_addr, address, sizeof(address));
	if (!gate->trust)
		say_refused(gate, address, "there are no certificates yet");
	else if (gate->count >= GATE_CONNECTIONS_MAX)
		say_refused(gate, address, "too many connections");
	else if (handshakes_from(gate, address) >= GATE_OF_ONE_ADDRESS_MAX)
		say_refused(gate, address, "too many handshakes at once");
	else if (connection_new(gate, &fd, address) < 0)
		say_refused(gate, address, "no memory for a connection");
}

struct gate *gate_new(struct loop *loop, int listen_fd, struct msg_peer *main_peer, struct err *err)
{
	struct gate *gate = calloc(1, sizeof(*gate));

	if (!gate) {
		err_set(err, -ENOMEM, "no memory for the gate");
		return NULL;
	}
	gate->loop = loop;
	gate->main = main_peer;
	gate->listen_fd = listen_fd;
	buf_init(&gate->revoked_text, GATE_CONFIG_MAX);
	if (loop_add(loop, &gate->listen, listen_fd, EPOLLIN, on_accept, gate, err) < 0) {
		free(gate);
		return NULL;
	}
	return gate;
}

int gate_configure(struct gate *gate, const struct gate_config *config, struct err *err)
{
	struct connection *next;
	struct gate_trust *trust;
	int r = gate_trust_new(config, &trust, err);
	size_t at = 0;

	if (r < 0)
		return r;
	gate_trust_drop(gate->trust);
	gate->trust = trust;
	buf_clear(&gate->revoked_text);
	for (uint32_t i = 0; i < config->revoked_count; i++)
		(void)buf_add_str(&gate->revoked_text, config->revoked[i]);
	gate->config.revoked_count = config->revoked_count;
	for (uint32_t i = 0; i < config->revoked_count; i++) {
		gate->config.revoked[i] =
			str_make(gate->revoked_text.data + at, config->revoked[i].len);
		at += config->revoked[i].len;
	}
	for (struct connection *c = gate->connections; c; c = next) {
		next = c->next;
		if (c->state == CONNECTION_HANDSHAKE ||
		    !gate_identity_revoked(&c->identity, gate->config.revoked,
					   gate->config.revoked_count))
			continue;
		log_notice("connection of %s ended: its certificate is revoked", c->identity.name);
		connection_close(c);
	}
	return 0;
}
