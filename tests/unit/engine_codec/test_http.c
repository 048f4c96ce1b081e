/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP heads, bodies and URLs: what is read, and what two parsers could read differently. */
#include <errno.h>
#include "engine/http/http.h"
#include "engine/http/url.h"
#include "tests/unit/tap.h"

#define HOST "Host: x\r\n"

static void request_is(const char *text, int64_t want, const char *what)
{
	struct http_head head;
	struct err err = { 0 };
	int64_t r = http_parse_request(str_from(text), &head, &err);

	if (!is_int(r, want, "%s", what))
		note("%s", err_text(&err));
}

static void test_request(void)
{
	static const char text[] = "POST /v1/x?a=b HTTP/1.1\r\nhost: d\r\nContent-Length:  5 \r\n"
				   "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello";
	struct http_head head;

	is_int(http_parse_request(str_from(text), &head, NULL), (long long)strlen(text) - 5,
	       "a request: the head's length");
	ok(str_is(head.method, "POST") && str_is(head.target, "/v1/x?a=b"), "method and target");
	ok(head.framing == HTTP_FRAMING_LENGTH && head.length == 5, "length");
	ok(head.keep_alive && str_is(head.upgrade, "tcp"), "keep-alive and upgrade");
	ok(str_is(http_field(&head, "HOST"), "d"), "fields are found in any case");
	ok(http_field(&head, "Absent").ptr == NULL, "a missing field");
	for (size_t n = 0; n < sizeof(text) - 6; n++) {
		if (http_parse_request(str_make(text, n), &head, NULL) != 0) {
			ok(false, "a prefix of %zu bytes asks for more", n);
			return;
		}
	}
	ok(true, "each prefix asks for more");
}

static void test_refused(void)
{
	request_is("GET / HTTP/1.1\nHost: x\n\n", -EBADMSG, "bare LF");
	request_is("GET / HTTP/1.1\r\nHost: x\rY: z\r\n\r\n", -EBADMSG, "bare CR");
	request_is("GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", -EBADMSG, "obs-fold");
	request_is("GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", -EBADMSG, "a space before the colon");
	request_is("GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", -EBADMSG, "a field without name");
	request_is("GET / HTTP/1.1\r\n" HOST "nocolon\r\n\r\n", -EBADMSG, "a line without colon");
	request_is("GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n", -EBADMSG, "a control character");
	request_is("GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
		   -EBADMSG, "Content-Length twice");
	request_is("GET / HTTP/1.1\r\n" HOST
		   "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		   -EBADMSG, "Content-Length beside Transfer-Encoding");
	request_is("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", -EBADMSG,
		   "another coding");
	request_is("GET / HTTP/1.1\r\n" HOST
		   "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		   -EBADMSG, "Transfer-Encoding twice");
	request_is("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", -EBADMSG,
		   "chunked in HTTP/1.0");
	request_is("GET / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", -EBADMSG,
		   "a signed length");
	request_is("GET / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\n",
		   -EBADMSG, "a length of 2^63");
	request_is("GET / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n", -EBADMSG,
		   "a list of lengths");
	request_is("GET / HTTP/1.1\r\n\r\n", -EBADMSG, "no Host");
	request_is("GET / HTTP/1.1\r\n" HOST HOST "\r\n", -EBADMSG, "two Hosts");
	request_is("GET  / HTTP/1.1\r\n" HOST "\r\n", -EBADMSG, "two spaces");
	request_is("GET / HTTP/1.1 \r\n" HOST "\r\n", -EBADMSG, "a space at the end of the line");
	request_is("GET http://x/ HTTP/1.1\r\n" HOST "\r\n", -EBADMSG, "an absolute target");
	request_is("GET / HTTP/2.0\r\n" HOST "\r\n", -EPROTONOSUPPORT, "another version");
	request_is("G@T / HTTP/1.1\r\n" HOST "\r\n", -EBADMSG, "a method that is no token");
	request_is("\r\nGET / HTTP/1.1\r\n" HOST "\r\n", -EBADMSG, "an empty line in front");
}

static void test_limits(void)
{
	struct http_head head;
	struct buf text;

	buf_init(&text, 64 << 10);
	buf_add_text(&text, "GET /");
	for (int i = 0; i < HTTP_LINE_MAX; i++)
		buf_add_byte(&text, 'a');
	is_int(http_parse_request(buf_str(&text), &head, NULL), -ENAMETOOLONG,
	       "a first line without an end");
	buf_clear(&text);
	buf_add_text(&text, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < HTTP_FIELDS_MAX; i++)
		buf_printf(&text, "F%d: x\r\n", i);
	buf_add_text(&text, "\r\n");
	is_int(http_parse_request(buf_str(&text), &head, NULL), -E2BIG, "65 fields");
	buf_clear(&text);
	buf_add_text(&text, "GET / HTTP/1.1\r\nA: ");
	for (int i = 0; i < HTTP_HEAD_MAX; i++)
		buf_add_byte(&text, 'a');
	is_int(http_parse_request(buf_str(&text), &head, NULL), -E2BIG, "a head without an end");
	buf_done(&text);
}

static void response_is(const char *text, bool no_body, enum http_framing want, bool keep,
			const char *what)
{
	struct http_head head;
	int64_t r = http_parse_response(str_from(text), no_body, &head, NULL);

	ok(r > 0 && head.framing == want && head.keep_alive == keep, "%s", what);
}

static void test_response(void)
{
	response_is("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, HTTP_FRAMING_LENGTH,
		    true, "an answer with a length");
	response_is("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true, HTTP_FRAMING_NONE, true,
		    "the same to HEAD");
	response_is("HTTP/1.1 304 \r\nContent-Length: 3\r\n\r\n", false, HTTP_FRAMING_NONE, true,
		    "304 has no body, an empty reason is fine");
	response_is("HTTP/1.1 200\r\n\r\n", false, HTTP_FRAMING_CLOSE, false,
		    "without a length the body ends with the connection");
	response_is("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", false, HTTP_FRAMING_LENGTH,
		    false, "HTTP/1.0 closes");
	response_is("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nConnection: x, close\r\n\r\n",
		    false, HTTP_FRAMING_CHUNKED, false, "chunked, and close in a list");
	is_int(http_parse_response(STR("HTTP/1.1 99 x\r\n\r\n"), false, &(struct http_head){ 0 },
				   NULL),
	       -EBADMSG, "status 99");
	is_int(http_parse_response(STR("ICY 200 OK\r\n\r\n"), false, &(struct http_head){ 0 },
				   NULL),
	       -EBADMSG, "another protocol");
}

/* Decodes the body in pieces of `step` bytes: 0 and the payload in out, or the error. */
static int decode(const char *text, size_t step, struct buf *out)
{
	struct http_head head = { .framing = HTTP_FRAMING_CHUNKED };
	struct http_body body;
	size_t at = 0, have = 0, used;
	struct str data;
	int r = 1;

	buf_clear(out);
	http_body_init(&body, &head);
	while (r > 0) {
		r = http_body_next(&body, str_make(text + at, have - at), &used, &data, NULL);
		if (r < 0)
			return r;
		buf_add_str(out, data);
		at += used;
		if (r == 0 || used > 0)
			continue;
		if (have == strlen(text))
			return -ENODATA;
		have = have + step < strlen(text) ? have + step : strlen(text);
	}
	return at == strlen(text) ? 0 : -E2BIG;
}

static void test_chunked(void)
{
	static const char good[] = "4;x=\"y\"\r\nwiki\r\n005\r\npedia\r\n0\r\nTrailer: x\r\n\r\n";
	struct buf out;

	buf_init(&out, 4096);
	for (size_t step = 1; step < sizeof(good); step++) {
		if (decode(good, step, &out) != 0 || !str_is(buf_str(&out), "wikipedia")) {
			ok(false, "in pieces of %zu bytes", step);
			break;
		}
	}
	is_text(buf_text(&out), "wikipedia",
		"chunks, extension and trailer, in pieces of any size");
	is_int(decode("4\r\nwikipedia\r\n0\r\n\r\n", 1, &out), -EBADMSG, "a chunk too long");
	is_int(decode("4\nwiki\r\n0\r\n\r\n", 1, &out), -EBADMSG, "bare LF");
	is_int(decode("0x4\r\nwiki\r\n0\r\n\r\n", 1, &out), -EBADMSG, "0x");
	is_int(decode("-4\r\nwiki\r\n0\r\n\r\n", 1, &out), -EBADMSG, "a sign");
	is_int(decode("\r\n", 1, &out), -EBADMSG, "no size");
	is_int(decode("1000000000000000\r\n", 1, &out), -EBADMSG, "16 digits");
	is_int(decode("4\r\nwi", 1, &out), -ENODATA, "a chunk that is cut off asks for more");
	buf_done(&out);
}

static void test_writer(void)
{
	struct buf out;

	buf_init(&out, 4096);
	http_put_response(&out, 404);
	is_int(http_put_field(&out, "A", STR("b")), 0, "a field");
	is_int(http_put_field(&out, "A", STR("b\r\nX: y")), -EINVAL, "no CRLF in a value");
	is_int(http_put_field(&out, "A b", STR("c")), -EINVAL, "no space in a name");
	http_put_length(&out, 0);
	http_put_end(&out);
	is_text(buf_text(&out), "HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 0\r\n\r\n",
		"an answer as it is written");
	buf_clear(&out);
	http_put_chunk(&out, STR("0123456789abcdef"));
	http_put_chunk(&out, STR(""));
	http_put_last_chunk(&out);
	is_text(buf_text(&out), "10\r\n0123456789abcdef\r\n0\r\n\r\n", "chunks");
	buf_done(&out);
}

static void url_is(const char *text, bool good, const char *host, unsigned port, const char *target)
{
	struct url url;
	int r = url_parse(str_from(text), &url, NULL);

	if (!good) {
		is_int(r, -EINVAL, "refused: %s", text);
		return;
	}
	ok(r == 0 && !strcmp(url.host, host) && url.port == port && str_is(url.target, target),
	   "URL %s", text);
}

static void test_url(void)
{
	struct url a, b;

	url_is("https://Reg.Example/v2/?x=1", true, "reg.example", 443, "/v2/?x=1");
	url_is("HTTP://h:5000", true, "h", 5000, "/");
	url_is("https://[2001:DB8::1]:5/x", true, "2001:db8::1", 5, "/x");
	url_is("https://u:p@h/", false, NULL, 0, NULL);
	url_is("ftp://h/", false, NULL, 0, NULL);
	url_is("https://h:0/", false, NULL, 0, NULL);
	url_is("https://h:65536/", false, NULL, 0, NULL);
	url_is("https://h/a b", false, NULL, 0, NULL);
	url_is("https://h/#x", false, NULL, 0, NULL);
	url_is("https:///x", false, NULL, 0, NULL);
	url_is("https://h\\@evil/", false, NULL, 0, NULL);
	url_is("https://a..b/", false, NULL, 0, NULL);
	url_is("https://a./", false, NULL, 0, NULL);
	url_is("https://-a.b/", false, NULL, 0, NULL);
	url_is("https://[::1", false, NULL, 0, NULL);
	url_is("https://[::1]x/", false, NULL, 0, NULL);
	url_parse(STR("https://a:443/x"), &a, NULL);
	url_parse(STR("https://A/y"), &b, NULL);
	ok(url_same_origin(&a, &b), "the same origin");
	url_parse(STR("http://a:443/x"), &b, NULL);
	ok(!url_same_origin(&a, &b), "another scheme");
	url_parse(STR("https://a:444/x"), &b, NULL);
	ok(!url_same_origin(&a, &b), "another port");
}

static void test_percent(void)
{
	struct buf out;

	buf_init(&out, 256);
	url_put_encoded(&out, STR("a b/c:\xc3\xa9"), true);
	is_text(buf_text(&out), "a%20b/c%3A%C3%A9", "encoded");
	buf_clear(&out);
	is_int(url_decode(STR("a%20b+c%2F"), true, &out), 0, "decoded");
	is_text(buf_text(&out), "a b c/", "to this");
	buf_clear(&out);
	is_int(url_decode(STR("%2525"), false, &out), 0, "once");
	is_text(buf_text(&out), "%25", "and only once");
	is_int(url_decode(STR("%00"), false, &out), -EINVAL, "no NUL");
	is_int(url_decode(STR("%2"), false, &out), -EINVAL, "a broken escape");
	is_int(url_decode(STR("%zz"), false, &out), -EINVAL, "no digits");
	buf_done(&out);
}

static void test_query(void)
{
	struct str path, query, key, value;

	url_split_target(STR("/a?x=1&&y&z=2=3"), &path, &query);
	ok(str_is(path, "/a"), "path");
	ok(url_next_pair(&query, &key, &value) && str_is(key, "x") && str_is(value, "1"), "x=1");
	ok(url_next_pair(&query, &key, &value) && str_is(key, "y") && value.len == 0, "y");
	ok(url_next_pair(&query, &key, &value) && str_is(key, "z") && str_is(value, "2=3"),
	   "z=2=3");
	ok(!url_next_pair(&query, &key, &value), "the end");
}

int main(void)
{
	test_request();
	test_refused();
	test_limits();
	test_response();
	test_chunked();
	test_writer();
	test_url();
	test_percent();
	test_query();
	return tap_done();
}
