/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How repositories are named in Dockerfiles and as contexts. Pure; runs in the api role and in
 * engine main. Must never let a login through: it would stand in the image's history.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "engine/git/git.h"
#include "lib/own.h"

static const struct str schemes[] = { { "https://", 8 }, { "http://", 7 }, { "git://", 6 } };

/* Without what stands behind '#', or else '?'. */
static struct str bare(struct str text)
{
	ptrdiff_t at = str_find(text, '#');

	if (at >= 0)
		text = str_head(text, (size_t)at);
	at = str_find(text, '?');
	return at < 0 ? text : str_head(text, (size_t)at);
}

/* "user@host:path", as scp has it. */
static bool is_scp(struct str text)
{
	size_t i = 0;

	while (i < text.len && (isalnum((unsigned char)text.ptr[i]) || strchr("._-", text.ptr[i])))
		i++;
	if (i == 0 || i == text.len || text.ptr[i] != '@')
		return false;
	for (i++; i < text.len && text.ptr[i] != ':'; i++)
		if (text.ptr[i] == '/')
			return false;
	return i + 1 < text.len;
}

static bool is_ssh(struct str text)
{
	return str_starts(text, STR("ssh://")) || is_scp(text);
}

bool git_source_is(struct str text)
{
	if (str_starts(text, STR("git://")) || is_ssh(text))
		return true;
	return (str_starts(text, STR("https://")) || str_starts(text, STR("http://"))) &&
	       str_ends(bare(text), STR(".git"));
}

bool git_source_is_context(struct str text)
{
	return git_source_is(text) || str_starts(text, STR("github.com/"));
}

bool git_is_oid(struct str text)
{
	if (text.len != GIT_OID_TEXT - 1)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!isxdigit((unsigned char)text.ptr[i]))
			return false;
	return true;
}

/* What git itself refuses in names (git-check-ref-format(1)), and what pkt-lines could not carry.
 */
static int check_ref(struct str ref, struct err *err)
{
	bool good = ref.len < GIT_REF_MAX - 16 && !str_starts(ref, STR("-")) &&
		    !str_starts(ref, STR("/")) && !str_ends(ref, STR("/")) &&
		    !str_ends(ref, STR(".lock"));

	for (size_t i = 0; good && i < ref.len; i++) {
		unsigned char c = (unsigned char)ref.ptr[i];
		char before = i > 0 ? ref.ptr[i - 1] : '/';

		good = c > ' ' && c != 127 && !strchr("~^:?*[\\", c) &&
		       !(c == '.' && (before == '.' || before == '/')) &&
		       !(c == '/' && before == '/');
	}
	return good ? 0
		    : err_set(err, -EINVAL, "invalid git reference \"%.*s\"",
			      STR_ARG(str_head(ref, 100)));
}

/* Clean, without a slash at either end. */
static int clean_subdir(struct str text, struct arena *arena, const char **ret, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };
	struct str part;

	buf_init(&out, 4096);
	while (str_cut(&text, '/', &part)) {
		if (part.len == 0 || str_is(part, "."))
			continue;
		if (str_is(part, ".."))
			return err_set(err, -EINVAL, "a subdirectory leads out of the repository");
		if (out.len > 0)
			(void)buf_add_byte(&out, '/');
		(void)buf_add_str(&out, part);
	}
	*ret = buf_error(&out) ? NULL : arena_text(arena, buf_str(&out));
	return *ret ? 0 : err_set(err, -EINVAL, "the subdirectory's name is too long");
}

static int take_fragment(struct str text, struct arena *arena, struct git_source *s,
			 struct err *err)
{
	struct str ref;
	int r;

	(void)str_cut(&text, ':', &ref);
	r = check_ref(ref, err);
	s->ref = arena_text(arena, ref);
	return r < 0 ? r : clean_subdir(text, arena, &s->subdir, err);
}

static int take_bool(struct str value, bool *ret, struct err *err)
{
	if (value.len == 0 || str_is(value, "1") || str_is_nocase(value, "true"))
		*ret = true;
	else if (str_is(value, "0") || str_is_nocase(value, "false"))
		*ret = false;
	else
		return err_set(err, -EINVAL, "invalid value \"%.*s\": true or false is expected",
			       STR_ARG(str_head(value, 40)));
	return 0;
}

static int take_name(struct str value, const char *front, struct arena *arena, struct git_source *s,
		     struct err *err)
{
	int r = check_ref(value, err);

	if (r == 0 && *s->ref)
		r = err_set(err, -EINVAL, "a repository's ref, branch and tag exclude each other");
	s->ref = arena_printf(arena, "%s%.*s", front, STR_ARG(value));
	return r;
}

static int take_checksum(struct str value, struct arena *arena, struct git_source *s,
			 struct err *err)
{
	for (size_t i = 0; i < value.len; i++)
		if (!isxdigit((unsigned char)value.ptr[i]))
			value.len = 0;
	if (value.len == 0 || value.len >= GIT_OID_TEXT)
		return err_set(err, -EINVAL,
			       "invalid checksum: the digits of a commit are expected");
	s->checksum = arena_text(arena, value);
	return 0;
}

static int take_pair(struct str key, struct str value, struct arena *arena, struct git_source *s,
		     struct err *err)
{
	bool submodules = true;
	int r;

	if (str_is(key, "ref"))
		return take_name(value, "", arena, s, err);
	if (str_is(key, "branch"))
		return take_name(value, "refs/heads/", arena, s, err);
	if (str_is(key, "tag"))
		return take_name(value, "refs/tags/", arena, s, err);
	if (str_is(key, "subdir"))
		return clean_subdir(value, arena, &s->subdir, err);
	if (str_is(key, "checksum") || str_is(key, "commit"))
		return take_checksum(value, arena, s, err);
	if (str_is(key, "keep-git-dir")) {
		s->keep_said = true;
		return take_bool(value, &s->keep, err);
	}
	if (!str_is(key, "submodules"))
		return err_set(err, -EINVAL, "unexpected query \"%.*s\"",
			       STR_ARG(str_head(key, 40)));
	r = take_bool(value, &submodules, err);
	s->no_submodules = !submodules;
	return r;
}

static int take_query(struct str query, struct arena *arena, struct git_source *s, struct err *err)
{
	struct str pair, key;
	int r = 0;

	while (r == 0 && str_cut(&query, '&', &pair)) {
		if (pair.len == 0)
			continue;
		(void)str_cut(&pair, '=', &key);
		r = take_pair(key, pair, arena, s, err);
	}
	return r;
}

/* Host and path, without a login, and no byte that a configuration file could misread. */
static int check_remote(struct str remote, struct err *err)
{
	struct str rest = remote, host;
	size_t known = 0;

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (str_starts(remote, schemes[i]))
			known = schemes[i].len;
	rest = str_skip(remote, known);
	(void)str_cut(&rest, '/', &host);
	if (str_find(host, '@') >= 0)
		return err_set(err, -EINVAL,
			       "a URL with a login would stand in the image's history: give the "
			       "secret GIT_AUTH_TOKEN");
	for (size_t i = 0; i < remote.len; i++)
		if ((unsigned char)remote.ptr[i] <= ' ' || strchr("\"\\;\177", remote.ptr[i]))
			known = 0;
	return known && host.len > 0 && rest.len > 0 && remote.len < GIT_URL_MAX
		       ? 0
		       : err_set(err, -EINVAL, "%.*s is no address of a git repository",
				 STR_ARG(str_head(remote, 100)));
}

int git_source_parse(struct str text, struct arena *arena, struct git_source *ret, struct err *err)
{
	struct git_source s = { .ref = "", .subdir = "", .checksum = "" };
	struct str remote = bare(text), rest = str_skip(text, remote.len), query = { 0 };
	int r;

	if (is_ssh(text))
		return err_set(err, -ENOTSUP,
			       "git over ssh is not supported here: use https, with the secret "
			       "GIT_AUTH_TOKEN where it asks for a login");
	r = check_remote(remote, err);
	if (rest.len > 0 && rest.ptr[0] == '?') {
		rest = str_skip(rest, 1);
		(void)str_cut(&rest, '#', &query);
	} else if (rest.len > 0) {
		rest = str_skip(rest, 1);
	}
	if (r == 0 && rest.len > 0)
		r = take_fragment(rest, arena, &s, err);
	if (r == 0)
		r = take_query(query, arena, &s, err);
	s.remote = arena_text(arena, remote);
	if (r == 0 && (!s.remote || !s.ref || !s.subdir || !s.checksum))
		r = err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		*ret = s;
	return r;
}

int git_source_join(const char *remote, struct str url, char dst[GIT_URL_MAX], struct err *err)
{
	struct str base = str_from(remote), rest = url, part;
	struct buf out OWN(buf_done) = { 0 };
	size_t floor;

	buf_init(&out, GIT_URL_MAX - 1);
	if (!str_starts(url, STR("./")) && !str_starts(url, STR("../"))) {
		(void)buf_add_str(&out, url);
	} else {
		while (str_ends(base, STR("/")))
			base.len--;
		floor = (size_t)(strstr(remote, "://") ? strstr(remote, "://") + 3 - remote : 0);
		floor += (size_t)(strchr(remote + floor, '/')
					  ? strchr(remote + floor, '/') - (remote + floor)
					  : 0);
		while (str_cut(&rest, '/', &part)) {
			if (str_is(part, "."))
				continue;
			if (!str_is(part, "..")) {
				rest = str_make(part.ptr, (size_t)(url.ptr + url.len - part.ptr));
				break;
			}
			while (base.len > floor && base.ptr[--base.len] != '/')
				;
		}
		(void)buf_add_str(&out, base);
		(void)buf_add_byte(&out, '/');
		(void)buf_add_str(&out, rest);
	}
	if (buf_error(&out) || str_copy(buf_str(&out), dst, GIT_URL_MAX) < 0)
		return err_set(err, -EINVAL, "a submodule's URL is too long");
	if (is_ssh(str_from(dst)))
		return err_set(err, -ENOTSUP, "a submodule over ssh is not supported here");
	return check_remote(str_from(dst), err);
}
