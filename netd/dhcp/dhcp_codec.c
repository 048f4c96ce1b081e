/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading and writing of DHCPv4 packets. Pure; run by the dhcp role and fuzzed. It must never
 * trust a length byte, and no string of a server leaves it unless it is a domain name.
 */
#include <errno.h>
#include <string.h>
#include "netd/ip4.h"
#include "netd/dhcp/dhcp_codec.h"

enum {
	IP_HEADER = 20,
	UDP_HEADER = 8,
	BOOTP_FIXED = 236,
	COOKIE = 4,
	BOOTP_SNAME = 44,
	BOOTP_FILE = 108,
	MESSAGE_MIN = 300, /* some relays drop shorter ones (RFC 1542 2.1) */
	JOINED_MAX = 512,

	OPTION_PAD = 0,
	OPTION_MASK = 1,
	OPTION_ROUTER = 3,
	OPTION_DNS = 6,
	OPTION_HOSTNAME = 12,
	OPTION_DOMAIN = 15,
	OPTION_MTU = 26,
	OPTION_STATIC_ROUTES = 33,
	OPTION_NTP = 42,
	OPTION_REQUESTED = 50,
	OPTION_LEASE = 51,
	OPTION_OVERLOAD = 52,
	OPTION_TYPE = 53,
	OPTION_SERVER = 54,
	OPTION_PARAMETERS = 55,
	OPTION_MAX_SIZE = 57,
	OPTION_T1 = 58,
	OPTION_T2 = 59,
	OPTION_CLIENT_ID = 61,
	OPTION_V6ONLY = 108,
	OPTION_ROUTES = 121,
	OPTION_ROUTES_MS = 249, /* the same before it had a number */
	OPTION_END = 255,

	MTU_FLOOR = 576,
	V6ONLY_MIN_S = 300, /* RFC 8925 3.4: MIN_V6ONLY_WAIT */
	LEASE_MIN_S = 10,   /* a shorter one would have us do nothing but renew */
};

static const uint8_t cookie[COOKIE] = { 99, 130, 83, 99 };

static uint32_t get32(const char *p)
{
	const uint8_t *b = (const uint8_t *)p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint16_t get16(const char *p)
{
	const uint8_t *b = (const uint8_t *)p;

	return (uint16_t)(b[0] << 8 | b[1]);
}

/* ---- options: up to three areas, an option may come in pieces in any of them ---- */

struct options {
	struct str areas[3];
	size_t count;
};

struct joined {
	uint8_t data[JOINED_MAX];
	size_t len;
	bool found;
};

/* Appends each piece of option `code` in one area; -EBADMSG when the area is malformed. */
static int join_area(struct str area, uint8_t code, struct joined *joined)
{
	while (area.len) {
		uint8_t c = (uint8_t)area.ptr[0];
		size_t len;

		area = str_skip(area, 1);
		if (c == OPTION_PAD)
			continue;
		if (c == OPTION_END)
			return 0;
		if (!area.len)
			return -EBADMSG;
		len = (uint8_t)area.ptr[0];
		area = str_skip(area, 1);
		if (len > area.len)
			return -EBADMSG;
		if (c == code) {
			if (len > sizeof(joined->data) - joined->len)
				return -EBADMSG;
			memcpy(joined->data + joined->len, area.ptr, len);
			joined->len += len;
			joined->found = true;
		}
		area = str_skip(area, len);
	}
	return 0;
}

static int join(const struct options *options, uint8_t code, struct joined *joined)
{
	joined->len = 0;
	joined->found = false;
	for (size_t i = 0; i < options->count; i++)
		if (join_area(options->areas[i], code, joined) < 0)
			return -EBADMSG;
	return 0;
}

/* 0 also when the option is missing (value untouched); it must be exactly four bytes. */
static int option32(const struct options *options, uint8_t code, uint32_t *value)
{
	struct joined joined;

	if (join(options, code, &joined) < 0 || (joined.found && joined.len != 4))
		return -EBADMSG;
	if (joined.found)
		*value = get32((const char *)joined.data);
	return 0;
}

static int option_addresses(const struct options *options, uint8_t code, uint32_t *list,
			    uint8_t max, uint8_t *ret_count)
{
	struct joined joined;
	uint8_t n = 0;

	if (join(options, code, &joined) < 0 || joined.len % 4)
		return -EBADMSG;
	for (size_t i = 0; i < joined.len && n < max; i += 4) {
		uint32_t ip4 = get32((const char *)joined.data + i);

		if (ip4_is_host(ip4))
			list[n++] = ip4;
	}
	*ret_count = n;
	return 0;
}

static void add_route(struct dhcp_lease *lease, uint32_t dst, uint8_t prefix, uint32_t gateway)
{
	/* Nothing towards loopback, multicast or nowhere; a default route may lead everywhere. */
	if (lease->route_count == DHCP_ROUTES_MAX || (prefix && !ip4_is_host(dst)) ||
	    (gateway && !ip4_is_host(gateway)))
		return;
	lease->routes[lease->route_count++] = (struct dhcp_route){ .dst = dst & ip4_mask(prefix),
								   .prefix = prefix,
								   .gateway = gateway };
}

/* RFC 3442: prefix length, as many bytes of the destination as it needs, gateway. */
static int read_classless(const struct joined *joined, struct dhcp_lease *lease)
{
	const uint8_t *p = joined->data, *end = p + joined->len;

	while (p < end) {
		uint8_t prefix = *p++, bytes = (uint8_t)((prefix + 7) / 8);
		uint32_t dst = 0;

		if (prefix > 32 || end - p < bytes + 4)
			return -EBADMSG;
		for (uint8_t i = 0; i < bytes; i++)
			dst |= (uint32_t)*p++ << (24 - 8 * i);
		add_route(lease, dst, prefix, get32((const char *)p));
		p += 4;
	}
	return 0;
}

/* Pairs of destination and router; the destination is one machine or a class of old times. */
static int read_classful(const struct joined *joined, struct dhcp_lease *lease)
{
	if (joined->len % 8)
		return -EBADMSG;
	for (size_t i = 0; i < joined->len; i += 8) {
		uint32_t dst = get32((const char *)joined->data + i);
		uint8_t class = dst >> 31 == 0 ? 8 : dst >> 30 == 2 ? 16 : 24;

		if (dst) /* RFC 2132 5.8: the default route is not for here */
			add_route(lease, dst, dst & ~ip4_mask(class) ? 32 : class,
				  get32((const char *)joined->data + i + 4));
	}
	return 0;
}

static int read_routes(const struct options *options, struct dhcp_lease *lease)
{
	static const uint8_t codes[] = { OPTION_ROUTES, OPTION_ROUTES_MS };
	struct joined joined;

	for (size_t i = 0; i < sizeof(codes); i++) {
		if (join(options, codes[i], &joined) < 0)
			return -EBADMSG;
		if (!joined.found)
			continue;
		lease->classless = true;
		return read_classless(&joined, lease);
	}
	if (join(options, OPTION_STATIC_ROUTES, &joined) < 0)
		return -EBADMSG;
	return read_classful(&joined, lease);
}

static int option_mask(const struct options *options, uint32_t ip4, uint8_t *ret_prefix)
{
	uint32_t mask = 0;

	if (option32(options, OPTION_MASK, &mask) < 0)
		return -EBADMSG;
	if (!mask) /* the class of the address, as in old times */
		mask = ip4 >> 31 == 0 ? 0xff000000 : ip4 >> 30 == 2 ? 0xffff0000 : 0xffffff00;
	if (~mask & (~mask + 1))
		return -EBADMSG;
	*ret_prefix = 0;
	while (*ret_prefix < 32 && mask << *ret_prefix)
		(*ret_prefix)++;
	return 0;
}

/* One label, as a machine is called; of a longer name the first. */
static void read_hostname(const struct joined *joined, char dst[DHCP_HOSTNAME_MAX])
{
	struct str name = str_make(joined->data, joined->len), label;

	dst[0] = 0;
	while (name.len && name.ptr[name.len - 1] == 0)
		name.len--;
	if (domain_ok(name) && str_find(name, '_') < 0 && str_cut(&name, '.', &label) &&
	    label.ptr[label.len - 1] != '-')
		(void)str_copy(label, dst, DHCP_HOSTNAME_MAX);
}

static int read_strings(const struct options *options, struct dhcp_lease *lease)
{
	struct joined joined;
	struct str domain;

	if (join(options, OPTION_DOMAIN, &joined) < 0)
		return -EBADMSG;
	while (joined.len && joined.data[joined.len - 1] == 0)
		joined.len--;
	domain = str_make(joined.data, joined.len);
	if (!domain_ok(domain) || str_copy(domain, lease->domain, sizeof(lease->domain)) < 0)
		lease->domain[0] = 0;
	if (join(options, OPTION_HOSTNAME, &joined) < 0)
		return -EBADMSG;
	read_hostname(&joined, lease->hostname);
	if (join(options, OPTION_MTU, &joined) < 0 || (joined.found && joined.len != 2))
		return -EBADMSG;
	if (joined.found) {
		lease->mtu = get16((const char *)joined.data);
		if (lease->mtu < MTU_FLOOR)
			lease->mtu = 0;
	}
	return 0;
}

static int read_times(const struct options *options, struct dhcp_lease *lease)
{
	if (option32(options, OPTION_LEASE, &lease->lease_s) < 0 ||
	    option32(options, OPTION_T1, &lease->t1_s) < 0 ||
	    option32(options, OPTION_T2, &lease->t2_s) < 0)
		return -EBADMSG;
	if (lease->lease_s < LEASE_MIN_S)
		lease->lease_s = LEASE_MIN_S;
	if (!lease->t2_s || lease->t2_s >= lease->lease_s)
		lease->t2_s = (uint32_t)((uint64_t)lease->lease_s * 7 / 8);
	if (!lease->t1_s || lease->t1_s >= lease->t2_s)
		lease->t1_s =
			lease->lease_s / 2 < lease->t2_s ? lease->lease_s / 2 : lease->t2_s / 2;
	return 0;
}

static int read_lease(const struct options *options, struct dhcp_reply *reply)
{
	struct dhcp_lease *lease = &reply->lease;

	if (!ip4_is_host(lease->ip4) || !reply->has_server)
		return -EBADMSG;
	if (option_mask(options, lease->ip4, &lease->prefix) < 0 || !lease->prefix ||
	    option_addresses(options, OPTION_ROUTER, lease->routers, DHCP_ROUTERS_MAX,
			     &lease->router_count) < 0 ||
	    option_addresses(options, OPTION_DNS, lease->dns, DHCP_DNS_MAX, &lease->dns_count) <
		    0 ||
	    option_addresses(options, OPTION_NTP, lease->ntp, DHCP_NTP_MAX, &lease->ntp_count) <
		    0 ||
	    read_routes(options, lease) < 0 || read_strings(options, lease) < 0)
		return -EBADMSG;
	return read_times(options, lease);
}

static int read_id(const struct options *options, struct dhcp_id *id)
{
	struct joined joined;

	if (join(options, OPTION_CLIENT_ID, &joined) < 0 || joined.len > sizeof(id->b))
		return -EBADMSG;
	id->len = (uint8_t)joined.len;
	memcpy(id->b, joined.data, joined.len);
	return 0;
}

/* An option of another length than four bytes is none (RFC 8925 3.1). */
static int read_v6only(const struct options *options, struct dhcp_reply *reply)
{
	struct joined joined;

	if (join(options, OPTION_V6ONLY, &joined) < 0)
		return -EBADMSG;
	reply->v6only = joined.found && joined.len == 4;
	reply->v6only_s = reply->v6only ? get32((const char *)joined.data) : 0;
	if (reply->v6only && reply->v6only_s < V6ONLY_MIN_S)
		reply->v6only_s = V6ONLY_MIN_S;
	return 0;
}

static int find_areas(struct str message, struct options *options)
{
	struct joined overload;

	options->areas[0] = str_skip(message, BOOTP_FIXED + COOKIE);
	options->count = 1;
	if (join(options, OPTION_OVERLOAD, &overload) < 0 ||
	    (overload.found && (overload.len != 1 || overload.data[0] > 3)))
		return -EBADMSG;
	if (overload.found && (overload.data[0] & 1))
		options->areas[options->count++] = str_make(message.ptr + BOOTP_FILE, 128);
	if (overload.found && (overload.data[0] & 2))
		options->areas[options->count++] = str_make(message.ptr + BOOTP_SNAME, 64);
	return 0;
}

/* IP and UDP headers; the UDP checksum is not looked at: offloading leaves it unfinished between
 * machines on one host, and xid, chaddr and server id are matched anyway. */
static int find_message(struct str packet, struct str *ret_message)
{
	size_t header, total, udp;

	if (packet.len < IP_HEADER || (packet.ptr[0] & 0xf0) != 0x40)
		return -ENOMSG;
	header = (size_t)(packet.ptr[0] & 15) * 4;
	total = get16(packet.ptr + 2);
	if (header < IP_HEADER || total > packet.len || total < header + UDP_HEADER)
		return -EBADMSG;
	if (packet.ptr[9] != 17 || (get16(packet.ptr + 6) & 0x3fff))
		return -ENOMSG;
	packet = str_make(packet.ptr + header, total - header);
	if (get16(packet.ptr) != 67 || get16(packet.ptr + 2) != 68)
		return -ENOMSG;
	udp = get16(packet.ptr + 4);
	if (udp < UDP_HEADER || udp > packet.len)
		return -EBADMSG;
	*ret_message = str_make(packet.ptr + UDP_HEADER, udp - UDP_HEADER);
	return 0;
}

int dhcp_reply_read(struct str packet, struct dhcp_reply *ret_reply)
{
	struct dhcp_reply reply = { 0 };
	struct options options = { 0 };
	struct joined type;
	struct str message;
	int r = find_message(packet, &message);

	if (r < 0)
		return r;
	if (message.len < BOOTP_FIXED + COOKIE ||
	    memcmp(message.ptr + BOOTP_FIXED, cookie, COOKIE) != 0)
		return -EBADMSG;
	if (message.ptr[0] != 2 || message.ptr[1] != 1 || message.ptr[2] != 6)
		return -ENOMSG;
	reply.xid = get32(message.ptr + 4);
	reply.lease.ip4 = get32(message.ptr + 16);
	memcpy(reply.chaddr, message.ptr + 28, sizeof(reply.chaddr));
	if (find_areas(message, &options) < 0 || join(&options, OPTION_TYPE, &type) < 0 ||
	    type.len != 1)
		return -EBADMSG;
	reply.type = (enum dhcp_type)type.data[0];
	if (option32(&options, OPTION_SERVER, &reply.lease.server) < 0 ||
	    read_id(&options, &reply.id) < 0)
		return -EBADMSG;
	reply.has_server = reply.lease.server != 0;
	if (reply.type == DHCP_TYPE_OFFER || reply.type == DHCP_TYPE_ACK)
		r = read_v6only(&options, &reply) < 0 ? -EBADMSG : read_lease(&options, &reply);
	else if (reply.type != DHCP_TYPE_NAK)
		r = -ENOMSG;
	if (r == 0)
		*ret_reply = reply;
	return r;
}

/* ---- writing ---- */

static void put16(struct buf *out, uint32_t v)
{
	buf_add_byte(out, (unsigned char)(v >> 8));
	buf_add_byte(out, (unsigned char)v);
}

static void put32(struct buf *out, uint32_t v)
{
	put16(out, v >> 16);
	put16(out, v & 0xffff);
}

static void put_zero(struct buf *out, size_t n)
{
	while (n--)
		buf_add_byte(out, 0);
}

static void put_option(struct buf *out, uint8_t code, const void *data, size_t len)
{
	buf_add_byte(out, code);
	buf_add_byte(out, (unsigned char)len);
	buf_add(out, data, len);
}

static void put_option32(struct buf *out, uint8_t code, uint32_t v)
{
	buf_add_byte(out, code);
	buf_add_byte(out, 4);
	put32(out, v);
}

static uint32_t sum16(const char *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get16(data + i);
	if (len % 2)
		sum += (uint32_t)(uint8_t)data[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void patch16(struct buf *out, size_t at, uint32_t v)
{
	out->data[at] = (char)(v >> 8);
	out->data[at + 1] = (char)v;
}

static void put_headers(const struct dhcp_request *request, struct buf *out)
{
	uint32_t dst = request->dst ? request->dst : UINT32_MAX;

	put16(out, 0x45c0); /* version, length, DSCP 48: network control */
	put16(out, 0);	    /* total length, patched */
	put32(out, 0);	    /* id, no fragments */
	put16(out, 0x4011); /* TTL 64, UDP */
	put16(out, 0);	    /* checksum, patched */
	put32(out, request->src);
	put32(out, dst);
	put16(out, 68);
	put16(out, 67);
	put32(out, 0); /* length and checksum, patched */
}

static void patch_headers(struct buf *out, size_t start)
{
	size_t total = out->len - start, udp = total - IP_HEADER;
	uint32_t sum;

	if (buf_error(out) < 0)
		return;
	patch16(out, start + 2, (uint32_t)total);
	patch16(out, start + 10, ~sum16(out->data + start, IP_HEADER, 0) & 0xffff);
	patch16(out, start + IP_HEADER + 4, (uint32_t)udp);
	/* Pseudo header: both addresses, protocol, UDP length. */
	sum = sum16(out->data + start + 12, 8, 17 + (uint32_t)udp);
	sum = ~sum16(out->data + start + IP_HEADER, udp, sum) & 0xffff;
	patch16(out, start + IP_HEADER + 6, sum ? sum : 0xffff);
}

static void put_options(const struct dhcp_request *request, struct buf *out)
{
	/* RFC 3442: 121 comes before 3 and 33 in the list. */
	static const uint8_t wanted[] = {
		OPTION_MASK, OPTION_ROUTES,   OPTION_ROUTES_MS, OPTION_STATIC_ROUTES,
		OPTION_NTP,  OPTION_ROUTER,   OPTION_DNS,	OPTION_DOMAIN,
		OPTION_MTU,  OPTION_HOSTNAME, OPTION_LEASE,	OPTION_T1,
		OPTION_T2,   OPTION_SERVER
	};
	static const uint8_t max_size[2] = { DHCP_PACKET_MAX >> 8, DHCP_PACKET_MAX & 255 };
	const uint8_t type = (uint8_t)request->type;
	uint8_t list[sizeof(wanted) + 1 + sizeof(request->more.b)];
	size_t count = sizeof(wanted);

	put_option(out, OPTION_TYPE, &type, 1);
	if (request->id.len)
		put_option(out, OPTION_CLIENT_ID, request->id.b, request->id.len);
	if (request->requested)
		put_option32(out, OPTION_REQUESTED, request->requested);
	if (request->server)
		put_option32(out, OPTION_SERVER, request->server);
	if (request->type == DHCP_TYPE_DISCOVER || request->type == DHCP_TYPE_REQUEST) {
		put_option(out, OPTION_MAX_SIZE, max_size, sizeof(max_size));
		memcpy(list, wanted, sizeof(wanted));
		if (request->v6only)
			list[count++] = OPTION_V6ONLY;
		memcpy(list + count, request->more.b, request->more.len);
		put_option(out, OPTION_PARAMETERS, list, count + request->more.len);
		if (request->hostname && request->hostname[0] && strlen(request->hostname) < 64)
			put_option(out, OPTION_HOSTNAME, request->hostname,
				   strlen(request->hostname));
	}
	buf_add_byte(out, OPTION_END);
}

struct dhcp_id dhcp_id_of(const uint8_t mac[6])
{
	struct dhcp_id id = { .len = 7, .b = { 1 } }; /* hardware type Ethernet */

	memcpy(id.b + 1, mac, 6);
	return id;
}

void dhcp_request_write(const struct dhcp_request *request, struct buf *out)
{
	size_t start = out->len, message;

	put_headers(request, out);
	message = out->len;
	put32(out, 0x01010600); /* BOOTREQUEST, Ethernet, 6 bytes, no hops */
	put32(out, request->xid);
	put16(out, request->secs);
	put16(out, 0); /* we hear unicast before we have the address: no broadcast flag */
	put32(out, request->ciaddr);
	put_zero(out, 12);
	buf_add(out, request->mac, 6);
	put_zero(out, 10 + 64 + 128);
	buf_add(out, cookie, sizeof(cookie));
	put_options(request, out);
	if (out->len - message < MESSAGE_MIN)
		put_zero(out, MESSAGE_MIN - (out->len - message));
	patch_headers(out, start);
}

const char *dhcp_type_name(enum dhcp_type type)
{
	static const char *const names[] = { "?",	"DISCOVER", "OFFER", "REQUEST",
					     "DECLINE", "ACK",	    "NAK",   "RELEASE" };

	return (unsigned)type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

int arp_read(struct str packet, struct arp *ret_arp)
{
	static const uint8_t head[6] = { 0, 1, 8, 0, 6, 4 };

	if (packet.len < ARP_LEN || memcmp(packet.ptr, head, sizeof(head)) != 0 ||
	    packet.ptr[6] != 0 || (packet.ptr[7] != 1 && packet.ptr[7] != 2))
		return -EBADMSG;
	ret_arp->reply = packet.ptr[7] == 2;
	memcpy(ret_arp->sender_mac, packet.ptr + 8, 6);
	ret_arp->sender = get32(packet.ptr + 14);
	ret_arp->target = get32(packet.ptr + 24);
	return 0;
}

void arp_write(const uint8_t mac[6], uint32_t sender, uint32_t target, uint8_t out[ARP_LEN])
{
	static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	memset(out, 0, ARP_LEN);
	memcpy(out, head, sizeof(head));
	memcpy(out + 8, mac, 6);
	for (int i = 0; i < 4; i++) {
		out[14 + i] = (uint8_t)(sender >> (24 - 8 * i));
		out[24 + i] = (uint8_t)(target >> (24 - 8 * i));
	}
}
