/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Config and manifest of an image that is pushed or saved. Runs in the pull and load roles. Must
 * never let a document out under a digest that is not its own.
 */
#include "engine/registry/documents.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine/oci/oci.h"
#include "lib/own.h"

static bool has_digest(struct str text, const struct digest *digest)
{
	struct sha256 sum;
	struct digest is;

	sha256_init(&sum);
	sha256_add(&sum, text.ptr, text.len);
	sha256_end(&sum, &is);
	return memcmp(&is, digest, sizeof(is)) == 0;
}

static int read_kept(int fd, uint64_t size, struct arena *arena, struct str *ret_text,
		     struct err *err)
{
	char *text = size <= OCI_DOCUMENT_MAX ? arena_alloc(arena, (size_t)size + 1) : NULL;
	size_t len = 0;
	ssize_t n = 1;

	if (!text)
		return err_set(err, -EFBIG, "a document of %llu bytes", (unsigned long long)size);
	while (len < size && n > 0) {
		n = pread(fd, text + len, (size_t)size - len, (off_t)len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0)
		return err_sys(err, -errno, "read a document");
	*ret_text = str_make(text, len);
	return 0;
}

/* 0, or -ENOENT: it is not kept. */
static int take_kept(const struct push_source *source, const struct digest *digest,
		     const char *what, struct arena *arena, struct str *ret_text, struct err *err)
{
	uint64_t size;
	int fd OWN_FD = source->open(source->owner, digest, &size, err);
	int r = fd < 0 ? fd : read_kept(fd, size, arena, ret_text, err);

	if (r == 0 && !has_digest(*ret_text, digest))
		r = err_set(err, -EBADMSG, "the store's bytes are not the %s's", what);
	return r;
}

static int keep_text(struct arena *arena, const struct buf *text, struct str *ret_text,
		     struct err *err)
{
	const char *copy = arena_text(arena, buf_str(text));

	if (!copy)
		return err_set(err, -ENOMEM, "no memory for an image's documents");
	*ret_text = str_make(copy, text->len);
	return 0;
}

typedef int write_fn(const struct image *image, struct buf *out, struct err *err);

/* What the record gives has to be what it says, unless it says nothing. 1 = now it says it. */
static int write_new(const struct image *image, write_fn *write, const char *what,
		     struct digest *digest, struct arena *arena, struct str *ret_text,
		     struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	struct sha256 sum;
	int r;

	buf_init(&text, OCI_DOCUMENT_MAX);
	r = write(image, &text, err);
	if (r >= 0)
		r = keep_text(arena, &text, ret_text, err);
	if (r < 0 || (!digest_is_zero(digest) && has_digest(*ret_text, digest)))
		return r;
	if (!digest_is_zero(digest))
		return err_set(err, -EBADMSG,
			       "the image's %s is not kept and cannot be made again: pull or build "
			       "the image again",
			       what);
	sha256_init(&sum);
	sha256_add(&sum, text.data, text.len);
	sha256_end(&sum, digest);
	return 1;
}

int documents_take(const struct push_source *source, struct image *image, struct arena *arena,
		   struct documents *ret, struct err *err)
{
	int r = -ENOENT;

	if (!digest_is_zero(&image->config))
		r = take_kept(source, &image->config, "config", arena, &ret->config, err);
	if (r == -ENOENT)
		r = write_new(image, oci_config_write, "config", &image->config, arena,
			      &ret->config, err);
	if (r < 0)
		return r;
	if (r > 0) {
		image->config_size = ret->config.len;
		image->config_type = OCI_MEDIA_CONFIG;
	}
	r = -ENOENT;
	if (!digest_is_zero(&image->manifest))
		r = take_kept(source, &image->manifest, "manifest", arena, &ret->manifest, err);
	if (r == -ENOENT)
		r = write_new(image, oci_manifest_write, "manifest", &image->manifest, arena,
			      &ret->manifest, err);
	if (r <= 0)
		return r;
	image->source = image->manifest;
	image->manifest_size = ret->manifest.len;
	image->manifest_type = OCI_MEDIA_MANIFEST;
	return 0;
}
