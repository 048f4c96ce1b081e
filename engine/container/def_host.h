/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_DEF_HOST_H
#define HOY_ENGINE_CONTAINER_DEF_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/oci/image.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/sha256.h"
#include "lib/wire.h"

/*
 * What a container's definition can say beyond the keys of a service: Docker's HostConfig, and what
 * belongs to a container made over the API. Zeroed with texts "" (def_host_init) means Docker's
 * defaults. In the wire form it is there only with container_def.host_set, so that a definition
 * without it keeps its bytes.
 */
enum {
	DEF_SECCOMP_MAX = 4096 * 8,
	DEF_API_MAX = 768 << 10, /* bytes of `api` */
	DEF_OOM_SCORE_MAX = 1000,
	DEF_GROUP_MAX = 768, /* bytes of cgroup_parent */
	DEF_SWAP_UNLIMITED = -1,
};

/* Flags of one mount, by its index. */
enum def_mount_flag {
	DEF_MOUNT_NO_COPY = 1,	  /* volume: not filled from the image */
	DEF_MOUNT_EXEC = 2,	  /* tmpfs: programs may be run from it */
	DEF_MOUNT_DEV = 4,	  /* tmpfs: with devices */
	DEF_MOUNT_SUID = 8,	  /* tmpfs: with setid bits */
	DEF_MOUNT_FLAT = 16,	  /* bind: without the mounts below the source */
	DEF_MOUNT_MAKE = 32,	  /* bind: a source that is missing is made as a directory */
	DEF_MOUNT_ANONYMOUS = 64, /* volume: goes with its container */
	DEF_MOUNT_MASK = 127,
};

struct def_mount_more {
	uint32_t flags;	       /* enum def_mount_flag */
	uint64_t size_bytes;   /* tmpfs, 0 = half of the memory */
	uint32_t mode;	       /* tmpfs, 0 = 01777 */
	uint8_t propagation;   /* enum run_propagation */
	const char *subpath;   /* volume, image: the directory in it, "" = all of it */
	struct digest *layers; /* image: EROFS layers by key, base first */
	uint32_t layer_count;
};

struct def_host {
	struct image_texts sysctls;	 /* "net.core.somaxconn=128" */
	struct image_texts security_opt; /* "no-new-privileges", "seccomp=unconfined" ... */
	struct image_texts ulimits;	 /* "nofile=1024:2048" */
	struct image_texts group_add, dns_search, dns_options;
	struct image_texts masked_paths, readonly_paths; /* with paths_set */
	struct image_texts device_rules;		 /* "c 1:3 rwm" */
	struct image_texts addresses;			 /* "NETWORK=10.0.0.5" */
	/* Of links of old: "CONTAINER/=NAME=VALUE", or "CONTAINER/@NAME=VALUE" where the '@' in the
	 * value stands for that container's address; link.c makes variables of them. */
	struct image_texts link_env;
	struct image_texts blkio; /* "rbps /dev/vda 1048576"; wbps riops wiops weight */
	struct str seccomp;	/* a client's profile: struct sock_filter[]; empty = Docker's own */
	uint32_t seccomp_flags; /* enum run_seccomp_flag */
	const char *domainname;
	/* "" = a new one, "host", "container:ID"; ipc also "private" "shareable" "none" */
	const char *pid_mode, *ipc_mode, *uts_mode, *cgroup_mode, *userns_mode;
	const char *network_from; /* id of the container whose network it shares */
	const char *cpuset_cpus, *cpuset_mems;
	const char *cgroup_parent; /* below the top of the control groups, "" = the engine's own */
	const char *log_driver;	   /* "" = json-file */
	const char *api;	   /* opaque here: what the api role wants to have back */
	int64_t shm_bytes, memory_low, memory_and_swap, cpu_shares, cpu_quota_us, cpu_period_us,
		blkio_weight; /* 0 = unset */
	int64_t oom_score_adj;
	int64_t created_ns;
	uint8_t restart; /* enum service_restart */
	uint32_t restart_max;
	uint16_t console_rows, console_columns; /* of a terminal at first; 0 = 24 x 80 */
	bool paths_set, auto_remove, stdin_open, stdin_once;
	bool wanted; /* was started, and nobody has stopped it since */
};

void def_host_init(struct def_host *host);

/* Whether anything of the second part (def_host_encode_more) is set. */
bool def_host_has_more(const struct def_host *host, const struct def_mount_more *more,
		       uint32_t mounts);
void def_host_encode_more(const struct def_host *host, const struct def_mount_more *more,
			  uint32_t mounts, struct buf *out);
/* -EBADMSG in in->error; false when the arena is too small. */
bool def_host_decode_more(struct wire *in, struct arena *arena, uint32_t mounts,
			  struct def_host *host, struct def_mount_more *more);

/* Wire form without a version of its own; `mounts` rows of more[] belong to it. */
void def_host_encode(const struct def_host *host, const struct def_mount_more *more,
		     uint32_t mounts, struct buf *out);
/* *ret_more gets `mounts` rows. False when the arena is too small; in->error tells of the form. */
bool def_host_decode(struct wire *in, struct arena *arena, uint32_t mounts,
		     struct def_host *ret_host, struct def_mount_more **ret_more);

#endif
