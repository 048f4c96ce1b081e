/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EXPOSE: ports, ranges, protocols, and what stands in front of them where somebody took it for
 * `docker run -p`. Pure; runs in the api role. Must never take what BuildKit refuses.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/build/plan_lint.h"
#include "engine/build/staging.h"

/* "ADDRESS:HOST:CONTAINER/PROTOCOL", of which only the last but one has to be there. */
struct expose {
	struct str address, host, container, proto;
};

static bool cut_last(struct str *text, char at, struct str *ret_behind)
{
	for (size_t i = text->len; i-- > 0;) {
		if (text->ptr[i] != at)
			continue;
		*ret_behind = str_skip(*text, i + 1);
		*text = str_head(*text, i);
		return true;
	}
	return false;
}

static struct expose split(struct str word)
{
	struct expose e = { 0 };
	struct str rest = word;
	if (!cut_last(&rest, ':', &e.container)) {
		e.container = rest;
	} else if (!cut_last(&rest, ':', &e.host)) {
		e.host = rest;
	} else {
		e.address = rest;
	}
	ptrdiff_t slash = str_find(e.container, '/');
	if (slash >= 0) {
		e.proto = str_skip(e.container, (size_t)slash + 1);
		e.container = str_head(e.container, (size_t)slash);
	}
	return e;
}

static bool is_address(struct str text)
{
	char plain[INET6_ADDRSTRLEN];
	struct in6_addr address;
	if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
		text = str_make(text.ptr + 1, text.len - 2);
	return str_copy(text, plain, sizeof(plain)) == 0 &&
	       (inet_pton(AF_INET, plain, &address) == 1 ||
		inet_pton(AF_INET6, plain, &address) == 1);
}

static int range(struct str text, const char *what, uint64_t *ret_first, uint64_t *ret_last,
		 struct err *err)
{
	struct str low = text, high = text;
	char shown[40];
	ptrdiff_t dash = str_find(text, '-');
	if (dash >= 0) {
		low = str_head(text, (size_t)dash);
		high = str_skip(text, (size_t)dash + 1);
	}
	if (str_to_u64(low, 0, 65535, ret_first) == 0 &&
	    str_to_u64(high, *ret_first, 65535, ret_last) == 0)
		return 0;
	(void)str_escape(text, shown, sizeof(shown));
	return err_set(err, -EINVAL, "invalid %s: %s", what, shown);
}

/* The protocol in small letters; NULL = it is none. */
static const char *protocol(struct str text)
{
	static const char *const known[] = { "tcp", "udp", "sctp" };
	if (text.len == 0)
		return known[0];
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (str_is_nocase(text, known[i]))
			return known[i];
	return NULL;
}

static int check(struct staging *s, const struct dockerfile_step *step, const char *word,
		 const struct expose *e, struct err *err)
{
	bool mapped = e->address.len > 0 || e->host.len > 0;
	char shown[60], part[40];
	(void)str_escape(str_from(word), shown, sizeof(shown));
	if (e->container.len == 0)
		return err_set(err, -EINVAL, "invalid port: \"%s\": no port specified", shown);
	(void)str_escape(e->proto, part, sizeof(part));
	if (!protocol(e->proto))
		return err_set(err, -EINVAL, "invalid port: \"%s\": invalid proto: %s", shown,
			       part);
	int r = plan_lint_port(s, step, word, mapped, e->proto, err);
	(void)str_escape(e->address, part, sizeof(part));
	if (r == 0 && e->address.len > 0 && !is_address(e->address))
		r = err_set(err, -EINVAL, "invalid IP address: %s", part);
	return r;
}

static int add_port(struct staging *s, const struct dockerfile_step *step, const char *word,
		    struct image_texts *ports, struct err *err)
{
	struct expose e = split(str_from(word));
	uint64_t first = 0, last = 0, host = 0, host_last = 0;
	int r = check(s, step, word, &e, err);
	if (r == 0)
		r = range(e.container, "containerPort", &first, &last, err);
	if (r == 0 && e.host.len > 0)
		r = range(e.host, "hostPort", &host, &host_last, err);
	if (r == 0 && e.host.len > 0 && first != last && last - first != host_last - host)
		r = err_set(err, -EINVAL,
			    "invalid ranges specified for container and host Ports: %.*s and %.*s",
			    STR_ARG(e.container), STR_ARG(e.host));
	if (r == 0 && last - first >= IMAGE_TEXTS_MAX)
		r = err_set(err, -EINVAL, "EXPOSE %.40s: more than %d ports", word,
			    IMAGE_TEXTS_MAX);
	for (uint64_t p = first; r == 0 && p <= last; p++) {
		const char *text = arena_printf(s->arena, "%u/%s", (unsigned)p, protocol(e.proto));
		r = text ? staging_once(s, &s->stage->image.exposed_ports, text, err)
			 : staging_no_memory(err);
		if (r == 0)
			r = image_texts_add(s->arena, ports, text, err);
	}
	return r;
}

static int by_text(const void *a, const void *b, void *owner)
{
	const struct dockerfile_step *step = owner;
	return strcmp(step->words.items[*(const uint32_t *)a],
		      step->words.items[*(const uint32_t *)b]);
}

/* In the order of the words as they are written: so they stand in the history. */
int plan_expose(struct staging *s, const struct dockerfile_step *step,
		struct image_texts *ret_ports, struct err *err)
{
	uint32_t *order = arena_array(s->arena, step->words.count, sizeof(*order));
	struct dockerfile_step sorted = *step;
	int r = 0;
	if (!order)
		return staging_no_memory(err);
	for (uint32_t i = 0; i < step->words.count; i++)
		order[i] = i;
	qsort_r(order, step->words.count, sizeof(*order), by_text, &sorted);
	for (uint32_t i = 0; r == 0 && i < step->words.count; i++) {
		struct image_texts words = { 0 };
		s->word = order[i];
		r = dockerfile_expand_words(step->words.items[order[i]], s->scope.escape,
					    scope_lookup, &s->scope, s->arena, &words, err);
		for (uint32_t w = 0; r == 0 && w < words.count; w++)
			r = add_port(s, step, words.items[w], ret_ports, err);
	}
	return r;
}
