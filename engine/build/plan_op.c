/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions that become operations: RUN, COPY, ADD, WORKDIR. Pure; runs in the api role. Must
 * never make an operation of what is not carried out: it is refused by its name here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/files_msg.h"
#include "engine/build/staging.h"
#include "engine/dockerfile/ignore.h"
#include "engine/http/url.h"
#include "lib/defence.h"
#include "lib/own.h"

enum { PLAN_PATH_MAX = 4096 };

int staging_no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "Dockerfile is too big");
}

int staging_expand(struct staging *s, const struct image_texts *words, struct image_texts *ret,
		   struct err *err)
{
	*ret = (struct image_texts){ 0 };
	for (uint32_t i = 0; i < words->count; i++) {
		const char *text = "";
		s->word = i;
		int r = scope_expand(&s->scope, words->items[i], &text, err);
		if (r == 0)
			r = image_texts_add(s->arena, ret, text, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A shell line as argv of the stage's SHELL; an exec form as it is. */
int staging_command(struct staging *s, const struct dockerfile_step *step, struct image_texts *ret,
		    struct err *err)
{
	*ret = (struct image_texts){ 0 };
	if (step->json) {
		*ret = step->words;
		return 0;
	}
	const struct image_texts *shell = &s->stage->image.shell;
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < shell->count; i++)
		r = image_texts_add(s->arena, ret, shell->items[i], err);
	if (r == 0 && shell->count == 0) {
		r = image_texts_add(s->arena, ret, "/bin/sh", err);
		if (r == 0)
			r = image_texts_add(s->arena, ret, "-c", err);
	}
	return r < 0 ? r : image_texts_add(s->arena, ret, step->words.items[0], err);
}

/* path below base, cleaned; a slash at the end of path stays. */
static const char *join_path(struct staging *s, const char *base, const char *path)
{
	struct buf out OWN(buf_done) = { 0 };
	struct str rest, part;
	bool slash = !*path || path[strlen(path) - 1] == '/' || strcmp(path, ".") == 0 ||
		     str_ends(str_from(path), STR("/.")) || strcmp(path, "..") == 0 ||
		     str_ends(str_from(path), STR("/.."));
	buf_init(&out, PLAN_PATH_MAX);
	const char *parts[2] = { *path == '/' ? "" : base, path };
	for (int i = 0; i < 2; i++) {
		rest = str_from(parts[i]);
		while (str_cut(&rest, '/', &part)) {
			if (part.len == 0 || str_is(part, "."))
				continue;
			if (str_is(part, "..")) {
				while (out.len > 0 && out.data[--out.len] != '/')
					;
				continue;
			}
			(void)buf_add_byte(&out, '/');
			(void)buf_add_str(&out, part);
		}
	}
	if (slash || out.len == 0)
		(void)buf_add_byte(&out, '/');
	return buf_error(&out) < 0 ? NULL : arena_text(s->arena, buf_str(&out));
}

static const char *current_dir(const struct staging *s)
{
	return *s->stage->image.workdir ? s->stage->image.workdir : "/";
}

/* The last component. */
static const char *staging_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* ---- operations ---- */

static struct build_op *op_new(struct staging *s, const struct dockerfile_step *step,
			       enum build_op_kind kind, struct err *err)
{
	struct build_stage *stage = s->stage;
	if (stage->op_count == s->room) {
		uint32_t room = s->room ? s->room * 2 : 16;
		struct build_op *ops = arena_array(s->arena, room, sizeof(*ops));
		if (!ops) {
			staging_no_memory(err);
			return NULL;
		}
		if (s->room)
			memcpy(ops, stage->ops, stage->op_count * sizeof(*ops));
		stage->ops = ops;
		s->room = room;
	}
	struct build_op *op = &stage->ops[stage->op_count++];
	*op = (struct build_op){
		.kind = kind,
		.line = step->line,
		.step = s->step_number,
		.history = stage->image.history_count, /* the entry that is added behind it */
		.title = step->text,
		.workdir = "",
		.user = "",
		.from = BUILD_CONTEXT,
		.dest = "",
		.chown = "",
		.chmod = "",
	};
	return op;
}

/* ---- RUN ---- */

/* A lone here-document is the script; one that starts with "#!" is a file that is run. Others are
 * the shell's to read: it gets them as they are written. */
static int run_heredocs(struct staging *s, const struct dockerfile_step *step, struct build_op *op,
			struct err *err)
{
	struct buf line OWN(buf_done) = { 0 };
	struct dockerfile_step plain = *step;
	const char *word = step->words.items[0], *items[1];
	const struct dockerfile_heredoc *doc = &step->heredocs[0];
	bool alone = step->heredoc_count == 1 && dockerfile_is_heredoc(word, s->arena);
	if (alone && strncmp(doc->data, "#!", 2) == 0) {
		op->files = arena_array(s->arena, 1, sizeof(*op->files));
		const char *path = arena_printf(s->arena, "/dev/pipes/%s", doc->name);
		if (!op->files || !path)
			return staging_no_memory(err);
		if (strchr(doc->name, '/') || str_starts(str_from(doc->name), STR(".")))
			return err_set(err, -EINVAL, "heredoc name %.60s is no file name",
				       doc->name);
		op->files[op->file_count++] = (struct build_file){ doc->name, doc->data };
		return image_texts_add(s->arena, &op->argv, path, err);
	}
	buf_init(&line, DOCKERFILE_BYTES_MAX * 2);
	(void)buf_add_text(&line, alone ? doc->data : word);
	for (uint32_t i = 0; !alone && i < step->heredoc_count; i++)
		(void)buf_printf(&line, "\n%s%s", step->heredocs[i].raw, step->heredocs[i].name);
	items[0] = arena_text(s->arena, buf_str(&line));
	if (buf_error(&line) < 0 || !items[0])
		return staging_no_memory(err);
	if (line.len >= IMAGE_TEXT_MAX)
		return err_set(err, -EINVAL, "a script is longer than %d KiB: COPY it and run it",
			       IMAGE_TEXT_MAX >> 10);
	plain.words = (struct image_texts){ items, 1 };
	return staging_command(s, &plain, &op->argv, err);
}

static int add_mount(struct staging *s, struct build_op *op, const struct dockerfile_mount *from,
		     int32_t stage, struct err *err)
{
	struct build_mount *mount = &op->mounts[op->mount_count];
	const char *name = dockerfile_mount_name(from->type), *target = from->target;
	*mount = (struct build_mount){
		.type = from->type,
		.sharing = from->sharing,
		.from = stage,
		.source = from->source,
		.id = from->id,
		.env = from->env,
		.read_only = from->read_only,
		.required = from->required,
		.mode = from->mode,
		.uid = from->uid,
		.gid = from->gid,
		.size_bytes = from->size_bytes,
	};
	if (stage <= BUILD_NAMED)
		return err_set(err, -ENOTSUP,
			       "RUN --mount from a named context that is a directory: COPY it");
	if (from->type == DOCKERFILE_MOUNT_SSH) {
		if (!*mount->id)
			mount->id = "default";
		if (!*target)
			target = arena_printf(s->arena, "/run/buildkit/ssh_agent.%u",
					      op->mount_count);
	} else if (from->type == DOCKERFILE_MOUNT_SECRET) {
		if (!*mount->id)
			mount->id = *from->source ? from->source : staging_base(target);
		if (!*target && !*from->env)
			target = arena_printf(s->arena, "/run/secrets/%s", staging_base(mount->id));
		if (!from->has_mode)
			mount->mode = 0400;
	} else if (from->type == DOCKERFILE_MOUNT_CACHE) {
		if (!*mount->id)
			mount->id = target;
		if (!from->has_mode)
			mount->mode = 0755;
	}
	if (target && *target)
		target = join_path(s, current_dir(s), target);
	if (!target || (*target && strcmp(target, "/") == 0))
		return err_set(err, -EINVAL, "invalid mount target \"%.60s\" for type=%s",
			       from->target, name);
	mount->target = target;
	op->mount_count++;
	return 0;
}

static int32_t use_of(const struct staging *s, uint32_t step, uint32_t mount)
{
	for (uint32_t i = 0; i < s->uses->count; i++)
		if (s->uses->items[i].step == step && s->uses->items[i].mount == mount)
			return s->uses->items[i].from;
	return BUILD_CONTEXT;
}

static int run_mounts(struct staging *s, const struct dockerfile_step *step, uint32_t index,
		      struct build_op *op, struct err *err)
{
	int r = 0;
	op->mounts = arena_array(s->arena, step->mounts.count + 1, sizeof(*op->mounts));
	if (!op->mounts)
		return staging_no_memory(err);
	for (uint32_t i = 0; r == 0 && i < step->mounts.count; i++) {
		struct dockerfile_mount mount;
		r = dockerfile_mount_parse(step->mounts.items[i], s->scope.escape, scope_lookup,
					   &s->scope, s->arena, &mount, err);
		if (r == 0)
			r = add_mount(s, op, &mount, use_of(s, index, i), err);
	}
	return r;
}

/* --build-arg HTTP_PROXY and its kin, unless the Dockerfile takes them up itself. */
static int run_proxy(struct staging *s, struct build_op *op, struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < s->inputs->args.count; i++) {
		const struct image_pair *arg = &s->inputs->args.items[i];
		if (scope_is_proxy(arg->key) && !image_env_get(&op->env, arg->key))
			r = image_env_set(s->arena, &op->proxy, arg->key, arg->value, err);
	}
	return r;
}

/* One policy for RUN's own --network and the build's: the machine's network has to be allowed. */
static int run_network(struct staging *s, const struct dockerfile_step *step, struct build_op *op,
		       struct err *err)
{
	const struct build_inputs *inputs = s->inputs;
	bool plain = !*step->network || strcmp(step->network, "default") == 0;
	bool none = plain ? inputs->network_none : strcmp(step->network, "none") == 0;
	bool host = plain ? inputs->network_host : strcmp(step->network, "host") == 0;
	op->network = none ? BUILD_NETWORK_NONE : host ? BUILD_NETWORK_HOST : BUILD_NETWORK_DEFAULT;
	if (op->network == BUILD_NETWORK_HOST && !inputs->host_allowed &&
	    defence_on(DEFENCE_C3_NETWORK))
		return err_set(err, -EPERM,
			       "RUN --network=host: network.host is not allowed: a build on the "
			       "machine itself may say --allow network.host");
	return 0;
}

int plan_run(struct staging *s, const struct dockerfile_step *step, uint32_t index, struct err *err)
{
	struct build_op *op = op_new(s, step, BUILD_OP_RUN, err);
	int r = !op			  ? -ENOMEM
		: step->heredoc_count > 0 ? run_heredocs(s, step, op, err)
					  : staging_command(s, step, &op->argv, err);
	if (r < 0)
		return r;
	op->env = s->stage->image.env;
	for (uint32_t i = 0; r == 0 && i < s->scope.args.count; i++) {
		const struct image_pair *arg = &s->scope.args.items[i];
		if (!image_env_get(&op->env, arg->key))
			r = image_env_set(s->arena, &op->env, arg->key, arg->value, err);
	}
	op->workdir = current_dir(s);
	op->user = s->stage->image.user;
	if (r == 0)
		r = run_network(s, step, op, err);
	if (r == 0)
		r = run_proxy(s, op, err);
	if (r == 0)
		r = run_mounts(s, step, index, op, err);
	return r;
}

/* ---- COPY and ADD ---- */

static bool is_git(struct str s)
{
	ptrdiff_t fragment = str_find(s, '#');
	struct str path = fragment < 0 ? s : str_head(s, (size_t)fragment);
	return str_starts(s, STR("git@")) || str_starts(s, STR("git://")) ||
	       str_starts(s, STR("ssh://")) || str_ends(path, STR(".git"));
}

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
	*remote = (struct build_remote){ url, remote_name(s, str_from(url)), "" };
	if (!remote->name)
		return err_set(err, -EINVAL, "the URL %.*s cannot be read",
			       STR_ARG(str_head(url_shown(str_from(url)), 100)));
	op->remote_count++;
	return 0;
}

/* "sha256:" and 64 lower case digits. */
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
		return err_set(err, -EINVAL,
			       "checksum can't be specified for sources that are not HTTP(S)");
	if (digest_parse(str_from(text), &digest, NULL) < 0)
		return err_set(err, -EINVAL,
			       "invalid checksum digest format %.100s: sha256 and 64 digits are "
			       "expected",
			       text);
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
		bool remote =
			step->kind == DOCKERFILE_KIND_ADD && is_http(source) && !is_git(source);
		int r = 0;
		if (remote && op->remote_count == BUILD_REMOTES_MAX)
			r = err_set(err, -EINVAL, "more than %d URLs", BUILD_REMOTES_MAX);
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
	char shown[100];
	for (uint32_t i = 0; i < op->sources.count; i++) {
		struct str source = str_from(op->sources.items[i]);
		(void)str_escape(source, shown, sizeof(shown));
		if (source.len >= PLAN_PATH_MAX)
			return err_set(err, -EINVAL, "a source is longer than %d bytes",
				       PLAN_PATH_MAX - 1);
		if (step->kind == DOCKERFILE_KIND_COPY && is_http(source))
			return err_set(err, -EINVAL, "source can't be a URL for COPY");
		if (step->kind == DOCKERFILE_KIND_ADD && is_git(source))
			return err_set(err, -ENOTSUP,
				       "ADD of a git repository is not supported here: clone %s "
				       "in a RUN step, or put it into the build context",
				       shown);
	}
	if (step->keep_git_dir)
		return err_set(err, -EINVAL, "keep-git-dir can only be used with git sources");
	return 0;
}

static int copy_files(struct staging *s, const struct dockerfile_step *step, struct build_op *op,
		      struct err *err)
{
	int r = 0;
	op->files = arena_array(s->arena, step->heredoc_count + 1, sizeof(*op->files));
	if (!op->files)
		return staging_no_memory(err);
	for (uint32_t i = 0; r == 0 && i < step->heredoc_count; i++) {
		const struct dockerfile_heredoc *doc = &step->heredocs[i];
		struct build_file *file = &op->files[op->file_count++];
		file->name = doc->name;
		file->data = doc->data;
		if (strchr(doc->name, '/') || strcmp(doc->name, ".") == 0 ||
		    strcmp(doc->name, "..") == 0 || strlen(doc->name) > 255)
			return err_set(err, -EINVAL, "heredoc name %.60s is no file name",
				       doc->name);
		if (doc->expand)
			r = dockerfile_expand_body(doc->data, scope_lookup, &s->scope, s->arena,
						   &file->data, err);
	}
	return r;
}

/* Patterns as the matcher wants them: clean, an exception with its '!'. */
static int copy_excludes(struct staging *s, const struct dockerfile_step *step, struct build_op *op,
			 struct err *err)
{
	if (step->excludes.count > FILES_EXCLUDES_MAX)
		return err_set(err, -EINVAL, "more than %d --exclude patterns", FILES_EXCLUDES_MAX);
	for (uint32_t i = 0; i < step->excludes.count; i++) {
		struct files_ignore item;
		const char *text = "";
		int r = scope_expand(&s->scope, step->excludes.items[i], &text, err);
		if (r == 0)
			r = ignore_pattern(str_from(text), s->arena, &item, err);
		if (r < 0)
			return err_prefix(err, "--exclude");
		if (r == 0)
			continue;
		text = arena_printf(s->arena, "%s%.*s", item.except ? "!" : "",
				    STR_ARG(item.pattern));
		r = text ? image_texts_add(s->arena, &op->excludes, text, err)
			 : staging_no_memory(err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_flags(struct staging *s, const struct dockerfile_step *step, struct build_op *op,
		      struct err *err)
{
	int r = scope_expand(&s->scope, step->chown, &op->chown, err);
	if (r == 0)
		r = scope_expand(&s->scope, step->chmod, &op->chmod, err);
	if (r == 0)
		r = copy_excludes(s, step, op, err);
	s->word = UINT32_MAX;
	op->link = step->link;
	op->parents = step->parents;
	op->unpack = step->kind == DOCKERFILE_KIND_ADD && !step->no_unpack;
	return r < 0 ? r : copy_files(s, step, op, err);
}

int plan_copy(struct staging *s, const struct dockerfile_step *step, uint32_t index,
	      struct err *err)
{
	struct build_op *op = op_new(s, step, BUILD_OP_COPY, err);
	struct image_texts words;
	if (!op)
		return -ENOMEM;
	op->from = use_of(s, index, UINT32_MAX);
	int r = staging_expand(s, &step->words, &words, err);
	if (r < 0)
		return r;
	op->sources = (struct image_texts){ words.items, words.count - 1 };
	op->dest = join_path(s, current_dir(s), words.items[words.count - 1]);
	if (!op->dest)
		return err_set(err, -EINVAL, "the destination is longer than %d bytes",
			       PLAN_PATH_MAX - 1);
	s->word = UINT32_MAX;
	r = copy_flags(s, step, op, err);
	if (r == 0)
		r = split_sources(s, step, op, err);
	if (r == 0)
		r = check_sources(step, op, err);
	if (r < 0)
		return r;
	if (op->sources.count + op->file_count + op->remote_count > 1 &&
	    !str_ends(str_from(op->dest), STR("/")))
		return err_set(err, -EINVAL,
			       "When using %s with more than one source file, the "
			       "destination must be a directory and end with a /",
			       dockerfile_kind_name(step->kind));
	return 0;
}

/* ---- WORKDIR ---- */

int plan_workdir(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	const char *path = "";
	int r = scope_expand(&s->scope, step->words.items[0], &path, err);
	if (r < 0)
		return r;
	if (!*path)
		return err_set(err, -EINVAL, "cannot normalize nothing: WORKDIR is empty");
	path = join_path(s, current_dir(s), path);
	if (!path)
		return err_set(err, -EINVAL, "WORKDIR is longer than %d bytes", PLAN_PATH_MAX - 1);
	size_t len = strlen(path);
	if (len > 1 && path[len - 1] == '/')
		path = arena_text(s->arena, str_make(path, len - 1));
	struct build_op *op = path ? op_new(s, step, BUILD_OP_DIR, err) : NULL;
	if (!op)
		return staging_no_memory(err);
	op->workdir = s->stage->image.workdir = path;
	op->user = s->stage->image.user;
	return 0;
}
