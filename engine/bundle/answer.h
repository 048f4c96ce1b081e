/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_ANSWER_H
#define HOY_ENGINE_BUNDLE_ANSWER_H

#include <stdbool.h>
#include "engine/run/cgroup_resource.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"
#include "lib/wire.h"

/*
 * What the sandboxed parser says about a config.json: the plan, and the few things that hoy-oci
 * does itself. Wire form over a pipe, little endian; a text's last byte is a NUL:
 *
 *   u32 "HOA1"  i32 error, text message                      (error below 0: nothing follows)
 *   list warnings {text}  text root path  text cgroups path  u8 terminal
 *   text listener path  text listener metadata
 *   list namespaces {u8 fd, text path}  list annotations {text key, text value}
 *   u8 hooks to be run later (bits of enum answer_hook)  resources  blob plan
 */
enum {
	ANSWER_MAX = 8 << 20,
	ANSWER_WARNINGS_MAX = 32,
	ANSWER_NAMESPACES_MAX = 8,
	ANSWER_PAIRS_MAX = 4096,
	ANSWER_TEXT_MAX = 1 << 20,
	ANSWER_FD_FIRST = 100, /* namespaces are opened as these numbers */
};

enum answer_hook { ANSWER_HOOK_POSTSTART = 1, ANSWER_HOOK_POSTSTOP = 2 };

struct answer_namespace {
	uint8_t fd;
	const char *path;
};

struct answer_pair {
	const char *key, *value;
};

struct answer {
	const char *warnings[ANSWER_WARNINGS_MAX];
	size_t warning_count;
	const char *root, *cgroups_path;
	bool terminal;
	const char *listener_path, *listener_metadata;
	struct answer_namespace namespaces[ANSWER_NAMESPACES_MAX];
	size_t namespace_count;
	struct answer_pair *pairs; /* annotations */
	size_t pair_count;
	uint8_t hooks;
	struct cgroup_resources resources;
	struct str plan;
	/* Where the reader keeps what resources points to. */
	struct cgroup_io_limit io_limits[CGROUP_ROWS_MAX];
	struct cgroup_io_weight io_weights[CGROUP_ROWS_MAX];
	struct cgroup_hugetlb hugetlb[CGROUP_ROWS_MAX];
	struct cgroup_rdma rdma[CGROUP_ROWS_MAX];
	struct cgroup_unified unified[CGROUP_ROWS_MAX];
};

/*
 * One text of a record, its last byte a NUL so that the reader may point into the bytes. Reading
 * anything else gives "" and a sticky error. The state file has the same.
 */
void answer_put_text(struct buf *out, const char *text);
const char *answer_get_text(struct wire *in);

void answer_encode(const struct answer *answer, struct buf *out);
void answer_encode_error(const struct err *why, struct buf *out);

/*
 * Texts point into data. An answer that is an error becomes err and its code; -EBADMSG when it is
 * none of ours. pairs is taken from the heap: answer_done() frees it.
 */
int answer_decode(const void *data, size_t len, struct answer *ret_answer, struct err *err);
void answer_done(struct answer *answer);

#endif
