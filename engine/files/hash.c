/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest of what a COPY would take, for the build cache. Runs in the files role. Must never
 * depend on owners, times or the order of directories: only on what COPY carries over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/files/files.h"
#include "engine/files/walk.h"
#include "engine/files/xattr.h"
#include "lib/own.h"

enum { HASH_PIECE = 128 << 10 };

struct hashing {
	struct sha256 hash;
	struct files_totals totals;
	struct xattr_set xattrs;
	uint8_t piece[HASH_PIECE];
};

static void add_u64(struct hashing *h, uint64_t v)
{
	uint8_t raw[8];
	for (unsigned i = 0; i < 8; i++)
		raw[i] = (uint8_t)(v >> (8 * i));
	sha256_add(&h->hash, raw, sizeof(raw));
}

/* With its length, so that two fields never read like two others. */
static void add_str(struct hashing *h, struct str s)
{
	add_u64(h, s.len);
	sha256_add(&h->hash, s.ptr, s.len);
}

static int add_content(struct hashing *h, const struct walk_item *item, struct err *err)
{
	const uint64_t size = (uint64_t)item->st.st_size;
	uint64_t total = 0;
	ssize_t n;
	do {
		n = read(item->fd, h->piece, sizeof(h->piece));
		if (n > 0) {
			sha256_add(&h->hash, h->piece, (size_t)n);
			total += (uint64_t)n;
		}
		if (n > 0 && (size_t)n < sizeof(h->piece) && total == size)
			return 0; /* its end: a whole piece would have been there */
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return err_sys(err, -errno, "cannot read %s", item->path);
	if (total != size)
		return err_set(err, -EIO, "%s changed while it was read", item->path);
	return 0;
}

static int hash_item(void *owner, const struct walk_item *item, struct err *err)
{
	struct hashing *h = owner;
	if (item->leave || S_ISSOCK(item->st.st_mode))
		return 0;
	const char *name = *item->below ? item->below : item->path;
	h->totals.files++;
	add_u64(h, item->source);
	add_str(h, str_from(name));
	add_u64(h, item->st.st_mode);
	add_str(h, str_from(item->link));
	if (S_ISCHR(item->st.st_mode) || S_ISBLK(item->st.st_mode))
		add_u64(h, item->st.st_rdev);
	if (item->fd < 0)
		return 0;
	int r = xattr_read(item->fd, &h->xattrs, err);
	for (uint32_t i = 0; r == 0 && i < h->xattrs.count; i++) {
		add_str(h, h->xattrs.items[i].name);
		add_str(h, h->xattrs.items[i].value);
	}
	if (r < 0 || !S_ISREG(item->st.st_mode))
		return r;
	h->totals.bytes += (uint64_t)item->st.st_size;
	add_u64(h, (uint64_t)item->st.st_size);
	return add_content(h, item, err);
}

int files_hash(int source_fd, const struct files_copy *copy, struct digest *ret_digest,
	       struct files_totals *ret_totals, struct err *err)
{
	struct hashing *h OWN_FREE = calloc(1, sizeof(*h));
	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	sha256_init(&h->hash);
	int r = walk_sources(source_fd, copy, hash_item, h, err);
	if (r < 0)
		return r;
	sha256_end(&h->hash, ret_digest);
	*ret_totals = h->totals;
	return 0;
}

int files_sum(int fd, struct digest *ret_digest, uint64_t *ret_bytes, struct err *err)
{
	static uint8_t piece[HASH_PIECE];
	struct sha256 hash;
	uint64_t at = 0;
	ssize_t n;
	sha256_init(&hash);
	while ((n = pread(fd, piece, sizeof(piece), (off_t)at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "cannot read the file");
		sha256_add(&hash, piece, (size_t)n);
		at += (uint64_t)n;
	}
	sha256_end(&hash, ret_digest);
	*ret_bytes = at;
	return 0;
}
