/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the durable table of references and build cache entries. Runs in the store role. Must never
 * answer before the table is on disk, nor keep a change in memory that did not get there.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "engine/oci/image.h"
#include "engine/oci/oci.h"
#include "engine/store/save.h"
#include "engine/store/store.h"
#include "lib/arena.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { NAMES_FILE_MODE = 0600, NAMES_ARENA = 16 << 20, NAMES_SHORT_MIN = 4, CHANGE_ROWS = 4 };

static const char spare[] = "spare";

/* Best effort: on a disk without one inode it is made by the next change that leaves one. */
static void make_spare(const struct store *store)
{
	OWN_FD int fd = -1;
	if (!fs_exists(store->refs_dir, spare, FS_BENEATH))
		fd = fs_open(store->refs_dir, spare, FS_BENEATH, O_WRONLY | O_CREAT | O_EXCL,
			     NAMES_FILE_MODE, NULL);
}

/* What is kept free of a disk are blocks, never inodes: the empty file `spare` holds the one that a
 * change needs until the file that it replaces gives one back. */
static int replace(const struct store *store, int dirfd, const char *name, const struct buf *file,
		   struct err *err)
{
	struct err first = { 0 };
	int r = fs_replace(dirfd, name, file->data, file->len, NAMES_FILE_MODE, &first);
	if (r == -ENOSPC && fs_unlink(store->refs_dir, spare, NULL) == 0)
		r = fs_replace(dirfd, name, file->data, file->len, NAMES_FILE_MODE, err);
	else if (r < 0)
		r = err_set(err, r, "%s", err_text(&first));
	make_spare(store);
	return r;
}

int store_save(struct store *store, struct err *err)
{
	static const char *const names[2] = { "table.0", "table.1" };
	struct buf file OWN(buf_done) = { 0 };
	buf_init(&file, REFS_BYTES_MAX + 4096);
	store->refs.generation++;
	int r = refs_encode(&store->refs, &file, err);
	if (r == 0)
		r = replace(store, store->refs_dir, names[store->slot], &file, err);
	if (r < 0) {
		store->refs.generation--;
		return r;
	}
	store->slot = 1 - store->slot;
	return 0;
}

int store_aside_save(const struct store *store, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	buf_init(&file, REFS_BYTES_MAX);
	int r = refs_aside_encode(&store->refs, &file, err);
	return r < 0 ? r : replace(store, store->refs_dir, "aside", &file, err);
}

/* What an image that is replaced leaves to the new one: itself, to go back to. */
static int inherit(struct store *store, struct refs_image *fresh, const struct refs_image *old,
		   struct err *err)
{
	struct refs_image *back = NULL;
	int r = buf_add_str(&fresh->before, buf_str(&old->record));
	if (r < 0)
		return err_set(err, r, "out of memory for image %s", fresh->reference);
	/* The file names it before the table does; refs.c needs the new one in its place for that.
	 */
	r = refs_swap(&store->refs, fresh->reference, fresh, &back, err);
	if (r == 0)
		r = store_aside_save(store, err);
	(void)refs_swap(&store->refs, fresh->reference, back, &fresh, NULL);
	return r;
}

/* Rows that change with one writing of the table: all of them, or none. */
struct change {
	struct change_row {
		const char *reference;
		struct refs_image *fresh, *old; /* NULL = none */
	} rows[CHANGE_ROWS];
	unsigned count;
};

/* Puts fresh (NULL = nothing) under a reference; it is the change's then, in any case. */
static int change_add(struct store *store, struct change *change, const char *reference,
		      struct refs_image *fresh, struct err *err)
{
	struct change_row *row = &change->rows[change->count];
	*row = (struct change_row){ .fresh = fresh };
	int r = refs_swap(&store->refs, reference, fresh, &row->old, err);
	if (r < 0) {
		refs_image_free(fresh);
		return r;
	}
	row->reference = fresh ? fresh->reference : row->old ? row->old->reference : "";
	change->count++;
	return 0;
}

/* As if it had never been begun. */
static void change_undo(struct store *store, struct change *change)
{
	while (change->count > 0) {
		struct change_row *row = &change->rows[--change->count];
		struct refs_image *taken_back = NULL;
		/* The text may be taken_back's own. */
		(void)refs_swap(&store->refs, row->reference, row->old, &taken_back, NULL);
		refs_image_free(taken_back);
	}
}

static int change_save(struct store *store, struct change *change, struct err *err)
{
	bool aside = false;
	int r = store_save(store, err);
	if (r < 0) {
		if (err)
			(void)err_prefix(err, "image %s", change->rows[0].reference);
		change_undo(store, change);
		return r;
	}
	for (unsigned i = 0; i < change->count; i++) {
		struct refs_image *old = change->rows[i].old;
		/* What stood aside for a name that is gone would be found again under the next of
		 * that name. */
		aside |= old && !change->rows[i].fresh && (old->before.len > 0 || old->idle_s > 0);
		refs_image_free(old);
	}
	if (aside)
		(void)store_aside_save(store, NULL);
	/* Only for readers from outside, made again at each change. */
	(void)store_index_write(store, NULL);
	return 0;
}

/* ---- images without a name: rows whose reference is their id ---- */

/* The first row of an image, -1 = there is none. */
static int64_t find_config(const struct store *store, const struct digest *config)
{
	for (uint32_t i = 0; i < store->refs.image_count; i++) {
		struct arena arena OWN(arena_done) = { 0 };
		struct image image;
		arena_init(&arena, NAMES_ARENA);
		if (store_record_decode(&arena, buf_str(&store->refs.images[i]->record), &image,
					NULL) == 0 &&
		    memcmp(&image.config, config, sizeof(*config)) == 0)
			return i;
	}
	return -1;
}

/*
 * Room for one more without a name. Of those that nothing used when it was looked last, the longest
 * idle one gives way; 0 = all are in use.
 */
static int make_way(struct store *store, struct change *change, struct err *err)
{
	const struct refs_image *oldest = NULL;
	uint32_t count = 0;
	for (uint32_t i = 0; i < store->refs.image_count; i++) {
		const struct refs_image *image = store->refs.images[i];
		if (!refs_is_unnamed(image->reference))
			continue;
		count++;
		if (image->idle_s > 0 && (!oldest || image->idle_s < oldest->idle_s))
			oldest = image;
	}
	if (count < STORE_UNNAMED_MAX && store->refs.image_count < REFS_IMAGES_MAX)
		return 1;
	if (!oldest)
		return 0;
	int r = change_add(store, change, oldest->reference, NULL, err);
	return r < 0 ? r : 1;
}

/* Under its id, as the first row of the change leaves it: nothing else names it. */
static int keep_unnamed(struct store *store, struct change *change, struct err *err)
{
	const struct refs_image *old = change->rows[0].old;
	struct arena arena OWN(arena_done) = { 0 };
	struct buf record OWN(buf_done) = { 0 };
	char id[DIGEST_TEXT_MAX];
	struct image image;
	arena_init(&arena, NAMES_ARENA);
	buf_init(&record, STORE_RECORD_MAX);
	int r = old ? store_record_decode(&arena, buf_str(&old->record), &image, err) : 0;
	if (r < 0 || !old || find_config(store, &image.config) >= 0)
		return r;
	r = make_way(store, change, err);
	if (r <= 0)
		return r;
	image.reference = "";
	image_encode(&image, &record);
	if (buf_error(&record) < 0)
		return err_set(err, -ENOMEM, "out of memory for image %s", old->reference);
	struct refs_image *unnamed =
		refs_image_new(str_from(digest_text(&image.config, id)), buf_str(&record), err);
	if (!unnamed)
		return -ENOMEM;
	unnamed->idle_s = old->idle_s;
	unnamed->asked = old->asked;
	return change_add(store, change, unnamed->reference, unnamed, err);
}

/* A name is given: the row by its id, if there is one, has done its duty. */
static int drop_unnamed(struct store *store, struct change *change, const struct digest *config,
			struct err *err)
{
	char id[DIGEST_TEXT_MAX];
	(void)digest_text(config, id);
	if (strcmp(change->rows[0].reference, id) == 0 || refs_find(&store->refs, id) < 0)
		return 0;
	return change_add(store, change, id, NULL, err);
}

/* Puts fresh (NULL = none) under a reference; keep: what that meant stays without a name. */
static int change_image(struct store *store, const char *reference, struct refs_image *fresh,
			bool keep, struct err *err)
{
	struct change change = { .count = 0 };
	struct arena arena OWN(arena_done) = { 0 };
	struct image image;
	arena_init(&arena, NAMES_ARENA);
	int r = change_add(store, &change, reference, fresh, err);
	if (r < 0)
		return r;
	if (fresh)
		r = store_record_decode(&arena, buf_str(&fresh->record), &image, err);
	if (fresh && r == 0)
		r = drop_unnamed(store, &change, &image.config, err);
	if (r == 0 && keep)
		r = keep_unnamed(store, &change, err);
	if (r < 0) {
		change_undo(store, &change);
		return r;
	}
	return change_save(store, &change, err);
}

/* The same again, durably there: 1. An image without a name that has got one needs no other row. */
static int is_there(struct store *store, struct str reference, struct str record,
		    const struct image *image, struct err *err)
{
	char name[STORE_REFERENCE_MAX];
	int r = str_copy(reference, name, sizeof(name));
	if (r < 0)
		return err_set(err, -EINVAL, "image reference of %zu bytes", reference.len);
	int64_t at = refs_find(&store->refs, name);
	if (at >= 0 && !str_eq(buf_str(&store->refs.images[at]->record), record))
		at = -1;
	else if (at < 0 && refs_is_unnamed(name))
		at = find_config(store, &image->config);
	if (at < 0)
		return 0;
	store->refs.images[at]->asked = mono_now();
	return 1;
}

static int set_image(struct store *store, struct str reference, struct str record, bool keep,
		     bool *ret_replaced, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct image image;
	arena_init(&arena, NAMES_ARENA);
	if (reference.len == 0 || reference.len >= STORE_REFERENCE_MAX)
		return err_set(err, -EINVAL, "image reference of %zu bytes", reference.len);
	int r = store_record_decode(&arena, record, &image, err);
	if (r == 0)
		r = is_there(store, reference, record, &image, err);
	if (r != 0) {
		if (r > 0)
			*ret_replaced = false;
		return r < 0 ? r : 0;
	}
	struct refs_image *fresh = refs_image_new(reference, record, err);
	if (!fresh)
		return -ENOMEM;
	int64_t at = refs_find(&store->refs, fresh->reference);
	fresh->asked = mono_now();
	if (at >= 0 && inherit(store, fresh, store->refs.images[at], err) < 0) {
		refs_image_free(fresh);
		return err ? err->code : -EIO;
	}
	r = change_image(store, fresh->reference, fresh, keep, err);
	if (r == 0)
		*ret_replaced = at >= 0;
	return r;
}

int store_image_set(struct store *store, struct str reference, struct str record,
		    bool *ret_replaced, struct err *err)
{
	return set_image(store, reference, record, false, ret_replaced, err);
}

int store_image_move(struct store *store, struct str reference, struct str record,
		     bool *ret_replaced, struct err *err)
{
	return set_image(store, reference, record, true, ret_replaced, err);
}

static int no_such_image(const struct store *store, const char *name, struct err *err)
{
	static const char *names[REFS_IMAGES_MAX]; /* one process, one loop */
	char shown[200];
	for (uint32_t i = 0; i < store->refs.image_count; i++)
		names[i] = store->refs.images[i]->reference;
	const char *nearest = str_nearest(str_from(name), names, store->refs.image_count);
	str_escape(str_from(name), shown, sizeof(shown));
	if (nearest)
		return err_set(err, -ENOENT, "no such image: %s; did you mean %s?", shown, nearest);
	return err_set(err, -ENOENT, "no such image: %s", shown);
}

/* No name goes back to an image that was taken away by its id. */
static int forget_before(struct store *store, const char *id, struct err *err)
{
	bool any = false;
	for (uint32_t i = 0; i < store->refs.image_count; i++) {
		struct arena arena OWN(arena_done) = { 0 };
		struct buf *before = &store->refs.images[i]->before;
		char text[DIGEST_TEXT_MAX];
		struct image image;
		arena_init(&arena, NAMES_ARENA);
		if (before->len == 0 ||
		    store_record_decode(&arena, buf_str(before), &image, NULL) < 0 ||
		    strcmp(digest_text(&image.config, text), id) != 0)
			continue;
		buf_clear(before);
		any = true;
	}
	return any ? store_aside_save(store, err) : 0;
}

int store_image_remove(struct store *store, const char *reference, struct err *err)
{
	int r = 0;
	if (refs_find(&store->refs, reference) < 0)
		return no_such_image(store, reference, err);
	if (refs_is_unnamed(reference))
		r = forget_before(store, reference, err);
	return r < 0 ? r : change_image(store, reference, NULL, false, err);
}

int store_image_untag(struct store *store, const char *reference, struct err *err)
{
	if (refs_find(&store->refs, reference) < 0 || refs_is_unnamed(reference))
		return no_such_image(store, reference, err);
	return change_image(store, reference, NULL, true, err);
}

static bool has_digest(struct str record, const struct digest *digest)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct image image;
	arena_init(&arena, NAMES_ARENA);
	return store_record_decode(&arena, record, &image, NULL) == 0 &&
	       (memcmp(&image.config, digest, sizeof(*digest)) == 0 ||
		memcmp(&image.manifest, digest, sizeof(*digest)) == 0 ||
		memcmp(&image.source, digest, sizeof(*digest)) == 0);
}

/* "sha256:" and the first digits of an image id, enough for one: its place, -1 = none. */
static int64_t find_short(const struct store *store, const char *name, struct err *err)
{
	struct str digits = str_skip(str_from(name), sizeof("sha256:") - 1);
	int64_t found = -1;
	if (!str_starts(str_from(name), STR("sha256:")) || digits.len < NAMES_SHORT_MIN ||
	    digits.len >= 2 * SHA256_SIZE)
		return -1;
	for (uint32_t i = 0; i < store->refs.image_count; i++) {
		struct arena arena OWN(arena_done) = { 0 };
		char text[DIGEST_TEXT_MAX];
		struct image image, other;
		arena_init(&arena, 2 * NAMES_ARENA);
		if (store_record_decode(&arena, buf_str(&store->refs.images[i]->record), &image,
					NULL) < 0 ||
		    !str_starts(str_from(digest_text(&image.config, text) + 7), digits))
			continue;
		if (found >= 0 &&
		    store_record_decode(&arena, buf_str(&store->refs.images[found]->record), &other,
					NULL) == 0 &&
		    memcmp(&other.config, &image.config, sizeof(image.config)) != 0)
			return err_set(err, -EINVAL, "more than one image has an id like %.80s",
				       name);
		found = i;
	}
	return found;
}

int store_image_get(const struct store *store, const char *name, struct str *ret_record,
		    struct err *err)
{
	struct digest digest;
	int64_t at = refs_find(&store->refs, name);
	if (at < 0 && digest_parse(str_from(name), &digest, NULL) == 0) {
		for (uint32_t i = 0; i < store->refs.image_count && at < 0; i++)
			if (has_digest(buf_str(&store->refs.images[i]->record), &digest))
				at = i;
	}
	if (at < 0)
		at = find_short(store, name, err);
	if (at < -1)
		return (int)at;
	if (at < 0)
		return no_such_image(store, name, err);
	store->refs.images[at]->asked = mono_now();
	*ret_record = buf_str(&store->refs.images[at]->record);
	return 0;
}

int store_image_before(const struct store *store, const char *id, struct str *ret_record)
{
	struct digest digest;
	if (digest_parse(str_from(id), &digest, NULL) < 0)
		return -ENOENT;
	for (uint32_t i = 0; i < store->refs.image_count; i++) {
		struct str before = buf_str(&store->refs.images[i]->before);
		if (before.len > 0 && has_digest(before, &digest)) {
			*ret_record = before;
			return 0;
		}
	}
	return -ENOENT;
}

/* The first layer of the record that is not there or damaged: -ENOENT, -EBADMSG. */
static int has_layers(const struct store *store, const struct image *image, struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < image->layer_count; i++) {
		struct store_layer layer;
		OWN_FD int fd = store_layer_open(store, &image->layers[i].blob, &layer, err);
		r = fd < 0 ? fd : 0;
	}
	return r;
}

bool store_image_runs(const struct store *store, const char *reference)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct image image;
	int64_t at = refs_find(&store->refs, reference);
	arena_init(&arena, NAMES_ARENA);
	return at >= 0 &&
	       store_record_decode(&arena, buf_str(&store->refs.images[at]->record), &image,
				   NULL) == 0 &&
	       has_layers(store, &image, NULL) == 0;
}

int store_fall_back(struct store *store, const char *reference, struct digest *ret_config,
		    struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct image image;
	int64_t at = refs_find(&store->refs, reference);
	if (at < 0)
		return no_such_image(store, reference, err);
	const struct buf *before = &store->refs.images[at]->before;
	if (before->len == 0)
		return err_set(err, -ENOENT, "there is no image before it to go back to");
	arena_init(&arena, NAMES_ARENA);
	int r = store_record_decode(&arena, buf_str(before), &image, err);
	if (r == 0)
		r = has_layers(store, &image, err);
	if (r < 0) {
		(void)err_prefix(err, "the image before it");
		return r;
	}
	struct refs_image *fresh = refs_image_new(str_from(reference), buf_str(before), err);
	if (!fresh)
		return -ENOMEM;
	fresh->asked = mono_now();
	*ret_config = image.config;
	return change_image(store, fresh->reference, fresh, false, err);
}

/* ---- index.json ---- */

static bool is_whole(const struct store *store, const struct image *image)
{
	uint64_t size = 0;
	bool whole = store_blob_stat(store, &image->manifest, &size, NULL) == 0 &&
		     store_blob_stat(store, &image->config, &size, NULL) == 0;
	for (uint32_t i = 0; whole && i < image->layer_count; i++)
		whole = store_blob_stat(store, &image->layers[i].blob, &size, NULL) == 0;
	return whole;
}

/*
 * Most changes change nothing here (no blobs are kept): then the disk need not be waited for. What
 * can be read says nothing of the disk where the last writing failed, or was another process's.
 */
static bool is_written(const struct store *store, struct str text)
{
	struct buf is OWN(buf_done) = { 0 };
	buf_init(&is, text.len + 1);
	return store->index_synced &&
	       fs_read(store->root, "index.json", FS_BENEATH, text.len, &is, NULL) == 0 &&
	       str_eq(buf_str(&is), text);
}

int store_index_write(struct store *store, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf text OWN(buf_done) = { 0 };
	arena_init(&arena, 64 << 20);
	buf_init(&text, 8 << 20);
	const struct image **images =
		arena_array(&arena, store->refs.image_count + 1, sizeof(*images));
	size_t count = 0;
	for (uint32_t i = 0; images && i < store->refs.image_count; i++) {
		struct image *image = arena_alloc(&arena, sizeof(*image));
		if (!image)
			break;
		if (store_record_decode(&arena, buf_str(&store->refs.images[i]->record), image,
					NULL) == 0 &&
		    is_whole(store, image))
			images[count++] = image;
	}
	if (!images)
		return err_set(err, -ENOMEM, "out of memory for index.json");
	int r = oci_index_write(images, count, &text, err);
	if (r < 0 || is_written(store, buf_str(&text)))
		return r;
	r = replace(store, store->root, "index.json", &text, err);
	store->index_synced = r == 0;
	return r;
}
