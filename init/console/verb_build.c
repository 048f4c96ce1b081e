/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build: an image out of a directory on the machine, its steps as they come. Runs in the console
 * program; must never read the directory itself: that is the engine's.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "init/console/console.h"
#include "lib/own.h"

enum { BUILD_CALL_MAX = 1 << 20 };

struct build_words {
	const char *context, *dockerfile, *target;
	bool no_cache;
	struct buf args, names, secrets; /* in wire form */
	uint32_t arg_count, name_count, secret_count;
};

static void build_words_done(struct build_words *b)
{
	buf_done(&b->args);
	buf_done(&b->names);
	buf_done(&b->secrets);
}

static int usage(struct err *err)
{
	return err_set(err, -EINVAL,
		       "usage: build [-t NAME]... [-f FILE] [--target STAGE] [--build-arg "
		       "NAME=VALUE]... [--secret id=ID,src=FILE]... [--no-cache] DIRECTORY");
}

static int add_arg(struct build_words *b, const char *word, struct err *err)
{
	const char *equals = strchr(word, '=');

	if (!equals || equals == word)
		return err_set(err, -EINVAL, "--build-arg: NAME=VALUE is expected, not '%.80s'",
			       word);
	wire_put_str(&b->args, str_make(word, (size_t)(equals - word)));
	wire_put_text(&b->args, equals + 1);
	b->arg_count++;
	return 0;
}

/* "id=ID,src=FILE", as docker takes it. */
static int add_secret(struct build_words *b, const char *word, struct err *err)
{
	struct str rest = str_from(word), field, id = { 0 }, file = { 0 };

	while (str_cut(&rest, ',', &field)) {
		if (str_starts(field, STR("id=")))
			id = str_skip(field, 3);
		else if (str_starts(field, STR("src=")))
			file = str_skip(field, 4);
		else if (str_starts(field, STR("source=")))
			file = str_skip(field, 7);
		else if (!str_is(field, "type=file"))
			id.len = 0;
	}
	if (id.len == 0 || file.len == 0)
		return err_set(err, -EINVAL, "--secret: id=ID,src=FILE is expected, not '%.80s'",
			       word);
	wire_put_str(&b->secrets, id);
	wire_put_str(&b->secrets, file);
	b->secret_count++;
	return 0;
}

/* One option and, where it has one, its value, which stands behind '=' or is the next word. */
static int take_option(struct build_words *b, const struct words *words, int *at, struct err *err)
{
	static const struct {
		const char *name, *other;
	} options[] = { { "-t", "--tag" },
			{ "-f", "--file" },
			{ "--target", "--target" },
			{ "--build-arg", "--build-arg" },
			{ "--secret", "--secret" } };
	const char *word = words->items[*at], *value = NULL;
	size_t i;

	if (!strcmp(word, "--no-cache")) {
		b->no_cache = true;
		return 0;
	}
	for (i = 0; i < ARRAY_LEN(options); i++) {
		size_t len = strlen(options[i].other);

		if (!strncmp(word, options[i].other, len) && word[len] == '=')
			value = word + len + 1;
		else if (!strcmp(word, options[i].name) || !strcmp(word, options[i].other))
			value = ++*at < words->count ? words->items[*at] : NULL;
		else
			continue;
		break;
	}
	if (!value)
		return usage(err);
	if (i >= 3)
		return i == 3 ? add_arg(b, value, err) : add_secret(b, value, err);
	if (i == 0) {
		wire_put_text(&b->names, value);
		b->name_count++;
	} else if (i == 1) {
		b->dockerfile = value;
	} else {
		b->target = value;
	}
	return 0;
}

static int parse(const struct words *words, struct build_words *b, struct err *err)
{
	const char *slash;
	int at = 1;

	for (; at < words->count && words->items[at][0] == '-'; at++) {
		int r = take_option(b, words, &at, err);

		if (r < 0)
			return r;
	}
	if (words->count - at != 1)
		return usage(err);
	b->context = words->items[at];
	if (b->name_count == 0) {
		slash = strrchr(b->context, '/');
		wire_put_text(&b->names, slash ? slash + 1 : b->context);
		b->name_count = 1;
	}
	return 0;
}

static void put_call(const struct build_words *b, struct buf *body)
{
	wire_put_text(body, b->context);
	wire_put_text(body, b->dockerfile);
	wire_put_text(body, b->target);
	wire_put_u8(body, b->no_cache);
	wire_put_u32(body, b->arg_count);
	wire_put_bytes(body, b->args.data, b->args.len);
	wire_put_u32(body, b->name_count);
	wire_put_bytes(body, b->names.data, b->names.len);
	wire_put_u32(body, b->secret_count);
	wire_put_bytes(body, b->secrets.data, b->secrets.len);
}

int verb_build(struct console *console, const struct words *words, struct err *err)
{
	static const struct console_job job = { ENGINE_MSG_BUILD, "Successfully built ",
						"the build goes on in the background", false };
	struct build_words b OWN(build_words_done) = { .dockerfile = "", .target = "" };
	struct buf body OWN(buf_done) = { 0 };
	int r;

	buf_init(&b.args, BUILD_CALL_MAX);
	buf_init(&b.names, BUILD_CALL_MAX);
	buf_init(&b.secrets, BUILD_CALL_MAX);
	buf_init(&body, BUILD_CALL_MAX);
	r = parse(words, &b, err);
	if (r < 0)
		return r;
	put_call(&b, &body);
	if (buf_error(&body) < 0)
		return err_set(err, -E2BIG, "build: too many arguments");
	return console_follow(console, &job, buf_str(&body), err);
}
