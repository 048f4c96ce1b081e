/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_BUILD_CALL_MSG_H
#define HOY_ENGINE_API_BUILD_CALL_MSG_H

#include <stdint.h>

/*
 * The rest of ENGINE_MSG_BUILD (engine_msg.h). Behind the secrets there may stand
 *
 *     u32 count, {text key, text name, blob value}...
 *
 * with these keys, each as often as it makes sense:
 *
 *   label NAME VALUE      of the result, over the Dockerfile's
 *   secret ID VALUE       for RUN --mount=type=secret; memory of the engine alone
 *   context NAME WHERE    a named context: "docker-image://REFERENCE" or a directory as `context`
 *   dockerfile "" TEXT    instead of the file in the context; `dockerfile` then only names it
 *   platform "" TEXT      "linux/amd64"; another one than the machine's is refused
 *   network "" TEXT       of RUN without --network: "default", "none" or, where allowed, "host"
 *   allow "" TEXT         "network.host": RUN may have the machine's own network
 *   ssh ID PATH           the socket of an agent on the machine, for RUN --mount=type=ssh
 *   host NAME ADDRESS     in /etc/hosts of RUN
 *   cache-from REF ""     a cache in a registry that steps are looked for in
 *   cache-to REF HOW      one that gets the steps that were made or found: comma-separated words,
 *                         mode=min (of the target's stages) or max, ignore-error=true
 *   pull "" ""            bases are asked for at their registries even where they are here
 *   check "" ""           nothing is built: only what `docker build --check` warns of
 *   notes "" ""           MORE is a whole build_note, else its line alone
 *
 * Context: a directory of the machine with its whole path, or a git repository's address. So the
 * api role may not ask this: a client of the API must not have the machine's own files read to it
 * (context_msg.h is for them).
 *
 * MORE with notes: {text line, u8 enum build_note_kind, u32 step, u32 line, u32 column, text rule,
 * text description, text url}. step: 1-based number of the instruction, as in "Step 3/7", 0 = none.
 * Rule, its description and address, line and column: of a warning, else "" and 0.
 */
enum build_note_kind {
	BUILD_NOTE_TEXT,   /* anything else, a pull's progress among it */
	BUILD_NOTE_STEP,   /* "Step 3/7 : RUN x" begins */
	BUILD_NOTE_CACHED, /* the step was found in the cache */
	BUILD_NOTE_STDOUT, /* of RUN: inside of a JSON string, still escaped; may lack its newline
			    */
	BUILD_NOTE_STDERR,
	BUILD_NOTE_DONE, /* the step is made */
	BUILD_NOTE_WARNING,
};

struct build_note {
	enum build_note_kind kind;
	uint32_t step;
	const char *text;
	uint32_t line, column;
	const char *rule, *description, *url; /* NULL as "" */
};

/* What each RUN may use at most and where it talks to; 0, "" and NULL = as without. */
struct build_limits {
	int64_t memory, memory_and_swap, shm_bytes; /* bytes; memory_and_swap -1 = no limit */
	int64_t cpu_shares, cpu_quota_us, cpu_period_us;
	const char *cpuset_cpus, *cpuset_mems;
	const char *ulimits; /* "nofile=1024:2048,core=0:0" */
	const char *network; /* one of the engine's, instead of bridge */
};

enum {
	BUILD_CALL_OPTIONS_MAX = 512,
	BUILD_CALL_VALUE_MAX = 1 << 20,
	BUILD_CALL_BYTES_MAX = 8 << 20
};

#endif
