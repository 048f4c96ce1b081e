/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_ENDS_H
#define HOY_ENGINE_SERVICE_ENDS_H

#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/wire.h"

/*
 * How a service ended, the last times and how often in all: kept over reboots in /data/state/ends,
 * "hoyends1", the SHA-256 of what follows, u32 count, {text name, struct service_ends}...
 */
enum { SERVICE_ENDS_MAX = 8, SERVICE_END_TEXT_MAX = 96, SERVICE_ENDS_FILE_MAX = 4 << 20 };

struct service_end {
	int64_t at_s; /* wall clock */
	char text[SERVICE_END_TEXT_MAX];
};

struct service_ends {
	uint64_t total;
	uint32_t count;
	struct service_end list[SERVICE_ENDS_MAX]; /* newest first */
};

void service_ends_add(struct service_ends *ends, int64_t at_s, const char *text);
/* Wire form: u64 total, u32 count, {i64 at, text}... */
void service_ends_put(struct buf *out, const struct service_ends *ends);
void service_ends_get(struct wire *in, struct service_ends *ret_ends);

/* The file around them: begin, then name and ends of each, then seal. */
void service_ends_begin(struct buf *out, uint32_t count);
int service_ends_seal(struct buf *out);
/* fn for each; -EBADMSG for a damaged file, fn then was not called. */
int service_ends_read(struct str file,
		      void (*fn)(void *owner, const char *name, const struct service_ends *ends),
		      void *owner, struct err *err);

struct manager;
void manager_ends_load(struct manager *manager);
void manager_ends_save(struct manager *manager);

#endif
