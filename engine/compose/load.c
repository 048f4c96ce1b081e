/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of an application as one: those that were named over each other, what they include and
 * extend, and their variables. Runs in the api role, on foreign text. Pure: a file that the request
 * does not hold is asked for. Must never name a file that no file names.
 */
#include <errno.h>
#include <string.h>
#include "engine/compose/compose.h"
#include "engine/compose/merge.h"
#include "lib/own.h"

enum { LOAD_DEPTH_MAX = 8 };

/* One application: the user's, or one that a file includes. */
struct project {
	struct compose *compose;
	const char *dir;
	const struct env *env;
	unsigned depth;
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no memory for a Compose file");
}

/* ---- paths and files ---- */

const char *compose_path(struct compose *compose, const struct yaml_source *source, struct str path)
{
	char whole[COMPOSE_PATH_MAX + 1] = "";
	struct str rest[2] = { str_from(source ? source->dir : ""), path }, part;
	size_t len = 0;

	if (path.len && path.ptr[0] == '/')
		rest[0].len = 0;
	for (unsigned i = 0; i < 2; i++)
		while (str_cut(&rest[i], '/', &part)) {
			if (!part.len || str_is(part, "."))
				continue;
			if (str_is(part, "..")) {
				while (len && whole[--len] != '/') {
				}
				continue;
			}
			if (len + part.len + 2 > sizeof(whole))
				return NULL;
			whole[len++] = '/';
			memcpy(whole + len, part.ptr, part.len);
			len += part.len;
		}
	return len ? arena_text(&compose->arena, str_make(whole, len)) : "/";
}

const struct compose_file *compose_find_file(struct compose *compose, const char *path,
					     struct err *err)
{
	for (uint32_t i = 0; i < compose->file_count; i++)
		if (!strcmp(compose->files[i].path, path))
			return &compose->files[i];
	for (uint32_t i = 0; i < compose->wanted_count; i++)
		if (!strcmp(compose->wanted[i], path))
			return NULL;
	if (compose->file_count + compose->wanted_count == COMPOSE_FILES_MAX)
		err_set(err, -E2BIG, "more than %d files", COMPOSE_FILES_MAX);
	else
		compose->wanted[compose->wanted_count++] = path;
	return NULL;
}

/* "/config/shop" of "/config/shop/compose.yaml" */
static const char *dir_of(struct compose *compose, const char *path)
{
	const char *slash = strrchr(path, '/');

	return arena_text(&compose->arena, str_make(path, slash ? (size_t)(slash - path) : 0));
}

/* A file is read once for each place that its paths and variables have. */
static struct yaml_source *source_find(const struct project *project, const char *path,
				       const char *dir)
{
	const struct compose *compose = project->compose;

	for (uint32_t i = 0; i < compose->source_count; i++) {
		struct yaml_source *source = compose->sources[i];

		if (source->env == project->env && !strcmp(source->path, path) &&
		    !strcmp(source->dir, dir))
			return source;
	}
	return NULL;
}

static struct yaml_source *source_new(const struct project *project, const char *path,
				      const char *dir, struct err *err)
{
	struct compose *compose = project->compose;
	struct yaml_source *source = arena_alloc(&compose->arena, sizeof(*source));

	if (compose->source_count == COMPOSE_FILES_MAX || !source) {
		err_set(err, -E2BIG, "more than %d files", COMPOSE_FILES_MAX);
		return NULL;
	}
	*source = (struct yaml_source){ path, dir, project->env, NULL, compose->source_count };
	compose->sources[compose->source_count++] = source;
	return source;
}

/* The top of a file, NULL while it is asked for: `at` says who names it. */
static int read_file(const struct project *project, const char *path, const char *dir,
		     struct yaml_place at, const struct yaml_node **ret_root, struct err *err)
{
	struct compose *compose = project->compose;
	const struct compose_file *file = compose_find_file(compose, path, err);
	struct yaml_source *source = dir ? source_find(project, path, dir) : NULL;
	int r;

	*ret_root = source ? source->root : NULL;
	if (!file || source || !dir)
		return dir ? err->code : no_memory(err);
	if (!file->there && at.line)
		return err_set(err, -ENOENT, "line %u: %s: %.*s", at.line, path,
			       STR_ARG(file->bytes));
	if (!file->there)
		return err_set(err, -ENOENT, "%s: %.*s", path, STR_ARG(file->bytes));
	source = source_new(project, path, dir, err);
	if (!source)
		return err->code;
	r = yaml_read(&compose->yaml, file->bytes, source, ret_root, err);
	if (r >= 0 && !yaml_is_map(*ret_root))
		r = err_set(err, -EINVAL, "this is no Compose file: no map at the top");
	if (r < 0 && source->number)
		return err_prefix(err, "%s", path);
	source->root = *ret_root;
	return r;
}

/* Variables of a .env file, which need not be there unless `at` names it. */
static int read_env(const struct project *project, struct env *env, const char *path,
		    struct yaml_place at, struct err *err)
{
	const struct compose_file *file = compose_find_file(project->compose, path, err);

	if (!file || (!file->there && !at.line))
		return err->code;
	if (!file->there)
		return err_set(err, -ENOENT, "line %u: %s: %.*s", at.line, path,
			       STR_ARG(file->bytes));
	return env_read(env, env->above, file->bytes, false, err) < 0 ? err_prefix(err, "%s", path)
								      : 0;
}

static struct env *env_new(struct compose *compose, const struct env *above)
{
	struct env *env = arena_alloc(&compose->arena, sizeof(*env));

	if (env)
		*env = (struct env){ .arena = &compose->arena, .above = above };
	return env;
}

/* A text with its variables; what is wrong with it is wrong with the file. */
static int plain_text(const struct project *project, const struct yaml_node *node,
		      const char **ret_text, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };
	struct str text;

	buf_init(&out, COMPOSE_PATH_MAX);
	if (!yaml_text(node, &text) || !text.len)
		return err_set(err, -EINVAL, "line %u: a text is expected", yaml_place(node).line);
	if (env_expand(project->env, text, &out, NULL, err) < 0)
		return err_prefix(err, "line %u", yaml_place(node).line);
	*ret_text = arena_text(&project->compose->arena, buf_str(&out));
	return *ret_text ? 0 : no_memory(err);
}

static int plain_path(const struct project *project, const struct yaml_node *node,
		      const char **ret_path, struct err *err)
{
	const char *text = "";
	int r = plain_text(project, node, &text, err);

	if (r < 0)
		return r;
	*ret_path = compose_path(project->compose, node->place.source, str_from(text));
	return *ret_path ? 0
			 : err_set(err, -EINVAL, "line %u: the path is too long", node->place.line);
}

/* ---- extends ---- */

static int extend(const struct project *project, const struct yaml_node *root, struct str name,
		  unsigned depth, const struct yaml_node **ret_service, struct err *err);

/* `extends: NAME` or {service: NAME, file: PATH}: the service of that, with what it extends. */
static int extended(const struct project *project, const struct yaml_node *root,
		    const struct yaml_node *extends, unsigned depth,
		    const struct yaml_node **ret_base, struct err *err)
{
	const struct yaml_node *name = extends, *file = NULL;
	const char *text = "", *path = "";
	int r = 0;

	if (yaml_is_map(extends)) {
		name = yaml_find(&extends->map, "service");
		file = yaml_find(&extends->map, "file");
	}
	r = name ? plain_text(project, name, &text, err)
		 : err_set(err, -EINVAL, "line %u: extends names no service", extends->place.line);
	if (r >= 0 && file && !yaml_is_null(file)) {
		r = plain_path(project, file, &path, err);
		if (r >= 0)
			r = read_file(project, path, dir_of(project->compose, path), file->place,
				      &root, err);
	}
	*ret_base = NULL;
	if (r < 0 || !root)
		return r;
	r = extend(project, root, str_from(text), depth + 1, ret_base, err);
	if (r >= 0 && !*ret_base && !project->compose->wanted_count)
		return err_set(err, -EINVAL, "line %u: extends: there is no service %s%s%s",
			       extends->place.line, text, *path ? " in " : "", path);
	return r;
}

/* A service of a file with what it extends below it; NULL: there is none, or a file is asked for.
 */
static int extend(const struct project *project, const struct yaml_node *root, struct str name,
		  unsigned depth, const struct yaml_node **ret_service, struct err *err)
{
	const struct yaml_node *services = yaml_find(&root->map, "services"), *base = NULL;
	const struct yaml_pair *pair =
		yaml_is_map(services) ? yaml_find_pair(&services->map, name) : NULL;
	const struct yaml_node *extends =
		pair && yaml_is_map(pair->value) ? yaml_find(&pair->value->map, "extends") : NULL;
	int r;

	*ret_service = pair ? pair->value : NULL;
	if (yaml_is_null(extends))
		return 0;
	if (depth > LOAD_DEPTH_MAX)
		return err_set(err, -ELOOP, "line %u: extends: a circle, or too deep",
			       extends->place.line);
	r = extended(project, root, extends, depth, &base, err);
	if (r < 0)
		return r;
	*ret_service = merge_without(&project->compose->yaml, pair->value, "extends", err);
	if (*ret_service && base)
		*ret_service = merge_service(&project->compose->yaml, base, *ret_service, err);
	return *ret_service ? 0 : err->code;
}

/* Every service of a file with what it extends. */
static int extend_all(const struct project *project, const struct yaml_node **root, struct err *err)
{
	struct compose *compose = project->compose;
	const struct yaml_node *services = yaml_find(&(*root)->map, "services");
	struct yaml_node *all, *top;
	bool any = false;
	int r = 0;

	for (uint32_t i = 0; yaml_is_map(services) && i < services->map.count; i++)
		any |= yaml_is_map(services->map.pairs[i].value) &&
		       yaml_find(&services->map.pairs[i].value->map, "extends");
	if (!any)
		return 0;
	all = yaml_make(&compose->yaml, YAML_KIND_MAP, services->place, services->map.count);
	top = yaml_make(&compose->yaml, YAML_KIND_MAP, (*root)->place, (*root)->map.count);
	if (!all || !top)
		return no_memory(err);
	for (uint32_t i = 0; r >= 0 && i < services->map.count; i++) {
		struct yaml_pair *pair = &all->map.pairs[all->map.count++];

		*pair = services->map.pairs[i];
		r = extend(project, *root, pair->key, 0, &pair->value, err);
	}
	for (uint32_t i = 0; i < (*root)->map.count; i++) {
		struct yaml_pair *pair = &top->map.pairs[top->map.count++];

		*pair = (*root)->map.pairs[i];
		if (pair->value == services)
			pair->value = all;
	}
	*root = top;
	return r;
}

/* ---- include ---- */

static int load_project(const struct project *project, const char *const *paths, uint32_t count,
			struct yaml_place at, const struct yaml_node **ret_root, struct err *err);

/* What is in both is in nobody's: Compose refuses it too. */
static int check_both(const struct yaml_node *mine, const struct yaml_node *theirs,
		      struct yaml_place at, struct err *err)
{
	static const char *const kinds[] = { "services", "networks", "volumes", "secrets",
					     "configs" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct yaml_node *a = yaml_find(&mine->map, kinds[i]);
		const struct yaml_node *b = yaml_find(&theirs->map, kinds[i]);

		for (uint32_t k = 0; yaml_is_map(a) && yaml_is_map(b) && k < b->map.count; k++) {
			struct str key = b->map.pairs[k].key;

			if (yaml_find_pair(&a->map, key) && !str_is(key, "default"))
				return err_set(err, -EINVAL,
					       "line %u: include: %s.%.*s is here and there",
					       at.line, kinds[i], STR_ARG(key));
		}
	}
	return 0;
}

/* A text, or each of a list, as paths. */
static int take_paths(const struct project *project, const struct yaml_node *node,
		      const char **paths, uint32_t *ret_count, struct err *err)
{
	bool list = yaml_is_list(node);
	int r = 0;

	*ret_count = 0;
	for (size_t i = 0; r >= 0 && (list ? yaml_item(node, i) != NULL : !i); i++) {
		if (*ret_count == COMPOSE_FILES_MAX)
			return err_set(err, -E2BIG, "more than %d files", COMPOSE_FILES_MAX);
		r = plain_path(project, list ? yaml_item(node, i) : node, &paths[*ret_count], err);
		*ret_count += r >= 0;
	}
	return r >= 0 && !*ret_count
		       ? err_set(err, -EINVAL, "line %u: no file is named", yaml_place(node).line)
		       : r;
}

/* One entry of `include`: a path, or {path, project_directory, env_file}. */
static int include_one(const struct project *project, const struct yaml_node *entry,
		       const struct yaml_node **ret_root, struct err *err)
{
	struct project inner = { project->compose, "", NULL, project->depth + 1 };
	const char *paths[COMPOSE_FILES_MAX], *envs[COMPOSE_FILES_MAX];
	const struct yaml_node *path = entry, *dir = NULL, *env_file = NULL;
	struct env *env = env_new(project->compose, project->env);
	uint32_t count = 0, env_count = 0;
	int r;

	if (yaml_is_map(entry)) {
		path = yaml_find(&entry->map, "path");
		dir = yaml_find(&entry->map, "project_directory");
		env_file = yaml_find(&entry->map, "env_file");
	}
	if (!env || inner.depth > LOAD_DEPTH_MAX)
		return err_set(err, -ELOOP, "line %u: include: a circle, or too deep",
			       entry->place.line);
	r = take_paths(project, path, paths, &count, err);
	if (r < 0)
		return r;
	inner.env = env;
	inner.dir = dir_of(project->compose, paths[0]);
	if (!yaml_is_null(dir))
		r = plain_path(project, dir, &inner.dir, err);
	if (r >= 0 && !inner.dir)
		r = no_memory(err);
	if (r >= 0 && !yaml_is_null(env_file))
		r = take_paths(project, env_file, envs, &env_count, err);
	for (uint32_t i = 0; r >= 0 && i < env_count; i++)
		r = read_env(&inner, env, envs[i], env_file->place, err);
	if (r >= 0 && !env_count)
		r = read_env(&inner, env,
			     compose_path(project->compose,
					  &(struct yaml_source){ .dir = inner.dir }, STR(".env")),
			     (struct yaml_place){ 0 }, err);
	return r < 0 ? r : load_project(&inner, paths, count, entry->place, ret_root, err);
}

static int include_all(const struct project *project, const struct yaml_node **root,
		       struct err *err)
{
	struct compose *compose = project->compose;
	const struct yaml_node *include = yaml_find(&(*root)->map, "include"), *other;
	int r = 0;

	if (yaml_is_null(include))
		return 0;
	if (!yaml_is_list(include))
		return err_set(err, -EINVAL, "line %u: include: a list is expected",
			       include->place.line);
	*root = merge_without(&compose->yaml, *root, "include", err);
	for (size_t i = 0; *root && r >= 0 && yaml_item(include, i); i++) {
		r = include_one(project, yaml_item(include, i), &other, err);
		if (r < 0 || !other)
			continue;
		r = check_both(*root, other, yaml_item(include, i)->place, err);
		if (r >= 0)
			*root = merge_file(&compose->yaml, *root, other, err);
	}
	return *root ? r : err->code;
}

/* ---- an application ---- */

/* The files of one over each other; NULL while some are asked for. */
static int load_project(const struct project *project, const char *const *paths, uint32_t count,
			struct yaml_place at, const struct yaml_node **ret_root, struct err *err)
{
	const struct yaml_node *all = NULL;

	*ret_root = NULL;
	for (uint32_t i = 0; i < count; i++) {
		const struct yaml_node *one;
		int r = read_file(project, paths[i], project->dir, at, &one, err);

		if (r >= 0 && one)
			r = extend_all(project, &one, err);
		if (r >= 0 && one)
			r = include_all(project, &one, err);
		if (r < 0)
			return r;
		if (one && all)
			one = merge_file(&project->compose->yaml, all, one, err);
		if (!one && err->code)
			return err->code;
		all = one ? one : all;
	}
	*ret_root = all;
	return 0;
}

/* The file that Compose lays over one of these names by itself; "" for others. */
static const char *override_of(struct compose *compose, const char *path)
{
	static const char *const names[][2] = {
		{ "compose.yaml", "compose.override.yaml" },
		{ "compose.yml", "compose.override.yml" },
		{ "docker-compose.yaml", "docker-compose.override.yaml" },
		{ "docker-compose.yml", "docker-compose.override.yml" },
	};
	const struct yaml_source source = { .dir = dir_of(compose, path) };
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; source.dir && slash && i < ARRAY_LEN(names); i++)
		if (!strcmp(slash + 1, names[i][0]))
			return compose_path(compose, &source, str_from(names[i][1]));
	return "";
}

static int take_request(struct compose *compose, struct str request, struct err *err)
{
	struct wire in;

	wire_init(&in, request.ptr, request.len);
	compose->named = wire_u32(&in);
	compose->file_count = wire_count(&in, COMPOSE_FILES_MAX);
	for (uint32_t i = 0; i < compose->file_count; i++) {
		struct compose_file *file = &compose->files[i];
		struct str path = wire_str(&in, COMPOSE_PATH_MAX);

		file->path = arena_text(&compose->arena, path);
		file->there = wire_bool(&in);
		file->bytes = wire_blob(&in, COMPOSE_BODY_MAX);
		if (!file->path)
			return no_memory(err);
		if (!str_starts(path, STR("/")))
			in.error = -EBADMSG;
	}
	if (wire_end(&in) < 0 || !compose->named || compose->named > compose->file_count)
		return err_set(err, -EBADMSG, "malformed request");
	return 0;
}

int compose_load(struct compose *compose, struct str request, const struct yaml_node **ret_root,
		 struct err *err)
{
	const char *paths[COMPOSE_FILES_MAX + 1], *over;
	struct project project = { .compose = compose };
	struct env *env = env_new(compose, NULL);
	const struct compose_file *file;
	struct yaml_source base;
	uint32_t count;
	int r = take_request(compose, request, err);

	if (r < 0 || !env)
		return r < 0 ? r : no_memory(err);
	for (count = 0; count < compose->named; count++)
		paths[count] = compose->files[count].path;
	project.env = env;
	project.dir = dir_of(compose, paths[0]);
	over = count == 1 ? override_of(compose, paths[0]) : "";
	if (!project.dir || !over)
		return no_memory(err);
	base = (struct yaml_source){ .dir = project.dir };
	file = *over ? compose_find_file(compose, over, err) : NULL;
	if (file && file->there)
		paths[count++] = over;
	over = compose_path(compose, &base, STR(".env"));
	r = over ? read_env(&project, env, over, (struct yaml_place){ 0 }, err) : no_memory(err);
	return r < 0 ? r
		     : load_project(&project, paths, count, (struct yaml_place){ 0 }, ret_root,
				    err);
}
