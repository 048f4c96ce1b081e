/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message side of pull and load. Runs in those roles. It must never answer a job as done before
 * each blob it handed over was acknowledged.
 */
#include "engine/registry/serve.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>
#include "engine/api/cache_msg.h"
#include "engine/api/pull_msg.h"
#include "engine/oci/oci.h"
#include "engine/registry/archive.h"
#include "engine/registry/feed.h"
#include "engine/registry/fetch.h"
#include "engine/registry/git.h"
#include "engine/registry/place.h"
#include "engine/registry/pull.h"
#include "engine/registry/push.h"
#include "engine/registry/save.h"
#include "engine/registry/serve_cache.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/msg.h"
#include "lib/own.h"

enum {
	SERVE_ARENA_MAX = 64 << 20,
	SERVE_ENDS_MAX = 2 * PULL_LAYERS_AT_ONCE,
};

/* A PULL_MSG_BLOB_END on its way. */
struct ending {
	uint32_t serial; /* 0 = free */
	bool answered;
	struct err err; /* code 0 = stored */
};

struct job {
	int fd;
	uint32_t serial;
	uint16_t type;
	uint32_t last_call;
	struct ending ends[SERVE_ENDS_MAX];
};

/* ---- the sink: questions to main ---- */

static int read_error(const struct msg *reply, struct err *err)
{
	struct str text;
	struct wire in;
	int code;

	wire_init(&in, reply->body.ptr, reply->body.len);
	code = (int)wire_u32(&in);
	text = wire_str(&in, ERR_TEXT_MAX);
	return err_set(err, code < 0 ? code : -EBADMSG, "%.*s", STR_ARG(text));
}

/* An answer that nobody waits for at this moment: the end of some blob. */
static void note_end(struct job *job, const struct msg *reply)
{
	for (size_t i = 0; i < SERVE_ENDS_MAX; i++) {
		struct ending *end = &job->ends[i];

		if (!end->serial || end->serial != reply->serial)
			continue;
		end->answered = true;
		if (reply->flags & MSG_FLAG_ERROR)
			read_error(reply, &end->err);
		return;
	}
}

/* The next message of main: 0, -EAGAIN (wait = false and none there), -errno. */
static int receive(struct job *job, bool wait, struct msg *ret_msg, struct err *err)
{
	struct pollfd watch = { .fd = job->fd, .events = POLLIN };
	int r;

	for (;;) {
		r = poll(&watch, 1, wait ? -1 : 0);
		if (r == 0 || (r < 0 && errno != EINTR))
			return r == 0 ? -EAGAIN : -errno;
		if (r < 0)
			continue;
		r = msg_recv(job->fd, ret_msg, err);
		if (r != -EAGAIN)
			break;
	}
	if (r == 0)
		return err_set(err, -EPIPE, "the engine is gone");
	return r < 0 ? r : 0;
}

static int send_call(struct job *job, uint16_t type, struct str body, struct err *err)
{
	struct msg call = { .type = type, .flags = MSG_FLAG_CALL, .body = body };
	struct pollfd watch = { .fd = job->fd, .events = POLLOUT };
	int r;

	if (++job->last_call == 0)
		job->last_call = 1;
	call.serial = job->last_call;
	while ((r = msg_send(job->fd, &call, err)) == -EAGAIN)
		(void)poll(&watch, 1, -1);
	return r;
}

/* A question and its answer; ends of blobs that are answered meanwhile are noted. */
static int ask(struct job *job, uint16_t type, struct str body, struct msg *ret_reply,
	       struct err *err)
{
	uint32_t serial;
	int r = send_call(job, type, body, err);

	serial = job->last_call;
	while (r == 0) {
		r = receive(job, true, ret_reply, err);
		if (r < 0)
			break;
		if ((ret_reply->flags & MSG_FLAG_REPLY) && ret_reply->serial == serial) {
			if (!(ret_reply->flags & MSG_FLAG_ERROR))
				return 0;
			r = read_error(ret_reply, err);
		} else if (ret_reply->flags & MSG_FLAG_REPLY) {
			note_end(job, ret_reply);
		}
		msg_done(ret_reply);
	}
	return r;
}

static int ask_blob(void *owner, const struct pull_blob *blob, int *ret_fd, struct err *err)
{
	struct job *job = owner;
	struct buf body OWN(buf_done);
	struct msg reply = { 0 };
	int r;

	buf_init(&body, 4096);
	pull_blob_encode(blob, &body);
	r = buf_error(&body);
	if (r == 0)
		r = ask(job, PULL_MSG_BLOB, buf_str(&body), &reply, err);
	if (r < 0)
		return r;
	r = reply.body.len == 1 && reply.body.ptr[0] == 1;
	if (r == 0 && !blob->probe) {
		*ret_fd = msg_take_fd(&reply, 0);
		if (*ret_fd < 0)
			r = err_set(err, -EBADMSG, "no pipe came for a blob");
	}
	msg_done(&reply);
	return r;
}

static int send_end(void *owner, const struct digest *digest, uint32_t *ret_token, struct err *err)
{
	struct job *job = owner;
	int r;

	for (size_t i = 0; i < SERVE_ENDS_MAX; i++) {
		if (job->ends[i].serial)
			continue;
		r = send_call(job, PULL_MSG_BLOB_END, str_make(digest, sizeof(*digest)), err);
		if (r < 0)
			return r;
		job->ends[i] = (struct ending){ .serial = job->last_call };
		*ret_token = job->last_call;
		return 0;
	}
	return err_set(err, -EBUSY, "too many blobs at once");
}

static int take_end(void *owner, uint32_t token, struct err *err)
{
	struct job *job = owner;
	struct msg reply = { 0 };
	int r = 0;

	while ((r = receive(job, false, &reply, err)) == 0) {
		if (reply.flags & MSG_FLAG_REPLY)
			note_end(job, &reply);
		msg_done(&reply);
	}
	if (r != -EAGAIN)
		return r;
	for (size_t i = 0; i < SERVE_ENDS_MAX; i++) {
		struct ending *end = &job->ends[i];

		if (end->serial != token || !end->answered)
			continue;
		end->serial = 0;
		if (end->err.code && err)
			*err = end->err;
		return end->err.code;
	}
	return -EAGAIN;
}

/* One-way, and only for the eye: one that does not fit now is dropped. */
static void tell_progress(void *owner, const struct pull_progress *progress)
{
	const struct job *job = owner;
	struct buf body OWN(buf_done);
	struct msg msg = { .type = PULL_MSG_PROGRESS };

	buf_init(&body, 512);
	pull_progress_encode(progress, &body);
	msg.body = buf_str(&body);
	(void)msg_send(job->fd, &msg, NULL);
}

static int ask_need(void *owner, uint64_t bytes, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct msg reply = { 0 };
	int r;

	buf_init(&body, 16);
	wire_put_u64(&body, bytes);
	r = ask(owner, PULL_MSG_NEED, buf_str(&body), &reply, err);
	if (r == 0)
		msg_done(&reply);
	return r;
}

/* ---- answers ---- */

static void send_reply(const struct job *job, uint16_t flags, struct str body)
{
	struct msg msg = { .type = job->type,
			   .flags = (uint16_t)(MSG_FLAG_REPLY | flags),
			   .serial = job->serial,
			   .body = body };
	struct err err = { 0 };

	if (msg_send(job->fd, &msg, &err) < 0)
		log_err("answer: %s", err_text(&err));
}

static void send_error(const struct job *job, const struct err *err)
{
	struct buf body OWN(buf_done);

	buf_init(&body, 1024);
	wire_put_u32(&body, (uint32_t)(err->code < 0 ? err->code : -EIO));
	wire_put_text(&body, err_text(err));
	send_reply(job, MSG_FLAG_ERROR, buf_str(&body));
}

static int send_record(const struct job *job, uint16_t flags, const struct image *image,
		       struct err *err)
{
	struct buf body OWN(buf_done);
	int r;

	buf_init(&body, IMAGE_RECORD_MAX);
	image_encode(image, &body);
	r = buf_error(&body);
	if (r < 0)
		return err_set(err, r, "the image's settings are over %d bytes", IMAGE_RECORD_MAX);
	send_reply(job, flags, buf_str(&body));
	return 0;
}

/* ---- jobs ---- */

static int run_pull(struct job *job, struct str body, struct str system_ca, struct err *err)
{
	const struct pull_sink sink = { ask_blob, send_end, take_end, tell_progress,
					ask_need, job,	    job->fd };
	struct arena arena OWN(arena_done);
	struct pull_start start;
	struct image image;
	int r;

	arena_init(&arena, SERVE_ARENA_MAX);
	r = pull_start_decode(body, &arena, &start, err);
	if (r == 0)
		r = pull_image(&start, system_ca, &sink, &arena, &image, err);
	if (r == 1)
		send_reply(job, 0, start.known);
	return r != 0 ? r : send_record(job, 0, &image, err);
}

static int open_source(void *owner, const struct digest *digest, uint64_t *ret_size,
		       struct err *err)
{
	struct msg reply = { 0 };
	struct wire in;
	int r = ask(owner, PULL_MSG_SOURCE, str_make(digest, sizeof(*digest)), &reply, err);

	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	*ret_size = wire_u64(&in);
	r = wire_end(&in) < 0 ? -EBADMSG : msg_take_fd(&reply, 0);
	msg_done(&reply);
	return r >= 0 ? r : err_set(err, -EBADMSG, "no file came for a blob");
}

static int run_push(struct job *job, struct str body, struct str system_ca, struct err *err)
{
	const struct push_source source = { open_source, tell_progress, job };
	struct arena arena OWN(arena_done);
	struct pull_start start;
	struct digest manifest;
	int r;

	arena_init(&arena, SERVE_ARENA_MAX);
	r = pull_start_decode(body, &arena, &start, err);
	if (r == 0)
		r = push_image(&start, system_ca, &source, &arena, &manifest, err);
	if (r == 0)
		send_reply(job, 0, str_make(&manifest, sizeof(manifest)));
	return r;
}

static int run_save(struct job *job, struct str body, int out_fd, struct err *err)
{
	const struct push_source source = { open_source, tell_progress, job };
	struct buf reply OWN(buf_done) = { 0 };
	struct pull_save save;
	uint64_t bytes = 0;
	int r = pull_save_decode(body, &save, err);

	if (r == 0 && out_fd < 0)
		r = err_set(err, -EBADMSG, "no file came to save into");
	if (r == 0)
		r = save_images(out_fd, &save, &source, &bytes, err);
	if (r < 0)
		return r;
	buf_init(&reply, 16);
	wire_put_u64(&reply, bytes);
	send_reply(job, 0, buf_str(&reply));
	return 0;
}

static int on_image(void *owner, const struct image *image, struct err *err)
{
	return send_record(owner, MSG_FLAG_MORE, image, err);
}

/* An archive that only flows is kept in the unnamed file first: its parts are read out of order. */
static int make_seekable(int *archive_fd, int *spool_fd, struct err *err)
{
	static char block[128 << 10];
	ssize_t n = 1;
	int r = 0;

	if (*spool_fd < 0 || lseek(*archive_fd, 0, SEEK_CUR) >= 0)
		return 0;
	while (r >= 0 && n > 0) {
		n = read(*archive_fd, block, sizeof(block));
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			r = err_sys(err, -errno, "read the archive");
		else if (n > 0)
			r = fs_write_fd(*spool_fd, block, (size_t)n, err);
	}
	own_close(archive_fd);
	*archive_fd = take_fd(spool_fd);
	return r;
}

static const char document_types[] = OCI_MEDIA_INDEX
	", " OCI_MEDIA_MANIFEST ", " OCI_MEDIA_DOCKER_LIST ", " OCI_MEDIA_DOCKER_MANIFEST;

/* One document, read whole; what stands in it is for who asked. */
static int send_document(struct job *job, struct session *session,
			 const struct session_request *request, struct err *err)
{
	struct client_response response;
	struct buf text OWN(buf_done), reply OWN(buf_done);
	int r = session_get(session, request, &response, err);

	buf_init(&text, PULL_DOCUMENT_MAX);
	buf_init(&reply, PULL_DOCUMENT_MAX + 4096);
	if (r < 0)
		return r;
	wire_put_str(&reply, http_field(&response.head, "Content-Type"));
	wire_put_str(&reply, http_field(&response.head, "Docker-Content-Digest"));
	r = client_read_all(&response, PULL_DOCUMENT_MAX, &text, err);
	client_finish(&response);
	if (r < 0)
		return r;
	wire_put_str(&reply, buf_str(&text));
	send_reply(job, 0, buf_str(&reply));
	return 0;
}

static int run_document(struct job *job, struct str body, struct str system_ca, struct err *err)
{
	struct session_request request = { .kind = "manifests", .accept = document_types };
	struct arena arena OWN(arena_done);
	struct places places;
	struct pull_start start;
	struct oci_reference reference;
	struct session *session;
	char digest[DIGEST_TEXT_MAX], place[PULL_PLACE_MAX];
	struct wire in;
	int r;

	arena_init(&arena, SERVE_ARENA_MAX);
	wire_init(&in, body.ptr, body.len);
	wire_text(&in, place, sizeof(place));
	if (in.error)
		return err_set(err, -EBADMSG, "malformed request for a document");
	r = pull_start_decode(str_make(in.ptr, in.left), &arena, &start, err);
	if (r == 0)
		r = oci_reference_parse(str_from(start.reference), &reference, err);
	if (r < 0)
		return r;
	request.place = *place ? place : NULL;
	request.name =
		reference.has_digest ? digest_text(&reference.digest, digest) : reference.tag;
	places_init(&places, &start, &reference, system_ca, &arena);
	r = place_open(&places, places.count - 1, &session, err);
	if (r == 0)
		r = send_document(job, session, &request, err);
	if (r < 0)
		r = place_explain(&places, places.count - 1, r, err);
	places_done(&places);
	return r;
}

static int run_fetch(struct job *job, struct str body, struct str system_ca, int out_fd,
		     struct err *err)
{
	struct arena arena OWN(arena_done);
	struct buf reply OWN(buf_done) = { 0 };
	struct pull_start settings;
	struct fetched fetched;
	char url[URL_MAX];
	uint64_t most;
	struct wire in;
	int r;

	arena_init(&arena, SERVE_ARENA_MAX);
	wire_init(&in, body.ptr, body.len);
	wire_text(&in, url, sizeof(url));
	most = wire_u64(&in);
	if (in.error || out_fd < 0)
		return err_set(err, -EBADMSG, "malformed request for a file");
	r = pull_start_decode(str_make(in.ptr, in.left), &arena, &settings, err);
	if (r == 0)
		r = fetch_url(url, &settings, system_ca, most, out_fd, &fetched, err);
	if (r < 0)
		return r;
	buf_init(&reply, 32);
	wire_put_u64(&reply, fetched.size);
	wire_put_i64(&reply, fetched.mtime_s);
	send_reply(job, 0, buf_str(&reply));
	return 0;
}

static int run_git(struct job *job, struct str body, struct str system_ca, int out_fd,
		   struct err *err)
{
	struct buf reply OWN(buf_done) = { 0 };
	int r;

	buf_init(&reply, 1024);
	r = git_serve(body, system_ca, out_fd, &reply, err);
	if (r == 0)
		send_reply(job, 0, buf_str(&reply));
	return r;
}

static int run_cache(struct job *job, struct str body, struct str system_ca, struct err *err)
{
	struct buf reply OWN(buf_done) = { 0 };
	int r;

	buf_init(&reply, PULL_DOCUMENT_MAX);
	r = serve_cache_steps(body, system_ca, &reply, err);
	if (r == 0)
		send_reply(job, 0, buf_str(&reply));
	return r;
}

static int run_cache_layer(struct job *job, struct str body, struct str system_ca, struct err *err)
{
	const struct pull_sink sink = { ask_blob, send_end, take_end, tell_progress,
					ask_need, job,	    job->fd };
	int r = serve_cache_layer(body, system_ca, &sink, err);

	if (r == 0)
		send_reply(job, 0, STR(""));
	return r;
}

static int run_load(struct job *job, struct str body, int archive_fd, struct err *err)
{
	const struct pull_sink sink = { ask_blob, send_end, take_end, tell_progress,
					NULL,	  job,	    job->fd };
	struct arena arena OWN(arena_done);
	struct pull_archive wanted;
	struct buf count OWN(buf_done);
	int r;

	arena_init(&arena, SERVE_ARENA_MAX);
	buf_init(&count, 16);
	r = pull_archive_decode(body, &arena, &wanted, err);
	if (r == 0 && archive_fd < 0)
		r = err_set(err, -EBADMSG, "no archive came with the call");
	if (r == 0)
		r = archive_load(archive_fd, &wanted, &sink, on_image, job, err);
	if (r < 0)
		return r;
	wire_put_u32(&count, (uint32_t)r);
	send_reply(job, 0, buf_str(&count));
	return 0;
}

/* The next call: 1, 0 = the other side is gone. */
static int next_call(int fd, struct msg *ret_msg)
{
	struct pollfd watch = { .fd = fd, .events = POLLIN };
	struct err err = { 0 };
	int r;

	for (;;) {
		r = msg_recv(fd, ret_msg, &err);
		if (r == -EAGAIN) {
			(void)poll(&watch, 1, -1);
			continue;
		}
		if (r < 0)
			log_err("%s", err_text(&err));
		return r > 0;
	}
}

static int run_job(struct job *job, struct str body, struct str system_ca, int *fd, int *spool_fd,
		   struct err *err)
{
	int r;

	if (job->type == PULL_MSG_SAVE) {
		r = run_save(job, body, *fd, err);
		own_close(fd); /* whoever reads the archive waits for its end */
		return r;
	}
	if (job->type == PULL_MSG_START)
		return run_pull(job, body, system_ca, err);
	if (job->type == PULL_MSG_PUSH)
		return run_push(job, body, system_ca, err);
	if (job->type == PULL_MSG_DOCUMENT)
		return run_document(job, body, system_ca, err);
	if (job->type == PULL_MSG_CACHE)
		return run_cache(job, body, system_ca, err);
	if (job->type == PULL_MSG_CACHE_LAYER)
		return run_cache_layer(job, body, system_ca, err);
	if (job->type == PULL_MSG_FETCH)
		return run_fetch(job, body, system_ca, *fd, err);
	if (job->type == PULL_MSG_GIT)
		return run_git(job, body, system_ca, *fd, err);
	r = make_seekable(fd, spool_fd, err);
	return r < 0 ? r : run_load(job, body, *fd, err);
}

/* What a job needs of its call is copied: the receive buffer serves the answers that come next. */
static bool is_served(uint16_t type, uint16_t first, uint16_t other)
{
	bool pulls = first == PULL_MSG_START;

	return type == first || type == other ||
	       (pulls &&
		(type == PULL_MSG_DOCUMENT || type == PULL_MSG_FETCH || type == PULL_MSG_GIT ||
		 type == PULL_MSG_CACHE || type == PULL_MSG_CACHE_LAYER));
}

static int serve(int fd, uint16_t type, uint16_t other, struct str system_ca)
{
	struct msg msg = { 0 };

	while (next_call(fd, &msg)) {
		struct job job = { .fd = fd, .serial = msg.serial, .type = msg.type };
		OWN_FD int archive_fd = msg_take_fd(&msg, 0);
		OWN_FD int spool_fd = msg_take_fd(&msg, 1);
		struct buf body OWN(buf_done);
		struct err err = { 0 };
		int r = 0;

		buf_init(&body, PULL_START_MAX);
		buf_add_str(&body, msg.body);
		if (!(msg.flags & MSG_FLAG_CALL) || !is_served(msg.type, type, other))
			r = err_set(&err, -EBADMSG, "a message of type %u is not taken here",
				    msg.type);
		else if (buf_error(&body))
			r = err_set(&err, buf_error(&body), "a call that is too long");
		msg_done(&msg);
		if (r == 0)
			r = run_job(&job, buf_str(&body), system_ca, &archive_fd, &spool_fd, &err);
		if (r < 0)
			send_error(&job, &err);
	}
	return 0;
}

int serve_pull(int fd, struct str system_ca)
{
	return serve(fd, PULL_MSG_START, PULL_MSG_PUSH, system_ca);
}

int serve_load(int fd)
{
	return serve(fd, PULL_MSG_ARCHIVE, PULL_MSG_SAVE, (struct str){ 0 });
}
