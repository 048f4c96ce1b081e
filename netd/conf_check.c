/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what values of network.ini have to look like, beyond type and bounds. Pure, run by netd
 * main. It must never take what the kernel or a peer would refuse, and each refusal says what is
 * expected.
 */
#include <errno.h>
#include <string.h>
#include "netd/conf_read.h"

int conf_check_glob(struct str value, struct err *err)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == '/')
			return err_set(err, -EINVAL,
				       "expected interface names such as eth0 or en*");
	return 0;
}

int conf_check_mac(struct str value, struct err *err)
{
	uint8_t mac[6];

	if (mac_parse(value, mac) < 0)
		return err_set(err, -EINVAL, "expected a MAC address: 52:54:00:12:34:56");
	return 0;
}

int conf_check_own_mac(struct str value, struct err *err)
{
	uint8_t mac[6];

	if (mac_parse(value, mac) < 0 || (mac[0] & 1) || !memcmp(mac, "\0\0\0\0\0", 6))
		return err_set(err, -EINVAL,
			       "expected a MAC address of one machine: 52:54:00:12:34:56");
	return 0;
}

int conf_check_destination(struct str value, struct err *err)
{
	struct conf_addr dst;
	struct ip6 dst6, network6;

	if (str_is(value, "default"))
		return 0;
	if (str_find(value, ':') >= 0 && ip6_parse_prefix(value, 128, &dst6, &dst.prefix) == 0) {
		network6 = ip6_network(&dst6, dst.prefix);
		if (ip6_equal(&network6, &dst6))
			return 0;
	}
	if (ip4_parse_prefix(value, 32, &dst.ip4, &dst.prefix) < 0 ||
	    (dst.ip4 & ~ip4_mask(dst.prefix)))
		return err_set(err, -EINVAL,
			       "expected a destination such as 10.0.0.0/8 (or default)");
	return 0;
}

int conf_check_hostname(struct str value, struct err *err)
{
	if (!domain_ok(value))
		return err_set(err, -EINVAL, "expected a host name of letters, digits and '-'");
	return 0;
}

int conf_check_prefix(struct str value, struct err *err)
{
	struct ip6 ip6;
	uint32_t ip4;
	uint8_t prefix;

	if (ip6_parse_prefix(value, -1, &ip6, &prefix) == 0 && prefix && ip6_is_host(&ip6))
		return 0;
	if (ip4_parse_prefix(value, -1, &ip4, &prefix) < 0 || !prefix || ip4 >> 24 == 127 ||
	    ip4 >> 28 >= 14 || !ip4)
		return err_set(err, -EINVAL,
			       "expected an address with its prefix: 192.0.2.7/24 or "
			       "2001:db8::7/64");
	return 0;
}

int conf_check_host(struct str value, struct err *err)
{
	struct ip_any any;

	if (ip_any_parse(value, &any) < 0 ||
	    (any.v6 ? !ip6_is_host(&any.ip6) : !any.ip4 || any.ip4 >> 28 >= 14))
		return err_set(err, -EINVAL, "expected an address: 192.0.2.1 or 2001:db8::1");
	return 0;
}

int conf_check_domain(struct str value, struct err *err)
{
	if (!domain_ok(value))
		return err_set(err, -EINVAL, "expected a domain name: example.org");
	return 0;
}

int conf_check_time_server(struct str value, struct err *err)
{
	struct ip6 ip6;

	if (ip6_parse(value, &ip6) == 0 && ip6_is_host(&ip6) && !ip6_is_link_local(&ip6))
		return 0;
	if (!domain_ok(value))
		return err_set(err, -EINVAL,
			       "expected a time server: 192.0.2.1, 2001:db8::1 or ntp.example.org");
	return 0;
}

int conf_token_parse(struct str value, struct ip6 *ret_token)
{
	static const struct ip6 none = { { 0 } };
	struct ip6 ip6;

	if (str_starts(value, str_from("static:")))
		value = str_skip(value, 7);
	if (ip6_parse(value, &ip6) < 0 || !ip6_in_prefix(&ip6, &none, 64) || ip6_low(&ip6) < 2)
		return -EINVAL;
	*ret_token = ip6;
	return 0;
}

int conf_check_token(struct str value, struct err *err)
{
	struct ip6 token;

	if (conf_token_parse(value, &token) < 0)
		return err_set(err, -EINVAL, "expected the end of an address as in static:::10");
	return 0;
}

int conf_options_parse(struct str value, struct conf_dhcp4 *dhcp4)
{
	struct str word;

	while (value.len && str_cut(&value, ' ', &word)) {
		uint64_t number;

		if (!word.len)
			continue;
		if (str_to_u64(word, 1, 254, &number) < 0 ||
		    dhcp4->request_count == CONF_REQUEST_MAX)
			return -EINVAL;
		dhcp4->request[dhcp4->request_count++] = (uint8_t)number;
	}
	return 0;
}

int conf_check_options(struct str value, struct err *err)
{
	struct conf_dhcp4 dhcp4 = { .request_count = 0 };

	if (conf_options_parse(value, &dhcp4) < 0)
		return err_set(err, -EINVAL, "expected up to %d numbers from 1 to 254: 43 66 67",
			       CONF_REQUEST_MAX);
	return 0;
}

static bool is_no(struct str value)
{
	return str_is_nocase(value, "no") || str_is_nocase(value, "false") || str_is(value, "0") ||
	       str_is_nocase(value, "off");
}

int conf_check_forwarding(struct str value, struct err *err)
{
	return is_no(value)
		       ? 0
		       : err_set(err, -EINVAL,
				 "forwarding is no matter of one interface here: say which "
				 "connections may pass in a [rule NAME] with on = routed, "
				 "interface and action = accept, or routed = accept in [firewall]");
}

int conf_check_masquerade(struct str value, struct err *err)
{
	return is_no(value)
		       ? 0
		       : err_set(err, -EINVAL,
				 "what is routed keeps its addresses: only containers' are "
				 "translated, always; give the machines behind this interface a "
				 "way back, or put their service into a container");
}

int conf_check_hint(struct str value, struct err *err)
{
	struct ip6 ip6;
	uint8_t prefix;

	if (ip6_parse_prefix(value, -1, &ip6, &prefix) < 0 || !ip6_is_zero(&ip6) || prefix < 16 ||
	    prefix > 64)
		return err_set(err, -EINVAL, "expected a prefix length as in ::/56");
	return 0;
}
