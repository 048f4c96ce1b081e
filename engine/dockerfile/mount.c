/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value of RUN --mount. Pure; runs in the api role. Must never let a key or value through that
 * is not in its tables: what comes out decides what a build step sees of the machine.
 */
#include "engine/dockerfile/mount.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/dockerfile/rules.h"
#include "lib/own.h"

static const char *const type_names[] = { "bind", "cache", "tmpfs", "secret", "ssh" };
static const char *const sharing_names[] = { "shared", "private", "locked" };

enum mount_key {
	MOUNT_KEY_TYPE,
	MOUNT_KEY_FROM,
	MOUNT_KEY_SOURCE,
	MOUNT_KEY_TARGET,
	MOUNT_KEY_READ_ONLY,
	MOUNT_KEY_READ_WRITE,
	MOUNT_KEY_REQUIRED,
	MOUNT_KEY_SIZE,
	MOUNT_KEY_ID,
	MOUNT_KEY_SHARING,
	MOUNT_KEY_MODE,
	MOUNT_KEY_UID,
	MOUNT_KEY_GID,
	MOUNT_KEY_ENV,
};

static const struct key {
	const char *name;
	enum mount_key key;
} keys[] = {
	{ "type", MOUNT_KEY_TYPE },
	{ "from", MOUNT_KEY_FROM },
	{ "source", MOUNT_KEY_SOURCE },
	{ "src", MOUNT_KEY_SOURCE },
	{ "target", MOUNT_KEY_TARGET },
	{ "dst", MOUNT_KEY_TARGET },
	{ "destination", MOUNT_KEY_TARGET },
	{ "readonly", MOUNT_KEY_READ_ONLY },
	{ "ro", MOUNT_KEY_READ_ONLY },
	{ "readwrite", MOUNT_KEY_READ_WRITE },
	{ "rw", MOUNT_KEY_READ_WRITE },
	{ "required", MOUNT_KEY_REQUIRED },
	{ "size", MOUNT_KEY_SIZE },
	{ "id", MOUNT_KEY_ID },
	{ "sharing", MOUNT_KEY_SHARING },
	{ "mode", MOUNT_KEY_MODE },
	{ "uid", MOUNT_KEY_UID },
	{ "gid", MOUNT_KEY_GID },
	{ "env", MOUNT_KEY_ENV },
};

struct parsing {
	struct dockerfile_mount *mount;
	struct str name; /* the key as written */
	const char *value;
	bool access_set, sharing_set;
};

static bool is_bool(const char *value, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
			*ret = strcmp(value, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

static int bad_value(const struct parsing *p, const char *fmt, struct err *err)
{
	char shown[80];
	(void)str_escape(str_from(p->value), shown, sizeof(shown));
	return err_set(err, -EINVAL, "invalid value for %.*s: %s%s", STR_ARG(p->name), shown, fmt);
}

/* BuildKit words these the other way round. */
static int bad_number(const struct parsing *p, const char *wanted, struct err *err)
{
	char shown[80];
	(void)str_escape(str_from(p->value), shown, sizeof(shown));
	return err_set(err, -EINVAL, "invalid value %s for %.*s (%s expected)", shown,
		       STR_ARG(p->name), wanted);
}

static int set_bool(const struct parsing *p, bool *ret, struct err *err)
{
	return is_bool(p->value, ret) ? 0 : bad_value(p, "", err);
}

static int set_number(const struct parsing *p, bool *ret_has, uint32_t *ret, struct err *err)
{
	uint64_t value = 0;
	if (str_to_u64(str_from(p->value), 0, UINT32_MAX - 1, &value) < 0)
		return bad_number(p, "a number is", err);
	*ret_has = true;
	*ret = (uint32_t)value;
	return 0;
}

static int set_mode(const struct parsing *p, struct err *err)
{
	uint32_t mode = 0;
	for (const char *c = p->value; *c; c++) {
		if (*c < '0' || *c > '7' || mode > 0777)
			return bad_number(p, "octal digits such as 0755 are", err);
		mode = mode * 8 + (uint32_t)(*c - '0');
	}
	if (!*p->value)
		return bad_number(p, "octal digits such as 0755 are", err);
	p->mount->has_mode = true;
	p->mount->mode = mode;
	return 0;
}

static int set_name(const struct parsing *p, const char *what, const char *const *names,
		    uint32_t count, unsigned *ret, struct err *err)
{
	char shown[80];
	for (size_t i = 0; i < count; i++) {
		if (str_is_nocase(str_from(p->value), names[i])) {
			*ret = (unsigned)i;
			return 0;
		}
	}
	const char *near = dockerfile_nearest(str_from(p->value), names, count);
	(void)str_escape(str_from(p->value), shown, sizeof(shown));
	return err_set(err, -EINVAL, "unsupported %s \"%s\"%s%s%s", what, shown,
		       near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static int only_for(const struct parsing *p, bool good, struct err *err)
{
	if (good)
		return 0;
	return err_set(err, -EINVAL, "unexpected key '%.*s' for mount type '%s'", STR_ARG(p->name),
		       type_names[p->mount->type]);
}

static int set_access(struct parsing *p, bool read_only, struct err *err)
{
	bool given = false;
	int r = set_bool(p, &given, err);
	p->mount->read_only = given == read_only;
	p->access_set = true;
	return r;
}

static int set_size(const struct parsing *p, struct err *err)
{
	if (str_to_size(str_from(p->value), INT64_MAX, &p->mount->size_bytes) < 0)
		return bad_value(p, " (a size such as 64m is expected)", err);
	return 0;
}

static int set_key(struct parsing *p, enum mount_key key, struct err *err)
{
	struct dockerfile_mount *mount = p->mount;
	unsigned index = 0;
	int r = 0;
	switch (key) {
	case MOUNT_KEY_TYPE:
		r = set_name(p, "mount type", type_names, ARRAY_LEN(type_names), &index, err);
		mount->type = (enum dockerfile_mount_type)index;
		return r;
	case MOUNT_KEY_SHARING:
		r = set_name(p, "sharing value", sharing_names, ARRAY_LEN(sharing_names), &index,
			     err);
		mount->sharing = (enum dockerfile_sharing)index;
		p->sharing_set = true;
		return r;
	case MOUNT_KEY_FROM:
		mount->from = p->value;
		return 0;
	case MOUNT_KEY_SOURCE:
		mount->source = p->value;
		return 0;
	case MOUNT_KEY_TARGET:
		mount->target = p->value;
		return 0;
	case MOUNT_KEY_ID:
		mount->id = p->value;
		return 0;
	case MOUNT_KEY_ENV:
		mount->env = p->value;
		return only_for(p, mount->type == DOCKERFILE_MOUNT_SECRET, err);
	case MOUNT_KEY_READ_ONLY:
		return set_access(p, true, err);
	case MOUNT_KEY_READ_WRITE:
		return set_access(p, false, err);
	case MOUNT_KEY_REQUIRED:
		r = only_for(p,
			     mount->type == DOCKERFILE_MOUNT_SECRET ||
				     mount->type == DOCKERFILE_MOUNT_SSH,
			     err);
		return r < 0 ? r : set_bool(p, &mount->required, err);
	case MOUNT_KEY_SIZE:
		r = only_for(p, mount->type == DOCKERFILE_MOUNT_TMPFS, err);
		return r < 0 ? r : set_size(p, err);
	case MOUNT_KEY_MODE:
		return set_mode(p, err);
	case MOUNT_KEY_UID:
		return set_number(p, &mount->has_uid, &mount->uid, err);
	case MOUNT_KEY_GID:
		return set_number(p, &mount->has_gid, &mount->gid, err);
	}
	return -EINVAL;
}

static const struct key *find_key(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (str_is_nocase(name, keys[i].name))
			return &keys[i];
	return NULL;
}

static int unknown_key(struct str name, struct str field, struct err *err)
{
	const char *names[ARRAY_LEN(keys)];
	char shown[60], whole[80];
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		names[i] = keys[i].name;
	const char *near = dockerfile_nearest(name, names, ARRAY_LEN(names));
	(void)str_escape(name, shown, sizeof(shown));
	(void)str_escape(field, whole, sizeof(whole));
	return err_set(err, -EINVAL, "unexpected key '%s' in '%s'%s%s%s", shown, whole,
		       near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static int no_pair(struct str field, struct err *err)
{
	char shown[80];
	(void)str_escape(field, shown, sizeof(shown));
	return err_set(err, -EINVAL, "invalid field '%s' must be a key=value pair", shown);
}

static bool stands_alone(enum mount_key key)
{
	return key == MOUNT_KEY_READ_ONLY || key == MOUNT_KEY_READ_WRITE ||
	       key == MOUNT_KEY_REQUIRED;
}

/* What belongs to the whole of it. */
static int check(struct parsing *p, struct err *err)
{
	struct dockerfile_mount *mount = p->mount;
	const char *name = type_names[mount->type];
	bool owned = mount->type == DOCKERFILE_MOUNT_SECRET ||
		     mount->type == DOCKERFILE_MOUNT_SSH || mount->type == DOCKERFILE_MOUNT_CACHE;
	if (!owned && (mount->has_mode || mount->has_uid || mount->has_gid))
		return err_set(err, -EINVAL, "%s not allowed for \"%s\" type mounts",
			       mount->has_mode	? "mode"
			       : mount->has_uid ? "uid"
						: "gid",
			       name);
	if (!p->access_set)
		mount->read_only = mount->type != DOCKERFILE_MOUNT_CACHE &&
				   mount->type != DOCKERFILE_MOUNT_TMPFS;
	if (mount->type == DOCKERFILE_MOUNT_SSH && *mount->source)
		return err_set(err, -EINVAL, "ssh does not support source");
	if (mount->type == DOCKERFILE_MOUNT_SECRET && *mount->from)
		return err_set(err, -EINVAL, "secret mount should not have a from");
	if (mount->type == DOCKERFILE_MOUNT_SECRET && p->sharing_set)
		return err_set(err, -EINVAL, "secret mount should not define sharing");
	if (mount->type == DOCKERFILE_MOUNT_SECRET && !*mount->source && !*mount->target &&
	    !*mount->id)
		return err_set(err, -EINVAL,
			       "invalid secret mount. one of source, target required");
	if (mount->type == DOCKERFILE_MOUNT_SECRET && *mount->source && *mount->id)
		return err_set(err, -EINVAL, "both source and id can't be set");
	if (p->sharing_set && mount->type != DOCKERFILE_MOUNT_CACHE)
		return err_set(err, -EINVAL, "invalid cache sharing set for %s mount", name);
	return 0;
}

int dockerfile_mount_parse(const char *text, char escape, dockerfile_lookup_fn *lookup,
			   const void *owner, struct arena *arena,
			   struct dockerfile_mount *ret_mount, struct err *err)
{
	struct dockerfile_mount mount = {
		.from = "", .source = "", .target = "", .id = "", .env = ""
	};
	struct parsing p = { .mount = &mount };
	struct str rest = str_from(text), field;
	bool deferred = !lookup && strchr(text, '$');
	while (str_cut(&rest, ',', &field)) {
		ptrdiff_t equals = str_find(field, '=');
		p.name = equals < 0 ? field : str_head(field, (size_t)equals);
		const struct key *key = find_key(p.name);
		if (equals < 0 && (!key || !stands_alone(key->key)))
			return no_pair(field, err);
		if (!key)
			return unknown_key(p.name, field, err);
		p.value = equals < 0 ? "true"
				     : arena_text(arena, str_skip(field, (size_t)equals + 1));
		if (!p.value)
			return err_set(err, -ENOMEM, "Dockerfile is too big");
		const char *dollar = strchr(p.value, '$');
		if (dollar && key->key == MOUNT_KEY_FROM && dollar[1])
			return err_set(err, -EINVAL,
				       "'from' doesn't support variable expansion, define alias "
				       "stage instead");
		if (deferred && key->key != MOUNT_KEY_FROM)
			continue;
		int r = !lookup || key->key == MOUNT_KEY_FROM
				? 0
				: dockerfile_expand(p.value, escape, lookup, owner, arena, &p.value,
						    err);
		if (r == 0)
			r = set_key(&p, key->key, err);
		if (r < 0)
			return r;
	}
	int r = deferred ? 0 : check(&p, err);
	*ret_mount = mount;
	return r;
}
