/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of an image as a client takes them. Pure; runs in the api role. Must never send of a
 * file more or less bytes than were told of it.
 */
#include "engine/buildkit/fileset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/buildkit/packet.h"
#include "lib/own.h"

enum { FILESET_ATTRIBUTES_MAX = 128 << 10 };

void fileset_init(struct fileset *set)
{
	*set = (struct fileset){ 0 };
	arena_init(&set->arena, FILESET_LIST_MAX);
}

void fileset_done(struct fileset *set)
{
	free(set->entries);
	set->entries = NULL;
	arena_done(&set->arena);
}

void fileset_again(struct fileset *set)
{
	set->state = (struct entry_state){ 0 };
	set->at = 0;
	set->sending = false;
}

static int no_memory(struct err *err)
{
	return err_set(err, -E2BIG, "the result of the build has too many files");
}

/* ---- the list ---- */

static enum packet_kind kind_of(enum entry_type type)
{
	switch (type) {
	case ENTRY_DIR:
		return PACKET_KIND_DIR;
	case ENTRY_SYMLINK:
		return PACKET_KIND_LINK;
	case ENTRY_CHAR:
		return PACKET_KIND_CHAR;
	case ENTRY_BLOCK:
		return PACKET_KIND_BLOCK;
	case ENTRY_FIFO:
		return PACKET_KIND_FIFO;
	case ENTRY_FILE:
	case ENTRY_HARDLINK:
		return PACKET_KIND_FILE;
	case ENTRY_WHITEOUT:
	case ENTRY_OPAQUE:
	case ENTRY_DATA:
	case ENTRY_END:
		break;
	}
	return PACKET_KIND_OTHER;
}

static int keep_attributes(struct fileset *set, const struct entry *entry, struct str *ret_bytes)
{
	struct buf bytes OWN(buf_done) = { 0 };
	struct packet_stat stat = { .kind = kind_of(entry->type),
				    .mode = entry->mode,
				    .uid = entry->uid,
				    .gid = entry->gid,
				    .time_ns = entry->mtime_s * 1000000000 + entry->mtime_ns,
				    .major = entry->rdev_major,
				    .minor = entry->rdev_minor };
	char *copy;

	for (; stat.xattr_count < entry->xattr_count; stat.xattr_count++)
		stat.xattrs[stat.xattr_count] =
			(struct packet_xattr){ entry->xattrs[stat.xattr_count].name,
					       entry->xattrs[stat.xattr_count].value };
	buf_init(&bytes, FILESET_ATTRIBUTES_MAX);
	packet_put_attributes(&bytes, &stat);
	copy = buf_error(&bytes) ? NULL : arena_alloc(&set->arena, bytes.len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes.data, bytes.len);
	*ret_bytes = str_make(copy, bytes.len);
	return 0;
}

static int grow(struct fileset *set)
{
	uint32_t room = set->room ? 2 * set->room : 64;
	struct fileset_entry *more;

	if (set->count < set->room)
		return 0;
	more = realloc(set->entries, room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	set->entries = more;
	set->room = room;
	return 0;
}

static int note(struct fileset *set, const struct entry *entry, struct err *err)
{
	struct fileset_entry *to;

	if (set->count == ENTRY_COUNT_MAX || grow(set) < 0)
		return no_memory(err);
	to = &set->entries[set->count++];
	*to = (struct fileset_entry){ .path = arena_text(&set->arena, entry->path),
				      .target = arena_text(&set->arena, entry->target),
				      .size = entry->size,
				      .type = entry->type };
	if (!to->path || !to->target || keep_attributes(set, entry, &to->attributes) < 0)
		return no_memory(err);
	return 0;
}

/* Name by name: "a/b" stands in front of "a.b". */
static int compare_paths(const char *one, const char *other)
{
	while (*one && *one == *other) {
		one++;
		other++;
	}
	return (*one == '/' ? 1 : (uint8_t)*one) - (*other == '/' ? 1 : (uint8_t)*other);
}

static int by_path(const void *one, const void *other, void *entries)
{
	const struct fileset_entry *all = entries;

	return compare_paths(all[*(const uint32_t *)one].path, all[*(const uint32_t *)other].path);
}

static const struct fileset_entry *find(const struct fileset *set, const char *path)
{
	uint32_t low = 0, high = set->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct fileset_entry *entry = &set->entries[set->order[middle]];
		int way = compare_paths(path, entry->path);

		if (way == 0)
			return entry;
		if (way < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Of several names of a file the client has to hear the one first that comes first. */
static int tie_links(struct fileset *set, struct err *err)
{
	for (uint32_t rank = 0; rank < set->count; rank++) {
		struct fileset_entry *entry = &set->entries[set->order[rank]];

		entry->rank = entry->first = rank;
	}
	for (uint32_t i = 0; i < set->count; i++) {
		struct fileset_entry *entry = &set->entries[i], *file;
		const struct fileset_entry *found;

		if (entry->type != ENTRY_HARDLINK)
			continue;
		found = find(set, entry->target);
		if (!found || found->type != ENTRY_FILE)
			return err_set(err, -EBADMSG, "%.200s is a link to no file", entry->path);
		entry->file = (uint32_t)(found - set->entries);
		file = &set->entries[entry->file];
		if (entry->rank < file->first)
			file->first = entry->rank;
	}
	return 0;
}

int fileset_sort(struct fileset *set, struct err *err)
{
	set->order = arena_array(&set->arena, set->count + 1, sizeof(*set->order));
	set->wanted = arena_array(&set->arena, set->count / 8 + 1, 1);
	if (!set->order || !set->wanted)
		return no_memory(err);
	memset(set->wanted, 0, set->count / 8 + 1);
	for (uint32_t i = 0; i < set->count; i++)
		set->order[i] = i;
	if (set->count)
		qsort_r(set->order, set->count, sizeof(*set->order), by_path, set->entries);
	return tie_links(set, err);
}

bool fileset_tell(struct fileset *set, struct buf *out)
{
	const struct fileset_entry *entry, *content;
	const char *link;

	if (set->told == set->count)
		return false;
	entry = content = &set->entries[set->order[set->told++]];
	link = entry->target;
	if (entry->type == ENTRY_HARDLINK)
		content = &set->entries[entry->file];
	if (content->type == ENTRY_FILE)
		link = content->first == entry->rank
			       ? ""
			       : set->entries[set->order[content->first]].path;
	packet_put_entry(out, entry->path, link, content->size, content->attributes);
	return true;
}

/* ---- files ---- */

int fileset_want(struct fileset *set, uint32_t id, struct err *err)
{
	uint8_t bit = (uint8_t)(1U << id % 8);
	const struct fileset_entry *entry =
		set->order && id < set->count ? &set->entries[set->order[id]] : NULL;

	if (entry && entry->type == ENTRY_HARDLINK)
		entry = &set->entries[entry->file];
	if (!entry || entry->type != ENTRY_FILE || entry->first != id)
		return err_set(err, -EBADMSG, "the client asked for a file that is not there");
	if (!(set->wanted[id / 8] & bit))
		set->wanted_count++;
	set->wanted[id / 8] |= bit;
	return 0;
}

/* A part of a hole: what the record does not hold is zeros. */
static void put_zeros(struct fileset *set, uint64_t until, struct buf *out)
{
	static const char zeros[ENTRY_DATA_MAX];
	uint64_t n = until - set->sent < sizeof(zeros) ? until - set->sent : sizeof(zeros);

	packet_put_data(out, set->id, str_make(zeros, (size_t)n));
	set->sent += n;
	set->bytes += n;
}

static void end_file(struct fileset *set, struct buf *out)
{
	packet_put_data(out, set->id, STR(""));
	set->sending = false;
	set->wanted[set->id / 8] &= (uint8_t) ~(1U << set->id % 8);
	set->wanted_count--;
}

static int take_entry(struct fileset *set, const struct entry *entry, struct err *err)
{
	const struct fileset_entry *known;

	if (!entry->path.len || entry->type >= ENTRY_WHITEOUT)
		return 0;
	if (!set->order)
		return note(set, entry, err);
	known = set->at < set->count ? &set->entries[set->at++] : NULL;
	if (!known || known->type != entry->type || known->size != entry->size)
		return err_set(err, -EBADMSG, "the result of the build changed while it was read");
	if (entry->type == ENTRY_FILE && (set->wanted[known->first / 8] >> known->first % 8 & 1)) {
		set->sending = true;
		set->id = known->first;
		set->size = entry->size;
		set->sent = 0;
	}
	return 0;
}

int fileset_step(struct fileset *set, struct str in, struct buf *out, size_t *ret_used,
		 struct err *err)
{
	static struct entry entry;
	const struct entry_state before = set->state;
	int64_t used = entry_parse(&set->state, in, &entry, err);
	uint64_t until;
	int r = 0;

	*ret_used = 0;
	if (used <= 0)
		return (int)used;
	until = entry.type == ENTRY_DATA ? entry.offset : set->size;
	if (set->sending && (set->sent < until || entry.type != ENTRY_DATA)) {
		/* A step has one packet: the same record comes again. */
		set->state = before;
		if (set->sent < until)
			put_zeros(set, until, out);
		else
			end_file(set, out);
		return 1;
	}
	*ret_used = (size_t)used;
	if (set->sending) {
		packet_put_data(out, set->id, entry.data);
		set->sent += entry.data.len;
		set->bytes += entry.data.len;
	} else {
		r = take_entry(set, &entry, err);
	}
	return r < 0 ? r : 1;
}
