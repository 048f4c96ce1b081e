/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the trailer of layer files and the digests of contents. Runs in the store role. Must never
 * look into the EROFS image: bytes in, digest out.
 */
#include "engine/store/trailer.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/buf.h"
#include "lib/own.h"
#include "lib/wire.h"

enum { TRAILER_SUMMED = 120, HASH_BLOCK = 4096, HASH_READ = 256 << 10 };

static const char trailer_magic[8] = { 'H', 'O', 'Y', 'L', 'A', 'Y', 'E', 'R' };

void trailer_encode(const struct trailer *trailer, uint8_t block[TRAILER_SIZE])
{
	struct buf out OWN(buf_done) = { 0 };
	struct sha256 hash;
	struct digest digest = { 0 };
	memset(block, 0, TRAILER_SIZE);
	buf_init(&out, TRAILER_SIZE);
	wire_put_bytes(&out, trailer_magic, sizeof(trailer_magic));
	wire_put_u32(&out, 1);
	wire_put_u32(&out, 0);
	wire_put_u64(&out, trailer->layer.size);
	store_digest_put(&out, &trailer->layer.digest);
	store_digest_put(&out, &trailer->layer.diff);
	store_digest_put(&out, &trailer->content);
	if (buf_error(&out) < 0)
		return; /* no memory: the block stays zeros, which no reader takes */
	memcpy(block, out.data, out.len);
	sha256_init(&hash);
	sha256_add(&hash, block, TRAILER_SUMMED);
	sha256_end(&hash, &digest);
	memcpy(block + TRAILER_SUMMED, digest.bytes, sizeof(digest.bytes));
}

int trailer_decode(const uint8_t block[TRAILER_SIZE], struct trailer *ret_trailer, struct err *err)
{
	struct trailer trailer = { 0 };
	struct digest said, is;
	struct sha256 hash;
	struct wire in;
	sha256_init(&hash);
	sha256_add(&hash, block, TRAILER_SUMMED);
	sha256_end(&hash, &is);
	wire_init(&in, block + sizeof(trailer_magic), TRAILER_SUMMED - sizeof(trailer_magic) + 32);
	uint32_t version = wire_u32(&in);
	(void)wire_u32(&in);
	trailer.layer.size = wire_u64(&in);
	store_digest_get(&in, &trailer.layer.digest);
	store_digest_get(&in, &trailer.layer.diff);
	store_digest_get(&in, &trailer.content);
	store_digest_get(&in, &said);
	if (memcmp(block, trailer_magic, sizeof(trailer_magic)) != 0 ||
	    memcmp(&said, &is, sizeof(is)) != 0 || wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "layer file has no intact trailer");
	if (version != 1)
		return err_set(err, -EBADMSG, "layer file has version %u, this system knows 1",
			       version);
	*ret_trailer = trailer;
	return 0;
}

static int read_at(int fd, void *dst, size_t len, uint64_t at, struct err *err)
{
	char *to = dst;
	while (len > 0) {
		ssize_t n = pread(fd, to, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "cannot read at byte %llu",
				       (unsigned long long)at);
		if (n == 0)
			return err_set(err, -EBADMSG, "file ends at byte %llu",
				       (unsigned long long)at);
		to += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int trailer_read(int fd, struct trailer *ret_trailer, struct err *err)
{
	uint8_t block[TRAILER_SIZE];
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "cannot stat layer file");
	if (st.st_size < 2 * TRAILER_SIZE)
		return err_set(err, -EBADMSG, "layer file has only %lld bytes",
			       (long long)st.st_size);
	int r = read_at(fd, block, sizeof(block), (uint64_t)st.st_size - TRAILER_SIZE, err);
	if (r == 0)
		r = trailer_decode(block, ret_trailer, err);
	if (r == 0 && ret_trailer->layer.size != (uint64_t)st.st_size - TRAILER_SIZE)
		r = err_set(err, -EBADMSG, "layer file has a wrong size");
	return r;
}

void content_hash_init(struct content_hash *content, int fd, uint64_t size, bool sparse)
{
	*content = (struct content_hash){ .fd = fd, .size = size, .sparse = sparse };
	sha256_init(&content->hash);
}

static bool is_zero(const uint8_t *data, size_t len)
{
	return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

/* Holes are zeros wherever the file system keeps them, so skipping them changes no digest. */
static void skip_hole(struct content_hash *content)
{
	if (!content->sparse)
		return;
	off_t data = lseek(content->fd, (off_t)content->at, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		content->at = content->size;
	else if (data > (off_t)content->at)
		content->at = (uint64_t)data / HASH_BLOCK * HASH_BLOCK;
	if (content->at > content->size)
		content->at = content->size;
}

static void add_blocks(struct content_hash *content, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i += HASH_BLOCK) {
		uint64_t number = (content->at + i) / HASH_BLOCK;
		size_t part = len - i < HASH_BLOCK ? len - i : HASH_BLOCK;
		uint8_t head[8];
		if (is_zero(data + i, part))
			continue;
		for (unsigned b = 0; b < 8; b++)
			head[b] = (uint8_t)(number >> (8 * b));
		sha256_add(&content->hash, head, sizeof(head));
		sha256_add(&content->hash, data + i, part);
	}
}

int content_hash_step(struct content_hash *content, uint64_t max, struct digest *ret_digest,
		      struct err *err)
{
	static uint8_t data[HASH_READ]; /* one process, one loop: nobody else is in here */
	uint64_t done = 0;
	while (done < max) {
		skip_hole(content);
		uint64_t left = content->size - content->at;
		size_t part = left < HASH_READ ? (size_t)left : HASH_READ;
		if (part == 0) {
			sha256_end(&content->hash, ret_digest);
			return 0;
		}
		int r = read_at(content->fd, data, part, content->at, err);
		if (r < 0)
			return r;
		if (content->sparse)
			add_blocks(content, data, part);
		else
			sha256_add(&content->hash, data, part);
		content->at += part;
		done += part;
	}
	return 1;
}
