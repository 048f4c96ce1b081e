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
#include "engine/registry/ask.h"
#include "engine/registry/feed.h"
#include "engine/registry/fetch.h"
#include "engine/registry/git.h"
#include "engine/registry/place.h"
#include "engine/registry/pull.h"
#include "engine/registry/push.h"
#include "engine/registry/referrers.h"
#include "engine/registry/save.h"
#include "engine/registry/serve_cache.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/msg.h"
#include "lib/own.h"

enum {
	SERVE_ARENA_MAX = 64 << 20,
};

struct job {
	struct ask ask;
	uint32_t serial;
	uint16_t type;
};

/* ---- answers ---- */

static void send_reply(const struct job *job, uint16_t flags, struct str body)
{
	struct msg msg = { .type = job->type,
			   .flags = (uint16_t)(MSG_FLAG_REPLY | flags),
			   .serial = job->serial,
			   .body = body };
	struct err err = { 0 };

	if (msg_send(job->ask.fd, &msg, &err) < 0)
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
	const struct pull_sink sink = ask_sink(&job->ask);
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

static int run_push(struct job *job, struct str body, struct str system_ca, struct err *err)
{
	const struct push_source source = ask_source(&job->ask);
	struct arena arena OWN(arena_done);
	struct pull_start start;
	struct buf reply OWN(buf_done) = { 0 };
	struct digest manifest;
	uint64_t bytes;
	int r;

	arena_init(&arena, SERVE_ARENA_MAX);
	r = pull_start_decode(body, &arena, &start, err);
	if (r == 0)
		r = push_image(&start, system_ca, &source, &arena, &manifest, &bytes, err);
	if (r < 0)
		return r;
	buf_init(&reply, 64);
	wire_put_bytes(&reply, manifest.bytes, sizeof(manifest.bytes));
	wire_put_u64(&reply, bytes);
	send_reply(job, 0, buf_str(&reply));
	return 0;
}

static int run_save(struct job *job, struct str body, int out_fd, struct err *err)
{
	const struct push_source source = ask_source(&job->ask);
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

static int run_referrers(struct job *job, struct str body, struct str system_ca, struct err *err)
{
	struct buf reply OWN(buf_done) = { 0 };
	int r;

	buf_init(&reply, PULL_DOCUMENT_MAX);
	r = referrers_serve(body, system_ca, &reply, err);
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
	const struct pull_sink sink = ask_sink(&job->ask);
	int r = serve_cache_layer(body, system_ca, &sink, err);

	if (r == 0)
		send_reply(job, 0, STR(""));
	return r;
}

static int run_load(struct job *job, struct str body, int archive_fd, struct err *err)
{
	struct pull_sink sink = ask_sink(&job->ask);
	struct arena arena OWN(arena_done);
	struct pull_archive wanted;
	struct buf count OWN(buf_done);
	int r;

	sink.need = NULL; /* the archive is here already */
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
	if (job->type == PULL_MSG_REFERRERS)
		return run_referrers(job, body, system_ca, err);
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
	       (pulls && (type == PULL_MSG_DOCUMENT || type == PULL_MSG_FETCH ||
			  type == PULL_MSG_GIT || type == PULL_MSG_REFERRERS ||
			  type == PULL_MSG_CACHE || type == PULL_MSG_CACHE_LAYER));
}

static int serve(int fd, uint16_t type, uint16_t other, struct str system_ca)
{
	struct msg msg = { 0 };

	while (next_call(fd, &msg)) {
		struct job job = { .ask = { .fd = fd }, .serial = msg.serial, .type = msg.type };
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
