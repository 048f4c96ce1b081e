/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of containers: what has changed, the whole root as a tar, a path out of it and an archive
 * into it. Runs in the api role, which sees the bytes pass and reads none.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "engine/api/image_msg.h"
#include "engine/docker/base64.h"
#include "engine/docker/handlers.h"
#include "engine/docker/text.h"
#include "engine/docker/transfer.h"
#include "lib/own.h"

/* ---- changes ---- */

static void on_changes(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	struct wire in;
	uint32_t count;

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	count = wire_count(&in, ENGINE_CHANGES_MAX);
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	if (!count)
		json_put_null(&w);
	else
		json_begin_array(&w);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		uint8_t kind = wire_u8(&in); /* the numbers are Docker's */

		json_begin_object(&w);
		json_member_str(&w, "Path", wire_str(&in, ENGINE_PATH_MAX));
		json_member_u64(&w, "Kind", kind);
		json_end_object(&w);
	}
	if (count)
		json_end_array(&w);
	(void)buf_add_byte(&body, '\n');
	docker_reply_json(client, 200, buf_str(&body));
}

void docker_changes(struct docker_client *client)
{
	docker_ask_argument(client, ENGINE_MSG_CHANGES, on_changes);
}

void docker_export(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, sizeof(client->argument) + 16);
	wire_put_text(&body, client->argument);
	wire_put_text(&body, "");
	docker_download(client, ENGINE_MSG_EXPORT, buf_str(&body), "application/octet-stream");
}

/* ---- a path in a container ---- */

struct archive {
	char path[ENGINE_PATH_MAX];
	bool put;
};

static void no_free(void *work)
{
	(void)work; /* in the request's arena */
}

static void path_failed(struct docker_client *client, const struct archive *archive,
			const struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, 2 * ENGINE_PATH_MAX);
	if (err->code == -ENOENT) {
		(void)buf_printf(&text, "Could not find the file %s in container %s", archive->path,
				 client->argument);
		docker_reply_error(client, 404, buf_text(&text));
	} else if (err->code == -ENOTDIR && archive->put) {
		docker_reply_error(client, 400, "extraction point is not a directory");
	} else if (err->code == -ENOTDIR) {
		(void)buf_printf(&text, "%s: not a directory", archive->path);
		docker_reply_error(client, 400, buf_text(&text));
	} else {
		docker_reply_err(client, err);
	}
}

static void put_path(struct docker_client *client, const struct archive *archive, struct buf *body)
{
	buf_init(body, 2 * ENGINE_PATH_MAX);
	wire_put_text(body, client->argument);
	wire_put_text(body, archive->path);
}

/* As Go's os.FileMode: permissions, and bits of its own for the rest. */
static uint32_t go_mode(uint32_t mode)
{
	static const struct {
		uint32_t type, bits;
	} types[] = { { S_IFDIR, 1U << 31 }, { S_IFLNK, 1U << 27 },
		      { S_IFBLK, 1U << 26 }, { S_IFCHR, 1U << 26 | 1U << 21 },
		      { S_IFIFO, 1U << 25 }, { S_IFSOCK, 1U << 24 } };
	uint32_t bits = mode & 0777;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		bits |= (mode & S_IFMT) == types[i].type ? types[i].bits : 0;
	return bits | (mode & S_ISUID ? 1U << 23 : 0) | (mode & S_ISGID ? 1U << 22 : 0) |
	       (mode & S_ISVTX ? 1U << 20 : 0);
}

static int set_stat(struct docker_client *client, const struct engine_path_stat *st,
		    struct err *err)
{
	struct buf json OWN(buf_done) = { 0 }, text OWN(buf_done) = { 0 };
	char time[DOCKER_TIME_MAX];
	struct json_writer w;

	buf_init(&json, 4 * ENGINE_PATH_MAX);
	buf_init(&text, 6 * ENGINE_PATH_MAX);
	json_writer_init(&w, &json);
	json_begin_object(&w);
	json_member_text(&w, "name", *st->name ? st->name : "/");
	json_member_u64(&w, "size", st->size);
	json_member_u64(&w, "mode", go_mode(st->mode));
	json_member_text(&w, "mtime", docker_time(st->mtime_s * 1000000000, time));
	json_member_text(&w, "linkTarget", st->link);
	json_end_object(&w);
	docker_base64_encode(buf_str(&json), &text);
	client->path_stat = arena_text(&client->arena, buf_str(&text));
	if (buf_error(&json) || buf_error(&text) || !client->path_stat)
		return err_set(err, -ENOMEM, "no memory for a request");
	return 0;
}

static bool is_bodyless(const struct docker_client *client)
{
	return client->head.framing == HTTP_FRAMING_NONE ||
	       (client->head.framing == HTTP_FRAMING_LENGTH && !client->head.length);
}

static void on_stat(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct archive *archive = client->work;
	struct buf body OWN(buf_done) = { 0 };
	struct engine_path_stat st;
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		path_failed(client, archive, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	engine_path_stat_get(&in, &client->arena, &st);
	if (wire_end(&in) < 0)
		err_set(&bad, -EPROTO, "malformed answer");
	if (bad.code || set_stat(client, &st, &bad) < 0) {
		docker_reply_err(client, &bad);
		return;
	}
	if (archive->put && !S_ISDIR(st.mode)) {
		docker_reply_error(client, 400, "extraction point is not a directory");
		return;
	}
	if (client->head_only || archive->put) {
		docker_reply_empty(client, 200);
		return;
	}
	put_path(client, archive, &body);
	docker_download(client, ENGINE_MSG_PATH_GET, buf_str(&body), "application/x-tar");
}

static void on_put(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;

	(void)peer;
	if (reply)
		docker_reply_empty(client, 200);
	else
		path_failed(client, client->work, err);
}

/* From here on "not there" means the path. */
static void on_view(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	const struct archive *archive = client->work;
	struct buf body OWN(buf_done) = { 0 };

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	put_path(client, archive, &body);
	/* No archive at all is one without entries, as in Docker: the place has to be there. */
	if (!archive->put || is_bodyless(client)) {
		docker_ask(client, ENGINE_MSG_PATH_STAT, buf_str(&body), on_stat);
		return;
	}
	/* The archive's owners stay: it is the client who says whose the files are. */
	wire_put_u8(&body, true);
	docker_upload(client, ENGINE_MSG_PATH_PUT, buf_str(&body), on_put);
}

static void archive_begin(struct docker_client *client, bool put)
{
	struct archive *archive = arena_alloc(&client->arena, sizeof(*archive));

	if (!archive) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	archive->put = put;
	client->work = archive;
	client->work_free = no_free;
	if (!docker_query(client, "path", archive->path, sizeof(archive->path)) || !*archive->path)
		docker_reply_error(client, 400, "bad parameter: path");
	else
		docker_ask_argument(client, ENGINE_MSG_VIEWS, on_view);
}

void docker_archive_get(struct docker_client *client)
{
	archive_begin(client, false);
}

void docker_archive_put(struct docker_client *client)
{
	archive_begin(client, true);
}
