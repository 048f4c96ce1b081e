/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs and request targets. Pure; runs in the pull and api roles. It must never normalise: what is
 * compared as an origin is what is connected to.
 */
#include "engine/http/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* "a..b", ".a", "a." and labels that begin or end with '-'. */
static bool has_empty_label(const char *host)
{
	char before = '.';

	for (const char *at = host; *at; at++) {
		if ((before == '.' && (*at == '.' || *at == '-')) || (before == '-' && *at == '.'))
			return true;
		before = *at;
	}
	return before == '.' || before == '-';
}

static int lower_host(struct str s, char host[URL_HOST_MAX])
{
	if (s.len == 0 || s.len >= URL_HOST_MAX)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
		      c == '_'))
			return -EINVAL;
		host[i] = c;
	}
	host[s.len] = 0;
	return has_empty_label(host) ? -EINVAL : 0;
}

static int lower_ip6(struct str s, char host[URL_HOST_MAX])
{
	unsigned char address[16];

	if (str_copy(s, host, URL_HOST_MAX) < 0 || inet_pton(AF_INET6, host, address) != 1)
		return -EINVAL;
	/* One spelling for each address, so that origins compare as text. */
	return inet_ntop(AF_INET6, address, host, URL_HOST_MAX) ? 0 : -EINVAL;
}

int url_parse_host(struct str text, char ret_host[URL_HOST_MAX], uint16_t *ret_port, bool *ret_ip6,
		   struct err *err)
{
	struct str host = text, port = { 0 };
	bool ip6 = text.len > 0 && text.ptr[0] == '[', has_port = false;
	uint64_t number = 0;
	char shown[80];
	int r;

	if (ip6) {
		ptrdiff_t close = str_find(text, ']');

		host = close < 0 ? (struct str){ 0 }
				 : str_head(str_skip(text, 1), (size_t)close - 1);
		port = close < 0 ? text : str_skip(text, (size_t)close + 1);
		has_port = port.len > 0;
		if (has_port && port.ptr[0] != ':')
			host = (struct str){ 0 };
		port = str_skip(port, has_port);
	} else if (str_find(text, ':') >= 0) {
		host = str_head(text, (size_t)str_find(text, ':'));
		port = str_skip(text, host.len + 1);
		has_port = true;
	}
	r = ip6 ? lower_ip6(host, ret_host) : lower_host(host, ret_host);
	if (r == 0 && has_port && str_to_u64(port, 1, 65535, &number) < 0)
		r = -EINVAL;
	if (r < 0) {
		str_escape(text, shown, sizeof(shown));
		return err_set(err, -EINVAL, "\"%s\" is no host or host:port", shown);
	}
	*ret_port = (uint16_t)number;
	*ret_ip6 = ip6;
	return 0;
}

int url_parse(struct str text, struct url *ret_url, struct err *err)
{
	struct url url = { 0 };
	struct str rest = text, authority;
	size_t end = 0;
	int r;

	if (text.len > URL_MAX)
		return err_set(err, -EINVAL, "a URL of over %d bytes", URL_MAX);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\' || c == '"')
			return err_set(err, -EINVAL, "byte 0x%02x in a URL", c);
	}
	if (str_is_nocase(str_head(rest, 8), "https://")) {
		url.tls = true;
		rest = str_skip(rest, 8);
	} else if (str_is_nocase(str_head(rest, 7), "http://")) {
		rest = str_skip(rest, 7);
	} else {
		return err_set(err, -EINVAL, "a URL that is neither http nor https");
	}
	while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
		end++;
	authority = str_head(rest, end);
	if (str_find(authority, '@') >= 0)
		return err_set(err, -EINVAL, "a URL with user information in it");
	r = url_parse_host(authority, url.host, &url.port, &url.ip6, err);
	if (r < 0)
		return r;
	if (url.port == 0)
		url.port = url.tls ? 443 : 80;
	url.target = str_skip(rest, end);
	if (url.target.len == 0)
		url.target = STR("/");
	else if (url.target.ptr[0] != '/')
		return err_set(err, -EINVAL, "a URL without a path in front of its query");
	*ret_url = url;
	return 0;
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->tls == b->tls && a->port == b->port && a->ip6 == b->ip6 &&
	       strcmp(a->host, b->host) == 0;
}

void url_put_encoded(struct buf *out, struct str s, bool keep_slash)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash))
			buf_add_byte(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

int url_decode(struct str s, bool plus, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '%') {
			if (s.len - i < 3 || !strchr("0123456789abcdefABCDEF", s.ptr[i + 1]) ||
			    !strchr("0123456789abcdefABCDEF", s.ptr[i + 2]) || !s.ptr[i + 1] ||
			    !s.ptr[i + 2])
				return -EINVAL;
			c = 0;
			for (size_t k = 1; k <= 2; k++) {
				char h = s.ptr[i + k];
				int digit = h <= '9' ? h - '0' : (h | 0x20) - 'a' + 10;

				c = (unsigned char)(c << 4 | digit);
			}
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == 0)
			return -EINVAL;
		buf_add_byte(out, c);
	}
	return buf_error(out);
}

struct str url_shown(struct str url)
{
	for (size_t i = 0; i < url.len; i++)
		if (url.ptr[i] == '?' || url.ptr[i] == '#')
			return str_head(url, i);
	return url;
}

void url_split_target(struct str target, struct str *ret_path, struct str *ret_query)
{
	ptrdiff_t mark = str_find(target, '?');

	*ret_path = mark < 0 ? target : str_head(target, (size_t)mark);
	*ret_query = mark < 0 ? (struct str){ 0 } : str_skip(target, (size_t)mark + 1);
}

bool url_next_pair(struct str *query, struct str *ret_key, struct str *ret_value)
{
	struct str part;
	ptrdiff_t equals;

	do {
		if (query->len == 0 || !str_cut(query, '&', &part))
			return false;
	} while (part.len == 0);
	equals = str_find(part, '=');
	*ret_key = equals < 0 ? part : str_head(part, (size_t)equals);
	*ret_value = equals < 0 ? (struct str){ 0 } : str_skip(part, (size_t)equals + 1);
	return true;
}
