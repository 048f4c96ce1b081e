/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_STATE_H
#define HOY_ENGINE_BUNDLE_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/bundle/answer.h"
#include "lib/buf.h"
#include "lib/err.h"

/*
 * What hoy-oci remembers of a container, in ROOT/ID (0700):
 *   state        the record below, written by rename
 *   creating     the same without a pid, until `create` is done: then whoever was killed in between
 *                left something to find. Only delete --force looks at it.
 *   config.json  the bytes that the container was made from, for exec, and for hooks
 *   start        the socket on which the container's first process waits for `start`
 * Nothing is synced: a state directory is worth nothing after a reboot and stands in /run.
 *
 * The record, little endian; a text's last byte is a NUL:
 *   u32 "HOS1"  text id  text bundle  text root  text cgroup  i64 created (ns since 1970)
 *   u32 pid  u64 start time  u32 uid  u8 flags (enum state_flag)  u8 hooks (enum answer_hook)
 *   list annotations {text key, text value}  32 bytes SHA-256 of all before
 * A process is the container's first one when its pid and its start time are these.
 */
enum state_flag { STATE_FLAG_TERMINAL = 1, STATE_FLAG_CGROUP = 2, STATE_FLAG_MASK = 3 };

enum { STATE_ID_MAX = 255, STATE_SIZE_MAX = 8 << 20 };

struct state {
	struct buf memory; /* what the texts point into, after state_load() */
	const char *id, *bundle, *root;
	const char *cgroup; /* below the top of cgroup v2; "" = none */
	int64_t created_ns;
	uint32_t pid, uid;
	uint64_t start_time; /* of the process, as in /proc/PID/stat */
	uint8_t flags, hooks;
	struct answer_pair *pairs; /* heap, after state_load() */
	size_t pair_count;
};

enum state_status {
	STATE_STATUS_CREATED,
	STATE_STATUS_RUNNING,
	STATE_STATUS_PAUSED,
	STATE_STATUS_STOPPED,
};

/*
 * Where the states are: what --root says, else /run/hoy-oci; for root of a user namespace, as with
 * runc, $XDG_RUNTIME_DIR/hoy-oci where there is one.
 */
const char *state_root_path(const char *given);
#define STATE_RECORD   "state"
#define STATE_CREATING "creating"
#define STATE_GATE     "start"
#define STATE_CONFIG   "config.json"
#define STATE_PLAN     "plan" /* only for hooks that come later */

/* Letters, digits and _+-. but no dot in front: what runc takes, and no name of our own. */
int state_id_check(const char *id, struct err *err);

/* Opens the directory of all containers, made when it is missing. */
int state_root_open(const char *path, struct err *err);
/* A new container's directory; -EEXIST when the id is in use. */
int state_dir_make(int root_fd, const char *id, struct err *err);
/* Of one that is there; -ENOENT "container ID does not exist". */
int state_dir_open(int root_fd, const char *id, struct err *err);

/* Writes a new file of ours, which nobody reads before another one says that it is complete. */
int state_file_make(int dirfd, const char *name, const void *data, size_t len, struct err *err);

/* Writes a file of ours whole or not at all. */
int state_file_put(int dirfd, const char *name, const void *data, size_t len, struct err *err);

int state_encode(const struct state *state, struct buf *out);
int state_decode(struct str bytes, struct state *ret_state, struct err *err);
/* name: STATE_RECORD or STATE_CREATING. */
int state_save(int dirfd, const char *name, const struct state *state, struct err *err);
int state_load(int dirfd, const char *name, struct state *ret_state, struct err *err);
void state_done(struct state *state); /* accepts zeroed */

/* When a process was started, from the text of its stat file; 0 = it is dead or unreadable. */
uint64_t state_start_time(struct str stat);
/* The same of a pid. */
uint64_t state_start_time_of(uint32_t pid);
/* A pidfd of the container's first process; -ESRCH when it is gone. */
int state_process_open(const struct state *state, struct err *err);
/* Its cgroup v2 group; -ENOENT without one. */
int state_cgroup_open(const struct state *state, struct err *err);

enum state_status state_status(int dirfd, const struct state *state);
const char *state_status_name(enum state_status status);

#endif
