/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repositories of foreign servers, for builds. Runs in the pull role. It must never ask this
 * machine, its link or its containers for one, nor look into the pack it writes down.
 */
#include "engine/registry/git.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine/registry/fetch.h"
#include "engine/registry/net.h"
#include "engine/registry/tls.h"
#include "lib/fs.h"
#include "lib/mono.h"
#include "lib/own.h"
#include "lib/wire.h"

enum { GIT_REQUEST_MAX = 8 << 10, GIT_SLOW_S = 300, GIT_ARENA_MAX = 16 << 20 };

#define GIT_SERVICE "/info/refs?service=git-upload-pack"

/* ---- what comes ---- */

struct taking {
	const struct git_wanted *wanted;
	uint64_t size, from;
	struct mono until;
};

/* A server may think for a while, but has to send something in every five minutes. */
static int take_pack(void *owner, struct str data, struct err *err)
{
	struct taking *t = owner;
	struct mono now = mono_now();

	if (data.len > t->wanted->most - t->size)
		return err_set(err, -EFBIG, "the pack is larger than the %llu MiB it may take here",
			       (unsigned long long)(t->wanted->most >> 20));
	t->size += data.len;
	if (mono_diff_ms(t->until, now) <= 0) {
		if (t->size - t->from < FETCH_SLOW_BYTES)
			return err_set(err, -ETIMEDOUT, "too slow: %llu bytes in %d s",
				       (unsigned long long)(t->size - t->from), GIT_SLOW_S);
		t->until = mono_add_ms(now, GIT_SLOW_S * 1000);
		t->from = t->size;
	}
	return fs_write_fd(t->wanted->out_fd, data.ptr, data.len, err);
}

static struct taking taking_of(const struct git_wanted *wanted)
{
	return (struct taking){ .wanted = wanted,
				.until = mono_add_ms(mono_now(), GIT_SLOW_S * 1000) };
}

static void name_commit(const struct git_wanted *wanted, struct git_found *ret)
{
	memcpy(ret->oid, wanted->ref, GIT_OID_TEXT);
	ret->name[0] = 0;
}

/* ---- smart HTTP (gitprotocol-http(5)) ---- */

struct http {
	const struct git_wanted *wanted;
	struct client client;
	struct url url;	     /* of the repository, as redirects left it */
	struct buf base;     /* its target, without GIT_SERVICE */
	struct buf redirect; /* bytes of the last URL */
	struct client_response response;
	struct git_reader *reader;
};

static ssize_t read_response(void *owner, void *dst, size_t cap, struct err *err)
{
	return client_read(&((struct http *)owner)->response, dst, cap, err);
}

static void begin_reading(struct http *http)
{
	http->reader->read = read_response;
	http->reader->owner = http;
	http->reader->at = http->reader->len = 0;
}

/* What a status means here; else what was said of it stays. */
static int refused(const struct url *url, int code, struct err *err)
{
	if (code == -EACCES)
		return err_set(err, code,
			       "%s: the server asks for a login: give the secret GIT_AUTH_TOKEN, "
			       "and https",
			       url->host);
	if (code == -ENOENT)
		return err_set(err, code, "%s: there is no such repository, or it asks for a login",
			       url->host);
	return code;
}

static int send_one(struct http *http, struct client_request *request, struct err *err)
{
	int r;

	request->git_protocol = "version=2";
	if (*http->wanted->authorization)
		request->authorization = http->wanted->authorization;
	r = client_send(&http->client, request, &http->response, err);
	if (r < 0)
		return err_prefix(err, "%s", request->url.host);
	if (http->response.head.status == 200)
		return 0;
	r = fetch_status_error(http->response.head.status, err);
	client_finish(&http->response);
	(void)err_prefix(err, "%s", request->url.host);
	return refused(&request->url, r, err);
}

/* The greeting; a login stays where it belongs, anything else may be sent on. */
static int greet(struct http *http, struct err *err)
{
	struct client_request request = { .method = "GET", .url = http->url };
	struct buf first OWN(buf_done) = { 0 };
	struct str target;
	int r;

	buf_init(&first, URL_MAX);
	(void)buf_add_str(&first, http->url.target);
	(void)buf_add_text(&first, GIT_SERVICE);
	if (buf_error(&first))
		return err_set(err, -EINVAL, "the repository's URL is too long");
	request.url.target = buf_str(&first);
	request.git_protocol = "version=2";
	r = *http->wanted->authorization
		    ? send_one(http, &request, err)
		    : fetch_follow(&http->client, &request, &http->redirect, &http->response, err);
	if (r < 0)
		return refused(&request.url, r, err);
	target = request.url.target;
	if (!str_ends(target, STR(GIT_SERVICE))) {
		client_finish(&http->response);
		return err_set(err, -EBADMSG, "%s: a redirect to what is no repository",
			       request.url.host);
	}
	(void)buf_add_str(&http->base, str_head(target, target.len - sizeof(GIT_SERVICE) + 1));
	http->url = request.url;
	begin_reading(http);
	r = git_read_greeting(http->reader, true, err);
	client_finish(&http->response);
	return r < 0 ? err_prefix(err, "%s", http->url.host) : 0;
}

static int ask(struct http *http, struct str text, struct err *err)
{
	const struct client_body body = { .type = "application/x-git-upload-pack-request",
					  .fd = -1,
					  .text = text,
					  .size = text.len };
	struct client_request request = { .method = "POST",
					  .url = http->url,
					  .accept = "application/x-git-upload-pack-result",
					  .body = &body };
	struct buf target OWN(buf_done) = { 0 };
	int r;

	buf_init(&target, URL_MAX);
	(void)buf_add_str(&target, buf_str(&http->base));
	(void)buf_add_text(&target, "/git-upload-pack");
	request.url.target = buf_str(&target);
	r = send_one(http, &request, err);
	if (r == 0)
		begin_reading(http);
	return r;
}

static int dialog(struct http *http, struct git_fetched *ret, struct err *err)
{
	struct taking taking = taking_of(http->wanted);
	struct buf text OWN(buf_done) = { 0 };
	int r = 0;

	buf_init(&text, GIT_REQUEST_MAX);
	if (git_is_oid(str_from(http->wanted->ref))) {
		name_commit(http->wanted, &ret->found);
	} else {
		git_put_ls_refs(&text, http->wanted->ref);
		r = ask(http, buf_str(&text), err);
		if (r < 0)
			return r;
		r = git_read_refs(http->reader, http->wanted->ref, &ret->found, err);
		client_finish(&http->response);
	}
	buf_clear(&text);
	git_put_fetch(&text, ret->found.oid);
	if (r == 0)
		r = ask(http, buf_str(&text), err);
	if (r < 0)
		return r;
	r = git_read_pack(http->reader, take_pack, &taking, err);
	client_finish(&http->response);
	ret->size = taking.size;
	return r;
}

static int fetch_http(const struct git_wanted *wanted, const struct pull_start *settings,
		      struct git_reader *reader, struct git_fetched *ret, struct err *err)
{
	static struct http http; /* one process, one call at a time */
	struct tls_trust *trust = NULL;
	int r;

	http = (struct http){ .wanted = wanted, .reader = reader };
	buf_init(&http.base, URL_MAX);
	buf_init(&http.redirect, URL_MAX);
	r = url_parse(str_from(wanted->url), &http.url, err);
	if (r == 0 && *wanted->authorization && !http.url.tls)
		r = err_set(err, -EACCES, "a login is sent over https alone");
	if (r == 0)
		r = fetch_client(&http.client, settings, wanted->system_ca, &trust, err);
	if (r == 0)
		r = greet(&http, err);
	if (r == 0)
		r = dialog(&http, ret, err);
	client_done(&http.client);
	tls_trust_free(trust);
	buf_done(&http.base);
	buf_done(&http.redirect);
	return r;
}

/* ---- git's own port (gitprotocol-pack(5)) ---- */

static ssize_t read_socket(void *owner, void *dst, size_t cap, struct err *err)
{
	ssize_t n = net_read(*(const int *)owner, dst, cap, NET_IDLE_MS);

	return n < 0 ? err_sys(err, (int)n, "the connection broke") : n;
}

static int send_text(int fd, struct str text, struct err *err)
{
	while (text.len > 0) {
		ssize_t n = net_write(fd, text.ptr, text.len, NET_IDLE_MS);

		if (n < 0)
			return err_sys(err, (int)n, "the connection broke");
		text = str_skip(text, (size_t)n);
	}
	return 0;
}

/* "git://" is read as if it were "http://", but for the port where none is written. */
static int parse_git(const char *text, struct url *ret, struct buf *keep, struct err *err)
{
	struct str rest = str_skip(str_from(text), 6), host;
	ptrdiff_t bracket;
	int r;

	(void)buf_printf(keep, "http://%s", text + 6);
	r = buf_error(keep) ? err_set(err, -EINVAL, "the repository's URL is too long")
			    : url_parse(buf_str(keep), ret, err);
	(void)str_cut(&rest, '/', &host);
	bracket = str_find(host, ']');
	if (bracket >= 0)
		host = str_skip(host, (size_t)bracket);
	if (str_find(host, ':') < 0)
		ret->port = GIT_PORT;
	return r;
}

static int put_hello(struct buf *out, const struct url *url, struct err *err)
{
	char path[GIT_URL_MAX];
	size_t size;

	if (str_copy(url->target, path, sizeof(path)) < 0)
		return err_set(err, -EINVAL, "the repository's URL is too long");
	size = 4 + 16 + strlen(path) + 1 + 5 + strlen(url->host) + 1 + 1 + 9 + 1 + 1;
	(void)buf_printf(out, "%04zxgit-upload-pack %s", size - 1, path);
	(void)buf_add_byte(out, 0);
	(void)buf_printf(out, "host=%s", url->host);
	(void)buf_add(out, "\0\0version=2", 11);
	(void)buf_add_byte(out, 0);
	return buf_error(out) ? err_set(err, -EINVAL, "the repository's URL is too long") : 0;
}

static int talk(int fd, const struct git_wanted *wanted, const struct url *url,
		struct git_reader *reader, struct git_fetched *ret, struct err *err)
{
	struct taking taking = taking_of(wanted);
	struct buf text OWN(buf_done) = { 0 };
	int r;

	buf_init(&text, GIT_REQUEST_MAX);
	r = put_hello(&text, url, err);
	if (r == 0)
		r = send_text(fd, buf_str(&text), err);
	if (r == 0)
		r = git_read_greeting(reader, false, err);
	buf_clear(&text);
	if (git_is_oid(str_from(wanted->ref))) {
		name_commit(wanted, &ret->found);
	} else {
		git_put_ls_refs(&text, wanted->ref);
		if (r == 0)
			r = send_text(fd, buf_str(&text), err);
		if (r == 0)
			r = git_read_refs(reader, wanted->ref, &ret->found, err);
	}
	buf_clear(&text);
	git_put_fetch(&text, ret->found.oid);
	if (r == 0)
		r = send_text(fd, buf_str(&text), err);
	if (r == 0)
		r = git_read_pack(reader, take_pack, &taking, err);
	ret->size = taking.size;
	return r;
}

static int fetch_git(const struct git_wanted *wanted, struct git_reader *reader,
		     struct git_fetched *ret, struct err *err)
{
	struct buf keep OWN(buf_done) = { 0 };
	struct url url;
	int fd OWN_FD = -1;
	int r;

	buf_init(&keep, GIT_URL_MAX + 8);
	r = parse_git(wanted->url, &url, &keep, err);
	if (r < 0)
		return r;
	fd = net_connect_outside(&url, err);
	if (fd < 0)
		return err_prefix(err, "%s", url.host);
	reader->read = read_socket;
	reader->owner = &fd;
	r = talk(fd, wanted, &url, reader, ret, err);
	return r < 0 ? err_prefix(err, "%s", url.host) : 0;
}

int git_fetch(const struct git_wanted *wanted, const struct pull_start *settings,
	      struct git_fetched *ret, struct err *err)
{
	static struct git_reader reader; /* one process, one call at a time */

	*ret = (struct git_fetched){ 0 };
	reader.at = reader.len = 0;
	return strncmp(wanted->url, "git://", 6) == 0
		       ? fetch_git(wanted, &reader, ret, err)
		       : fetch_http(wanted, settings, &reader, ret, err);
}

int git_serve(struct str body, struct str system_ca, int out_fd, struct buf *reply, struct err *err)
{
	struct git_wanted wanted = { .out_fd = out_fd, .system_ca = system_ca };
	struct arena arena OWN(arena_done);
	struct pull_start settings;
	struct git_fetched fetched;
	struct wire in;
	int r;

	arena_init(&arena, GIT_ARENA_MAX);
	wire_init(&in, body.ptr, body.len);
	wire_text(&in, wanted.url, sizeof(wanted.url));
	wire_text(&in, wanted.ref, sizeof(wanted.ref));
	wire_text(&in, wanted.authorization, sizeof(wanted.authorization));
	wanted.most = wire_u64(&in);
	if (in.error || out_fd < 0)
		return err_set(err, -EBADMSG, "malformed request for a repository");
	r = pull_start_decode(str_make(in.ptr, in.left), &arena, &settings, err);
	if (r == 0)
		r = git_fetch(&wanted, &settings, &fetched, err);
	if (r < 0)
		return r;
	wire_put_u64(reply, fetched.size);
	wire_put_text(reply, fetched.found.oid);
	wire_put_text(reply, fetched.found.name);
	return 0;
}
