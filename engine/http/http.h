/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_HTTP_HTTP_H
#define HOY_ENGINE_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * HTTP/1.1 (RFC 9110, 9112), both directions, pure: bytes in, slices out. Used by the registry
 * client and by the Docker API. Strict where two parsers could disagree about where a message ends:
 * a bare LF or CR, an obs-fold, white space before a colon, Content-Length twice or beside
 * Transfer-Encoding, any coding but a single "chunked" are all refused.
 */
enum {
	HTTP_LINE_MAX = 8 << 10,  /* the start line */
	HTTP_HEAD_MAX = 16 << 10, /* start line and fields with the empty line */
	HTTP_FIELDS_MAX = 64,
	HTTP_CHUNK_LINE_MAX = 256,
};

enum http_framing {
	HTTP_FRAMING_NONE,    /* no body */
	HTTP_FRAMING_LENGTH,  /* `length` bytes */
	HTTP_FRAMING_CHUNKED, /* chunked, trailers are dropped */
	HTTP_FRAMING_CLOSE,   /* until the connection ends (responses only) */
};

struct http_field {
	struct str name, value; /* the value without white space around it */
};

/* All slices point into the parsed bytes. */
struct http_head {
	struct str method, target; /* requests: origin-form "/..." or "*" */
	unsigned status;	   /* responses: 100..599 */
	struct str reason;
	unsigned minor; /* HTTP/1.minor: 0 or 1 */
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t field_count;
	enum http_framing framing;
	uint64_t length;
	bool keep_alive; /* the connection may carry another message behind this one */
	bool expect_continue;
	struct str upgrade; /* value of Upgrade where Connection names it, else empty */
};

/*
 * Parses a head at the start of `in`: returns the bytes it took, 0 when more are needed, -EBADMSG
 * (answer 400 / drop the server), -E2BIG (431), -ENAMETOOLONG (414), -EPROTONOSUPPORT (505).
 */
int64_t http_parse_request(struct str in, struct http_head *ret_head, struct err *err);
/* no_body: the answer to HEAD. */
int64_t http_parse_response(struct str in, bool no_body, struct http_head *ret_head,
			    struct err *err);

/* The value of the first field of this name (any case); empty slice with ptr NULL when missing. */
struct str http_field(const struct http_head *head, const char *name);
/* Whether a comma-separated field holds the token (any case), e.g. "Connection" "upgrade". */
bool http_has_token(const struct http_head *head, const char *name, const char *token);

/* ---- bodies ---- */

struct http_body {
	enum http_framing framing;
	uint64_t left;	     /* of the length or of the chunk */
	unsigned state;	     /* chunked: where in the grammar */
	size_t trailer_size; /* bytes of trailers so far */
	bool done;
};

void http_body_init(struct http_body *body, const struct http_head *head);
/*
 * Takes the next piece of `in`: *ret_used bytes are done with, *ret_data (a slice of in, possibly
 * empty) is payload. Returns 1 = call again with what follows (with used 0: with more bytes),
 * 0 = the body is complete, -EBADMSG. A CLOSE body is complete when the caller sees end of file.
 */
int http_body_next(struct http_body *body, struct str in, size_t *ret_used, struct str *ret_data,
		   struct err *err);

/* ---- writing ---- */

/* Start lines; then any number of http_put_field(), then http_put_end(). */
void http_put_request(struct buf *out, const char *method, struct str target);
void http_put_response(struct buf *out, unsigned status);
/* -EINVAL and nothing is written when name or value could break the framing (CR, LF, NUL ...). */
int http_put_field(struct buf *out, const char *name, struct str value);
void http_put_length(struct buf *out, uint64_t length); /* Content-Length */
void http_put_end(struct buf *out);
/* One chunk; nothing for empty data (that would end the body). */
void http_put_chunk(struct buf *out, struct str data);
void http_put_last_chunk(struct buf *out);

/* "Not Found"; "Unknown" for a number that has no name here. */
const char *http_status_text(unsigned status);

#endif
