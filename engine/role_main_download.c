/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file from an URL for a call that goes on with it: the pull role downloads it. Runs in engine
 * main. Must never read a byte of it, nor give that role a login.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine/build/exec.h"
#include "engine/http/url.h"
#include "engine/role_main_tree.h"
#include "lib/fs.h"
#include "lib/own.h"

static void on_downloaded(struct msg_peer *peer, void *owner, struct msg *reply,
			  const struct err *err)
{
	struct tree_work *tree = owner;
	struct err bad = { 0 };

	(void)peer;
	if (!reply) {
		tree->error = *err;
		(void)err_prefix(&tree->error, "failed to download %.*s",
				 STR_ARG(str_head(url_shown(str_from(tree->path)), 200)));
	} else if (lseek(tree->work.file_fd, 0, SEEK_SET) < 0) {
		err_sys(&tree->error, -errno, "download");
	}
	/* It has the file open for writing until it is gone. */
	worker_stop(&tree->unpack);
	if (tree->ready(tree, &bad) < 0)
		work_fail(&tree->work, &bad);
}

int tree_download(struct tree_work *tree, const char *url,
		  int (*ready)(struct tree_work *tree, struct err *err), struct err *err)
{
	struct engine *engine = tree->work.engine;
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct pull_start start;
	uint64_t most = 0;
	int64_t r;

	tree->ready = ready;
	if (str_copy(str_from(url), tree->path, sizeof(tree->path)) < 0)
		return err_set(err, -EINVAL, "the URL is too long");
	r = build_fetch_room(tree->upper_fd, &most, err);
	if (r < 0)
		return (int)r;
	tree->work.file_fd = fs_tmpfile(tree->upper_fd, 0600, err);
	if (tree->work.file_fd < 0)
		return tree->work.file_fd;
	arena_init(&arena, 4 << 20);
	build_fetch_settings(&engine->builds, url, &arena, &start);
	buf_init(&body, PULL_START_MAX);
	wire_put_text(&body, url);
	wire_put_u64(&body, most);
	pull_start_encode(&start, &body);
	r = worker_start(&tree->unpack, &engine->loop, "pull", NULL, 0, NULL, 0, NULL, tree, err);
	if (r >= 0)
		r = msg_peer_call(&tree->unpack.peer, PULL_MSG_FETCH, buf_str(&body),
				  &tree->work.file_fd, 1, on_downloaded, tree, err);
	return r < 0 ? (int)r : 0;
}
