/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image archives as a source of images. Runs in the load role, which has the archive's fd, pipes
 * and nothing else. It must never take a blob under a digest that its bytes do not have.
 */
#include "engine/registry/archive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/json/json.h"
#include "engine/oci/oci.h"
#include "engine/oci/reference.h"
#include "engine/tar/walk.h"
#include "lib/own.h"

enum {
	ARCHIVE_BLOCK = 64 << 10,
	ARCHIVE_ARENA_MAX = 32 << 20,
	ARCHIVE_IMAGES_MAX = 256,
	ARCHIVE_NAMES_MAX = 64,
	ARCHIVE_LINKS_MAX = 4,
	ARCHIVE_NESTING_MAX = 3,
};

struct load {
	int fd;
	const struct pull_archive *wanted;
	const struct pull_sink *sink;
	archive_image_fn *image;
	void *owner;
	struct arena arena;
	int count;
	bool other_platform; /* an image was passed over */
};

/* A blob in the archive: known by the layout, or found out by reading it. */
struct member {
	struct digest digest;
	uint64_t size;
	const char *media_type;
};

/* ---- finding and reading members ---- */

/* dir(name)/target, cleaned: ".." of the target is taken lexically inside the archive. */
static int join_link(const char *name, const struct tar_file *file, char dst[TAR_NAME_MAX],
		     struct err *err)
{
	struct str rest = str_from(file->link), part;
	const char *slash = strrchr(name, '/');
	size_t len = file->hard || !slash ? 0 : (size_t)(slash - name);

	memmove(dst, name, len);
	while (str_cut(&rest, '/', &part)) {
		if (part.len == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			while (len > 0 && dst[--len] != '/')
				;
			continue;
		}
		if (len + part.len + 2 > TAR_NAME_MAX)
			return err_set(err, -EBADMSG, "the archive has a link that is too long");
		if (len > 0)
			dst[len++] = '/';
		memcpy(dst + len, part.ptr, part.len);
		len += part.len;
	}
	dst[len] = 0;
	return 0;
}

/* A walk that stands on the file of this name, links followed. -ENOENT. */
static int find(struct load *load, const char *name, struct tar_walk **ret_walk, uint64_t *ret_size,
		struct err *err)
{
	struct tar_file *file OWN_FREE = malloc(sizeof(*file));
	char at[TAR_NAME_MAX];
	int r = file ? tar_name_clean(str_from(name), at, err) : -ENOMEM;

	for (int links = 0; r >= 0 && links < ARCHIVE_LINKS_MAX; links++) {
		struct tar_walk *walk;

		r = tar_walk_open(load->fd, &walk, err);
		if (r < 0)
			return r;
		do
			r = tar_walk_next(walk, file, err);
		while (r > 0 && strcmp(file->name, at) != 0);
		if (r > 0 && !file->link[0]) {
			*ret_walk = walk;
			*ret_size = file->size;
			return 0;
		}
		tar_walk_close(walk);
		if (r == 0)
			return err_set(err, -ENOENT, "the archive has no file %.200s", at);
		if (r > 0)
			r = join_link(at, file, at, err);
	}
	return r < 0 ? r : err_set(err, -ELOOP, "the archive's links go in circles");
}

/* A whole document into the arena. */
static int read_text(struct load *load, const char *name, struct str *ret_text, struct err *err)
{
	struct tar_walk *walk;
	uint64_t size;
	size_t len = 0;
	ssize_t n = 1;
	char *text;
	int r = find(load, name, &walk, &size, err);

	if (r < 0)
		return r;
	text = size <= OCI_DOCUMENT_MAX ? arena_alloc(&load->arena, size + 1) : NULL;
	if (!text)
		r = err_set(err, -EFBIG, "%.200s in the archive is over %d bytes", name,
			    OCI_DOCUMENT_MAX);
	while (r == 0 && n > 0 && len < size) {
		n = tar_walk_read(walk, text + len, size - len, err);
		r = n < 0 ? (int)n : 0;
		len += n > 0 ? (size_t)n : 0;
	}
	tar_walk_close(walk);
	if (r == 0)
		*ret_text = str_make(text, len);
	return r;
}

static void digest_of(struct str text, struct digest *ret_digest)
{
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, text.ptr, text.len);
	sha256_end(&hash, ret_digest);
}

static void blob_name(const struct digest *digest, char dst[DIGEST_TEXT_MAX + 16])
{
	char text[DIGEST_TEXT_MAX];

	snprintf(dst, DIGEST_TEXT_MAX + 16, "blobs/sha256/%s", digest_text(digest, text) + 7);
}

static int read_blob(struct load *load, const struct oci_descriptor *desc, struct str *ret_text,
		     struct err *err)
{
	char name[DIGEST_TEXT_MAX + 16];
	struct digest is;
	int r;

	blob_name(&desc->digest, name);
	r = read_text(load, name, ret_text, err);
	if (r < 0)
		return r;
	digest_of(*ret_text, &is);
	if (ret_text->len != desc->size || memcmp(&is, &desc->digest, sizeof(is)) != 0)
		return err_set(err, -EBADMSG, "%s in the archive has other bytes than its digest's",
			       name);
	return 0;
}

static int feed_member(struct load *load, const char *name, const struct pull_blob *blob,
		       struct err *err)
{
	char *block OWN_FREE = malloc(ARCHIVE_BLOCK);
	struct tar_walk *walk = NULL;
	struct feed feed;
	uint64_t size;
	ssize_t n = 1;
	int r = block ? feed_begin(&feed, load->sink, blob, err) : -ENOMEM;

	if (r != 0)
		return r < 0 ? r : 0;
	r = find(load, name, &walk, &size, err);
	while (r == 0 && n > 0) {
		n = tar_walk_read(walk, block, ARCHIVE_BLOCK, err);
		r = n < 0 ? (int)n : 0;
		if (n > 0)
			r = feed_write(&feed, str_make(block, (size_t)n), err);
	}
	tar_walk_close(walk);
	if (r == 0)
		return feed_end(&feed, err);
	if (r == -EPIPE)
		return feed_reason(&feed, err); /* whoever took the bytes knows why */
	feed_abort(&feed);
	return r;
}

/* ---- an image whose record is complete ---- */

typedef void layer_name_fn(const void *owner, const struct image *image, uint32_t index, char *dst,
			   size_t cap);

static int feed_layers(struct load *load, const struct image *image, layer_name_fn *name_of,
		       const void *owner, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < image->layer_count && r == 0; i++) {
		const struct image_layer *layer = &image->layers[i];
		struct pull_blob blob = {
			.digest = layer->blob,
			.size = layer->size,
			.kind = PULL_KIND_LAYER,
			.media_type = layer->media_type,
			.has_diff = true,
			.diff = layer->diff,
			.index = i,
			.total = image->layer_count,
		};
		char name[TAR_NAME_MAX];
		bool before = false;

		for (uint32_t k = 0; k < i; k++)
			before = before || memcmp(&image->layers[k].blob, &layer->blob,
						  sizeof(layer->blob)) == 0;
		if (before)
			continue;
		name_of(owner, image, i, name, sizeof(name));
		r = feed_member(load, name, &blob, err);
	}
	return r;
}

/* Config, layers, manifest to the sink, then the record under each of its names. */
static int hand_over(struct load *load, struct image *image, struct str config, struct str manifest,
		     layer_name_fn *name_of, const void *owner, const struct image_texts *names,
		     struct err *err)
{
	struct pull_blob config_blob = { .digest = image->config,
					 .size = image->config_size,
					 .kind = PULL_KIND_CONFIG,
					 .media_type = image->config_type };
	struct pull_blob manifest_blob = { .digest = image->manifest,
					   .size = image->manifest_size,
					   .kind = PULL_KIND_MANIFEST,
					   .media_type = image->manifest_type };
	char shown[OCI_REFERENCE_MAX];
	int r;

	if (load->count >= ARCHIVE_IMAGES_MAX)
		return err_set(err, -E2BIG, "the archive holds more than %d images",
			       ARCHIVE_IMAGES_MAX);
	r = feed_text(load->sink, &config_blob, config, err);
	if (r == 0)
		r = feed_layers(load, image, name_of, owner, err);
	if (r == 0)
		r = feed_text(load->sink, &manifest_blob, manifest, err);
	for (uint32_t i = 0; r == 0 && i < (names->count ? names->count : 1); i++) {
		const char *name = names->count ? names->items[i] : load->wanted->reference;

		image->reference = "";
		if (name[0]) {
			r = oci_reference_normalise(str_from(name), shown, err);
			if (r == 0)
				image->reference = arena_text(&load->arena, str_from(shown));
			if (!image->reference)
				r = err_set(err, -ENOMEM, "no memory for a name");
		}
		if (r == 0)
			r = load->image(load->owner, image, err);
	}
	load->count++;
	return r;
}

static bool fits_platform(struct load *load, const char *os, const char *architecture)
{
	if (strcmp(os, load->wanted->os) == 0 &&
	    strcmp(architecture, load->wanted->architecture) == 0)
		return true;
	load->other_platform = true;
	return false;
}

/* ---- OCI layout ---- */

static void layout_layer_name(const void *owner, const struct image *image, uint32_t index,
			      char *dst, size_t cap)
{
	char name[DIGEST_TEXT_MAX + 16];

	(void)owner;
	blob_name(&image->layers[index].blob, name);
	snprintf(dst, cap, "%s", name);
}

static int load_manifest(struct load *load, const struct oci_descriptor *desc, const char *name,
			 const struct image_texts *docker_names, struct err *err)
{
	struct image_texts names = { 0 };
	struct oci_manifest manifest;
	struct str text, config;
	struct image image;
	int r = read_blob(load, desc, &text, err);

	if (r == 0)
		r = oci_manifest_parse(text, str_from(desc->media_type), &load->arena, &manifest,
				       err);
	if (r == 0)
		r = read_blob(load, &manifest.config, &config, err);
	if (r == 0)
		r = oci_image_parse(&manifest, config, &load->arena, &image, err);
	if (r < 0 || !fits_platform(load, image.os, image.architecture))
		return r;
	image.manifest = image.source = desc->digest;
	image.manifest_size = desc->size;
	if (name[0])
		r = image_texts_add(&load->arena, &names, name, err);
	else if (docker_names)
		names = *docker_names;
	if (r < 0)
		return r;
	return hand_over(load, &image, config, text, layout_layer_name, NULL, &names, err);
}

/* A name of its own: annotations may hold only a tag, which names nothing. */
static const char *descriptor_name(const struct oci_descriptor *desc)
{
	if (desc->full_name[0])
		return desc->full_name;
	return strchr(desc->ref_name, ':') || strchr(desc->ref_name, '/') ? desc->ref_name : "";
}

/* Index in index: each has to be read as what its descriptor says. */
static int load_index(struct load *load, struct str text, const char *name,
		      const struct image_texts *docker_names, int depth, struct err *err)
{
	struct oci_index index;
	int r = oci_index_parse(text, (struct str){ 0 }, &load->arena, &index, err);

	if (r == 0 && depth >= ARCHIVE_NESTING_MAX)
		r = err_set(err, -EBADMSG, "the archive's indexes are nested too deep");
	for (uint32_t i = 0; r == 0 && i < index.count; i++) {
		const struct oci_descriptor *desc = &index.manifests[i];
		const char *own = descriptor_name(desc);
		struct str inner;

		if (desc->attestation ||
		    (desc->has_platform &&
		     !fits_platform(load, desc->platform.os, desc->platform.architecture)))
			continue;
		if (!own[0])
			own = name;
		if (desc->type == OCI_TYPE_MANIFEST) {
			r = load_manifest(load, desc, own, docker_names, err);
		} else if (desc->type == OCI_TYPE_INDEX) {
			r = read_blob(load, desc, &inner, err);
			if (r == 0)
				r = load_index(load, inner, own, docker_names, depth + 1, err);
		}
	}
	return r;
}

/* ---- docker save ---- */

struct docker_image {
	const char **layers; /* names in the archive */
	uint32_t layer_count;
};

static void docker_layer_name(const void *owner, const struct image *image, uint32_t index,
			      char *dst, size_t cap)
{
	const struct docker_image *docker = owner;

	(void)image;
	snprintf(dst, cap, "%s", docker->layers[index]);
}

static const char *type_of_magic(const unsigned char *p, size_t len)
{
	if (len >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		return OCI_MEDIA_LAYER_GZIP;
	if (len >= 4 && p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd)
		return OCI_MEDIA_LAYER_ZSTD;
	return OCI_MEDIA_LAYER_TAR;
}

/* Digest, size and kind of a layer that only has a file name. */
static int measure(struct load *load, const char *name, struct member *ret_member, struct err *err)
{
	unsigned char *block OWN_FREE = malloc(ARCHIVE_BLOCK);
	struct tar_walk *walk;
	struct sha256 hash;
	uint64_t size;
	ssize_t n = 1;
	int r = block ? find(load, name, &walk, &size, err) : -ENOMEM;

	if (r < 0)
		return r;
	*ret_member = (struct member){ .media_type = OCI_MEDIA_LAYER_TAR };
	sha256_init(&hash);
	while (r == 0 && n > 0) {
		n = tar_walk_read(walk, block, ARCHIVE_BLOCK, err);
		r = n < 0 ? (int)n : 0;
		if (n <= 0)
			continue;
		if (ret_member->size == 0)
			ret_member->media_type = type_of_magic(block, (size_t)n);
		sha256_add(&hash, block, (size_t)n);
		ret_member->size += (uint64_t)n;
	}
	tar_walk_close(walk);
	sha256_end(&hash, &ret_member->digest);
	return r;
}

static int text_list(struct load *load, const struct json *list, uint32_t max,
		     struct image_texts *ret, struct err *err)
{
	struct json_iter iter;
	const struct json *item;
	struct str key;

	*ret = (struct image_texts){ 0 };
	if (json_count(list) > max)
		return err_set(err, -E2BIG, "a list in the archive's manifest.json is too long");
	ret->items = arena_array(&load->arena, json_count(list) + 1, sizeof(const char *));
	if (!ret->items)
		return err_set(err, -ENOMEM, "no memory for an archive");
	for (json_iter_init(&iter, list); json_iter_next(&iter, &key, &item);) {
		const char *text = arena_text(&load->arena, json_str(item));

		if (!text || !text[0])
			return err_set(err, -EBADMSG, "manifest.json in the archive is malformed");
		ret->items[ret->count++] = text;
	}
	return 0;
}

/* The manifest that docker save did not write: OCI's, of what the layers really are. */
static int complete(struct load *load, struct image *image, struct str config,
		    const struct image_texts *layers, struct str *ret_manifest, struct err *err)
{
	struct buf out OWN(buf_done);
	struct member member;
	char *text;
	int r = 0;

	buf_init(&out, OCI_DOCUMENT_MAX);
	if (image->layer_count != layers->count)
		return err_set(err, -EBADMSG, "manifest.json names %u layers, the config %u",
			       layers->count, image->layer_count);
	for (uint32_t i = 0; r == 0 && i < layers->count; i++) {
		r = measure(load, layers->items[i], &member, err);
		image->layers[i].blob = member.digest;
		image->layers[i].size = member.size;
		image->layers[i].media_type = member.media_type;
	}
	if (r < 0)
		return r;
	digest_of(config, &image->config);
	image->config_size = config.len;
	image->config_type = OCI_MEDIA_CONFIG;
	image->manifest_type = OCI_MEDIA_MANIFEST;
	r = oci_manifest_write(image, &out, err);
	if (r < 0)
		return r;
	text = arena_text(&load->arena, buf_str(&out));
	if (!text)
		return err_set(err, -ENOMEM, "no memory for a manifest");
	*ret_manifest = str_make(text, out.len);
	digest_of(*ret_manifest, &image->manifest);
	image->source = image->manifest;
	image->manifest_size = out.len;
	return 0;
}

static int load_docker_image(struct load *load, const struct json *entry, struct err *err)
{
	struct image_texts layers, names;
	struct docker_image docker;
	struct str config, manifest;
	struct image image;
	const char *path = arena_text(&load->arena, json_str(json_get(entry, "Config")));
	int r = path && path[0]
			? text_list(load, json_get(entry, "Layers"), IMAGE_LAYERS_MAX, &layers, err)
			: err_set(err, -EBADMSG, "manifest.json in the archive names no config");

	if (r == 0)
		r = text_list(load, json_get(entry, "RepoTags"), ARCHIVE_NAMES_MAX, &names, err);
	if (r == 0)
		r = read_text(load, path, &config, err);
	if (r == 0)
		r = oci_config_parse(config, &load->arena, &image, err);
	if (r < 0 || !fits_platform(load, image.os, image.architecture))
		return r;
	r = complete(load, &image, config, &layers, &manifest, err);
	if (r < 0)
		return r;
	docker = (struct docker_image){ layers.items, layers.count };
	return hand_over(load, &image, config, manifest, docker_layer_name, &docker, &names, err);
}

static int load_docker(struct load *load, const struct json *root, struct err *err)
{
	struct json_iter iter;
	const struct json *entry;
	struct str key;
	int r = 0;

	if (json_type(root) != JSON_ARRAY)
		return err_set(err, -EBADMSG, "manifest.json in the archive is no list");
	for (json_iter_init(&iter, root); r == 0 && json_iter_next(&iter, &key, &entry);)
		r = load_docker_image(load, entry, err);
	return r;
}

/* ---- which of the two it is ---- */

static int load_layout(struct load *load, struct str index, const struct json *docker,
		       struct err *err)
{
	struct image_texts names = { 0 };
	struct json_iter iter;
	const struct json *only = NULL;
	struct str key;
	int r = 0;

	/* With one image in both, docker's names are the names of that one. */
	json_iter_init(&iter, docker);
	if (json_count(docker) == 1 && json_iter_next(&iter, &key, &only))
		r = text_list(load, json_get(only, "RepoTags"), ARCHIVE_NAMES_MAX, &names, err);
	return r < 0 ? r : load_index(load, index, "", names.count ? &names : NULL, 0, err);
}

static int load_all(struct load *load, struct err *err)
{
	struct json_doc docker = { 0 };
	struct str index = { 0 }, text = { 0 };
	struct err why = { 0 };
	int layout = read_text(load, "index.json", &index, &why), r;

	if (layout < 0 && layout != -ENOENT)
		return err_set(err, layout, "%s", why.text);
	r = read_text(load, "manifest.json", &text, &why);
	if (r < 0 && (r != -ENOENT || layout < 0))
		return err_set(err, r,
			       r == -ENOENT ? "the archive has neither index.json (OCI layout) nor "
					      "manifest.json (docker save)"
					    : "%s",
			       why.text);
	if (r == 0)
		r = json_parse(text, OCI_DOCUMENT_MAX, &docker, err);
	else
		r = 0;
	if (r == 0)
		r = layout == 0 ? load_layout(load, index, docker.root, err)
				: load_docker(load, docker.root, err);
	json_done(&docker);
	return r;
}

int archive_load(int fd, const struct pull_archive *wanted, const struct pull_sink *sink,
		 archive_image_fn *image, void *owner, struct err *err)
{
	struct load load = {
		.fd = fd, .wanted = wanted, .sink = sink, .image = image, .owner = owner
	};
	int r;

	arena_init(&load.arena, ARCHIVE_ARENA_MAX);
	r = load_all(&load, err);
	arena_done(&load.arena);
	if (r < 0)
		return r;
	if (load.count == 0)
		return err_set(err, -ENOENT, "the archive holds no image%s%s/%s",
			       load.other_platform ? " for " : " of ", wanted->os,
			       wanted->architecture);
	return load.count;
}
