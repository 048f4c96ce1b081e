/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the text forms of IPv4 and Ethernet addresses and of domain names. Pure, used by every role.
 * It must never accept what another parser reads differently: four decimal parts, no leading zeros.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
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

bool ip4_is_host(uint32_t ip4)
{
	return ip4 >> 24 != 127 && ip4 >> 24 != 0 && ip4 >> 28 < 14;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

int mac_parse(struct str text, uint8_t ret_mac[6])
{
	uint8_t mac[6];

	if (text.len != MAC_TEXT_MAX - 1)
		return -EINVAL;
	for (size_t i = 0; i < 6; i++) {
		int high = hex_digit(text.ptr[3 * i]), low = hex_digit(text.ptr[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text.ptr[3 * i + 2] != ':'))
			return -EINVAL;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
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
