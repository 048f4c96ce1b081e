/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's name among engines: random, made once, kept on the data partition
 * (state/engine.id). Runs in engine main. Must never give another one for the same data.
 */
#include <errno.h>
#include "engine/role_main.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/random.h"

enum { ID_BYTES = 16, ID_TEXT = 36 };

/* "2a1f...-....-4...-....-............" (RFC 9562, version 4). */
static int make(int dir, struct buf *out, struct err *err)
{
	uint8_t random[ID_BYTES];
	int r = random_fill(random, sizeof(random), "the engine's id", err);

	if (r < 0)
		return r;
	random[6] = (uint8_t)((random[6] & 0x0f) | 0x40);
	random[8] = (uint8_t)((random[8] & 0x3f) | 0x80);
	buf_clear(out);
	for (size_t i = 0; i < ID_BYTES; i++)
		(void)buf_printf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
				 random[i]);
	return fs_replace(dir, "engine.id", out->data, out->len, 0600, err);
}

static int read_id(const struct engine *engine, struct buf *out, struct err *err)
{
	int dir OWN_FD = -1;
	int r;

	if (!engine->data_ready)
		return err_set(err, -EAGAIN, "the data partition is not there");
	dir = fs_open_dir(engine->containers.data_fd, "state", FS_BENEATH, 0700, err);
	if (dir < 0)
		return dir;
	r = fs_read(dir, "engine.id", FS_BENEATH, ID_TEXT, out, err);
	if (r == -ENOENT)
		return make(dir, out, err);
	if (r >= 0 && out->len != ID_TEXT)
		r = err_set(err, -EBADMSG,
			    "state/engine.id has %zu bytes and not %d: remove it for a new one",
			    out->len, ID_TEXT);
	return r < 0 ? r : 0;
}

void engine_id_call(struct msg_peer *peer, struct msg *msg)
{
	struct buf text OWN(buf_done) = { 0 }, body OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&text, ID_TEXT + 1);
	buf_init(&body, ID_TEXT + 16);
	if (read_id(engine_of(peer), &text, &err) < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	wire_put_str(&body, buf_str(&text));
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}
