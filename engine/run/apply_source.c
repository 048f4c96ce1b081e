/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sources of a container's mounts: the root, the binds, new file systems, and the
 * id-mapping of what is bound. Runs in the shim or in hoy-oci before the fork: there the mounts
 * stand, and there the privileges over their file systems are. Must never follow a link in a source
 * unless the plan says that the source is the host's word.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "engine/run/user_namespace.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { OPTION_KEY_MAX = 64, OPTION_VALUE_SMALL = 256, OPTION_VALUE_MAX = 16384 };

uint64_t apply_attributes(uint32_t flags)
{
	static const struct {
		uint32_t flag;
		uint64_t attribute;
	} table[] = {
		{ RUN_MOUNT_FLAG_READONLY, K_MOUNT_ATTR_RDONLY },
		{ RUN_MOUNT_FLAG_NOSUID, K_MOUNT_ATTR_NOSUID },
		{ RUN_MOUNT_FLAG_NODEV, K_MOUNT_ATTR_NODEV },
		{ RUN_MOUNT_FLAG_NOEXEC, K_MOUNT_ATTR_NOEXEC },
		{ RUN_MOUNT_FLAG_NOATIME, K_MOUNT_ATTR_NOATIME },
		{ RUN_MOUNT_FLAG_STRICTATIME, K_MOUNT_ATTR_STRICTATIME },
		{ RUN_MOUNT_FLAG_NODIRATIME, K_MOUNT_ATTR_NODIRATIME },
		{ RUN_MOUNT_FLAG_NOSYMFOLLOW, K_MOUNT_ATTR_NOSYMFOLLOW },
	};
	uint64_t attributes = 0;

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		attributes |= flags & table[i].flag ? table[i].attribute : 0;
	return attributes;
}

/* The kinds of atime are one field of the kernel's: it has to be cleared to be set. */
static struct k_mount_change change_of(uint32_t set, uint32_t clear)
{
	const uint32_t atime =
		RUN_MOUNT_FLAG_NOATIME | RUN_MOUNT_FLAG_RELATIME | RUN_MOUNT_FLAG_STRICTATIME;
	struct k_mount_change change = { .set = apply_attributes(set),
					 .clear = apply_attributes(clear),
					 .userns_fd = -1 };

	change.clear &= ~(uint64_t)K_MOUNT_ATTR_ATIME_MASK;
	if ((set | clear) & atime)
		change.clear |= K_MOUNT_ATTR_ATIME_MASK;
	change.clear &= ~change.set | K_MOUNT_ATTR_ATIME_MASK;
	return change;
}

static uint64_t propagation_of(uint8_t propagation)
{
	static const uint64_t kernel[RUN_PROPAGATION_KINDS] = {
		[RUN_PROPAGATION_DEFAULT] = MS_PRIVATE,
		[RUN_PROPAGATION_PRIVATE] = MS_PRIVATE,
		[RUN_PROPAGATION_SLAVE] = MS_SLAVE,
		[RUN_PROPAGATION_SHARED] = MS_SHARED,
		[RUN_PROPAGATION_UNBINDABLE] = MS_UNBINDABLE,
	};

	return kernel[propagation & ~PLAN_PROPAGATION_BELOW];
}

/*
 * What a mount forbids that came from above a user namespace is locked: who would take it away gets
 * EPERM for all that he asks. It stays then, as with other runtimes, and the rest is done.
 */
static int change_unlocked(int tree, struct k_mount_change *change, int recursive)
{
	static const struct {
		unsigned long flag;
		uint64_t attribute;
	} table[] = {
		{ ST_RDONLY, K_MOUNT_ATTR_RDONLY },
		{ ST_NOSUID, K_MOUNT_ATTR_NOSUID },
		{ ST_NODEV, K_MOUNT_ATTR_NODEV },
		{ ST_NOEXEC, K_MOUNT_ATTR_NOEXEC },
	};
	int r = k_change_mount(tree, change, recursive);
	struct statvfs st;

	if (r != -EPERM || !change->clear || fstatvfs(tree, &st) < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (st.f_flag & table[i].flag)
			change->clear &= ~table[i].attribute;
	return k_change_mount(tree, change, recursive);
}

int apply_options(int tree, const struct plan_op *op, int recursive, struct err *err)
{
	struct k_mount_change own = change_of(op->flags, op->clear);
	struct k_mount_change below = change_of(op->set_below, op->clear_below);
	/* A clone is in the peer group of its source: left so, mounts would go out and in. */
	bool below_too = op->propagation == RUN_PROPAGATION_DEFAULT ||
			 op->propagation & PLAN_PROPAGATION_BELOW;
	int r = 0;

	if (op->set_below || op->clear_below)
		r = change_unlocked(tree, &below, 1);
	own.propagation = propagation_of(op->propagation);
	if (r == 0 && recursive && below_too) {
		const struct k_mount_change all = { .propagation = own.propagation,
						    .userns_fd = -1 };

		r = k_change_mount(tree, &all, 1);
		own.propagation = 0;
	}
	if (r == 0 && (own.set || own.clear || own.propagation))
		r = change_unlocked(tree, &own, 0);
	return r < 0 ? err_sys(err, r, "mount %s: set its options", op->target) : 0;
}

/* ---- new file systems ---- */

static int finish_mount(int fs, const char *type, uint64_t attributes, struct err *err)
{
	char message[160];
	int r = k_fs_create(fs);

	if (r < 0)
		return err_sys(err, r, "make a %s instance %s", type,
			       k_fs_message(fs, message, sizeof(message)));
	r = k_fs_mount(fs, (unsigned)attributes);
	return r < 0 ? err_sys(err, r, "mount %s", type) : r;
}

int apply_new_mount(const char *type, const char *const *options, uint64_t attributes,
		    struct err *err)
{
	OWN_FD int fs = k_fsopen(type);

	if (fs < 0)
		return err_sys(err, fs, "open file system type %s", type);
	(void)k_fs_string(fs, "source", type); /* what /proc/mounts shows */
	for (; options && options[0]; options += 2) {
		int r = k_fs_string(fs, options[0], options[1]);

		if (r < 0)
			return err_sys(err, r, "%s option %s=%s", type, options[0], options[1]);
	}
	return finish_mount(fs, type, attributes, err);
}

/* "size=64k" or "ro"; a comma inside of a value is written "\,". */
static int set_option(int fs, const char *type, struct str option, struct err *err)
{
	static char large[OPTION_VALUE_MAX];
	char key[OPTION_KEY_MAX], message[160], small[OPTION_VALUE_SMALL];
	struct str name;
	/* The shim keeps what it once wrote to. */
	char *value = option.len < sizeof(small) ? small : large;
	size_t room = option.len < sizeof(small) ? sizeof(small) : sizeof(large);
	bool has_value = memchr(option.ptr, '=', option.len) != NULL;
	int r;

	(void)str_cut(&option, '=', &name);
	if (str_copy(name, key, sizeof(key)) < 0 || str_copy(option, value, room) < 0)
		return err_set(err, -EINVAL, "%s: an option is longer than the runtime takes",
			       type);
	r = has_value ? k_fs_string(fs, key, value) : k_fs_flag(fs, key);
	return r < 0 ? err_sys(err, r, "%s option %s %s", type, key,
			       k_fs_message(fs, message, sizeof(message)))
		     : 0;
}

int apply_new_mount_data(const char *type, const char *source, const char *data,
			 uint64_t attributes, struct err *err)
{
	OWN_FD int fs = k_fsopen(type);
	struct str rest = str_from(data), option;

	if (fs < 0)
		return err_sys(err, fs, "open file system type %s", type);
	(void)k_fs_string(fs, "source", source[0] ? source : type);
	while (str_cut(&rest, ',', &option)) {
		int r = option.len ? set_option(fs, type, option, err) : 0;

		if (r < 0)
			return r;
	}
	return finish_mount(fs, type, attributes, err);
}

/* ---- sources ---- */

static const char *below_root(const char *path)
{
	while (*path == '/')
		path++;
	return *path ? path : ".";
}

static int open_source(int dir, const char *path, const struct plan_op *op, struct err *err)
{
	bool follow = op->flags & RUN_MOUNT_FLAG_FOLLOW || !defence_on(DEFENCE_A17_SOURCE);
	int fd;

	/* No link anywhere: a volume's content may be hostile. What FOLLOW names is the word of the
	 * one who may do everything on this host. */
	if (follow)
		fd = fs_open(dir, below_root(path), FS_IN_ROOT, O_PATH, 0, err);
	else
		fd = fs_open(dir, below_root(path), FS_BENEATH_XDEV, O_PATH | O_NOFOLLOW, 0, err);
	return fd < 0 ? err_prefix(err, "mount %s: source", op->target) : fd;
}

/* The user namespace whose mapping a tree gets: the caller's to close. */
static int open_mapping(const struct apply *apply, const struct plan_op *op, struct err *err)
{
	const struct run_ns *user = &apply->plan->ns[PLAN_NS_USER];
	int fd;

	/* A namespace of the same mapping does: the container's own one is not born yet. */
	if ((op->idmap & ~PLAN_IDMAP_BELOW) == RUN_IDMAP_LISTED || user->mode != RUN_NS_MODE_FD) {
		fd = user_namespace_new(op->uid_map, op->gid_map, err);
		return fd < 0 ? err_prefix(err, "mount %s: idmap", op->target) : fd;
	}
	fd = fcntl(user->fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? err_sys(err, -errno, "mount %s: idmap", op->target) : fd;
}

static int map_tree(int tree, int mapping, const struct plan_op *op, struct err *err)
{
	const struct k_mount_change change = { .userns_fd = mapping };
	bool able = (op->idmap & ~PLAN_IDMAP_BELOW) == RUN_IDMAP_ABLE;
	int r = k_change_mount(tree, &change, (op->idmap & PLAN_IDMAP_BELOW) != 0);

	/* Something below that cannot does not keep the rest from it. */
	if (r < 0 && able && op->idmap & PLAN_IDMAP_BELOW)
		r = k_change_mount(tree, &change, 0);
	if (able && (r == -EINVAL || r == -EPERM))
		return 0;
	return r < 0 ? err_sys(err, r, "mount %s: idmap", op->target) : 0;
}

/* path: below dir, what op->source names. */
static int clone_source(struct apply *apply, int dir, const char *path, const struct plan_op *op,
			struct err *err)
{
	OWN_FD int source = op->fd ? -1 : open_source(dir, path, op, err);
	OWN_FD int mapping = take_fd(&apply->trees[op->tree]); /* of a late one: made before */
	OWN_FD int tree = -1;
	int r;

	if (!op->fd && source < 0)
		return source;
	tree = k_clone_tree(op->fd ? op->fd : source, (op->flags & RUN_MOUNT_FLAG_RECURSIVE) != 0);
	if (tree < 0)
		return err_sys(err, tree, "mount %s: clone the source %s", op->target, op->source);
	if (op->idmap && mapping < 0) {
		mapping = open_mapping(apply, op, err);
		if (mapping < 0)
			return mapping;
	}
	r = op->idmap ? map_tree(tree, mapping, op, err) : 0;
	if (r < 0)
		return r;
	apply->trees[op->tree] = take_fd(&tree);
	return 0;
}

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return len > 1 && strncmp(path, top, len) == 0 && path[len] == '/';
}

/*
 * Early is everything that only the caller can do: what is tied to the propagation of the host's
 * mounts, from which the child's copy is cut off, and the mapping of ids. A child that is still the
 * host's root can map them, too; it does where the source lies below its own root, for there mounts
 * may come before. A user namespace may not even reach the sources, but those below its own root.
 */
bool apply_clones_late(const struct plan *plan, const struct plan_op *op)
{
	const uint8_t propagation = op->propagation & (uint8_t)~PLAN_PROPAGATION_BELOW;

	if (!(plan->flags & PLAN_FLAG_LISTED) || op->fd ||
	    plan->ns[PLAN_NS_MOUNT].mode == RUN_NS_MODE_FD)
		return false;
	if (op->idmap && (plan->ns[PLAN_NS_USER].mode != RUN_NS_MODE_HOST ||
			  !is_below(op->source, plan->root_path)))
		return false;
	if (propagation == RUN_PROPAGATION_SLAVE || propagation == RUN_PROPAGATION_SHARED)
		return false;
	return plan->ns[PLAN_NS_USER].mode == RUN_NS_MODE_HOST ||
	       is_below(op->source, plan->root_path);
}

int apply_clone_late(struct apply *apply, const struct plan_op *op, struct err *err)
{
	const struct plan *plan = apply->plan;
	/* The way there from the host's root may be closed to a user namespace. */
	bool own = plan->ns[PLAN_NS_USER].mode != RUN_NS_MODE_HOST;
	int r = clone_source(apply, own ? apply->root : apply->old_root,
			     own ? op->source + strlen(plan->root_path) : op->source, op, err);

	return r == -ENOENT && op->flags & RUN_MOUNT_FLAG_OPTIONAL ? 0 : r;
}

int apply_clone_sources(struct apply *apply, int root_fd, struct err *err)
{
	OWN_FD int host_root = -1;
	struct plan_list ops = apply->plan->ops;
	struct plan_op op;

	apply->root_tree = k_clone_tree(root_fd, 1);
	if (apply->root_tree < 0)
		return err_sys(err, apply->root_tree, "root: clone the mount");
	while (plan_next_op(&ops, &op)) {
		int r;

		if (op.kind != PLAN_OP_BIND)
			continue;
		if (apply_clones_late(apply->plan, &op)) {
			/* A process that lends its namespace is the caller's to make. */
			apply->trees[op.tree] = op.idmap ? open_mapping(apply, &op, err) : -1;
			if (op.idmap && apply->trees[op.tree] < 0)
				return apply->trees[op.tree];
			continue;
		}
		if (host_root < 0)
			host_root = fs_open(AT_FDCWD, "/", FS_HOST, O_PATH | O_DIRECTORY, 0, err);
		if (host_root < 0)
			return host_root;
		r = clone_source(apply, host_root, op.source, &op, err);
		if (r < 0 && !(r == -ENOENT && op.flags & RUN_MOUNT_FLAG_OPTIONAL))
			return err_prefix(err, "mounts");
	}
	return 0;
}
