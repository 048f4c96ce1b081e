/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_CONTAINER_H
#define HOY_ENGINE_CONTAINER_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "engine/api/files_msg.h"
#include "engine/api/shim_msg.h"
#include "engine/container/def.h"
#include "engine/container/layers.h"
#include "engine/container/userns.h"
#include "engine/health/monitor.h"
#include "engine/image/lease.h"
#include "engine/network/client.h"
#include "engine/run/cgroup.h"
#include "engine/run/rootfs.h"
#include "engine/worker/worker.h"
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/mono.h"
#include "lib/msg.h"

/*
 * One container from definition to exit status. On disk: /data/containers/<id>/ with state (the
 * definition, checksummed), upper/ work/ log/ and exit (the shim's). At run time:
 * /run/hoy/engine/c/<id>/ with hosts, hostname and resolv.conf, the mounts of run/rootfs.h, a
 * cgroup, and the shim, which outlives engine main.
 *
 *   LAYERS -> VOLUMES -> USER -> ATTACH -> LAUNCH -> RUNNING -> ENDED
 *      any of the first five -> FAILED: everything made so far is taken back
 */
enum container_phase {
	CONTAINER_PHASE_LAYERS,	 /* layer files are asked from the store and mounted */
	CONTAINER_PHASE_VOLUMES, /* new volumes are filled from the image */
	CONTAINER_PHASE_USER,	 /* the user's name is looked up in the root */
	CONTAINER_PHASE_ATTACH,	 /* netd gives it its interfaces */
	CONTAINER_PHASE_LAUNCH,	 /* the shim has been started */
	CONTAINER_PHASE_RUNNING,
	CONTAINER_PHASE_ENDED,
	CONTAINER_PHASE_FAILED,
};

/* What containers work with; outlives them all. */
struct container_env {
	struct loop *loop;
	struct msg_peer *store;
	struct msg_peer *api; /* reads what containers answer to health checks; NULL = none */
	struct network_client *network;
	struct rootfs rootfs;
	struct cgroup_root cgroups;
	int data_fd;	       /* /data */
	int run_fd;	       /* /run/hoy/engine */
	int shims_cgroup;      /* cgroup directory of the shims; -1 = stay in ours */
	const char *shim;      /* program */
	const char *data_path; /* "/data": binds need paths */
	const char *run_path;  /* "/run/hoy/engine" */
	struct image_leases *leases;
	void (*trashed)(void *owner); /* something was moved to the trash; may be NULL */
	void *owner;
	struct container *volume_queue; /* who fills a volume, and who waits for that */
	struct container *attach_queue; /* who waits for container_reattach(), a few at a time */
	struct loop_timer attach_timer;
	struct mono began; /* engine main; what follows: found, not answered yet */
	uint32_t adopted, adopting;
	/* The running container of this id or name, whoever owns it; may be NULL. */
	struct container *(*running)(void *owner, const char *id);
	struct userns_ranges userns;
};

struct container;
struct container_ops {
	void (*started)(void *owner, struct container *container);
	/* Could not start: everything was taken back. */
	void (*failed)(void *owner, struct container *container, const struct err *err);
	/* It ran and has ended; network, mounts, cgroup are gone. */
	void (*ended)(void *owner, struct container *container, const struct shim_exit *status);
	/* A process started by SHIM_MSG_EXEC has ended. May be NULL. */
	void (*exec_ended)(void *owner, struct container *container, uint32_t exec_id,
			   int32_t code);
	void (*health)(void *owner, struct container *container);   /* another state; or NULL */
	void (*filling)(void *owner, struct container *container);  /* waits for volumes; or NULL */
	void (*launched)(void *owner, struct container *container); /* shim only yet; or NULL */
	void (*oom)(void *owner, struct container *container);	    /* kernel: one of it; or NULL */
	void (*killed)(void *owner, struct container *container); /* all, grace is over; or NULL */
};
enum { CONTAINER_ID_LEN = 64, CONTAINER_NETWORKS_MAX = 8, CONTAINER_EXTRA_MAX = 8 };

/* What netd gave it in one network; host_ip: where ports without an address go, "" = everywhere. */
struct container_address {
	char network[128], ip4[16], ip6[46], gateway[16], gateway6[46], mac[18], host_ip[16];
	uint8_t prefix, prefix6, flags; /* flags: enum netd_attached_flag */
};

struct container {
	struct container_env *env;
	struct arena arena;
	struct container_def def;
	char id[CONTAINER_ID_LEN + 1];
	enum container_phase phase;
	int64_t created_s, started_ns;
	const struct container_ops *ops;
	void *owner;
	struct msg_peer shim;
	uint16_t shim_version; /* what its shim speaks; 0 = it has not said so yet */
	bool adopting;	       /* counted in env->adopting */
	struct worker files;   /* fills volumes, then looks the user up */
	uint32_t volume;       /* the mount that is being looked at in VOLUMES */
	struct container *volume_next, *attach_next; /* in the queues of env */
	int dir_fd, root_fd, cgroup_fd;
	struct rootfs_mapping userns; /* userns_fd -1 = none */
	struct network_namespace ns;
	pid_t pid;
	struct layers_job layers;
	struct image_lease lease; /* its layers */
	uint32_t uid, gid, groups[64], group_count;
	bool user_known, stopping, background; /* background: of a build */
	char home[256];
	char address[48];	       /* "172.17.0.5", first network; of IPv6 where that is all */
	struct health_monitor *health; /* NULL = no health checks; see health_of() */
	struct container_address addresses[CONTAINER_NETWORKS_MAX];
	uint32_t address_count;
	struct arena joined;		   /* of def's networks, names and addresses once changed */
	struct container_joining *joining; /* netd has been asked for others; NULL = no */
	int extra_fds[CONTAINER_EXTRA_MAX]; /* SHIM_FD_EXTRA: namespaces that it joins */
	uint32_t extra_count;
	struct image_texts more_env;
	struct loop_timer stop_timer, burial, relink;
	unsigned relinks;
	struct shim_exit exit;
	struct container *next; /* for the owner's list */
};

/*
 * Makes a new container (id "" = a fresh one) or starts an existing one again, whose upper
 * directory is then kept. def is copied. Asynchronous: one of started() and failed() follows, never
 * from within this call. NULL with err only when nothing could be begun.
 */
struct container *container_start(struct container_env *env, const struct container_def *def,
				  const char *id, const struct container_ops *ops, void *owner,
				  struct err *err);

/* For its first process, in no state file; before the loop runs again. */
int container_more_env(struct container *container, const struct image_texts *env, struct err *err);

/*
 * Takes over what an earlier engine main left: reads the state, connects to the shim. started() or
 * ended() follows. -ENOENT: no such container or state, -EBADMSG: the state is damaged.
 */
struct container *container_adopt(struct container_env *env, const char *id,
				  const struct container_ops *ops, void *owner, struct err *err);

/* Sends the stop signal, SIGKILL to all after grace (ms, -1 = the definition's). */
int container_stop(struct container *container, int64_t grace_ms, struct err *err);
int container_kill(struct container *container, int signal, struct err *err);
int64_t container_ran_s(const struct container *container, struct mono known_since);
/* After up() of the network client: attach again what runs. Soon, and in turn with others. */
void container_reattach(struct container *container);
/* Gives one that runs (else -EBUSY) def's networks, names and addresses; done() follows unless this
 * fails. On an error it keeps what it had. */
int container_join_networks(struct container *container, const struct container_def *def,
			    void (*done)(void *owner, const struct err *err), void *owner,
			    struct err *err);

/* Holds all layers that a definition needs. */
int container_lease(struct image_leases *leases, struct image_lease *lease,
		    const struct container_def *def, struct err *err);

/* Takes back what was made for running: network, mount, cgroup, sockets. The data stays. */
void container_release(struct container *container);

/* Ends our part; what runs goes on under its shim. Accepts NULL. */
void container_free(struct container *container);
/* Writes the state of a container, making its directory when it is new. Durable on return. */
int container_define(struct container_env *env, const char *id, const struct container_def *def,
		     int64_t created_s, struct err *err);
/* Changes the limits of one that runs to what def says. */
int container_limit(struct container *container, const struct container_def *def, struct err *err);

/* To the trash. Only for one that does not run. */
int container_remove(struct container_env *env, const char *id, struct err *err);

/* The log files, oldest first, read-only; returns how many (at most max), the caller owns them. */
int container_logs(struct container_env *env, const char *id, int *ret_fds, int max,
		   struct err *err);

/* Drops what a fill left that was cut off. Once, at first. */
int container_volumes_clean(struct container_env *env, struct err *err);
/* The file in state/volumes that says: made by its name alone, nothing was mounted from it yet. */
enum { CONTAINER_MARK_MAX = 256 };
void container_volume_mark(char name[CONTAINER_MARK_MAX], const char *volume);

/* Whether its network is another container's. */
static inline bool container_shares_network(const struct container *container)
{
	return container->def.host_set && *container->def.host.network_from;
}

#endif
