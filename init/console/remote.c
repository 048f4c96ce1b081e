/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codec of `hoy -H` and the table of who may do what. Pure; runs in the console program on both
 * sides. Must never let a verb through that has no row for its role.
 */
#include "init/console/remote.h"

#include <errno.h>
#include <string.h>
#include "lib/own.h"

/* ---- codec ---- */

static void put_u32(unsigned char *dst, size_t value)
{
	for (int i = 0; i < 4; i++)
		dst[i] = (unsigned char)(value >> (24 - 8 * i));
}

static size_t get_u32(const unsigned char *src)
{
	return (size_t)src[0] << 24 | (size_t)src[1] << 16 | (size_t)src[2] << 8 | src[3];
}

int remote_request_put(struct buf *out, char *const *words, int count,
		       const struct remote_screen *screen, struct err *err)
{
	unsigned char head[4], shown[REMOTE_SCREEN_SIZE];
	size_t size = 0;

	for (int i = 0; i < count; i++)
		size += strlen(words[i]) + 1;
	if (count < 1 || count > WORDS_MAX || size > REMOTE_REQUEST_MAX)
		return err_set(err, -E2BIG,
			       "a command has 1 to %d words and %d bytes; this one has %d and %zu",
			       WORDS_MAX, REMOTE_REQUEST_MAX, count, size);
	put_u32(head, size);
	(void)buf_add(out, head, sizeof(head));
	for (int i = 0; i < count; i++)
		(void)buf_add(out, words[i], strlen(words[i]) + 1);
	remote_screen_put(shown, screen);
	(void)buf_add(out, shown, sizeof(shown));
	return buf_error(out) ? err_set(err, -ENOMEM, "no memory for the command") : 0;
}

int remote_request_size(const unsigned char head[4], size_t *ret_size, struct err *err)
{
	size_t size = get_u32(head);

	if (size < 2 || size > REMOTE_REQUEST_MAX)
		return err_set(err, -EBADMSG, "a command of %zu bytes cannot be", size);
	*ret_size = size;
	return 0;
}

int remote_request_get(struct str body, struct words *ret_words, struct err *err)
{
	struct words words = { 0 };
	size_t at = 0;

	if (body.len < 2 || body.len > sizeof(words.text) || body.ptr[body.len - 1])
		return err_set(err, -EBADMSG, "words without their end");
	memcpy(ret_words->text, body.ptr, body.len);
	while (at < body.len && words.count < WORDS_MAX) {
		words.items[words.count++] = ret_words->text + at;
		at += strlen(ret_words->text + at) + 1;
	}
	if (at < body.len || !*words.items[0])
		return err_set(err, -EBADMSG, "%s",
			       at < body.len ? "too many words" : "a command without a name");
	memcpy(ret_words->items, words.items, sizeof(words.items));
	ret_words->count = words.count;
	return 0;
}

void remote_head_put(unsigned char head[REMOTE_HEAD_SIZE], enum remote_frame kind, size_t size)
{
	head[0] = (unsigned char)kind;
	put_u32(head + 1, size);
}

int remote_head_get(const unsigned char head[REMOTE_HEAD_SIZE], enum remote_frame *ret_kind,
		    size_t *ret_size, struct err *err)
{
	size_t size = get_u32(head + 1);

	bool bytes = head[0] == REMOTE_FRAME_OUTPUT || head[0] == REMOTE_FRAME_ERRORS ||
		     head[0] == REMOTE_FRAME_INPUT;

	if ((bytes && size <= REMOTE_FRAME_MAX) || (head[0] == REMOTE_FRAME_END && size == 1) ||
	    (head[0] == REMOTE_FRAME_SCREEN && size == REMOTE_SCREEN_SIZE)) {
		*ret_kind = (enum remote_frame)head[0];
		*ret_size = size;
		return 0;
	}
	return err_set(err, -EBADMSG, "the other side does not speak %s", GATE_PROTOCOL_HOY);
}

/* ---- roles ---- */

/*
 * A verb, and its first word where that decides. What stands nowhere is an admin's, as are those
 * that hand out what a container holds. The roles are those of the Docker API's rows.
 */
static const struct remote_row {
	const char *verb, *first;
	enum gate_role role; /* 0 = from nowhere but the machine's own terminal */
} rows[] = {
	{ "boot", "chart", GATE_ROLE_READER },
	{ "dashboard", NULL, GATE_ROLE_READER },
	{ "df", NULL, GATE_ROLE_READER },
	{ "diff", NULL, GATE_ROLE_READER },
	{ "disk", NULL, GATE_ROLE_READER },
	{ "follow", NULL, GATE_ROLE_READER },
	{ "health", NULL, GATE_ROLE_READER },
	{ "help", NULL, GATE_ROLE_READER },
	{ "history", NULL, GATE_ROLE_READER },
	{ "image", "sbom", GATE_ROLE_READER },
	{ "images", NULL, GATE_ROLE_READER },
	{ "log", NULL, GATE_ROLE_READER },
	{ "logs", NULL, GATE_ROLE_READER },
	{ "metrics", NULL, GATE_ROLE_READER },
	{ "network", NULL, GATE_ROLE_READER },
	{ "ps", NULL, GATE_ROLE_READER },
	{ "stats", NULL, GATE_ROLE_READER },
	{ "status", NULL, GATE_ROLE_READER },
	{ "steps", NULL, GATE_ROLE_READER },
	{ "time", NULL, GATE_ROLE_READER },
	{ "top", NULL, GATE_ROLE_READER },
	{ "version", NULL, GATE_ROLE_READER },
	{ "config", "show", GATE_ROLE_READER },
	{ "config", "issues", GATE_ROLE_READER },
	{ "config", "diff", GATE_ROLE_READER },
	{ "config", "history", GATE_ROLE_READER },
	{ "config", "validate", GATE_ROLE_READER },
	{ "config", "candidate", GATE_ROLE_READER },
	{ "kill", NULL, GATE_ROLE_OPERATOR },
	{ "dig", NULL, GATE_ROLE_OPERATOR },
	{ "pause", NULL, GATE_ROLE_OPERATOR },
	{ "ping", NULL, GATE_ROLE_OPERATOR },
	{ "restart", NULL, GATE_ROLE_OPERATOR },
	{ "start", NULL, GATE_ROLE_OPERATOR },
	{ "stop", NULL, GATE_ROLE_OPERATOR },
	{ "traceroute", NULL, GATE_ROLE_OPERATOR },
	{ "unpause", NULL, GATE_ROLE_OPERATOR },
	{ "commit", NULL, GATE_ROLE_DEPLOYER },
	{ "prune", NULL, GATE_ROLE_DEPLOYER },
	{ "pull", NULL, GATE_ROLE_DEPLOYER },
	{ "push", NULL, GATE_ROLE_DEPLOYER },
	{ "rm", NULL, GATE_ROLE_DEPLOYER },
	{ "rmi", NULL, GATE_ROLE_DEPLOYER },
	{ "tag", NULL, GATE_ROLE_DEPLOYER },
	{ "claim", NULL, 0 },
	{ "clear", NULL, 0 },
	{ "factory-reset", NULL, 0 },
	{ "lock", NULL, 0 },
	{ "logout", NULL, 0 },
	{ "passwd", NULL, 0 },
	{ "resize", NULL, 0 },
};

static enum gate_role needed(const char *verb, const char *first)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!strcmp(rows[i].verb, verb) &&
		    (!rows[i].first || !strcmp(rows[i].first, first)))
			return rows[i].role;
	return GATE_ROLE_ADMIN;
}

int remote_may(const struct words *words, enum gate_role role, struct err *err)
{
	int at = words->count > 1 && !strcmp(words->items[0], "--json");
	const char *first = at + 1 < words->count ? words->items[at + 1] : "";
	enum gate_role least = needed(words->items[at], first);

	if (!least)
		return err_set(err, -EACCES,
			       "%.40s asks a person: it works on the machine's own terminal only",
			       words->items[at]);
	if (role < least)
		return err_set(err, -EACCES, "%.40s needs the role %s, this certificate has %s",
			       words->items[at], gate_role_name(least), gate_role_name(role));
	return 0;
}
