/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions that become operations: RUN, COPY, ADD, WORKDIR. Pure; runs in the api role. Must
 * never make an operation of what is not carried out: it is refused by its name here.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/files_msg.h"
#include "engine/build/staging.h"
#include "engine/dockerfile/ignore.h"
#include "lib/defence.h"
#include "lib/own.h"

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
	if (!base)
		return NULL;
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

/* What the image says may be as it was written: "/a//b/". NULL: no memory, or too long. */
static const char *current_dir(struct staging *s)
{
	const char *path = join_path(s, "/", s->stage->image.workdir);
	size_t len = path ? strlen(path) : 0;
	return len > 1 && path[len - 1] == '/' ? arena_text(s->arena, str_make(path, len - 1))
					       : path;
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
		.hostname = "",
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
		items[0] = path;
		plain.words = (struct image_texts){ items, 1 };
		return staging_command(s, &plain, &op->argv, err);
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

/* The same, without a slash at its end. */
static const char *clean_path(struct staging *s, const char *base, const char *path)
{
	const char *joined = join_path(s, base, path);
	size_t len = joined ? strlen(joined) : 0;
	return len > 1 && joined[len - 1] == '/'
		       ? arena_text(s->arena, str_head(str_from(joined), len - 1))
		       : joined;
}

/* Sockets are counted for themselves. */
static uint32_t agents_before(const struct build_op *op)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < op->mount_count; i++)
		count += op->mounts[i].type == DOCKERFILE_MOUNT_SSH;
	return count;
}

static int add_mount(struct staging *s, struct build_op *op, const struct dockerfile_mount *from,
		     int32_t stage, struct err *err)
{
	struct build_mount *mount = &op->mounts[op->mount_count];
	const char *target = from->target;
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
	if (from->type == DOCKERFILE_MOUNT_SSH) {
		if (!*mount->id)
			mount->id = "default";
		if (!*target)
			target = arena_printf(s->arena, "/run/buildkit/ssh_agent.%u",
					      agents_before(op));
		if (!from->has_mode)
			mount->mode = from->has_uid || from->has_gid ? 0600 : 0666;
	} else if (from->type == DOCKERFILE_MOUNT_SECRET) {
		if (!*mount->id)
			mount->id = *from->source ? from->source : staging_base(target);
		if (!*target && !*from->env)
			target = arena_printf(s->arena, "/run/secrets/%s", staging_base(mount->id));
		if (!from->has_mode)
			mount->mode = 0400;
	} else if (from->type == DOCKERFILE_MOUNT_CACHE) {
		if (!*mount->id)
			mount->id = *target == '/' ? clean_path(s, "/", target)
				    : *target	   ? target
						   : ".";
		if (!from->has_mode)
			mount->mode = 0755;
	}
	/* Without one it is the working directory; a secret may be in the environment alone. */
	if (target && (*target || from->type != DOCKERFILE_MOUNT_SECRET))
		target = clean_path(s, current_dir(s), target);
	if (!target || !mount->id || strcmp(target, "/") == 0)
		return err_set(err, -EINVAL, "invalid mount target \"%.60s\"",
			       target ? target : "");
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

static int add_proxy(struct staging *s, struct build_op *op, const struct image_pair *arg,
		     bool upper, struct err *err)
{
	char *name = arena_text(s->arena, str_from(arg->key));
	if (!name)
		return staging_no_memory(err);
	for (char *c = name; *c; c++)
		*c = (char)(upper ? toupper((unsigned char)*c) : tolower((unsigned char)*c));
	return image_env_get(&op->env, name)
		       ? 0
		       : image_env_set(s->arena, &op->proxy, name, arg->value, err);
}

/* --build-arg HTTP_PROXY and its kin in both spellings, unless the Dockerfile takes them up itself.
 */
static int run_proxy(struct staging *s, struct build_op *op, struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < s->inputs->args.count; i++) {
		const struct image_pair *arg = &s->inputs->args.items[i];
		if (!scope_is_proxy(arg->key))
			continue;
		r = add_proxy(s, op, arg, true, err);
		if (r == 0)
			r = add_proxy(s, op, arg, false, err);
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

/* What BuildKit calls its sandbox by. */
static int run_hostname(struct staging *s, struct build_op *op, struct err *err)
{
	for (uint32_t i = 0; i < s->inputs->args.count; i++)
		if (!strcmp(s->inputs->args.items[i].key, "BUILDKIT_SANDBOX_HOSTNAME"))
			op->hostname = s->inputs->args.items[i].value;
	for (const char *c = op->hostname; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-.", *c))
			return err_set(err, -EINVAL, "BUILDKIT_SANDBOX_HOSTNAME is no host's name");
	return strlen(op->hostname) > 63
		       ? err_set(err, -EINVAL, "BUILDKIT_SANDBOX_HOSTNAME is over 63 bytes")
		       : 0;
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
		if (str_starts(str_from(arg->key), STR("BUILDKIT_SBOM_SCAN_")))
			continue; /* for tools that look at the image, as at BuildKit */
		if (!image_env_get(&op->env, arg->key) || scope_is_later(&s->scope, arg->key))
			r = image_env_set(s->arena, &op->env, arg->key, arg->value, err);
	}
	op->workdir = current_dir(s);
	if (!op->workdir)
		return err_set(err, -EINVAL, "WORKDIR is longer than %d bytes", PLAN_PATH_MAX - 1);
	op->user = s->stage->image.user;
	if (r == 0)
		r = run_hostname(s, op, err);
	if (r == 0)
		r = run_network(s, step, op, err);
	if (r == 0)
		r = run_proxy(s, op, err);
	if (r == 0)
		r = run_mounts(s, step, index, op, err);
	return r;
}

/* ---- COPY and ADD ---- */

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

/* "u=rwX,go=rX": classes, then signs and letters. What they come to is the files role's. */
static bool are_clauses(struct str text)
{
	struct str clause;
	if (str_ends(text, STR(",")))
		return false;
	while (str_cut(&text, ',', &clause)) {
		size_t at = 0;
		while (at < clause.len && memchr("ugoa", clause.ptr[at], 4))
			at++;
		if (at == clause.len || !memchr("+-=", clause.ptr[at], 3))
			return false;
		while (at < clause.len && memchr("+-=rwxXstugo", clause.ptr[at], 12))
			at++;
		if (at < clause.len)
			return false;
	}
	return true;
}

static int check_chmod(const char *chmod, struct err *err)
{
	char shown[80];
	const size_t digits = strspn(chmod, "01234567");
	const size_t zeros = strspn(chmod, "0");
	bool letters = chmod[0] < '0' || chmod[0] > '9';
	if (!*chmod ||
	    (letters ? are_clauses(str_from(chmod)) : !chmod[digits] && digits <= zeros + 4))
		return 0;
	(void)str_escape(str_from(chmod), shown, sizeof(shown));
	return err_set(err, -EINVAL,
		       letters ? "invalid syntax of --chmod '%s': octal digits such as 0755, or "
				 "clauses such as u=rwX,go=rX are expected"
			       : "invalid chmod parameter: '%s'. it should be octal string and "
				 "between 0 and 07777",
		       shown);
}

static int copy_flags(struct staging *s, const struct dockerfile_step *step, struct build_op *op,
		      struct err *err)
{
	int r = scope_expand(&s->scope, step->chown, &op->chown, err);
	if (r == 0)
		r = scope_expand(&s->scope, step->chmod, &op->chmod, err);
	if (r == 0)
		r = check_chmod(op->chmod, err);
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
	return r < 0 ? r : plan_remotes(s, step, op, err);
}

int plan_copy_context(struct staging *s, const struct dockerfile_step *from, struct err *err)
{
	struct build_op *op = op_new(s, from, BUILD_OP_COPY, err);
	if (!op)
		return -ENOMEM;
	op->from = s->stage->base_context;
	op->dest = "/";
	return image_texts_add(s->arena, &op->sources, "/", err);
}

/* ---- WORKDIR ---- */

int plan_workdir(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	const char *path = "";
	int r = scope_expand(&s->scope, step->words.items[0], &path, err);
	if (r < 0)
		return r;
	struct image *image = &s->stage->image;
	const char *before = current_dir(s), *clean = NULL;
	if (before)
		clean = join_path(s, before, *path ? path : before);
	if (!clean)
		return err_set(err, -EINVAL, "WORKDIR is longer than %d bytes", PLAN_PATH_MAX - 1);
	/* An absolute path stands in the image as it was written; a relative one is joined. */
	if (*path || !*image->workdir) /* nothing at all changes nothing */
		image->workdir = *path == '/' ? path : clean;
	clean = current_dir(s);
	if (clean && *path && *path != '/')
		image->workdir = clean;
	if (clean && strcmp(clean, "/") == 0)
		return 0; /* it is always there */
	struct build_op *op = clean ? op_new(s, step, BUILD_OP_DIR, err) : NULL;
	if (!op)
		return staging_no_memory(err);
	op->workdir = clean;
	op->user = s->stage->image.user;
	return 0;
}
