/* SPDX-License-Identifier: Apache-2.0 */
/* A support archive's request, and what is made of the server's answer to it. */
#include <errno.h>
#include <string.h>
#include "init/ship/answer.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static struct send_wish wish = { .host = "support.example",
				 .port = 443,
				 .path = "/upload/",
				 .name = "support-1.tar",
				 .size = 20480 };

static bool request_has(const char *text)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 4096);
	return answer_request(&out, &wish) == 0 && strstr(buf_text(&out), text) != NULL;
}

static void test_request(void)
{
	struct buf small OWN(buf_done) = { 0 };

	ok(request_has("PUT /upload/support-1.tar HTTP/1.1\r\nHost: support.example\r\n"),
	   "a folder gets the archive's name");
	ok(request_has("\r\nContent-Length: 20480\r\n") && !request_has("Authorization"),
	   "its size; no token where there is none");
	wish.post = true;
	wish.port = 8443;
	(void)str_copy(str_from("/in?key=1"), wish.path, sizeof(wish.path));
	(void)str_copy(str_from("abc.def"), wish.token, sizeof(wish.token));
	ok(request_has("POST /in?key=1 HTTP/1.1\r\nHost: support.example:8443\r\n"),
	   "another path as it is, another port said");
	ok(request_has("\r\nAuthorization: Bearer abc.def\r\n\r\n"), "a token as RFC 6750 has it");
	(void)str_copy(str_from("2001:db8::1"), wish.host, sizeof(wish.host));
	ok(request_has("\r\nHost: [2001:db8::1]:8443\r\n"), "an IPv6 address in brackets");
	buf_init(&small, 64);
	is_int(answer_request(&small, &wish), -ENOSPC, "what does not fit is an error");
}

static void proxy_is(const char *text, int want, const char *words)
{
	struct err err = { 0 };

	is_int(answer_proxy(str_from(text), &wish, &err), want, "%.30s", text);
	ok(strstr(err_text(&err), words) != NULL, "%s", err_text(&err));
}

static void test_proxy(void)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 4096);
	(void)answer_connect(&out, &wish);
	ok(strstr(buf_text(&out),
		  "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n"),
	   "a proxy is asked for the way");
	ok(strstr(buf_text(&out), "Authorization") == NULL, "and hears of no token");
	(void)str_copy(str_from("gate"), wish.proxy, sizeof(wish.proxy));
	proxy_is("HTTP/1.1 200 OK\r\nVia: x\r\n", 0, "");
	proxy_is("HTTP/1.0 200 Established\r\n\r\n", 1, "");
	proxy_is("HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 1, "");
	proxy_is("HTTP/1.1 200 OK\r\n\r\nSSH-2.0", -EBADMSG, "behind the proxy gate");
	proxy_is("HTTP/1.1 407 Who\x1b\r\n", -EACCES,
		 "gate answers 407 Who\\x1b: it wants a password");
	proxy_is("HTTP/1.1 403 No\r\n", -ECONNREFUSED, "gate answers 403 No");
	proxy_is("SSH-2.0-x\r\n", -EBADMSG, "speak HTTP/1");
}

static void status_is(const char *text, int want, unsigned status, const char *reason)
{
	struct str got = { 0 };
	unsigned n = 0;
	int r = answer_status(str_from(text), &n, &got);

	is_int(r, want, "%.30s", text);
	if (r == 1)
		ok(n == status && str_is(got, reason), "%u %s", status, reason);
}

static void test_status(void)
{
	char many[ANSWER_MAX + 1];

	status_is("HTTP/1.1 201 Created\r\nX: y\r\n", 1, 201, "Created");
	status_is("HTTP/1.0 200\n", 1, 200, "");
	status_is("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n", 1, 204, "No Content");
	status_is("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTT", 0, 0, "");
	status_is("HTTP/1.1 103 Early Hints\r\nLink: a\r\n", 0, 0, "");
	status_is("", 0, 0, "");
	status_is("HTTP/1.1 20", 0, 0, "");
	status_is("HTTP/2 200\r\n", -EBADMSG, 0, "");
	status_is("HTTP/1.1 2000 x\r\n", -EBADMSG, 0, "");
	status_is("HTTP/1.1 099 x\r\n", -EBADMSG, 0, "");
	status_is("SSH-2.0-OpenSSH_9.2\r\n", -EBADMSG, 0, "");
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	status_is(many, -EBADMSG, 0, "");
}

static void judged(unsigned status, const char *reason, int code, const char *text)
{
	struct err err = { 0 };

	is_int(answer_judge(status, str_from(reason), &wish, &err), code, "%u", status);
	if (code < 0)
		ok(strstr(err_text(&err), text) != NULL, "%s", err_text(&err));
}

static void test_judge(void)
{
	judged(201, "Created", 0, "");
	judged(302, "Found", -EREMCHG, "302 Found: it names another place, which is not followed");
	judged(403, "Forbidden", -EACCES, "set token");
	judged(404, "Not Found", -ENOENT, "look at path");
	judged(413, "", -EFBIG, "too large");
	judged(503, "\x1b[2J", -EIO, "503 \\x1b[2J: the fault is the server's");
	judged(418, "teapot", -EPROTO, "answers 418 teapot");
}

int main(void)
{
	test_request();
	test_proxy();
	test_status();
	test_judge();
	return tap_done();
}
