/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All files of an image, without a container: its layers are mounted as one tree, which leaves
 * through a pipe. Runs in engine main, which reads none of it.
 */
#include <errno.h>
#include "engine/api/image_msg.h"
#include "engine/role_main_tree.h"
#include "lib/own.h"

struct image_tree_work {
	struct tree_work tree;
	struct image image;
	bool records;
};

static void on_walked(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct tree_work *tree = owner;

	(void)peer;
	if (reply)
		work_reply(&tree->work, STR(""));
	else
		work_fail(&tree->work, err);
}

static void on_tar(void *owner, const struct image_tree_result *result, const struct err *err)
{
	struct tree_work *tree = owner;

	if (result)
		work_reply(&tree->work, STR(""));
	else
		work_fail(&tree->work, err);
}

static int write_records(struct tree_work *tree, struct err *err)
{
	const int fds[2] = { tree->below_fd, tree->work.file_fd };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 64);
	wire_put_u8(&body, true);
	wire_put_text(&body, "");
	wire_put_text(&body, "");
	return tree_files(tree, FILES_MSG_TREE, buf_str(&body), fds, 2, on_walked, err);
}

static int write_tar(struct tree_work *tree, struct err *err)
{
	const struct image_tree_wanted wanted = {
		.root_fd = tree->below_fd, .out_fd = tree->work.file_fd, .path = "", .name = ""
	};

	return image_tree_start(&tree->tree, &tree->work.engine->loop, &wanted, on_tar, tree, err);
}

static int write_tree(struct tree_work *tree, struct err *err)
{
	bool records = ((struct image_tree_work *)tree)->records;
	int r = tree_open_below(tree, err);

	if (r >= 0)
		r = records ? write_records(tree, err) : write_tar(tree, err);
	own_close(&tree->work.file_fd); /* whoever reads a pipe waits for its end */
	return r;
}

static void on_image(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_tree_work *wanted = owner;
	struct err bad = { 0 };
	int r = -EIO;

	(void)peer;
	if (reply)
		r = work_take_image(&wanted->tree.work, reply, &wanted->image, &bad);
	else
		bad = *err;
	if (r >= 0)
		r = tree_open_image(&wanted->tree, &wanted->image, write_tree, &bad);
	if (r < 0)
		work_fail(&wanted->tree.work, &bad);
}

void engine_image_tree_call(struct msg_peer *peer, struct msg *msg)
{
	struct image_tree_work *wanted = tree_new(peer, msg, sizeof(*wanted));
	char text[ENGINE_REF_MAX], name[ENGINE_REF_MAX];
	struct err err = { 0 };
	struct wire in;
	int r;

	if (!wanted)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, text, sizeof(text));
	wanted->records = wire_bool(&in);
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed request") : 0;
	if (r >= 0)
		r = work_open_file(&wanted->tree.work, msg, STR(""), true, &err);
	if (r >= 0)
		r = image_name(str_from(text), name, &err);
	if (r >= 0)
		r = work_ask_image(&wanted->tree.work, name, on_image, &err);
	if (r < 0)
		work_fail(&wanted->tree.work, &err);
}
