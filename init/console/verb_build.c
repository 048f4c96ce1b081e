/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build: an image out of a directory on the machine, its steps as they come. Runs in the console
 * program; must never read the directory itself: that is the engine's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "init/console/build_view.h"
#include "init/console/console.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/sha256.h"

enum { BUILD_CALL_MAX = 1 << 20, BUILD_SCREEN_MAX = 64 << 10 };

struct build_words {
	const char *context, *dockerfile, *target;
	const char *id_file;			  /* "" = none */
	bool no_cache, check, quiet, plain, tty;  /* none of the last three: as it fits */
	struct buf args, names, secrets, options; /* in wire form */
	uint32_t arg_count, name_count, secret_count, option_count;
};

static void build_words_done(struct build_words *b)
{
	buf_done(&b->args);
	buf_done(&b->names);
	buf_done(&b->secrets);
	buf_done(&b->options);
}

static int usage(struct err *err)
{
	return err_set(
		err, -EINVAL,
		"usage: build [-t NAME]... [-f FILE] [--target STAGE] [--build-arg "
		"NAME=VALUE]... [--label NAME=VALUE]... [--build-context NAME=WHERE]... "
		"[--secret id=ID,src=FILE]... [--ssh ID=SOCKET]... [--add-host NAME:ADDRESS]... "
		"[--cache-from NAME]... [--cache-to type=registry,ref=NAME[,mode=max]]... "
		"[--platform P] [--network none|host] [--allow network.host] [--pull] "
		"[--no-cache] [--check] [--iidfile FILE] [--progress auto|plain|tty|quiet] [-q] "
		"DIRECTORY|REPOSITORY");
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

static void put_option(struct build_words *b, const char *key, struct str name, struct str value)
{
	wire_put_text(&b->options, key);
	wire_put_str(&b->options, name);
	wire_put_str(&b->options, value);
	b->option_count++;
}

/* "NAME=VALUE" of --label and --build-context. */
static int add_named(struct build_words *b, const char *key, const char *word, struct err *err)
{
	const char *equals = strchr(word, '=');

	if (!equals || equals == word)
		return err_set(err, -EINVAL, "--%s: NAME=VALUE is expected, not '%.80s'",
			       strcmp(key, "context") ? key : "build-context", word);
	put_option(b, key, str_make(word, (size_t)(equals - word)), str_from(equals + 1));
	return 0;
}

static bool is_form(struct str field)
{
	static const char *const forms[] = { "oci-mediatypes=", "image-manifest=", "compression=",
					     "compression-level=", "force-compression=" };

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (str_starts(field, str_from(forms[i])))
			return true;
	}
	return false;
}

/*
 * "type=registry,ref=NAME[,mode=max][,ignore-error=true]", as docker takes it; a NAME alone of
 * --cache-from. What BuildKit writes its layers as is no matter here.
 */
static int add_cache(struct build_words *b, const char *key, const char *word, struct err *err)
{
	struct str rest = str_from(word), field, name = { 0 }, type = { 0 };
	struct buf how OWN(buf_done) = { 0 };
	bool to = !strcmp(key, "cache-to");

	buf_init(&how, 256);
	while (str_cut(&rest, ',', &field)) {
		if (str_starts(field, STR("type=")))
			type = str_skip(field, 5);
		else if (str_starts(field, STR("ref=")))
			name = str_skip(field, 4);
		else if (to && (str_starts(field, STR("mode=")) ||
				str_starts(field, STR("ignore-error="))))
			buf_printf(&how, "%.*s,", STR_ARG(field));
		else if (str_find(field, '=') < 0 && name.len == 0)
			name = field;
		else if (!is_form(field))
			return err_set(err, -EINVAL, "--%s: %.*s is not known here", key,
				       STR_ARG(str_head(field, 80)));
	}
	if (name.len == 0 || (type.len && !str_is(type, "registry")) || buf_error(&how))
		return err_set(err, -EINVAL,
			       "--%s: type=registry,ref=NAME is expected, not '%.80s'", key, word);
	put_option(b, key, name, buf_str(&how));
	return 0;
}

enum word_kind {
	WORD_TAG,
	WORD_FILE,
	WORD_TARGET,
	WORD_ARG,
	WORD_SECRET,
	WORD_ID_FILE,
	WORD_PROGRESS,
	WORD_HOST,
	WORD_CACHE,
	WORD_NAMED,  /* key: an option with a name and a value */
	WORD_VALUED, /* an option with a value alone */
	WORD_FLAG,   /* one with neither */
	WORD_NO_CACHE,
	WORD_QUIET,
};

static const struct word_option {
	const char *name, *other, *key;
	enum word_kind kind;
} options[] = { { "-t", "--tag", "", WORD_TAG },
		{ "-f", "--file", "", WORD_FILE },
		{ "--target", "--target", "", WORD_TARGET },
		{ "--build-arg", "--build-arg", "", WORD_ARG },
		{ "--secret", "--secret", "", WORD_SECRET },
		{ "--label", "--label", "label", WORD_NAMED },
		{ "--build-context", "--build-context", "context", WORD_NAMED },
		{ "--ssh", "--ssh", "ssh", WORD_NAMED },
		{ "--add-host", "--add-host", "host", WORD_HOST },
		{ "--cache-from", "--cache-from", "cache-from", WORD_CACHE },
		{ "--cache-to", "--cache-to", "cache-to", WORD_CACHE },
		{ "--iidfile", "--iidfile", "", WORD_ID_FILE },
		{ "--progress", "--progress", "", WORD_PROGRESS },
		{ "-q", "--quiet", "", WORD_QUIET },
		{ "--allow", "--allow", "allow", WORD_VALUED },
		{ "--platform", "--platform", "platform", WORD_VALUED },
		{ "--network", "--network", "network", WORD_VALUED },
		{ "--pull", "--pull", "pull", WORD_FLAG },
		{ "--check", "--check", "check", WORD_FLAG },
		{ "--no-cache", "--no-cache", "", WORD_NO_CACHE } };

static int take_progress(struct build_words *b, const char *value, struct err *err)
{
	b->quiet = !strcmp(value, "quiet");
	b->plain = !strcmp(value, "plain");
	b->tty = !strcmp(value, "tty");
	if (b->quiet || b->plain || b->tty || !strcmp(value, "auto"))
		return 0;
	return err_set(err, -EINVAL,
		       "--progress: auto, plain, tty or quiet is expected, not '%.40s'", value);
}

/* "NAME:ADDRESS", as docker takes it; the address may hold more colons. */
static int add_host(struct build_words *b, const char *word, struct err *err)
{
	struct str rest = str_from(word), name;

	if (!str_cut(&rest, ':', &name) || name.len == 0 || rest.len == 0)
		return err_set(err, -EINVAL, "--add-host: NAME:ADDRESS is expected, not '%.80s'",
			       word);
	put_option(b, "host", name, rest);
	return 0;
}

static int take_value(struct build_words *b, const struct word_option *option, const char *value,
		      struct err *err)
{
	switch (option->kind) {
	case WORD_TAG:
		wire_put_text(&b->names, value);
		b->name_count++;
		return 0;
	case WORD_FILE:
		b->dockerfile = value;
		return 0;
	case WORD_TARGET:
		b->target = value;
		return 0;
	case WORD_ARG:
		return add_arg(b, value, err);
	case WORD_SECRET:
		return add_secret(b, value, err);
	case WORD_NAMED:
		return add_named(b, option->key, value, err);
	case WORD_CACHE:
		return add_cache(b, option->key, value, err);
	case WORD_ID_FILE:
		b->id_file = value;
		return 0;
	case WORD_PROGRESS:
		return take_progress(b, value, err);
	case WORD_HOST:
		return add_host(b, value, err);
	case WORD_QUIET:
		b->quiet = true;
		return 0;
	case WORD_VALUED:
		put_option(b, option->key, STR(""), str_from(value));
		return 0;
	case WORD_FLAG:
		b->check = b->check || !strcmp(option->key, "check");
		put_option(b, option->key, STR(""), STR(""));
		return 0;
	case WORD_NO_CACHE:
		b->no_cache = true;
		return 0;
	}
	return -EINVAL;
}

/* One option and, where it has one, its value, which stands behind '=' or is the next word. */
static int take_option(struct build_words *b, const struct words *words, int *at, struct err *err)
{
	const char *word = words->items[*at];

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		const struct word_option *option = &options[i];
		size_t len = strlen(option->other);
		const char *value = "";

		if (!strncmp(word, option->other, len) && word[len] == '=' &&
		    option->kind < WORD_FLAG)
			value = word + len + 1;
		else if (strcmp(word, option->name) && strcmp(word, option->other))
			continue;
		else if (option->kind < WORD_FLAG)
			value = ++*at < words->count ? words->items[*at] : NULL;
		return value ? take_value(b, option, value, err) : usage(err);
	}
	return usage(err);
}

static int parse(const struct words *words, struct build_words *b, struct err *err)
{
	struct str bare, part, name = { 0 };
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
		/* Of a repository's address without what stands behind its ".git". */
		bare = str_from(b->context);
		if (strstr(b->context, "://") || strchr(b->context, '#'))
			bare = str_head(bare, strcspn(b->context, "#?"));
		if (str_ends(bare, STR(".git")))
			bare.len -= 4;
		while (str_cut(&bare, '/', &part))
			name = part.len > 0 ? part : name;
		wire_put_str(&b->names, name);
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
	wire_put_u32(body, b->option_count);
	wire_put_bytes(body, b->options.data, b->options.len);
}

/* ---- what is shown ---- */

static int64_t now_ms(void)
{
	return mono_now().ns / 1000000;
}

static void show(struct console *console, struct build_view *view, struct buf *out)
{
	console_write(console, buf_text(out), out->len);
	console->progress = view->tty ? &view->screen : NULL;
}

static void end(struct console *console, struct build_view *view)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, BUILD_SCREEN_MAX);
	build_view_end(view, now_ms(), &out);
	console_write(console, buf_text(&out), out.len);
	console->progress = NULL;
}

static void on_note(struct console *console, void *owner, struct wire *in)
{
	struct buf out OWN(buf_done) = { 0 };
	struct build_note note = { 0 };
	struct str text;

	if (!in) {
		end(console, owner);
		return;
	}
	text = wire_str(in, BUILD_CALL_VALUE_MAX);
	note.kind = (enum build_note_kind)wire_u8(in);
	note.step = wire_u32(in);
	if (in->error)
		return;
	buf_init(&out, BUILD_SCREEN_MAX);
	build_view_note(owner, &note, text, now_ms(), &out);
	show(console, owner, &out);
}

/* In BuildKit's forms: on a terminal that nothing else takes what is printed from, or plain. */
static void view_begin(const struct console *console, const struct build_words *b,
		       struct build_view *view)
{
	const bool fits = console->is_tty && !console->capture && !console->json;

	build_view_init(view, b->tty || (fits && !b->plain), console->rows, console->columns,
			now_ms());
}

int verb_build(struct console *console, const struct words *words, struct err *err)
{
	int fd OWN_FD = -1;
	char id[DIGEST_TEXT_MAX] = "";
	struct console_job job = { .type = ENGINE_MSG_BUILD,
				   .done = "Successfully built ",
				   .name = "id",
				   .background = "the build goes on in the background",
				   .last = id,
				   .last_cap = sizeof(id) };
	static struct build_view view; /* one build at a time is looked at */
	struct build_words b OWN(
		build_words_done) = { .dockerfile = "", .target = "", .id_file = "" };
	struct buf body OWN(buf_done) = { 0 };
	int r;

	buf_init(&b.args, BUILD_CALL_MAX);
	buf_init(&b.names, BUILD_CALL_MAX);
	buf_init(&b.secrets, BUILD_CALL_MAX);
	buf_init(&b.options, BUILD_CALL_MAX);
	buf_init(&body, BUILD_CALL_MAX);
	r = parse(words, &b, err);
	if (r < 0)
		return r;
	if (!b.quiet && !console->json) {
		put_option(&b, "notes", STR(""), STR(""));
		view_begin(console, &b, &view);
		job.more = on_note;
		job.owner = &view;
	}
	put_call(&b, &body);
	if (buf_error(&body) < 0)
		return err_set(err, -E2BIG, "build: too many arguments");
	job.quiet = b.quiet;
	if (b.check) {
		job.done = "Check complete";
		job.background = "";
	}
	r = console_follow(console, &job, buf_str(&body), err);
	if (job.more)
		end(console, &view);
	/* No newline behind it, as docker writes it. */
	if (r < 0 || !*b.id_file || !*id)
		return r;
	fd = fs_open(-1, b.id_file, FS_HOST, O_WRONLY | O_CREAT | O_TRUNC, 0644, err);
	return fd < 0 ? fd : fs_write_fd(fd, id, strlen(id), err);
}
