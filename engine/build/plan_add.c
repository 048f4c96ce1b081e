/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of ADD that are elsewhere: URLs and repositories. Pure; runs in the api role. Must never
 * let a login into the plan: what it says stands in the image's history.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include "engine/build/staging.h"
#include "engine/git/git.h"
#include "engine/http/url.h"
#include "lib/own.h"

static bool is_http(struct str s)
{
	return str_starts(s, STR("http://")) || str_starts(s, STR("https://"));
}

/* The last component of the URL's path, decoded; "__unnamed__" where it has none, as BuildKit says.
 */
static const char *remote_name(struct staging *s, struct str url)
{
	struct buf name OWN(buf_done) = { 0 };
	struct str path = url_shown(url), part, last = { 0 };
	buf_init(&name, PLAN_PATH_MAX);
	path = str_skip(path, str_starts(path, STR("https://")) ? 8 : 7);
	(void)str_cut(&path, '/', &part); /* the host */
	if (url_decode(path, false, &name) < 0)
		return NULL;
	path = buf_str(&name);
	while (str_cut(&path, '/', &part))
		last = part.len > 0 ? part : last;
	if (last.len == 0 || str_is(last, ".") || str_is(last, "..") || last.len > 255)
		return "__unnamed__";
	return arena_text(s->arena, last);
}

static int add_remote(struct staging *s, struct build_op *op, const char *url, struct err *err)
{
	struct build_remote *remote = &op->remotes[op->remote_count];
	struct str host = str_skip(str_from(url), strncmp(url, "https://", 8) ? 7 : 8), login;
	(void)str_cut(&host, '/', &login);
	if (str_find(login, '@') >= 0)
		return err_set(err, -EINVAL,
			       "a URL with a login would stand in the image's history: use "
			       "RUN --mount=type=secret");
	*remote = (struct build_remote){ .url = url,
					 .name = remote_name(s, str_from(url)),
					 .checksum = "",
					 .ref = "",
					 .subdir = "" };
	if (!remote->name)
		return err_set(err, -EINVAL, "the URL %.*s cannot be read",
			       STR_ARG(str_head(url_shown(str_from(url)), 100)));
	op->remote_count++;
	return 0;
}

static int add_git(struct staging *s, const struct dockerfile_step *step, struct build_op *op,
		   const char *text, struct err *err)
{
	struct build_remote *remote = &op->remotes[op->remote_count++];
	struct git_source source = { 0 };
	int r = git_source_parse(str_from(text), s->arena, &source, err);
	if (r == 0 && source.keep_said && step->keep_git_dir_said &&
	    source.keep != step->keep_git_dir)
		r = err_set(err, -EINVAL, "inconsistent keep-git-dir configuration");
	*remote =
		(struct build_remote){ .url = source.remote,
				       .name = "git",
				       .checksum = source.checksum,
				       .git = true,
				       .keep = source.keep_said ? source.keep : step->keep_git_dir,
				       .no_submodules = source.no_submodules,
				       .ref = source.ref,
				       .subdir = source.subdir };
	return r;
}

/* Digits of a commit, where the URL's query does not say others. */
static int take_commit(struct build_remote *remote, const char *text, struct err *err)
{
	size_t len = strlen(text);
	for (size_t i = 0; i < len; i++)
		if (!isxdigit((unsigned char)text[i]))
			len = 0;
	if (len == 0 || len > 40)
		return err_set(err, -EINVAL,
			       "invalid checksum \"%.80s\": digits of a commit are expected", text);
	if (*remote->checksum && strcasecmp(remote->checksum, text) != 0)
		return err_set(err, -EINVAL, "checksum mismatch %s != %s", text, remote->checksum);
	remote->checksum = text;
	return 0;
}

/* "sha256:" and 64 lower case digits; of a repository the commit. */
/* Docker's words for each of the three. */
static int bad_checksum(const char *text, struct err *err)
{
	const char *what = !strchr(text, ':') ? "invalid checksum digest format"
			   : !str_starts(str_from(text), STR("sha256:"))
				   ? "unsupported digest algorithm"
			   : strlen(text) != 7 + 64 ? "invalid checksum digest length"
						    : "invalid checksum digest format";

	return err_set(err, -EINVAL, "%s: %.100s: sha256 and 64 digits are expected", what, text);
}

static int take_checksum(struct staging *s, const struct dockerfile_step *step, struct build_op *op,
			 struct err *err)
{
	struct digest digest;
	const char *text = "";
	char plain[DIGEST_TEXT_MAX];
	int r = scope_expand(&s->scope, step->checksum, &text, err);
	if (r < 0 || !*text)
		return r;
	if (op->remote_count + op->sources.count > 1)
		return err_set(err, -EINVAL, "checksum can't be specified for multiple sources");
	if (op->remote_count == 0)
		return err_set(err, -EINVAL, "checksum requires HTTP(S) or Git sources");
	if (op->remotes[0].git)
		return take_commit(&op->remotes[0], text, err);
	if (digest_parse(str_from(text), &digest, NULL) < 0)
		return bad_checksum(text, err);
	op->remotes[0].checksum = arena_text(s->arena, str_from(digest_text(&digest, plain)));
	return op->remotes[0].checksum ? 0 : staging_no_memory(err);
}

/* Sources of ADD that are URLs are no part of the context. */
static int split_sources(struct staging *s, const struct dockerfile_step *step, struct build_op *op,
			 struct err *err)
{
	struct image_texts all = op->sources;
	op->sources = (struct image_texts){ 0 };
	op->remotes = arena_array(s->arena, BUILD_REMOTES_MAX, sizeof(*op->remotes));
	if (!op->remotes)
		return staging_no_memory(err);
	for (uint32_t i = 0; i < all.count; i++) {
		struct str source = str_from(all.items[i]);
		bool git = step->kind == DOCKERFILE_KIND_ADD && git_source_is(source);
		bool remote = step->kind == DOCKERFILE_KIND_ADD && (git || is_http(source));
		int r = 0;
		if (remote && op->remote_count == BUILD_REMOTES_MAX)
			r = err_set(err, -EINVAL, "more than %d URLs", BUILD_REMOTES_MAX);
		else if (git)
			r = add_git(s, step, op, all.items[i], err);
		else if (remote)
			r = add_remote(s, op, all.items[i], err);
		else
			r = image_texts_add(s->arena, &op->sources, all.items[i], err);
		if (r < 0)
			return r;
	}
	op->unpack_remotes = step->unpack;
	return take_checksum(s, step, op, err);
}

/* Sources that are not in the build context. */
static int check_sources(const struct dockerfile_step *step, const struct build_op *op,
			 struct err *err)
{
	for (uint32_t i = 0; i < op->sources.count; i++) {
		struct str source = str_from(op->sources.items[i]);
		if (source.len >= PLAN_PATH_MAX)
			return err_set(err, -EINVAL, "a source is longer than %d bytes",
				       PLAN_PATH_MAX - 1);
		if (step->kind == DOCKERFILE_KIND_COPY && git_source_is(source))
			return err_set(err, -EINVAL, "source can't be a git ref for COPY");
		if (step->kind == DOCKERFILE_KIND_COPY && is_http(source))
			return err_set(err, -EINVAL, "source can't be a URL for COPY");
	}
	return 0;
}

int plan_remotes(struct staging *s, const struct dockerfile_step *step, struct build_op *op,
		 struct err *err)
{
	int r = split_sources(s, step, op, err);
	return r < 0 ? r : check_sources(step, op, err);
}
