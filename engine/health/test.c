/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health checks as words: out of a section's value, and from words to something that can be done.
 * Runs in engine main on the operator's own text and on checked records. Pure.
 */
#include "engine/health/test.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "engine/json/json.h"
#include "lib/own.h"

static const char usage[] = "[\"CMD\", \"program\", ...], [\"CMD-SHELL\", \"script\"], [\"NONE\"], "
			    "a script, http://HOST:PORT/PATH or tcp:HOST:PORT";

static int usage_error(struct err *err)
{
	return err_set(err, -EINVAL, "%s", usage);
}

/* "HOST:PORT", or "HOST" where port_unset says which port that means (0 = it has to be given). */
static int parse_place(struct str text, uint16_t port_unset, struct health_test *test)
{
	ptrdiff_t colon = str_find(text, ':');
	struct str host = colon < 0 ? text : str_head(text, (size_t)colon);
	uint64_t port = port_unset;
	char address[16];
	struct in_addr in;

	if (colon >= 0 && str_to_u64(str_skip(text, (size_t)colon + 1), 1, 65535, &port) < 0)
		return -EINVAL;
	if (str_is(host, "localhost"))
		host = STR("127.0.0.1");
	if (!port || str_copy(host, address, sizeof(address)) < 0 ||
	    inet_pton(AF_INET, address, &in) != 1)
		return -EINVAL;
	test->ip4 = in.s_addr;
	test->port = (uint16_t)port;
	return 0;
}

static int parse_url(struct str url, struct health_test *test)
{
	struct str rest = str_skip(url, 7);
	ptrdiff_t slash = str_find(rest, '/');

	if (!str_starts(url, STR("http://")))
		return -EINVAL;
	for (size_t i = 0; i < rest.len; i++) { /* it becomes a line of a request */
		if ((unsigned char)rest.ptr[i] <= ' ' || (unsigned char)rest.ptr[i] >= 0x7f)
			return -EINVAL;
	}
	test->host = slash < 0 ? rest : str_head(rest, (size_t)slash);
	test->path = slash < 0 ? STR("/") : str_skip(rest, (size_t)slash);
	return parse_place(test->host, 80, test);
}

static int add(struct arena *arena, struct image_texts *words, const char *word, struct err *err)
{
	return image_texts_add(arena, words, word, err);
}

static int pair(struct arena *arena, const char *first, struct str second,
		struct image_texts *ret_words, struct err *err)
{
	struct image_texts words = { 0 };
	const char *text = arena_text(arena, second);
	int r = text ? add(arena, &words, first, err)
		     : err_set(err, -ENOMEM, "no memory for a health check");

	if (r >= 0)
		r = add(arena, &words, text, err);
	if (r >= 0)
		*ret_words = words;
	return r;
}

static int parse_list(struct arena *arena, struct str text, struct image_texts *words,
		      struct err *err)
{
	struct json_doc doc OWN(json_done) = { 0 };
	const struct json *item;
	struct json_iter iter;
	struct str key;

	if (json_parse(text, JSON_TEXT_MAX, &doc, NULL) < 0 || json_type(doc.root) != JSON_ARRAY)
		return usage_error(err);
	json_iter_init(&iter, doc.root);
	while (json_iter_next(&iter, &key, &item)) {
		const char *word;
		int r;

		if (json_type(item) != JSON_STRING)
			return usage_error(err);
		word = arena_text(arena, json_str(item));
		if (!word)
			return err_set(err, -ENOMEM, "no memory for a health check");
		r = add(arena, words, word, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int health_test_parse(struct arena *arena, struct str text, struct image_texts *ret_words,
		      struct err *err)
{
	struct image_texts words = { 0 };
	struct health_test test;
	struct err why = { 0 };
	int r;

	text = str_trim(text);
	if (!text.len)
		return usage_error(err);
	if (text.ptr[0] == '[')
		r = parse_list(arena, text, &words, err);
	else if (str_starts(text, STR("http://")))
		r = pair(arena, "HTTP", text, &words, err);
	else if (str_starts(text, STR("tcp:")))
		r = pair(arena, "TCP", str_skip(text, 4), &words, err);
	else
		r = pair(arena, "CMD-SHELL", text, &words, err);
	if (r >= 0 && (!words.count || health_test_make(arena, &words, &test, &why) < 0))
		r = usage_error(err);
	if (r >= 0)
		*ret_words = words;
	return r;
}

static int make_exec(struct arena *arena, const struct image_texts *words, struct health_test *test,
		     struct err *err)
{
	bool shell = !strcmp(words->items[0], "CMD-SHELL");
	int r = 0;

	if (words->count < 2 || (shell && words->count > 2))
		return usage_error(err);
	test->kind = HEALTH_KIND_EXEC;
	if (shell)
		r = add(arena, &test->argv, "/bin/sh", err);
	if (shell && r >= 0)
		r = add(arena, &test->argv, "-c", err);
	for (uint32_t i = 1; r >= 0 && i < words->count; i++)
		r = add(arena, &test->argv, words->items[i], err);
	return r;
}

int health_test_make(struct arena *arena, const struct image_texts *words,
		     struct health_test *ret_test, struct err *err)
{
	struct health_test test = { .kind = HEALTH_KIND_NONE };
	const char *kind = words->count ? words->items[0] : "NONE";
	int r = 0;

	if (!strcmp(kind, "CMD") || !strcmp(kind, "CMD-SHELL")) {
		r = make_exec(arena, words, &test, err);
	} else if (!strcmp(kind, "TCP") && words->count == 2) {
		test.kind = HEALTH_KIND_TCP;
		r = parse_place(str_from(words->items[1]), 0, &test);
	} else if (!strcmp(kind, "HTTP") && words->count == 2) {
		test.kind = HEALTH_KIND_HTTP;
		r = parse_url(str_from(words->items[1]), &test);
	} else if (strcmp(kind, "NONE") != 0 || words->count > 1) {
		r = -EINVAL;
	}
	if (r == -EINVAL)
		return usage_error(err);
	if (r >= 0)
		*ret_test = test;
	return r;
}
