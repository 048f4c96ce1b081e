/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the form of DHCPv6 packets. Pure, used by the dhcp role (and by main for lease records). It
 * must never read beyond an option's length, nor let text out that is not a domain name.
 */
#include <errno.h>
#include <string.h>
#include "netd/dhcp6/dhcp6_codec.h"

enum {
	IP6_HEADER = 40,
	UDP_HEADER = 8,
	NEXT_UDP = 17,
	PORT_CLIENT = 546,
	PORT_SERVER = 547,
	HOPS = 255,
	OPTION_CLIENT = 1,
	OPTION_SERVER = 2,
	OPTION_IA_NA = 3,
	OPTION_IA_ADDR = 5,
	OPTION_WANTED = 6,
	OPTION_PREFERENCE = 7,
	OPTION_ELAPSED = 8,
	OPTION_STATUS = 13,
	OPTION_RAPID = 14,
	OPTION_DNS = 23,
	OPTION_DOMAINS = 24,
	OPTION_IA_PD = 25,
	OPTION_IA_PREFIX = 26,
	OPTION_SNTP = 31,
	OPTION_REFRESH = 32,
	OPTION_NTP = 56,
	NTP_ADDRESS = 1, /* within it; multicast and names are left out */
	OPTION_SOLICIT_MAX = 82,
	SOLICIT_MAX_LEAST_S = 60, /* RFC 8415 21.24 */
	SOLICIT_MAX_MOST_S = 86400,
	LABEL_MAX = 63,
};

static const struct ip6 all_servers = { { 0xff, 2, [13] = 1, [15] = 2 } };

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(struct buf *out, uint32_t v)
{
	const uint8_t bytes[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	buf_add(out, bytes, sizeof(bytes));
}

static void put32(struct buf *out, uint32_t v)
{
	put16(out, v >> 16);
	put16(out, v & 0xffff);
}

/* Over the pseudo header (RFC 8200 8.1) and the UDP packet; 0 when a packet's own is right. */
static uint16_t checksum(const uint8_t *addresses, const uint8_t *udp, size_t len)
{
	uint32_t sum = (uint32_t)len + NEXT_UDP;

	for (size_t i = 0; i < 32; i += 2)
		sum += get16(addresses + i);
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get16(udp + i);
	if (len & 1)
		sum += (uint32_t)udp[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* ---- reading ---- */

struct option {
	uint16_t code;
	struct str data;
};

/* False at the end, or at one that is cut off: then *ret_bad. */
static bool next_option(struct str *rest, struct option *ret_option, bool *ret_bad)
{
	const uint8_t *at = (const uint8_t *)rest->ptr;
	size_t len;

	if (!rest->len)
		return false;
	len = rest->len < 4 ? 0 : get16(at + 2);
	if (rest->len < 4 || len > rest->len - 4) {
		*ret_bad = true;
		return false;
	}
	ret_option->code = get16(at);
	ret_option->data = str_make(rest->ptr + 4, len);
	*rest = str_skip(*rest, 4 + len);
	return true;
}

static bool times_fit(const struct dhcp6_item *item)
{
	return item->valid_s && item->preferred_s <= item->valid_s;
}

static uint16_t read_status(struct str data)
{
	return data.len < 2 ? UINT16_MAX : get16((const uint8_t *)data.ptr);
}

/* An address or a prefix within its IA; a status of its own makes it none. */
static bool read_item(const struct option *option, struct dhcp6_item *item)
{
	const uint8_t *at = (const uint8_t *)option->data.ptr;
	bool prefix = option->code == OPTION_IA_PREFIX, bad = false;
	size_t head = prefix ? 25 : 24;
	struct option inner;
	struct str rest;
	struct ip6 network;

	if (option->data.len < head)
		return false;
	*item = (struct dhcp6_item){ .len = 128 };
	item->preferred_s = get32(at + (prefix ? 0 : 16));
	item->valid_s = get32(at + (prefix ? 4 : 20));
	memcpy(item->ip6.b, at + (prefix ? 9 : 0), sizeof(item->ip6.b));
	if (prefix)
		item->len = at[8];
	rest = str_skip(option->data, head);
	while (next_option(&rest, &inner, &bad))
		if (inner.code == OPTION_STATUS && read_status(inner.data) != 0)
			return false;
	if (bad || item->len > 128 || !times_fit(item))
		return false;
	network = ip6_network(&item->ip6, item->len);
	if (!prefix)
		return ip6_is_host(&item->ip6) && !ip6_is_link_local(&item->ip6);
	return item->len >= 16 && item->len <= 64 && ip6_equal(&network, &item->ip6) &&
	       ip6_is_host(&network) && !ip6_is_link_local(&network);
}

static bool keep_item(struct dhcp6_item *list, size_t *count, size_t max,
		      const struct dhcp6_item *item)
{
	if (*count < max)
		list[(*count)++] = *item;
	return true;
}

/* Times of an IA: the earliest of all that are said; contradicting ones are not said. */
static void read_times(const uint8_t *at, struct dhcp6_lease *lease)
{
	uint32_t t1 = get32(at), t2 = get32(at + 4);

	if (t1 > t2 && t2)
		return;
	if (t1 && (!lease->t1_s || t1 < lease->t1_s))
		lease->t1_s = t1;
	if (t2 && (!lease->t2_s || t2 < lease->t2_s))
		lease->t2_s = t2;
}

static bool read_ia(const struct option *option, struct dhcp6_reply *reply)
{
	bool prefixes = option->code == OPTION_IA_PD, bad = false;
	const uint8_t *at = (const uint8_t *)option->data.ptr;
	struct dhcp6_lease *lease = &reply->lease;
	struct dhcp6_item item;
	struct option inner;
	struct str rest;

	if (option->data.len < 12)
		return false;
	reply->iaid = get32(at);
	rest = str_skip(option->data, 12);
	while (next_option(&rest, &inner, &bad)) {
		if (inner.code == OPTION_STATUS && read_status(inner.data) != 0)
			reply->status = read_status(inner.data);
		if (inner.code == OPTION_IA_ADDR && !prefixes && read_item(&inner, &item))
			keep_item(lease->addrs, &lease->addr_count, DHCP6_ADDRS_MAX, &item);
		if (inner.code == OPTION_IA_PREFIX && prefixes && read_item(&inner, &item))
			keep_item(lease->prefixes, &lease->prefix_count, DHCP6_PREFIXES_MAX, &item);
	}
	if (lease->addr_count || lease->prefix_count)
		read_times(at + 4, lease);
	return !bad;
}

static void read_hosts(struct str data, struct ip6 *list, size_t max, size_t *count)
{
	for (; data.len >= 16 && *count < max; data = str_skip(data, 16)) {
		memcpy(list[*count].b, data.ptr, sizeof(list[*count].b));
		*count += ip6_is_host(&list[*count]);
	}
}

/* RFC 5908: an option for each server, with what names it inside. */
static bool read_ntp(struct str data, struct dhcp6_lease *lease)
{
	struct option inner;
	bool bad = false;

	while (next_option(&data, &inner, &bad))
		if (inner.code == NTP_ADDRESS && inner.data.len == 16)
			read_hosts(inner.data, lease->ntp, DHCP6_NTP_MAX, &lease->ntp_count);
	return !bad;
}

/* One name without compression (RFC 8415 10); false = malformed, nothing after it is read. */
static bool read_name(struct str *data, char dst[DOMAIN_MAX])
{
	size_t at = 0;

	for (;;) {
		size_t len = data->len ? (uint8_t)data->ptr[0] : SIZE_MAX;

		if (len > LABEL_MAX || len >= data->len)
			return false;
		if (!len) {
			*data = str_skip(*data, 1);
			dst[at] = 0;
			return at > 0;
		}
		if (at + len + 2 > DOMAIN_MAX)
			return false;
		if (at)
			dst[at++] = '.';
		memcpy(dst + at, data->ptr + 1, len);
		at += len;
		*data = str_skip(*data, len + 1);
	}
}

static void read_domains(struct str data, struct dhcp6_lease *lease)
{
	char name[DOMAIN_MAX];

	while (data.len && lease->domain_count < DHCP6_DOMAINS_MAX && read_name(&data, name))
		if (strlen(name) < DOMAIN_MAX && domain_ok(str_from(name)))
			memcpy(lease->domains[lease->domain_count++], name, DOMAIN_MAX);
}

static bool read_duid(struct str data, struct dhcp6_duid *duid)
{
	if (data.len < 3 || data.len > DHCP6_DUID_MAX || duid->len)
		return false;
	duid->len = (uint8_t)data.len;
	memcpy(duid->b, data.ptr, data.len);
	return true;
}

static bool read_option(const struct option *option, struct dhcp6_reply *reply)
{
	const uint8_t *at = (const uint8_t *)option->data.ptr;
	uint32_t number = option->data.len == 4 ? get32(at) : 0;

	switch (option->code) {
	case OPTION_CLIENT:
		return read_duid(option->data, &reply->client);
	case OPTION_SERVER:
		return read_duid(option->data, &reply->lease.server);
	case OPTION_IA_NA:
	case OPTION_IA_PD:
		return read_ia(option, reply);
	case OPTION_STATUS:
		reply->status = read_status(option->data);
		return true;
	case OPTION_PREFERENCE:
		reply->preference = option->data.len == 1 ? at[0] : 0;
		return true;
	case OPTION_RAPID:
		reply->rapid = true;
		return true;
	case OPTION_DNS:
		read_hosts(option->data, reply->lease.dns, DHCP6_DNS_MAX, &reply->lease.dns_count);
		return true;
	case OPTION_SNTP:
		read_hosts(option->data, reply->lease.ntp, DHCP6_NTP_MAX, &reply->lease.ntp_count);
		return true;
	case OPTION_NTP:
		return read_ntp(option->data, &reply->lease);
	case OPTION_DOMAINS:
		read_domains(option->data, &reply->lease);
		return true;
	case OPTION_REFRESH:
		reply->refresh_s = number;
		return true;
	case OPTION_SOLICIT_MAX:
		if (number >= SOLICIT_MAX_LEAST_S && number <= SOLICIT_MAX_MOST_S)
			reply->solicit_max_s = number;
		return true;
	default: /* not asked for */
		return true;
	}
}

static uint32_t share(uint32_t whole_s, uint32_t tenths)
{
	return whole_s == DHCP6_FOREVER ? DHCP6_FOREVER
					: (uint32_t)((uint64_t)whole_s * tenths / 10);
}

/* RFC 8415 14.2: what the server leaves to us. */
static void fill_times(struct dhcp6_lease *lease)
{
	uint32_t least = DHCP6_FOREVER;

	for (size_t i = 0; i < lease->addr_count; i++)
		if (lease->addrs[i].preferred_s < least)
			least = lease->addrs[i].preferred_s;
	for (size_t i = 0; i < lease->prefix_count; i++)
		if (lease->prefixes[i].preferred_s < least)
			least = lease->prefixes[i].preferred_s;
	if (!lease->t1_s)
		lease->t1_s = share(least, 5);
	if (!lease->t2_s)
		lease->t2_s = share(least, 8);
	if (lease->t2_s < lease->t1_s)
		lease->t2_s = lease->t1_s;
}

int dhcp6_reply_read(struct str packet, bool sum_open, struct dhcp6_reply *ret_reply)
{
	const uint8_t *at = (const uint8_t *)packet.ptr, *udp = at + IP6_HEADER;
	struct dhcp6_reply reply = { .status = 0 };
	struct option option;
	struct str rest;
	bool bad = false;
	size_t len;

	if (packet.len < IP6_HEADER + UDP_HEADER + 4 || at[0] >> 4 != 6 || at[6] != NEXT_UDP)
		return -EBADMSG;
	len = get16(at + 4);
	if (len > packet.len - IP6_HEADER || len < UDP_HEADER + 4 || get16(udp + 4) != len ||
	    get16(udp) != PORT_SERVER || get16(udp + 2) != PORT_CLIENT ||
	    (!sum_open && (!get16(udp + 6) || checksum(at + 8, udp, len) != 0)))
		return -EBADMSG;
	if (udp[UDP_HEADER] != DHCP6_TYPE_ADVERTISE && udp[UDP_HEADER] != DHCP6_TYPE_REPLY)
		return -EBADMSG;
	reply.type = (enum dhcp6_type)udp[UDP_HEADER];
	reply.xid = get32(udp + UDP_HEADER) & 0xffffff;
	rest = str_make(packet.ptr + IP6_HEADER + UDP_HEADER + 4, len - UDP_HEADER - 4);
	while (next_option(&rest, &option, &bad))
		if (!read_option(&option, &reply))
			return -EBADMSG;
	if (bad || !reply.lease.server.len || !reply.client.len)
		return -EBADMSG;
	fill_times(&reply.lease);
	*ret_reply = reply;
	return 0;
}

/* ---- writing ---- */

static size_t begin_option(struct buf *out, uint16_t code)
{
	put16(out, code);
	put16(out, 0);
	return out->len;
}

static void end_option(struct buf *out, size_t start)
{
	size_t len = out->len - start;

	if (out->error)
		return;
	out->data[start - 2] = (char)(len >> 8);
	out->data[start - 1] = (char)len;
}

static void put_duid(struct buf *out, uint16_t code, const struct dhcp6_duid *duid)
{
	size_t start = begin_option(out, code);

	buf_add(out, duid->b, duid->len);
	end_option(out, start);
}

static void put_item(struct buf *out, const struct dhcp6_item *item, bool prefix)
{
	size_t start = begin_option(out, prefix ? OPTION_IA_PREFIX : OPTION_IA_ADDR);

	if (!prefix)
		buf_add(out, item->ip6.b, sizeof(item->ip6.b));
	/* The client's wish for times means nothing (RFC 8415 21.6). */
	put32(out, 0);
	put32(out, 0);
	if (prefix) {
		buf_add_byte(out, item->len);
		buf_add(out, item->ip6.b, sizeof(item->ip6.b));
	}
	end_option(out, start);
}

static void put_ia(struct buf *out, const struct dhcp6_request *request, bool prefix)
{
	const struct dhcp6_item hint = { .len = request->hint_len };
	const struct dhcp6_lease *have = request->have;
	size_t start = begin_option(out, prefix ? OPTION_IA_PD : OPTION_IA_NA);
	size_t count = !have ? 0 : prefix ? have->prefix_count : have->addr_count;

	put32(out, request->iaid);
	put32(out, 0);
	put32(out, 0);
	for (size_t i = 0; i < count; i++)
		put_item(out, prefix ? &have->prefixes[i] : &have->addrs[i], prefix);
	if (prefix && !count && hint.len)
		put_item(out, &hint, true);
	end_option(out, start);
}

static void put_message(const struct dhcp6_request *request, struct buf *out)
{
	static const uint16_t wanted[] = { OPTION_DNS, OPTION_DOMAINS,	   OPTION_SNTP,
					   OPTION_NTP, OPTION_SOLICIT_MAX, OPTION_REFRESH };
	uint32_t elapsed = request->elapsed_ms / 10;
	size_t start;

	put32(out, (uint32_t)request->type << 24 | (request->xid & 0xffffff));
	put_duid(out, OPTION_CLIENT, request->client);
	if (request->to_server && request->have)
		put_duid(out, OPTION_SERVER, &request->have->server);
	if (request->addresses)
		put_ia(out, request, false);
	if (request->prefixes)
		put_ia(out, request, true);
	start = begin_option(out, OPTION_ELAPSED);
	put16(out, elapsed > 0xffff ? 0xffff : elapsed);
	end_option(out, start);
	if (request->type == DHCP6_TYPE_SOLICIT)
		end_option(out, begin_option(out, OPTION_RAPID));
	if (request->type == DHCP6_TYPE_RELEASE || request->type == DHCP6_TYPE_DECLINE)
		return;
	start = begin_option(out, OPTION_WANTED);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		put16(out, wanted[i]);
	end_option(out, start);
}

void dhcp6_request_write(const struct dhcp6_request *request, struct buf *out)
{
	size_t start = out->len, len;
	uint16_t sum;
	uint8_t *at;

	put32(out, UINT32_C(6) << 28);
	put16(out, 0); /* length, below */
	buf_add_byte(out, NEXT_UDP);
	buf_add_byte(out, HOPS);
	buf_add(out, request->source.b, sizeof(request->source.b));
	buf_add(out, all_servers.b, sizeof(all_servers.b));
	put16(out, PORT_CLIENT);
	put16(out, PORT_SERVER);
	put32(out, 0); /* length and checksum, below */
	put_message(request, out);
	if (out->error)
		return;
	at = (uint8_t *)out->data + start;
	len = out->len - start - IP6_HEADER;
	at[4] = at[IP6_HEADER + 4] = (uint8_t)(len >> 8);
	at[5] = at[IP6_HEADER + 5] = (uint8_t)len;
	sum = checksum(at + 8, at + IP6_HEADER, len);
	if (!sum)
		sum = 0xffff;
	at[IP6_HEADER + 6] = (uint8_t)(sum >> 8);
	at[IP6_HEADER + 7] = (uint8_t)sum;
}

/* ---- records ---- */

static void encode_items(const struct dhcp6_item *items, size_t count, struct buf *out)
{
	wire_put_u32(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		wire_put_bytes(out, items[i].ip6.b, sizeof(items[i].ip6.b));
		wire_put_u8(out, items[i].len);
		wire_put_u32(out, items[i].preferred_s);
		wire_put_u32(out, items[i].valid_s);
	}
}

void dhcp6_lease_encode(const struct dhcp6_lease *lease, struct buf *out)
{
	wire_put_u8(out, lease->server.len);
	wire_put_bytes(out, lease->server.b, lease->server.len);
	encode_items(lease->addrs, lease->addr_count, out);
	encode_items(lease->prefixes, lease->prefix_count, out);
	wire_put_u32(out, lease->t1_s);
	wire_put_u32(out, lease->t2_s);
	wire_put_u32(out, (uint32_t)lease->dns_count);
	for (size_t i = 0; i < lease->dns_count; i++)
		wire_put_bytes(out, lease->dns[i].b, sizeof(lease->dns[i].b));
	wire_put_u32(out, (uint32_t)lease->domain_count);
	for (size_t i = 0; i < lease->domain_count; i++)
		wire_put_text(out, lease->domains[i]);
	wire_put_u32(out, (uint32_t)lease->ntp_count);
	for (size_t i = 0; i < lease->ntp_count; i++)
		wire_put_bytes(out, lease->ntp[i].b, sizeof(lease->ntp[i].b));
}

static size_t decode_items(struct wire *in, struct dhcp6_item *items, uint32_t max, bool prefix)
{
	uint32_t count = wire_count(in, max);

	for (uint32_t i = 0; i < count; i++) {
		struct ip6 network;

		wire_bytes(in, items[i].ip6.b, sizeof(items[i].ip6.b));
		items[i].len = wire_u8(in);
		items[i].preferred_s = wire_u32(in);
		items[i].valid_s = wire_u32(in);
		if (items[i].len > 128) {
			in->error = -EBADMSG;
			return 0;
		}
		network = ip6_network(&items[i].ip6, items[i].len);
		if (!times_fit(&items[i]) || !ip6_is_host(&items[i].ip6) ||
		    ip6_is_link_local(&items[i].ip6) || !ip6_equal(&network, &items[i].ip6) ||
		    (prefix ? items[i].len < 16 || items[i].len > 64 : items[i].len != 128))
			in->error = -EBADMSG;
	}
	return count;
}

static size_t decode_hosts(struct wire *in, struct ip6 *list, uint32_t max)
{
	uint32_t count = wire_count(in, max);

	for (uint32_t i = 0; i < count; i++) {
		wire_bytes(in, list[i].b, sizeof(list[i].b));
		if (!ip6_is_host(&list[i]))
			in->error = -EBADMSG;
	}
	return count;
}

void dhcp6_lease_decode(struct wire *in, struct dhcp6_lease *ret_lease)
{
	struct dhcp6_lease lease = { .server = { .len = wire_u8(in) } };

	if (lease.server.len > DHCP6_DUID_MAX)
		in->error = -EBADMSG;
	else
		wire_bytes(in, lease.server.b, lease.server.len);
	lease.addr_count = decode_items(in, lease.addrs, DHCP6_ADDRS_MAX, false);
	lease.prefix_count = decode_items(in, lease.prefixes, DHCP6_PREFIXES_MAX, true);
	lease.t1_s = wire_u32(in);
	lease.t2_s = wire_u32(in);
	lease.dns_count = decode_hosts(in, lease.dns, DHCP6_DNS_MAX);
	lease.domain_count = wire_count(in, DHCP6_DOMAINS_MAX);
	for (size_t i = 0; i < lease.domain_count; i++) {
		wire_text(in, lease.domains[i], DOMAIN_MAX);
		if (!domain_ok(str_from(lease.domains[i])))
			in->error = -EBADMSG;
	}
	lease.ntp_count = decode_hosts(in, lease.ntp, DHCP6_NTP_MAX);
	if (lease.t1_s > lease.t2_s)
		in->error = -EBADMSG;
	*ret_lease = in->error ? (struct dhcp6_lease){ .addr_count = 0 } : lease;
}
