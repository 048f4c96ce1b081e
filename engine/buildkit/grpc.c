/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC over HTTP/2, both sides of it, on connections that clients of the API gave up for it. Runs
 * in the api role. Must never keep more of a peer's bytes than one message of each call, and
 * GRPC_KEPT_MAX or GRPC_SERVED_KEPT_MAX of all.
 */
#include "engine/buildkit/grpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "engine/docker/base64.h"
#include "engine/docker/text.h"
#include "lib/own.h"

enum { GRPC_HEAD = 5, GRPC_WINDOW = 1 << 20, GRPC_FIELDS_MAX = 128 };

#define NV(n, v)                                                                            \
	{                                                                                   \
		(uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), \
			NGHTTP2_NV_FLAG_NONE                                                \
	}

/* ---- calls ---- */

static struct grpc_call *call_new(struct grpc *grpc, int32_t stream, uint32_t message_max)
{
	struct grpc_call *call = grpc->count < GRPC_CALLS_MAX ? calloc(1, sizeof(*call)) : NULL;

	if (!call)
		return NULL;
	call->grpc = grpc;
	call->stream = stream;
	call->status = GRPC_UNKNOWN;
	buf_init(&call->headers, GRPC_HEADERS_MAX);
	call->message_max = message_max;
	/* A whole message, and what came behind it or while the call was held. */
	buf_init(&call->in, message_max + GRPC_HEAD + GRPC_WINDOW);
	buf_init(&call->out, GRPC_OUT_MAX);
	buf_init(&call->details, GRPC_DETAILS_MAX);
	call->next = grpc->calls;
	grpc->calls = call;
	grpc->count++;
	return call;
}

static void call_free(struct grpc_call *call)
{
	struct grpc_call **at = &call->grpc->calls;

	while (*at && *at != call)
		at = &(*at)->next;
	if (*at)
		*at = call->next;
	call->grpc->count--;
	buf_done(&call->headers);
	buf_done(&call->in);
	buf_done(&call->out);
	buf_done(&call->details);
	free(call);
}

const char *grpc_header(const struct grpc_call *call, const char *name)
{
	size_t at = 0;

	while (at < call->headers.len) {
		const char *key = call->headers.data + at;
		const char *value = key + strlen(key) + 1;

		if (!strcmp(key, name))
			return value;
		at += strlen(key) + strlen(value) + 2;
	}
	return "";
}

/* ---- sending ---- */

/* No call is freed meanwhile: they go within calls of nghttp2. */
static void tell_room(const struct grpc *grpc)
{
	for (struct grpc_call *call = grpc->calls; call; call = call->next) {
		if (call->room && call->out.len < GRPC_OUT_LOW)
			call->room(call);
	}
}

static void on_flush(struct loop_timer *timer)
{
	struct grpc *grpc = timer->owner;
	struct docker_client *client = grpc->client;

	while (!docker_stream_full(client)) {
		const uint8_t *data;
		nghttp2_ssize n = nghttp2_session_mem_send2(grpc->session, &data);

		if (n <= 0)
			break;
		(void)buf_add(&client->out, data, (size_t)n);
	}
	if (!nghttp2_session_want_read(grpc->session) && !nghttp2_session_want_write(grpc->session))
		client->closing = true;
	tell_room(grpc);
	docker_flush(client);
}

static void flush(struct grpc *grpc)
{
	if (!grpc->gone)
		loop_timer_set(grpc->client->server->loop, &grpc->flush, 0, on_flush, grpc);
}

static nghttp2_ssize on_read(nghttp2_session *session, int32_t stream, uint8_t *dst, size_t cap,
			     uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct grpc_call *call = source->ptr;
	size_t n = call->out.len < cap ? call->out.len : cap;
	char status[16];

	(void)user;
	memcpy(dst, call->out.data ? call->out.data : "", n);
	buf_consume(&call->out, n);
	if (call->out.len)
		return (nghttp2_ssize)n;
	if (!call->ending)
		return n ? (nghttp2_ssize)n : NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (!call->answered)
		return (nghttp2_ssize)n;
	*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	(void)snprintf(status, sizeof(status), "%u", call->status);
	const nghttp2_nv trailers[] = { NV("grpc-status", status), NV("grpc-message", call->text),
					NV("grpc-status-details-bin", buf_text(&call->details)) };
	(void)nghttp2_submit_trailer(session, stream, trailers, call->details.len ? 3 : 2);
	return (nghttp2_ssize)n;
}

static void resume(struct grpc_call *call)
{
	(void)nghttp2_session_resume_data(call->grpc->session, call->stream);
	flush(call->grpc);
}

void grpc_send(struct grpc_call *call, struct str message)
{
	const uint8_t head[GRPC_HEAD] = { 0, (uint8_t)(message.len >> 24),
					  (uint8_t)(message.len >> 16), (uint8_t)(message.len >> 8),
					  (uint8_t)message.len };

	(void)buf_add(&call->out, head, sizeof(head));
	(void)buf_add_str(&call->out, message);
	resume(call);
}

void grpc_end(struct grpc_call *call)
{
	call->ending = true;
	resume(call);
}

/* What a header may hold; the rest is written as gRPC does, in percent signs. */
static void put_text(struct grpc_call *call, const char *text)
{
	size_t at = 0;

	for (; *text && at + 4 < sizeof(call->text); text++) {
		if (*text < ' ' || *text > '~' || *text == '%')
			at += (size_t)snprintf(call->text + at, 4, "%%%02X", (uint8_t)*text);
		else
			call->text[at++] = *text;
	}
	call->text[at] = 0;
}

void grpc_finish_with(struct grpc_call *call, uint32_t status, const char *text, struct str details)
{
	if (call->ending)
		return;
	docker_base64_encode(details, &call->details);
	if (buf_error(&call->details))
		buf_clear(&call->details);
	call->status = status;
	put_text(call, text);
	call->answered = call->ending = true;
	resume(call);
}

void grpc_finish(struct grpc_call *call, uint32_t status, const char *text)
{
	grpc_finish_with(call, status, text, STR(""));
}

void grpc_answer(struct grpc_call *call, struct str message)
{
	grpc_send(call, message);
	grpc_finish(call, GRPC_OK, "");
}

void grpc_cancel(struct grpc_call *call)
{
	struct grpc *grpc = call->grpc;

	call->message = NULL;
	call->ended = call->closed = call->room = NULL;
	(void)nghttp2_submit_rst_stream(grpc->session, NGHTTP2_FLAG_NONE, call->stream,
					NGHTTP2_CANCEL);
	flush(grpc);
}

struct grpc_call *grpc_call(struct grpc *grpc, const char *path, const char *const *headers)
{
	nghttp2_nv fields[GRPC_FIELDS_MAX] = { NV(":method", "POST"),
					       NV(":scheme", "http"),
					       NV(":path", path),
					       NV(":authority", "localhost"),
					       NV("content-type", "application/grpc"),
					       NV("te", "trailers") };
	struct grpc_call *call = call_new(grpc, 0, GRPC_MESSAGE_MAX);
	nghttp2_data_provider2 data = { .source.ptr = call, .read_callback = on_read };
	size_t count = 6;

	for (; headers && *headers && count < ARRAY_LEN(fields); headers += 2)
		fields[count++] = (nghttp2_nv)NV(headers[0], headers[1]);
	if (!call || (headers && *headers)) {
		if (call)
			call_free(call);
		return NULL;
	}
	call->stream = nghttp2_submit_request2(grpc->session, NULL, fields, count, &data, call);
	if (call->stream < 0) {
		call_free(call);
		return NULL;
	}
	flush(grpc);
	return call;
}

/* ---- receiving ---- */

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct grpc_call *call;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	call = call_new(user, frame->hd.stream_id, GRPC_SERVED_MAX);
	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *user)
{
	struct grpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct str key = str_make((const char *)name, name_len);
	struct str text = str_make((const char *)value, value_len);
	uint64_t status;

	(void)flags;
	(void)user;
	if (!call)
		return 0;
	if (str_is(key, ":path"))
		return str_copy(text, call->path, sizeof(call->path)) < 0
			       ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
			       : 0;
	if (str_is(key, "grpc-status") && str_to_u64(text, 0, 255, &status) >= 0)
		call->status = (uint32_t)status;
	if (str_is(key, "grpc-message"))
		(void)str_copy(str_head(text, sizeof(call->text) - 1), call->text,
			       sizeof(call->text));
	if (memchr(name, 0, name_len) || memchr(value, 0, value_len))
		return 0;
	(void)buf_add(&call->headers, name, name_len);
	(void)buf_add_byte(&call->headers, 0);
	(void)buf_add(&call->headers, value, value_len);
	(void)buf_add_byte(&call->headers, 0);
	return buf_error(&call->headers) ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

/* The head of the answer; its messages and its status come as they are there. */
static void begin_answer(struct grpc_call *call)
{
	char text[DOCKER_TIME_MAX];
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	/* The last one is what clients count the time of a build by that is not over. */
	const nghttp2_nv fields[] = {
		NV(":status", "200"), NV("content-type", "application/grpc"),
		NV("buildkit-current-timestamp",
		   docker_time_nano((int64_t)now.tv_sec * 1000000000 + now.tv_nsec, text))
	};
	const nghttp2_data_provider2 data = { .source.ptr = call, .read_callback = on_read };

	(void)nghttp2_submit_response2(call->grpc->session, call->stream, fields, ARRAY_LEN(fields),
				       &data);
	call->grpc->serve(call);
}

/* The call ends, and nothing that comes for it yet is kept. */
static void reset(struct grpc_call *call, uint32_t code)
{
	call->message = NULL;
	buf_done(&call->in);
	(void)nghttp2_submit_rst_stream(call->grpc->session, NGHTTP2_FLAG_NONE, call->stream, code);
	flush(call->grpc);
}

/* A message that is compressed (nobody offered that) or too long ends its call. */
static bool head_is_sound(const struct grpc_call *call, const uint8_t *head, size_t *ret_len)
{
	*ret_len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
	return !head[0] && *ret_len <= call->message_max;
}

static void take_messages(struct grpc_call *call)
{
	size_t at = 0, len;

	while (!call->held && call->in.len - at >= GRPC_HEAD) {
		if (!head_is_sound(call, (const uint8_t *)call->in.data + at, &len)) {
			reset(call, NGHTTP2_PROTOCOL_ERROR);
			return;
		}
		if (call->in.len - at < GRPC_HEAD + len)
			break;
		at += GRPC_HEAD + len;
		if (call->message)
			call->message(call, str_make(call->in.data + at - len, len));
	}
	if (call->message)
		buf_consume(&call->in, at);
	else
		buf_done(&call->in);
}

static void tell_end(struct grpc_call *call)
{
	if (call->remote_ended && !call->held && call->ended) {
		void (*ended)(struct grpc_call * ended_call) = call->ended;

		call->ended = NULL;
		ended(call);
	}
}

void grpc_hold(struct grpc_call *call, bool held)
{
	nghttp2_session *session = call->grpc->session;

	call->held = held;
	if (held)
		return;
	take_messages(call);
	if (call->held)
		return;
	if (call->unconsumed)
		(void)nghttp2_session_consume_stream(session, call->stream, call->unconsumed);
	call->unconsumed = 0;
	tell_end(call);
	flush(call->grpc);
}

void grpc_drain(struct grpc_call *call)
{
	call->held = false;
	take_messages(call);
}

/* What all calls of a connection make us keep. */
static size_t kept(const struct grpc *grpc)
{
	size_t bytes = 0;

	for (const struct grpc_call *call = grpc->calls; call; call = call->next)
		bytes += call->in.len;
	return bytes;
}

/* Dropped where nobody waits for messages (any more). */
static void keep_data(struct grpc_call *call, const uint8_t *data, size_t len)
{
	size_t max = nghttp2_session_check_server_session(call->grpc->session)
			     ? GRPC_SERVED_KEPT_MAX
			     : GRPC_KEPT_MAX;

	if (!call->message)
		return;
	if (kept(call->grpc) + len > max || buf_add(&call->in, data, len) < 0) {
		reset(call, NGHTTP2_ENHANCE_YOUR_CALM);
		return;
	}
	take_messages(call);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
		   size_t len, void *user)
{
	struct grpc_call *call = nghttp2_session_get_stream_user_data(session, stream);

	(void)flags;
	(void)user;
	(void)nghttp2_session_consume_connection(session, len);
	if (!call)
		return 0;
	keep_data(call, data, len);
	if (call->held)
		call->unconsumed += len;
	else
		(void)nghttp2_session_consume_stream(session, stream, len);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct grpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)user;
	if (!call || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		begin_answer(call);
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
		call->remote_ended = true;
		tell_end(call);
	}
	return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
	struct grpc_call *call = nghttp2_session_get_stream_user_data(session, stream);

	(void)user;
	if (!call)
		return 0;
	if (code && call->status == GRPC_UNKNOWN && !*call->text)
		call->status = code == NGHTTP2_CANCEL ? GRPC_CANCELED : GRPC_INTERNAL;
	if (call->closed)
		call->closed(call);
	(void)nghttp2_session_set_stream_user_data(session, stream, NULL);
	call_free(call);
	return 0;
}

static void on_input(struct docker_client *client)
{
	struct grpc *grpc = client->work;
	nghttp2_ssize n = nghttp2_session_mem_recv2(grpc->session, (const uint8_t *)client->in.data,
						    client->in.len);

	buf_clear(&client->in);
	if (n < 0 || client->input_ended)
		docker_close(client);
	else
		flush(grpc);
}

static void on_room(struct docker_client *client)
{
	flush(client->work);
}

/* ---- the connection ---- */

static void grpc_bury(struct loop_timer *timer)
{
	struct grpc *grpc = timer->owner;

	nghttp2_session_del(grpc->session);
	free(grpc);
}

static void grpc_lost(void *work)
{
	struct grpc *grpc = work;

	grpc->gone = true;
	while (grpc->calls) {
		struct grpc_call *call = grpc->calls;

		call->status = GRPC_UNAVAILABLE;
		if (call->closed)
			call->closed(call);
		(void)nghttp2_session_set_stream_user_data(grpc->session, call->stream, NULL);
		call_free(call);
	}
	if (grpc->lost)
		grpc->lost(grpc);
	loop_timer_stop(grpc->client->server->loop, &grpc->flush);
	loop_timer_set(grpc->client->server->loop, &grpc->burial, 0, grpc_bury, grpc);
}

static int submit_settings(nghttp2_session *session, bool server)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, GRPC_CALLS_MAX },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_WINDOW },
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 }
	};
	int r = nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, server ? 2 : 3);

	if (r >= 0)
		r = nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
							  GRPC_WINDOW);
	return r < 0 ? -ENOMEM : 0;
}

static int open_session(struct grpc *grpc, bool server)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	int r;

	if (nghttp2_session_callbacks_new(&callbacks) < 0)
		return -ENOMEM;
	if (nghttp2_option_new(&option) < 0) {
		nghttp2_session_callbacks_del(callbacks);
		return -ENOMEM;
	}
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	r = server ? nghttp2_session_server_new2(&grpc->session, callbacks, grpc, option)
		   : nghttp2_session_client_new2(&grpc->session, callbacks, grpc, option);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
	return r < 0 ? -ENOMEM : submit_settings(grpc->session, server);
}

struct grpc *grpc_take(struct docker_client *client, bool server)
{
	struct grpc *grpc = calloc(1, sizeof(*grpc));

	if (!grpc || open_session(grpc, server) < 0) {
		if (grpc)
			nghttp2_session_del(grpc->session);
		free(grpc);
		docker_reply_error(client, 500, "no memory for a request");
		return NULL;
	}
	grpc->client = client;
	client->work = grpc;
	client->work_free = grpc_lost;
	client->on_input = on_input;
	client->on_room = on_room;
	docker_hijack_as(client, "h2c");
	if (client->fd < 0)
		return NULL;
	flush(grpc);
	return grpc;
}

void grpc_begin(struct grpc *grpc)
{
	/* What came right behind the request. */
	if (grpc->client->in.len)
		on_input(grpc->client);
}
