/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_MAIN_TREE_H
#define HOY_ENGINE_ROLE_MAIN_TREE_H

#include "engine/api/image_msg.h"
#include "engine/container/layers.h"
#include "engine/image/layer.h"
#include "engine/image/tree.h"
#include "engine/role_main_work.h"

/*
 * A call about the files of a container, running or not: its overlay is found or mounted, other
 * roles work in it by fds, and all is taken back at the end.
 */
struct tree_work {
	struct engine_work work;
	struct container_def def;
	char id[CONTAINER_ID_LEN + 1]; /* of the container, "" = none */
	bool mounted, below_mounted, frozen;
	int root_fd, upper_fd, below_fd;
	struct rootfs_mapping userns; /* of what root_fd shows; userns_fd -1 = none */
	struct layers_job layers;
	struct image_lease lease;
	struct worker files, unpack;
	struct image_tree tree;
	struct image_layer_job packing;
	int (*ready)(struct tree_work *tree, struct err *err);
	char path[ENGINE_PATH_MAX], other[ENGINE_PATH_MAX];
	char shown[ENGINE_PATH_MAX]; /* the client's path where `path` is one in a mount; else "" */
	bool fresh;		     /* the path is a volume that is not there yet */
	bool wants_root, into, keep_owners;
	bool empty_ok; /* of tree_extract(): no byte at all is an archive of nothing */
	bool text_ok;  /* of tree_extract(): what is no archive is a Dockerfile */
	int pending;   /* answers that are still to come */
	struct err error;
	char scratch[CONTAINER_ID_LEN + 1]; /* a directory below /data/containers, "" = none */
};

/* As work_new(), with what a tree_work begins as. */
void *tree_new(struct msg_peer *peer, const struct msg *msg, size_t size);
/*
 * Finds the container of that name or id and opens its upper; with root its overlay too. ready()
 * runs once, maybe from within this call; its error ends the work.
 */
int tree_open(struct tree_work *tree, const char *name, bool root,
	      int (*ready)(struct tree_work *tree, struct err *err), struct err *err);
/* The same for the layers of an image, which tree_open_below() then gives as one tree. */
int tree_open_image(struct tree_work *tree, const struct image *image,
		    int (*ready)(struct tree_work *tree, struct err *err), struct err *err);
/* The container, while it starts or runs; NULL. */
struct container *tree_container(const struct tree_work *tree);
/* The layers below the upper, as a tree of their own, in below_fd. After tree_open(). */
int tree_open_below(struct tree_work *tree, struct err *err);
/*
 * After tree_open() with root: where `path` lies in a volume or bind, root_fd and path become that
 * one's. With `write` -EACCES where nothing may be written.
 */
int tree_enter_mount(struct tree_work *tree, bool write, struct err *err);
/* An empty directory below /data/containers in upper_fd, gone with the work. */
int tree_scratch(struct tree_work *tree, struct err *err);
/* A call to a fresh files role; fn's owner is the tree_work. */
int tree_files(struct tree_work *tree, uint16_t type, struct str body, const int *fds, size_t nfds,
	       msg_reply_fn *fn, struct err *err);
/*
 * The tar behind work.file_fd into the directory `dest` of root_fd: an unpack and a files role;
 * ready() follows, with what went wrong in tree->error.
 */
int tree_extract(struct tree_work *tree, int root_fd, const char *dest, const char *owner,
		 int (*ready)(struct tree_work *tree, struct err *err), struct err *err);

/*
 * What an URL leads to, into an unnamed file of upper_fd's file system: work.file_fd, to be read
 * from its start. ready() follows, with what went wrong in tree->error.
 */
int tree_download(struct tree_work *tree, const char *url,
		  int (*ready)(struct tree_work *tree, struct err *err), struct err *err);

#endif
