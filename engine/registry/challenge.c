/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Login challenges of registries. Pure; runs in the pull role. It must never call a server trusted
 * that is not the registry's own or its neighbour (CVE-2020-15157).
 */
#include "engine/registry/challenge.h"

#include <errno.h>
#include <string.h>

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void skip_space(struct str *in)
{
	while (in->len && (in->ptr[0] == ' ' || in->ptr[0] == '\t'))
		*in = str_skip(*in, 1);
}

static struct str take_token(struct str *in)
{
	size_t n = 0;
	struct str token;

	while (n < in->len && is_token_char(in->ptr[n]))
		n++;
	token = str_head(*in, n);
	*in = str_skip(*in, n);
	return token;
}

/* token or quoted-string, unquoted into dst. */
static int take_value(struct str *in, char dst[CHALLENGE_TEXT_MAX], struct err *err)
{
	size_t len = 0;

	if (in->len == 0 || in->ptr[0] != '"') {
		struct str token = take_token(in);

		if (token.len == 0 || str_copy(token, dst, CHALLENGE_TEXT_MAX) < 0)
			return err_set(err, -EBADMSG, "login challenge: a malformed value");
		return 0;
	}
	for (size_t i = 1; i < in->len; i++) {
		char c = in->ptr[i];

		if (c == '"') {
			dst[len] = 0;
			*in = str_skip(*in, i + 1);
			return 0;
		}
		if (c == '\\' && ++i < in->len)
			c = in->ptr[i];
		if ((unsigned char)c < 0x20 || c == 0x7f || len + 1 >= CHALLENGE_TEXT_MAX)
			break;
		dst[len++] = c;
	}
	return err_set(err, -EBADMSG, "login challenge: a quoted text that does not end");
}

static void keep_parameter(struct challenge *ch, struct str name, const char *value)
{
	if (str_is_nocase(name, "realm"))
		memcpy(ch->realm, value, CHALLENGE_TEXT_MAX);
	else if (str_is_nocase(name, "service"))
		memcpy(ch->service, value, CHALLENGE_TEXT_MAX);
	else if (str_is_nocase(name, "scope"))
		memcpy(ch->scope, value, CHALLENGE_TEXT_MAX);
	else if (str_is_nocase(name, "error"))
		str_copy(str_head(str_from(value), sizeof(ch->error) - 1), ch->error,
			 sizeof(ch->error));
}

/*
 * One "name = value" behind a scheme. A name without '=' is the next scheme: then *in is set back.
 * 1 = a parameter, 0 = a scheme follows.
 */
static int take_parameter(struct str *in, bool bearer, struct challenge *ch, struct err *err)
{
	char value[CHALLENGE_TEXT_MAX];
	struct str before = *in, name = take_token(in);
	int r;

	skip_space(in);
	if (in->len == 0 || in->ptr[0] != '=') {
		*in = before;
		return 0;
	}
	*in = str_skip(*in, 1);
	skip_space(in);
	if (name.len == 0)
		return err_set(err, -EBADMSG, "login challenge: a parameter without a name");
	memset(value, 0, sizeof(value));
	r = take_value(in, value, err);
	if (r < 0)
		return r;
	if (bearer)
		keep_parameter(ch, name, value);
	return 1;
}

static int take_challenge(struct str *in, struct challenge *ch, struct err *err)
{
	struct str scheme = take_token(in);
	bool bearer = str_is_nocase(scheme, "Bearer");
	int r;

	if (scheme.len == 0)
		return err_set(err, -EBADMSG, "login challenge: no scheme");
	if (str_is_nocase(scheme, "Basic"))
		ch->basic = true;
	if (bearer && ch->bearer)
		bearer = false; /* the first one counts */
	ch->bearer = ch->bearer || bearer;
	for (;;) {
		skip_space(in);
		while (in->len && in->ptr[0] == ',') {
			*in = str_skip(*in, 1);
			skip_space(in);
		}
		if (in->len == 0)
			return 0;
		r = take_parameter(in, bearer, ch, err);
		if (r <= 0)
			return r;
	}
}

int challenge_parse(struct str value, struct challenge *ret_challenge, struct err *err)
{
	struct str in = value;
	int r;

	memset(ret_challenge, 0, sizeof(*ret_challenge));
	for (;;) {
		while (in.len && (in.ptr[0] == ' ' || in.ptr[0] == '\t' || in.ptr[0] == ','))
			in = str_skip(in, 1);
		if (in.len == 0)
			return 0;
		r = take_challenge(&in, ret_challenge, err);
		if (r < 0)
			return r;
	}
}

static bool is_address(const struct url *url)
{
	size_t len = strlen(url->host);

	/* A name's last label is never all digits. */
	return url->ip6 || (len > 0 && url->host[len - 1] >= '0' && url->host[len - 1] <= '9');
}

bool challenge_realm_trusted(const struct url *registry, const struct url *realm)
{
	const char *parent = strchr(registry->host, '.');
	size_t len, parent_len;

	if (registry->tls && !realm->tls)
		return false;
	if (strcmp(registry->host, realm->host) == 0)
		return true;
	if (is_address(registry) || is_address(realm) || !parent || !strchr(parent + 1, '.'))
		return false;
	len = strlen(realm->host);
	parent_len = strlen(parent + 1);
	if (len == parent_len)
		return strcmp(realm->host, parent + 1) == 0;
	return len > parent_len + 1 && strcmp(realm->host + len - parent_len - 1, parent) == 0;
}
