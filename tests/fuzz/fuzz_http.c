/* SPDX-License-Identifier: Apache-2.0 */
/* Heads in both directions and the body behind them; URLs; a body in pieces is the body at once. */
#include <stdlib.h>
#include "engine/http/http.h"
#include "engine/http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The payload, the bytes offered in growing pieces of `step`; the result of the last call. */
static int decode(const struct http_head *head, struct str in, size_t step, struct buf *out)
{
	struct http_body body;
	size_t at = 0, have = 0, used;
	struct str piece;
	int r = 1;

	http_body_init(&body, head);
	while (r > 0) {
		r = http_body_next(&body, str_make(in.ptr + at, have - at), &used, &piece, NULL);
		if (r < 0)
			break;
		if (used > have - at || piece.len > used)
			abort();
		buf_add_str(out, piece);
		at += used;
		if (r > 0 && used == 0) {
			if (have == in.len)
				break;
			have = have + step < in.len ? have + step : in.len;
		}
	}
	return r;
}

static void check_body(const struct http_head *head, struct str rest)
{
	struct buf whole, pieces;
	int a, b;

	buf_init(&whole, 1 << 20);
	buf_init(&pieces, 1 << 20);
	a = decode(head, rest, rest.len + 1, &whole);
	b = decode(head, rest, 1, &pieces);
	if (a != b || (a >= 0 && !str_eq(buf_str(&whole), buf_str(&pieces))))
		abort();
	buf_done(&whole);
	buf_done(&pieces);
}

static void check_head(struct str in, bool request)
{
	struct http_head head, again;
	int64_t used = request ? http_parse_request(in, &head, NULL)
			       : http_parse_response(in, false, &head, NULL);

	if (used <= 0)
		return;
	/* The head's own bytes alone say the same; one byte less says "more". */
	if ((request ? http_parse_request(str_head(in, (size_t)used), &again, NULL)
		     : http_parse_response(str_head(in, (size_t)used), false, &again, NULL)) !=
		    used ||
	    again.framing != head.framing || again.field_count != head.field_count)
		abort();
	if ((request ? http_parse_request(str_head(in, (size_t)used - 1), &again, NULL)
		     : http_parse_response(str_head(in, (size_t)used - 1), false, &again, NULL)) !=
	    0)
		abort();
	check_body(&head, str_skip(in, (size_t)used));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make(data, size), path, query, key, value;
	struct buf text;
	struct url url;

	check_head(in, true);
	check_head(in, false);
	if (url_parse(in, &url, NULL) == 0 && (url.port == 0 || url.target.ptr[0] != '/'))
		abort();
	url_split_target(in, &path, &query);
	buf_init(&text, 1 << 20);
	while (url_next_pair(&query, &key, &value)) {
		buf_clear(&text);
		(void)url_decode(value, true, &text);
	}
	buf_done(&text);
	return 0;
}
