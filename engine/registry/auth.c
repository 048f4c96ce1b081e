/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logins: Basic (RFC 7617) and the token flow of distribution ("Bearer", GET, or POST with an
 * identity token). Runs in the pull role. It must never hand user, password or identity token to an
 * origin that challenge_realm_trusted() does not name, and none of them into a message.
 */
#include "engine/registry/auth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <mbedtls/base64.h>
#include "engine/json/json.h"
#include "engine/registry/retry.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { AUTH_ANSWER_MAX = 128 << 10, AUTH_BASIC_MAX = 2 * PULL_SECRET_MAX + 2, AUTH_SECRET_MIN = 4 };

static bool has_login(const struct pull_host *host)
{
	return host->user[0] || host->password[0];
}

/* "Basic base64(user:password)" appended to out. */
static int put_basic(const struct pull_host *host, struct buf *out, struct err *err)
{
	struct buf plain OWN(buf_done);
	size_t len = 0;

	buf_init(&plain, AUTH_BASIC_MAX);
	if (strchr(host->user, ':'))
		return err_set(err, -EINVAL, "username= must not have a ':' in it");
	buf_printf(&plain, "%s:%s", host->user, host->password);
	buf_add_text(out, "Basic ");
	if (buf_error(&plain) || buf_reserve(out, 2 * plain.len + 8) < 0 ||
	    mbedtls_base64_encode((unsigned char *)out->data + out->len, 2 * plain.len + 8, &len,
				  (const unsigned char *)plain.data, plain.len) != 0)
		return err_set(err, -ENOMEM, "no memory for a login");
	out->len += len;
	out->data[out->len] = 0;
	return 0;
}

static bool repeats(struct str text, const char *secret)
{
	return strlen(secret) >= AUTH_SECRET_MIN &&
	       memmem(text.ptr, text.len, secret, strlen(secret)) != NULL;
}

/* A registry that is broken or hostile may say what it was told: that goes into no log. */
static bool repeats_login(const struct session *session, struct str text)
{
	const char *sent = strchr(buf_text(&session->authorization), ' ');

	return repeats(text, session->host->password) || repeats(text, session->host->token) ||
	       (sent && repeats(text, sent + 1));
}

/* Without the queries of URLs, which may be signed. */
static void show(const struct session *session, struct str text, char *dst, size_t cap)
{
	char plain[512];
	size_t len = 0;
	bool query = false;

	if (repeats_login(session, text)) {
		(void)str_copy(STR("(it repeats the login)"), dst, cap);
		return;
	}
	for (size_t i = 0; i < text.len && len < sizeof(plain); i++) {
		query = text.ptr[i] == '?' || (query && (unsigned char)text.ptr[i] > ' ');
		if (!query || text.ptr[i] == '?')
			plain[len++] = text.ptr[i];
	}
	(void)str_escape(str_make(plain, len), dst, cap);
}

void auth_error_text(const struct session *session, struct str body, char *dst, size_t cap)
{
	struct json_doc doc = { 0 };
	struct json_iter iter;
	const struct json *first;
	struct str key;
	char code[40], message[160];

	dst[0] = 0;
	if (json_parse(body, AUTH_ANSWER_MAX, &doc, NULL) < 0)
		return;
	json_iter_init(&iter, json_get(doc.root, "errors"));
	if (json_iter_next(&iter, &key, &first)) {
		show(session, json_str(json_get(first, "code")), code, sizeof(code));
		show(session, json_str(json_get(first, "message")), message, sizeof(message));
		snprintf(dst, cap, "%s%s%s", code, code[0] && message[0] ? ": " : "", message);
	}
	json_done(&doc);
}

/* ---- the token flow ---- */

static void put_parameter(struct buf *out, const char *key, const char *value)
{
	if (!value[0])
		return;
	buf_printf(out, "%s=", key);
	url_put_encoded(out, str_from(value), false);
	buf_add_byte(out, '&');
}

static void put_scope(const struct session *session, const struct challenge *ch, struct buf *out)
{
	char scope[OCI_PATH_MAX + 32];

	snprintf(scope, sizeof(scope), "repository:%s:%s", session->repository,
		 session->push ? "pull,push" : "pull");
	put_parameter(out, "service", ch->service);
	/*
	 * What the registry asks for may be more than we need (an index pulls many): its word. Who
	 * pushes says so at once, also where this one request only reads.
	 */
	put_parameter(out, "scope", ch->scope[0] && !session->push ? ch->scope : scope);
	if (session->push && session->mount_from[0]) {
		snprintf(scope, sizeof(scope), "repository:%s:pull", session->mount_from);
		put_parameter(out, "scope", scope);
	}
}

/* token or access_token of the answer into session->authorization. */
static int take_token(struct session *session, struct str body, struct err *err)
{
	struct json_doc doc = { 0 };
	struct str token;
	int r = json_parse(body, AUTH_ANSWER_MAX, &doc, err);

	if (r < 0)
		return err_prefix(err, "the token server's answer");
	token = json_str(json_get(doc.root, "token"));
	if (token.len == 0)
		token = json_str(json_get(doc.root, "access_token"));
	buf_clear(&session->authorization);
	buf_add_text(&session->authorization, "Bearer ");
	buf_add_str(&session->authorization, token);
	if (token.len == 0 || token.len > SESSION_TOKEN_MAX || buf_error(&session->authorization))
		r = err_set(err, -EBADMSG, "the token server's answer has no usable token");
	json_done(&doc);
	return r;
}

static int token_refused(struct session *session, const struct client_response *response,
			 struct str body, struct err *err)
{
	unsigned status = response->head.status;
	char text[220];

	auth_error_text(session, body, text, sizeof(text));
	if (status == 429 || status >= 500)
		session->asked_ms =
			retry_after_ms(http_field(&response->head, "Retry-After"), wall_now_s());
	if (status == 401 || status == 403)
		return err_set(err, -EACCES, "%u from the token server: %s%s%s", status,
			       has_login(session->host) || session->host->token[0]
				       ? "user or password refused"
				       : "a login is needed: give username= and password=",
			       text[0] ? "; it says " : "", text);
	return err_set(err, status == 429 || status >= 500 ? -EAGAIN : -EBADMSG,
		       "%u from the token server%s%s", status, text[0] ? ": " : "", text);
}

static int fetch_token(struct session *session, struct client_request *request, struct err *err)
{
	struct client_response response;
	struct buf body OWN(buf_done);
	int r;

	buf_init(&body, AUTH_ANSWER_MAX);
	r = client_send(&session->client, request, &response, err);
	if (r < 0)
		return err_prefix(err, "token server %s", request->url.host);
	r = client_read_all(&response, AUTH_ANSWER_MAX, &body, err);
	if (r == 0 && response.head.status != 200)
		r = token_refused(session, &response, buf_str(&body), err);
	else if (r == 0)
		r = take_token(session, buf_str(&body), err);
	client_finish(&response);
	return r;
}

/* The request: GET realm?service&scope, with Basic where the realm may have it. */
static int build_get(struct session *session, const struct challenge *ch, bool trusted,
		     struct client_request *request, struct buf *target, struct buf *basic,
		     struct err *err)
{
	int r = 0;

	request->method = "GET";
	buf_add_str(target, request->url.target);
	buf_add_byte(target, str_find(request->url.target, '?') < 0 ? '?' : '&');
	if (trusted && has_login(session->host)) {
		r = put_basic(session->host, basic, err);
		request->authorization = buf_text(basic);
		put_parameter(target, "account", session->host->user);
	}
	put_scope(session, ch, target);
	target->len--; /* the last '&' */
	request->url.target = buf_str(target);
	return r;
}

static void build_post(struct session *session, const struct challenge *ch,
		       struct client_request *request, struct buf *form)
{
	request->method = "POST";
	put_parameter(form, "grant_type", "refresh_token");
	put_parameter(form, "client_id", "hoy");
	put_parameter(form, "refresh_token", session->host->token);
	put_scope(session, ch, form);
	form->len--;
	request->form = buf_str(form);
}

static int answer_bearer(struct session *session, const struct challenge *ch, struct err *err)
{
	struct client_request request = { .accept = "application/json" };
	struct buf text OWN(buf_done), basic OWN(buf_done);
	bool trusted;
	int r;

	buf_init(&text, 48 << 10);
	buf_init(&basic, 3 * AUTH_BASIC_MAX);
	r = url_parse(str_from(ch->realm), &request.url, err);
	if (r < 0)
		return err_prefix(err, "the registry names a token server that is no URL");
	if (session->origin.tls && !request.url.tls)
		return err_set(err, -EBADMSG,
			       "the registry names a token server without TLS (%s): refused",
			       request.url.host);
	trusted = challenge_realm_trusted(&session->origin, &request.url);
	session->refused_realm = !trusted && (has_login(session->host) || session->host->token[0]);
	if (trusted && session->host->token[0])
		build_post(session, ch, &request, &text);
	else
		r = build_get(session, ch, trusted, &request, &text, &basic, err);
	if (r == 0 && (buf_error(&text) || buf_error(&basic)))
		r = err_set(err, -ENOMEM, "no memory for a token request");
	if (r == 0)
		r = fetch_token(session, &request, err);
	if (r < 0 && session->refused_realm)
		return err_prefix(err,
				  "token server %s is on another site than the registry and "
				  "was asked without the login",
				  request.url.host);
	return r;
}

static int answer_basic(struct session *session, struct err *err)
{
	if (!has_login(session->host))
		return err_set(err, -EACCES,
			       "401: a login is needed; give username= and password=");
	buf_clear(&session->authorization);
	return put_basic(session->host, &session->authorization, err);
}

int auth_challenge(const struct client_response *response, struct challenge *ret_challenge,
		   struct err *err)
{
	struct challenge all = { 0 }, one;
	int r;

	for (size_t i = 0; i < response->head.field_count; i++) {
		const struct http_field *field = &response->head.fields[i];

		if (!str_is_nocase(field->name, "WWW-Authenticate"))
			continue;
		r = challenge_parse(field->value, &one, err);
		if (r < 0)
			return r;
		one.basic = one.basic || all.basic;
		if (one.bearer || !all.bearer)
			all = one;
		else
			all.basic = one.basic;
	}
	*ret_challenge = all;
	return 0;
}

int auth_answer(struct session *session, const struct challenge *challenge, struct err *err)
{
	bool before = session->authorization.len > 0;

	if (challenge->bearer && challenge->realm[0]) {
		if (before && strcmp(challenge->error, "insufficient_scope") == 0)
			return err_set(err, -EACCES,
				       "401: this login may not %s %s (or there is no such "
				       "repository)",
				       session->push ? "push to" : "pull", session->repository);
		return answer_bearer(session, challenge, err);
	}
	if (!challenge->basic)
		return err_set(err, -EACCES, "401: a kind of login that is not known is wanted");
	if (before)
		return err_set(err, -EACCES, "401: user or password refused");
	return answer_basic(session, err);
}
