/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry records: encoding, and the strict parser that the pack role trusts nothing without. Runs in
 * the unpack and files roles (writing) and in pack (reading). It must never pass on an entry that
 * breaks a rule of entry.h.
 */
#include "engine/api/entry.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/wire.h"

enum {
	RECORD_HEAD = 5, /* u32 length, u8 type */
	WRITE_BLOCK = 64 << 10,
	WRITE_MAX = WRITE_BLOCK + RECORD_HEAD + ENTRY_BODY_MAX,
	READ_MAX = RECORD_HEAD + ENTRY_BODY_MAX,
};

int entry_check_path(struct str path, bool root_ok, struct err *err)
{
	struct str rest = path, part;
	char shown[80];

	if (path.len == 0) {
		if (root_ok)
			return 0;
		return err_set(err, -EBADMSG, "entry: the root directory cannot be this");
	}
	if (path.len > ENTRY_PATH_MAX)
		return err_set(err, -EBADMSG, "entry: a path of %zu bytes, at most %d", path.len,
			       ENTRY_PATH_MAX);
	while (str_cut(&rest, '/', &part)) {
		if (part.len > 0 && part.len <= ENTRY_NAME_MAX && !str_is(part, ".") &&
		    !str_is(part, "..") && !memchr(part.ptr, 0, part.len))
			continue;
		str_escape(path, shown, sizeof(shown));
		return err_set(err, -EBADMSG, "entry: \"%s\" is no plain path", shown);
	}
	return 0;
}

/* ---- encoding ---- */

static bool is_node(enum entry_type type)
{
	return type >= ENTRY_FILE && type <= ENTRY_FIFO;
}

static void encode_node(const struct entry *entry, struct buf *out)
{
	wire_put_str(out, entry->path);
	wire_put_str(out, entry->target);
	wire_put_u32(out, entry->mode);
	wire_put_u32(out, entry->uid);
	wire_put_u32(out, entry->gid);
	wire_put_i64(out, entry->mtime_s);
	wire_put_u32(out, entry->mtime_ns);
	wire_put_u32(out, entry->rdev_major);
	wire_put_u32(out, entry->rdev_minor);
	wire_put_u64(out, entry->size);
	wire_put_u32(out, entry->xattr_count);
	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		wire_put_str(out, entry->xattrs[i].name);
		wire_put_str(out, entry->xattrs[i].value);
	}
}

void entry_encode(const struct entry *entry, struct buf *out)
{
	size_t head = out->len;
	uint32_t len;

	wire_put_u32(out, 0);
	wire_put_u8(out, (uint8_t)entry->type);
	if (is_node(entry->type)) {
		encode_node(entry, out);
	} else if (entry->type == ENTRY_DATA) {
		wire_put_u64(out, entry->offset);
		wire_put_bytes(out, entry->data.ptr, entry->data.len);
	} else if (entry->type == ENTRY_END) {
		wire_put_u64(out, entry->entries);
		wire_put_u64(out, entry->bytes);
	} else {
		wire_put_str(out, entry->path);
	}
	if (buf_error(out))
		return;
	len = (uint32_t)(out->len - head - RECORD_HEAD);
	for (unsigned i = 0; i < 4; i++)
		out->data[head + i] = (char)(len >> (8 * i) & 0xff);
}

void entry_writer_init(struct entry_writer *writer, int fd)
{
	*writer = (struct entry_writer){ .fd = fd };
	buf_init(&writer->buf, WRITE_MAX);
}

void entry_writer_done(struct entry_writer *writer)
{
	if (writer)
		buf_done(&writer->buf);
}

static int flush(struct entry_writer *writer, struct err *err)
{
	int r = buf_error(&writer->buf);

	if (r < 0)
		return err_set(err, r, "entry records: an entry does not fit its bounds");
	r = fs_write_fd(writer->fd, writer->buf.data, writer->buf.len, err);
	if (r < 0)
		return err_prefix(err, "entry records");
	buf_clear(&writer->buf);
	return 0;
}

static int append(struct entry_writer *writer, const struct entry *entry, struct err *err)
{
	entry_encode(entry, &writer->buf);
	if (buf_error(&writer->buf) || writer->buf.len >= WRITE_BLOCK)
		return flush(writer, err);
	return 0;
}

int entry_write(struct entry_writer *writer, const struct entry *entry, struct err *err)
{
	struct entry piece;
	int r = 0;

	if (entry->type != ENTRY_DATA) {
		writer->entries++;
		return append(writer, entry, err);
	}
	piece = (struct entry){ .type = ENTRY_DATA, .offset = entry->offset };
	for (struct str rest = entry->data; rest.len > 0 && r == 0;) {
		piece.data = str_head(rest, ENTRY_DATA_MAX);
		r = append(writer, &piece, err);
		piece.offset += piece.data.len;
		writer->bytes += piece.data.len;
		rest = str_skip(rest, piece.data.len);
	}
	return r;
}

int entry_write_end(struct entry_writer *writer, struct err *err)
{
	struct entry end = {
		.type = ENTRY_END,
		.entries = writer->entries,
		.bytes = writer->bytes,
	};

	entry_encode(&end, &writer->buf);
	return flush(writer, err);
}

/* ---- parsing ---- */

static int bad(struct err *err, const char *what, struct str path)
{
	char shown[120];

	str_escape(path, shown, sizeof(shown));
	return err_set(err, -EBADMSG, "entry \"%s\": %s", shown, what);
}

static void decode_node(struct wire *in, struct entry *entry)
{
	size_t total = 0;

	entry->path = wire_str(in, ENTRY_PATH_MAX);
	entry->target = wire_str(in, ENTRY_PATH_MAX);
	entry->mode = wire_u32(in);
	entry->uid = wire_u32(in);
	entry->gid = wire_u32(in);
	entry->mtime_s = wire_i64(in);
	entry->mtime_ns = wire_u32(in);
	entry->rdev_major = wire_u32(in);
	entry->rdev_minor = wire_u32(in);
	entry->size = wire_u64(in);
	entry->xattr_count = wire_count(in, ENTRY_XATTRS_MAX);
	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		entry->xattrs[i].name = wire_str(in, ENTRY_XATTR_NAME_MAX);
		entry->xattrs[i].value = wire_blob(in, ENTRY_XATTR_BYTES_MAX);
		total += entry->xattrs[i].name.len + entry->xattrs[i].value.len;
	}
	if (total > ENTRY_XATTR_BYTES_MAX)
		in->error = -EBADMSG;
}

static int check_xattrs(const struct entry *entry, struct err *err)
{
	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		struct str name = entry->xattrs[i].name;

		if (name.len == 0 || str_find(name, '.') <= 0)
			return bad(err, "an xattr without a namespace", entry->path);
		/* What overlayfs reads as its own must come from our OPAQUE and WHITEOUT alone. */
		if (str_starts(name, STR("trusted.")) || str_starts(name, STR("user.overlay.")))
			return bad(err, "an xattr of overlayfs", entry->path);
		for (uint32_t k = 0; k < i; k++) {
			if (str_eq(entry->xattrs[k].name, name))
				return bad(err, "an xattr given twice", entry->path);
		}
	}
	return 0;
}

/* Exactly the attributes that belong to the type. */
static int check_node(const struct entry *entry, struct err *err)
{
	bool link = entry->type == ENTRY_SYMLINK || entry->type == ENTRY_HARDLINK;
	bool device = entry->type == ENTRY_CHAR || entry->type == ENTRY_BLOCK;
	int r = entry_check_path(entry->path, entry->type == ENTRY_DIR, err);

	if (r < 0)
		return r;
	if (link != (entry->target.len > 0))
		return bad(err, "a link without target, or a target without link", entry->path);
	if (entry->type == ENTRY_HARDLINK) {
		r = entry_check_path(entry->target, false, err);
		if (r < 0)
			return err_prefix(err, "hard link's target");
		if (str_eq(entry->target, entry->path))
			return bad(err, "a hard link to itself", entry->path);
	}
	if (!device && (entry->rdev_major || entry->rdev_minor))
		return bad(err, "a device number without a device", entry->path);
	if (entry->type == ENTRY_CHAR && !entry->rdev_major && !entry->rdev_minor)
		return bad(err, "character device 0:0 is overlayfs's whiteout", entry->path);
	if (entry->rdev_major >= 1u << 12 || entry->rdev_minor >= 1u << 20)
		return bad(err, "a device number out of range", entry->path);
	if (entry->type != ENTRY_FILE && entry->size)
		return bad(err, "a size without a file", entry->path);
	if (entry->size > INT64_MAX)
		return bad(err, "a size out of range", entry->path);
	if (entry->mode > 07777 || entry->mtime_ns > 999999999)
		return bad(err, "mode or time out of range", entry->path);
	if (entry->uid == UINT32_MAX || entry->gid == UINT32_MAX)
		return bad(err, "owner -1", entry->path);
	return check_xattrs(entry, err);
}

static int accept_entry(struct entry_state *state, const struct entry *entry, struct err *err)
{
	int r = 0;

	if (is_node(entry->type))
		r = check_node(entry, err);
	else
		r = entry_check_path(entry->path, entry->type == ENTRY_OPAQUE, err);
	if (r < 0)
		return r;
	if (++state->entries > ENTRY_COUNT_MAX)
		return err_set(err, -EBADMSG, "entry records: more than %d", ENTRY_COUNT_MAX);
	state->in_file = entry->type == ENTRY_FILE;
	state->file_size = entry->size;
	state->file_next = 0;
	return 0;
}

static int accept_data(struct entry_state *state, const struct entry *entry, struct err *err)
{
	if (!state->in_file)
		return err_set(err, -EBADMSG, "entry records: data without a file");
	if (entry->data.len == 0 || entry->data.len > ENTRY_DATA_MAX ||
	    entry->offset < state->file_next || entry->offset > state->file_size ||
	    entry->data.len > state->file_size - entry->offset)
		return err_set(err, -EBADMSG,
			       "entry records: data at %llu+%zu outside of its file of %llu bytes",
			       (unsigned long long)entry->offset, entry->data.len,
			       (unsigned long long)state->file_size);
	state->file_next = entry->offset + entry->data.len;
	state->bytes += entry->data.len;
	return 0;
}

static int accept_end(struct entry_state *state, const struct entry *entry, struct err *err)
{
	if (entry->entries != state->entries || entry->bytes != state->bytes)
		return err_set(err, -EBADMSG, "entry records: the end names other sums than came");
	state->in_file = false;
	state->ended = true;
	return 0;
}

static void decode_body(struct wire *in, struct entry *entry)
{
	switch (entry->type) {
	case ENTRY_FILE:
	case ENTRY_DIR:
	case ENTRY_SYMLINK:
	case ENTRY_HARDLINK:
	case ENTRY_CHAR:
	case ENTRY_BLOCK:
	case ENTRY_FIFO:
		decode_node(in, entry);
		return;
	case ENTRY_WHITEOUT:
	case ENTRY_OPAQUE:
		entry->path = wire_str(in, ENTRY_PATH_MAX);
		return;
	case ENTRY_DATA:
		entry->offset = wire_u64(in);
		entry->data = str_make(in->ptr, in->left);
		in->left = 0;
		return;
	case ENTRY_END:
		entry->entries = wire_u64(in);
		entry->bytes = wire_u64(in);
		return;
	}
	in->error = -EBADMSG;
}

int64_t entry_parse(struct entry_state *state, struct str in, struct entry *ret_entry,
		    struct err *err)
{
	struct wire wire;
	uint32_t len;
	int r;

	if (state->ended)
		return err_set(err, -EBADMSG, "entry records: bytes behind the end");
	if (in.len < RECORD_HEAD)
		return 0;
	wire_init(&wire, in.ptr, RECORD_HEAD);
	len = wire_u32(&wire);
	memset(ret_entry, 0, offsetof(struct entry, xattrs));
	ret_entry->xattr_count = 0;
	ret_entry->offset = ret_entry->entries = ret_entry->bytes = 0;
	ret_entry->data = (struct str){ 0 };
	ret_entry->type = (enum entry_type)wire_u8(&wire);
	if (len > ENTRY_BODY_MAX)
		return err_set(err, -EBADMSG, "entry records: a record of %u bytes", len);
	if (in.len - RECORD_HEAD < len)
		return 0;
	wire_init(&wire, in.ptr + RECORD_HEAD, len);
	decode_body(&wire, ret_entry);
	if (wire_end(&wire) < 0)
		return err_set(err, -EBADMSG, "entry records: a malformed record of type %d",
			       (int)ret_entry->type);
	if (ret_entry->type == ENTRY_DATA)
		r = accept_data(state, ret_entry, err);
	else if (ret_entry->type == ENTRY_END)
		r = accept_end(state, ret_entry, err);
	else
		r = accept_entry(state, ret_entry, err);
	return r < 0 ? r : (int64_t)RECORD_HEAD + len;
}

void entry_reader_init(struct entry_reader *reader, int fd)
{
	*reader = (struct entry_reader){ .fd = fd };
	buf_init(&reader->buf, 2 * (size_t)READ_MAX);
}

void entry_reader_done(struct entry_reader *reader)
{
	if (reader)
		buf_done(&reader->buf);
}

/* More bytes behind what is not parsed yet; what was parsed is dropped. */
static int fill(struct entry_reader *reader, struct err *err)
{
	ssize_t n;
	int r;

	buf_consume(&reader->buf, reader->at);
	reader->at = 0;
	r = buf_reserve(&reader->buf, READ_MAX);
	if (r < 0)
		return err_set(err, r, "entry records: no memory");
	do
		n = read(reader->fd, reader->buf.data + reader->buf.len, READ_MAX);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, -errno, "entry records: read");
	reader->buf.len += (size_t)n;
	return n > 0;
}

int entry_read(struct entry_reader *reader, struct entry *ret_entry, struct err *err)
{
	int64_t used;
	int r;

	for (;;) {
		struct str rest = str_skip(buf_str(&reader->buf), reader->at);

		used = reader->state.ended && rest.len == 0
			       ? 0
			       : entry_parse(&reader->state, rest, ret_entry, err);
		if (used < 0)
			return (int)used;
		reader->at += (size_t)used;
		if (used > 0 && ret_entry->type != ENTRY_END)
			return 1;
		if (used > 0)
			continue;
		r = fill(reader, err);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (reader->state.ended && reader->at == reader->buf.len)
			return 0;
		return err_set(err, -EBADMSG, "entry records: cut off before their end");
	}
}
