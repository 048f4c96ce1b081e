/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of foreign servers, for ADD. Runs in the pull role. It must never ask this machine, its
 * link or its containers for one, whatever a name resolves to or a redirect says, nor carry a login
 * to a server.
 */
#include "engine/registry/fetch.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include "engine/registry/net.h"
#include "engine/registry/tls.h"
#include "lib/fs.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { FETCH_BLOCK = 64 << 10 };

int fetch_client(struct client *client, const struct pull_start *settings, struct str system_ca,
		 struct tls_trust **ret_trust, struct err *err)
{
	struct tls_texts texts = { .system = system_ca };
	int r;

	if (settings->host_count > 0)
		texts.ca = str_from(settings->hosts[settings->host_count - 1].ca_pem);
	r = tls_trust_new(&texts, ret_trust, err);
	if (r < 0)
		return r;
	client_init(client, *ret_trust, NULL, &settings->proxy);
	client->outside = true;
	return 0;
}

static bool is_redirect(unsigned status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int next_url(const struct client_response *response, struct url *url, struct buf *text,
		    struct err *err)
{
	struct str location = http_field(&response->head, "Location");
	struct url next = *url;
	struct buf place OWN(buf_done) = { 0 };
	int r = 0;

	buf_init(&place, URL_MAX);
	if (location.len == 0)
		return err_set(err, -EBADMSG, "a redirect that names no place");
	if (location.ptr[0] == '/' && !str_starts(location, STR("//")))
		(void)buf_printf(&place, url->ip6 ? "%s://[%s]:%u" : "%s://%s:%u",
				 url->tls ? "https" : "http", url->host, (unsigned)url->port);
	(void)buf_add_str(&place, location);
	buf_clear(text);
	(void)buf_add_str(text, buf_str(&place));
	if (buf_error(&place) || buf_error(text))
		return err_set(err, -EBADMSG, "a redirect that is too long");
	r = url_parse(buf_str(text), &next, err);
	if (r < 0)
		return err_prefix(err, "redirect");
	if (url->tls && !next.tls)
		return err_set(err, -EBADMSG, "a redirect from https to http (%s): refused",
			       next.host);
	*url = next;
	return 0;
}

int fetch_status_error(unsigned status, struct err *err)
{
	return err_set(err,
		       status == 404   ? -ENOENT
		       : status == 403 ? -EACCES
		       : status == 401 ? -EACCES
		       : status >= 500 ? -EAGAIN
				       : -EBADMSG,
		       "invalid response status %u %s", status, http_status_text(status));
}

int fetch_follow(struct client *client, struct client_request *request, struct buf *text,
		 struct client_response *ret_response, struct err *err)
{
	for (int hops = 0;; hops++) {
		int r = client_send(client, request, ret_response, err);
		unsigned status = r < 0 ? 0 : ret_response->head.status;

		if (r < 0)
			return err_prefix(err, "%s", request->url.host);
		if (status / 100 == 2)
			return 0;
		if (!is_redirect(status))
			r = fetch_status_error(status, err);
		else if (hops == FETCH_REDIRECTS_MAX)
			r = err_set(err, -ELOOP, "more than %d redirects", FETCH_REDIRECTS_MAX);
		else
			r = next_url(ret_response, &request->url, text, err);
		client_finish(ret_response);
		if (r < 0)
			return err_prefix(err, "%s", request->url.host);
	}
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7); 0 for anything else. */
static int64_t http_time(struct str text)
{
	char copy[64];
	struct tm tm = { 0 };
	const char *end;

	if (str_copy(text, copy, sizeof(copy)) < 0)
		return 0;
	end = strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	return end && !*end ? (int64_t)timegm(&tm) : 0;
}

static int too_big(uint64_t most, struct err *err)
{
	return err_set(err, -EFBIG, "the file is larger than the %llu MiB that it may take here",
		       (unsigned long long)(most >> 20));
}

/* A server that sends a byte now and then would hold the build for ever. */
struct pace {
	struct mono until;
	uint64_t from;
};

static int check_pace(struct pace *pace, uint64_t size, struct err *err)
{
	struct mono now = mono_now();

	if (mono_diff_ms(pace->until, now) > 0)
		return 0;
	if (size - pace->from < FETCH_SLOW_BYTES)
		return err_set(err, -ETIMEDOUT, "too slow: %llu bytes in %d s",
			       (unsigned long long)(size - pace->from), FETCH_SLOW_S);
	*pace = (struct pace){ mono_add_ms(now, FETCH_SLOW_S * 1000), size };
	return 0;
}

static int take_body(struct client_response *response, uint64_t most, int out_fd,
		     struct fetched *ret, struct err *err)
{
	static char block[FETCH_BLOCK];
	struct pace pace = { mono_add_ms(mono_now(), FETCH_SLOW_S * 1000), 0 };
	ssize_t n = 1;
	int r = 0;

	if (response->body.framing == HTTP_FRAMING_LENGTH && response->body.left > most)
		return too_big(most, err);
	ret->mtime_s = http_time(http_field(&response->head, "Last-Modified"));
	while (r >= 0 && n > 0) {
		n = client_read(response, block, sizeof(block), err);
		if (n < 0)
			return (int)n;
		if ((uint64_t)n > most - ret->size)
			return too_big(most, err);
		r = fs_write_fd(out_fd, block, (size_t)n, err);
		ret->size += (uint64_t)n;
		if (r >= 0 && n > 0)
			r = check_pace(&pace, ret->size, err);
	}
	return r;
}

int fetch_url(const char *url, const struct pull_start *settings, struct str system_ca,
	      uint64_t most, int out_fd, struct fetched *ret, struct err *err)
{
	struct client_request request = { .method = "GET" };
	struct client_response response;
	struct tls_trust *trust = NULL;
	struct buf text OWN(buf_done) = { 0 };
	struct client client = { 0 };
	int r = url_parse(str_from(url), &request.url, err);

	*ret = (struct fetched){ 0 };
	buf_init(&text, URL_MAX);
	if (r == 0)
		r = fetch_client(&client, settings, system_ca, &trust, err);
	if (r == 0)
		r = fetch_follow(&client, &request, &text, &response, err);
	if (r == 0) {
		r = take_body(&response, most, out_fd, ret, err);
		client_finish(&response);
	}
	client_done(&client);
	tls_trust_free(trust);
	return r;
}
