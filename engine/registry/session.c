/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to one repository of one registry. Runs in the pull role. It must never send a login
 * along a redirect to another origin, nor follow one from https to http.
 */
#include "engine/registry/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/registry/auth.h"
#include "engine/registry/retry.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { SESSION_LOGINS_MAX = 2, SESSION_ERROR_MAX = 64 << 10 };

int session_init(struct session *session, const struct pull_host *host, const char *repository,
		 const struct tls_trust *trust, const struct pull_proxy *proxy, struct err *err)
{
	const char *name =
		strcmp(host->host, "docker.io") == 0 ? "registry-1.docker.io" : host->host;
	uint16_t port;
	bool ip6;
	int r;

	*session = (struct session){ .host = host, .asked_ms = -1 };
	buf_init(&session->authorization, SESSION_TOKEN_MAX + 64);
	snprintf(session->shown, sizeof(session->shown), "%s", host->host);
	snprintf(session->repository, sizeof(session->repository), "%s", repository);
	client_init(&session->client, trust, &session->origin, proxy);
	r = url_parse_host(str_from(name), session->origin.host, &port, &ip6, err);
	if (r < 0)
		return r;
	session->origin.tls = !host->insecure;
	session->origin.ip6 = ip6;
	session->origin.port = port ? port : (session->origin.tls ? 443 : 80);
	return 0;
}

void session_done(struct session *session)
{
	if (!session)
		return;
	client_done(&session->client);
	buf_done(&session->authorization);
}

/* ---- redirects ---- */

static bool is_redirect(unsigned status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The URL that Location names, seen from `from`; text keeps its bytes. */
static int next_url(const struct client_response *response, const struct url *from,
		    struct buf *text, struct url *ret_url, struct err *err)
{
	struct str location = http_field(&response->head, "Location");
	struct url url = *from;
	int r;

	buf_clear(text);
	buf_add_str(text, location);
	if (location.len == 0 || buf_error(text))
		return err_set(err, -EBADMSG, "a redirect that names no place");
	if (location.ptr[0] == '/' && !str_starts(location, STR("//"))) {
		for (size_t i = 0; i < location.len; i++) {
			if (location.ptr[i] <= ' ' || location.ptr[i] >= 0x7f)
				return err_set(err, -EBADMSG, "a redirect to a malformed path");
		}
		url.target = buf_str(text);
		*ret_url = url;
		return 0;
	}
	r = url_parse(buf_str(text), &url, err);
	if (r < 0)
		return err_prefix(err, "redirect");
	if (from->tls && !url.tls)
		return err_set(err, -EBADMSG,
			       "a redirect from https to http (%s): refused, the data could be "
			       "read and exchanged",
			       url.host);
	*ret_url = url;
	return 0;
}

/* ---- what a status means ---- */

static int not_found(const struct session *session, const struct session_request *request,
		     const char *text, struct err *err)
{
	if (strncmp(text, "NAME_UNKNOWN", 12) == 0)
		return err_set(err, -ENOENT, "name unknown: no repository %s", session->repository);
	if (strcmp(request->kind, "blobs") == 0)
		return err_set(err, -ENOENT, "blob unknown: %s has no %s", session->repository,
			       request->name);
	return err_set(err, -ENOENT, "manifest unknown: no %s '%s' in %s",
		       strchr(request->name, ':') ? "digest" : "tag", request->name,
		       session->repository);
}

static int status_error(struct session *session, const struct session_request *request,
			struct client_response *response, struct err *err)
{
	struct buf body OWN(buf_done);
	unsigned status = response->head.status;
	char text[220] = "", wait[40] = "";

	session->refused = status;
	if (status == 429 || status >= 500)
		session->asked_ms =
			retry_after_ms(http_field(&response->head, "Retry-After"), wall_now_s());
	if (session->asked_ms >= 0)
		snprintf(wait, sizeof(wait), ", asks to wait %lld s",
			 (long long)((session->asked_ms + 999) / 1000));
	buf_init(&body, SESSION_ERROR_MAX);
	if (client_read_all(response, SESSION_ERROR_MAX, &body, NULL) == 0)
		auth_error_text(session, buf_str(&body), text, sizeof(text));
	if (status == 404)
		return not_found(session, request, text, err);
	if (status == 403)
		return err_set(err, -EACCES, "403: access to %s denied%s%s", session->repository,
			       text[0] ? ": " : "", text);
	if (status == 429)
		return err_set(err, -EAGAIN, "429: too many requests%s%s%s", wait,
			       text[0] ? "; " : "", text);
	return err_set(err, status >= 500 ? -EAGAIN : -EBADMSG, "answers %u %s%s%s%s", status,
		       http_status_text(status), wait, text[0] ? ": " : "", text);
}

static int put_target(const struct session *session, const struct session_request *request,
		      struct buf *out, struct err *err)
{
	if (request->place)
		buf_add_text(out, request->place);
	else
		buf_printf(out, "/v2/%s/%s/%s", session->repository, request->kind, request->name);
	return buf_error(out) ? err_set(err, -EINVAL, "a request that is too long") : 0;
}

/*
 * One request along its redirects. 0 with the last response, which is no redirect; *ret_home tells
 * whether it came from the registry itself.
 */
static int follow(struct session *session, const struct session_request *request, struct str target,
		  struct client_response *response, bool *ret_home, struct err *err)
{
	bool asks = !request->method || strcmp(request->method, "HEAD") == 0;
	struct client_request send = { .method = request->method ? request->method : "GET",
				       .accept = request->accept,
				       .body = request->body,
				       .range_from = request->range_from };
	struct buf place[2] = { 0 };
	struct url url = session->origin;
	int r = 0;

	buf_init(&place[0], URL_MAX);
	buf_init(&place[1], URL_MAX);
	url.target = target;
	if (target.len && target.ptr[0] != '/')
		r = url_parse(target, &url, err);
	if (r == 0 && session->origin.tls && !url.tls)
		r = err_set(err, -EBADMSG, "an upload from https to http (%s): refused", url.host);
	if (r < 0)
		return r;
	for (int hops = 0;; hops++) {
		*ret_home = url_same_origin(&url, &session->origin);
		send.url = url;
		send.authorization = *ret_home && session->authorization.len
					     ? buf_text(&session->authorization)
					     : NULL;
		r = client_send(&session->client, &send, response, err);
		if (r < 0 && !*ret_home)
			err_prefix(err, "redirected to %s", url.host);
		if (r < 0 || !is_redirect(response->head.status))
			break;
		if (!asks && response->head.status < 307)
			break; /* these make a GET of it: not what was meant */
		r = hops == SESSION_REDIRECTS_MAX
			    ? err_set(err, -ELOOP, "more than %d redirects", SESSION_REDIRECTS_MAX)
			    : next_url(response, &url, &place[hops & 1], &url, err);
		client_finish(response);
		if (r < 0)
			break;
	}
	buf_done(&place[0]);
	buf_done(&place[1]);
	return r;
}

int session_get(struct session *session, const struct session_request *request,
		struct client_response *ret_response, struct err *err)
{
	struct buf target OWN(buf_done);
	struct challenge challenge;
	unsigned status;
	bool home;
	int r;

	buf_init(&target, URL_MAX);
	session->asked_ms = -1;
	session->refused = 0;
	r = put_target(session, request, &target, err);
	for (int logins = 0; r == 0; logins++) {
		r = follow(session, request, buf_str(&target), ret_response, &home, err);
		if (r < 0)
			return r;
		status = ret_response->head.status;
		if (status / 100 == 2 || status == 416)
			return 0;
		if (status != 401 || !home)
			r = status_error(session, request, ret_response, err);
		else if (logins == SESSION_LOGINS_MAX)
			r = err_set(err, -EACCES, "401: user or password refused");
		else
			r = auth_challenge(ret_response, &challenge, err);
		client_finish(ret_response);
		if (r == 0)
			r = auth_answer(session, &challenge, err);
	}
	return r;
}

bool session_may_differ(const struct session *session, int code)
{
	if (session->refused)
		return session->refused != 429 && session->asked_ms < 0;
	return code == -EBADMSG || code == -ECONNRESET;
}
