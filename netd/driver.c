/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the words for what carries a container network and what the
 * machine is to it and how fast it may go. Pure, used by netd
 * main and by whoever reads network.ini. It must never take a word that it does not know for a
 * default.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include "lib/own.h"
#include "netd/driver.h"

enum { RATE_MIN = 8000, RATE_TEXT_MAX = 15 };
#define RATE_MAX UINT64_C(100000000000)

static const char *const drivers[] = { "bridge", "macvlan", "ipvlan" };

static const char *const gates[] = { "nat", "nat-unprotected", "routed", "isolated" };

static const struct mode {
	enum network_driver driver;
	uint8_t number;
	const char *text;
} modes[] = {
	{ NETWORK_MACVLAN, MACVLAN_MODE_BRIDGE, "bridge" },
	{ NETWORK_MACVLAN, MACVLAN_MODE_PRIVATE, "private" },
	{ NETWORK_MACVLAN, MACVLAN_MODE_VEPA, "vepa" },
	{ NETWORK_IPVLAN, IPVLAN_MODE_L2, "l2" },
	{ NETWORK_IPVLAN, IPVLAN_MODE_L3, "l3" },
	{ NETWORK_IPVLAN, IPVLAN_MODE_L3S, "l3s" },
};

const char *network_driver_text(enum network_driver driver)
{
	return drivers[driver];
}

int network_driver_parse(struct str text, enum network_driver *ret_driver, struct err *err)
{
	size_t i = 0;

	while (text.len && i < ARRAY_LEN(drivers) && !str_is(text, drivers[i]))
		i++;
	if (i == ARRAY_LEN(drivers))
		return err_set(err, -EINVAL, "driver: expected bridge, macvlan or ipvlan");
	*ret_driver = (enum network_driver)i;
	return 0;
}

int network_mode_parse(enum network_driver driver, struct str text, uint8_t *ret_mode,
		       struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (modes[i].driver != driver || (text.len && !str_is(text, modes[i].text)))
			continue;
		*ret_mode = modes[i].number;
		return 0;
	}
	if (driver == NETWORK_BRIDGE && !text.len) {
		*ret_mode = 0;
		return 0;
	}
	return err_set(err, -EINVAL, "mode: expected %s",
		       driver == NETWORK_MACVLAN  ? "bridge, private or vepa"
		       : driver == NETWORK_IPVLAN ? "l2, l3 or l3s"
						  : "none with driver bridge");
}

const char *network_mode_text(enum network_driver driver, uint8_t mode)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (modes[i].driver == driver && modes[i].number == mode)
			return modes[i].text;
	return "";
}

bool network_mode_routed(enum network_driver driver, uint8_t mode)
{
	return driver == NETWORK_IPVLAN && mode != IPVLAN_MODE_L2;
}

bool network_is_reserved(const struct network_traits *traits, const struct ip_any *address)
{
	for (uint8_t i = 0; i < traits->reserved_count; i++)
		if (ip_any_equal(&traits->reserved[i], address))
			return true;
	return false;
}

static bool same_reserved(const struct network_traits *a, const struct network_traits *b)
{
	for (uint8_t i = 0; i < a->reserved_count; i++)
		if (!network_is_reserved(b, &a->reserved[i]))
			return false;
	return a->reserved_count == b->reserved_count;
}

bool network_traits_same(const struct network_traits *a, const struct network_traits *b)
{
	return !strcmp(a->bridge, b->bridge) && !strcmp(a->ifname_prefix, b->ifname_prefix) &&
	       a->gate4 == b->gate4 && a->gate6 == b->gate6 &&
	       a->no_masquerade == b->no_masquerade && a->inhibit4 == b->inhibit4 &&
	       ip6_equal(&a->gateway6, &b->gateway6) && same_reserved(a, b);
}

int network_reserve(struct network_traits *traits, struct str text, struct err *err)
{
	struct ip_any address;

	if (ip_any_parse(text, &address) < 0 || address.scope)
		return err_set(err, -EINVAL, "reserved '%.*s': expected an address", STR_ARG(text));
	if (network_is_reserved(traits, &address))
		return 0;
	if (traits->reserved_count == NETWORK_RESERVED_MAX)
		return err_set(err, -EINVAL, "reserved: at most %d addresses",
			       NETWORK_RESERVED_MAX);
	traits->reserved[traits->reserved_count++] = address;
	return 0;
}

const char *network_gate_text(enum network_gate gate)
{
	return gates[gate];
}

int network_gate_parse(struct str text, enum network_gate *ret_gate, struct err *err)
{
	size_t i = 0;

	while (text.len && i < ARRAY_LEN(gates) && !str_is(text, gates[i]))
		i++;
	if (i == ARRAY_LEN(gates))
		return err_set(err, -EINVAL,
			       "gateway mode: expected nat, nat-unprotected, routed or isolated");
	*ret_gate = (enum network_gate)i;
	return 0;
}

int network_rate_parse(struct str text, uint64_t *ret_rate, struct err *err)
{
	static const char units[] = "kMG";
	struct str number = text;
	uint64_t value, unit = 1;
	const char *found;

	*ret_rate = 0;
	if (!text.len)
		return 0;
	found = memchr(units, text.ptr[text.len - 1], sizeof(units) - 1);
	for (ptrdiff_t i = 0; found && i <= found - units; i++)
		unit *= 1000;
	if (found)
		number.len--;
	if (text.len > RATE_TEXT_MAX || str_to_u64(number, 1, RATE_MAX, &value) < 0 ||
	    value > RATE_MAX / unit || value * unit < RATE_MIN)
		return err_set(err, -EINVAL,
			       "rate: expected bits per second from 8k to 100G, such as 10M");
	*ret_rate = value * unit;
	return 0;
}
