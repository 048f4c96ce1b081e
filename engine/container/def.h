/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_DEF_H
#define HOY_ENGINE_CONTAINER_DEF_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/container/def_host.h"
#include "engine/oci/image.h"
#include "engine/service/spec.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/wire.h"

/*
 * Everything that makes one container, whoever asked for it (an INI section, a build step, the
 * Docker API): service and image merged, nothing looked up in the root file system yet. It is what
 * the state file keeps, so that an engine that starts again knows what it finds. Memory belongs to
 * an arena; texts are never NULL.
 */
enum {
	DEF_LAYERS_MAX = IMAGE_LAYERS_MAX,
	DEF_MOUNTS_MAX = 128,
	DEF_PORTS_MAX = 1024, /* no more than NETD_PORTS_MAX */
	DEF_BYTES_MAX = 1 << 20,
};

/*
 * An entry of extra_hosts is "NAME:ADDRESS"; for ADDRESS may stand "host-gateway", the machine as
 * the container sees it, or this and a container: its address when ours starts.
 */
#define DEF_HOST_GATEWAY   "host-gateway"
#define DEF_HOST_CONTAINER "container:"

enum def_mount_kind {
	DEF_MOUNT_VOLUME,
	DEF_MOUNT_BIND,
	DEF_MOUNT_TMPFS,
	DEF_MOUNT_IMAGE, /* an image's files, read-only; its layers stand in mounts_more */
};

struct def_mount {
	enum def_mount_kind kind;
	const char *source; /* volume name, absolute host path, an image as it was named; tmpfs: ""
			       or "exec,BYTES" (0 = no limit of its own): a build step's, from which
			       programs may be run */
	const char *target;
	bool read_only;
};

enum def_userns {
	DEF_USERNS_DEFAULT, /* as engine.ini says */
	DEF_USERNS_HOST,
	DEF_USERNS_AUTO, /* one of its own */
};

enum def_network_mode { DEF_NETWORK_BRIDGE, DEF_NETWORK_HOST, DEF_NETWORK_NONE };

struct container_def {
	const char *name;      /* of the container: the service's, or a builder's */
	const char *reference; /* of the image, for people */
	struct digest image;   /* the image's config digest */
	struct digest *layers; /* EROFS layers by key, base first */
	uint32_t layer_count;
	struct image_texts argv, env; /* env with PATH and HOSTNAME in it */
	const char *workdir, *user, *hostname, *stop_signal;
	struct image_texts cap_add, cap_drop, devices, dns, extra_hosts, labels, aliases, networks;
	struct def_mount *mounts;
	struct def_mount_more *mounts_more; /* a row for each mount; NULL unless host_set */
	uint32_t mount_count;
	struct service_port *ports;
	uint32_t port_count;
	enum def_network_mode network_mode;
	enum def_userns userns;
	int64_t mem_limit, cpus, pids_limit; /* bytes, thousandths, count; 0 = none */
	int64_t disk_limit; /* bytes that it may write beside its volumes; 0 = none */
	int64_t stop_grace_ms, log_max_size;
	uint32_t log_max_file;
	bool privileged, read_only, tty, log_off, declared, init;
	struct image_health health; /* engine/health/test.h says what its words may be */
	bool host_set;		    /* `host` counts; else its texts may be NULL */
	struct def_host host;
};

/*
 * Compose's rules: entrypoint in the service replaces the image's and drops its command; command
 * replaces the image's command; environment is laid over the image's. -EINVAL when nothing is left
 * to run, naming the key to set.
 */
int container_def_service(const struct service_spec *spec, const struct image *image,
			  struct arena *arena, struct container_def *ret_def, struct err *err);

/* Its own layers and those of the images that are mounted in it: every one that has to be held. The
 * array is in the arena, NULL = no memory. */
struct digest *container_def_layers(const struct container_def *def, struct arena *arena,
				    uint32_t *ret_count);

/* The capabilities of its processes, with Docker's rule for ALL. -EINVAL names an unknown one. */
int container_def_caps(const struct container_def *def, uint64_t *ret_caps, struct err *err);

/* Wire form, a version in front; and its SHA-256: the same digest means nothing has changed. */
void container_def_encode(const struct container_def *def, struct buf *out);
int container_def_decode(struct wire *in, struct arena *arena, struct container_def *ret_def,
			 struct err *err);
int container_def_digest(const struct container_def *def, struct digest *ret_digest,
			 struct err *err);

/*
 * The state file as a whole, with its sum (format: state_wire.c). Encode clears out first. Decode
 * takes exactly what encode makes: -EBADMSG for a damaged file, whatever is wrong with it; -ENOMEM
 * when the arena is too small. Its results are untouched on failure.
 */
int container_state_encode(const struct container_def *def, int64_t created_s, struct buf *out,
			   struct err *err);
int container_state_decode(struct str file, struct arena *arena, int64_t *ret_created_s,
			   struct container_def *ret_def, struct err *err);

/* "8080->80/tcp, 127.0.0.1:53->53/udp" into dst. */
void container_def_ports(const struct container_def *def, char *dst, size_t cap);

/* The number of "SIGTERM", "TERM" or "15"; -EINVAL otherwise. "" gives SIGTERM. */
int container_signal(const char *name, struct err *err);

#endif
