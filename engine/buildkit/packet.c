/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages by which a client sends a directory. Pure; runs in the api role. Must never take a
 * path that could mean another place than below the directory it is laid into.
 */
#include "engine/buildkit/packet.h"

#include <errno.h>
#include <string.h>
#include "engine/buildkit/pb.h"
#include "lib/own.h"

/* Modes come as Go writes them: types and special bits stand at the top. */
#define GO_DIR	   (1U << 31)
#define GO_SYMLINK (1U << 27)
#define GO_DEVICE  (1U << 26)
#define GO_FIFO	   (1U << 25)
#define GO_SOCKET  (1U << 24)
#define GO_SETUID  (1U << 23)
#define GO_SETGID  (1U << 22)
#define GO_CHAR	   (1U << 21)
#define GO_STICKY  (1U << 20)

enum { PACKET_ENTRY_MAX = 128 << 10 }; /* with its attributes */

static void take_mode(uint32_t mode, struct packet_stat *stat)
{
	stat->mode = (mode & 0777) | (mode & GO_SETUID ? 04000U : 0) |
		     (mode & GO_SETGID ? 02000U : 0) | (mode & GO_STICKY ? 01000U : 0);
	if (mode & GO_DIR)
		stat->kind = PACKET_KIND_DIR;
	else if (mode & GO_SYMLINK)
		stat->kind = PACKET_KIND_LINK;
	else if (mode & GO_DEVICE)
		stat->kind = mode & GO_CHAR ? PACKET_KIND_CHAR : PACKET_KIND_BLOCK;
	else if (mode & GO_FIFO)
		stat->kind = PACKET_KIND_FIFO;
	else
		stat->kind = mode & GO_SOCKET ? PACKET_KIND_OTHER : PACKET_KIND_FILE;
}

/* "a/b", without an empty part, "." or "..". */
static bool path_is_sound(struct str path)
{
	struct str part;

	if (!path.len || path.len > PACKET_PATH_MAX || memchr(path.ptr, 0, path.len) ||
	    path.ptr[0] == '/' || path.ptr[path.len - 1] == '/')
		return false;
	while (str_cut(&path, '/', &part)) {
		if (!part.len || str_is(part, ".") || str_is(part, ".."))
			return false;
	}
	return true;
}

static int take_xattr(struct packet_stat *stat, struct str entry, struct err *err)
{
	struct packet_xattr *xattr = &stat->xattrs[stat->xattr_count];

	if (stat->xattr_count == PACKET_XATTRS_MAX)
		return err_set(err, -E2BIG, "a file of the context has more than %d attributes",
			       PACKET_XATTRS_MAX);
	if (pb_entry(entry, &xattr->name, &xattr->value) < 0)
		return err_set(err, -EBADMSG, "malformed attribute of a file");
	stat->xattr_count++;
	return 0;
}

static int get_stat(struct str message, struct packet_stat *stat, struct err *err)
{
	struct pb_field f;
	int r;

	*stat = (struct packet_stat){ .path = STR(""), .link = STR("") };
	while ((r = pb_next(&message, &f)) > 0) {
		if (f.number == 10 && f.is_bytes)
			r = take_xattr(stat, f.bytes, err);
		else if (f.number == 1)
			stat->path = f.bytes;
		else if (f.number == 2)
			take_mode((uint32_t)f.value, stat);
		else if (f.number == 3)
			stat->uid = (uint32_t)f.value;
		else if (f.number == 4)
			stat->gid = (uint32_t)f.value;
		else if (f.number == 5)
			stat->size = f.value;
		else if (f.number == 6)
			stat->time_ns = (int64_t)f.value;
		else if (f.number == 7)
			stat->link = f.bytes;
		else if (f.number == 8)
			stat->major = (uint32_t)f.value;
		else if (f.number == 9)
			stat->minor = (uint32_t)f.value;
		if (r < 0)
			return r;
	}
	if (r < 0)
		return err_set(err, -EBADMSG, "malformed entry of the context");
	if (!path_is_sound(stat->path))
		return err_set(err, -EBADMSG, "the context has an entry with a path that is none");
	if (stat->link.len > PACKET_PATH_MAX || memchr(stat->link.ptr, 0, stat->link.len) ||
	    stat->size > INT64_MAX)
		return err_set(err, -EBADMSG, "malformed entry of the context");
	return 0;
}

int packet_get(struct str message, struct packet *ret_packet, struct err *err)
{
	struct packet *packet = ret_packet;
	struct pb_field f;
	int r;

	packet->type = PACKET_STAT;
	packet->has_stat = false;
	packet->id = 0;
	packet->data = STR("");
	while ((r = pb_next(&message, &f)) > 0) {
		if (f.number == 1 && f.value > PACKET_ERR)
			return err_set(err, -EBADMSG, "unknown message of a context");
		if (f.number == 1)
			packet->type = (enum packet_type)f.value;
		else if (f.number == 3)
			packet->id = (uint32_t)f.value;
		else if (f.number == 4)
			packet->data = f.bytes;
		if (f.number != 2)
			continue;
		packet->has_stat = true;
		r = get_stat(f.bytes, &packet->stat, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? err_set(err, -EBADMSG, "malformed message of a context") : 0;
}

void packet_put(struct buf *out, enum packet_type type, uint32_t id)
{
	pb_put_number(out, 1, type);
	if (id)
		pb_put_number(out, 3, id);
}

/* ---- what goes to a client ---- */

static uint32_t go_mode(const struct packet_stat *stat)
{
	static const uint32_t kinds[] = {
		[PACKET_KIND_FILE] = 0,		 [PACKET_KIND_DIR] = GO_DIR,
		[PACKET_KIND_LINK] = GO_SYMLINK, [PACKET_KIND_CHAR] = GO_DEVICE | GO_CHAR,
		[PACKET_KIND_BLOCK] = GO_DEVICE, [PACKET_KIND_FIFO] = GO_FIFO,
		[PACKET_KIND_OTHER] = GO_SOCKET,
	};

	return kinds[stat->kind] | (stat->mode & 0777) | (stat->mode & 04000 ? GO_SETUID : 0) |
	       (stat->mode & 02000 ? GO_SETGID : 0) | (stat->mode & 01000 ? GO_STICKY : 0);
}

void packet_put_attributes(struct buf *out, const struct packet_stat *stat)
{
	pb_put_number(out, 2, go_mode(stat));
	pb_put_number(out, 3, stat->uid);
	pb_put_number(out, 4, stat->gid);
	pb_put_number(out, 6, (uint64_t)stat->time_ns);
	pb_put_number(out, 8, stat->major);
	pb_put_number(out, 9, stat->minor);
	for (uint32_t i = 0; i < stat->xattr_count; i++) {
		struct buf pair OWN(buf_done) = { 0 };

		buf_init(&pair, PACKET_ENTRY_MAX);
		pb_put_bytes(&pair, 1, stat->xattrs[i].name);
		pb_put_bytes(&pair, 2, stat->xattrs[i].value);
		pb_put_bytes(out, 10, buf_str(&pair));
	}
}

void packet_put_entry(struct buf *out, const char *path, const char *link, uint64_t size,
		      struct str attributes)
{
	struct buf inner OWN(buf_done) = { 0 };

	buf_init(&inner, PACKET_ENTRY_MAX);
	pb_put_text(&inner, 1, path);
	pb_put_number(&inner, 5, size);
	pb_put_text(&inner, 7, link);
	(void)buf_add_str(&inner, attributes);
	pb_put_number(out, 1, PACKET_STAT);
	pb_put_bytes(out, 2, buf_str(&inner));
}

void packet_put_data(struct buf *out, uint32_t id, struct str bytes)
{
	pb_put_number(out, 1, PACKET_DATA);
	pb_put_number(out, 3, id);
	pb_put_bytes(out, 4, bytes);
}
