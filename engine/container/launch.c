/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a definition to the plan and the shim that carries it out. Runs in engine main; must not act
 * inside the container's root: that is the shim's child, after it has given up everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "engine/container/launch.h"
#include "engine/container/parts.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/spawn.h"

const char **launch_vector(struct arena *arena, const struct image_texts *texts)
{
	const char **vector = arena_array(arena, texts->count + 1U, sizeof(*vector));

	for (uint32_t i = 0; vector && i < texts->count; i++)
		vector[i] = texts->items[i];
	return vector;
}

int container_more_env(struct container *container, const struct image_texts *env, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < env->count; i++) {
		const char *copy = arena_text(&container->arena, str_from(env->items[i]));

		r = copy ? image_texts_add(&container->arena, &container->more_env, copy, err)
			 : err_set(err, -ENOMEM, "no memory for a container");
	}
	return r;
}

/* What a step was given (secrets, agents) has the last word over what the image says. */
static int set_more_env(struct container *container, struct image_texts *env, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < container->more_env.count; i++) {
		struct str value = str_from(container->more_env.items[i]), name;
		const char *key;

		if (!str_cut(&value, '=', &name))
			continue;
		key = arena_text(&container->arena, name);
		r = key ? image_env_set(&container->arena, env, key,
					container->more_env.items[i] + name.len + 1, err)
			: err_set(err, -ENOMEM, "no memory for a container");
	}
	return r;
}

static int launch_process(struct launch *launch, struct err *err)
{
	struct container *container = launch->container;
	const struct container_def *def = &container->def;
	struct run_process *process = &launch->spec.process;
	struct image_texts env = { 0 };
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < def->env.count; i++)
		r = image_texts_add(&container->arena, &env, def->env.items[i], err);
	if (r >= 0)
		r = container_link_env(container, &container->arena, &env, err);
	if (r >= 0)
		r = set_more_env(container, &env, err);
	if (r >= 0 && !image_env_get(&env, "HOME"))
		r = image_env_set(&container->arena, &env, "HOME", container->home, err);
	if (r >= 0 && def->tty && !image_env_get(&env, "TERM"))
		r = image_env_set(&container->arena, &env, "TERM", "xterm", err);
	if (r < 0)
		return r;
	launch->argv = launch_vector(&container->arena, &def->argv);
	launch->env = launch_vector(&container->arena, &env);
	if (!launch->argv || !launch->env)
		return err_set(err, -ENOMEM, "no memory for the command of %s", def->name);
	process->argv = launch->argv;
	process->env = launch->env;
	process->cwd = def->workdir;
	process->uid = container->uid;
	process->gid = container->gid;
	process->groups = container->groups;
	process->group_count = container->group_count;
	process->tty = def->tty;
	return launch_rlimits(def, launch->rlimits, process, err);
}

bool launch_subpath_stays(const char *subpath)
{
	struct str rest = str_from(subpath), part;
	bool stays = *subpath != '/';

	while (str_cut(&rest, '/', &part))
		stays = stays && !str_is(part, "..");
	return stays;
}

const char *launch_subpath(struct container *container, const char *place, const char *subpath,
			   struct err *err)
{
	int root OWN_FD = fs_open(AT_FDCWD, place, FS_HOST, O_PATH | O_DIRECTORY, 0, err);
	char *path = arena_alloc(&container->arena, PATH_MAX), link[FS_FD_PATH_MAX];
	int fd OWN_FD = -1;
	ssize_t n;

	if (root < 0)
		return NULL;
	fd = fs_open(root, subpath, FS_BENEATH_LINK, O_PATH, 0, NULL);
	if (fd < 0) {
		err_set(err, -EINVAL, "cannot access path %s/%s: %s", place, subpath,
			fd == -EXDEV	? "path concatenation escapes the base directory"
			: fd == -ENOENT ? "no such file or directory"
					: strerror(-fd));
		return NULL;
	}
	n = path ? readlinkat(AT_FDCWD, fs_fd_path(fd, link), path, PATH_MAX - 1) : -1;
	if (n <= 0) {
		err_set(err, -ENOMEM, "no memory for path %s of a volume", subpath);
		return NULL;
	}
	path[n] = 0;
	return path;
}

/* A named volume is made when it is first used. */
static const char *volume_path(struct container *container, const struct def_mount *mount,
			       uint32_t *ret_flags, struct err *err)
{
	const struct container_def *def = &container->def;
	const char *name = mount->source, *subpath = "";
	struct container_env *env = container->env;
	const char *path = arena_printf(&container->arena, "volumes/%s", name);
	int fd;

	if (!path) {
		err_set(err, -ENOMEM, "no memory for volume %s", name);
		return NULL;
	}
	fd = fs_open_dir(env->data_fd, path, FS_BENEATH, 0755, err);
	if (fd < 0) {
		err_prefix(err, "volume %s", name);
		return NULL;
	}
	own_close(&fd);
	if (def->host_set)
		subpath = def->mounts_more[mount - def->mounts].subpath;
	if (!launch_subpath_stays(subpath)) {
		err_set(err, -EINVAL, "subpath must be a relative path within the volume: %s",
			subpath);
		return NULL;
	}
	path = container_volume_place(container, name, ret_flags, err);
	return !path || !*subpath ? path : launch_subpath(container, path, subpath, err);
}

/* The source of a bind; a missing one is made where the definition says so, as Docker does. */
static const char *bind_path(const struct container_def *def, const struct def_mount *mount,
			     struct err *err)
{
	size_t i = (size_t)(mount - def->mounts);
	OWN_FD int fd = -1;

	if (!def->host_set || !(def->mounts_more[i].flags & DEF_MOUNT_MAKE) ||
	    fs_exists(AT_FDCWD, mount->source, FS_HOST))
		return mount->source;
	fd = fs_open_dir(AT_FDCWD, mount->source, FS_HOST, 0755, err);
	if (fd >= 0)
		return mount->source;
	err_prefix(err, "error while creating mount source path '%s'", mount->source);
	return NULL;
}

/* Files keep their owners on the disk: as the container sees them. */
static enum run_idmap mount_ids(const struct launch *launch, enum def_mount_kind kind)
{
	if (!container_mapping(launch->container) || kind == DEF_MOUNT_IMAGE) /* mounted so */
		return RUN_IDMAP_NONE;
	return RUN_IDMAP_ABLE;
}

/* What a volume's options say of the path that they bind. */
static void volume_flags(uint32_t flags, struct run_mount *mount)
{
	static const struct {
		uint32_t from, to;
	} table[] = {
		{ MS_RDONLY, RUN_MOUNT_FLAG_READONLY }, { MS_NOSUID, RUN_MOUNT_FLAG_NOSUID },
		{ MS_NODEV, RUN_MOUNT_FLAG_NODEV },	{ MS_NOEXEC, RUN_MOUNT_FLAG_NOEXEC },
		{ MS_NOATIME, RUN_MOUNT_FLAG_NOATIME },
	};

	if (!(flags & MS_BIND))
		return;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		mount->flags |= flags & table[i].from ? table[i].to : 0;
	if (!(flags & MS_REC))
		mount->flags &= ~(uint32_t)RUN_MOUNT_FLAG_RECURSIVE;
}

static int launch_mount(struct launch *launch, const struct def_mount *from, struct err *err)
{
	struct run_mount *mount = &launch->mounts[launch->spec.mount_count];
	uint32_t flags = 0;

	*mount = (struct run_mount){ .target = from->target, .source_fd = -1 };
	if (from->kind == DEF_MOUNT_TMPFS) {
		struct str options = str_from(from->source);
		bool exec = str_starts(options, STR("exec,"));

		mount->kind = RUN_MOUNT_KIND_TMPFS;
		mount->flags = RUN_MOUNT_FLAG_NOSUID | RUN_MOUNT_FLAG_NODEV |
			       (exec ? 0U : (uint32_t)RUN_MOUNT_FLAG_NOEXEC);
		if (exec)
			(void)str_to_u64(str_skip(options, 5), 0, INT64_MAX, &mount->size_bytes);
	} else {
		mount->kind = RUN_MOUNT_KIND_BIND;
		mount->flags = RUN_MOUNT_FLAG_RECURSIVE;
		mount->idmap = mount_ids(launch, from->kind);
		mount->source = from->kind == DEF_MOUNT_VOLUME
					? volume_path(launch->container, from, &flags, err)
				: from->kind == DEF_MOUNT_IMAGE
					? container_image_path(launch->container, from, err)
					: bind_path(&launch->container->def, from, err);
		if (!mount->source)
			return err ? err->code : -ENOMEM;
	}
	if (from->read_only)
		mount->flags |= RUN_MOUNT_FLAG_READONLY;
	volume_flags(flags, mount);
	launch_mount_more(&launch->container->def, (uint32_t)(from - launch->container->def.mounts),
			  mount);
	mount->idmap_below = mount->idmap && mount->flags & RUN_MOUNT_FLAG_RECURSIVE;
	launch->spec.mount_count++;
	return 0;
}

/* hosts, hostname and resolv.conf come from the engine, whatever the image holds. */
static int launch_generated(struct launch *launch, struct err *err)
{
	static const char *const names[] = { "hosts", "hostname", "resolv.conf" };
	struct container *container = launch->container;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct run_mount *mount = &launch->mounts[launch->spec.mount_count++];
		const char *source =
			arena_printf(&container->arena, "%s/c/%s/%s", container->env->run_path,
				     container->id, names[i]);
		const char *target = arena_printf(&container->arena, "/etc/%s", names[i]);

		if (!source || !target)
			return err_set(err, -ENOMEM, "no memory for /etc/%s", names[i]);
		*mount = (struct run_mount){ .kind = RUN_MOUNT_KIND_BIND,
					     .source = source,
					     .source_fd = -1,
					     .target = target,
					     .idmap = mount_ids(launch, DEF_MOUNT_BIND) };
	}
	return 0;
}

/* "/dev/x[:/dev/y[:rwm]]" */
static int launch_device(struct launch *launch, const char *text, struct err *err)
{
	struct arena *arena = &launch->container->arena;
	struct run_device *device = &launch->devices[launch->spec.device_count];
	struct run_device_rule *rule = &launch->rules[launch->spec.device_rule_count];
	struct str host, inside, access, rest = str_from(text);
	const char *path;
	struct stat st;
	int r;

	(void)str_cut(&rest, ':', &host);
	if (!str_cut(&rest, ':', &inside))
		inside = host;
	if (!str_cut(&rest, ':', &access))
		access = STR("rwm");
	path = arena_text(arena, host);
	if (!path)
		return err_set(err, -ENOMEM, "no memory for device %s", text);
	r = fs_stat(-1, path, FS_HOST, &st, err);
	if (r < 0)
		return err_prefix(err, "devices = %s", text);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, -ENODEV, "devices = %s: %s is not a device", text, path);
	*device = (struct run_device){ .path = arena_text(arena, inside),
				       .block = S_ISBLK(st.st_mode),
				       .major = major(st.st_rdev),
				       .minor = minor(st.st_rdev),
				       .mode = st.st_mode & 07777,
				       .uid = st.st_uid,
				       .gid = st.st_gid };
	*rule = (struct run_device_rule){ .type = device->block ? RUN_DEVICE_TYPE_BLOCK
								: RUN_DEVICE_TYPE_CHAR,
					  .major = device->major,
					  .minor = device->minor };
	for (size_t i = 0; i < access.len; i++)
		rule->access |= access.ptr[i] == 'r'   ? (uint32_t)RUN_ACCESS_READ
				: access.ptr[i] == 'w' ? (uint32_t)RUN_ACCESS_WRITE
						       : (uint32_t)RUN_ACCESS_MKNOD;
	launch->spec.device_count++;
	launch->spec.device_rule_count++;
	return device->path ? 0 : err_set(err, -ENOMEM, "no memory for device %s", text);
}

static int launch_mounts(struct launch *launch, struct err *err)
{
	const struct container_def *def = &launch->container->def;
	int r = launch_generated(launch, err);

	for (uint32_t i = 0; r >= 0 && i < def->mount_count; i++)
		r = launch_mount(launch, &def->mounts[i], err);
	for (uint32_t i = 0; r >= 0 && i < def->devices.count; i++) {
		if (i == ARRAY_LEN(launch->devices))
			return err_set(err, -E2BIG, "too many devices");
		r = launch_device(launch, def->devices.items[i], err);
	}
	launch->spec.mounts = launch->mounts;
	launch->spec.devices = launch->devices;
	launch->spec.device_rules = launch->rules;
	return r;
}

void launch_userns(const struct container *container, int fd, struct run_mapping *ids,
		   struct run_spec *spec)
{
	const struct rootfs_mapping *mapping = container_mapping(container);

	if (!mapping)
		return;
	*ids = (struct run_mapping){ 0, mapping->root_id, USERNS_IDS };
	spec->user = (struct run_ns){ RUN_NS_MODE_FD, fd };
	spec->uid_map = spec->gid_map = ids;
	spec->uid_map_count = spec->gid_map_count = 1;
}

/* Joined, not made: the network namespace is its already. */
static int launch_user_namespace(struct launch *launch, struct err *err)
{
	struct container *container = launch->container;
	const struct rootfs_mapping *mapping = container_mapping(container);
	int fd;

	if (!mapping)
		return 0;
	if (container->extra_count == CONTAINER_EXTRA_MAX)
		return err_set(err, -E2BIG, "too many namespaces to join");
	fd = fcntl(mapping->userns_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_sys(err, -errno, "keep a user namespace");
	launch_userns(container, SHIM_FD_EXTRA + (int)container->extra_count, &launch->ids,
		      &launch->spec);
	container->extra_fds[container->extra_count++] = fd;
	return 0;
}

int container_plan(struct container *container, struct err *err)
{
	struct launch *launch OWN_FREE = calloc(1, sizeof(*launch));
	struct buf plan OWN(buf_done) = { 0 };
	int r;

	if (!launch)
		return err_set(err, -ENOMEM, "no memory for the plan of %s", container->def.name);
	launch->container = container;
	run_spec_init(&launch->spec);
	launch->spec.hostname = container->def.hostname;
	launch->spec.readonly_root = container->def.read_only;
	launch->spec.privileged = container->def.privileged;
	launch->spec.init = container->def.init;
	launch->spec.process.keep_project = container->def.disk_limit > 0;
	if (container->def.network_mode == DEF_NETWORK_HOST)
		launch->spec.net.mode = RUN_NS_MODE_HOST;
	r = launch_process(launch, err);
	if (r >= 0)
		r = container_def_caps(&container->def, &launch->spec.process.caps, err);
	if (r >= 0)
		r = launch_user_namespace(launch, err);
	if (r >= 0)
		r = launch_mounts(launch, err);
	if (r >= 0)
		r = launch_host(launch, err);
	if (r >= 0)
		r = launch_net_sysctls(launch, err);
	buf_init(&plan, 8 << 20);
	if (r >= 0)
		r = run_plan_encode(&launch->spec, &plan, err);
	return r < 0 ? r : run_plan_memfd(&plan, err);
}

static int shim_listen(struct container *container, struct err *err)
{
	int dir OWN_FD = fs_open_dir(container->env->run_fd, "shim", FS_BENEATH, 0700, err);
	char name[CONTAINER_ID_LEN + 8];

	if (dir < 0)
		return dir;
	memcpy(name, container->id, CONTAINER_ID_LEN);
	memcpy(name + CONTAINER_ID_LEN, ".sock", 6);
	(void)fs_unlink(dir, name, NULL); /* of an earlier life */
	return msg_listen(dir, name, 0600, err);
}

static int shim_spawn(struct container *container, int plan_fd, int listen_fd, struct err *err)
{
	const char *const argv[] = { "hoy-shim", container->id, NULL };
	int ours OWN_FD = -1, theirs OWN_FD = -1, pidfd OWN_FD = -1, pair[2];
	struct spawn spawn;
	pid_t pid;
	int r = msg_pair(pair, err);

	if (r < 0)
		return r;
	ours = pair[0];
	theirs = pair[1];
	spawn_init(&spawn, container->env->shim, argv);
	spawn.fds[SHIM_FD_MAIN - 3] = theirs;
	spawn.fds[SHIM_FD_PLAN - 3] = plan_fd;
	spawn.fds[SHIM_FD_DIR - 3] = container->dir_fd;
	spawn.fds[SHIM_FD_CGROUP - 3] = container->cgroup_fd;
	spawn.fds[SHIM_FD_LISTEN - 3] = listen_fd;
	spawn.fds[SHIM_FD_NETNS - 3] = container->ns.netns_fd;
	spawn.fds[SHIM_FD_ROOT - 3] = container->root_fd;
	spawn.nfds = SHIM_FD_ROOT - 3 + 1;
	for (uint32_t i = 0; i < container->extra_count; i++)
		spawn.fds[spawn.nfds++] = container->extra_fds[i];
	spawn.log_fd = STDERR_FILENO;
	spawn.cgroup_fd = container->env->shims_cgroup;
	spawn.new_session = true;
	r = spawn_start(&spawn, &pid, &pidfd, err);
	while (container->extra_count)
		own_close(&container->extra_fds[--container->extra_count]);
	if (r < 0)
		return err_prefix(err, "shim of %s", container->def.name);
	return container_shim(container, take_fd(&ours), err);
}

int container_launch(struct container *container, struct err *err)
{
	int plan OWN_FD = container_plan(container, err);
	int listener OWN_FD = -1;

	if (plan < 0)
		return plan;
	listener = shim_listen(container, err);
	if (listener < 0)
		return listener;
	return shim_spawn(container, plan, listener, err);
}
