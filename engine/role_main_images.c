/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients ask about images as a whole: further names, history, archives. Runs in engine main,
 * which sees records and fds; must never read an archive.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/api/store_msg.h"
#include "engine/image/give.h"
#include "engine/image/take.h"
#include "engine/oci/reference.h"
#include "engine/role_main_work.h"
#include "lib/own.h"

enum { IMAGES_REPLY_MAX = 8 << 20, IMAGES_LINE_MAX = 4096 };

static bool malformed(struct engine_work *work, const struct wire *in)
{
	struct err err = { 0 };

	if (wire_end(in) == 0)
		return false;
	err_set(&err, -EBADMSG, "malformed request");
	work_fail(work, &err);
	return true;
}

/* ---- tag ---- */

struct tag_work {
	struct engine_work work;
	char name[ENGINE_REF_MAX], reference[OCI_REFERENCE_MAX];
};

static void on_tagged(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct tag_work *tag = owner;

	(void)peer;
	if (!reply) {
		work_fail(&tag->work, err);
		return;
	}
	if (reply->body.len == 1 && reply->body.ptr[0])
		image_leases_collect(&tag->work.engine->leases);
	engine_event(tag->work.engine, "image", "tag", tag->reference, tag->reference, NULL, 0);
	manager_kick(&tag->work.engine->manager, "an image was tagged");
	work_reply(&tag->work, STR(""));
}

static void on_tag_record(struct msg_peer *peer, void *owner, struct msg *reply,
			  const struct err *err)
{
	struct tag_work *tag = owner;
	struct err bad = { 0 };
	struct image image;

	(void)peer;
	if (!reply) {
		work_fail(&tag->work, err);
		return;
	}
	if (work_take_image(&tag->work, reply, &image, &bad) == 0) {
		image.reference = tag->reference;
		if (work_set_image(&tag->work, &image, on_tagged, &bad) == 0)
			return;
	}
	work_fail(&tag->work, &bad);
}

void engine_tag_call(struct msg_peer *peer, struct msg *msg)
{
	struct tag_work *tag = work_new(peer, msg, sizeof(*tag), NULL);
	struct str image, reference;
	struct err err = { 0 };
	struct wire in;

	if (!tag)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	image = wire_str(&in, ENGINE_REF_MAX);
	reference = wire_str(&in, ENGINE_REF_MAX);
	if (malformed(&tag->work, &in))
		return;
	if (image_name(image, tag->name, &err) < 0 ||
	    oci_reference_normalise(reference, tag->reference, &err) < 0 ||
	    work_ask_image(&tag->work, tag->name, on_tag_record, &err) < 0)
		work_fail(&tag->work, &err);
}

/* ---- history ---- */

static void put_history(const struct image *image, struct buf *out)
{
	uint32_t layer = image->layer_count, first = image->history_count;
	char id[DIGEST_TEXT_MAX];

	wire_put_u32(out, first ? first : layer);
	for (uint32_t i = first; i-- > 0;) {
		const struct image_history *step = &image->history[i];
		struct engine_history row = { .id = i + 1 == first ? digest_text(&image->config, id)
								   : "",
					      .created = step->created,
					      .created_by = step->created_by,
					      .comment = step->comment };

		if (!step->empty_layer && layer > 0)
			row.bytes = image->layers[--layer].size;
		engine_history_put(out, &row);
	}
	/* An image without a history: its layers are all there is to tell. */
	for (uint32_t i = layer; !first && i-- > 0;) {
		const struct engine_history row = { .id = i + 1 == layer
								  ? digest_text(&image->config, id)
								  : "",
						    .created = i + 1 == layer ? image->created : "",
						    .created_by = "",
						    .comment = "",
						    .bytes = image->layers[i].size };

		engine_history_put(out, &row);
	}
}

static void on_history(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct engine_work *work = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct err bad = { 0 };
	struct image image;

	(void)peer;
	if (!reply) {
		work_fail(work, err);
		return;
	}
	if (work_take_image(work, reply, &image, &bad) < 0) {
		work_fail(work, &bad);
		return;
	}
	buf_init(&body, IMAGES_REPLY_MAX);
	put_history(&image, &body);
	work_reply(work, buf_str(&body));
}

void engine_history_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine_work *work = work_new(peer, msg, sizeof(*work), NULL);
	char name[ENGINE_REF_MAX];
	struct err err = { 0 };
	struct str image;
	struct wire in;

	if (!work)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	image = wire_str(&in, ENGINE_REF_MAX);
	if (malformed(work, &in))
		return;
	if (image_name(image, name, &err) < 0 || work_ask_image(work, name, on_history, &err) < 0)
		work_fail(work, &err);
}

/* ---- save ---- */

static void on_line(void *owner, const char *line)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, IMAGES_LINE_MAX);
	wire_put_text(&body, line);
	work_more(owner, buf_str(&body));
}

static void on_saved(void *owner, const struct image_gave *gave, const struct err *err)
{
	struct engine_work *work = owner;
	struct buf body OWN(buf_done) = { 0 };
	char line[64];

	if (!gave) {
		work_fail(work, err);
		return;
	}
	work_keep_file(work);
	(void)snprintf(line, sizeof(line), "%llu bytes", (unsigned long long)gave->bytes);
	buf_init(&body, 128);
	wire_put_text(&body, line);
	work_reply(work, buf_str(&body));
}

static int read_names(struct engine_work *work, struct wire *in, const char **names,
		      uint32_t *ret_count, struct err *err)
{
	uint32_t count = wire_count(in, ENGINE_SAVE_IMAGES_MAX);
	char name[ENGINE_REF_MAX];

	for (uint32_t i = 0; i < count; i++) {
		int r = image_name(wire_str(in, ENGINE_REF_MAX), name, err);

		if (r < 0)
			return r;
		names[i] = arena_text(&work->arena, str_from(name));
		if (!names[i])
			return err_set(err, -ENOMEM, "no memory for a request");
	}
	*ret_count = count;
	return 0;
}

void engine_save_call(struct msg_peer *peer, struct msg *msg)
{
	static const struct image_give_ops ops = { .progress = on_line, .done = on_saved };
	struct engine_work *work = work_new(peer, msg, sizeof(*work), NULL);
	const char *names[ENGINE_SAVE_IMAGES_MAX];
	struct image_give_env env;
	struct err err = { 0 };
	uint32_t count = 0;
	struct str path;
	struct wire in;
	uint8_t form;
	int fd;

	if (!work)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	form = wire_u8(&in);
	env = (struct image_give_env){ .loop = &work->engine->loop,
				       .store = &work->engine->store.peer,
				       .leases = &work->engine->leases,
				       .rootfs = &work->engine->containers.rootfs };
	if (read_names(work, &in, names, &count, &err) < 0) {
		work_fail(work, &err);
		return;
	}
	path = wire_str(&in, ENGINE_PATH_MAX - 1);
	if (malformed(work, &in))
		return;
	fd = work_open_file(work, msg, path, true, &err);
	if (fd < 0 || !image_give_save(&env, names, count, form == ENGINE_ARCHIVE_DOCKER, fd, &ops,
				       work, &err))
		work_fail(work, &err);
	else
		own_close(&work->file_fd); /* whoever reads a pipe waits for its end */
}

/* ---- load ---- */

struct load_work {
	struct engine_work work;
	uint32_t images;
};

static void on_loaded_image(void *owner, const struct image *image)
{
	struct load_work *load = owner;
	char line[ENGINE_REF_MAX + 32], id[DIGEST_TEXT_MAX];

	load->images++;
	(void)snprintf(line, sizeof(line), "Loaded image%s: %s", *image->reference ? "" : " ID",
		       *image->reference ? image->reference : digest_text(&image->config, id));
	on_line(load, line);
}

static void on_loaded(void *owner, const struct err *err)
{
	struct load_work *load = owner;
	struct buf body OWN(buf_done) = { 0 };
	char line[64];

	if (err) {
		work_fail(&load->work, err);
		return;
	}
	manager_kick(&load->work.engine->manager, "an archive was loaded");
	(void)snprintf(line, sizeof(line), "%u image%s", load->images,
		       load->images == 1 ? "" : "s");
	buf_init(&body, 128);
	wire_put_text(&body, line);
	work_reply(&load->work, buf_str(&body));
}

void engine_load_call(struct msg_peer *peer, struct msg *msg)
{
	static const struct image_take_ops ops = { .progress = on_line,
						   .image = on_loaded_image,
						   .done = on_loaded };
	struct load_work *load = work_new(peer, msg, sizeof(*load), NULL);
	char reference[OCI_REFERENCE_MAX] = "";
	struct image_take_env env;
	struct err err = { 0 };
	struct str text, path;
	struct wire in;
	int fd;

	if (!load)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	text = wire_str(&in, ENGINE_REF_MAX);
	path = wire_str(&in, ENGINE_PATH_MAX - 1);
	if (malformed(&load->work, &in))
		return;
	env = (struct image_take_env){ .loop = &load->work.engine->loop,
				       .keep_unnamed = peer->identity == ENGINE_PEER_API,
				       .store = &load->work.engine->store.peer,
				       .leases = &load->work.engine->leases,
				       .keep_blobs = load->work.engine->manager.keep_blobs };
	fd = work_open_file(&load->work, msg, path, false, &err);
	if (fd < 0 || (text.len > 0 && oci_reference_normalise(text, reference, &err) < 0) ||
	    !image_take_archive(&env, fd, reference, &ops, load, &err))
		work_fail(&load->work, &err);
	else
		own_close(&load->work.file_fd);
}
