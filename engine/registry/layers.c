/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers of an image, several at once. Runs in the pull role. Opening a download waits (its
 * limits are those of net.h), its bytes never do: one poll serves all. It must never hold more than
 * a block of each download, nor take two places' bytes for one layer without their digest checked.
 */
#include "engine/registry/layers.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "engine/registry/net.h"
#include "engine/registry/retry.h"
#include "lib/mono.h"
#include "lib/own.h"
#include "lib/random.h"

enum { LAYERS_BLOCK = 64 << 10 };

enum stream_state {
	STREAM_STATE_FREE,
	STREAM_STATE_OPEN, /* a request is due */
	STREAM_STATE_READ, /* bytes flow */
	STREAM_STATE_END,  /* all bytes are out, the sink stores */
};

/* One download. */
struct stream {
	enum stream_state state;
	struct feed feed;
	struct client_response response;
	char name[DIGEST_TEXT_MAX];
	uint32_t place;
	unsigned attempt;
	uint64_t before; /* feed.done when the request was made */
	uint64_t skip;	 /* bytes to come that are there already */
	struct mono due; /* OPEN: not before; READ: the last byte */
	char *block;
	size_t at, len; /* what of it waits for the sink */
	bool ended;	/* the response has no more bytes */
	bool mixed;	/* bytes of more than one place are out */
};

struct layers {
	struct places *places;
	uint32_t first;
	const struct image *image;
	const struct pull_sink *sink;
	struct stream streams[PULL_LAYERS_AT_ONCE];
	uint32_t next; /* layer that is begun next */
};

static void stream_reset(struct stream *stream)
{
	client_finish(&stream->response);
	feed_abort(&stream->feed);
	free(take_ptr(&stream->block));
	stream->at = stream->len = 0;
	stream->state = STREAM_STATE_FREE;
}

/* ---- beginning ---- */

static bool is_repeated(const struct image *image, uint32_t index)
{
	for (uint32_t i = 0; i < index; i++) {
		if (memcmp(&image->layers[i].blob, &image->layers[index].blob,
			   sizeof(struct digest)) == 0)
			return true;
	}
	return false;
}

static struct pull_blob blob_of(const struct layers *layers, uint32_t index)
{
	const struct image_layer *layer = &layers->image->layers[index];

	return (struct pull_blob){
		.digest = layer->blob,
		.size = layer->size,
		.kind = PULL_KIND_LAYER,
		.media_type = layer->media_type,
		.has_diff = true,
		.diff = layer->diff,
		.index = index,
		.total = layers->image->layer_count,
	};
}

/* All that come are known before the first byte does: what is shown keeps the image's order. */
static void announce_all(const struct layers *layers)
{
	for (uint32_t i = 0; i < layers->image->layer_count; i++) {
		const struct pull_blob blob = blob_of(layers, i);

		if (!is_repeated(layers->image, i))
			feed_announce(layers->sink, &blob);
	}
}

/* Offers a layer to the sink: 1 = it is there, 0 = its download is due. */
static int stream_begin(struct layers *layers, struct stream *stream, uint32_t index,
			struct err *err)
{
	const struct pull_blob blob = blob_of(layers, index);
	int r = feed_begin(&stream->feed, layers->sink, &blob, err);

	if (r != 0)
		return r;
	feed_no_wait(&stream->feed);
	stream->block = malloc(LAYERS_BLOCK);
	if (!stream->block) {
		feed_abort(&stream->feed);
		return err_set(err, -ENOMEM, "no memory for a layer");
	}
	digest_text(&blob.digest, stream->name);
	stream->place = layers->first;
	stream->attempt = 0;
	stream->mixed = false;
	stream->due = mono_now();
	stream->state = STREAM_STATE_OPEN;
	return 0;
}

/* Fills free streams; 0 also when nothing is left to begin. */
static int begin_more(struct layers *layers, struct err *err)
{
	uint32_t active = 0;

	for (size_t i = 0; i < PULL_LAYERS_AT_ONCE; i++)
		active += layers->streams[i].state == STREAM_STATE_OPEN ||
			  layers->streams[i].state == STREAM_STATE_READ;
	for (size_t i = 0; i < PULL_LAYERS_AT_ONCE; i++) {
		struct stream *stream = &layers->streams[i];
		int r = 1;

		if (stream->state != STREAM_STATE_FREE)
			continue;
		while (r == 1 && active < LAYERS_READ_MAX &&
		       layers->next < layers->image->layer_count) {
			uint32_t index = layers->next++;

			if (!is_repeated(layers->image, index))
				r = stream_begin(layers, stream, index, err);
		}
		if (r < 0)
			return r;
		active += r == 0;
	}
	return 0;
}

/* ---- requests ---- */

/* "bytes N-M/T" has to begin where we asked. */
static int check_range(const struct client_response *response, uint64_t from, struct err *err)
{
	struct str range = http_field(&response->head, "Content-Range");
	uint64_t start;
	ptrdiff_t dash;

	if (str_starts(range, STR("bytes ")))
		range = str_skip(range, 6);
	dash = str_find(range, '-');
	if (dash < 0 || str_to_u64(str_head(range, (size_t)dash), 0, UINT64_MAX, &start) < 0 ||
	    start != from)
		return err_set(err, -EBADMSG, "a part of the layer came that was not asked for");
	return 0;
}

/* What the answer's head says has to fit what is missing. */
static int check_answer(struct stream *stream, struct err *err)
{
	const struct client_response *response = &stream->response;
	const struct feed *feed = &stream->feed;
	uint64_t left = feed->blob.size - feed->done;
	int r = 0;

	stream->skip = 0;
	if (response->head.status == 206 && feed->done > 0)
		r = check_range(response, feed->done, err);
	else if (response->head.status == 200)
		stream->skip = feed->done; /* it begins anew: what is there is read past */
	else
		r = err_set(err, -EBADMSG, "answers %u to a request for a layer",
			    response->head.status);
	if (r == 0 && response->body.framing == HTTP_FRAMING_LENGTH &&
	    response->body.left != left + stream->skip)
		r = err_set(err, -EBADMSG,
			    "%s: the registry has %llu bytes, the manifest says %llu", stream->name,
			    (unsigned long long)(response->body.left - stream->skip + feed->done),
			    (unsigned long long)feed->blob.size);
	return r;
}

/* One request for what is still missing. */
static int stream_open(struct layers *layers, struct stream *stream, int64_t *ret_asked_ms,
		       struct err *err)
{
	struct session_request request = { .kind = "blobs",
					   .name = stream->name,
					   .range_from = stream->feed.done };
	struct session *session;
	int r = place_open(layers->places, stream->place, &session, err);

	*ret_asked_ms = -1;
	if (r < 0)
		return r;
	stream->before = stream->feed.done;
	r = session_get(session, &request, &stream->response, err);
	*ret_asked_ms = session->asked_ms;
	if (r == 0) {
		r = check_answer(stream, err);
		if (r < 0)
			client_finish(&stream->response);
	}
	if (r < 0)
		return r;
	stream->ended = false;
	stream->due = mono_now();
	stream->state = STREAM_STATE_READ;
	return 0;
}

/* ---- failures ---- */

/* The next place, where there is one: 0. Bytes that are out stay out: it goes on behind them. */
static int next_place(struct layers *layers, struct stream *stream, int code)
{
	if (stream->place + 1 >= layers->places->count)
		return code;
	stream->place++;
	stream->mixed = stream->mixed || stream->feed.done > 0;
	stream->attempt = 0;
	stream->due = mono_now();
	stream->state = STREAM_STATE_OPEN;
	return 0;
}

/* A download broke: again after a pause, or from the next place, or not at all. */
static int stream_broke(struct layers *layers, struct stream *stream, int code, int64_t asked_ms,
			struct err *err)
{
	int64_t pause = -1;

	client_finish(&stream->response);
	stream->at = stream->len = 0;
	if (!retry_helps(code))
		return next_place(layers, stream, code);
	if (stream->feed.done > stream->before)
		stream->attempt = 0;
	pause = retry_pause_ms(stream->attempt++, asked_ms, random_jitter());
	if (pause < 0 && next_place(layers, stream, code) == 0)
		return 0;
	if (pause < 0)
		return err_prefix(err, "%s: broke off at byte %llu of %llu", stream->feed.what,
				  (unsigned long long)stream->feed.done,
				  (unsigned long long)stream->feed.blob.size);
	stream->due = mono_add_ms(mono_now(), pause);
	stream->state = STREAM_STATE_OPEN;
	return 0;
}

/*
 * The bytes are wrong and are out already: the layer begins anew. Where two places gave some, the
 * last one may still be right.
 */
static int stream_wrong(struct layers *layers, struct stream *stream, int code, struct err *err)
{
	uint32_t index = stream->feed.blob.index;
	uint32_t place = stream->place + (stream->mixed ? 0 : 1);
	int r;

	stream_reset(stream);
	if (place >= layers->places->count)
		return code;
	r = stream_begin(layers, stream, index, err);
	stream->place = place;
	return r < 0 ? r : 0;
}

/* ---- bytes ---- */

static int stream_finish(struct layers *layers, struct stream *stream, struct err *err)
{
	int r;

	client_finish(&stream->response);
	r = feed_close(&stream->feed, err);
	if (r == -EBADMSG)
		return stream_wrong(layers, stream, r, err);
	if (r < 0)
		return r;
	free(take_ptr(&stream->block));
	stream->state = STREAM_STATE_END;
	return 0;
}

/* To the sink: 1 = some went, 0 = it has no room now. */
static int stream_drain(struct stream *stream, struct err *err)
{
	struct str rest = str_make(stream->block + stream->at, stream->len - stream->at);
	ssize_t n = feed_offer(&stream->feed, rest, err);

	if (n == -EAGAIN)
		return 0;
	if (n == -EPIPE)
		return feed_reason(&stream->feed, err); /* whoever took the bytes knows why */
	if (n < 0)
		return (int)n;
	stream->at += (size_t)n;
	stream->due = mono_now(); /* a slow sink is not a slow registry */
	if (stream->at == stream->len)
		stream->at = stream->len = 0;
	return 1;
}

/* A block behind what was skipped: 1 = there is one, or the end; 0 = nothing now. */
static int stream_fill(struct stream *stream, struct err *err)
{
	ssize_t n = client_read_now(&stream->response, stream->block, LAYERS_BLOCK, err);
	size_t skip;

	if (n == -EAGAIN && mono_diff_ms(mono_now(), stream->due) > NET_IDLE_MS)
		return err_set(err, -ETIMEDOUT, "no byte came for %d s", NET_IDLE_MS / 1000);
	if (n < 0)
		return n == -EAGAIN ? 0 : (int)n;
	stream->due = mono_now();
	stream->ended = n == 0;
	skip = stream->skip < (size_t)n ? (size_t)stream->skip : (size_t)n;
	stream->skip -= skip;
	stream->at = skip;
	stream->len = (size_t)n;
	if (stream->at == stream->len)
		stream->at = stream->len = 0;
	/* An orderly end before the last byte is the same as a broken line: it may be resumed. */
	if (stream->ended && stream->feed.done < stream->feed.blob.size &&
	    stream->response.body.framing == HTTP_FRAMING_CLOSE)
		return err_set(err, -ECONNRESET, "the connection was cut off");
	return 1;
}

static int stream_move(struct layers *layers, struct stream *stream, struct err *err)
{
	int r;

	if (stream->len > 0) {
		r = stream_drain(stream, err);
		/* Closed: the sink refused it. Open: more came than the manifest says. */
		if (r == -EBADMSG && stream->feed.fd >= 0)
			r = stream_wrong(layers, stream, r, err) < 0 ? -EBADMSG : 1;
		return r;
	}
	r = stream_fill(stream, err);
	if (r < 0) {
		r = stream_broke(layers, stream, r, -1, err);
		return r < 0 ? r : 1;
	}
	if (r == 1 && stream->ended) {
		r = stream_finish(layers, stream, err);
		return r < 0 ? r : 1;
	}
	return r;
}

/* One step that does not wait: 1 = something moved, 0 = nothing can now, -errno. */
static int stream_step(struct layers *layers, struct stream *stream, struct err *err)
{
	int64_t asked_ms;
	int r;

	switch (stream->state) {
	case STREAM_STATE_FREE:
		return 0;
	case STREAM_STATE_OPEN:
		if (mono_before(mono_now(), stream->due))
			return 0;
		r = stream_open(layers, stream, &asked_ms, err);
		if (r < 0)
			r = stream_broke(layers, stream, r, asked_ms, err);
		return r < 0 ? r : 1;
	case STREAM_STATE_READ:
		return stream_move(layers, stream, err);
	case STREAM_STATE_END:
		r = feed_stored(&stream->feed, err);
		if (r == 0)
			stream_reset(stream);
		return r == -EAGAIN ? 0 : r < 0 ? r : 1;
	}
	return 0;
}

/* ---- all of them ---- */

/* Until one of them can go on, or the next is due; -EPIPE: the sink is gone. */
static int wait_any(const struct layers *layers, struct err *err)
{
	struct pollfd watch[PULL_LAYERS_AT_ONCE + 1];
	int64_t wait_ms = 1000; /* idle limits are looked at no less often */
	nfds_t count = 0;

	watch[count++] = (struct pollfd){ .fd = layers->sink->fd };
	for (size_t i = 0; i < PULL_LAYERS_AT_ONCE; i++) {
		const struct stream *stream = &layers->streams[i];
		int64_t left;

		if (stream->state == STREAM_STATE_OPEN) {
			left = mono_diff_ms(stream->due, mono_now());
			wait_ms = left < wait_ms ? left : wait_ms;
		}
		if (stream->state == STREAM_STATE_END)
			watch[0].events = POLLIN;
		if (stream->state != STREAM_STATE_READ)
			continue;
		if (stream->len > 0)
			watch[count++] =
				(struct pollfd){ .fd = stream->feed.fd, .events = POLLOUT };
		else
			watch[count++] = (struct pollfd){ .fd = client_fd(&stream->response),
							  .events = POLLIN };
	}
	if (poll(watch, count, wait_ms > 0 ? (int)wait_ms : 0) > 0 &&
	    (watch[0].revents & (POLLHUP | POLLERR)))
		return err_set(err, -EPIPE, "the engine is gone");
	return 0;
}

/* One step of each: 1 = something moved. */
static int step_all(struct layers *layers, struct err *err)
{
	int moved = 0;

	for (size_t i = 0; i < PULL_LAYERS_AT_ONCE; i++) {
		struct stream *stream = &layers->streams[i];
		int r = stream_step(layers, stream, err);

		if (r < 0)
			return place_explain(layers->places, stream->place, r, err);
		moved |= r;
	}
	return moved;
}

static bool is_busy(const struct layers *layers)
{
	for (size_t i = 0; i < PULL_LAYERS_AT_ONCE; i++) {
		if (layers->streams[i].state != STREAM_STATE_FREE)
			return true;
	}
	return false;
}

int layers_fetch(struct places *places, uint32_t first, const struct image *image,
		 const struct pull_sink *sink, struct err *err)
{
	struct layers layers = { .places = places, .first = first, .image = image, .sink = sink };
	int r;

	for (size_t i = 0; i < PULL_LAYERS_AT_ONCE; i++)
		layers.streams[i].feed.fd = -1;
	announce_all(&layers);
	for (;;) {
		r = begin_more(&layers, err);
		if (r < 0 || !is_busy(&layers))
			break;
		r = step_all(&layers, err);
		if (r == 0)
			r = wait_any(&layers, err);
		if (r < 0)
			break;
	}
	for (size_t i = 0; i < PULL_LAYERS_AT_ONCE; i++)
		stream_reset(&layers.streams[i]);
	return r;
}
