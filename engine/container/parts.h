/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_PARTS_H
#define HOY_ENGINE_CONTAINER_PARTS_H

#include "engine/container/container.h"

/* The steps of a container's way, for the files of this folder only. */
/* Where the container of this id or name is found from ours, "" = it does not run. */
const char *container_address_of(const struct container *container, const char *name);
/* Adds what links give to the environment, as far as it is not set there. */
int container_link_env(const struct container *container, struct arena *arena,
		       struct image_texts *env, struct err *err);
void container_fail(struct container *container, const struct err *err);
int container_user(struct container *container, struct err *err);
void container_user_done(struct container *container);
/* Fills the new volumes: 0 = all are there, 1 = container_volumes_done() or a failure follows. */
int container_volumes(struct container *container, struct err *err);
void container_volumes_done(struct container *container);
void container_volumes_cancel(struct container *container);
/* Where the files of a volume are now (in its arena; NULL = err), mounted if its options want it;
 * *ret_flags: of mount(2), where they bind a path of the machine. */
const char *container_volume_place(struct container *container, const char *volume,
				   uint32_t *ret_flags, struct err *err);
/* It uses none any more. */
void container_volumes_leave(const struct container *container);
int container_state_write(struct container *container, struct err *err);
int container_state_read(struct container *container, struct err *err);
/* Opens namespace `name` ("net", "pid") of the container that runs under this id or name. */
int container_join(struct container *container, const char *id, const char *name, struct err *err);
/* Its control group: made with its limits, the fd of an existing one (negative: none), removed. */
int container_group_make(struct container *container, const struct cgroup_limits *limits,
			 struct err *err);
int container_group_open(const struct container *container);
int container_group_remove(const struct container *container, struct err *err);
/* Images that are mounted in it: their views, and where one of them stands (arena; NULL = err). */
int container_images_mount(struct container *container, struct err *err);
void container_images_umount(struct container *container);
const char *container_image_path(struct container *container, const struct def_mount *mount,
				 struct err *err);
int container_files_write(struct container *container, struct err *err);
int container_attach(struct container *container, msg_reply_fn *fn, struct err *err);
/* netd's answer to that. */
void container_attached(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err);
/* It is about to go: out of the queue. */
void container_reattach_cancel(struct container *container);
/* Opens anew the sockets inside the network namespace of one that runs, for netd. */
int container_reopen(struct container *container, struct err *err);
/* What netd gave. */
struct netd_attached;
void container_take_addresses(struct container *container, const struct netd_attached *attached);
/* Writes the sysctls that were asked for to the interfaces that netd made. */
int container_set_sysctls(struct container *container, const struct netd_attached *attached,
			  struct err *err);
/* Netd has what it needs. */
void container_close_sockets(struct container *container);
/* The container goes: whoever waits in container_join_networks() is told. */
void container_join_cancel(struct container *container);
/* The plan for the shim as a sealed memfd. */
int container_plan(struct container *container, struct err *err);
int container_launch(struct container *container, struct err *err);
/* Talks to the shim behind fd from now on (taken over). */
int container_shim(struct container *container, int fd, struct err *err);
/* Finds the shim again after its connection dropped; a dead one ends the container. */
void container_relink(struct container *container);
void container_ended(struct container *container, const struct shim_exit *status);

#endif
