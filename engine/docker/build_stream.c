/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to POST /build: engine main's lines and what the steps print, as Docker's stream of
 * JSON objects. Runs in the api role. Must never say that an image was built before engine main
 * did.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/docker/build.h"
#include "engine/docker/progress.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

enum { BUILD_PIECE = 2048, BUILD_SHORT_ID = 12 };

/* Text for the client; with -q it is kept for the case that the build fails. */
static void put_text(struct build *build, struct str text)
{
	if (build->gone)
		return;
	if (build->quiet)
		(void)buf_add_str(&build->kept, text);
	else
		docker_put_stream(build->client, text);
}

static void put_line(struct build *build, const char *text, const char *more)
{
	struct buf line OWN(buf_done) = { 0 };

	buf_init(&line, 16384);
	(void)buf_printf(&line, "%s%s\n", text, more);
	put_text(build, buf_str(&line));
}

static void put_kept(const struct build *build)
{
	struct str rest = buf_str(&build->kept), line;

	while (!build->gone && str_cut(&rest, '\n', &line)) {
		char text[BUILD_PIECE + 1];
		size_t n = line.len < BUILD_PIECE ? line.len : BUILD_PIECE;

		memcpy(text, line.ptr, n);
		text[n] = '\n';
		docker_put_stream(build->client, str_make(text, n + 1));
	}
}

/* ---- the end ---- */

static void tell_image(struct build *build, const char *image)
{
	struct docker_client *client = build->client;
	struct oci_reference reference;
	char name[OCI_REFERENCE_MAX], id[BUILD_SHORT_ID + 1] = "";

	if (build->quiet) {
		build->quiet = false;
		put_line(build, image, "");
		return;
	}
	docker_put_aux_id(client, image);
	if (strlen(image) > 7 + BUILD_SHORT_ID)
		(void)str_copy(str_make(image + 7, BUILD_SHORT_ID), id, sizeof(id));
	put_line(build, "Successfully built ", id);
	for (uint32_t i = 0; !build->gone && i < build->wanted.name_count; i++) {
		if (oci_reference_parse(str_from(build->wanted.names[i]), &reference, NULL) >= 0)
			put_line(build, "Successfully tagged ",
				 oci_reference_familiar(&reference, name));
	}
}

/* Docker's words where a command failed; its exit status becomes the client's own. */
static void tell_failure(struct build *build, const struct err *err)
{
	struct docker_client *client = build->client;
	struct buf text OWN(buf_done) = { 0 };

	put_kept(build);
	if (build->gone)
		return;
	if (!build->failed_status) {
		if (client->streaming)
			docker_put_failure(client, err);
		else
			docker_reply_err(client, err);
		return;
	}
	buf_init(&text, IMAGE_TEXT_MAX + 128);
	(void)buf_printf(&text, "The command '%s' returned a non-zero code: %d",
			 build->failed_command, (int)build->failed_status);
	docker_put_failure_code(client, buf_text(&text), build->failed_status);
}

/* ---- on the way ---- */

static void tell_line(struct build *build, const char *text)
{
	struct docker_client *client = build->client;

	if (!strncmp(text, "Step ", 5)) {
		put_text(build, str_from(text));
		put_text(build, STR("\n"));
	} else if (!strncmp(text, " ---> ", 6)) {
		put_line(build, text, "");
	} else if (strncmp(text, "FROM ", 5) != 0 && !build->quiet && !docker_stream_full(client)) {
		docker_put_status(client, str_from(text)); /* of a pull; it may be left out */
	}
}

/* Bytes at the front of s that are one piece: whole characters, no more than an object takes. */
static size_t piece(struct str s)
{
	size_t n = BUILD_PIECE;

	if (s.len <= n)
		return s.len;
	while (n > BUILD_PIECE - 4 && ((uint8_t)s.ptr[n] & 0xC0) == 0x80)
		n--;
	return n;
}

/* A client that does not keep up loses some of the output, as it may with BuildKit. */
static void tell_output(struct build *build, struct str text, bool is_stderr)
{
	struct buf marked OWN(buf_done) = { 0 };
	bool full = docker_stream_full(build->client);

	if (full && !build->clipped)
		put_text(build, STR("[output clipped: it is not read fast enough]\n"));
	build->clipped = full;
	buf_init(&marked, BUILD_PIECE + 16);
	while (!full && text.len) {
		size_t n = piece(text);

		buf_clear(&marked);
		(void)buf_printf(&marked, is_stderr ? "\033[91m%.*s\033[0m" : "%.*s", (int)n,
				 text.ptr);
		put_text(build, buf_str(&marked));
		text = str_skip(text, n);
	}
}

struct str docker_build_output(struct str text, struct json_doc *ret_doc)
{
	struct buf quoted OWN(buf_done) = { 0 };

	*ret_doc = (struct json_doc){ 0 };
	buf_init(&quoted, JSON_TEXT_MAX);
	(void)buf_add_byte(&quoted, '"');
	(void)buf_add_str(&quoted, text);
	(void)buf_add_byte(&quoted, '"');
	if (json_parse(buf_str(&quoted), JSON_TEXT_MAX, ret_doc, NULL) >= 0)
		return json_str(ret_doc->root);
	return text;
}

static void take_output(struct build *build, struct str text, bool is_stderr)
{
	struct json_doc doc;

	tell_output(build, docker_build_output(text, &doc), is_stderr);
	json_done(&doc);
}

static void take_note(struct build *build, struct wire *in)
{
	uint8_t kind = wire_u8(in);
	struct str text;
	char line[4096];

	(void)wire_u32(in); /* the step: lines are told as they come */
	text = wire_str(in, BUILD_CALL_VALUE_MAX);
	if (in->error)
		return;
	(void)str_copy(str_head(text, sizeof(line) - 1), line, sizeof(line));
	if (kind == BUILD_NOTE_STDOUT || kind == BUILD_NOTE_STDERR)
		take_output(build, text, kind == BUILD_NOTE_STDERR);
	else if (kind == BUILD_NOTE_WARNING)
		put_line(build, "[Warning] ", line + (strncmp(line, "warning: ", 9) ? 0 : 9));
	else if (kind != BUILD_NOTE_DONE)
		tell_line(build, line);
}

/* ---- what engine main says ---- */

static void take_said(struct build *build, struct msg *reply)
{
	const char *command;
	struct wire in;
	uint8_t kind;

	wire_init(&in, reply->body.ptr, reply->body.len);
	kind = wire_u8(&in);
	if (kind == ENGINE_CONTEXT_NOTE)
		take_note(build, &in);
	if (kind != ENGINE_CONTEXT_FAILED)
		return;
	build->failed_status = (int32_t)wire_u32(&in);
	command = arena_text(&build->client->arena, wire_str(&in, IMAGE_TEXT_MAX));
	build->failed_command = command ? command : "";
}

void build_on_said(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct build *build = client->work;
	char id[128];
	struct wire in;

	(void)peer;
	if (reply && (reply->flags & MSG_FLAG_MORE)) {
		take_said(build, reply);
		return;
	}
	build->answered = true;
	if (!reply) {
		tell_failure(build, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	wire_text(&in, id, sizeof(id));
	tell_image(build, id);
	if (!build->gone)
		docker_stream_end(client);
}

static void build_bury(struct loop_timer *timer)
{
	struct build *build = timer->owner;

	buf_done(&build->kept);
	free(build);
}

void docker_build_cancel(struct msg_peer *to_main, uint64_t token)
{
	struct buf body OWN(buf_done) = { 0 };

	if (!msg_peer_alive(to_main))
		return;
	buf_init(&body, 16);
	wire_put_u64(&body, token);
	/*
	 * At once, for a build that engine main has: it may be what takes the place of a call. And
	 * as a call: a build that still waits for its place is asked for only then, before this.
	 */
	(void)msg_peer_send(to_main, ENGINE_MSG_BUILD_CANCEL, buf_str(&body), NULL, 0, NULL);
	(void)msg_peer_call(to_main, ENGINE_MSG_BUILD_CANCEL, buf_str(&body), NULL, 0, NULL, NULL,
			    NULL);
}

static void build_free_work(void *work)
{
	struct build *build = work;

	if (!build->answered)
		docker_build_cancel(build->client->server->main, build->wanted.token);
	build->gone = true;
	loop_timer_set(build->client->server->loop, &build->burial, 0, build_bury, build);
}

struct build *build_new_work(struct docker_client *client)
{
	struct build *build = calloc(1, sizeof(*build));

	if (!build)
		return NULL;
	build->client = client;
	buf_init(&build->kept, 1 << 20);
	client->work = build;
	client->work_free = build_free_work;
	return build;
}
