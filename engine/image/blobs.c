/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the layer blobs that are not kept. Runs in engine main: mounts a layer that the store has
 * checked and lets other processes read it. Must never give a made blob a name in the store.
 */
#include "engine/image/blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/store_msg.h"
#include "engine/oci/oci.h"
#include "lib/fs.h"
#include "lib/own.h"

static void next(struct image_blobs *blobs);

static void blobs_end(struct image_blobs *blobs, const struct err *err)
{
	image_blobs_done_fn *done = blobs->done;

	image_tree_done(&blobs->tree);
	own_close(&blobs->out_fd);
	own_close(&blobs->root_fd);
	blobs->done = NULL;
	if (done)
		done(blobs->owner, err);
}

static int ask(struct image_blobs *blobs, uint16_t type, struct str body, msg_reply_fn *fn,
	       struct err *err)
{
	int64_t r = msg_peer_call(blobs->store, type, body, NULL, 0, fn, blobs, err);

	return r < 0 ? (int)r : 0;
}

static struct image_layer *layer_at(const struct image_blobs *blobs)
{
	return &blobs->image->layers[blobs->at];
}

/* The record takes the made blob; what named the old one names nothing any more. */
static void take_made(struct image_blobs *blobs, const struct image_blob *made)
{
	static const struct digest zero;
	struct image_layer *layer = layer_at(blobs);
	bool same_diff = memcmp(&made->digest, &layer->diff, sizeof(zero)) == 0;

	if (memcmp(&made->digest, &layer->blob, sizeof(zero)) != 0) {
		blobs->image->manifest = zero;
		if (!same_diff)
			blobs->image->config = zero;
	}
	layer->blob = layer->diff = made->digest;
	layer->size = made->bytes;
	layer->media_type = OCI_MEDIA_LAYER_TAR;
	blobs->at++;
	next(blobs);
}

static void on_tar(void *owner, const struct image_tree_result *result, const struct err *err)
{
	struct image_blobs *blobs = owner;
	struct image_blob *made;

	if (!result) {
		blobs_end(blobs, err);
		return;
	}
	made = &blobs->made[blobs->made_count++];
	*made = (struct image_blob){ .layer = layer_at(blobs)->blob,
				     .digest = result->digest,
				     .bytes = result->bytes,
				     .fd = take_fd(&blobs->out_fd) };
	image_tree_done(&blobs->tree);
	own_close(&blobs->root_fd);
	take_made(blobs, made);
}

static void on_file(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_blobs *blobs = owner;
	struct image_tree_wanted wanted = { .path = "", .name = "", .layer = true };
	struct err bad = { 0 };

	(void)peer;
	if (!reply) {
		blobs_end(blobs, err);
		return;
	}
	blobs->out_fd = msg_take_fd(reply, 0);
	wanted.root_fd = blobs->root_fd;
	wanted.out_fd = blobs->out_fd;
	if (wanted.out_fd < 0)
		err_set(&bad, -EBADMSG, "store: no file came with LAYER_NEW");
	else
		(void)image_tree_start(&blobs->tree, blobs->loop, &wanted, on_tar, blobs, &bad);
	if (bad.code)
		blobs_end(blobs, &bad);
}

/* The layer as it lies on the disk, mounted; its tar is about as big. */
static void on_layer(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_blobs *blobs = owner;
	struct buf body OWN(buf_done) = { 0 };
	char hex[2 * SHA256_SIZE + 1];
	struct store_layer layer;
	struct err bad = { 0 };
	int fd OWN_FD = -1;
	struct wire in;

	(void)peer;
	if (!reply) {
		blobs_end(blobs, err);
		return;
	}
	fd = msg_take_fd(reply, 0);
	wire_init(&in, reply->body.ptr, reply->body.len);
	store_layer_get(&in, &layer);
	str_hex(layer_at(blobs)->blob.bytes, SHA256_SIZE, hex);
	if (fd < 0 || wire_end(&in) < 0)
		err_set(&bad, -EBADMSG, "store: malformed answer to a layer");
	else if (rootfs_layer_mount(blobs->rootfs, hex, fd, &bad) >= 0)
		blobs->root_fd = fs_open(blobs->rootfs->layers_fd, hex, FS_BENEATH_XDEV,
					 O_RDONLY | O_DIRECTORY, 0, &bad);
	buf_init(&body, 16);
	wire_put_u64(&body, layer.size);
	if (bad.code || ask(blobs, STORE_MSG_LAYER_NEW, buf_str(&body), on_file, &bad) < 0)
		blobs_end(blobs, &bad);
}

static void on_have(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_blobs *blobs = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct err bad = { 0 };

	(void)peer;
	if (!reply) {
		blobs_end(blobs, err);
		return;
	}
	if (reply->body.len > 0 && reply->body.ptr[0]) {
		blobs->at++;
		next(blobs);
		return;
	}
	if (blobs->made_count == IMAGE_BLOBS_MAX)
		err_set(&bad, -E2BIG, "more than %d layers have to be made", IMAGE_BLOBS_MAX);
	buf_init(&body, 64);
	store_digest_put(&body, &layer_at(blobs)->blob);
	if (bad.code || ask(blobs, STORE_MSG_LAYER_OPEN, buf_str(&body), on_layer, &bad) < 0)
		blobs_end(blobs, &bad);
}

static void next(struct image_blobs *blobs)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err bad = { 0 };

	if (blobs->at == blobs->image->layer_count) {
		blobs_end(blobs, NULL);
		return;
	}
	for (uint32_t i = 0; i < blobs->made_count; i++) {
		const struct image_blob *made = &blobs->made[i];

		if (memcmp(&made->layer, &layer_at(blobs)->blob, sizeof(made->layer)) == 0) {
			take_made(blobs, made);
			return;
		}
	}
	buf_init(&body, 64);
	store_digest_put(&body, &layer_at(blobs)->blob);
	if (ask(blobs, STORE_MSG_BLOB_HAVE, buf_str(&body), on_have, &bad) < 0)
		blobs_end(blobs, &bad);
}

void image_blobs_init(struct image_blobs *blobs, struct loop *loop, struct msg_peer *store,
		      struct rootfs *rootfs)
{
	memset(blobs, 0, sizeof(*blobs));
	blobs->loop = loop;
	blobs->store = store;
	blobs->rootfs = rootfs;
	blobs->out_fd = blobs->root_fd = -1;
}

void image_blobs_done(struct image_blobs *blobs)
{
	if (!blobs->loop)
		return;
	blobs->done = NULL;
	if (msg_peer_alive(blobs->store))
		msg_peer_forget(blobs->store, blobs);
	image_tree_done(&blobs->tree);
	own_close(&blobs->out_fd);
	own_close(&blobs->root_fd);
	for (uint32_t i = 0; i < blobs->made_count; i++)
		own_close(&blobs->made[i].fd);
	blobs->made_count = 0;
	blobs->loop = NULL;
}

void image_blobs_make(struct image_blobs *blobs, struct image *image, image_blobs_done_fn *done,
		      void *owner)
{
	blobs->image = image;
	blobs->at = 0;
	blobs->done = done;
	blobs->owner = owner;
	next(blobs);
}

const struct image_blob *image_blobs_find(const struct image_blobs *blobs,
					  const struct digest *digest)
{
	for (uint32_t i = 0; i < blobs->made_count; i++) {
		const struct image_blob *made = &blobs->made[i];

		if (memcmp(&made->digest, digest, sizeof(*digest)) == 0) {
			/* One reader after the other: each begins at the start. */
			(void)lseek(made->fd, 0, SEEK_SET);
			return made;
		}
	}
	return NULL;
}
