/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of HTTP/1.1 messages. Pure; runs in the pull and api roles. It must never accept a head
 * whose end or body length another parser could read differently.
 */
#include "engine/http/http.h"

#include <errno.h>
#include <string.h>

/* RFC 9110 5.6.2: tchar */
static bool is_token_char(unsigned char c)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		return true;
	return c != 0 && strchr(others, c) != NULL;
}

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_token_char((unsigned char)s.ptr[i]))
			return false;
	}
	return s.len > 0;
}

/* Field values: no control characters but a tab inside. */
static bool is_value(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/*
 * The next CRLF line of *rest. 1 = a line, 0 = it has not come whole yet, -EBADMSG = a bare CR or
 * LF or a NUL is in it.
 */
static int next_line(struct str *rest, struct str *ret_line, struct err *err)
{
	for (size_t i = 0; i < rest->len; i++) {
		char c = rest->ptr[i];

		if (c == '\n' || c == '\0')
			return err_set(err, -EBADMSG, "HTTP: %s in the head",
				       c ? "a line that ends without CR" : "a NUL");
		if (c != '\r')
			continue;
		if (i + 1 == rest->len)
			return 0;
		if (rest->ptr[i + 1] != '\n')
			return err_set(err, -EBADMSG, "HTTP: a bare CR in the head");
		*ret_line = str_head(*rest, i);
		*rest = str_skip(*rest, i + 2);
		return 1;
	}
	return 0;
}

static int parse_version(struct str s, unsigned *ret_minor, struct err *err)
{
	if (str_is(s, "HTTP/1.1"))
		*ret_minor = 1;
	else if (str_is(s, "HTTP/1.0"))
		*ret_minor = 0;
	else if (str_starts(s, STR("HTTP/")))
		return err_set(err, -EPROTONOSUPPORT, "HTTP: only HTTP/1.0 and HTTP/1.1 are known");
	else
		return err_set(err, -EBADMSG, "HTTP: the start line has no HTTP version");
	return 0;
}

static int parse_request_line(struct str line, struct http_head *head, struct err *err)
{
	struct str rest = line, version;
	int r;

	if (!str_cut(&rest, ' ', &head->method) || !str_cut(&rest, ' ', &head->target) ||
	    !str_cut(&rest, ' ', &version) || rest.ptr)
		return err_set(err, -EBADMSG,
			       "HTTP: the request line is not METHOD TARGET VERSION");
	if (!is_token(head->method) || head->method.len > 16)
		return err_set(err, -EBADMSG, "HTTP: the method is no token");
	r = parse_version(version, &head->minor, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < head->target.len; i++) {
		unsigned char c = (unsigned char)head->target.ptr[i];

		if (c <= 0x20 || c >= 0x7f || c == '#')
			return err_set(err, -EBADMSG, "HTTP: byte 0x%02x in the request target", c);
	}
	if (head->target.len == 0 || (head->target.ptr[0] != '/' && !str_is(head->target, "*")))
		return err_set(err, -EBADMSG, "HTTP: the request target does not start with '/'");
	return 0;
}

static int parse_status_line(struct str line, struct http_head *head, struct err *err)
{
	struct str rest = line, version, status;
	uint64_t number;
	int r;

	if (!str_cut(&rest, ' ', &version) || !str_cut(&rest, ' ', &status))
		return err_set(err, -EBADMSG, "HTTP: the status line is not VERSION STATUS");
	r = parse_version(version, &head->minor, err);
	if (r < 0)
		return r;
	if (status.len != 3 || str_to_u64(status, 100, 599, &number) < 0)
		return err_set(err, -EBADMSG, "HTTP: the status is no number from 100 to 599");
	head->status = (unsigned)number;
	head->reason = rest;
	if (!is_value(rest))
		return err_set(err, -EBADMSG, "HTTP: a control character in the status line");
	return 0;
}

static int parse_field(struct str line, struct http_head *head, struct err *err)
{
	ptrdiff_t colon = str_find(line, ':');
	struct http_field *field = &head->fields[head->field_count];

	if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
		return err_set(err, -EBADMSG, "HTTP: a folded field (obs-fold)");
	if (colon <= 0)
		return err_set(err, -EBADMSG, "HTTP: a field without a name");
	if (head->field_count == HTTP_FIELDS_MAX)
		return err_set(err, -E2BIG, "HTTP: more than %d fields", HTTP_FIELDS_MAX);
	field->name = str_head(line, (size_t)colon);
	field->value = str_trim(str_skip(line, (size_t)colon + 1));
	if (!is_token(field->name))
		return err_set(err, -EBADMSG, "HTTP: a field name is no token");
	if (!is_value(field->value))
		return err_set(err, -EBADMSG, "HTTP: a control character in field %.*s",
			       STR_ARG(str_head(field->name, 40)));
	head->field_count++;
	return 0;
}

static size_t count_fields(const struct http_head *head, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < head->field_count; i++)
		n += str_is_nocase(head->fields[i].name, name);
	return n;
}

struct str http_field(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->field_count; i++) {
		if (str_is_nocase(head->fields[i].name, name))
			return head->fields[i].value.ptr ? head->fields[i].value : STR("");
	}
	return (struct str){ 0 };
}

bool http_has_token(const struct http_head *head, const char *name, const char *token)
{
	for (size_t i = 0; i < head->field_count; i++) {
		struct str rest = head->fields[i].value, part;

		if (!str_is_nocase(head->fields[i].name, name))
			continue;
		while (str_cut(&rest, ',', &part)) {
			if (str_is_nocase(str_trim(part), token))
				return true;
		}
	}
	return false;
}

/* RFC 9112 6.3, with everything that is ambiguous refused. */
static int find_framing(struct http_head *head, bool request, bool no_body, struct err *err)
{
	size_t lengths = count_fields(head, "Content-Length");
	size_t codings = count_fields(head, "Transfer-Encoding");

	if (lengths > 1)
		return err_set(err, -EBADMSG, "HTTP: Content-Length stands %zu times", lengths);
	if (codings > 1 || (codings && lengths))
		return err_set(err, -EBADMSG,
			       "HTTP: Transfer-Encoding twice or beside Content-Length");
	head->framing = request ? HTTP_FRAMING_NONE : HTTP_FRAMING_CLOSE;
	if (codings) {
		if (head->minor == 0 ||
		    !str_is_nocase(http_field(head, "Transfer-Encoding"), "chunked"))
			return err_set(err, -EBADMSG,
				       "HTTP: a Transfer-Encoding other than chunked");
		head->framing = HTTP_FRAMING_CHUNKED;
	} else if (lengths) {
		if (str_to_u64(http_field(head, "Content-Length"), 0, INT64_MAX, &head->length) < 0)
			return err_set(err, -EBADMSG, "HTTP: Content-Length is no number");
		head->framing = head->length ? HTTP_FRAMING_LENGTH : HTTP_FRAMING_NONE;
	}
	if (!request &&
	    (no_body || head->status < 200 || head->status == 204 || head->status == 304))
		head->framing = HTTP_FRAMING_NONE;
	return 0;
}

static int finish_head(struct http_head *head, bool request, bool no_body, struct err *err)
{
	size_t hosts = count_fields(head, "Host");
	int r = find_framing(head, request, no_body, err);

	if (r < 0)
		return r;
	if (request && (hosts > 1 || (head->minor == 1 && hosts == 0)))
		return err_set(err, -EBADMSG, "HTTP: %zu Host fields, one is needed", hosts);
	head->keep_alive = head->minor == 1 ? !http_has_token(head, "Connection", "close")
					    : http_has_token(head, "Connection", "keep-alive");
	if (head->framing == HTTP_FRAMING_CLOSE)
		head->keep_alive = false;
	head->expect_continue = request && head->minor == 1 &&
				str_is_nocase(http_field(head, "Expect"), "100-continue");
	if (http_has_token(head, "Connection", "upgrade"))
		head->upgrade = http_field(head, "Upgrade");
	return 0;
}

static int64_t parse_head(struct str in, bool request, bool no_body, struct http_head *head,
			  struct err *err)
{
	struct str rest = str_head(in, HTTP_HEAD_MAX), line;
	bool whole = in.len <= HTTP_HEAD_MAX;
	int r;

	*head = (struct http_head){ 0 };
	r = next_line(&rest, &line, err);
	if (r < 0)
		return r;
	if (r == 0 ? rest.len >= HTTP_LINE_MAX : line.len > HTTP_LINE_MAX)
		return err_set(err, -ENAMETOOLONG, "HTTP: the first line is over %d bytes",
			       HTTP_LINE_MAX);
	if (r == 0)
		return 0;
	r = request ? parse_request_line(line, head, err) : parse_status_line(line, head, err);
	if (r < 0)
		return r;
	for (;;) {
		r = next_line(&rest, &line, err);
		if (r < 0)
			return r;
		if (r == 0) {
			if (whole && in.len < HTTP_HEAD_MAX)
				return 0;
			return err_set(err, -E2BIG, "HTTP: the head is over %d bytes",
				       HTTP_HEAD_MAX);
		}
		if (line.len == 0)
			break;
		r = parse_field(line, head, err);
		if (r < 0)
			return r;
	}
	r = finish_head(head, request, no_body, err);
	return r < 0 ? r : (int64_t)(rest.ptr - in.ptr);
}

int64_t http_parse_request(struct str in, struct http_head *ret_head, struct err *err)
{
	return parse_head(in, true, false, ret_head, err);
}

int64_t http_parse_response(struct str in, bool no_body, struct http_head *ret_head,
			    struct err *err)
{
	return parse_head(in, false, no_body, ret_head, err);
}

void http_put_request(struct buf *out, const char *method, struct str target)
{
	buf_printf(out, "%s %.*s HTTP/1.1\r\n", method, STR_ARG(target));
}

void http_put_response(struct buf *out, unsigned status)
{
	buf_printf(out, "HTTP/1.1 %u %s\r\n", status, http_status_text(status));
}

int http_put_field(struct buf *out, const char *name, struct str value)
{
	if (!is_token(str_from(name)) || !is_value(value))
		return -EINVAL;
	buf_printf(out, "%s: ", name);
	buf_add_str(out, value);
	buf_add_text(out, "\r\n");
	return 0;
}

void http_put_length(struct buf *out, uint64_t length)
{
	buf_printf(out, "Content-Length: %llu\r\n", (unsigned long long)length);
}

void http_put_end(struct buf *out)
{
	buf_add_text(out, "\r\n");
}

const char *http_status_text(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} names[] = {
		{ 100, "Continue" },
		{ 101, "UPGRADED" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].status == status)
			return names[i].text;
	}
	return "Unknown";
}
