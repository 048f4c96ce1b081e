/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that take several steps: their memory, their one reply. Runs in engine main. Must never
 * answer twice, nor call a client that is gone.
 */
#include "engine/role_main_work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/store_msg.h"
#include "engine/oci/reference.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { WORK_ARENA_MAX = 48 << 20, SHORT_ID_MIN = 12 };

void *work_new(struct msg_peer *peer, const struct msg *msg, size_t size,
	       void (*done)(struct engine_work *work))
{
	struct engine *engine = engine_of(peer);
	struct engine_work *work = NULL;
	struct err err = { 0 };

	if (!engine->data_ready || !engine->store_up)
		err_set(&err, -EAGAIN, "the data partition or its store is not there");
	else if (!(work = calloc(1, size)))
		err_set(&err, -ENOMEM, "no memory for a request");
	if (!work) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return NULL;
	}
	work->engine = engine;
	work->peer = peer;
	work->type = msg->type;
	work->serial = msg->serial;
	work->done = done;
	work->file_fd = -1;
	work->next = engine->works;
	engine->works = work;
	arena_init(&work->arena, WORK_ARENA_MAX);
	return work;
}

static void work_bury(struct loop_timer *timer)
{
	struct engine_work *work = timer->owner;

	arena_done(&work->arena);
	free(work);
}

/* ---- files ---- */

#define TRANSFER "/data/transfer/"

int work_open_path(struct engine_work *work, struct str path, int flags, struct err *err)
{
	bool transfer = str_starts(path, STR(TRANSFER)), config = str_starts(path, STR("/config/"));
	bool write = (flags & O_ACCMODE) != O_RDONLY;
	int top OWN_FD = -1;
	const char *below;

	if (!transfer && (!config || write))
		return err_set(err, -EINVAL, "a file is expected whose path begins with %s%s",
			       TRANSFER, write ? "" : " or /config/");
	path = str_skip(path, transfer ? sizeof(TRANSFER) - 1 : sizeof("/config/") - 1);
	below = arena_text(&work->arena, path.len ? path : STR("."));
	if (!below)
		return err_set(err, -ENOMEM, "no memory for a path");
	if (transfer)
		top = fs_open_dir(work->engine->containers.data_fd, "transfer", FS_BENEATH, 0700,
				  err);
	else
		top = fs_open(-1, "/config", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	return top < 0 ? top : fs_open(top, below, FS_BENEATH, flags, 0600, err);
}

int work_open_file(struct engine_work *work, struct msg *msg, struct str path, bool write,
		   struct err *err)
{
	int flags = write ? O_WRONLY | O_CREAT | O_EXCL : O_RDONLY | O_NONBLOCK;

	work->file_fd = msg_take_fd(msg, 0);
	if ((work->file_fd >= 0) == (path.len > 0))
		return err_set(err, -EBADMSG, "either an fd or a path is expected");
	if (work->file_fd >= 0)
		return work->file_fd;
	if (work->peer->identity == ENGINE_PEER_API)
		return err_set(err, -EPERM, "files of the machine are the console's to name");
	work->file_fd = work_open_path(work, path, flags, err);
	if (work->file_fd == -EEXIST)
		return err_set(err, -EEXIST, "%.*s is there already", STR_ARG(path));
	if (write && work->file_fd >= 0)
		work->made = arena_text(&work->arena, str_skip(path, sizeof(TRANSFER) - 1));
	return work->file_fd;
}

void work_keep_file(struct engine_work *work)
{
	work->made = NULL;
}

/* A file that was not finished. */
static void drop_made(const struct engine_work *work)
{
	char name[256];
	int top OWN_FD =
		fs_open_dir(work->engine->containers.data_fd, "transfer", FS_BENEATH, 0700, NULL);
	int dir OWN_FD = top < 0 ? -1 : fs_open_parent(top, work->made, FS_BENEATH, name, NULL);

	if (dir >= 0)
		(void)fs_unlink(dir, name, NULL);
}

static void work_end(struct engine_work *work)
{
	struct engine_work **at = &work->engine->works;

	while (*at && *at != work)
		at = &(*at)->next;
	if (*at)
		*at = work->next;
	if (msg_peer_alive(&work->engine->store.peer))
		msg_peer_forget(&work->engine->store.peer, work);
	if (work->done)
		work->done(work);
	own_close(&work->file_fd);
	if (work->made)
		drop_made(work);
	loop_timer_set(&work->engine->loop, &work->burial, 0, work_bury, work);
}

void work_reply(struct engine_work *work, struct str body)
{
	if (work->peer && msg_peer_alive(work->peer))
		(void)msg_reply(work->peer, work->type, work->serial, body, NULL, 0);
	work_end(work);
}

void work_fail(struct engine_work *work, const struct err *err)
{
	if (work->peer && msg_peer_alive(work->peer))
		(void)msg_reply_err(work->peer, work->type, work->serial, err);
	work_end(work);
}

void work_more(const struct engine_work *work, struct str body)
{
	if (work->peer && msg_peer_alive(work->peer))
		(void)msg_reply_more(work->peer, work->type, work->serial, body);
}

int work_ask(struct engine_work *work, uint16_t type, struct str body, msg_reply_fn *fn,
	     struct err *err)
{
	int64_t r = msg_peer_call(&work->engine->store.peer, type, body, NULL, 0, fn, work, err);

	return r < 0 ? (int)r : 0;
}

int work_ask_image(struct engine_work *work, const char *name, msg_reply_fn *fn, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 1024);
	wire_put_text(&body, name);
	return work_ask(work, STORE_MSG_IMAGE_GET, buf_str(&body), fn, err);
}

int work_take_image(struct engine_work *work, const struct msg *reply, struct image *ret_image,
		    struct err *err)
{
	struct wire in;

	wire_init(&in, reply->body.ptr, reply->body.len);
	return image_decode(&in, &work->arena, ret_image, err);
}

int work_set_image(struct engine_work *work, const struct image *image, msg_reply_fn *fn,
		   struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	char id[DIGEST_TEXT_MAX];

	buf_init(&body, STORE_RECORD_MAX + 4096);
	wire_put_text(&body,
		      *image->reference ? image->reference : digest_text(&image->config, id));
	image_encode(image, &body);
	if (buf_error(&body) < 0)
		return err_set(err, -E2BIG, "the image's settings are over %d bytes",
			       STORE_RECORD_MAX);
	return work_ask(work, STORE_MSG_IMAGE_MOVE, buf_str(&body), fn, err);
}

int image_name(struct str text, char dst[ENGINE_REF_MAX], struct err *err)
{
	bool hex = text.len >= SHORT_ID_MIN && text.len <= 2 * SHA256_SIZE;

	for (size_t i = 0; hex && i < text.len; i++)
		hex = (text.ptr[i] >= '0' && text.ptr[i] <= '9') ||
		      (text.ptr[i] >= 'a' && text.ptr[i] <= 'f');
	if (hex) {
		memcpy(dst, "sha256:", 7);
		memcpy(dst + 7, text.ptr, text.len);
		dst[7 + text.len] = 0;
		return 0;
	}
	if (str_starts(text, STR("sha256:")))
		return str_copy(text, dst, ENGINE_REF_MAX) < 0
			       ? err_set(err, -EINVAL, "an image id is too long")
			       : 0;
	return oci_reference_normalise(text, dst, err);
}

void engine_works_gone(struct engine *engine, const struct msg_peer *peer)
{
	for (struct engine_work *w = engine->works; w; w = w->next) {
		if (w->peer == peer)
			w->peer = NULL;
	}
}
