/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proxies: the choice, and the tunnel through one. Runs in the pull role. It must never show a
 * registry's login to a proxy of a TLS registry, nor the proxy's login to a registry.
 */
#include "engine/registry/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <mbedtls/base64.h>
#include "engine/http/http.h"
#include "engine/registry/net.h"
#include "lib/buf.h"
#include "lib/own.h"

/* An address in 16 bytes, IPv4 as v4-mapped; 0 = a name. */
static bool to_address(const char *host, unsigned char ret[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET6, host, ret) == 1)
		return true;
	if (inet_pton(AF_INET, host, ret + 12) != 1)
		return false;
	memcpy(ret, mapped, sizeof(mapped));
	return true;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned left = bits % 8;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return left == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - left)) == 0;
}

static bool is_own(const struct url *target)
{
	unsigned char address[16];

	if (strcmp(target->host, "localhost") == 0)
		return true;
	if (!to_address(target->host, address))
		return false;
	return (address[10] == 0xff && address[12] == 127) ||
	       memcmp(address, &in6addr_loopback, 16) == 0;
}

/* "10.0.0.0/8", "2001:db8::/32". */
static bool in_range(struct str entry, const unsigned char address[16])
{
	ptrdiff_t slash = str_find(entry, '/');
	unsigned char range[16];
	uint64_t bits;
	char text[64];

	if (slash < 0 || str_copy(str_head(entry, (size_t)slash), text, sizeof(text)) < 0 ||
	    !to_address(text, range))
		return false;
	if (str_to_u64(str_skip(entry, (size_t)slash + 1), 0, strchr(text, ':') ? 128 : 32, &bits) <
	    0)
		return false;
	return same_bits(range, address, (unsigned)bits + (strchr(text, ':') ? 0 : 96));
}

static bool entry_matches(struct str entry, const struct url *target)
{
	unsigned char address[16], other[16];
	char host[URL_HOST_MAX];
	struct str wanted = str_from(target->host);
	bool dotted, ip6;
	uint16_t port;

	if (str_is(entry, "*"))
		return true;
	if (to_address(target->host, address) && in_range(entry, address))
		return true;
	if (str_starts(entry, STR("*.")))
		entry = str_skip(entry, 1);
	dotted = str_starts(entry, STR("."));
	if (dotted)
		entry = str_skip(entry, 1);
	if (str_copy(entry, host, sizeof(host)) == 0 && to_address(host, other))
		return to_address(target->host, address) && memcmp(address, other, 16) == 0;
	if (url_parse_host(entry, host, &port, &ip6, NULL) < 0 || (port && port != target->port))
		return false;
	if (strcmp(host, target->host) == 0)
		return !dotted;
	entry = str_from(host);
	return wanted.len > entry.len && str_ends(wanted, entry) &&
	       wanted.ptr[wanted.len - entry.len - 1] == '.' && !to_address(target->host, address);
}

static bool is_exempt(const char *list, const struct url *target)
{
	struct str rest = str_from(list), entry;

	if (is_own(target))
		return true;
	while (str_cut(&rest, ',', &entry)) {
		entry = str_trim(entry);
		if (entry.len && entry_matches(entry, target))
			return true;
	}
	return false;
}

/* "user:password@" in front of the host, percent-encoded, becomes the login. */
static int take_login(struct str login, struct proxy *proxy, struct err *err)
{
	struct buf plain OWN(buf_done) = { 0 };
	size_t len = 0;

	buf_init(&plain, PROXY_LOGIN_MAX / 2);
	memcpy(proxy->login, "Basic ", 7);
	if (url_decode(login, false, &plain) < 0 ||
	    mbedtls_base64_encode((unsigned char *)proxy->login + 6, PROXY_LOGIN_MAX - 6, &len,
				  (const unsigned char *)plain.data, plain.len) != 0)
		return err_set(err, -EINVAL, "proxy: its user and password cannot be read");
	return 0;
}

static int parse_proxy(const char *setting, struct proxy *proxy, struct err *err)
{
	struct str text = str_from(setting), authority;
	char plain[URL_HOST_MAX + 32];
	ptrdiff_t at = -1, slash;

	*proxy = (struct proxy){ 0 };
	if (str_starts(text, STR("http://")))
		text = str_skip(text, 7);
	else if (str_find(text, '/') >= 0)
		return err_set(err, -EINVAL, "proxy: write it as http://host:port");
	slash = str_find(text, '/');
	authority = slash >= 0 ? str_head(text, (size_t)slash) : text;
	for (size_t i = 0; i < authority.len; i++)
		at = authority.ptr[i] == '@' ? (ptrdiff_t)i : at;
	if (at >= 0 && take_login(str_head(authority, (size_t)at), proxy, err) < 0)
		return -EINVAL;
	authority = str_skip(authority, (size_t)(at + 1));
	snprintf(plain, sizeof(plain), "http://%.*s", STR_ARG(str_head(authority, URL_HOST_MAX)));
	if (url_parse(str_from(plain), &proxy->url, NULL) < 0)
		return err_set(err, -EINVAL, "proxy: write it as http://host:port");
	proxy->url.target = (struct str){ 0 };
	return 1;
}

int proxy_choose(const struct pull_proxy *settings, const struct url *target,
		 struct proxy *ret_proxy, struct err *err)
{
	const char *setting = target->tls ? settings->https : settings->http;

	if (!setting[0] || is_exempt(settings->none, target))
		return 0;
	return parse_proxy(setting, ret_proxy, err);
}

void proxy_host_text(const struct url *url, char *dst, size_t cap)
{
	snprintf(dst, cap, url->ip6 ? "[%s]:%u" : "%s:%u", url->host, (unsigned)url->port);
}

/* ---- the tunnel ---- */

static int send_connect(int fd, const struct proxy *proxy, const char *host, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };
	struct str data;
	int r;

	buf_init(&out, 4096);
	http_put_request(&out, "CONNECT", str_from(host));
	r = http_put_field(&out, "Host", str_from(host));
	if (proxy->login[0])
		r |= http_put_field(&out, "Proxy-Authorization", str_from(proxy->login));
	http_put_end(&out);
	if (r < 0 || buf_error(&out))
		return err_set(err, -EINVAL, "proxy: a request that cannot be written");
	data = buf_str(&out);
	while (data.len > 0) {
		ssize_t n = net_write(fd, data.ptr, data.len, NET_IDLE_MS);

		if (n < 0)
			return err_sys(err, (int)n, "proxy %s", proxy->url.host);
		data = str_skip(data, (size_t)n);
	}
	return 0;
}

/* Byte by byte up to the empty line: what comes behind it belongs to the tunnel. */
static int read_answer(int fd, const struct proxy *proxy, struct buf *in, struct err *err)
{
	struct http_head head;
	int64_t used = 0;
	ssize_t n;
	char byte;

	while (used == 0) {
		n = net_read(fd, &byte, 1, NET_IDLE_MS);
		if (n <= 0)
			return err_set(err, n < 0 ? (int)n : -ECONNRESET,
				       "proxy %s: no answer to the wish for a tunnel",
				       proxy->url.host);
		buf_add_byte(in, (unsigned char)byte);
		if (buf_error(in))
			return err_set(err, -EBADMSG, "proxy %s: an answer without an end",
				       proxy->url.host);
		if (byte == '\n')
			used = http_parse_response(buf_str(in), true, &head, err);
	}
	if (used < 0)
		return err_prefix(err, "proxy %s", proxy->url.host);
	if (head.status == 407)
		return err_set(
			err, -EACCES,
			"proxy %s: 407: it wants a login; write http://user:password@host:port",
			proxy->url.host);
	if (head.status / 100 != 2)
		return err_set(err, head.status >= 500 ? -EAGAIN : -EACCES,
			       "proxy %s: answers %u %s to the wish for a tunnel", proxy->url.host,
			       head.status, http_status_text(head.status));
	return 0;
}

int proxy_tunnel(int fd, const struct proxy *proxy, const struct url *target, struct err *err)
{
	struct buf in OWN(buf_done) = { 0 };
	char host[URL_HOST_MAX + 16];
	int r;

	buf_init(&in, HTTP_HEAD_MAX);
	proxy_host_text(target, host, sizeof(host));
	r = send_connect(fd, proxy, host, err);
	return r < 0 ? r : read_answer(fd, proxy, &in, err);
}
