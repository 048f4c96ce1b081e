/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns how a server that questions are forwarded to is written: in network.ini, and from main to
 * the dns role. Pure. It must never give a server without what was asked for beside its address.
 */
#include "netd/dns_upstream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/wire.h"

/* Takes the address off the front of *text; what is left begins with ':' or is empty. */
static int take_address(struct str *text, struct ip_any *ret_address)
{
	struct str address = *text;
	ptrdiff_t end;

	if (text->len && text->ptr[0] == '[') {
		end = str_find(*text, ']');
		if (end < 0)
			return -EINVAL;
		address = str_make(text->ptr + 1, (size_t)end - 1);
		*text = str_skip(*text, (size_t)end + 1);
		return ip_any_parse(address, ret_address) < 0 || !ret_address->v6 ? -EINVAL : 0;
	}
	end = str_find(*text, ':');
	if (end >= 0 && str_find(str_skip(*text, (size_t)end + 1), ':') < 0)
		address = str_head(*text, (size_t)end); /* one colon: a port */
	*text = str_skip(*text, address.len);
	return ip_any_parse(address, ret_address);
}

int dns_upstream_parse(struct str text, struct dns_upstream *ret_upstream)
{
	struct dns_upstream upstream;
	ptrdiff_t hash = str_find(text, '#');
	struct str name = { 0 };
	uint64_t port = 0;

	memset(&upstream, 0, sizeof(upstream)); /* compared byte for byte */
	if (hash >= 0) {
		name = str_skip(text, (size_t)hash + 1);
		text = str_head(text, (size_t)hash);
		if (!domain_ok(name) || str_copy(name, upstream.name, sizeof(upstream.name)) < 0)
			return -EINVAL;
	}
	if (take_address(&text, &upstream.address) < 0)
		return -EINVAL;
	if (text.len && (text.ptr[0] != ':' || str_to_u64(str_skip(text, 1), 1, 65535, &port) < 0))
		return -EINVAL;
	if (upstream.address.v6
		    ? !ip6_is_host(&upstream.address.ip6) && !ip6_is_loopback(&upstream.address.ip6)
		    : !upstream.address.ip4 || upstream.address.ip4 >> 28 >= 14)
		return -EINVAL;
	upstream.port = (uint16_t)port;
	*ret_upstream = upstream;
	return 0;
}

uint16_t dns_upstream_port(const struct dns_upstream *upstream)
{
	if (upstream->port)
		return upstream->port;
	return upstream->tls ? DNS_TLS_PORT : DNS_PORT;
}

const char *dns_upstream_text(const struct dns_upstream *upstream, char dst[DNS_UPSTREAM_TEXT_MAX])
{
	char address[IP_ANY_TEXT_MAX], port[8] = "";
	bool bracket = upstream->port && upstream->address.v6;

	if (upstream->port)
		snprintf(port, sizeof(port), ":%u", upstream->port);
	snprintf(dst, DNS_UPSTREAM_TEXT_MAX, "%s%s%s%s%s%s", bracket ? "[" : "",
		 ip_any_text(&upstream->address, address), bracket ? "]" : "", port,
		 upstream->name[0] ? "#" : "", upstream->name);
	return dst;
}

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int dns_pin_parse(struct str text, uint8_t ret_pin[DNS_PIN_SIZE])
{
	static const char prefix[] = "sha256//";
	uint8_t pin[DNS_PIN_SIZE];
	uint32_t bits = 0;
	size_t n = 0;

	if (str_starts(text, STR(prefix)))
		text = str_skip(text, sizeof(prefix) - 1);
	if (text.len != 44 || text.ptr[43] != '=')
		return -EINVAL;
	for (size_t i = 0; i < 43; i++) {
		int digit = digit_of(text.ptr[i]);

		if (digit < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)digit;
		/* After 2, 3, 4 of each four digits a byte is whole. */
		if (i % 4 && n < sizeof(pin))
			pin[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	if (bits & 3) /* the last digit has four bits of the pin and two of nothing */
		return -EINVAL;
	memcpy(ret_pin, pin, sizeof(pin));
	return 0;
}

void dns_upstreams_encode(const struct dns_upstreams *upstreams, struct buf *out)
{
	wire_put_u32(out, (uint32_t)upstreams->count);
	for (size_t i = 0; i < upstreams->count; i++) {
		const struct dns_upstream *upstream = &upstreams->list[i];

		wire_put_u8(out, upstream->address.v6);
		wire_put_u32(out, upstream->address.ip4);
		wire_put_bytes(out, upstream->address.ip6.b, sizeof(upstream->address.ip6.b));
		wire_put_u32(out, upstream->address.scope);
		wire_put_u16(out, upstream->port);
		wire_put_u8(out, upstream->tls);
		wire_put_text(out, upstream->name);
	}
	wire_put_u32(out, (uint32_t)upstreams->pin_count);
	wire_put_bytes(out, upstreams->pins, upstreams->pin_count * DNS_PIN_SIZE);
}

int dns_upstreams_decode(struct str body, struct dns_upstreams *ret_upstreams)
{
	struct dns_upstreams *upstreams = ret_upstreams;
	struct wire in;

	memset(upstreams, 0, sizeof(*upstreams)); /* compared byte for byte */
	wire_init(&in, body.ptr, body.len);
	upstreams->count = wire_count(&in, DNS_UPSTREAMS_MAX);
	for (size_t i = 0; i < upstreams->count; i++) {
		struct dns_upstream *upstream = &upstreams->list[i];

		upstream->address.v6 = wire_bool(&in);
		upstream->address.ip4 = wire_u32(&in);
		wire_bytes(&in, upstream->address.ip6.b, sizeof(upstream->address.ip6.b));
		upstream->address.scope = wire_u32(&in);
		upstream->port = wire_u16(&in);
		upstream->tls = wire_bool(&in);
		wire_text(&in, upstream->name, sizeof(upstream->name));
	}
	upstreams->pin_count = wire_count(&in, DNS_PINS_MAX);
	wire_bytes(&in, upstreams->pins, upstreams->pin_count * DNS_PIN_SIZE);
	return wire_end(&in);
}
