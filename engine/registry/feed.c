/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs on their way out of the pull and load roles. It must never let a blob end as good whose
 * size or digest differ from what its manifest says; the store checks the same once more.
 */
#include "engine/registry/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"

enum { FEED_PROGRESS_MS = 250 };

static const char *kind_name(enum pull_kind kind)
{
	switch (kind) {
	case PULL_KIND_CONFIG:
		return "config";
	case PULL_KIND_LAYER:
		return "layer";
	case PULL_KIND_MANIFEST:
		return "manifest";
	}
	return "blob";
}

static void feed_tell(struct feed *feed, enum pull_stage stage)
{
	struct pull_progress progress = {
		.digest = feed->blob.digest,
		.done = feed->done,
		.total = feed->blob.size,
		.what = feed->what,
		.stage = stage,
	};

	if (feed->blob.kind != PULL_KIND_LAYER)
		return;
	feed->told = mono_now();
	if (stage == PULL_STAGE_MOVE)
		progress.rate = rate_add(&feed->rate, feed->told, feed->done);
	feed->sink->progress(feed->sink->owner, &progress);
}

/* Each end of a pipe has its own flags. */
static void set_waiting(int fd, bool wait)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, wait ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

void feed_no_wait(struct feed *feed)
{
	set_waiting(feed->fd, false);
}

static void set_blob(struct feed *feed, const struct pull_sink *sink, const struct pull_blob *blob)
{
	*feed = (struct feed){ .sink = sink, .blob = *blob, .fd = -1 };
	if (blob->kind == PULL_KIND_LAYER)
		snprintf(feed->what, sizeof(feed->what), "layer %u/%u", blob->index + 1,
			 blob->total);
	else
		snprintf(feed->what, sizeof(feed->what), "%s", kind_name(blob->kind));
}

void feed_announce(const struct pull_sink *sink, const struct pull_blob *blob)
{
	struct feed feed;

	set_blob(&feed, sink, blob);
	feed_tell(&feed, PULL_STAGE_WAIT);
}

int feed_begin(struct feed *feed, const struct pull_sink *sink, const struct pull_blob *blob,
	       struct err *err)
{
	int r;

	set_blob(feed, sink, blob);
	r = sink->blob(sink->owner, blob, &feed->fd, err);
	if (r == 1)
		feed_tell(feed, PULL_STAGE_THERE);
	if (r != 0)
		return r;
	set_waiting(feed->fd, true);
	sha256_init(&feed->hash);
	rate_init(&feed->rate, mono_now(), 0);
	feed_tell(feed, PULL_STAGE_MOVE);
	return 0;
}

static int check_room(const struct feed *feed, struct str data, struct err *err)
{
	if (data.len <= feed->blob.size - feed->done)
		return 0;
	return err_set(err, -EBADMSG, "%s: more bytes came than the %llu its manifest says",
		       feed->what, (unsigned long long)feed->blob.size);
}

static void count(struct feed *feed, struct str data)
{
	sha256_add(&feed->hash, data.ptr, data.len);
	feed->done += data.len;
	if (mono_diff_ms(mono_now(), feed->told) >= FEED_PROGRESS_MS)
		feed_tell(feed, PULL_STAGE_MOVE);
}

int feed_write(struct feed *feed, struct str data, struct err *err)
{
	int r = check_room(feed, data, err);

	if (r == 0)
		r = fs_write_fd(feed->fd, data.ptr, data.len, err);
	if (r == 0)
		count(feed, data);
	return r;
}

ssize_t feed_offer(struct feed *feed, struct str data, struct err *err)
{
	ssize_t n;
	int r = check_room(feed, data, err);

	if (r < 0)
		return r;
	do
		n = write(feed->fd, data.ptr, data.len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : err_sys(err, -errno, "%s: write", feed->what);
	count(feed, str_head(data, (size_t)n));
	return n;
}

static int check(struct feed *feed, struct err *err)
{
	struct digest is;
	char text[DIGEST_TEXT_MAX];

	if (feed->done != feed->blob.size)
		return err_set(err, -EBADMSG, "%s: %llu bytes came, its manifest says %llu",
			       feed->what, (unsigned long long)feed->done,
			       (unsigned long long)feed->blob.size);
	sha256_end(&feed->hash, &is);
	if (memcmp(&is, &feed->blob.digest, sizeof(is)) != 0)
		return err_set(err, -EBADMSG,
			       "%s: the bytes that came are not those of digest %s: damaged, or "
			       "exchanged on the way",
			       feed->what, digest_text(&feed->blob.digest, text));
	return 0;
}

int feed_close(struct feed *feed, struct err *err)
{
	int r = check(feed, err);

	feed_tell(feed, PULL_STAGE_MOVE);
	own_close(&feed->fd);
	if (r == 0)
		r = feed->sink->end_send(feed->sink->owner, &feed->blob.digest, &feed->token, err);
	if (r == 0)
		feed_tell(feed, PULL_STAGE_STORE);
	return r;
}

int feed_stored(struct feed *feed, struct err *err)
{
	int r = feed->sink->end_take(feed->sink->owner, feed->token, err);

	if (r == 0)
		feed_tell(feed, PULL_STAGE_READY);
	return r;
}

static int wait_stored(struct feed *feed, struct err *err)
{
	struct pollfd watch = { .fd = feed->sink->fd, .events = POLLIN };
	int r;

	while ((r = feed_stored(feed, err)) == -EAGAIN)
		(void)poll(&watch, 1, -1);
	return r;
}

int feed_end(struct feed *feed, struct err *err)
{
	int r = feed_close(feed, err);

	return r < 0 ? r : wait_stored(feed, err);
}

int feed_reason(struct feed *feed, struct err *err)
{
	int r;

	own_close(&feed->fd);
	r = feed->sink->end_send(feed->sink->owner, &feed->blob.digest, &feed->token, err);
	if (r == 0)
		r = wait_stored(feed, err);
	return r < 0 ? r : err_set(err, -EPIPE, "%s was not taken", feed->what);
}

void feed_abort(struct feed *feed)
{
	own_close(&feed->fd);
}

int feed_text(const struct pull_sink *sink, const struct pull_blob *blob, struct str text,
	      struct err *err)
{
	struct feed feed;
	int r = feed_begin(&feed, sink, blob, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = feed_write(&feed, text, err);
	if (r < 0) {
		feed_abort(&feed);
		return r;
	}
	return feed_end(&feed, err);
}
