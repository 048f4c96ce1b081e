/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of ids and user namespaces of containers. Runs in engine main.
 *
 * /data/containers/ID/userns: the first id of the range in decimal. It is written before the range
 * is used. A file that says nothing sensible is written anew: no id of the range stands on the
 * disk. Must never give two containers that are there the same range.
 */
#include "engine/container/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "engine/container/parts.h"
#include "engine/run/user_namespace.h"
#include "lib/fs.h"
#include "lib/own.h"

#define RANGE_FILE "userns"

enum { RANGE_TEXT_MAX = 32, MAP_TEXT_MAX = 4096 };

bool container_userns_wanted(const struct container_env *env, const struct container_def *def)
{
	if (def->host_set && !strcmp(def->host.userns_mode, "host"))
		return false;
	if (def->userns != DEF_USERNS_DEFAULT)
		return def->userns == DEF_USERNS_AUTO;
	return env->userns.automatic && env->userns.automatic(env->owner);
}

int container_userns_check(const struct container_env *env, const struct container_def *def,
			   struct err *err)
{
	if (!container_userns_wanted(env, def))
		return 0;
	if (def->privileged)
		return err_set(
			err, -EINVAL,
			"privileged mode is incompatible with user namespaces.  You must run "
			"the container in the host namespace when running privileged mode");
	if (def->network_mode == DEF_NETWORK_HOST)
		return err_set(err, -EINVAL,
			       "cannot share the host's network namespace when user namespaces are "
			       "enabled");
	if (def->host_set && !strcmp(def->host.pid_mode, "host"))
		return err_set(err, -EINVAL,
			       "cannot share the host PID namespace when user namespaces are "
			       "enabled");
	if (def->host_set && !strcmp(def->host.ipc_mode, "host"))
		return err_set(err, -EINVAL,
			       "cannot share the host IPC namespace when user namespaces are "
			       "enabled");
	return 0;
}

/* ---- ranges ---- */

/* -1 = none is written there, or no sensible one. */
static int read_range(int dirfd, const char *path)
{
	struct buf text OWN(buf_done) = { 0 };
	struct str rest, line;
	uint64_t first;

	buf_init(&text, RANGE_TEXT_MAX);
	if (fs_read(dirfd, path, FS_BENEATH, RANGE_TEXT_MAX, &text, NULL) < 0)
		return -1;
	rest = buf_str(&text);
	if (!str_cut(&rest, '\n', &line) || rest.len > 0 ||
	    str_to_u64(line, USERNS_FIRST, USERNS_LAST, &first) < 0 ||
	    (first - USERNS_FIRST) % USERNS_IDS)
		return -1;
	return (int)((first - USERNS_FIRST) / USERNS_IDS);
}

static bool is_used(const struct userns_ranges *ranges, int range)
{
	return ranges->used[range / 8] >> (range % 8) & 1;
}

static void set_used(struct userns_ranges *ranges, int range, bool used)
{
	const uint8_t bit = (uint8_t)(1u << (range % 8));

	ranges->used[range / 8] =
		(uint8_t)(used ? ranges->used[range / 8] | bit : ranges->used[range / 8] & ~bit);
}

static int range_of(int containers_fd, const char *id)
{
	char path[CONTAINER_ID_LEN + sizeof("/" RANGE_FILE)];
	int n = snprintf(path, sizeof(path), "%s/" RANGE_FILE, id);

	return n < 0 || (size_t)n >= sizeof(path) ? -1 : read_range(containers_fd, path);
}

static int take_range(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	int range = range_of(dirfd, name);

	(void)type;
	(void)err;
	if (range >= 0)
		set_used(owner, range, true);
	return 0;
}

static int look_at_all(struct container_env *env, struct err *err)
{
	int containers OWN_FD = -1;
	int r;

	if (env->userns.known)
		return 0;
	containers = fs_open_dir(env->data_fd, "containers", FS_BENEATH, 0700, err);
	r = containers < 0 ? containers : fs_each(containers, take_range, &env->userns, err);
	env->userns.known = r >= 0;
	return r;
}

static int new_range(struct container_env *env, int dir_fd, struct err *err)
{
	char text[RANGE_TEXT_MAX];
	int range = 0;
	int n, r = look_at_all(env, err);

	if (r < 0)
		return r;
	while (range < USERNS_RANGES && is_used(&env->userns, range))
		range++;
	if (range == USERNS_RANGES)
		return err_set(err, -ENOSPC, "all %d ranges of ids are given to containers",
			       USERNS_RANGES);
	n = snprintf(text, sizeof(text), "%d\n", USERNS_FIRST + range * USERNS_IDS);
	r = fs_replace(dir_fd, RANGE_FILE, text, (size_t)n, 0600, err);
	if (r < 0)
		return r;
	set_used(&env->userns, range, true);
	return range;
}

void container_userns_forget(struct container_env *env, int containers_fd, const char *id)
{
	int range = env->userns.known ? range_of(containers_fd, id) : -1;

	if (range >= 0)
		set_used(&env->userns, range, false);
}

/* ---- namespaces ---- */

int container_userns_open(struct container_env *env, int dir_fd, struct rootfs_mapping *ret,
			  struct err *err)
{
	int range = read_range(dir_fd, RANGE_FILE);
	char map[RANGE_TEXT_MAX * 2];
	uint32_t first;
	int fd;

	if (range < 0)
		range = new_range(env, dir_fd, err);
	if (range < 0)
		return err_prefix(err, "user namespace");
	first = (uint32_t)USERNS_FIRST + (uint32_t)range * USERNS_IDS;
	(void)snprintf(map, sizeof(map), "0 %u %d\n", first, USERNS_IDS);
	fd = user_namespace_new(map, map, err);
	if (fd < 0)
		return fd;
	*ret = (struct rootfs_mapping){ .userns_fd = fd, .root_id = first };
	return 0;
}

/* Of whom another namespace is joined: what it owns is its user namespace's, and that is joined
 * too. */
static const char *joined(const struct container_def *def)
{
	const char *const modes[] = { def->host.pid_mode, def->host.ipc_mode };

	if (!def->host_set)
		return NULL;
	if (*def->host.network_from)
		return def->host.network_from;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (str_starts(str_from(modes[i]), STR("container:")))
			return modes[i] + sizeof("container:") - 1;
	}
	return NULL;
}

static int join_other(struct container *container, const char *id, struct err *err)
{
	struct container_env *env = container->env;
	const struct container *other = env->running ? env->running(env->owner, id) : NULL;
	int fd = container_join(container, id, "user", err);

	if (fd < 0)
		return fd;
	if (!container_mapping(other)) {
		own_close(&fd);
		return err_set(err, -EINVAL,
			       "cannot join a namespace of container %s: it has no user namespace; "
			       "set userns_mode = host here, too",
			       id);
	}
	container->userns = (struct rootfs_mapping){ fd, other->userns.root_id };
	return 0;
}

int container_userns_start(struct container *container, struct err *err)
{
	const struct container_def *def = &container->def;
	const char *other = joined(def);
	int r = container_userns_check(container->env, def, err);

	own_close(&container->userns.userns_fd);
	if (r < 0 || !container_userns_wanted(container->env, def))
		return r;
	return other ? join_other(container, other, err)
		     : container_userns_open(container->env, container->dir_fd, &container->userns,
					     err);
}

void container_userns_adopt(struct container *container)
{
	struct buf text OWN(buf_done) = { 0 };
	char path[64];
	struct str rest, inside, outside;
	uint64_t first;

	(void)snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)container->pid);
	buf_init(&text, MAP_TEXT_MAX);
	if (container->userns.userns_fd >= 0 ||
	    fs_read(-1, path, FS_HOST, MAP_TEXT_MAX, &text, NULL) < 0)
		return;
	rest = str_trim(buf_str(&text));
	(void)str_cut(&rest, ' ', &inside);
	rest = str_trim(rest);
	(void)str_cut(&rest, ' ', &outside);
	if (str_to_u64(outside, USERNS_FIRST, USERNS_LAST, &first) < 0)
		return; /* the host's */
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)container->pid);
	container->userns = (struct rootfs_mapping){ fs_open(-1, path, FS_HOST, O_RDONLY, 0, NULL),
						     (uint32_t)first };
}

const struct rootfs_mapping *container_mapping(const struct container *container)
{
	return container->userns.userns_fd >= 0 ? &container->userns : NULL;
}
