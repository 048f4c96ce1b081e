/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_FILESET_H
#define HOY_ENGINE_BUILDKIT_FILESET_H

#include "engine/api/entry.h"
#include "lib/arena.h"
#include "lib/buf.h"

/*
 * A tree as entry records becomes the packets that a client takes a directory by (packet.h). The
 * records are read more than once: the first time each entry is noted; then all are told in the
 * order of their names; then, as often as files are still asked for, those files are sent. Pure.
 */
enum { FILESET_LIST_MAX = 128 << 20 };

struct fileset_entry {
	const char *path, *target; /* target: of a symbolic or hard link, else "" */
	struct str attributes;	   /* of a packet's entry, without path, link and size */
	uint64_t size;
	enum entry_type type;
	uint32_t rank;	/* in the order of names: what the client knows it by */
	uint32_t file;	/* of a hard link: which entry's content it has */
	uint32_t first; /* of a file: the rank of its first name */
};

struct fileset {
	struct arena arena;
	struct entry_state state;      /* of the records as they are read this time */
	struct fileset_entry *entries; /* in the order of the records */
	uint32_t *order;	       /* by rank; NULL = the first reading is not over */
	uint32_t count, room;
	uint32_t told;	 /* entries of which the client knows */
	uint32_t at;	 /* entries of this reading, so far */
	uint8_t *wanted; /* a bit for each rank */
	uint32_t wanted_count;
	bool sending; /* a file, of which there were: */
	uint32_t id;
	uint64_t size, sent;
	uint64_t bytes; /* of all files, so far */
};

void fileset_init(struct fileset *set);
void fileset_done(struct fileset *set);
/* The records come again, from their first. */
void fileset_again(struct fileset *set);
/*
 * One step: a packet into out, or none. 1 = go on, with *ret_used bytes of `in` less (0: the record
 * comes again); 0 = more bytes are needed; -EBADMSG, -ENOMEM, -E2BIG. After END, which
 * state.ended tells, nothing may come.
 */
int fileset_step(struct fileset *set, struct str in, struct buf *out, size_t *ret_used,
		 struct err *err);
/* All entries were read. -EBADMSG: a hard link leads nowhere; -ENOMEM. */
int fileset_sort(struct fileset *set, struct err *err);
/* The next entry as a packet; false: all are told. */
bool fileset_tell(struct fileset *set, struct buf *out);
/* The client asks for a file. -EBADMSG: there is none of that number. */
int fileset_want(struct fileset *set, uint32_t id, struct err *err);

#endif
