/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tar (libarchive's reader alone, no filters of it) into entry records. Runs in the unpack role
 * with two pipes and nothing else. It must never pass on what could mean something to overlayfs or
 * lead out of the tree; what it cannot express it refuses instead of dropping it silently.
 *
 * libarchive stays in the "C" locale on purpose: there every non-ASCII name fails its conversion,
 * and the raw bytes are used; in a UTF-8 locale it would bring names into NFC and so rename files.
 */
#include "engine/tar/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "engine/oci/oci.h"
#include "engine/tar/name.h"
#include "lib/sha256.h"

enum { UNPACK_BLOCK = 256 << 10, UNPACK_END_MARK = 512 };

struct unpack {
	struct tar_stream stream;
	struct sha256 hash;
	struct entry_writer *out;
	struct archive *archive;
	unsigned char *block;
	size_t ahead; /* bytes of block that were looked at before the archive was opened */
	struct err *err;
	int error; /* of the stream, inside libarchive's callback */
	uint64_t bytes_max;
	uint32_t entries_max;
	bool layer, rooted;
	int64_t end; /* where the last entry ends in the uncompressed stream */
	char name[TAR_NAME_MAX], path[TAR_NAME_MAX], target[TAR_NAME_MAX];
	struct entry entry;
};

/* libarchive's read callback: decompressed bytes, hashed on their way. */
static la_ssize_t read_block(struct archive *archive, void *owner, const void **ret_data)
{
	struct unpack *u = owner;
	ssize_t n = (ssize_t)u->ahead;

	u->ahead = 0;
	if (!n)
		n = tar_stream_read(&u->stream, u->block, UNPACK_BLOCK, u->err);
	if (n < 0) {
		u->error = (int)n;
		archive_set_error(archive, EIO, "stream");
		return -1;
	}
	sha256_add(&u->hash, u->block, (size_t)n);
	*ret_data = u->block;
	return n;
}

static int archive_fault(struct unpack *u, const char *what)
{
	const char *text = archive_error_string(u->archive);
	char shown[160];

	if (u->error)
		return u->error;
	str_escape(str_from(text ? text : "damaged"), shown, sizeof(shown));
	return err_set(u->err, -EBADMSG, "tar: %s%s%s", what, what[0] ? ": " : "", shown);
}

static int refuse(struct unpack *u, int code, const char *what)
{
	char shown[160];

	str_escape(str_from(u->name), shown, sizeof(shown));
	return err_set(u->err, code, "tar entry \"%s\": %s", shown, what);
}

/* ---- one entry ---- */

static int take_owner(struct unpack *u, struct archive_entry *in)
{
	int64_t uid = archive_entry_uid(in), gid = archive_entry_gid(in);

	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return refuse(u, -EBADMSG, "owner out of range");
	u->entry.uid = (uint32_t)uid;
	u->entry.gid = (uint32_t)gid;
	u->entry.mode = archive_entry_perm(in) & 07777;
	u->entry.mtime_s = archive_entry_mtime(in);
	u->entry.mtime_ns = (uint32_t)archive_entry_mtime_nsec(in);
	if (u->entry.mtime_ns > 999999999)
		u->entry.mtime_ns = 0;
	return 0;
}

/* Only what has a meaning inside a container; on links there are none. */
static int take_xattrs(struct unpack *u, struct archive_entry *in)
{
	const char *name;
	const void *value;
	size_t size, total = 0;

	if (u->entry.type != ENTRY_FILE && u->entry.type != ENTRY_DIR)
		return 0;
	archive_entry_xattr_reset(in);
	while (archive_entry_xattr_next(in, &name, &value, &size) == ARCHIVE_OK) {
		struct entry_xattr *x = &u->entry.xattrs[u->entry.xattr_count];
		bool twice = false;

		if (!name || !tar_xattr_kept(str_from(name)))
			continue;
		for (uint32_t i = 0; i < u->entry.xattr_count; i++)
			twice = twice || str_is(u->entry.xattrs[i].name, name);
		if (twice)
			return refuse(u, -EBADMSG, "an xattr given twice");
		total += strlen(name) + size;
		if (u->entry.xattr_count == ENTRY_XATTRS_MAX || total > ENTRY_XATTR_BYTES_MAX)
			return refuse(u, -EFBIG, "too many or too large xattrs");
		x->name = str_from(name);
		x->value = str_make(value, size);
		u->entry.xattr_count++;
	}
	return 0;
}

static int clean_name(struct unpack *u, const char *name, char dst[TAR_NAME_MAX])
{
	return u->rooted ? tar_name_root(str_from(name), dst, u->err)
			 : tar_name_clean(str_from(name), dst, u->err);
}

static int take_hardlink(struct unpack *u, const char *target)
{
	enum tar_name_kind kind;
	char clean[TAR_NAME_MAX];
	int r = clean_name(u, target, clean);

	if (r < 0)
		return err_prefix(u->err, "hard link \"%.100s\"", u->path);
	if (u->layer) {
		r = tar_name_classify(clean, &kind, u->target, u->err);
		if (r < 0)
			return r;
		if (kind != TAR_NAME_PLAIN)
			return refuse(u, -EBADMSG, "a hard link to a whiteout");
	} else {
		memcpy(u->target, clean, sizeof(clean));
	}
	if (!u->target[0])
		return refuse(u, -EBADMSG, "a hard link to the root");
	u->entry.type = ENTRY_HARDLINK;
	u->entry.target = str_from(u->target);
	return 0;
}

static int take_symlink(struct unpack *u, struct archive_entry *in)
{
	const char *target = archive_entry_symlink(in);
	struct str s = str_from(target);

	if (s.len == 0 || s.len > ENTRY_PATH_MAX)
		return refuse(u, -EBADMSG, "a symlink without target, or with one over 4095 bytes");
	u->entry.type = ENTRY_SYMLINK;
	u->entry.target = s;
	return 0;
}

static int take_device(struct unpack *u, struct archive_entry *in, enum entry_type type)
{
	int64_t device_major = (int64_t)archive_entry_rdevmajor(in);
	int64_t device_minor = (int64_t)archive_entry_rdevminor(in);

	if (device_major < 0 || device_major >= 1 << 12 || device_minor < 0 ||
	    device_minor >= 1 << 20)
		return refuse(u, -EBADMSG, "a device number out of range");
	if (type == ENTRY_CHAR && !device_major && !device_minor)
		return refuse(u, -EBADMSG,
			      "character device 0:0, which overlayfs takes for a whiteout");
	u->entry.type = type;
	u->entry.rdev_major = (uint32_t)device_major;
	u->entry.rdev_minor = (uint32_t)device_minor;
	return 0;
}

static int take_file(struct unpack *u, struct archive_entry *in)
{
	int64_t size = archive_entry_size_is_set(in) ? archive_entry_size(in) : 0;

	if (size < 0 || (uint64_t)size > u->bytes_max)
		return refuse(u, -EFBIG, "the file is larger than a layer may be");
	u->entry.type = ENTRY_FILE;
	u->entry.size = (uint64_t)size;
	return 0;
}

static int take_type(struct unpack *u, struct archive_entry *in)
{
	const char *hardlink = archive_entry_hardlink(in);

	if (hardlink)
		return take_hardlink(u, hardlink);
	switch (archive_entry_filetype(in)) {
	case AE_IFREG:
		return take_file(u, in);
	case AE_IFDIR:
		u->entry.type = ENTRY_DIR;
		return 0;
	case AE_IFLNK:
		return take_symlink(u, in);
	case AE_IFCHR:
		return take_device(u, in, ENTRY_CHAR);
	case AE_IFBLK:
		return take_device(u, in, ENTRY_BLOCK);
	case AE_IFIFO:
		u->entry.type = ENTRY_FIFO;
		return 0;
	default:
		return refuse(u, -ENOTSUP, "a type of file that no layer has");
	}
}

/*
 * 1: the stream ends behind the last byte of this file, without the zeros that fill its block up.
 * That is how docker's CLI ends a context into which it puts a Dockerfile from elsewhere.
 */
static int copy_data(struct unpack *u)
{
	struct entry data = { .type = ENTRY_DATA };
	uint64_t next = 0;
	const void *block;
	size_t size;
	int64_t offset;
	int r;

	for (;;) {
		r = archive_read_data_block(u->archive, &block, &size, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && !u->layer && !u->error && next == u->entry.size)
			return 1;
		if (r != ARCHIVE_OK)
			return archive_fault(u, "data");
		if (size == 0)
			continue;
		if (offset < 0 || (uint64_t)offset < next || (uint64_t)offset > u->entry.size ||
		    size > u->entry.size - (uint64_t)offset)
			return refuse(u, -EBADMSG, "its data overlaps or is longer than it");
		data.offset = (uint64_t)offset;
		data.data = str_make(block, size);
		next = data.offset + size;
		r = entry_write(u->out, &data, u->err);
		if (r < 0)
			return r;
	}
}

static int write_plain(struct unpack *u, struct archive_entry *in)
{
	int r;

	u->entry.path = str_from(u->path);
	if (u->rooted && u->path[0] == 0 && archive_entry_filetype(in) != AE_IFDIR)
		return 0; /* as tar(1) and Docker: it is there already, as a directory */
	r = take_type(u, in);
	if (r == 0 && u->path[0] == 0 && u->entry.type != ENTRY_DIR)
		r = refuse(u, -EBADMSG, "the root of a layer can only be a directory");
	if (r == 0 && u->entry.type == ENTRY_HARDLINK && str_eq(u->entry.path, u->entry.target))
		return 0; /* a link to itself says nothing */
	if (r == 0 && u->entry.type != ENTRY_HARDLINK)
		r = take_owner(u, in);
	if (r == 0)
		r = take_xattrs(u, in);
	if (r == 0)
		r = entry_write(u->out, &u->entry, u->err);
	if (r == 0 && u->entry.type == ENTRY_FILE && u->entry.size > 0)
		r = copy_data(u);
	return r;
}

static int write_entry(struct unpack *u, struct archive_entry *in)
{
	enum tar_name_kind kind = TAR_NAME_PLAIN;
	const char *name = archive_entry_pathname(in);
	int r;

	if (!name)
		return err_set(u->err, -EBADMSG, "tar: an entry without a name");
	u->entry = (struct entry){ 0 };
	str_copy(str_head(str_from(name), sizeof(u->name) - 1), u->name, sizeof(u->name));
	r = clean_name(u, name, u->name);
	if (r < 0)
		return r;
	memcpy(u->path, u->name, sizeof(u->path));
	if (u->layer)
		r = tar_name_classify(u->name, &kind, u->path, u->err);
	else if (strncmp(u->name, ".wh.", 4) == 0 || strstr(u->name, "/.wh."))
		r = refuse(u, -EBADMSG, "a name that begins with .wh. cannot be kept in a layer");
	if (r < 0)
		return r;
	if (kind == TAR_NAME_IGNORE)
		return 0;
	if (u->out->entries >= u->entries_max)
		return err_set(u->err, -EFBIG, "the layer has more than %u entries",
			       u->entries_max);
	if (kind == TAR_NAME_PLAIN)
		return write_plain(u, in);
	if (archive_entry_filetype(in) == AE_IFDIR)
		return refuse(u, -EBADMSG, "a whiteout that is a directory");
	u->entry.type = kind == TAR_NAME_OPAQUE ? ENTRY_OPAQUE : ENTRY_WHITEOUT;
	u->entry.path = str_from(u->path);
	return entry_write(u->out, &u->entry, u->err);
}

/* ---- the whole stream ---- */

/* A warning is a fault but for names that are not in ASCII: see the head of this file. */
static bool is_name_warning(struct archive *archive)
{
	const char *text = archive_error_string(archive);

	return text && strstr(text, "can't be converted");
}

static int read_entries(struct unpack *u)
{
	struct archive_entry *in;
	int r;

	for (;;) {
		r = archive_read_next_header(u->archive, &in);
		/* A stream that failed before its first byte looks like an empty archive. */
		if (r == ARCHIVE_EOF) {
			u->end = archive_read_header_position(u->archive);
			return u->error;
		}
		if (r != ARCHIVE_OK && !(r == ARCHIVE_WARN && is_name_warning(u->archive)))
			return archive_fault(u, "");
		r = write_entry(u, in);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

/* What stands behind the end of the tar belongs to the diffID. */
static int drain(struct unpack *u)
{
	ssize_t n;

	do {
		n = tar_stream_read(&u->stream, u->block, UNPACK_BLOCK, u->err);
		if (n > 0)
			sha256_add(&u->hash, u->block, (size_t)n);
	} while (n > 0);
	return (int)n;
}

static int open_archive(struct unpack *u)
{
	u->archive = archive_read_new();
	if (!u->archive)
		return err_set(u->err, -ENOMEM, "tar: no memory");
	if (archive_read_support_format_tar(u->archive) != ARCHIVE_OK ||
	    archive_read_support_format_empty(u->archive) != ARCHIVE_OK ||
	    archive_read_open(u->archive, u, NULL, read_block, NULL) != ARCHIVE_OK)
		return archive_fault(u, "cannot be opened");
	return 0;
}

/* ---- what may be no archive ---- */

/* At most `most` bytes of the stream into block, behind those that are there; 0 or -errno. */
static int look_ahead(struct unpack *u, size_t most)
{
	while (u->ahead < most) {
		ssize_t n =
			tar_stream_read(&u->stream, u->block + u->ahead, most - u->ahead, u->err);

		if (n <= 0)
			return (int)n;
		u->ahead += (size_t)n;
	}
	return 0;
}

/* The first header of a tar by its checksum, with or without "ustar"; or the end of an empty one.
 */
static bool is_tar(const unsigned char *head, size_t len)
{
	uint64_t sum = 0, said = 0;
	struct str text = str_trim(str_make((const char *)head + 148, 8));

	if (len < UNPACK_END_MARK)
		return len == 0;
	while (text.len && (text.ptr[text.len - 1] == 0 || text.ptr[text.len - 1] == ' '))
		text.len--;
	for (size_t i = 0; i < text.len; i++)
		said = said * 8 + ((unsigned char)text.ptr[i] & 7);
	for (size_t i = 0; i < UNPACK_END_MARK; i++)
		sum += i >= 148 && i < 156 ? ' ' : head[i];
	return sum == said || (sum == 8 * ' ' && !text.len);
}

/* The whole stream as one file. */
static int write_text(struct unpack *u)
{
	struct entry data = { .type = ENTRY_DATA };
	int r;

	u->entry = (struct entry){
		.type = ENTRY_FILE, .path = STR(UNPACK_TEXT_NAME), .mode = 0644, .size = u->ahead
	};
	data.data = str_make((const char *)u->block, u->ahead);
	sha256_add(&u->hash, u->block, u->ahead);
	r = entry_write(u->out, &u->entry, u->err);
	return r == 0 && u->ahead ? entry_write(u->out, &data, u->err) : r;
}

/* Whether it was a text, which is written then: 1; 0: an archive; -errno. */
static int take_text(struct unpack *u)
{
	int r = look_ahead(u, UNPACK_END_MARK);

	if (r < 0 || u->stream.compression != TAR_PLAIN || is_tar(u->block, u->ahead))
		return r;
	r = look_ahead(u, UNPACK_TEXT_MAX + 1);
	if (r == 0 && u->ahead > UNPACK_TEXT_MAX)
		r = err_set(u->err, -EFBIG,
			    "what was sent is no archive, and too long for a "
			    "Dockerfile");
	if (r == 0)
		r = write_text(u);
	return r < 0 ? r : 1;
}

static int finish(struct unpack *u, const struct unpack_start *start, struct unpack_result *ret)
{
	struct unpack_result result = {
		.entries = u->out->entries,
		.bytes = u->out->bytes,
		.stream_bytes = u->stream.out_bytes,
	};
	char is[DIGEST_TEXT_MAX], said[DIGEST_TEXT_MAX];
	int r = drain(u);

	if (r < 0)
		return r;
	if ((start->flags & UNPACK_FLAG_WHOLE) &&
	    !((start->flags & UNPACK_FLAG_EMPTY) && !u->stream.out_bytes) &&
	    u->stream.out_bytes < (uint64_t)u->end + UNPACK_END_MARK)
		return err_set(
			u->err, -EBADMSG,
			"tar: it stops behind an entry without its end mark: it was cut off");
	sha256_end(&u->hash, &result.diff);
	if (start->has_diff && memcmp(&result.diff, &start->diff, sizeof(result.diff)) != 0)
		return err_set(u->err, -EBADMSG,
			       "the layer's content is %s, its image says diffID %s",
			       digest_text(&result.diff, is), digest_text(&start->diff, said));
	r = entry_write_end(u->out, u->err);
	if (r == 0)
		*ret = result;
	return r;
}

static int read_all(struct unpack *u, const struct unpack_start *start)
{
	int r = start->flags & UNPACK_FLAG_TEXT ? take_text(u) : 0;

	if (r != 0) {
		u->end = (int64_t)u->stream.out_bytes - UNPACK_END_MARK;
		return r < 0 ? r : 0;
	}
	r = open_archive(u);
	return r == 0 ? read_entries(u) : r;
}

static bool is_known_type(const char *media_type)
{
	enum oci_type type = oci_type_of(str_from(media_type));

	return !media_type[0] || type == OCI_TYPE_LAYER_TAR || type == OCI_TYPE_LAYER_GZIP ||
	       type == OCI_TYPE_LAYER_ZSTD;
}

int tar_unpack(tar_source_fn *source, void *owner, const struct unpack_start *start,
	       unsigned window_log, struct entry_writer *out, struct unpack_result *ret_result,
	       struct err *err)
{
	uint64_t bytes_max =
		start->bytes_max ? start->bytes_max : (uint64_t)UNPACK_BYTES_DEFAULT_GIB << 30;
	struct tar_stream_limits limits = {
		.bytes_max = bytes_max,
		.ratio_max = start->ratio_max ? start->ratio_max : UNPACK_RATIO_DEFAULT,
		.window_log = window_log,
	};
	struct unpack *u;
	int r;

	if (!is_known_type(start->media_type))
		return err_set(err, -ENOTSUP, "a layer of type %s is not known", start->media_type);
	u = calloc(1, sizeof(*u));
	if (!u)
		return err_set(err, -ENOMEM, "no memory to unpack a layer");
	u->block = malloc(start->flags & UNPACK_FLAG_TEXT ? UNPACK_TEXT_MAX + 1 : UNPACK_BLOCK);
	u->out = out;
	u->err = err;
	u->bytes_max = bytes_max;
	u->entries_max = start->entries_max && start->entries_max < ENTRY_COUNT_MAX
				 ? start->entries_max
				 : ENTRY_COUNT_MAX;
	u->layer = start->flags & UNPACK_FLAG_LAYER;
	u->rooted = start->flags & UNPACK_FLAG_ROOTED;
	sha256_init(&u->hash);
	r = u->block ? tar_stream_init(&u->stream, source, owner, &limits, err)
		     : err_set(err, -ENOMEM, "no memory to unpack a layer");
	/* No registry's layer is one of these: for archives of ADD alone. */
	if (r == 0 && u->layer &&
	    (u->stream.compression == TAR_XZ || u->stream.compression == TAR_BZIP2))
		r = err_set(err, -ENOTSUP, "a layer is compressed by %s: gzip and zstd are known",
			    u->stream.compression == TAR_XZ ? "xz" : "bzip2");
	r = r == 0 ? read_all(u, start) : r;
	if (r == 0)
		r = finish(u, start, ret_result);
	archive_read_free(u->archive);
	tar_stream_done(&u->stream);
	free(u->block);
	free(u);
	return r;
}
