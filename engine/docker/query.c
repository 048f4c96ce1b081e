/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request says: parameters of its query and its body. Runs in the api role, on foreign
 * bytes. Refuses in Docker's words.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/docker/json_fault.h"
#include "engine/docker/server.h"
#include "engine/docker/spell.h"
#include "lib/own.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int decode(struct str s, bool plus, char *dst, size_t cap)
{
	size_t at = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '+' && plus)
			c = ' ';
		if (c == '%') {
			int high = i + 2 < s.len ? hex_digit(s.ptr[i + 1]) : -1;
			int low = i + 2 < s.len ? hex_digit(s.ptr[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (!c || at + 1 >= cap)
			return -EINVAL;
		dst[at++] = c;
	}
	dst[at] = 0;
	return 0;
}

int docker_decode(struct str s, char *dst, size_t cap)
{
	return decode(s, false, dst, cap);
}

int docker_decode_query(struct str s, char *dst, size_t cap)
{
	return decode(s, true, dst, cap);
}

bool docker_query(const struct docker_client *client, const char *name, char *dst, size_t cap)
{
	struct str rest = str_from(client->query), pair;

	while (str_cut(&rest, '&', &pair)) {
		ptrdiff_t eq = str_find(pair, '=');
		struct str key = eq < 0 ? pair : str_head(pair, (size_t)eq);

		if (str_is(key, name))
			return decode(eq < 0 ? STR("") : str_skip(pair, (size_t)eq + 1), true, dst,
				      cap) >= 0;
	}
	return false;
}

bool docker_query_flag(const struct docker_client *client, const char *name, bool fallback)
{
	char value[16];

	if (!docker_query(client, name, value, sizeof(value)))
		return fallback;
	return *value && !str_is_nocase(str_from(value), "0") &&
	       !str_is_nocase(str_from(value), "false") && !str_is_nocase(str_from(value), "no") &&
	       !str_is_nocase(str_from(value), "none");
}

int docker_query_number(struct docker_client *client, const char *name, int64_t fallback,
			int64_t *ret_number)
{
	char value[32], text[128];

	*ret_number = fallback;
	if (!docker_query(client, name, value, sizeof(value)) || !*value ||
	    str_to_i64(str_from(value), INT32_MIN, UINT32_MAX, ret_number) >= 0)
		return 0;
	(void)snprintf(text, sizeof(text), "strconv.Atoi: parsing \"%.30s\": invalid syntax",
		       value);
	docker_reply_error(client, 400, text);
	return -EINVAL;
}

/* As Docker wants it of a body, but for one whose type is not said at all; false: 400 has been
 * answered. */
static bool is_json(struct docker_client *client)
{
	struct str type = http_field(&client->head, "Content-Type"), kind;
	struct buf text OWN(buf_done) = { 0 };
	struct str rest = type;

	(void)str_cut(&rest, ';', &kind);
	if (!type.len || str_is_nocase(str_trim(kind), "application/json"))
		return true;
	buf_init(&text, 1024);
	(void)buf_printf(&text,
			 "unsupported Content-Type header (%.*s): must be 'application/json'",
			 type.len > 100 ? 100 : (int)type.len, type.ptr);
	docker_reply_error(client, 400, buf_text(&text));
	return false;
}

bool docker_body_json(struct docker_client *client)
{
	struct err err = { 0 };
	struct buf text OWN(buf_done) = { 0 };
	char fault[JSON_FAULT_MAX];

	if (!is_json(client))
		return false;
	if (str_trim(client->body).len == 0) {
		docker_reply_error(client, 400, "invalid JSON: got EOF while reading request body");
		return false;
	}
	if (json_parse(client->body, JSON_TEXT_MAX, &client->json, &err) >= 0) {
		docker_spell(client->json.root);
		return true;
	}
	buf_init(&text, 1024);
	(void)buf_printf(&text, "invalid JSON: %s", err_text(&err));
	docker_reply_error(client, 400, json_fault(client->body, fault) ? fault : buf_text(&text));
	return false;
}

int docker_query_size(struct docker_client *client, const char *name, uint16_t *ret_number)
{
	char value[32] = "", text[128];
	struct str digits;
	uint64_t number;
	bool shaped, below;

	(void)docker_query(client, name, value, sizeof(value));
	digits = str_from(value);
	below = str_starts(digits, STR("-"));
	if (below)
		digits = str_skip(digits, 1);
	shaped = digits.len > 0 && strspn(digits.ptr, "0123456789") == digits.len;
	if (shaped && !below && str_to_u64(digits, 0, UINT32_MAX, &number) >= 0) {
		*ret_number = number > UINT16_MAX ? UINT16_MAX : (uint16_t)number;
		return 0;
	}
	(void)snprintf(text, sizeof(text), "invalid resize %s \"%.30s\": %s",
		       *name == 'h' ? "height" : "width", value,
		       shaped ? "value out of range" : "invalid syntax");
	docker_reply_error(client, 400, text);
	return -EINVAL;
}
