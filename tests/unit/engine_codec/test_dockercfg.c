/* SPDX-License-Identifier: Apache-2.0 */
/* Logins out of Docker's config.json: each for its own registry only. */
#include <errno.h>
#include "engine/registry/dockercfg.h"
#include "tests/unit/tap.h"

static struct arena arena;

static const char config[] =
	"{\"auths\":{"
	"\"https://index.docker.io/v1/\":{\"auth\":\"aHViOnNlY3JldDpjb2xvbg==\"},"
	"\"reg.example:5000\":{\"auth\":\"YTpi\",\"identitytoken\":\"tok\"},"
	"\"https://Plain.example/v2/\":{\"username\":\"u\",\"password\":\"p\"},"
	"\"empty.example\":{},"
	"\"old.example\":{\"auth\":\"YTpiAAA=\"}"
	"},\"credsStore\":\"desktop\",\"HttpHeaders\":{\"X\":\"y\"}}";

static void find(const char *registry, int want, const char *user, const char *password,
		 const char *token)
{
	struct dockercfg_login login = { "", "", "" };

	is_int(dockercfg_find(str_from(config), registry, &arena, &login, NULL), want, "%s",
	       registry);
	is_text(login.user, user, "its user");
	is_text(login.password, password, "its password");
	is_text(login.token, token, "its token");
}

static void bad(const char *text, int want, const char *why)
{
	struct dockercfg_login login;
	struct err err = { 0 };

	is_int(dockercfg_find(str_from(text), "r", &arena, &login, &err), want, "%s", why);
}

int main(void)
{
	arena_init(&arena, 1 << 20);
	find("docker.io", 1, "hub", "secret:colon", "");
	find("registry-1.docker.io", 1, "hub", "secret:colon", "");
	find("reg.example:5000", 1, "a", "b", "tok");
	find("plain.example", 1, "u", "p", "");
	find("old.example", 1, "a", "b", "");
	find("reg.example", 0, "", "", "");
	find("empty.example", 0, "", "", "");
	find("evil.example", 0, "", "", "");
	find("example", 0, "", "", "");
	bad("{", -EBADMSG, "no JSON");
	bad("[]", 0, "no object");
	bad("{\"auths\":[]}", 0, "auths is no object");
	bad("{\"auths\":{\"r\":{\"auth\":\"!\"}}}", -EBADMSG, "no base64");
	bad("{\"auths\":{\"r\":{\"auth\":\"YWI=\"}}}", -EBADMSG, "no colon");
	bad("{\"auths\":{\"r\":{\"auth\":\"YTpiAGM=\"}}}", -EBADMSG, "a NUL inside");
	bad("{\"auths\":{\"r\":7}}", 0, "an entry that is no object");
	bad("{\"auths\":{\"\":{\"auth\":\"YTpi\"}}}", 0, "an empty name");
	arena_done(&arena);
	return tap_done();
}
