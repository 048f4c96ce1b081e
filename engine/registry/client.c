/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP client of the pull role. It must never put a credential anywhere the caller did not, and
 * never read a second answer out of a connection whose first one was not taken whole.
 */
#include "engine/registry/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/registry/net.h"
#include "engine/registry/proxy.h"
#include "lib/own.h"

enum {
	CLIENT_REQUEST_MAX = 64 << 10,
	CLIENT_IN_MAX = 128 << 10,
	CLIENT_READ = 64 << 10,
	CLIENT_BLOCK = 32 << 10,
	CLIENT_DRAIN_MAX = 64 << 10,
	CLIENT_INFORMATIONAL_MAX = 8, /* 1xx answers in front of the real one */
};

void client_init(struct client *client, const struct tls_trust *trust, const struct url *identity,
		 const struct pull_proxy *proxy)
{
	*client = (struct client){ .trust = trust, .identity = identity, .proxy = proxy };
	for (size_t i = 0; i < CLIENT_CONNECTIONS; i++)
		client->connections[i].fd = -1;
}

static void close_connection(struct client_connection *c)
{
	tls_free(c->tls);
	c->tls = NULL;
	own_close(&c->fd);
	buf_done(&c->in);
	c->used = c->busy = c->no_wait = false;
}

void client_done(struct client *client)
{
	/* A zeroed client was never set up: its fd 0 is not its own. */
	if (!client || !client->trust)
		return;
	for (size_t i = 0; i < CLIENT_CONNECTIONS; i++)
		close_connection(&client->connections[i]);
	client->trust = NULL;
}

/* An idle one of this origin, or the place of the least recently used; NULL when all are busy. */
static struct client_connection *find_connection(struct client *client, const struct url *origin)
{
	struct client_connection *oldest = NULL;

	for (size_t i = 0; i < CLIENT_CONNECTIONS; i++) {
		struct client_connection *c = &client->connections[i];

		if (c->busy)
			continue;
		if (c->fd >= 0 && url_same_origin(&c->origin, origin))
			return c;
		if (!oldest || (oldest->fd >= 0 && (c->fd < 0 || c->stamp < oldest->stamp)))
			oldest = c;
	}
	if (oldest)
		close_connection(oldest);
	return oldest;
}

/* proxy: NULL = straight to the origin. */
static int open_connection(struct client *client, struct client_connection *c,
			   const struct url *origin, const struct proxy *proxy, struct err *err)
{
	bool known = client->identity && url_same_origin(origin, client->identity);
	int r = 0;

	c->origin = *origin;
	c->origin.target = (struct str){ 0 };
	/* A proxy is the machine's own choice; what it resolves is not seen here but as a number.
	 */
	if (client->outside && proxy && net_is_inside(origin))
		c->fd = net_inside(origin, err);
	else if (client->outside && !proxy)
		c->fd = net_connect_outside(origin, err);
	else
		c->fd = net_connect(proxy ? &proxy->url : origin, err);
	if (c->fd < 0 && proxy)
		return err_prefix(err, "proxy %s", proxy->url.host);
	if (c->fd < 0)
		return c->fd;
	buf_init(&c->in, CLIENT_IN_MAX);
	if (!origin->tls)
		return 0;
	if (proxy)
		r = proxy_tunnel(c->fd, proxy, origin, err);
	if (r == 0)
		r = tls_connect(client->trust, known, c->fd, origin, &c->tls, err);
	if (r < 0)
		close_connection(c);
	return r;
}

static int receive_error(int code, struct err *err)
{
	if (code == -ETIMEDOUT)
		return err_set(err, code, "no byte came for %d s", NET_IDLE_MS / 1000);
	if (code == -EACCES)
		return err_set(err, code, TLS_REFUSED_TEXT);
	if (code == -ECONNRESET || code == -EPIPE)
		return err_set(err, -ECONNRESET, "the connection was cut off");
	return err_sys(err, code, "the connection broke");
}

/* More bytes behind c->in: their count, 0 at the end. */
static ssize_t receive(struct client_connection *c)
{
	int timeout_ms = c->no_wait ? 0 : NET_IDLE_MS;
	ssize_t n;

	if (buf_reserve(&c->in, CLIENT_READ) < 0)
		return -ENOBUFS;
	n = c->tls ? tls_read(c->tls, c->in.data + c->in.len, CLIENT_READ, timeout_ms)
		   : net_read(c->fd, c->in.data + c->in.len, CLIENT_READ, timeout_ms);
	if (n > 0)
		c->in.len += (size_t)n;
	return n;
}

static int send_all(struct client_connection *c, struct str data)
{
	while (data.len > 0) {
		ssize_t n = c->tls ? tls_write(c->tls, data.ptr, data.len)
				   : net_write(c->fd, data.ptr, data.len, NET_IDLE_MS);

		if (n < 0)
			return (int)n;
		data = str_skip(data, (size_t)n);
	}
	return 0;
}

/* The start line: a proxy without a tunnel is told the whole URL (RFC 9112 3.2.2). */
static void put_start(const struct client_request *request, const char *host,
		      const struct proxy *proxy, struct buf *out)
{
	struct buf whole OWN(buf_done);

	buf_init(&whole, 2 * URL_MAX);
	if (!proxy || request->url.tls) {
		http_put_request(out, request->method, request->url.target);
		return;
	}
	buf_printf(&whole, "http://%s", host);
	buf_add_str(&whole, request->url.target);
	http_put_request(out, request->method, buf_str(&whole));
	if (proxy->login[0] &&
	    http_put_field(out, "Proxy-Authorization", str_from(proxy->login)) < 0)
		out->error = -EINVAL;
}

static int put_body(struct buf *out, const struct client_body *body)
{
	int r = 0;

	if (body->type)
		r |= http_put_field(out, "Content-Type", str_from(body->type));
	if (body->range)
		r |= http_put_field(out, "Content-Range", str_from(body->range));
	http_put_length(out, body->size);
	return r;
}

static int write_request(const struct client_request *request, const struct proxy *proxy,
			 struct buf *out, struct err *err)
{
	const struct url *url = &request->url;
	bool usual_port = url->port == (url->tls ? 443 : 80);
	char host[URL_HOST_MAX + 16], range[40];
	int r = 0;

	snprintf(host, sizeof(host), url->ip6 ? "[%s]" : "%s", url->host);
	if (!usual_port)
		snprintf(host + strlen(host), 8, ":%u", (unsigned)url->port);
	put_start(request, host, proxy, out);
	r |= http_put_field(out, "Host", str_from(host));
	r |= http_put_field(out, "User-Agent", STR("hoy/" HOY_VERSION));
	r |= http_put_field(out, "Accept-Encoding", STR("identity"));
	if (request->accept)
		r |= http_put_field(out, "Accept", str_from(request->accept));
	if (request->authorization)
		r |= http_put_field(out, "Authorization", str_from(request->authorization));
	if (request->git_protocol)
		r |= http_put_field(out, "Git-Protocol", str_from(request->git_protocol));
	if (request->range_from > 0) {
		snprintf(range, sizeof(range), "bytes=%" PRIu64 "-", request->range_from);
		r |= http_put_field(out, "Range", str_from(range));
	}
	if (request->form.len) {
		r |= http_put_field(out, "Content-Type", STR("application/x-www-form-urlencoded"));
		http_put_length(out, request->form.len);
	}
	if (request->body)
		r |= put_body(out, request->body);
	http_put_end(out);
	buf_add_str(out, request->form);
	if (r < 0 || buf_error(out))
		return err_set(err, -EINVAL,
			       "a request that cannot be written (password or name "
			       "with a control character?)");
	return 0;
}

/* A block at a time. */
static int send_body(struct client_connection *c, const struct client_body *body)
{
	char block[CLIENT_BLOCK];
	uint64_t done = 0;
	int r = 0;

	if (body->fd < 0)
		return send_all(c, body->text);
	while (r == 0 && done < body->size) {
		size_t want = body->size - done < sizeof(block) ? (size_t)(body->size - done)
								: sizeof(block);
		ssize_t n = pread(body->fd, block, want, (off_t)(body->from + done));

		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		r = send_all(c, str_make(block, (size_t)n));
		done += (uint64_t)n;
	}
	return r;
}

/* One head out of the connection; *ret_none = the connection ended without a byte. */
static int read_head(struct client_connection *c, bool head_only, struct client_response *response,
		     bool *ret_none, struct err *err)
{
	int64_t used;
	ssize_t n;

	for (;;) {
		used = http_parse_response(buf_str(&c->in), head_only, &response->head, err);
		if (used < 0)
			return (int)used;
		if (used > 0)
			break;
		n = receive(c);
		*ret_none = c->in.len == 0;
		if (n == 0)
			n = -ECONNRESET;
		if (n < 0)
			return receive_error((int)n, err);
	}
	/* The head's slices have to outlive what is received next. */
	buf_clear(&response->text);
	buf_add(&response->text, c->in.data, (size_t)used);
	buf_consume(&c->in, (size_t)used);
	if (buf_error(&response->text))
		return err_set(err, -ENOMEM, "no memory for an answer");
	used = http_parse_response(buf_str(&response->text), head_only, &response->head, err);
	return used < 0 ? (int)used : 0;
}

static int exchange(struct client_connection *c, const struct client_request *request,
		    struct str text, struct client_response *response, bool *ret_none,
		    struct err *err)
{
	int r = send_all(c, text), sent;

	if (r == 0 && request->body)
		r = send_body(c, request->body);
	sent = r;

	*ret_none = r == -EPIPE || r == -ECONNRESET;
	if (r < 0 && !*ret_none)
		return receive_error(r, err);
	for (int i = 0; i < CLIENT_INFORMATIONAL_MAX; i++) {
		/* Who closes while we send may have said why. */
		r = read_head(c, strcmp(request->method, "HEAD") == 0, response, ret_none, err);
		if (r < 0 && sent < 0 && r != -EACCES)
			return receive_error(sent, err);
		if (r < 0)
			return r;
		if (response->head.status == 101)
			return err_set(err, -EBADMSG, "the answer changes the protocol unasked");
		if (response->head.status >= 200)
			return 0;
	}
	return err_set(err, -EBADMSG, "informational answers without an end");
}

int client_send(struct client *client, const struct client_request *request,
		struct client_response *ret_response, struct err *err)
{
	struct buf text OWN(buf_done);
	struct client_connection *c = find_connection(client, &request->url);
	struct proxy proxy, *via = NULL;
	/* What was sent of a body may have been taken: only the caller can know how to go on. */
	bool again = !request->body || request->body->size == 0;
	bool none = false, kept;
	int r;

	if (!c)
		return err_set(err, -EBUSY, "more than %d requests at once", CLIENT_CONNECTIONS);
	buf_init(&text, CLIENT_REQUEST_MAX);
	r = client->proxy ? proxy_choose(client->proxy, &request->url, &proxy, err) : 0;
	if (r > 0)
		via = &proxy;
	if (r >= 0)
		r = write_request(request, via, &text, err);
	if (r < 0)
		return r;
	*ret_response = (struct client_response){ .connection = c };
	buf_init(&ret_response->text, HTTP_HEAD_MAX);
	do {
		kept = c->fd >= 0 && c->used;
		r = c->fd < 0 ? open_connection(client, c, &request->url, via, err) : 0;
		if (r < 0)
			break;
		c->stamp = ++client->stamp;
		c->used = true;
		r = exchange(c, request, buf_str(&text), ret_response, &none, err);
		if (r < 0)
			close_connection(c);
	} while (r < 0 && kept && none && again);
	if (r < 0)
		buf_done(&ret_response->text);
	else
		http_body_init(&ret_response->body, &ret_response->head);
	c->busy = r >= 0;
	return r;
}

ssize_t client_read(struct client_response *response, void *dst, size_t cap, struct err *err)
{
	struct client_connection *c = response->connection;
	struct str data;
	size_t used;
	ssize_t n;
	int r;

	for (;;) {
		if (response->body.done)
			return 0;
		r = http_body_next(&response->body, str_head(buf_str(&c->in), cap), &used, &data,
				   err);
		if (r < 0)
			return r;
		if (data.len)
			memcpy(dst, data.ptr, data.len);
		n = (ssize_t)data.len;
		buf_consume(&c->in, used);
		if (n > 0 || response->body.done)
			return n;
		if (used > 0)
			continue;
		n = receive(c);
		if (n == -EAGAIN)
			return n;
		if (n == 0 && response->body.framing == HTTP_FRAMING_CLOSE) {
			response->body.done = true;
			return 0;
		}
		if (n <= 0)
			return receive_error(n == 0 ? -ECONNRESET : (int)n, err);
	}
}

ssize_t client_read_now(struct client_response *response, void *dst, size_t cap, struct err *err)
{
	ssize_t n;

	response->connection->no_wait = true;
	n = client_read(response, dst, cap, err);
	response->connection->no_wait = false;
	return n;
}

int client_fd(const struct client_response *response)
{
	return response->connection->fd;
}

int client_read_all(struct client_response *response, size_t max, struct buf *out, struct err *err)
{
	char block[4096];
	size_t from = out->len;
	ssize_t n;

	for (;;) {
		n = client_read(response, block, sizeof(block), err);
		if (n <= 0)
			return (int)n;
		if (out->len - from + (size_t)n > max)
			return err_set(err, -EFBIG, "an answer of over %zu bytes", max);
		if (buf_add(out, block, (size_t)n) < 0)
			return err_set(err, buf_error(out), "an answer does not fit its memory");
	}
}

void client_finish(struct client_response *response)
{
	char block[4096];
	size_t drained = 0;
	ssize_t n = 1;

	if (!response->connection)
		return;
	while (!response->body.done && drained < CLIENT_DRAIN_MAX && n > 0 &&
	       response->body.framing != HTTP_FRAMING_CLOSE) {
		n = client_read(response, block, sizeof(block), NULL);
		drained += n > 0 ? (size_t)n : 0;
	}
	if (!response->body.done || !response->head.keep_alive)
		close_connection(response->connection);
	response->connection->busy = false;
	buf_done(&response->text);
	*response = (struct client_response){ 0 };
}
