/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns IPv6 addresses: their text and a little arithmetic. Pure, used by every role. It must never
 * take an IPv4-mapped address for an IPv6 one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "netd/ip4.h"
#include "netd/ip6.h"

const char *ip6_text(const struct ip6 *ip6, char dst[IP6_TEXT_MAX])
{
	if (!inet_ntop(AF_INET6, ip6->b, dst, IP6_TEXT_MAX))
		dst[0] = 0;
	return dst;
}

int ip6_parse(struct str text, struct ip6 *ret_ip6)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char copy[IP6_TEXT_MAX];
	struct ip6 ip6;

	if (str_copy(text, copy, sizeof(copy)) < 0 || inet_pton(AF_INET6, copy, ip6.b) != 1 ||
	    !memcmp(ip6.b, mapped, sizeof(mapped)))
		return -EINVAL;
	*ret_ip6 = ip6;
	return 0;
}

int ip6_parse_prefix(struct str text, int prefix, struct ip6 *ret_ip6, uint8_t *ret_prefix)
{
	ptrdiff_t slash = str_find(text, '/');
	uint64_t v = (uint64_t)prefix;
	struct ip6 ip6;

	if (slash < 0 && prefix < 0)
		return -EINVAL;
	if (slash >= 0 && str_to_u64(str_skip(text, (size_t)slash + 1), 0, 128, &v) < 0)
		return -EINVAL;
	if (ip6_parse(slash < 0 ? text : str_head(text, (size_t)slash), &ip6) < 0)
		return -EINVAL;
	*ret_ip6 = ip6;
	*ret_prefix = (uint8_t)v;
	return 0;
}

bool ip6_is_zero(const struct ip6 *ip6)
{
	const struct ip6 zero = { .b = { 0 } };

	return ip6_equal(ip6, &zero);
}

bool ip6_equal(const struct ip6 *a, const struct ip6 *b)
{
	return !memcmp(a->b, b->b, sizeof(a->b));
}

struct ip6 ip6_network(const struct ip6 *ip6, uint8_t prefix)
{
	struct ip6 network = *ip6;

	for (unsigned i = 0; i < 16; i++)
		if (8 * i >= prefix)
			network.b[i] = 0;
		else if (8 * i + 8 > prefix)
			network.b[i] &= (uint8_t)(0xff00 >> (prefix - 8 * i));
	return network;
}

bool ip6_in_prefix(const struct ip6 *a, const struct ip6 *b, uint8_t prefix)
{
	struct ip6 left = ip6_network(a, prefix), right = ip6_network(b, prefix);

	return ip6_equal(&left, &right);
}

uint64_t ip6_low(const struct ip6 *ip6)
{
	uint64_t low = 0;

	for (unsigned i = 8; i < 16; i++)
		low = low << 8 | ip6->b[i];
	return low;
}

struct ip6 ip6_plus(const struct ip6 *ip6, uint64_t n)
{
	struct ip6 sum = *ip6;
	uint64_t low = ip6_low(ip6) + n;

	for (unsigned i = 16; i-- > 8; low >>= 8)
		sum.b[i] = (uint8_t)low;
	return sum;
}

bool ip6_is_ula(const struct ip6 *ip6)
{
	return (ip6->b[0] & 0xfe) == 0xfc;
}

bool ip6_is_link_local(const struct ip6 *ip6)
{
	return ip6->b[0] == 0xfe && (ip6->b[1] & 0xc0) == 0x80;
}

bool ip6_is_loopback(const struct ip6 *ip6)
{
	const struct ip6 loopback = { .b = { [15] = 1 } };

	return ip6_equal(ip6, &loopback);
}

bool ip6_is_host(const struct ip6 *ip6)
{
	return ip6->b[0] != 0xff && !ip6_is_zero(ip6) && !ip6_is_loopback(ip6);
}

const char *ip_any_text(const struct ip_any *any, char dst[IP_ANY_TEXT_MAX])
{
	char text[IP6_TEXT_MAX];

	if (!any->v6)
		return ip4_text(any->ip4, dst);
	if (any->scope)
		snprintf(dst, IP_ANY_TEXT_MAX, "%s%%%u", ip6_text(&any->ip6, text), any->scope);
	else
		ip6_text(&any->ip6, dst);
	return dst;
}

int ip_any_parse(struct str text, struct ip_any *ret_any)
{
	struct ip_any any = { .v6 = str_find(text, ':') >= 0 };

	if (any.v6 ? ip6_parse(text, &any.ip6) < 0 : ip4_parse(text, &any.ip4) < 0)
		return -EINVAL;
	*ret_any = any;
	return 0;
}

bool ip_any_equal(const struct ip_any *a, const struct ip_any *b)
{
	return a->v6 == b->v6 &&
	       (a->v6 ? ip6_equal(&a->ip6, &b->ip6) && a->scope == b->scope : a->ip4 == b->ip4);
}

socklen_t ip_any_place(const struct ip_any *any, uint16_t port, struct sockaddr_storage *ret_place)
{
	struct sockaddr_in *in = (void *)ret_place;
	struct sockaddr_in6 *in6 = (void *)ret_place;

	memset(ret_place, 0, sizeof(*ret_place));
	if (!any->v6) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = htonl(any->ip4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, any->ip6.b, sizeof(in6->sin6_addr));
	in6->sin6_scope_id = any->scope;
	return sizeof(*in6);
}
