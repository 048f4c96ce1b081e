/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_PACKET_H
#define HOY_ENGINE_BUILDKIT_PACKET_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * What a client sends of a directory, and what it is asked for: one message of the stream that
 * BuildKit calls DiffCopy. The client tells of each entry in the order of names (STAT), numbered
 * from 0, and ends the list with a STAT without an entry; REQ asks for a file by its number, DATA
 * brings it in parts, the last of which is empty; FIN from both sides is the end.
 */
enum packet_type {
	PACKET_STAT = 0,
	PACKET_REQ = 1,
	PACKET_DATA = 2,
	PACKET_FIN = 3,
	PACKET_ERR = 4
};

enum packet_kind {
	PACKET_KIND_FILE,
	PACKET_KIND_DIR,
	PACKET_KIND_LINK,
	PACKET_KIND_CHAR,
	PACKET_KIND_BLOCK,
	PACKET_KIND_FIFO,
	PACKET_KIND_OTHER, /* a socket: nothing that a context has */
};

enum { PACKET_XATTRS_MAX = 64, PACKET_PATH_MAX = 4095 };

/* Texts are slices of the message. */
struct packet_xattr {
	struct str name, value;
};

struct packet_stat {
	struct str path, link; /* link: of a symbolic link, or the path that a hard link repeats */
	enum packet_kind kind;
	uint32_t mode; /* permissions with setuid, setgid and sticky as stat(2) has them */
	uint32_t uid, gid;
	uint64_t size;
	int64_t time_ns;
	uint32_t major, minor;
	struct packet_xattr xattrs[PACKET_XATTRS_MAX];
	uint32_t xattr_count;
};

struct packet {
	enum packet_type type;
	bool has_stat;
	struct packet_stat stat;
	uint32_t id;
	struct str data;
};

/* -EBADMSG names what is wrong; -E2BIG: more than PACKET_XATTRS_MAX attributes. */
int packet_get(struct str message, struct packet *ret_packet, struct err *err);
void packet_put(struct buf *out, enum packet_type type, uint32_t id);
/* What an entry is, without its path, link and size: a part of what follows. */
void packet_put_attributes(struct buf *out, const struct packet_stat *stat);
/* An entry of a directory that goes to a client; a part of a file, the last one is empty. */
void packet_put_entry(struct buf *out, const char *path, const char *link, uint64_t size,
		      struct str attributes);
void packet_put_data(struct buf *out, uint32_t id, struct str bytes);

#endif
