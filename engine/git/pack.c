/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pack's objects: found, named, put together. Runs in the unpack role, with a regular file that a
 * foreign server filled. Must never believe a length, an offset or a name in it.
 */
#include <endian.h>
#include <errno.h>
#include <mbedtls/sha1.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "engine/git/pack_parts.h"
#include "lib/own.h"

enum { PACK_HEAD = 12, PACK_BLOCK = 32 << 10 };

int git_pack_malformed(const char *what, struct err *err)
{
	return err_set(err, -EBADMSG, "git: the pack is damaged: %s", what);
}

/* ---- bytes ---- */

int64_t git_pack_raw(const struct git_pack *pack, uint64_t at, void *dst, size_t cap,
		     struct err *err)
{
	uint64_t all = pack->end + GIT_OID_SIZE;
	ssize_t n;

	if (at >= all)
		return 0;
	if (cap > all - at)
		cap = (size_t)(all - at);
	do
		n = pread(pack->fd, dst, cap, (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, -errno, "git: cannot read the pack");
	return n == 0 ? git_pack_malformed("it became shorter", err) : n;
}

int git_pack_read(const struct git_pack *pack, uint64_t at, void *dst, size_t len, struct err *err)
{
	for (size_t done = 0; done < len;) {
		int64_t n = git_pack_raw(pack, at + done, (char *)dst + done, len - done, err);

		if (n <= 0)
			return n < 0 ? (int)n : git_pack_malformed("it is cut off", err);
		done += (size_t)n;
	}
	return 0;
}

void git_naming_begin(struct git_naming *n, enum git_type type, uint64_t size)
{
	static const char *const names[] = { "", "commit", "tree", "blob", "tag" };
	char head[40];
	int len = snprintf(head, sizeof(head), "%s %llu", names[type], (unsigned long long)size);

	mbedtls_sha1_init(&n->sha1);
	(void)mbedtls_sha1_starts(&n->sha1);
	(void)mbedtls_sha1_update(&n->sha1, (const unsigned char *)head, (size_t)len + 1);
}

void git_naming_end(struct git_naming *n, struct git_oid *ret)
{
	(void)mbedtls_sha1_finish(&n->sha1, ret->bytes);
	mbedtls_sha1_free(&n->sha1);
}

/* What the compressed bytes at `at` hold, exactly `size` of it, and where they end. */
int git_pack_inflate(struct git_pack *pack, uint64_t at, uint64_t size, git_sink_fn *sink,
		     void *owner, uint64_t *ret_end, struct err *err)
{
	static unsigned char in[PACK_BLOCK], out[PACK_BLOCK];
	z_stream z = { 0 };
	uint64_t done = 0;
	int state = Z_OK, r = 0;

	if (size > pack->work)
		return err_set(err, -EFBIG, "git: the repository is larger than it may be here");
	pack->work -= size;
	if (inflateInit(&z) != Z_OK)
		return err_set(err, -ENOMEM, "git: no memory to decompress");
	while (r == 0 && state != Z_STREAM_END) {
		if (z.avail_in == 0) {
			size_t cap = at < pack->end ? (size_t)(pack->end - at) : 0;
			int64_t n =
				cap == 0 ? git_pack_malformed("an object is cut off", err)
					 : git_pack_raw(pack, at, in,
							cap < sizeof(in) ? cap : sizeof(in), err);

			if (n < 0) {
				r = (int)n;
				break;
			}
			z.next_in = in;
			z.avail_in = (unsigned)n;
			at += (uint64_t)n;
		}
		z.next_out = out;
		z.avail_out = sizeof(out);
		state = inflate(&z, Z_NO_FLUSH);
		if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
			r = git_pack_malformed("an object cannot be decompressed", err);
		else if (sizeof(out) - z.avail_out > size - done)
			r = git_pack_malformed("an object is longer than it says", err);
		else if (sizeof(out) > z.avail_out)
			r = sink(owner, str_make(out, sizeof(out) - z.avail_out), err);
		done += sizeof(out) - z.avail_out;
	}
	*ret_end = at - z.avail_in;
	(void)inflateEnd(&z);
	if (r == 0 && done != size)
		r = git_pack_malformed("an object is shorter than it says", err);
	return r;
}

/* ---- names ---- */

static uint32_t slot_of(const struct git_pack *pack, const struct git_oid *oid)
{
	uint32_t hash;

	memcpy(&hash, oid->bytes, sizeof(hash));
	return hash & pack->mask;
}

int64_t git_pack_find(const struct git_pack *pack, const struct git_oid *oid)
{
	for (uint32_t at = slot_of(pack, oid); pack->table[at]; at = (at + 1) & pack->mask) {
		const struct git_object *o = &pack->objects[pack->table[at] - 1];

		if (memcmp(&o->oid, oid, sizeof(*oid)) == 0)
			return pack->table[at] - 1;
	}
	return -ENOENT;
}

void git_pack_add_name(struct git_pack *pack, uint32_t index)
{
	uint32_t at = slot_of(pack, &pack->objects[index].oid);

	if (git_pack_find(pack, &pack->objects[index].oid) >= 0)
		return; /* twice the same */
	while (pack->table[at])
		at = (at + 1) & pack->mask;
	pack->table[at] = index + 1;
}

enum git_type git_pack_type(const struct git_pack *pack, uint32_t index)
{
	return (enum git_type)pack->objects[index].type;
}

uint64_t git_pack_size(const struct git_pack *pack, uint32_t index)
{
	return pack->objects[index].whole;
}

uint64_t git_pack_bytes(const struct git_pack *pack)
{
	return pack->end + GIT_OID_SIZE;
}

/* ---- objects as they are written ---- */

static int64_t find_offset(const struct git_pack *pack, uint32_t count, uint64_t at)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (pack->objects[middle].at == at)
			return middle;
		if (pack->objects[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return -ENOENT;
}

struct head {
	uint8_t bytes[48];
	size_t at;
};

static int head_byte(struct head *head)
{
	return head->at < sizeof(head->bytes) ? head->bytes[head->at++] : -1;
}

/* Kind and size: three and four bits, then seven a byte. */
static int read_kind(struct head *head, struct git_object *o, struct err *err)
{
	int c = head_byte(head);

	o->kind = (uint8_t)(c >> 4 & 7);
	o->size = (uint64_t)(c & 15);
	for (unsigned shift = 4; c & 128; shift += 7) {
		c = head_byte(head);
		if (c < 0 || shift > 56)
			return git_pack_malformed("a size", err);
		o->size |= (uint64_t)(c & 127) << shift;
	}
	return 0;
}

/* How far in front of it the base begins. */
static int read_distance(struct git_pack *pack, uint32_t index, struct head *head, struct err *err)
{
	struct git_object *o = &pack->objects[index];
	int c = head_byte(head);
	uint64_t distance = (uint64_t)(c & 127);
	int64_t base = -ENOENT;

	for (int i = 0; c & 128; i++) {
		c = head_byte(head);
		if (c < 0 || i > 7)
			return git_pack_malformed("an offset", err);
		distance = (distance + 1) << 7 | (uint64_t)(c & 127);
	}
	if (distance > 0 && distance <= o->at)
		base = find_offset(pack, index, o->at - distance);
	if (base < 0)
		return git_pack_malformed("a delta without its base", err);
	o->base = (uint32_t)base;
	return 0;
}

static int read_head(struct git_pack *pack, uint32_t index, struct err *err)
{
	struct git_object *o = &pack->objects[index];
	struct head head = { .at = 0 };
	uint64_t left = pack->end - o->at;
	int r = o->at >= pack->end ? git_pack_malformed("fewer objects than it says", err)
				   : git_pack_read(pack, o->at, head.bytes,
						   left < sizeof(head.bytes) ? (size_t)left
									     : sizeof(head.bytes),
						   err);

	o->base = GIT_NO_OBJECT;
	if (r == 0)
		r = read_kind(&head, o, err);
	if (r == 0 && o->kind == GIT_OFS_DELTA)
		r = read_distance(pack, index, &head, err);
	if (r == 0 && o->kind == GIT_REF_DELTA) {
		memcpy(o->oid.bytes, head.bytes + head.at, GIT_OID_SIZE);
		head.at += GIT_OID_SIZE;
	}
	if (r == 0 && (o->kind == 0 || o->kind == 5))
		r = git_pack_malformed("an object of an unknown kind", err);
	o->data = o->at + head.at;
	return r;
}

int git_naming_add(void *owner, struct str data, struct err *err)
{
	struct git_naming *n = owner;

	(void)err;
	if (n)
		(void)mbedtls_sha1_update(&n->sha1, (const unsigned char *)data.ptr, data.len);
	return 0;
}

/* Each object once, in the file's order: bounds of all, names of those that are whole. */
static int read_objects(struct git_pack *pack, struct err *err)
{
	uint64_t at = PACK_HEAD;

	for (uint32_t i = 0; i < pack->count; i++) {
		struct git_object *o = &pack->objects[i];
		struct git_naming naming;
		bool whole;
		int r;

		o->at = at;
		r = read_head(pack, i, err);
		if (r < 0)
			return r;
		whole = o->kind < GIT_OFS_DELTA;
		if (whole)
			git_naming_begin(&naming, (enum git_type)o->kind, o->size);
		r = git_pack_inflate(pack, o->data, o->size, git_naming_add, whole ? &naming : NULL,
				     &at, err);
		if (whole) {
			git_naming_end(&naming, &o->oid);
			o->type = o->kind;
			o->whole = o->size;
			if (r == 0)
				git_pack_add_name(pack, i);
		}
		if (r < 0)
			return r;
	}
	return at == pack->end ? 0 : git_pack_malformed("something stands behind its objects", err);
}

/* ---- the whole ---- */

static int check_sum(struct git_pack *pack, struct err *err)
{
	static unsigned char block[PACK_BLOCK];
	mbedtls_sha1_context sha1;
	struct git_oid sum;
	int r = 0;

	mbedtls_sha1_init(&sha1);
	(void)mbedtls_sha1_starts(&sha1);
	for (uint64_t at = 0; r == 0 && at < pack->end;) {
		uint64_t left = pack->end - at;
		size_t n = left < sizeof(block) ? (size_t)left : sizeof(block);

		r = git_pack_read(pack, at, block, n, err);
		(void)mbedtls_sha1_update(&sha1, block, n);
		at += n;
	}
	(void)mbedtls_sha1_finish(&sha1, sum.bytes);
	mbedtls_sha1_free(&sha1);
	if (r == 0)
		r = git_pack_read(pack, pack->end, pack->sum.bytes, GIT_OID_SIZE, err);
	if (r == 0 && memcmp(&sum, &pack->sum, sizeof(sum)) != 0)
		r = git_pack_malformed("its checksum is another", err);
	return r;
}

static int make_room(struct git_pack *pack, struct err *err)
{
	uint32_t room = 16;

	while (room < pack->count * 2)
		room *= 2;
	pack->mask = room - 1;
	pack->table = calloc(room, sizeof(*pack->table));
	pack->objects = calloc(pack->count + 1U, sizeof(*pack->objects));
	return pack->table && pack->objects
		       ? 0
		       : err_set(err, -ENOMEM, "git: no memory for %u objects", pack->count);
}

static int read_pack(struct git_pack *pack, struct err *err)
{
	uint32_t head[3];
	struct stat st;
	int r;

	if (fstat(pack->fd, &st) < 0)
		return err_sys(err, -errno, "git: cannot read the pack");
	if (!S_ISREG(st.st_mode) || st.st_size < PACK_HEAD + GIT_OID_SIZE)
		return git_pack_malformed("it is cut off", err);
	pack->end = (uint64_t)st.st_size - GIT_OID_SIZE;
	r = git_pack_read(pack, 0, head, sizeof(head), err);
	if (r < 0)
		return r;
	if (memcmp(head, "PACK", 4) != 0)
		return git_pack_malformed("it is none", err);
	if (be32toh(head[1]) != 2)
		return err_set(err, -ENOTSUP, "git: a pack of version %u", be32toh(head[1]));
	pack->count = be32toh(head[2]);
	if (pack->count > GIT_OBJECTS_MAX)
		return err_set(err, -EFBIG, "git: more than %d objects", GIT_OBJECTS_MAX);
	r = check_sum(pack, err);
	if (r == 0)
		r = make_room(pack, err);
	if (r == 0)
		r = read_objects(pack, err);
	return r < 0 ? r : git_pack_deltas(pack, err);
}

int git_pack_open(int fd, uint64_t work_max, struct git_pack **ret_pack, struct err *err)
{
	struct git_pack *pack = calloc(1, sizeof(*pack));
	int r;

	if (!pack)
		return err_set(err, -ENOMEM, "git: out of memory");
	pack->fd = fd;
	pack->work = work_max;
	for (size_t i = 0; i < GIT_PACK_CACHE; i++)
		pack->cache[i].index = GIT_NO_OBJECT;
	r = read_pack(pack, err);
	if (r < 0) {
		git_pack_free(pack);
		return r;
	}
	*ret_pack = pack;
	return 0;
}

void git_pack_free(struct git_pack *pack)
{
	if (!pack)
		return;
	for (size_t i = 0; i < GIT_PACK_CACHE; i++)
		buf_done(&pack->cache[i].data);
	free(pack->objects);
	free(pack->table);
	free(pack);
}
