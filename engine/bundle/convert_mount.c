/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the mount options of config.md and what each of them means to engine/run. Runs in hoy-oci's
 * sandboxed parser; pure. It must never drop an option in silence: what is no flag goes to the file
 * system as data.
 */
#include "engine/bundle/convert.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/own.h"
#include "lib/str.h"

enum option_act {
	OPTION_SET,
	OPTION_CLEAR,
	OPTION_SET_BELOW,
	OPTION_CLEAR_BELOW,
	OPTION_PROPAGATION,
	OPTION_PROPAGATION_BELOW,
	OPTION_FLAG, /* of how the mount is made, no attribute */
	OPTION_BIND,
	OPTION_IDMAP,
	OPTION_IDMAP_BELOW,
	OPTION_DATA,   /* of the file system's instance; a bind has none */
	OPTION_NOTHING /* what is so anyway */
};

static const struct {
	const char *name;
	enum option_act act;
	uint32_t value;
} options[] = {
	{ "async", OPTION_DATA, 0 },
	{ "atime", OPTION_CLEAR, RUN_MOUNT_FLAG_NOATIME },
	{ "bind", OPTION_BIND, 0 },
	{ "copy-symlink", OPTION_NOTHING, 0 },
	{ "defaults", OPTION_NOTHING, 0 },
	{ "dest-nofollow", OPTION_FLAG, RUN_MOUNT_FLAG_NO_LINK },
	{ "dev", OPTION_CLEAR, RUN_MOUNT_FLAG_NODEV },
	{ "diratime", OPTION_CLEAR, RUN_MOUNT_FLAG_NODIRATIME },
	{ "dirsync", OPTION_DATA, 0 },
	{ "exec", OPTION_CLEAR, RUN_MOUNT_FLAG_NOEXEC },
	{ "idmap", OPTION_IDMAP, 0 },
	{ "lazytime", OPTION_DATA, 0 },
	{ "loud", OPTION_NOTHING, 0 },
	{ "mand", OPTION_DATA, 0 },
	{ "noatime", OPTION_SET, RUN_MOUNT_FLAG_NOATIME },
	{ "nodev", OPTION_SET, RUN_MOUNT_FLAG_NODEV },
	{ "nodiratime", OPTION_SET, RUN_MOUNT_FLAG_NODIRATIME },
	{ "noexec", OPTION_SET, RUN_MOUNT_FLAG_NOEXEC },
	{ "nolazytime", OPTION_DATA, 0 },
	{ "nomand", OPTION_NOTHING, 0 },
	{ "norelatime", OPTION_CLEAR, RUN_MOUNT_FLAG_RELATIME },
	{ "nostrictatime", OPTION_CLEAR, RUN_MOUNT_FLAG_STRICTATIME },
	{ "nosuid", OPTION_SET, RUN_MOUNT_FLAG_NOSUID },
	{ "nosymfollow", OPTION_SET, RUN_MOUNT_FLAG_NOSYMFOLLOW },
	{ "private", OPTION_PROPAGATION, RUN_PROPAGATION_PRIVATE },
	{ "ratime", OPTION_CLEAR_BELOW, RUN_MOUNT_FLAG_NOATIME },
	{ "rbind", OPTION_BIND, RUN_MOUNT_FLAG_RECURSIVE },
	{ "rdev", OPTION_CLEAR_BELOW, RUN_MOUNT_FLAG_NODEV },
	{ "rdiratime", OPTION_CLEAR_BELOW, RUN_MOUNT_FLAG_NODIRATIME },
	{ "relatime", OPTION_SET, RUN_MOUNT_FLAG_RELATIME },
	{ "rexec", OPTION_CLEAR_BELOW, RUN_MOUNT_FLAG_NOEXEC },
	{ "ridmap", OPTION_IDMAP_BELOW, 0 },
	{ "rnoatime", OPTION_SET_BELOW, RUN_MOUNT_FLAG_NOATIME },
	{ "rnodev", OPTION_SET_BELOW, RUN_MOUNT_FLAG_NODEV },
	{ "rnodiratime", OPTION_SET_BELOW, RUN_MOUNT_FLAG_NODIRATIME },
	{ "rnoexec", OPTION_SET_BELOW, RUN_MOUNT_FLAG_NOEXEC },
	{ "rnorelatime", OPTION_CLEAR_BELOW, RUN_MOUNT_FLAG_RELATIME },
	{ "rnostrictatime", OPTION_CLEAR_BELOW, RUN_MOUNT_FLAG_STRICTATIME },
	{ "rnosuid", OPTION_SET_BELOW, RUN_MOUNT_FLAG_NOSUID },
	{ "rnosymfollow", OPTION_SET_BELOW, RUN_MOUNT_FLAG_NOSYMFOLLOW },
	{ "ro", OPTION_SET, RUN_MOUNT_FLAG_READONLY },
	{ "rprivate", OPTION_PROPAGATION_BELOW, RUN_PROPAGATION_PRIVATE },
	{ "rrelatime", OPTION_SET_BELOW, RUN_MOUNT_FLAG_RELATIME },
	{ "rro", OPTION_SET_BELOW, RUN_MOUNT_FLAG_READONLY },
	{ "rrw", OPTION_CLEAR_BELOW, RUN_MOUNT_FLAG_READONLY },
	{ "rshared", OPTION_PROPAGATION_BELOW, RUN_PROPAGATION_SHARED },
	{ "rslave", OPTION_PROPAGATION_BELOW, RUN_PROPAGATION_SLAVE },
	{ "rstrictatime", OPTION_SET_BELOW, RUN_MOUNT_FLAG_STRICTATIME },
	{ "rsuid", OPTION_CLEAR_BELOW, RUN_MOUNT_FLAG_NOSUID },
	{ "rsymfollow", OPTION_CLEAR_BELOW, RUN_MOUNT_FLAG_NOSYMFOLLOW },
	{ "runbindable", OPTION_PROPAGATION_BELOW, RUN_PROPAGATION_UNBINDABLE },
	{ "rw", OPTION_CLEAR, RUN_MOUNT_FLAG_READONLY },
	{ "shared", OPTION_PROPAGATION, RUN_PROPAGATION_SHARED },
	{ "silent", OPTION_NOTHING, 0 },
	{ "slave", OPTION_PROPAGATION, RUN_PROPAGATION_SLAVE },
	{ "strictatime", OPTION_SET, RUN_MOUNT_FLAG_STRICTATIME },
	{ "suid", OPTION_CLEAR, RUN_MOUNT_FLAG_NOSUID },
	{ "symfollow", OPTION_CLEAR, RUN_MOUNT_FLAG_NOSYMFOLLOW },
	{ "sync", OPTION_DATA, 0 },
	{ "tmpcopyup", OPTION_FLAG, RUN_MOUNT_FLAG_COPY_UP },
	{ "unbindable", OPTION_PROPAGATION, RUN_PROPAGATION_UNBINDABLE },
};

enum {
	ATIME_KINDS = RUN_MOUNT_FLAG_NOATIME | RUN_MOUNT_FLAG_RELATIME | RUN_MOUNT_FLAG_STRICTATIME
};

const char *convert_option_name(size_t index)
{
	return index < ARRAY_LEN(options) ? options[index].name : NULL;
}

/* The last one of contradicting options wins, as with mount(8). */
static void set_attribute(uint32_t *set, uint32_t *clear, uint32_t flag)
{
	if (flag & ATIME_KINDS)
		*set &= ~(uint32_t)ATIME_KINDS;
	*set |= flag;
	*clear &= ~flag;
}

static void clear_attribute(uint32_t *set, uint32_t *clear, uint32_t flag)
{
	*set &= ~flag;
	*clear |= flag;
}

static void take_option(struct run_mount *mount, enum option_act act, uint32_t value)
{
	switch (act) {
	case OPTION_SET:
		return set_attribute(&mount->flags, &mount->clear, value);
	case OPTION_CLEAR:
		return clear_attribute(&mount->flags, &mount->clear, value);
	case OPTION_SET_BELOW:
		return set_attribute(&mount->set_below, &mount->clear_below, value);
	case OPTION_CLEAR_BELOW:
		return clear_attribute(&mount->set_below, &mount->clear_below, value);
	case OPTION_PROPAGATION:
	case OPTION_PROPAGATION_BELOW:
		mount->propagation = (enum run_propagation)value;
		mount->propagation_below = act == OPTION_PROPAGATION_BELOW;
		return;
	case OPTION_FLAG:
		mount->flags |= value;
		return;
	case OPTION_BIND:
		mount->kind = RUN_MOUNT_KIND_BIND;
		mount->flags |= value;
		return;
	case OPTION_IDMAP:
	case OPTION_IDMAP_BELOW:
		mount->idmap = RUN_IDMAP_CONTAINER;
		mount->idmap_below = act == OPTION_IDMAP_BELOW;
		return;
	case OPTION_DATA:
	case OPTION_NOTHING:
		return;
	}
}

/* True when the option is one of the table; *ret_data: the file system gets it too. */
static bool read_option(struct run_mount *mount, const char *text, bool *ret_data)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (strcmp(options[i].name, text) != 0)
			continue;
		take_option(mount, options[i].act, options[i].value);
		*ret_data = options[i].act == OPTION_DATA;
		return true;
	}
	*ret_data = true;
	return false;
}

static int join_data(struct convert *c, struct run_mount *mount, const char *text)
{
	const char *old = mount->data;

	mount->data = old ? arena_printf(c->arena, "%s,%s", old, text) : text;
	return mount->data ? 0 : convert_no_memory(c);
}

/* By its text alone, as all runtimes do: what a link makes of it is decided when it is opened. */
const char *convert_path(struct convert *c, const char *base, const char *path)
{
	size_t base_len = path[0] == '/' ? 0 : strlen(base);
	char *out = arena_alloc(c->arena, base_len + strlen(path) + 3);
	struct str rest = str_from(path), part;
	size_t len = base_len;

	if (!out)
		return NULL;
	memcpy(out, base, base_len);
	while (str_cut(&rest, '/', &part)) {
		if (part.len == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			while (len > 0 && out[--len] != '/')
				;
			continue;
		}
		out[len++] = '/';
		memcpy(out + len, part.ptr, part.len);
		len += part.len;
	}
	out[len] = '\0';
	return len > 0 ? out : "/";
}

bool convert_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return len > 1 && strncmp(path, top, len) == 0 && path[len] == '/';
}

static int finish_bind(struct convert *c, const struct runtime_mount *mount, size_t index,
		       struct run_mount *ret)
{
	if (!mount->source || !mount->source[0])
		return err_set(c->err, -EINVAL,
			       "config.json: mounts[%zu].source: a bind needs a source", index);
	ret->source = convert_path(c, c->bundle, mount->source);
	if (!ret->source)
		return convert_no_memory(c);
	ret->flags |= RUN_MOUNT_FLAG_FOLLOW;
	ret->data = NULL; /* a bind has no options of its own */
	return 0;
}

int convert_mount(struct convert *c, const struct runtime_mount *mount, size_t index,
		  struct run_mount *ret)
{
	const char *type = mount->type && mount->type[0] ? mount->type : NULL;
	int r = 0;

	*ret = (struct run_mount){ .kind = RUN_MOUNT_KIND_FILESYSTEM,
				   .target = convert_path(c, "", mount->target) };
	if (!ret->target)
		return convert_no_memory(c);
	/* Some say a place by its name on the host, as runc lets them. */
	if (convert_below(ret->target, c->root))
		ret->target += strlen(c->root);
	if (type && strcmp(type, "bind") == 0)
		ret->kind = RUN_MOUNT_KIND_BIND;
	for (size_t i = 0; i < mount->options.count && r == 0; i++) {
		const char *text = mount->options.items[i];
		bool data = false;

		(void)read_option(ret, text, &data);
		if (data && text[0])
			r = join_data(c, ret, text);
	}
	if (mount->uids.count) {
		ret->idmap = RUN_IDMAP_LISTED;
		r = convert_mappings(c, &mount->uids, &ret->uid_map, &ret->uid_map_count);
		if (r == 0)
			r = convert_mappings(c, &mount->gids, &ret->gid_map, &ret->gid_map_count);
	}
	if (r < 0)
		return r;
	if (ret->kind == RUN_MOUNT_KIND_BIND)
		return finish_bind(c, mount, index, ret);
	if (!type)
		return err_set(c->err, -EINVAL,
			       "config.json: mounts[%zu].type: missing, and no option says bind",
			       index);
	ret->type = type;
	ret->source = mount->source && mount->source[0] ? mount->source : NULL;
	return 0;
}
