/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file out of an image, without a container: its layers are mounted, and a files role reads.
 * Runs in engine main, which hands the bytes on and looks at none.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/files_msg.h"
#include "engine/role_main_tree.h"
#include "lib/own.h"

struct file_work {
	struct tree_work tree;
	struct image image;
};

static void on_read(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct tree_work *tree = owner;

	(void)peer;
	if (reply)
		work_reply(&tree->work, reply->body);
	else
		work_fail(&tree->work, err);
}

static int ask_file(struct tree_work *tree, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int r = tree_open_below(tree, err);

	if (r < 0)
		return r;
	buf_init(&body, ENGINE_PATH_MAX + 64);
	wire_put_text(&body, tree->path);
	wire_put_u32(&body, FILES_READ_MAX);
	return tree_files(tree, FILES_MSG_READ, buf_str(&body), &tree->below_fd, 1, on_read, err);
}

static void on_image(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct file_work *file = owner;
	struct err bad = { 0 };
	int r = -EIO;

	(void)peer;
	if (reply)
		r = work_take_image(&file->tree.work, reply, &file->image, &bad);
	else
		bad = *err;
	if (r >= 0)
		r = tree_open_image(&file->tree, &file->image, ask_file, &bad);
	if (r < 0)
		work_fail(&file->tree.work, &bad);
}

void engine_image_file_call(struct msg_peer *peer, struct msg *msg)
{
	struct file_work *file = tree_new(peer, msg, sizeof(*file));
	char text[ENGINE_REF_MAX], name[ENGINE_REF_MAX];
	struct err err = { 0 };
	struct wire in;
	int r;

	if (!file)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, text, sizeof(text));
	wire_text(&in, file->tree.path, sizeof(file->tree.path));
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed request") : 0;
	if (r >= 0)
		r = image_name(str_from(text), name, &err);
	if (r >= 0)
		r = work_ask_image(&file->tree.work, name, on_image, &err);
	if (r < 0)
		work_fail(&file->tree.work, &err);
}
