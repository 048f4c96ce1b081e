/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_IMAGE_MSG_H
#define HOY_ENGINE_API_IMAGE_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/engine_msg.h"
#include "engine/oci/image.h"

/*
 * Messages on engine.sock about images as archives and containers as trees; as in engine_msg.h each
 * is a call and its reply has the call's type. An image is named by reference, by id ("sha256:..."
 * or at least 12 digits of it) or by the digest of its manifest. Where an fd is said to come,
 * console and CLI may send none and name a file of the machine by `path` ("/data/transfer/..." to
 * write,
 * "/config/..." too to read); with an fd, and always from the api role, `path` is "".
 *
 * Structures have one writer and one reader; a reader's texts live in the arena. Readers leave
 * errors in in->error.
 */
enum engine_image_msg {
	/* {text image} -> {u32 count, struct engine_history...}, newest step first */
	ENGINE_MSG_HISTORY = 0x390,
	/* {u8 enum engine_archive, u32 count, {text image}..., text path} fds [0] where the archive
	 * is written to: file or pipe -> MORE {text progress line}..., last {text "N bytes"}. The
	 * fd is closed before the last reply */
	ENGINE_MSG_SAVE,
	/* {text reference for an image without a name, "" = none, text path} fds [0] the archive, a
	 * file or pipe: docker-archive or OCI archive, plain, gzip or zstd -> MORE {text line}...,
	 * last {text "N images"}; the lines are progress, and "Loaded image: NAME" or "Loaded image
	 * ID: sha256:..." as docker says it */
	ENGINE_MSG_LOAD,
	/* {struct engine_new_image, text path} fds [0] a root file system as tar, plain, gzip or
	 * zstd -> {text image id}. base and container are "" */
	ENGINE_MSG_IMPORT,
	/* {struct engine_new_image} -> {text image id}: what the container changed becomes a layer;
	 * its processes are frozen meanwhile where pause is set */
	ENGINE_MSG_COMMIT,
	/* {text container, text path} fds [0] a file or pipe -> {u64 bytes}: its root as a tar */
	ENGINE_MSG_EXPORT,
	/* {text container} -> {u32 count, {u8 enum engine_change, text "/path"}...} by path;
	 * -E2BIG over ENGINE_CHANGES_MAX */
	ENGINE_MSG_CHANGES,
	/* {text container, text path} -> {struct engine_path_stat}; -ENOENT. A link at the end is
	 * not followed */
	ENGINE_MSG_PATH_STAT,
	/* {text container, text path} fds [0] a file or pipe -> {struct engine_path_stat}: the path
	 * as a tar, whose names begin with the path's last component */
	ENGINE_MSG_PATH_GET,
	/* {text container, text directory, u8 keep the archive's owners} fds [0] a tar, plain, gzip
	 * or zstd -> {}: its content is laid into the directory, which has to be there */
	ENGINE_MSG_PATH_PUT,
	/* {text container, text path in it, u8 into the container, text path} -> {u64 files, u64
	 * bytes}: `docker cp` between a container and /data/transfer, without an archive; console
	 * and CLI only. Owners become 0:0 */
	ENGINE_MSG_COPY,
	/* {} -> {struct engine_usage} */
	ENGINE_MSG_USAGE,
	/* {u8 enum engine_prune, u32 count, {text filter, text value}...} -> {u64 bytes, u32 count,
	 * {text what went}...}. Filters: "until" (seconds since 1970: only what is older), "label"
	 * and "label!" ("key" or "key=value"), for images "dangling" ("true", the default: only
	 * such without a name; "false": all that nothing uses). -EINVAL: an unknown filter, or any
	 * for volumes and the cache */
	ENGINE_MSG_PRUNE_KIND,
	/* {u8 repair} -> MORE {text line}..., last {text "N checked, N damaged, N repaired"}: reads
	 * every blob and layer of the store */
	ENGINE_MSG_STORE_CHECK,
	/* {} -> {u32 count, {text line}...}: what goes by itself, when, and what went last */
	ENGINE_MSG_CLEAN,
	/* {text name as the client said it, u8 enum engine_drop, u32 count, {text image}...} -> {u8
	 * the image is gone}: takes these names of one image away. With the last of them -EEXIST in
	 * Docker's words where a container has the image: without FORCE any, with it one that runs,
	 * but for NAME: then the image stays without a name */
	ENGINE_MSG_IMAGE_DROP = 0x3c0,
	/* {text container, blob definition} -> {}: its networks, addresses and names become those
	 * of the definition; of one that runs at once, and it has them once netd has answered */
	ENGINE_MSG_NETWORKS_OF,
	/* {text reference, text place, text user, text password, text token} -> as
	 * PULL_MSG_DOCUMENT: the registry's manifest of this reference, or what is at `place` there
	 */
	ENGINE_MSG_REGISTRY,
	/* {text image, text path} -> {u8 found, blob content}: a regular file of an image, of at
	 * most 4 MiB; -EFBIG. Links are followed within the image */
	ENGINE_MSG_IMAGE_FILE,
	ENGINE_MSG_CACHE,	/* body and answer of STORE_MSG_CACHE_LIST */
	ENGINE_MSG_CACHE_PRUNE, /* of STORE_MSG_CACHE_PRUNE */
	/* {text reference, text artifact type ("" = all)} -> as PULL_MSG_REFERRERS: what refers to
	 * it in its registry */
	ENGINE_MSG_REFERRERS,
	/* {text image, u8 enum engine_tree} fds [0] a pipe -> {}: what its layers hold together */
	ENGINE_MSG_IMAGE_TREE,
};

enum engine_tree {
	ENGINE_TREE_TAR = 0,
	ENGINE_TREE_RECORDS = 1, /* engine/api/entry.h */
};

enum engine_drop {
	ENGINE_DROP_FORCE = 1, /* also where a container that does not run has it */
	ENGINE_DROP_PRUNE = 2, /* not where a service declares it */
	ENGINE_DROP_NAME = 4,  /* the client said a name, and not an id */
};

enum engine_archive {
	ENGINE_ARCHIVE_DOCKER = 0, /* docker-archive; an OCI layout too, as docker 25 writes it */
	ENGINE_ARCHIVE_OCI = 1,	   /* an OCI layout only */
};

enum engine_change {
	ENGINE_CHANGE_MODIFIED = 0,
	ENGINE_CHANGE_ADDED = 1,
	ENGINE_CHANGE_DELETED = 2,
};

enum engine_prune {
	ENGINE_PRUNE_IMAGES = 0,
	ENGINE_PRUNE_VOLUMES = 1,    /* "what went": names */
	ENGINE_PRUNE_CACHE = 2,	     /* the build cache */
	ENGINE_PRUNE_CONTAINERS = 3, /* those that do not run and no section declares; 0 bytes */
};

enum {
	ENGINE_CHANGES_MAX = 65536,
	ENGINE_SAVE_IMAGES_MAX = 64,
	ENGINE_DROP_MAX = 256,
	ENGINE_FILTERS_MAX = 32,
	ENGINE_PATH_MAX = 4096,
};

/* {text image id or "", text created, text created by, text comment, u64 bytes} */
struct engine_history {
	const char *id;	     /* of the image, at its newest step; "" = "<missing>" */
	const char *created; /* RFC 3339, "" = the image does not say */
	const char *created_by, *comment;
	uint64_t bytes; /* of the layer's tar or blob, 0 = the step made none */
};
void engine_history_put(struct buf *out, const struct engine_history *row);
void engine_history_get(struct wire *in, struct arena *arena, struct engine_history *ret_row);

/*
 * {text container, text reference, text author, text comment, u8 pause, u32 set, image record}
 * reference "" = the image gets no name. config: of an image record only what `set` names counts;
 * it replaces what the image has, but for env and labels, which are laid over it.
 */
enum engine_set {
	ENGINE_SET_ENV = 1,
	ENGINE_SET_LABELS = 2,
	ENGINE_SET_CMD = 4,
	ENGINE_SET_ENTRYPOINT = 8,
	ENGINE_SET_WORKDIR = 16,
	ENGINE_SET_USER = 32,
	ENGINE_SET_PORTS = 64, /* exposed_ports, laid over too */
	ENGINE_SET_VOLUMES = 128,
	ENGINE_SET_STOP_SIGNAL = 256,
	ENGINE_SET_ON_BUILD = 512,
	ENGINE_SET_HEALTH = 1024,
};

struct engine_new_image {
	const char *container, *reference, *author, *comment;
	bool pause;
	uint32_t set; /* enum engine_set */
	struct image config;
};
void engine_new_image_put(struct buf *out, const struct engine_new_image *wanted);
int engine_new_image_get(struct wire *in, struct arena *arena, struct engine_new_image *ret_wanted,
			 struct err *err);

/* {text name, u64 size, u32 mode, i64 mtime s, text link target}; mode as stat(2) has it */
struct engine_path_stat {
	const char *name, *link;
	uint64_t size;
	uint32_t mode;
	int64_t mtime_s;
};
void engine_path_stat_put(struct buf *out, const struct engine_path_stat *st);
void engine_path_stat_get(struct wire *in, struct arena *arena, struct engine_path_stat *ret_st);

/*
 * ENGINE_MSG_USAGE: u64 bytes of all layers and blobs (what is more than the images' own is build
 * cache);
 * u32 count, {text reference, text id, text created, u64 bytes on disk, u64 of them shared with
 * other images, u32 containers}...; a reference of "sha256:..." = without a name
 * u32 count, {text id, text name, text image, text state, i64 created s, u64 bytes written}...;
 * u32 count, {text volume, u64 bytes, u32 containers}...
 */

#endif
