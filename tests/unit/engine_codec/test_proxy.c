/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asked through a proxy, and who is not. */
#include <errno.h>
#include "engine/registry/proxy.h"
#include "tests/unit/tap.h"

static void choose(const char *target, const char *none, int want)
{
	const struct pull_proxy settings = { "http://plain.example:3128", "http://tls.example:8080",
					     none };
	struct proxy proxy;
	struct url url;

	if (url_parse(str_from(target), &url, NULL) < 0)
		ok(false, "%s is a URL", target);
	else
		is_int(proxy_choose(&settings, &url, &proxy, NULL), want, "%s without %s", target,
		       none);
}

static void test_choose(void)
{
	choose("https://reg.example", "", 1);
	choose("https://localhost:5000", "", 0);
	choose("http://127.0.0.5:5000", "", 0);
	choose("https://[::1]:5000", "", 0);
	choose("https://[::ffff:127.0.0.1]", "", 0);
	choose("https://reg.example", "*", 0);
	choose("https://reg.example", "reg.example", 0);
	choose("https://a.reg.example", "reg.example", 0);
	choose("https://areg.example", "reg.example", 1);
	choose("https://reg.example", ".reg.example", 1);
	choose("https://a.reg.example", " x , .reg.example", 0);
	choose("https://a.reg.example", "*.reg.example", 0);
	choose("https://reg.example:5000", "reg.example:5000", 0);
	choose("https://reg.example:5001", "reg.example:5000", 1);
	choose("https://10.1.2.3", "10.0.0.0/8", 0);
	choose("https://11.1.2.3", "10.0.0.0/8", 1);
	choose("https://11.1.2.3", "0.0.0.0/0", 0);
	choose("https://10.1.2.3", "10.1.2.3", 0);
	choose("https://10.1.2.3", "1.2.3", 1);
	choose("https://10.1.2.129", "10.1.2.128/25", 0);
	choose("https://10.1.2.127", "10.1.2.128/25", 1);
	choose("https://10.1.2.127", "10.1.2.0/33", 1);
	choose("https://[2001:db8::5]", "2001:db8::/32", 0);
	choose("https://[2001:db9::5]", "2001:db8::/32", 1);
	choose("https://[2001:db8::5]", "2001:db8:0::5", 0);
	choose("https://reg.example", ",,/8,::,%", 1);
}

static void setting(const char *text, int want, const char *host, unsigned port, const char *login)
{
	const struct pull_proxy settings = { "", text, "" };
	struct proxy proxy = { .login = "" };
	struct url url;

	is_int(url_parse(STR("https://reg.example"), &url, NULL), 0, "a URL");
	is_int(proxy_choose(&settings, &url, &proxy, NULL), want, "proxy %s", text);
	if (want != 1)
		return;
	is_text(proxy.url.host, host, "its host");
	is_int(proxy.url.port, port, "its port");
	is_text(proxy.login, login, "its login");
	ok(!proxy.url.tls, "plain");
}

int main(void)
{
	test_choose();
	setting("http://p.example:3128", 1, "p.example", 3128, "");
	setting("http://p.example:3128/", 1, "p.example", 3128, "");
	setting("p.example:3128", 1, "p.example", 3128, "");
	setting("http://[2001:db8::1]:1", 1, "2001:db8::1", 1, "");
	setting("http://u:p%40@p.example", 1, "p.example", 80, "Basic dTpwQA==");
	setting("https://p.example", -EINVAL, "", 0, "");
	setting("http://", -EINVAL, "", 0, "");
	setting("http://a b", -EINVAL, "", 0, "");
	setting("http://%zz@p.example", -EINVAL, "", 0, "");
	setting("", 0, "", 0, "");
	return tap_done();
}
