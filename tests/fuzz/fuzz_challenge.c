/* SPDX-License-Identifier: Apache-2.0 */
/* Login challenges; a realm is never trusted with the login of a registry of another domain. */
#include <stdlib.h>
#include <string.h>
#include "engine/registry/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct challenge ch;
	struct url registry, realm;
	size_t len;

	if (challenge_parse(str_make(data, size), &ch, NULL) < 0)
		return 0;
	if (url_parse(STR("https://reg.example.org"), &registry, NULL) < 0)
		abort();
	if (url_parse(str_from(ch.realm), &realm, NULL) < 0 ||
	    !challenge_realm_trusted(&registry, &realm))
		return 0;
	len = strlen(realm.host);
	if (!realm.tls || len < 11 || strcmp(realm.host + len - 11, "example.org") != 0 ||
	    (len > 11 && realm.host[len - 12] != '.'))
		abort();
	return 0;
}
