/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New images without a build: what a container changed, or a root file system in a tar. Runs in
 * engine main; must never read a file of either, nor leave a container frozen.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "engine/api/files_msg.h"
#include "engine/api/image_msg.h"
#include "engine/api/store_msg.h"
#include "engine/oci/oci.h"
#include "engine/oci/reference.h"
#include "engine/role_main_tree.h"
#include "lib/own.h"

struct new_work {
	struct tree_work tree;
	struct engine_new_image wanted;
	char reference[OCI_REFERENCE_MAX];
	struct store_layer layer;
	bool has_layer, walked, packed;
	struct image image;
	char created[40];
};

/* ---- the record ---- */

static bool has_text(const struct image_texts *texts, const char *text)
{
	for (uint32_t i = 0; i < texts->count; i++) {
		if (!strcmp(texts->items[i], text))
			return true;
	}
	return false;
}

static int lay_over(struct arena *arena, struct image *image, const struct engine_new_image *wanted,
		    struct err *err)
{
	const struct image *set = &wanted->config;
	int r = 0;

	for (uint32_t i = 0; r >= 0 && (wanted->set & ENGINE_SET_ENV) && i < set->env.count; i++) {
		struct str rest = str_from(set->env.items[i]), name = { 0 };
		const char *key;

		(void)str_cut(&rest, '=', &name);
		key = arena_text(arena, name);
		r = !key ? err_set(err, -ENOMEM, "no memory for an image")
			 : image_env_set(arena, &image->env, key,
					 set->env.items[i] + name.len +
						 (set->env.items[i][name.len] == '='),
					 err);
	}
	for (uint32_t i = 0; r >= 0 && (wanted->set & ENGINE_SET_LABELS) && i < set->labels.count;
	     i++)
		r = image_pairs_set(arena, &image->labels, set->labels.items[i].key,
				    set->labels.items[i].value, err);
	for (uint32_t i = 0;
	     r >= 0 && (wanted->set & ENGINE_SET_PORTS) && i < set->exposed_ports.count; i++)
		if (!has_text(&image->exposed_ports, set->exposed_ports.items[i]))
			r = image_texts_add(arena, &image->exposed_ports,
					    set->exposed_ports.items[i], err);
	for (uint32_t i = 0; r >= 0 && (wanted->set & ENGINE_SET_VOLUMES) && i < set->volumes.count;
	     i++)
		if (!has_text(&image->volumes, set->volumes.items[i]))
			r = image_texts_add(arena, &image->volumes, set->volumes.items[i], err);
	return r;
}

static void replace(struct image *image, const struct engine_new_image *wanted)
{
	const struct image *set = &wanted->config;

	if (wanted->set & ENGINE_SET_CMD)
		image->cmd = set->cmd;
	if (wanted->set & ENGINE_SET_ENTRYPOINT)
		image->entrypoint = set->entrypoint;
	if (wanted->set & ENGINE_SET_WORKDIR)
		image->workdir = set->workdir;
	if (wanted->set & ENGINE_SET_USER)
		image->user = set->user;
	if (wanted->set & ENGINE_SET_STOP_SIGNAL)
		image->stop_signal = set->stop_signal;
	if (wanted->set & ENGINE_SET_ON_BUILD)
		image->on_build = set->on_build;
	if (wanted->set & ENGINE_SET_HEALTH)
		image->health = set->health;
}

/* The new layer upon the base's, and a line of history that says where it came from. */
static int add_layer(struct new_work *new, struct err *err)
{
	struct arena *arena = &new->tree.work.arena;
	struct image *image = &new->image;
	struct image_layer *layers =
		arena_array(arena, image->layer_count + 1, sizeof(*image->layers));
	struct image_history *history =
		arena_array(arena, image->history_count + 1, sizeof(*image->history));

	if (image->layer_count >= IMAGE_LAYERS_MAX || image->history_count >= IMAGE_HISTORY_MAX)
		return err_set(err, -E2BIG, "the image would have more than %d layers",
			       IMAGE_LAYERS_MAX);
	if (!layers || !history)
		return err_set(err, -ENOMEM, "no memory for an image");
	if (image->layer_count)
		memcpy(layers, image->layers, image->layer_count * sizeof(*layers));
	if (image->history_count)
		memcpy(history, image->history, image->history_count * sizeof(*history));
	history[image->history_count++] =
		(struct image_history){ .created = new->created,
					.created_by = *new->wanted.container ? "commit" : "import",
					.author = new->wanted.author,
					.comment = new->wanted.comment,
					.empty_layer = !new->has_layer };
	if (new->has_layer)
		layers[image->layer_count++] =
			(struct image_layer){ .blob = new->layer.digest,
					      .diff = new->layer.diff,
					      .size = new->layer.size,
					      .media_type = OCI_MEDIA_LAYER_TAR };
	image->layers = layers;
	image->history = history;
	return 0;
}

static int compose(struct new_work *new, struct err *err)
{
	struct buf config OWN(buf_done) = { 0 }, manifest OWN(buf_done) = { 0 };
	struct image *image = &new->image;
	struct oci_platform own = oci_platform_own();
	struct timespec now = { 0 };
	size_t len;
	struct tm tm;
	int r;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	len = strftime(new->created, sizeof(new->created), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(new->created + len, sizeof(new->created) - len, ".%09ldZ", now.tv_nsec);
	if (!*image->os)
		image->os = own.os;
	if (!*image->architecture) {
		image->architecture = own.architecture;
		image->variant = own.variant;
	}
	image->reference = new->reference;
	image->created = new->created;
	if (*new->wanted.author)
		image->author = new->wanted.author;
	replace(image, &new->wanted);
	r = lay_over(&new->tree.work.arena, image, &new->wanted, err);
	if (r >= 0)
		r = add_layer(new, err);
	if (r < 0)
		return r;
	buf_init(&config, OCI_DOCUMENT_MAX);
	buf_init(&manifest, OCI_DOCUMENT_MAX);
	return oci_image_seal(image, &config, &manifest, err);
}

static void on_set(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct new_work *new = owner;
	struct buf body OWN(buf_done) = { 0 };
	char id[DIGEST_TEXT_MAX];

	(void)peer;
	if (!reply) {
		work_fail(&new->tree.work, err);
		return;
	}
	if (reply->body.len == 1 && reply->body.ptr[0])
		image_leases_collect(&new->tree.work.engine->leases);
	manager_kick(&new->tree.work.engine->manager, "an image was made");
	buf_init(&body, 256);
	wire_put_text(&body, digest_text(&new->image.config, id));
	work_reply(&new->tree.work, buf_str(&body));
}

static void finish(struct new_work *new)
{
	struct err err = { 0 };

	if (compose(new, &err) < 0 ||
	    work_set_image(&new->tree.work, &new->image, on_set, &err) < 0)
		work_fail(&new->tree.work, &err);
}

/* ---- the layer: an upper, walked and packed ---- */

static void thaw(struct tree_work *tree)
{
	const struct container *container = tree->frozen ? tree_container(tree) : NULL;

	if (container)
		(void)cgroup_freeze(container->cgroup_fd, false, NULL);
	tree->frozen = false;
}

static void on_base(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct new_work *new = owner;
	struct err bad = { 0 };

	(void)peer;
	if (!reply)
		err_set(&bad, err->code, "the image that %s was made from has no name any more: %s",
			new->wanted.container, err_text(err));
	else if (work_take_image(&new->tree.work, reply, &new->image, &bad) == 0)
		finish(new);
	if (bad.code)
		work_fail(&new->tree.work, &bad);
}

static void layer_settle(struct new_work *new)
{
	char id[DIGEST_TEXT_MAX];
	struct err err = { 0 };

	if (!new->walked || !new->packed)
		return;
	thaw(&new->tree);
	if (!new->tree.error.code && !*new->wanted.container && !new->has_layer)
		err_set(&new->tree.error, -ENODATA, "the archive holds no file");
	if (new->tree.error.code)
		work_fail(&new->tree.work, &new->tree.error);
	else if (!*new->wanted.container)
		finish(new);
	else if (work_ask_image(&new->tree.work, digest_text(&new->tree.def.image, id), on_base,
				&err) < 0)
		work_fail(&new->tree.work, &err);
}

static void on_packed(void *owner, struct image_layer_job *job, const struct store_layer *layer,
		      const struct err *err)
{
	struct new_work *new = owner;

	(void)job;
	new->packed = true;
	if (err && !new->tree.error.code)
		new->tree.error = *err;
	if (layer) {
		new->has_layer = true;
		new->layer = *layer;
	}
	layer_settle(new);
}

static void on_walked(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct new_work *new = owner;

	(void)peer;
	new->walked = true;
	if (!reply) /* nearer to the cause than pack's "the stream just stopped" */
		new->tree.error = *err;
	layer_settle(new);
}

/* Where volumes are mounted is no part of the layer. */
static void put_rules(const struct container_def *def, struct buf *out)
{
	uint32_t count = def->mount_count < FILES_STUBS_MAX ? def->mount_count : FILES_STUBS_MAX;

	wire_put_i64(out, INT64_MAX);
	wire_put_u32(out, count);
	for (uint32_t i = 0; i < count; i++)
		wire_put_text(out, def->mounts[i].target + (*def->mounts[i].target == '/'));
}

static int pack_upper(struct tree_work *tree, struct err *err)
{
	struct engine *engine = tree->work.engine;
	struct buf rules OWN(buf_done) = { 0 };
	int feed OWN_FD = -1, fds[2];
	int r;

	if (tree->error.code) {
		*err = tree->error;
		return err->code;
	}
	r = image_layer_records(&tree->packing, &engine->loop, &engine->store.peer, on_packed, tree,
				&feed, err);
	if (r < 0)
		return r;
	tree->packing.leases = &engine->leases;
	tree->packing.lease = &tree->lease;
	fds[0] = tree->upper_fd;
	fds[1] = feed;
	buf_init(&rules, 512 << 10);
	put_rules(&tree->def, &rules);
	return tree_files(tree, FILES_MSG_DIFF, buf_str(&rules), fds, 2, on_walked, err);
}

/* ---- the calls ---- */

static int take_wanted(struct new_work *new, struct wire *in, struct err *err)
{
	struct engine_work *work = &new->tree.work;
	int r = engine_new_image_get(in, &work->arena, &new->wanted, err);

	image_init(&new->image);
	if (r >= 0 && *new->wanted.reference)
		r = oci_reference_normalise(str_from(new->wanted.reference), new->reference, err);
	return r;
}

/* One that is paused stays so: it was not we who froze it. */
static int freeze_and_pack(struct tree_work *tree, struct err *err)
{
	const struct new_work *new = (struct new_work *)tree;
	const struct container *container = tree_container(tree);
	struct cgroup_stats stats = { 0 };

	if (new->wanted.pause && container &&
	    container->phase == CONTAINER_PHASE_RUNNING &&cgroup_stats(container->cgroup_fd, &stats,
								       NULL) >= 0 &&
	    !stats.frozen) {
		int r = cgroup_freeze(container->cgroup_fd, true, err);

		if (r < 0)
			return r;
		tree->frozen = true;
	}
	return pack_upper(tree, err);
}

void engine_commit_call(struct msg_peer *peer, struct msg *msg)
{
	struct new_work *new = tree_new(peer, msg, sizeof(*new));
	struct err err = { 0 };
	struct wire in;
	int r;

	if (!new)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	r = take_wanted(new, &in, &err);
	if (r >= 0 && wire_end(&in) < 0)
		r = err_set(&err, -EBADMSG, "malformed request");
	if (r >= 0)
		r = tree_open(&new->tree, new->wanted.container, false, freeze_and_pack, &err);
	if (r < 0)
		work_fail(&new->tree.work, &err);
}

static int extract_download(struct tree_work *tree, struct err *err)
{
	if (tree->error.code) {
		*err = tree->error;
		return err->code;
	}
	return tree_extract(tree, tree->upper_fd, "/", "", pack_upper, err);
}

/* What comes with the call, what its path names, or what an URL leads to. */
static int import_archive(struct new_work *new, struct msg *msg, struct str path, struct err *err)
{
	struct tree_work *tree = &new->tree;
	int r = tree_scratch(tree, err);

	if (r < 0)
		return r;
	if (str_starts(path, STR("http://")) || str_starts(path, STR("https://"))) {
		const char *url = arena_text(&tree->work.arena, path);

		return url ? tree_download(tree, url, extract_download, err)
			   : err_set(err, -ENOMEM, "import");
	}
	r = work_open_file(&tree->work, msg, path, false, err);
	return r < 0 ? r : tree_extract(tree, tree->upper_fd, "/", "", pack_upper, err);
}

void engine_import_call(struct msg_peer *peer, struct msg *msg)
{
	struct new_work *new = tree_new(peer, msg, sizeof(*new));
	struct err err = { 0 };
	struct str path;
	struct wire in;
	int r;

	if (!new)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	r = take_wanted(new, &in, &err);
	path = wire_str(&in, ENGINE_PATH_MAX - 1);
	if (r >= 0 && wire_end(&in) < 0)
		r = err_set(&err, -EBADMSG, "malformed request");
	new->wanted.container = "";
	if (r >= 0)
		r = import_archive(new, msg, path, &err);
	if (r < 0)
		work_fail(&new->tree.work, &err);
}
