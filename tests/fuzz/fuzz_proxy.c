/* SPDX-License-Identifier: Apache-2.0 */
/* Proxy settings: the first line the proxy, the rest no_proxy; this machine is never proxied. */
#include <stdlib.h>
#include <string.h>
#include "engine/registry/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const targets[] = { "https://10.1.2.3:5000", "https://[2001:db8::1]",
					       "https://a.reg.example", "https://127.0.0.1:5000" };
	char text[4096], *none;
	struct pull_proxy settings;
	struct proxy proxy;
	struct url url;

	if (size >= sizeof(text) || memchr(data, 0, size))
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	none = strchr(text, '\n');
	if (none)
		*none++ = 0;
	settings = (struct pull_proxy){ "", text, none ? none : "" };
	for (size_t i = 0; i < 4; i++) {
		if (url_parse(str_from(targets[i]), &url, NULL) < 0)
			abort();
		if (proxy_choose(&settings, &url, &proxy, NULL) != 1)
			continue;
		if (i == 3 || !proxy.url.host[0] || strlen(proxy.login) >= PROXY_LOGIN_MAX)
			abort();
	}
	return 0;
}
