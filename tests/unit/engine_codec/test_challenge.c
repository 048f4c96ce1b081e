/* SPDX-License-Identifier: Apache-2.0 */
/* Login challenges, and to which token servers a login may go. */
#include <errno.h>
#include "engine/registry/challenge.h"
#include "tests/unit/tap.h"

static void test_parse(void)
{
	struct challenge ch;

	is_int(challenge_parse(
		       STR("Bearer realm=\"https://a/t\",service=\"s s\",scope=\"r:x:pull\""), &ch,
		       NULL),
	       0, "Bearer");
	ok(ch.bearer && !ch.basic, "and only that");
	is_text(ch.realm, "https://a/t", "realm");
	is_text(ch.service, "s s", "service");
	is_text(ch.scope, "r:x:pull", "scope");
	is_int(challenge_parse(STR("Basic realm=\"x\", bearer REALM=https://a, error=\"e\\\"f\""),
			       &ch, NULL),
	       -EBADMSG, "a token cannot hold a slash");
	is_int(challenge_parse(STR("Basic realm=\"x, y\", bearer REALM=a , error=\"e\\\"f\""), &ch,
			       NULL),
	       0, "two challenges");
	ok(ch.basic && ch.bearer, "both are seen");
	is_text(ch.realm, "a", "Basic's realm is not Bearer's");
	is_text(ch.error, "e\"f", "an escaped quote");
	is_int(challenge_parse(STR("Negotiate, Basic"), &ch, NULL), 0, "without parameters");
	ok(ch.basic, "Basic behind an unknown scheme");
	is_int(challenge_parse(STR("Bearer realm=\"a"), &ch, NULL), -EBADMSG, "an open quote");
	is_int(challenge_parse(STR("Bearer =x"), &ch, NULL), -EBADMSG, "no name");
	is_int(challenge_parse(STR("\"x\""), &ch, NULL), -EBADMSG, "no scheme");
	is_int(challenge_parse(STR(""), &ch, NULL), 0, "nothing");
	ok(!ch.basic && !ch.bearer, "asks for nothing");
}

static void trusted(const char *registry, const char *realm, bool want)
{
	struct url a, b;

	if (url_parse(str_from(registry), &a, NULL) < 0 || url_parse(str_from(realm), &b, NULL) < 0)
		ok(false, "%s and %s are URLs", registry, realm);
	else
		ok(challenge_realm_trusted(&a, &b) == want, "%s: login to %s: %s", registry, realm,
		   want ? "yes" : "no");
}

static void test_trusted(void)
{
	trusted("https://registry-1.docker.io", "https://auth.docker.io/token", true);
	trusted("https://reg.example.org:5000", "https://reg.example.org/t", true);
	trusted("https://registry.gitlab.example", "https://gitlab.example/jwt", true);
	trusted("https://registry.example", "https://auth.example/t", false);
	trusted("https://registry.git.example.org", "https://git.example.org/jwt", true);
	trusted("https://reg.example.org", "http://reg.example.org/t", false);
	trusted("http://reg.example.org", "http://reg.example.org/t", true);
	trusted("https://reg.example.org", "https://evil.test/t", false);
	trusted("https://reg.example.org", "https://evilexample.org/t", false);
	trusted("https://reg.example.org", "https://example.org.evil.test/t", false);
	trusted("https://example.org", "https://other.org/t", false);
	trusted("https://10.0.0.1", "https://11.0.0.1/t", false);
	trusted("https://10.0.0.1", "https://10.0.0.1:99/t", true);
	trusted("https://[2001:db8::1]", "https://[2001:db8::2]/t", false);
}

int main(void)
{
	test_parse();
	test_trusted();
	return tap_done();
}
