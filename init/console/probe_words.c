/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ping, traceroute and dig are asked for. Runs in the console program. Pure: names are looked
 * up, and packets sent, in another process.
 */
#include "init/console/probe_words.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/own.h"

enum {
	PING_COUNT = 4,
	PING_SIZE = 56,
	PING_INTERVAL_MS = 1000,
	PING_WAIT_MS = 2000,
	TRACE_TRIES = 3,
	TRACE_HOPS = 30,
	TRACE_WAIT_MS = 1000,
	DIG_WAIT_MS = 2000,
	SECOND_MS = 1000,
};

/* Seconds with a fraction, as ping takes them. */
static int read_ms(struct str text, uint32_t min, uint32_t max, uint32_t *ret_ms)
{
	struct str whole = text, part = { 0 };
	uint64_t seconds = 0, more = 0;
	ptrdiff_t dot = str_find(text, '.');

	if (dot >= 0) {
		whole = str_head(text, (size_t)dot);
		part = str_head(str_skip(text, (size_t)dot + 1), 3);
	}
	if ((whole.len && str_to_u64(whole, 0, PROBE_TOTAL_MS, &seconds) < 0) ||
	    (part.len && str_to_u64(part, 0, SECOND_MS - 1, &more) < 0) ||
	    (!whole.len && !part.len))
		return -EINVAL;
	for (size_t i = part.len; part.len && i < 3; i++)
		more *= 10;
	seconds = seconds * SECOND_MS + more;
	if (seconds < min || seconds > max)
		return -EINVAL;
	*ret_ms = (uint32_t)seconds;
	return 0;
}

static int read_number(struct str text, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t number;

	if (str_to_u64(text, min, max, &number) < 0)
		return -EINVAL;
	*ret = (uint32_t)number;
	return 0;
}

struct option {
	uint8_t kinds; /* bit set of 1 << enum probe_kind */
	const char *name, *takes;
};

static const struct option options[] = {
	{ 1 << PROBE_PING, "-c", "a number of packets from 1 to 1000" },
	{ 1 << PROBE_PING, "-i", "seconds between packets, from 0.2 to 60" },
	{ 1 << PROBE_PING, "-s", "bytes from 0 to 1400" },
	{ 1 << PROBE_PING | 1 << PROBE_TRACE, "-W", "seconds to wait for an answer, up to 10" },
	{ 1 << PROBE_TRACE, "-w", "seconds to wait for an answer, up to 10" },
	{ 1 << PROBE_TRACE, "-m", "hops from 1 to 64" },
	{ 1 << PROBE_TRACE, "-q", "tries for each hop, from 1 to 10" },
};

static int set(struct probe_ask *ask, const char *name, struct str value)
{
	switch (name[1]) {
	case 'c':
		return read_number(value, 1, PROBE_COUNT_MAX, &ask->count);
	case 'i':
		return read_ms(value, PROBE_INTERVAL_MIN_MS, PROBE_INTERVAL_MAX_MS,
			       &ask->interval_ms);
	case 's':
		return read_number(value, 0, PROBE_SIZE_MAX, &ask->size);
	case 'm':
		return read_number(value, 1, PROBE_HOPS_MAX, &ask->hops);
	case 'q':
		return read_number(value, 1, 10, &ask->count);
	default:
		return read_ms(value, 1, PROBE_WAIT_MAX_MS, &ask->wait_ms);
	}
}

/* 1 = it was one, with its value; 0 = it is none. */
static int take_option(const struct words *words, int *at, struct probe_ask *ask, struct err *err)
{
	const char *word = words->items[*at], *value;

	if (!strcmp(word, "-4") || !strcmp(word, "-6")) {
		ask->family = word[1] == '4' ? 4 : 6;
		return 1;
	}
	if (!strcmp(word, "-n"))
		return 1; /* names of addresses are never asked for */
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (!(options[i].kinds & 1 << ask->kind) || strcmp(word, options[i].name) != 0)
			continue;
		value = *at + 1 < words->count ? words->items[++*at] : NULL;
		if (!value || set(ask, word, str_from(value)) < 0)
			return err_set(err, -EINVAL, "%s takes %s", word, options[i].takes);
		return 1;
	}
	return 0;
}

/* "4.3.2.1.in-addr.arpa" or the nibbles of RFC 3596. */
static int reverse_name(struct str text, struct probe_words *ret)
{
	struct buf name OWN(buf_done) = { 0 };
	unsigned char bytes[16];
	char address[64];
	bool v6 = str_find(text, ':') >= 0;

	if (str_copy(text, address, sizeof(address)) < 0 ||
	    inet_pton(v6 ? AF_INET6 : AF_INET, address, bytes) != 1)
		return -EINVAL;
	buf_init(&name, PROBE_HOST_MAX);
	for (size_t i = v6 ? 16 : 4; i > 0; i--) {
		if (v6)
			(void)buf_printf(&name, "%x.%x.", bytes[i - 1] & 15U, bytes[i - 1] >> 4);
		else
			(void)buf_printf(&name, "%u.", bytes[i - 1]);
	}
	(void)buf_add_text(&name, v6 ? "ip6.arpa" : "in-addr.arpa");
	return str_copy(buf_str(&name), ret->reverse, sizeof(ret->reverse));
}

/* Name, type and server in any order. */
static int take_dig_word(const struct words *words, int *at, struct probe_words *ret,
			 struct err *err)
{
	const char *word = words->items[*at];
	struct probe_ask *ask = &ret->ask;
	uint16_t type;

	if (word[0] == '@') {
		ask->server = str_from(word + 1);
		return ask->server.len ? 1 : err_set(err, -EINVAL, "@ takes a name server");
	}
	if (!strcmp(word, "+tcp") || !strcmp(word, "+short")) {
		ask->tcp = ask->tcp || word[1] == 't';
		ret->brief = ret->brief || word[1] == 's';
		return 1;
	}
	if (!strcmp(word, "-x")) {
		if (*at + 1 >= words->count || reverse_name(str_from(words->items[++*at]), ret) < 0)
			return err_set(err, -EINVAL, "-x takes an address");
		(void)probe_type_read(STR("PTR"), &ask->type);
		return 1;
	}
	if ((ask->host.len || *ret->reverse) && probe_type_read(str_from(word), &type) == 0) {
		ask->type = type;
		return 1;
	}
	return 0;
}

static const char *usage_of(uint8_t kind)
{
	return kind == PROBE_PING    ? "ping [-4|-6] [-c N] [-i S] [-s BYTES] [-W S] HOST"
	       : kind == PROBE_TRACE ? "traceroute [-4|-6] [-m HOPS] [-q N] [-w S] HOST"
				     : "dig [@SERVER] [-x ADDRESS] NAME [TYPE] [+short] [+tcp]";
}

int probe_words_parse(const struct words *words, struct probe_words *ret, struct err *err)
{
	const char *verb = words->items[0];
	struct probe_ask *ask = &ret->ask;
	bool ping = !strcmp(verb, "ping"), dig = !strcmp(verb, "dig");
	int r;

	*ret = (struct probe_words){ .brief = false };
	*ask = (struct probe_ask){
		.kind = ping  ? PROBE_PING
			: dig ? PROBE_DIG
			      : PROBE_TRACE,
		.type = 1,
		.count = ping ? PING_COUNT : TRACE_TRIES,
		.interval_ms = PING_INTERVAL_MS,
		.wait_ms = ping	 ? PING_WAIT_MS
			   : dig ? DIG_WAIT_MS
				 : TRACE_WAIT_MS,
		.size = PING_SIZE,
		.hops = TRACE_HOPS,
	};
	for (int i = 1; i < words->count; i++) {
		r = dig ? take_dig_word(words, &i, ret, err) : 0;
		if (r == 0)
			r = take_option(words, &i, ask, err);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (words->items[i][0] == '-' || ask->host.len)
			return err_set(err, -EINVAL, "%s is not understood; usage: %s",
				       words->items[i], usage_of(ask->kind));
		ask->host = str_from(words->items[i]);
	}
	if (*ret->reverse)
		ask->host = str_from(ret->reverse);
	if (!ask->host.len || ask->host.len > PROBE_HOST_MAX || ask->server.len > PROBE_HOST_MAX)
		return err_set(err, -EINVAL, "usage: %s", usage_of(ask->kind));
	return 0;
}
