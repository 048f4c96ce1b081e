/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logins out of Docker's config.json. Pure; runs in the pull role. It must never give one
 * registry's login for another, nor put any of it into a message.
 */
#include "engine/registry/dockercfg.h"

#include <errno.h>
#include <string.h>
#include <mbedtls/base64.h>
#include "engine/json/json.h"
#include "lib/buf.h"
#include "lib/own.h"

enum { DOCKERCFG_LOGIN_MAX = 8 << 10 };

/* "https://Index.docker.io/v1/" is "index.docker.io"; then Docker's own names become one. */
static bool names_registry(struct str key, const char *registry)
{
	static const char *const hub[] = { "docker.io", "index.docker.io", "registry-1.docker.io" };
	bool key_is_hub = false, registry_is_hub = false;
	ptrdiff_t slash;

	if (str_starts(key, STR("https://")))
		key = str_skip(key, 8);
	else if (str_starts(key, STR("http://")))
		key = str_skip(key, 7);
	slash = str_find(key, '/');
	if (slash >= 0)
		key = str_head(key, (size_t)slash);
	for (size_t i = 0; i < ARRAY_LEN(hub); i++) {
		key_is_hub = key_is_hub || str_is_nocase(key, hub[i]);
		registry_is_hub = registry_is_hub || strcmp(registry, hub[i]) == 0;
	}
	return key.len && (str_is_nocase(key, registry) || (key_is_hub && registry_is_hub));
}

/* "auth": base64 of user:password. */
static int take_auth(struct str auth, struct arena *arena, struct dockercfg_login *login,
		     struct err *err)
{
	struct buf plain OWN(buf_done) = { 0 };
	ptrdiff_t colon;
	size_t len = 0;

	buf_init(&plain, DOCKERCFG_LOGIN_MAX);
	if (buf_reserve(&plain, auth.len + 4) < 0 ||
	    mbedtls_base64_decode((unsigned char *)plain.data, auth.len + 4, &len,
				  (const unsigned char *)auth.ptr, auth.len) != 0)
		return err_set(err, -EBADMSG, "an \"auth\" that is not base64");
	plain.len = len;
	/* The CLI of old padded with NULs. */
	while (plain.len > 0 && plain.data[plain.len - 1] == 0)
		plain.len--;
	colon = str_find(buf_str(&plain), ':');
	if (colon < 0 || memchr(plain.data, 0, plain.len))
		return err_set(err, -EBADMSG, "an \"auth\" that is not user:password");
	login->user = arena_text(arena, str_head(buf_str(&plain), (size_t)colon));
	login->password = arena_text(arena, str_skip(buf_str(&plain), (size_t)colon + 1));
	return 0;
}

static int take_entry(const struct json *entry, struct arena *arena, struct dockercfg_login *login,
		      struct err *err)
{
	struct str auth = json_str(json_get(entry, "auth"));
	struct str token = json_str(json_get(entry, "identitytoken"));
	struct str user = json_str(json_get(entry, "username"));
	int r = 0;

	login->user = login->password = "";
	if (auth.len)
		r = take_auth(auth, arena, login, err);
	if (r == 0 && user.len) {
		login->user = arena_text(arena, user);
		login->password = arena_text(arena, json_str(json_get(entry, "password")));
	}
	login->token = arena_text(arena, token);
	if (r == 0 && (!login->user || !login->password || !login->token))
		r = err_set(err, -ENOMEM, "no memory for a login");
	return r < 0 ? r : login->user[0] || login->token[0];
}

int dockercfg_find(struct str text, const char *registry, struct arena *arena,
		   struct dockercfg_login *ret_login, struct err *err)
{
	struct dockercfg_login login;
	struct json_doc doc = { 0 };
	struct json_iter iter;
	const struct json *entry;
	struct str key;
	int r = json_parse(text, DOCKERCFG_MAX, &doc, err);

	if (r < 0)
		return r;
	json_iter_init(&iter, json_get(doc.root, "auths"));
	while (r == 0 && json_iter_next(&iter, &key, &entry)) {
		if (names_registry(key, registry))
			r = take_entry(entry, arena, &login, err);
	}
	if (r == 1)
		*ret_login = login;
	json_done(&doc);
	return r;
}
