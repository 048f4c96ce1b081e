/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes image archives. Runs in the load role, which gets the blobs as files from engine main and
 * has nothing but the fd it writes to. Must never put a blob into the archive whose bytes are not
 * its name's.
 */
#include "engine/registry/save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/json/json.h"
#include "engine/oci/oci.h"
#include "engine/oci/reference.h"
#include "engine/registry/documents.h"
#include "engine/tar/write.h"
#include "lib/fs.h"
#include "lib/own.h"

enum {
	SAVE_BLOCK = 64 << 10,
	SAVE_ARENA_MAX = 48 << 20,
	SAVE_BLOBS_MAX = PULL_SAVE_MAX * (IMAGE_LAYERS_MAX + 2),
};

struct saving {
	int fd;
	const struct push_source *source;
	struct tar_writer tar;
	struct arena arena;
	struct image *images;
	uint32_t count;
	struct digest *done; /* blobs that are in the archive */
	uint32_t done_count;
	unsigned char block[SAVE_BLOCK];
};

static void saving_free(struct saving **saving)
{
	if (!*saving)
		return;
	tar_writer_done(&(*saving)->tar);
	arena_done(&(*saving)->arena);
	free((*saving)->done);
	free(*saving);
}

static int write_out(void *owner, const void *data, size_t len, struct err *err)
{
	const struct saving *saving = owner;

	return fs_write_fd(saving->fd, data, len, err);
}

static void blob_name(const struct digest *digest, char dst[DIGEST_TEXT_MAX + 16])
{
	char text[DIGEST_TEXT_MAX];

	(void)snprintf(dst, DIGEST_TEXT_MAX + 16, "blobs/sha256/%s", digest_text(digest, text) + 7);
}

/* Whether it has to be written; from now on it is. */
static bool is_new(struct saving *saving, const struct digest *digest)
{
	for (uint32_t i = 0; i < saving->done_count; i++)
		if (memcmp(&saving->done[i], digest, sizeof(*digest)) == 0)
			return false;
	if (saving->done_count < SAVE_BLOBS_MAX)
		saving->done[saving->done_count++] = *digest;
	return true;
}

static int put_text(struct saving *saving, const char *name, struct str text, struct err *err)
{
	int r = tar_write_file(&saving->tar, name, text.len, err);

	return r < 0 ? r : tar_write_data(&saving->tar, text.ptr, text.len, err);
}

static int put_document(struct saving *saving, const struct digest *digest, struct str text,
			struct err *err)
{
	char name[DIGEST_TEXT_MAX + 16];

	blob_name(digest, name);
	return is_new(saving, digest) ? put_text(saving, name, text, err) : 0;
}

/* The file's bytes, hashed on their way: a wrong one spoils the archive, and it is said. */
static int copy_blob(struct saving *saving, int fd, uint64_t size, const struct digest *digest,
		     struct err *err)
{
	struct sha256 sum;
	struct digest is;
	uint64_t at = 0;
	int r = 0;

	sha256_init(&sum);
	while (r >= 0 && at < size) {
		uint64_t left = size - at;
		ssize_t n = pread(fd, saving->block,
				  left < SAVE_BLOCK ? (size_t)left : (size_t)SAVE_BLOCK, (off_t)at);

		if (n <= 0)
			return n < 0 ? err_sys(err, -errno, "read a blob")
				     : err_set(err, -EBADMSG, "a blob in the store is too short");
		sha256_add(&sum, saving->block, (size_t)n);
		r = tar_write_data(&saving->tar, saving->block, (size_t)n, err);
		at += (uint64_t)n;
	}
	sha256_end(&sum, &is);
	if (r >= 0 && memcmp(&is, digest, sizeof(is)) != 0)
		return err_set(err, -EBADMSG,
			       "a blob in the store has other bytes than its name; "
			       "`store check --repair` looks into it");
	return r;
}

static int put_blob(struct saving *saving, const struct image_layer *layer, struct err *err)
{
	char name[DIGEST_TEXT_MAX + 16];
	uint64_t size;
	int fd OWN_FD = -1;
	int r;

	if (!is_new(saving, &layer->blob))
		return 0;
	blob_name(&layer->blob, name);
	fd = saving->source->open(saving->source->owner, &layer->blob, &size, err);
	if (fd < 0)
		return err_prefix(err, "%s", name);
	if (size != layer->size)
		return err_set(err, -EBADMSG, "%s has %llu bytes, the image says %llu", name,
			       (unsigned long long)size, (unsigned long long)layer->size);
	r = tar_write_file(&saving->tar, name, size, err);
	if (r >= 0)
		r = copy_blob(saving, fd, size, &layer->blob, err);
	return r < 0 ? err_prefix(err, "%s", name) : 0;
}

static void tell(const struct saving *saving, const struct image *image, uint32_t layer)
{
	char what[40];
	struct pull_progress progress = { .digest = image->layers[layer].blob,
					  .done = image->layers[layer].size,
					  .total = image->layers[layer].size,
					  .what = what };

	(void)snprintf(what, sizeof(what), "layer %u/%u", layer + 1, image->layer_count);
	saving->source->progress(saving->source->owner, &progress);
}

static int save_image(struct saving *saving, struct image *image, struct err *err)
{
	struct documents documents;
	int r = documents_take(saving->source, image, &saving->arena, &documents, err);

	for (uint32_t i = 0; r >= 0 && i < image->layer_count; i++) {
		r = put_blob(saving, &image->layers[i], err);
		if (r >= 0)
			tell(saving, image, i);
	}
	if (r >= 0)
		r = put_document(saving, &image->config, documents.config, err);
	return r < 0 ? r : put_document(saving, &image->manifest, documents.manifest, err);
}

/* ---- what names the images ---- */

static int put_index(struct saving *saving, struct err *err)
{
	const struct image *list[PULL_SAVE_MAX];
	struct buf text OWN(buf_done) = { 0 };
	int r;

	for (uint32_t i = 0; i < saving->count; i++)
		list[i] = &saving->images[i];
	buf_init(&text, OCI_DOCUMENT_MAX);
	r = oci_index_write(list, saving->count, &text, err);
	return r < 0 ? r : put_text(saving, "index.json", buf_str(&text), err);
}

/* Docker names only tags here; an image by digest has none. */
static void put_tags(struct json_writer *w, const struct image *image)
{
	struct oci_reference ref;
	char name[OCI_REFERENCE_MAX];

	json_key(w, "RepoTags");
	json_begin_array(w);
	if (*image->reference && oci_reference_parse(str_from(image->reference), &ref, NULL) == 0 &&
	    !ref.has_digest)
		json_put_text(w, oci_reference_familiar(&ref, name));
	json_end_array(w);
}

static int put_docker(struct saving *saving, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	char name[DIGEST_TEXT_MAX + 16];
	struct json_writer w;
	int r;

	buf_init(&text, OCI_DOCUMENT_MAX);
	json_writer_init(&w, &text);
	json_begin_array(&w);
	for (uint32_t i = 0; i < saving->count; i++) {
		const struct image *image = &saving->images[i];

		json_begin_object(&w);
		blob_name(&image->config, name);
		json_member_text(&w, "Config", name);
		put_tags(&w, image);
		json_key(&w, "Layers");
		json_begin_array(&w);
		for (uint32_t k = 0; k < image->layer_count; k++) {
			blob_name(&image->layers[k].blob, name);
			json_put_text(&w, name);
		}
		json_end_array(&w);
		json_end_object(&w);
	}
	json_end_array(&w);
	r = buf_error(&text);
	return r < 0 ? err_set(err, r, "manifest.json: it does not fit")
		     : put_text(saving, "manifest.json", buf_str(&text), err);
}

static int decode_images(struct saving *saving, const struct pull_save *save, struct err *err)
{
	int r = 0;

	saving->images = arena_array(&saving->arena, save->count + 1, sizeof(*saving->images));
	saving->done = calloc(SAVE_BLOBS_MAX, sizeof(*saving->done));
	if (!saving->images || !saving->done)
		return err_set(err, -ENOMEM, "no memory for an archive");
	for (uint32_t i = 0; r >= 0 && i < save->count; i++) {
		struct wire in;

		wire_init(&in, save->records[i].ptr, save->records[i].len);
		r = image_decode(&in, &saving->arena, &saving->images[i], err);
	}
	saving->count = save->count;
	return r;
}

int save_images(int fd, const struct pull_save *save, const struct push_source *source,
		uint64_t *ret_bytes, struct err *err)
{
	struct saving *saving OWN(saving_free) = calloc(1, sizeof(*saving));
	struct digest digest;
	int r;

	if (!saving)
		return err_set(err, -ENOMEM, "no memory for an archive");
	saving->fd = fd;
	saving->source = source;
	arena_init(&saving->arena, SAVE_ARENA_MAX);
	tar_writer_init(&saving->tar, write_out, saving);
	r = decode_images(saving, save, err);
	if (r >= 0)
		r = put_text(saving, "oci-layout", STR("{\"imageLayoutVersion\":\"1.0.0\"}"), err);
	for (uint32_t i = 0; r >= 0 && i < saving->count; i++)
		r = save_image(saving, &saving->images[i], err);
	if (r >= 0)
		r = put_index(saving, err);
	if (r >= 0 && save->docker)
		r = put_docker(saving, err);
	if (r >= 0)
		r = tar_write_end(&saving->tar, &digest, err);
	if (r >= 0 && fsync(fd) < 0 && errno != EINVAL) /* a pipe has nothing to sync */
		r = err_sys(err, -errno, "archive: write to the disk");
	*ret_bytes = saving->tar.bytes;
	return r < 0 ? r : 0;
}
