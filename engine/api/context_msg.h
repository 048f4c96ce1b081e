/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_CONTEXT_MSG_H
#define HOY_ENGINE_API_CONTEXT_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/build_call_msg.h"
#include "engine/oci/image.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/wire.h"

/*
 * Builds that a client of the API asks for: the context comes as a tar through a pipe, which the
 * unpack and files roles read. Calls of the api role to engine main, as in engine_msg.h.
 */
enum engine_context_msg {
	/* {struct engine_context} fds [0] the tar, plain or compressed; without it `remote` is all
	 * -> MORE {u8 enum engine_context_said, ...}..., last {text image id} */
	ENGINE_MSG_BUILD_CONTEXT = 0x3e0,
	/*
	 * {u64 token} -> {}, or one-way: nobody wants that build any more: it ends and names no
	 * image. A build that there is not (any more) is no error.
	 */
	ENGINE_MSG_BUILD_CANCEL,
	/* {struct engine_context}, one-way: secrets, logins and agents for the build of that token,
	 * which goes on: ENGINE_CONTEXT_INPUTS. Nothing else of it counts. */
	ENGINE_MSG_BUILD_GO,
	/* engine main to the api role, one-way: {u64 token, text id} fds [0] a listening socket
	 * that RUN --mount=type=ssh of that build leads to */
	ENGINE_MSG_BUILD_AGENT,
};

enum engine_context_said {
	/* {u8 enum build_note_kind, u32 step, text, u32 line, u32 column, text rule, text
	 * description, text url}: as engine/api/build_call_msg.h has it */
	ENGINE_CONTEXT_NOTE = 1,
	/* {u32 status, text command of at most IMAGE_TEXT_MAX}: a RUN's; the error follows */
	ENGINE_CONTEXT_FAILED = 2,
	/* {blob struct build_inputs}: of a build that is held, once the Dockerfile is there */
	ENGINE_CONTEXT_INPUTS = 3,
};

enum {
	ENGINE_CONTEXT_LOGINS_MAX = 32,
	ENGINE_CONTEXT_NAMES_MAX = 16,
	ENGINE_CONTEXT_PAIRS_MAX = 256,
	ENGINE_CONTEXT_SECRETS_MAX = 32,
	ENGINE_CONTEXT_AGENTS_MAX = 8,
	ENGINE_CONTEXT_SECRET_MAX = 512 << 10, /* bytes */
	ENGINE_CONTEXT_TEXT_MAX = 1 << 20,     /* a Dockerfile */
	ENGINE_CONTEXT_BODY_MAX = 4 << 20,     /* of the call */
};

struct engine_context_login {
	const char *host, *user, *password, *token; /* "" = none */
};

struct engine_context_secret {
	const char *id;
	struct str value;
};

/*
 * {u64 token, text dockerfile, text target, u8 without cache, u8 pull, u8 RUN without network, u32
 * count, {text key, text value}... arguments, the same of labels, the same of hosts for RUN, u32
 * count, {text name}..., u32 count, {text host, text user, text password, text token}..., u8
 * whether the Dockerfile comes along, blob Dockerfile, u8 parted, u32 count, {text name, text
 * where}... named contexts, u32 count, {text id, blob value}... secrets, u32 count, {text
 * reference, text ""}... caches to read, u32 count, {text reference, text how}... to write, text
 * remote, u8 held, u8 check, u8 RUN in the machine's network, u8 whether a RUN may ask for that,
 * i64 memory, memory and swap, shm, CPU shares, quota, period, text cpus, mems, ulimits, network of
 * struct build_limits, u32 count, {text id}... agents}. token: the caller's own number for it, not
 * 0.
 */
struct engine_context {
	uint64_t token;
	const char *dockerfile, *target; /* "" = "Dockerfile", the last stage */
	bool no_cache, pull, network_none;
	struct image_pairs args, labels, hosts;
	const char *names[ENGINE_CONTEXT_NAMES_MAX]; /* of the image, canonical */
	uint32_t name_count;
	struct engine_context_login logins[ENGINE_CONTEXT_LOGINS_MAX];
	uint32_t login_count;
	struct str text; /* instead of the file `dockerfile`; ptr NULL = that file */
	/*
	 * The tar has a directory for each context: "0" for the build's own, and one for each of
	 * the named ones that are "tar:NUMBER" (from 1 on). The others are "docker-image://NAME".
	 */
	bool parted;
	struct image_pairs contexts;
	struct engine_context_secret secrets[ENGINE_CONTEXT_SECRETS_MAX];
	uint32_t secret_count;
	struct image_pairs cache_from, cache_to; /* cache-from and cache-to of build_call_msg.h */
	/*
	 * "" = the tar is the context. Else a repository, or an URL of an archive or of a
	 * Dockerfile alone, which the engine fetches itself; a tar has the named contexts then.
	 */
	const char *remote;
	bool held;  /* it waits for ENGINE_MSG_BUILD_GO before it asks for an image */
	bool check; /* nothing is built: the warnings, and an empty image id */
	bool network_host, host_allowed;
	struct build_limits limits;
	const char *agents[ENGINE_CONTEXT_AGENTS_MAX]; /* ids of those that the client has */
	uint32_t agent_count;
};

void engine_context_put(struct buf *out, const struct engine_context *context);
/* Texts live in the arena, `text` and the secrets in the message. -EBADMSG, -ENOMEM. */
int engine_context_get(struct wire *in, struct arena *arena, struct engine_context *ret_context,
		       struct err *err);

#endif
