/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the text forms of IPv4 and Ethernet addresses and of domain names. Pure, used by every role.
 * It must never accept what another parser reads differently: four decimal parts, no leading zeros.
 */
#include <errno.h>
#include <stdio.h>
#include "netd/ip4.h"

const char *ip4_text(uint32_t ip4, char dst[IP4_TEXT_MAX])
{
	snprintf(dst, IP4_TEXT_MAX, "%u.%u.%u.%u", ip4 >> 24, ip4 >> 16 & 255, ip4 >> 8 & 255,
		 ip4 & 255);
	return dst;
}

int ip4_parse(struct str text, uint32_t *ret_ip4)
{
	struct str part;
	uint32_t ip4 = 0;
	uint64_t v;
	int parts = 0;

	if (text.len < 7 || text.len > 15 || text.ptr[text.len - 1] == '.')
		return -EINVAL;
	while (str_cut(&text, '.', &part)) {
		if (++parts > 4 || !part.len || (part.len > 1 && part.ptr[0] == '0') ||
		    str_to_u64(part, 0, 255, &v) < 0)
			return -EINVAL;
		ip4 = ip4 << 8 | (uint32_t)v;
	}
	if (parts != 4)
		return -EINVAL;
	*ret_ip4 = ip4;
	return 0;
}

int ip4_parse_prefix(struct str text, int prefix, uint32_t *ret_ip4, uint8_t *ret_prefix)
{
	ptrdiff_t slash = str_find(text, '/');
	uint64_t v = (uint64_t)prefix;
	uint32_t ip4;

	if (slash < 0 && prefix < 0)
		return -EINVAL;
	if (slash >= 0 && str_to_u64(str_skip(text, (size_t)slash + 1), 0, 32, &v) < 0)
		return -EINVAL;
	if (ip4_parse(slash < 0 ? text : str_head(text, (size_t)slash), &ip4) < 0)
		return -EINVAL;
	*ret_ip4 = ip4;
	*ret_prefix = (uint8_t)v;
	return 0;
}

uint32_t ip4_mask(uint8_t prefix)
{
	return prefix ? UINT32_MAX << (32 - (prefix > 32 ? 32 : prefix)) : 0;
}

const char *mac_text(const uint8_t mac[6], char dst[MAC_TEXT_MAX])
{
	snprintf(dst, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return dst;
}

bool domain_ok(struct str domain)
{
	size_t label = 0;

	if (!domain.len || domain.len >= DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < domain.len; i++) {
		char c = domain.ptr[i];

		if (c == '.') {
			if (!label)
				return false;
			label = 0;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || (c == '-' && label)) ||
		    ++label > 63)
			return false;
	}
	return true;
}
