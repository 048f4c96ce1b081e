/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image archives, read file by file through libarchive's tar reader. Runs in the load role. It must
 * never write, nor trust a size that a header gives further than reading it.
 */
#include "engine/tar/walk.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/tar/stream.h"

enum { WALK_BLOCK = 256 << 10, WALK_RATIO_MAX = 200 };

struct tar_walk {
	int fd;
	int64_t offset, end;
	struct tar_stream stream;
	struct archive *archive;
	struct err fault; /* of the stream, inside libarchive's callbacks */
	unsigned char block[WALK_BLOCK];
};

static ssize_t read_file(void *owner, void *dst, size_t cap, struct err *err)
{
	struct tar_walk *walk = owner;
	ssize_t n;

	do
		n = pread(walk->fd, dst, cap, walk->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, -errno, "read of the archive");
	walk->offset += n;
	return n;
}

static la_ssize_t on_read(struct archive *archive, void *owner, const void **ret_data)
{
	struct tar_walk *walk = owner;
	ssize_t n = tar_stream_read(&walk->stream, walk->block, WALK_BLOCK, &walk->fault);

	if (n < 0)
		archive_set_error(archive, EIO, "stream");
	*ret_data = walk->block;
	return n < 0 ? -1 : n;
}

/* Jumps in a plain tar; libarchive reads what is not skipped. */
static la_int64_t on_skip(struct archive *archive, void *owner, la_int64_t want)
{
	struct tar_walk *walk = owner;
	int64_t left = walk->end - walk->offset;

	(void)archive;
	if (walk->stream.compression != TAR_PLAIN || walk->stream.in_at < walk->stream.in_len ||
	    want <= 0 || left <= 0)
		return 0;
	if (want > left)
		want = left;
	walk->offset += want;
	return want;
}

static int fault(struct tar_walk *walk, struct err *err)
{
	const char *text = archive_error_string(walk->archive);
	char shown[160];

	if (walk->fault.code)
		return err_set(err, walk->fault.code, "%s", walk->fault.text);
	str_escape(str_from(text ? text : "damaged"), shown, sizeof(shown));
	return err_set(err, -EBADMSG, "the archive is no readable tar: %s", shown);
}

static int open_walk(struct tar_walk *walk, struct err *err)
{
	const struct tar_stream_limits limits = { .ratio_max = WALK_RATIO_MAX };
	int r = tar_stream_init(&walk->stream, read_file, walk, &limits, err);

	if (r < 0)
		return r;
	walk->archive = archive_read_new();
	if (!walk->archive)
		return err_set(err, -ENOMEM, "no memory to read an archive");
	if (archive_read_support_format_tar(walk->archive) != ARCHIVE_OK ||
	    archive_read_open2(walk->archive, walk, NULL, on_read, on_skip, NULL) != ARCHIVE_OK)
		return fault(walk, err);
	return 0;
}

int tar_walk_open(int fd, struct tar_walk **ret_walk, struct err *err)
{
	struct tar_walk *walk = calloc(1, sizeof(*walk));
	struct stat st;
	int r;

	if (!walk)
		return err_set(err, -ENOMEM, "no memory to read an archive");
	walk->fd = fd;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		walk->end = st.st_size;
	r = open_walk(walk, err);
	if (r < 0)
		tar_walk_close(walk);
	else
		*ret_walk = walk;
	return r;
}

void tar_walk_close(struct tar_walk *walk)
{
	if (!walk)
		return;
	archive_read_free(walk->archive);
	tar_stream_done(&walk->stream);
	free(walk);
}

static int take_file(struct archive_entry *entry, struct tar_file *file, struct err *err)
{
	const char *name = archive_entry_pathname(entry);
	const char *hard = archive_entry_hardlink(entry);
	const char *link = hard ? hard : archive_entry_symlink(entry);
	int64_t size = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : 0;

	if (!name || size < 0)
		return err_set(err, -EBADMSG, "the archive has an entry without name or size");
	if (!hard && archive_entry_filetype(entry) != AE_IFREG &&
	    archive_entry_filetype(entry) != AE_IFLNK)
		return 0;
	file->size = link ? 0 : (uint64_t)size;
	file->hard = hard != NULL;
	if (str_copy(str_from(link), file->link, sizeof(file->link)) < 0)
		return err_set(err, -EBADMSG, "the archive has a link that is too long");
	return tar_name_clean(str_from(name), file->name, err) < 0 ? -EBADMSG : 1;
}

int tar_walk_next(struct tar_walk *walk, struct tar_file *ret_file, struct err *err)
{
	struct archive_entry *entry;
	int r;

	for (;;) {
		r = archive_read_next_header(walk->archive, &entry);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return fault(walk, err);
		r = take_file(entry, ret_file, err);
		if (r != 0)
			return r;
	}
}

ssize_t tar_walk_read(struct tar_walk *walk, void *dst, size_t cap, struct err *err)
{
	la_ssize_t n = archive_read_data(walk->archive, dst, cap);

	return n < 0 ? fault(walk, err) : n;
}
