/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the bytes of router advertisements and solicitations. Pure, used by the dhcp role. It must
 * never read behind an option's length, nor keep more than its caps.
 */
#include <errno.h>
#include <string.h>
#include "netd/nd/nd_codec.h"

enum {
	IP_HEADER = 40,
	NEXT_ICMP6 = 58,
	HOPS = 255,
	TYPE_SOLICIT = 133,
	TYPE_ADVERT = 134,
	ADVERT_HEADER = 16,
	OPTION_PREFIX = 3,
	OPTION_MTU = 5,
	OPTION_ROUTE = 24,
	OPTION_DNS = 25,
	OPTION_DOMAINS = 31,
	MTU_MIN = 1280,
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static uint32_t add_words(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get16(data + i);
	if (len & 1)
		sum += (uint32_t)data[len - 1] << 8;
	return sum;
}

/* Over addresses, length, protocol and message (RFC 8200 8.1); 0 where a checksum is right. */
static uint16_t checksum(const uint8_t *packet, size_t icmp_len)
{
	uint32_t sum = add_words(NEXT_ICMP6 + (uint32_t)icmp_len, packet + 8, 32);

	sum = add_words(sum, packet + IP_HEADER, icmp_len);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void read_prefix(const uint8_t *at, size_t len, struct nd_advert *advert)
{
	struct nd_prefix *prefix = &advert->prefixes[advert->prefix_count];
	struct ip6 ip6;

	if (len != 32 || at[2] > 128 || advert->prefix_count == ND_PREFIXES_MAX)
		return;
	memcpy(ip6.b, at + 16, sizeof(ip6.b));
	*prefix = (struct nd_prefix){ .prefix = ip6_network(&ip6, at[2]),
				      .len = at[2],
				      .onlink = (at[3] & 0x80) != 0,
				      .autonomous = (at[3] & 0x40) != 0,
				      .valid_s = get32(at + 4),
				      .preferred_s = get32(at + 8) };
	/* RFC 4862 5.5.3 b and c; and nothing but unicast is a prefix of hosts. */
	if (ip6_is_link_local(&prefix->prefix) || prefix->prefix.b[0] == 0xff ||
	    prefix->preferred_s > prefix->valid_s || !prefix->len)
		return;
	advert->prefix_count++;
}

static void read_dns(const uint8_t *at, size_t len, struct nd_advert *advert)
{
	for (size_t i = 8; i + 16 <= len && advert->dns_count < ND_DNS_MAX; i += 16) {
		struct ip6 *server = &advert->dns[advert->dns_count];

		memcpy(server->b, at + i, sizeof(server->b));
		if (!ip6_is_host(server))
			continue;
		advert->dns_s[advert->dns_count++] = get32(at + 4);
	}
}

/* One name in wire form; the bytes it took, 0 = malformed or the padding. */
static size_t read_domain(const uint8_t *at, size_t len, char dst[DOMAIN_MAX])
{
	size_t used = 0, n = 0;

	while (used < len && at[used]) {
		size_t label = at[used++];

		if (label > 63 || used + label > len || n + label + 2 > DOMAIN_MAX)
			return 0;
		if (n)
			dst[n++] = '.';
		memcpy(dst + n, at + used, label);
		n += label;
		used += label;
	}
	dst[n] = 0;
	/* A NUL inside would show as a shorter name. */
	return used < len && n && strlen(dst) == n && domain_ok(str_from(dst)) ? used + 1 : 0;
}

static void read_domains(const uint8_t *at, size_t len, struct nd_advert *advert)
{
	size_t i = 8, used;

	while (i < len && advert->domain_count < ND_DOMAINS_MAX) {
		used = read_domain(at + i, len - i, advert->domains[advert->domain_count]);
		if (!used)
			return;
		advert->domain_s[advert->domain_count++] = get32(at + 4);
		i += used;
	}
}

/* Two bits, signed (RFC 4191 2.1). */
static int preference_of(uint8_t bits)
{
	return (bits >> 3 & 3) == 1 ? 1 : (bits >> 3 & 3) == 3 ? -1 : 0;
}

/* Half of the prefix, or all of it, is left out where it is short. */
static void read_route(const uint8_t *at, size_t len, struct nd_advert *advert)
{
	struct nd_route *route = &advert->routes[advert->route_count];
	struct ip6 ip6 = { { 0 } };

	/* The reserved preference means that the option is none (RFC 4191 2.3). */
	if (len > 24 || at[2] > 128 || at[2] > (len - 8) * 8 || (at[3] >> 3 & 3) == 2 ||
	    advert->route_count == ND_ROUTES_MAX)
		return;
	memcpy(ip6.b, at + 8, len - 8);
	*route = (struct nd_route){ .prefix = ip6_network(&ip6, at[2]),
				    .len = at[2],
				    .preference = preference_of(at[3]),
				    .lifetime_s = get32(at + 4) };
	if (route->len && (ip6_is_link_local(&route->prefix) || route->prefix.b[0] == 0xff))
		return;
	advert->route_count++;
}

static void read_option(const uint8_t *at, size_t len, struct nd_advert *advert)
{
	switch (at[0]) {
	case OPTION_PREFIX:
		read_prefix(at, len, advert);
		break;
	case OPTION_MTU:
		if (len == 8 && get32(at + 4) >= MTU_MIN && get32(at + 4) <= 65535)
			advert->mtu = get32(at + 4);
		break;
	case OPTION_ROUTE:
		read_route(at, len, advert);
		break;
	case OPTION_DNS:
		read_dns(at, len, advert);
		break;
	case OPTION_DOMAINS:
		read_domains(at, len, advert);
		break;
	default:
		break;
	}
}

int nd_advert_read(struct str packet, struct nd_advert *ret_advert)
{
	const uint8_t *p = (const uint8_t *)packet.ptr, *icmp = p + IP_HEADER;
	struct nd_advert advert = { .lifetime_s = 0 };
	size_t len, at = ADVERT_HEADER;

	if (packet.len < IP_HEADER + ADVERT_HEADER || p[0] >> 4 != 6 || p[6] != NEXT_ICMP6 ||
	    p[7] != HOPS)
		return -EBADMSG;
	len = get16(p + 4);
	if (len < ADVERT_HEADER || len > packet.len - IP_HEADER || icmp[0] != TYPE_ADVERT ||
	    icmp[1] || checksum(p, len))
		return -EBADMSG;
	memcpy(advert.router.b, p + 8, sizeof(advert.router.b));
	if (!ip6_is_link_local(&advert.router))
		return -EBADMSG;
	advert.managed = (icmp[5] & 0x80) != 0;
	advert.other = (icmp[5] & 0x40) != 0;
	/* The reserved value counts as medium (RFC 4191 2.2). */
	advert.preference = preference_of(icmp[5]);
	advert.lifetime_s = get16(icmp + 6);
	while (at < len) {
		size_t size = at + 2 <= len ? (size_t)icmp[at + 1] * 8 : 0;

		if (!size || size > len - at)
			return -EBADMSG;
		read_option(icmp + at, size, &advert);
		at += size;
	}
	*ret_advert = advert;
	return 0;
}

void nd_solicit_write(uint8_t packet[ND_SOLICIT_LEN])
{
	uint16_t sum;

	memset(packet, 0, ND_SOLICIT_LEN);
	packet[0] = 6 << 4;
	packet[5] = ND_SOLICIT_LEN - IP_HEADER;
	packet[6] = NEXT_ICMP6;
	packet[7] = HOPS;
	packet[24] = 0xff; /* ff02::2 */
	packet[25] = 2;
	packet[39] = 2;
	packet[IP_HEADER] = TYPE_SOLICIT;
	sum = checksum(packet, ND_SOLICIT_LEN - IP_HEADER);
	packet[IP_HEADER + 2] = (uint8_t)(sum >> 8);
	packet[IP_HEADER + 3] = (uint8_t)sum;
}
