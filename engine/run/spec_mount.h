/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_SPEC_MOUNT_H
#define HOY_ENGINE_RUN_SPEC_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The part of a run_spec that says where a container lives: namespaces, mounts, devices. */
enum {
	RUN_MOUNTS_MAX = 256,	/* mounts of the caller */
	RUN_DEVICES_MAX = 512,	/* device nodes, and the same for device rules */
	RUN_MAPPINGS_MAX = 340, /* rows of one mapping, as in user_namespaces(7) */
};

enum run_ns_mode {
	RUN_NS_MODE_NEW,
	RUN_NS_MODE_HOST, /* stay in the runtime's */
	RUN_NS_MODE_FD,	  /* join the one behind an fd of the process that applies the plan */
};

struct run_ns {
	enum run_ns_mode mode;
	int fd; /* RUN_NS_MODE_FD: its number in the shim (SHIM_FD_NETNS, SHIM_FD_EXTRA + i), or in
		 * the runtime that applies the plan itself (3 .. RUN_FD_MAX) */
};

/* One row of a user namespace's mapping. */
struct run_mapping {
	uint32_t inside, outside, count;
};

enum run_mount_kind {
	RUN_MOUNT_KIND_BIND,  /* a directory or file of the host: volumes, binds, generated files */
	RUN_MOUNT_KIND_TMPFS, /* size_bytes and mode are its options */
	RUN_MOUNT_KIND_FILESYSTEM, /* any type the kernel has: type, source and data */
};

/* Attributes of mount_setattr(2), and how a mount is made. */
enum run_mount_flag {
	RUN_MOUNT_FLAG_READONLY = 1,
	RUN_MOUNT_FLAG_NOSUID = 2,
	RUN_MOUNT_FLAG_NODEV = 4,
	RUN_MOUNT_FLAG_NOEXEC = 8,
	RUN_MOUNT_FLAG_RECURSIVE = 16, /* bind: with the mounts below the source */
	RUN_MOUNT_FLAG_NOATIME = 32,   /* of the three atime kinds at most one */
	RUN_MOUNT_FLAG_RELATIME = 64,
	RUN_MOUNT_FLAG_STRICTATIME = 128,
	RUN_MOUNT_FLAG_NODIRATIME = 256,
	RUN_MOUNT_FLAG_NOSYMFOLLOW = 512,
	RUN_MOUNT_FLAG_COPY_UP = 1024,	/* tmpfs: begins with what the image has there */
	RUN_MOUNT_FLAG_FOLLOW = 2048,	/* bind: links in the source are followed, on the host */
	RUN_MOUNT_FLAG_NO_LINK = 4096,	/* a link as the target's last part is refused */
	RUN_MOUNT_FLAG_OPTIONAL = 8192, /* a source or file system that is not there is skipped */
	RUN_MOUNT_FLAG_MASK = 16383,
	/* those that `clear`, `set_below` and `clear_below` may hold */
	RUN_MOUNT_FLAG_ATTRIBUTES = 1007,
};

enum run_propagation {
	RUN_PROPAGATION_DEFAULT, /* private; slave when the root's is slave or shared */
	RUN_PROPAGATION_PRIVATE,
	RUN_PROPAGATION_SLAVE,
	RUN_PROPAGATION_SHARED,
	RUN_PROPAGATION_UNBINDABLE,
	RUN_PROPAGATION_KINDS,
};

enum run_idmap {
	RUN_IDMAP_NONE,
	RUN_IDMAP_CONTAINER, /* by the container's own user namespace */
	RUN_IDMAP_LISTED,    /* by uid_map and gid_map */
	RUN_IDMAP_ABLE,	     /* as CONTAINER; a file system that cannot is bound as it is */
	RUN_IDMAP_KINDS,
};

/*
 * The target is an absolute path in the container; symlinks of the image are followed inside the
 * container's root, missing directories (or the missing file) are made. RUN_LAYOUT_ENGINE mounts
 * parents before children whatever the order of the list; RUN_LAYOUT_LISTED keeps the order.
 */
struct run_mount {
	enum run_mount_kind kind;
	const char *source; /* bind: absolute path on the host, without any symlink unless FOLLOW;
			     * NULL: source_fd. file system: its "source", NULL = the type */
	int source_fd;	    /* bind: number in the applying process, used without source */
	const char *target;
	uint32_t flags;
	uint64_t size_bytes; /* tmpfs, 0 = half of the memory */
	uint32_t mode;	     /* tmpfs, 0 = 01777 */
	const char *type;    /* file system: "proc", "sysfs", "tmpfs", "mqueue", "devpts",
			      * "cgroup" and "cgroup2" (both the container's own group),
			      * "overlay", ... */
	const char *data;    /* file system: its options, "size=64k,mode=755"; NULL = none */
	uint32_t clear;	     /* bind: attributes taken away ("rw", "suid", "dev", "exec" ...) */
	uint32_t set_below, clear_below; /* the recursive kind: "rro", "rnosuid", "rrw" ... */
	enum run_propagation propagation;
	bool propagation_below; /* "rshared" and not "shared" */
	enum run_idmap idmap;
	bool idmap_below; /* "ridmap" */
	const struct run_mapping *uid_map, *gid_map;
	size_t uid_map_count, gid_map_count;
};

/*
 * A node besides the standard ones. RUN_LAYOUT_ENGINE: below /dev. In a user namespace the host's
 * node of the same numbers is bound there.
 */
struct run_device {
	const char *path; /* in the container, absolute */
	bool block;
	uint32_t major, minor;
	uint32_t mode, uid, gid;
	bool fifo; /* "p": no numbers */
};

enum run_access {
	RUN_ACCESS_MKNOD = 1,
	RUN_ACCESS_READ = 2,
	RUN_ACCESS_WRITE = 4,
	RUN_ACCESS_ALL = 7,
};

enum run_device_type { RUN_DEVICE_TYPE_ANY, RUN_DEVICE_TYPE_BLOCK, RUN_DEVICE_TYPE_CHAR };

/* One row of the device list; the last row that fits decides, what no row allows is denied. */
struct run_device_rule {
	enum run_device_type type;
	int64_t major, minor; /* -1 = any */
	uint32_t access;      /* enum run_access bits */
	bool deny;
};

#endif
