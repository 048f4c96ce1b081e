/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_HTTP_URL_H
#define HOY_ENGINE_HTTP_URL_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * http and https URLs (RFC 3986) and the query part of request targets. Pure.
 */
enum { URL_HOST_MAX = 254, URL_MAX = 8 << 10 };

struct url {
	bool tls;
	char host[URL_HOST_MAX]; /* lower case; an IPv6 address without its brackets */
	uint16_t port;
	bool ip6;
	struct str target; /* path and query, slice of the input; "/" when there was none */
};

/*
 * Parses an absolute URL. User information, fragments, control characters, spaces and other schemes
 * are refused: -EINVAL.
 */
int url_parse(struct str text, struct url *ret_url, struct err *err);

/* "host", "host:port", "[ip6]:port" without a scheme; port 0 = none was given. */
int url_parse_host(struct str text, char ret_host[URL_HOST_MAX], uint16_t *ret_port, bool *ret_ip6,
		   struct err *err);

/* Same scheme, host and port: the only place where credentials may go. */
bool url_same_origin(const struct url *a, const struct url *b);

/* Percent-encodes all but unreserved characters (and '/' where keep_slash). */
void url_put_encoded(struct buf *out, struct str s, bool keep_slash);

/* Decodes once; plus: '+' is a space (query values). -EINVAL on a broken escape or a NUL. */
int url_decode(struct str s, bool plus, struct buf *out);

/* A URL without query and fragment: what of it may be written down, as those carry secrets. */
struct str url_shown(struct str url);
/* Cuts a request target at '?'. */
void url_split_target(struct str target, struct str *ret_path, struct str *ret_query);
/* The next raw "key=value" of a query; false at its end. */
bool url_next_pair(struct str *query, struct str *ret_key, struct str *ret_value);

#endif
