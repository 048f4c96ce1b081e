/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pack role: one layer's records in, one EROFS file or tar out. No network, no files but the
 * passed one, no capabilities. Must never read anything but records, nor keep the file open behind
 * its answer (the store seals it, which a writer would prevent).
 */
#include <errno.h>
#include <unistd.h>
#include "engine/api/pack_msg.h"
#include "engine/erofs/pack.h"
#include "engine/role.h"
#include "engine/role_start.h"
#include "engine/tar/write.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum { ROLE_NOBODY = 65534, ROLE_MEMORY_MAX = 1 << 30 };

static int add_tar(void *owner, const struct entry *entry, struct err *err)
{
	return tar_write_entry(owner, entry, err);
}

/* The layer, and what its tar would be: so the name of the layer is that of its blob. */
static int pack_both(int in, int out, struct pack_result *ret_result, struct err *err)
{
	struct tar_writer tar OWN(tar_writer_done) = { 0 };
	int r;

	tar_writer_init(&tar, NULL, NULL);
	r = pack_stream(in, out, add_tar, &tar, ret_result, err);
	if (r >= 0)
		r = tar_write_end(&tar, &ret_result->tar, err);
	ret_result->tar_bytes = tar.bytes;
	return r;
}

static void on_start(struct msg_peer *peer, struct msg *msg)
{
	OWN_FD int in = msg_take_fd(msg, 0);
	OWN_FD int out = msg_take_fd(msg, 1);
	struct buf body OWN(buf_done) = { 0 };
	struct pack_result result = { 0 };
	struct err err = { 0 };
	int r = msg->body.ptr[0] ? pack_both(in, out, &result, &err)
				 : pack_stream(in, out, NULL, NULL, &result, &err);

	own_close(&in);
	own_close(&out);
	if (r < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, 256);
	pack_result_put(&body, &result);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

/* ---- records as a tar ---- */

static int write_out(void *owner, const void *data, size_t len, struct err *err)
{
	const int *fd = owner;

	return fs_write_fd(*fd, data, len, err);
}

static int write_tar(int in, int *out, enum pack_tar kind, struct digest *ret_digest,
		     uint64_t *ret_bytes, struct err *err)
{
	struct tar_writer tar OWN(tar_writer_done) = { 0 };
	struct entry_reader reader OWN(entry_reader_done) = { 0 };
	static struct entry entry;
	int r;

	entry_reader_init(&reader, in);
	tar_writer_init(&tar, write_out, out);
	if (kind == PACK_TAR_DOT || kind == PACK_TAR_SLASH)
		tar.front = kind == PACK_TAR_DOT ? "./" : "/";
	while ((r = entry_read(&reader, &entry, err)) > 0) {
		r = tar_write_entry(&tar, &entry, err);
		if (r >= 0 && kind == PACK_TAR_LAYER && tar.names_hidden)
			r = err_set(err, -ENOTSUP,
				    "a name in the layer begins with .wh.: in a tar it would hide "
				    "a file of the layers below");
		if (r < 0)
			return r;
	}
	if (r >= 0)
		r = tar_write_end(&tar, ret_digest, err);
	if (r >= 0 && fsync(*out) < 0 && errno != EINVAL) /* a pipe has nothing to sync */
		r = err_sys(err, -errno, "tar: write to the disk");
	*ret_bytes = tar.bytes;
	return r;
}

static void on_tar(struct msg_peer *peer, struct msg *msg)
{
	OWN_FD int in = msg_take_fd(msg, 0);
	OWN_FD int out = msg_take_fd(msg, 1);
	struct buf body OWN(buf_done) = { 0 };
	struct digest digest;
	uint64_t bytes = 0;
	struct err err = { 0 };
	int r = write_tar(in, &out, (enum pack_tar)msg->body.ptr[0], &digest, &bytes, &err);

	own_close(&in);
	own_close(&out);
	if (r < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, 64);
	wire_put_bytes(&body, digest.bytes, sizeof(digest.bytes));
	wire_put_u64(&body, bytes);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

static const struct msg_rule role_rules[] = {
	{ PACK_MSG_START, "start", 1, 1, 2, 2, ROLE_PEER_MAIN, on_start },
	{ PACK_MSG_TAR, "tar", 1, 1, 2, 2, ROLE_PEER_MAIN, on_tar },
};

int role_pack(void)
{
	static struct role_service service = { .rules = role_rules,
					       .rule_count = ARRAY_LEN(role_rules),
					       .queue_max = 1 << 20 };
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_COMPUTE,
		.uid = ROLE_NOBODY,
		.gid = ROLE_NOBODY,
		.address_space_max = ROLE_MEMORY_MAX,
		.files_max = 64,
	};

	role_begin(&service, &sandbox);
	return role_run(&service);
}
