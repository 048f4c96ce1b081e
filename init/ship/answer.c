/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the words between role send and an HTTPS server: the head of a PUT or POST, the first line
 * of its answer. Pure. Must never show a byte of the answer unescaped, nor the token.
 */
#include "init/ship/answer.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { STATUS_AT = 9, STATUS_LINE = 12 }; /* "HTTP/1.1 200" */

static void put_host(struct buf *out, const struct send_wish *wish, bool port)
{
	bool ip6 = strchr(wish->host, ':') != NULL;

	(void)buf_printf(out, "%s%s%s", ip6 ? "[" : "", wish->host, ip6 ? "]" : "");
	if (port)
		(void)buf_printf(out, ":%u", wish->port);
}

int answer_connect(struct buf *out, const struct send_wish *wish)
{
	(void)buf_add_text(out, "CONNECT ");
	put_host(out, wish, true);
	(void)buf_add_text(out, " HTTP/1.1\r\nHost: ");
	put_host(out, wish, true);
	(void)buf_printf(out, "\r\nUser-Agent: hoy/%s\r\n\r\n", HOY_VERSION);
	return buf_error(out);
}

int answer_request(struct buf *out, const struct send_wish *wish)
{
	size_t len = strlen(wish->path);
	bool folder = len == 0 || wish->path[len - 1] == '/';

	(void)buf_printf(out, "%s %s%s HTTP/1.1\r\n", wish->post ? "POST" : "PUT",
			 len == 0 ? "/" : wish->path, folder ? wish->name : "");
	(void)buf_add_text(out, "Host: ");
	put_host(out, wish, wish->port != SEND_PORT);
	(void)buf_printf(out,
			 "\r\nUser-Agent: hoy/%s\r\nContent-Type: application/x-tar\r\n"
			 "Content-Length: %llu\r\nConnection: close\r\n",
			 HOY_VERSION, (unsigned long long)wish->size);
	if (wish->token[0] != '\0')
		(void)buf_printf(out, "Authorization: Bearer %s\r\n", wish->token);
	(void)buf_add_text(out, "\r\n");
	return buf_error(out);
}

static int read_line(struct str in, unsigned *ret_status, struct str *ret_reason)
{
	ptrdiff_t end = str_find(in, '\n');
	struct str line = str_head(in, end < 0 ? in.len : (size_t)end);
	uint64_t status;

	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (end < 0)
		return in.len < ANSWER_MAX ? 0 : -EBADMSG;
	if (line.len < STATUS_LINE || !str_starts(line, STR("HTTP/1.")) ||
	    line.ptr[STATUS_AT - 1] != ' ' ||
	    str_to_u64(str_make(line.ptr + STATUS_AT, 3), 100, 599, &status) < 0 ||
	    (line.len > STATUS_LINE && line.ptr[STATUS_LINE] != ' '))
		return -EBADMSG;
	*ret_status = (unsigned)status;
	*ret_reason = str_trim(str_skip(line, STATUS_LINE));
	return 1;
}

/* Where the head's empty line ends; NULL = it is not there yet. */
static const char *head_end(struct str in)
{
	const char *end = memmem(in.ptr, in.len, "\r\n\r\n", 4);

	return end != NULL ? end + 4 : NULL;
}

int answer_status(struct str in, unsigned *ret_status, struct str *ret_reason)
{
	for (;;) {
		const char *end;
		int r = read_line(in, ret_status, ret_reason);

		if (r <= 0 || *ret_status >= 200)
			return r;
		/* "100 Continue" and the like: the answer itself stands behind their empty line. */
		end = head_end(in);
		if (end == NULL)
			return in.len < ANSWER_MAX ? 0 : -EBADMSG;
		in = str_skip(in, (size_t)(end - in.ptr));
	}
}

int answer_proxy(struct str in, const struct send_wish *wish, struct err *err)
{
	const char *end;
	char shown[160];
	unsigned status;
	struct str reason;
	int r = answer_status(in, &status, &reason);

	if (r <= 0)
		return r < 0 ? err_set(err, -EBADMSG, "the proxy %s does not speak HTTP/1",
				       wish->proxy)
			     : 0;
	if (status >= 300) {
		(void)str_escape(str_head(reason, 60), shown, sizeof(shown));
		return err_set(err, status == 407 ? -EACCES : -ECONNREFUSED,
			       "the proxy %s answers %u %s%s", wish->proxy, status, shown,
			       status == 407 ? ": it wants a password, and is given none" : "");
	}
	/* That of the final answer: others may stand before it. */
	end = head_end(str_skip(in, (size_t)(reason.ptr - in.ptr)));
	if (end == NULL)
		return in.len < ANSWER_MAX
			       ? 0
			       : err_set(err, -EBADMSG, "the proxy %s says too much", wish->proxy);
	if (end != in.ptr + in.len) /* TLS: the server waits for this end's first word */
		return err_set(err, -EBADMSG, "something behind the proxy %s speaks no TLS",
			       wish->proxy);
	return 1;
}

int answer_judge(unsigned status, struct str reason, const struct send_wish *wish, struct err *err)
{
	static const struct {
		unsigned from, to;
		int code;
		const char *next;
	} hints[] = {
		{ 300, 399, -EREMCHG,
		  "it names another place, which is not followed: set server and path to it" },
		{ 401, 401, -EACCES, "set token to what it expects" },
		{ 403, 403, -EACCES, "set token to what it expects" },
		{ 404, 404, -ENOENT, "look at path" },
		{ 405, 405, -EINVAL, "look at path, and at method = put or post" },
		{ 413, 413, -EFBIG, "the archive is too large for it" },
		{ 500, 599, -EIO, "the fault is the server's: try again later" },
	};
	char shown[160];

	if (status >= 200 && status < 300)
		return 0;
	(void)str_escape(str_head(reason, 60), shown, sizeof(shown));
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (status >= hints[i].from && status <= hints[i].to)
			return err_set(err, hints[i].code, "%s answers %u %s: %s", wish->host,
				       status, shown, hints[i].next);
	return err_set(err, -EPROTO, "%s answers %u %s", wish->host, status, shown);
}
