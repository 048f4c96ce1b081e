/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_ENGINE_MSG_H
#define HOY_ENGINE_API_ENGINE_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/wire.h"

/*
 * What the engine answers on engine.sock (console, CLI) and to its own api role. All are calls; a
 * reply has the call's type. Strings are bounded by the reader; names are at most 128 bytes.
 */
enum engine_msg {
	/* {} -> {u32 count, row...} by engine_row_put(), declared services without a container too
	 */
	ENGINE_MSG_PS = 0x300,
	/* {text name, u8 enum engine_act, i64 argument} -> {}; stop: argument = grace in ms, -1 =
	 * the container's own; kill: the signal number. */
	ENGINE_MSG_ACT,
	/* {text name} -> {u8 tty} fds: the log files, oldest first, read-only; lines as the shim
	 * wrote them (JSON, one object per line). */
	ENGINE_MSG_LOGS,
	/* {struct engine_exec_args} -> first {} with MORE and fds: [pty] or [stdin, stdout,
	 * stderr]; last {i32 exit code}. */
	ENGINE_MSG_EXEC,
	/* {u32 serial of the exec call on this connection, u16 rows, u16 columns} -> {} */
	ENGINE_MSG_RESIZE,
	/* {} -> {u32 count, struct engine_image...} */
	ENGINE_MSG_IMAGES,
	/* {text reference} -> MORE {text progress line}..., last {text manifest digest} */
	ENGINE_MSG_PULL,
	/* {text reference} -> {} */
	ENGINE_MSG_IMAGE_REMOVE,
	/* {} -> {u32 count, {text issue}}: what is wrong in the configuration */
	ENGINE_MSG_ISSUES,
	/* {} -> {u32 running, u32 declared, u64 store bytes, u64 free bytes, text
	   state} */
	ENGINE_MSG_INFO,
	/* {text name} -> {engine row, as ENGINE_MSG_PS} */
	ENGINE_MSG_INSPECT,
	/* {text image, text reference to push it to, "" = the image's own} -> MORE {text progress
	 * line}..., last {text manifest digest} */
	ENGINE_MSG_PUSH,
	/* {} -> {u64 bytes, u32 objects, u32 that only leases keep}: drops the build cache and all
	 * layers that no image, no container and no job under way uses */
	ENGINE_MSG_PRUNE,
	/* {text context, text dockerfile, text target, u8 without cache, u32 count, {text argument,
	   text value}..., u32 count, {text name}..., u32 count, {text secret, text file}...} ->
	   MORE {text line}..., last {text image id}; what may follow them: build_call_msg.h */
	ENGINE_MSG_BUILD,
	/* {text name} -> {struct engine_health}: its state and the last probes, oldest first. Any
	 * container, by name or id */
	ENGINE_MSG_HEALTH = 0x340,
	/* {} -> twice {u32 count, text issue..., text changes} (ini_try() of lib/ini.h):
	 * services.ini and engine.ini as the layers in INI_TRY_DIR would make them */
	ENGINE_MSG_CHECK,
	/* {text name} -> {u64 ends in all, u32 count, {i64 wall clock s, text reason}...}: how it
	 * ended, newest first, at most 8; over reboots */
	ENGINE_MSG_ENDS,
	ENGINE_MSG_METRICS, /* {} -> {text}: machine and containers as Prometheus text */
	/* From here on for the api role. "name": a name, an id or the beginning of an id; texts of
	 * errors are Docker's. -EALREADY: it is so already. */
	/* {} or {text name} -> {u32 count, blob engine_view...} */
	ENGINE_MSG_VIEWS = 0x360,
	/* {text id (64 hex digits, new), blob definition} (engine/container/def.h) -> {text id} */
	ENGINE_MSG_CREATE,
	/* {text name} -> {} once its program runs */
	ENGINE_MSG_START,
	/* {text name, i64 grace in ms (-1 = its own), u32 signal (0 = its own)} -> {} once it ended
	 */
	ENGINE_MSG_STOP,
	/* as STOP -> {} once it runs again */
	ENGINE_MSG_RESTART,
	ENGINE_MSG_KILL,   /* {text name, u32 signal} -> {} */
	ENGINE_MSG_REMOVE, /* {text name, u8 force, u8 volumes} -> {} once it is gone */
	ENGINE_MSG_PAUSE,  /* {text name, u8 pause} -> {} */
	ENGINE_MSG_CHANGE, /* {text name, blob definition} -> {}: rename and update */
	/* {text name, u8 enum shim_attach} -> as SHIM_MSG_ATTACH. For one that has not been
	 * started the answer comes when it is. */
	ENGINE_MSG_ATTACH,
	/* {u32 serial}: the ATTACH_TOLD of this serial is not waited for any more -> {} */
	ENGINE_MSG_CANCEL,
	ENGINE_MSG_TTY,	    /* {text name, u16 rows, u16 columns} -> {} */
	ENGINE_MSG_EVENTS,  /* {} -> MORE engine_event..., without end */
	ENGINE_MSG_RECORDS, /* {} -> the answer of STORE_MSG_IMAGE_LIST */
	/* {text reference or digest, text new reference} -> {} */
	ENGINE_MSG_TAG,
	/* {text name} -> {u32 count, {u32 pid, blob /proc/PID/stat, blob cmdline, blob status}...}
	 */
	ENGINE_MSG_PROCESSES,
	/* {text name} -> {u32 count, {text file, blob content}...}: kernel's counters, unread */
	ENGINE_MSG_COUNTERS,
	ENGINE_MSG_VOLUMES,	   /* {} -> {u32 count, engine_volume...} */
	ENGINE_MSG_VOLUME_MAKE,	   /* {text name, text api, bytes: volume_mount.h} -> {} */
	ENGINE_MSG_VOLUME_REMOVE,  /* {text name} -> {} */
	ENGINE_MSG_NETWORKS,	   /* {} -> {u32 count, engine_network...} */
	ENGINE_MSG_NETWORK_MAKE,   /* {text name, text subnet, u8 internal, text api,
				    * bytes more: netd_network_more_encode()} -> {} */
	ENGINE_MSG_NETWORK_REMOVE, /* {text name} -> {} */
	/* {text image, text target ("" = the same), text user, text password, text token, u8 push}
	   -> MORE {struct pull_progress}..., last {text digest, u8 same, u64 manifest bytes} */
	ENGINE_MSG_PULL_AS,
	ENGINE_MSG_COMPOSE, /* a Compose file; bodies of COMPOSE_MSG_CONVERT (compose_msg.h) */
	ENGINE_MSG_ID,	    /* {} -> {text}: this engine's, for ever. 0x390 and on:
			       engine/api/image_msg.h, 0x37a: stream_msg.h */
};

enum engine_act {
	ENGINE_ACT_START,
	ENGINE_ACT_STOP,
	ENGINE_ACT_RESTART,
	ENGINE_ACT_KILL,
	ENGINE_ACT_REMOVE,
};

enum {
	ENGINE_NAME_MAX = 128,
	ENGINE_REF_MAX = 512,
	ENGINE_STATUS_MAX = 600,
	ENGINE_ROWS_MAX = 4096
};

struct engine_row {
	char id[68];
	char name[ENGINE_NAME_MAX];
	char image[ENGINE_REF_MAX];
	char state[16]; /* running exited waiting starting stopped refused building pulling
			   restarting */
	char status[ENGINE_STATUS_MAX]; /* for a person: reason, next retry, exit code, uptime */
	char ports[256];
	int64_t created_s;
	int32_t pid; /* 0 = none */
	int32_t exit_code;
	uint32_t restarts;
	bool declared;	 /* comes from INI */
	char health[16]; /* none starting healthy unhealthy */
};

/* text state, u32 failures in a row, u32 count, {i64 start s, i64 end s, i64 code, text output}...
 * The outputs are foreign: escape them. */
enum { ENGINE_HEALTH_RESULTS_MAX = 5, ENGINE_HEALTH_OUTPUT_MAX = 4097 };

struct engine_health {
	char state[16];
	uint32_t streak, count;
	struct {
		int64_t start_s, end_s; /* since 1970 */
		int32_t code;		/* 0 = well, -1 = out of time or not started */
		char output[ENGINE_HEALTH_OUTPUT_MAX];
	} results[ENGINE_HEALTH_RESULTS_MAX];
};

void engine_health_put(struct buf *out, const struct engine_health *health);
void engine_health_get(struct wire *in, struct engine_health *ret_health);

/*
 * One image: text reference, text digest, text created, text architecture, u64 bytes, u64 disk
 * bytes, u32 layers. The texts but the first two come from the image: escape them.
 */
struct engine_image {
	char reference[ENGINE_REF_MAX];
	char digest[80];       /* of the manifest */
	char created[64];      /* RFC 3339 as the image says it, "" = it does not */
	char architecture[32]; /* "amd64" */
	uint64_t bytes;	       /* as it was pulled, compressed */
	uint64_t disk_bytes;   /* shared layers counted for each image */
	uint32_t layers;
};

void engine_image_put(struct buf *out, const struct engine_image *image);
void engine_image_get(struct wire *in, struct engine_image *ret_image);

void engine_row_put(struct buf *out, const struct engine_row *row);
void engine_row_get(struct wire *in, struct engine_row *ret_row);

/*
 * The body of ENGINE_MSG_EXEC: text name, u8 tty, u8 privileged, u16 rows, u16 columns, text user,
 * text cwd, u32 count, text argv..., u32 count, text env...
 */
enum { ENGINE_EXEC_TEXTS_MAX = 1024, ENGINE_EXEC_TEXT_MAX = 131072 };

struct engine_exec_args {
	char name[ENGINE_NAME_MAX];
	char user[256]; /* "NAME|UID[:GROUP|GID]", "" = the container's own */
	char cwd[4096]; /* "" = the container's own */
	bool tty;
	bool privileged; /* all capabilities, no filter of system calls */
	uint16_t rows, columns;
	const char *const *argv, *const *env; /* NULL-terminated */
};

void engine_exec_put(struct buf *out, const struct engine_exec_args *args);
/* The lists live in the arena. -EBADMSG, or -ENOMEM when the arena is too small. */
int engine_exec_get(struct str body, struct arena *arena, struct engine_exec_args *ret_args,
		    struct err *err);

#endif
