/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the image store on disk. Runs in the store role, the only writer. Must never look into what
 * it stores, nor publish what was not checked and synced.
 *
 * The directory (/data/store, mode 0700), an OCI image layout with two folders more:
 *
 *   oci-layout                    {"imageLayoutVersion":"1.0.0"}
 *   index.json                    OCI index of the images whose blobs are all kept; made from refs/
 *   blobs/sha256/<hex>            manifests, configs, layer blobs; the name is the content's digest
 *   layers/sha256/<hex>.erofs     unpacked layers; <hex> is the digest of the blob it came from, or
 *                                 of the entry records for a layer that was made here
 *   refs/table.0, refs/table.1    generation files: the valid one with the higher generation counts
 *   refs/aside                    what an image was before, and since when nothing uses it
 *   refs/spare                    empty: the inode of the next change where the disk has none left
 *   trash/<number>                what was dropped and waits for its unlink
 *
 * A generation file (all little-endian):
 *   0  "HOYREFS1"   8  u64 generation   16  u32 n = bytes of the body   20  u32 zero
 *   24 SHA-256 of bytes 0..23 and the body   56 body: u32 count, {text reference, blob image record
 *   (engine/oci/image.h)}..., sorted; u32 count, {digest key, struct store_cached, u64 generation
 * of the last use}... Valid: exactly 56 + n bytes, magic, checksum, content within its bounds. Each
 * change writes the whole table into the file that does not count, so a damaged or half-written one
 * costs one change at most, never the table.
 *
 * refs/aside, replaced as a whole, before the table where a name gets another image:
 *   0  "HOYASIDE"   8  SHA-256 of all behind it   40 u32 count, {text reference, u64 wall seconds
 *   since when nothing uses it (0 = used, or not known), blob image record that the name had before
 *   (empty = none)}... A missing or damaged one loses that and no image; names that the table does
 *   not have, and a record before that is the one there is, count for nothing.
 *
 * A layer file is an EROFS image of s bytes (a multiple of 4,096) and one block:
 *   s+0 "HOYLAYER"  s+8 u32 version 1  s+12 u32 zero  s+16 u64 s  s+24 digest (the file's name)
 *   s+56 diffID     s+88 content digest              s+120 SHA-256 of the 120 bytes before, zeros
 * The content digest is the SHA-256 over each block of the image that is not all zero: u64 number,
 * then its 4,096 bytes. Where the file system can, fs-verity seals image and trailer.
 *
 * Crash rule: every file is written without a name, synced, named, and its directory synced, in
 * this order; a name therefore always stands for a whole file. Removal moves the name to trash/ and
 * syncs both directories before anything counts as removed; trash/ is emptied at leisure, and at
 * the start. Nothing else is repaired after a power cut, because nothing else can be broken.
 */
#include "engine/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fsverity.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "engine/store/trailer.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { STORE_FILE_MODE = 0600, STORE_DIR_MODE = 0700 };
/* What big files leave free, so that names can still be changed and things removed. */
#define STORE_RESERVE (UINT64_C(4) << 20)

static const char *const table_names[2] = { "table.0", "table.1" };

void store_blob_name(const struct digest *digest, char name[STORE_NAME_MAX])
{
	str_hex(digest->bytes, sizeof(digest->bytes), name);
}

void store_layer_name(const struct digest *digest, char name[STORE_NAME_MAX])
{
	str_hex(digest->bytes, sizeof(digest->bytes), name);
	memcpy(name + 64, ".erofs", sizeof(".erofs"));
}

/* ---- opening ---- */

/* 0 and what the file says, or why it does not count. */
static int read_table(const struct store *store, unsigned slot, struct refs *refs, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	buf_init(&file, REFS_BYTES_MAX + 4096);
	refs_init(refs);
	int r = fs_read(store->refs_dir, table_names[slot], FS_BENEATH, REFS_BYTES_MAX + 4096,
			&file, err);
	if (r == 0)
		r = refs_decode(refs, buf_str(&file), err);
	if (r < 0)
		refs_done(refs);
	return r;
}

/* The table that counts. A missing one is fine; a damaged one is noted, the other one is taken. */
static int read_tables(struct store *store, struct buf *notes, struct err *err)
{
	bool have = false;
	for (unsigned slot = 0; slot < 2; slot++) {
		struct refs refs;
		struct err why = { 0 };
		int r = read_table(store, slot, &refs, &why);
		if (r == -ENOMEM || r == -EIO)
			return err_set(err, r, "store: %s", err_text(&why));
		if (r < 0) {
			if (r != -ENOENT && notes)
				(void)buf_printf(notes,
						 "store: refs/%s %s; taking the one before\n",
						 table_names[slot], err_text(&why));
			continue;
		}
		if (have && refs.generation <= store->refs.generation) {
			refs_done(&refs);
			continue;
		}
		refs_done(&store->refs);
		store->refs = refs;
		store->slot = 1 - slot;
		have = true;
	}
	return 0;
}

/* Nothing in it is worth a store that does not open. */
static int read_aside(struct store *store, struct buf *notes, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	struct err why = { 0 };
	buf_init(&file, REFS_BYTES_MAX);
	int r = fs_read(store->refs_dir, "aside", FS_BENEATH, REFS_BYTES_MAX, &file, &why);
	if (r == 0)
		r = refs_aside_decode(&store->refs, buf_str(&file), &why);
	if (r == -ENOMEM)
		return err_set(err, r, "store: %s", err_text(&why));
	if (r < 0 && r != -ENOENT && notes)
		(void)buf_printf(notes,
				 "store: refs/aside %s; images before the present ones are "
				 "forgotten\n",
				 err_text(&why));
	return 0;
}

static int open_dir(const struct store *store, const char *path, int *ret_fd, struct err *err)
{
	*ret_fd = fs_open_dir(store->root, path, FS_BENEATH, STORE_DIR_MODE, err);
	return *ret_fd < 0 ? *ret_fd : 0;
}

static int find_trash_number(int dirfd, const char *name, unsigned char type, void *owner,
			     struct err *err)
{
	struct store *store = owner;
	uint64_t number = 0;
	(void)dirfd;
	(void)type;
	(void)err;
	if (str_to_u64(str_from(name), 0, UINT64_MAX - 1, &number) == 0 &&
	    number >= store->trash_number)
		store->trash_number = number + 1;
	return 0;
}

static int write_layout(const struct store *store, struct err *err)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	if (fs_exists(store->root, "oci-layout", FS_BENEATH))
		return 0;
	return fs_replace(store->root, "oci-layout", layout, sizeof(layout) - 1, STORE_FILE_MODE,
			  err);
}

int store_open(struct store *store, int root_fd, struct buf *ret_notes, struct err *err)
{
	*store = (struct store){
		.root = root_fd, .blobs = -1, .layers = -1, .refs_dir = -1, .trash = -1
	};
	refs_init(&store->refs);
	int r = open_dir(store, "blobs/sha256", &store->blobs, err);
	if (r == 0)
		r = open_dir(store, "layers/sha256", &store->layers, err);
	if (r == 0)
		r = open_dir(store, "refs", &store->refs_dir, err);
	if (r == 0)
		r = open_dir(store, "trash", &store->trash, err);
	if (r == 0)
		r = write_layout(store, err);
	if (r == 0)
		r = fs_sync_dir(store->root, err);
	if (r == 0)
		r = fs_each(store->trash, find_trash_number, store, err);
	if (r == 0)
		r = read_tables(store, ret_notes, err);
	if (r == 0)
		r = read_aside(store, ret_notes, err);
	return r;
}

void store_done(struct store *store)
{
	refs_done(&store->refs);
	while (store->leases) {
		struct store_lease *lease = store->leases;
		store->leases = lease->next;
		free(lease->name);
		free(lease->digests);
		free(lease);
	}
	own_close(&store->root);
	own_close(&store->blobs);
	own_close(&store->layers);
	own_close(&store->refs_dir);
	own_close(&store->trash);
}

/* ---- room ---- */

static int free_bytes(const struct store *store, uint64_t *ret_bytes, struct err *err)
{
	struct statvfs st;
	if (fstatvfs(store->root, &st) < 0)
		return err_sys(err, -errno, "cannot ask for the free space of the store");
	/* f_bavail leaves out what the file system keeps for its reserved user. */
	*ret_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

int store_room(const struct store *store, uint64_t bytes, const char *what, struct err *err)
{
	uint64_t there = 0;
	int r = free_bytes(store, &there, err);
	if (r < 0 || bytes > UINT64_MAX - STORE_RESERVE)
		return r < 0 ? r : err_set(err, -ENOSPC, "no disk holds %s", what);
	if (there >= bytes + STORE_RESERVE)
		return 0;
	uint64_t missing = (bytes + STORE_RESERVE - there + (1 << 20) - 1) >> 20;
	return err_set(err, -ENOSPC,
		       "no room for %s: %llu MiB are missing on the data partition; remove images "
		       "or enlarge the disk",
		       what, (unsigned long long)missing);
}

/* ---- blobs ---- */

/*
 * A file that was kept. -EBADMSG: something else bears its name, or it may not be read: repair
 * takes it away. Never waits, whatever is there (fifo(7)).
 */
static int open_kept(int dirfd, const char *name, struct stat *ret_stat, struct err *err)
{
	OWN_FD int fd = fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_NONBLOCK, 0, err);
	if (fd == -ELOOP || fd == -EACCES || fd == -ENXIO)
		return err_set(err, -EBADMSG, "is no file that can be read");
	if (fd < 0)
		return fd;
	if (fstat(fd, ret_stat) < 0)
		return err_sys(err, -errno, "cannot stat %s", name);
	if (!S_ISREG(ret_stat->st_mode))
		return err_set(err, -EBADMSG, "is no file");
	return take_fd(&fd);
}

int store_blob_open(const struct store *store, const struct digest *digest, uint64_t *ret_size,
		    struct err *err)
{
	char name[STORE_NAME_MAX];
	struct stat st;
	store_blob_name(digest, name);
	int fd = open_kept(store->blobs, name, &st, err);
	if (fd >= 0)
		*ret_size = (uint64_t)st.st_size;
	return fd;
}

int store_blob_stat(const struct store *store, const struct digest *digest, uint64_t *ret_size,
		    struct err *err)
{
	OWN_FD int fd = store_blob_open(store, digest, ret_size, err);
	return fd < 0 ? fd : 0;
}

int store_blob_new(const struct store *store, struct err *err)
{
	return fs_tmpfile(store->blobs, STORE_FILE_MODE, err);
}

/* There already: the content is the same, its digest being its name. */
static int publish(int dirfd, int fd, const char *name, struct err *err)
{
	struct err why = { 0 };
	int r = fs_publish(dirfd, fd, name, false, &why);
	if (r == -EEXIST)
		return fs_sync_dir(dirfd, err);
	if (r < 0)
		return err_set(err, r, "%s", err_text(&why));
	return 0;
}

/* What has the name already and cannot be the blob makes room for it. */
static int drop_other(struct store *store, int fd, const char *name, struct err *err)
{
	struct stat is, was;
	if (fs_stat(store->blobs, name, FS_BENEATH, &was, NULL) < 0)
		return 0;
	if (fstat(fd, &is) < 0)
		return err_sys(err, -errno, "cannot stat a blob");
	return S_ISREG(was.st_mode) && is.st_size == was.st_size
		       ? 0
		       : store_discard(store, store->blobs, name, err);
}

int store_blob_publish(struct store *store, int fd, const struct digest *digest, struct err *err)
{
	char name[STORE_NAME_MAX];
	store_blob_name(digest, name);
	int r = drop_other(store, fd, name, err);
	return r < 0 ? r : publish(store->blobs, fd, name, err);
}

/* ---- layers ---- */

int store_layer_new(const struct store *store, uint64_t bytes, struct err *err)
{
	int r = store_room(store, bytes, "a layer", err);
	return r < 0 ? r : fs_tmpfile(store->layers, STORE_FILE_MODE, err);
}

/*
 * From here on the kernel refuses every write and checks every read. It works only while nobody
 * holds the file for writing; where the file system or kernel has no verity, the trailer's digest
 * is what CHECK goes by.
 */
static void seal(const struct store *store, const char *name)
{
	struct fsverity_enable_arg arg = {
		.version = 1,
		.hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
		.block_size = 4096,
	};
	OWN_FD int fd = fs_open(store->layers, name, FS_BENEATH, O_RDONLY, 0, NULL);
	if (fd >= 0)
		(void)ioctl(fd, FS_IOC_ENABLE_VERITY, &arg);
}

/* A whole layer of this name stays; a damaged one makes room for the new file. */
static int drop_damaged(struct store *store, const struct digest *digest, const char *name,
			struct err *err)
{
	struct store_layer layer;
	OWN_FD int fd = store_layer_open(store, digest, &layer, NULL);
	return fd == -EBADMSG ? store_discard(store, store->layers, name, err) : 0;
}

int store_layer_publish(struct store *store, int fd, const struct store_layer *layer,
			struct err *err)
{
	OWN_FD int file = fd;
	char name[STORE_NAME_MAX];
	store_layer_name(&layer->digest, name);
	int r = drop_damaged(store, &layer->digest, name, err);
	if (r == 0)
		r = publish(store->layers, file, name, err);
	if (r < 0)
		return r;
	own_close(&file);
	seal(store, name);
	return 0;
}

int store_layer_open(const struct store *store, const struct digest *digest,
		     struct store_layer *ret_layer, struct err *err)
{
	char name[STORE_NAME_MAX];
	struct trailer trailer;
	struct stat st;
	store_layer_name(digest, name);
	OWN_FD int fd = open_kept(store->layers, name, &st, err);
	if (fd < 0 && fd != -EBADMSG)
		return fd;
	int r = fd < 0 ? fd : trailer_read(fd, &trailer, err);
	if (r == 0 && memcmp(&trailer.layer.digest, digest, sizeof(*digest)) != 0)
		r = err_set(err, -EBADMSG, "layer file is another layer");
	if (r < 0) {
		(void)err_prefix(err, "layers/sha256/%s", name);
		return r;
	}
	*ret_layer = trailer.layer;
	return take_fd(&fd);
}

/* ---- trash, leases and space ---- */

int store_discard(struct store *store, int dirfd, const char *name, struct err *err)
{
	char number[24];
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)store->trash_number++);
	int r = fs_rename(dirfd, name, store->trash, number, err);
	/* A folder of someone else cannot be moved, but an empty one can go. */
	if (r == -EACCES && fs_rmdir(dirfd, name, NULL) == 0)
		r = 0;
	if (r == 0)
		r = fs_sync_dir(store->trash, err);
	if (r == 0)
		r = fs_sync_dir(dirfd, err);
	return r;
}

int store_lease_set(struct store *store, const char *name, const struct digest *digests,
		    uint32_t count, struct err *err)
{
	struct store_lease **at = &store->leases;
	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	struct digest *copy = NULL;
	if (count > 0) {
		copy = calloc(count, sizeof(*copy));
		struct store_lease *fresh = *at || !copy ? NULL : calloc(1, sizeof(*fresh));
		if (fresh && !(fresh->name = strdup(name))) {
			free(fresh);
			fresh = NULL;
		}
		if (!copy || (!*at && !fresh)) {
			free(copy);
			return err_set(err, -ENOMEM, "out of memory for lease %s", name);
		}
		memcpy(copy, digests, count * sizeof(*copy));
		if (!*at)
			*at = fresh;
	}
	struct store_lease *lease = *at;
	if (!lease)
		return 0;
	free(lease->digests);
	lease->digests = copy;
	lease->count = count;
	if (count == 0) {
		*at = lease->next;
		free(lease->name);
		free(lease);
	}
	return 0;
}

struct sum {
	uint64_t bytes;
	uint32_t count;
};

static int add_size(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	struct sum *sum = owner;
	struct stat st;
	(void)type;
	if (fs_stat(dirfd, name, FS_BENEATH, &st, err) == 0) {
		sum->bytes += (uint64_t)st.st_blocks * 512;
		sum->count++;
	}
	return 0;
}

int store_space(const struct store *store, struct store_space *ret_space, struct err *err)
{
	struct sum blobs = { 0 }, layers = { 0 };
	uint64_t there = 0;
	int r = fs_each(store->blobs, add_size, &blobs, err);
	if (r == 0)
		r = fs_each(store->layers, add_size, &layers, err);
	if (r == 0)
		r = free_bytes(store, &there, err);
	if (r < 0)
		return r;
	*ret_space = (struct store_space){
		.blob_bytes = blobs.bytes,
		.layer_bytes = layers.bytes,
		.free_bytes = there,
		.images = store->refs.image_count,
		.layers = layers.count,
	};
	return 0;
}
