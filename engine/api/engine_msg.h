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
 * What the engine answers on engine.sock (console, CLI) and to its own api role. Every message is a
 * call; a reply has the call's type. Strings are bounded by the reader; names are at most 128
 * bytes.
 */
enum engine_msg {
	/* {} -> {u32 count, row...}; a row is written by engine_row_put(). Declared services that
	 * have no container are rows too. */
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
	   MORE {text line}..., last {text image id}. context: a directory on the machine */
	ENGINE_MSG_BUILD,
	/* {text name} -> {struct engine_health}: its state and the last probes, oldest first */
	ENGINE_MSG_HEALTH = 0x340,
	/* {} -> twice {u32 count, text issue..., text changes} (ini_try() of lib/ini.h):
	 * services.ini and engine.ini as the layers in INI_TRY_DIR would make them */
	ENGINE_MSG_CHECK,
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
 * The body of ENGINE_MSG_EXEC: text name, u8 tty, u16 rows, u16 columns, text user, text cwd, u32
 * count, text argv..., u32 count, text env...
 */
enum { ENGINE_EXEC_TEXTS_MAX = 1024, ENGINE_EXEC_TEXT_MAX = 131072 };

struct engine_exec_args {
	char name[ENGINE_NAME_MAX];
	char user[256]; /* "NAME|UID[:GROUP|GID]", "" = the container's own */
	char cwd[4096]; /* "" = the container's own */
	bool tty;
	uint16_t rows, columns;
	const char *const *argv, *const *env; /* NULL-terminated */
};

void engine_exec_put(struct buf *out, const struct engine_exec_args *args);
/* The lists live in the arena. -EBADMSG, or -ENOMEM when the arena is too small. */
int engine_exec_get(struct str body, struct arena *arena, struct engine_exec_args *ret_args,
		    struct err *err);

#endif
