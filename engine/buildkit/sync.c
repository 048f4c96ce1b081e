/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetches a directory from a client's session. Runs in the api role. Must never keep more of it
 * than the bounds of sync.h, nor take a file for whole that is shorter than it was said to be.
 */
#include "engine/buildkit/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "engine/buildkit/sync_link.h"
#include "engine/buildkit/tar.h"
#include "lib/own.h"

enum { SYNC_PART_MAX = 16 };

static const char method[] = "/moby.filesync.v1.FileSync/DiffCopy";

struct entry {
	struct entry *next;
	uint32_t id;
	uint64_t size, came; /* bytes of a file */
	size_t cost;	     /* of list_bytes */
	bool asked, whole, begun;
	struct buf head;	/* of the tar */
	struct buf data;	/* came before its turn */
	struct sync_file *kept; /* where it goes instead */
};

struct sync {
	struct loop *loop;
	struct grpc_call *call;
	struct loop_io io;
	int fd;
	struct buf out; /* for the pipe */
	struct entry *first, **last, *next_ask;
	struct sync_file *files;
	struct sync_links links; /* where files are wanted */
	uint32_t file_count, next_id;
	size_t list_bytes;
	uint64_t ahead, moved;
	bool listed, finished;
	bool more;		  /* as sync_request has it */
	char part[SYNC_PART_MAX]; /* "3/", "" = none */
	struct err error;
	const struct sync_ops *ops;
	void *owner;
	struct loop_timer end;
};

static void entry_free(struct entry *entry)
{
	buf_done(&entry->head);
	buf_done(&entry->data);
	free(entry);
}

static void sync_free(struct sync *sync)
{
	while (sync->first) {
		struct entry *entry = sync->first;

		sync->first = entry->next;
		entry_free(entry);
	}
	loop_timer_stop(sync->loop, &sync->end);
	if (sync->fd >= 0)
		loop_remove(sync->loop, &sync->io);
	own_close(&sync->fd);
	buf_done(&sync->out);
	free(sync);
}

static void tell_end(struct loop_timer *timer)
{
	struct sync *sync = timer->owner;
	const struct sync_ops *ops = sync->ops;
	struct err error = sync->error;
	void *owner = sync->owner;

	sync_free(sync);
	ops->done(owner, error.code ? &error : NULL);
}

/* From the loop: whoever is told may end everything that stands on the stack here. */
static void sync_end(struct sync *sync)
{
	if (sync->call)
		grpc_cancel(sync->call);
	sync->call = NULL;
	if (sync->fd >= 0)
		loop_remove(sync->loop, &sync->io);
	own_close(&sync->fd);
	loop_timer_set(sync->loop, &sync->end, 0, tell_end, sync);
}

static void sync_fail(struct sync *sync, int code, const char *text)
{
	if (!sync->error.code)
		err_set(&sync->error, code, "%s", text);
	sync_end(sync);
}

static void send_packet(struct sync *sync, enum packet_type type, uint32_t id)
{
	struct buf packet OWN(buf_done) = { 0 };

	buf_init(&packet, 64);
	packet_put(&packet, type, id);
	grpc_send(sync->call, buf_str(&packet));
}

/* ---- files, in the order of the list ---- */

static void ask_ahead(struct sync *sync)
{
	for (; sync->next_ask; sync->next_ask = sync->next_ask->next) {
		struct entry *entry = sync->next_ask;

		if (!entry->size)
			continue;
		if (sync->ahead && sync->ahead + entry->size > SYNC_AHEAD)
			return;
		sync->ahead += entry->size;
		entry->asked = true;
		send_packet(sync, PACKET_REQ, entry->id);
	}
}

/* Moves what is there of the entry at the front; whether it is done. */
static bool write_entry(struct sync *sync, struct entry *entry)
{
	if (!entry->begun && !entry->kept)
		(void)buf_add_str(&sync->out, buf_str(&entry->head));
	entry->begun = true;
	if (!entry->size)
		return true;
	(void)buf_add_str(entry->kept ? &entry->kept->data : &sync->out, buf_str(&entry->data));
	buf_clear(&entry->data);
	if (!entry->whole)
		return false;
	if (entry->kept)
		entry->kept->found = true;
	else
		tar_put_padding(&sync->out, entry->size);
	sync->ahead -= entry->size;
	return true;
}

static void write_out(struct sync *sync)
{
	while (sync->out.len && sync->fd >= 0) {
		ssize_t n = write(sync->fd, sync->out.data, sync->out.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) { /* who reads it has seen enough, and says why */
			sync_fail(sync, -EPIPE, "the context is not wanted any more");
			return;
		}
		if (n < 0)
			break;
		buf_consume(&sync->out, (size_t)n);
	}
	if (sync->fd >= 0)
		(void)loop_change(sync->loop, &sync->io,
				  sync->out.len ? (uint32_t)EPOLLOUT : (uint32_t)0);
}

static void advance(struct sync *sync)
{
	if (!sync->call)
		return;
	ask_ahead(sync);
	while (sync->first && sync->out.len < SYNC_OUT_HIGH && write_entry(sync, sync->first)) {
		struct entry *entry = sync->first;

		sync->first = entry->next;
		if (!sync->first)
			sync->last = &sync->first;
		sync->list_bytes -= entry->cost;
		entry_free(entry);
		ask_ahead(sync);
	}
	if (sync->listed && !sync->first && !sync->finished) {
		if (sync->fd >= 0 && !sync->more)
			tar_put_end(&sync->out);
		sync->finished = true;
		send_packet(sync, PACKET_FIN, 0);
	}
	if (buf_error(&sync->out))
		sync_fail(sync, -ENOMEM, "no memory for a build context");
	else
		write_out(sync);
	if (sync->call)
		sync->call->held = sync->out.len >= SYNC_OUT_HIGH;
}

/* ---- what the client says ---- */

static struct sync_file *find_file(const struct sync *sync, const struct packet_stat *stat)
{
	for (uint32_t i = 0; i < sync->file_count; i++) {
		if (stat->kind == PACKET_KIND_FILE && str_is(stat->path, sync->files[i].name))
			return &sync->files[i];
	}
	return NULL;
}

/* Below the part's directory, and so is what a hard link repeats. */
static void put_head(const struct sync *sync, const struct packet_stat *stat, struct buf *out)
{
	char path[SYNC_PART_MAX + PACKET_PATH_MAX + 1], link[sizeof(path)];
	struct packet_stat moved = *stat;
	int n = snprintf(path, sizeof(path), "%s%.*s", sync->part, STR_ARG(stat->path));

	moved.path = str_make(path, (size_t)n);
	if (stat->kind == PACKET_KIND_FILE && stat->link.len) {
		n = snprintf(link, sizeof(link), "%s%.*s", sync->part, STR_ARG(stat->link));
		moved.link = str_make(link, (size_t)n);
	}
	tar_put_entry(out, &moved);
}

/* The directory itself: it is there even where nothing is in it. */
static void begin_part(struct sync *sync, const char *part)
{
	const struct packet_stat top = { .path = str_from(part),
					 .kind = PACKET_KIND_DIR,
					 .mode = 0755 };

	tar_put_entry(&sync->out, &top);
	(void)snprintf(sync->part, sizeof(sync->part), "%s/", part);
}

static struct entry *entry_new(struct sync *sync, const struct packet_stat *stat, uint32_t id)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->id = id;
	entry->size = stat->kind == PACKET_KIND_FILE && !stat->link.len ? stat->size : 0;
	buf_init(&entry->head, SYNC_LIST_MAX);
	/* One more: a whole file is not cut at what was said of it. */
	buf_init(&entry->data, entry->size < SYNC_AHEAD ? SYNC_AHEAD : 32 << 20);
	if (!sync->file_count)
		put_head(sync, stat, &entry->head);
	entry->cost = sizeof(*entry) + entry->head.cap;
	sync->list_bytes += entry->cost;
	return entry;
}

static void add_entry(struct sync *sync, const struct packet_stat *stat, uint32_t id,
		      struct sync_file *kept)
{
	struct entry *entry = entry_new(sync, stat, id);

	if (!entry || buf_error(&entry->head) || sync->list_bytes > SYNC_LIST_MAX) {
		if (entry)
			entry_free(entry);
		sync_fail(sync, -E2BIG, "the build context has too many files");
		return;
	}
	entry->kept = kept;
	*sync->last = entry;
	sync->last = &entry->next;
	if (!sync->next_ask)
		sync->next_ask = entry;
	if (kept && !entry->size)
		kept->found = true;
	if (kept && entry->size > SYNC_FILE_MAX)
		sync_fail(sync, -E2BIG, "a Dockerfile or .dockerignore is longer than 1 MiB");
}

static void take_entry(struct sync *sync, const struct packet_stat *stat)
{
	struct sync_file *kept = find_file(sync, stat);
	uint32_t id = sync->next_id++;

	if (kept || !sync->file_count) {
		add_entry(sync, stat, id, kept);
		if (kept)
			kept->listed = true;
	}
	if (sync->file_count) /* what a link leads to may be wanted as well */
		sync_links_add(&sync->links, stat, id);
}

/* The list has ended: those that are links are the files that these lead to. */
static void take_links(struct sync *sync)
{
	for (uint32_t i = 0; i < sync->file_count && sync->call; i++) {
		struct sync_file *file = &sync->files[i];
		const struct sync_seen *seen =
			file->listed ? NULL : sync_links_find(&sync->links, file->name);
		const struct packet_stat stat = { .kind = PACKET_KIND_FILE,
						  .size = seen ? seen->size : 0 };

		if (seen)
			add_entry(sync, &stat, seen->id, file);
	}
}

static void take_data(struct sync *sync, const struct packet *packet)
{
	struct entry *entry = sync->first;

	while (entry && entry->id != packet->id)
		entry = entry->next;
	if (!entry || !entry->asked || entry->whole) {
		sync_fail(sync, -EBADMSG, "the client sent a file that was not asked for");
		return;
	}
	if (!packet->data.len) {
		entry->whole = true;
		if (entry->came != entry->size)
			sync_fail(sync, -EIO,
				  "a file of the build context changed while it was read");
		return;
	}
	entry->came += packet->data.len;
	sync->moved += packet->data.len;
	if (entry->came > entry->size || buf_add_str(&entry->data, packet->data) < 0)
		sync_fail(sync, -EIO, "a file of the build context changed while it was read");
	else if (sync->ops->moved)
		sync->ops->moved(sync->owner, sync->moved);
}

static void on_message(struct grpc_call *call, struct str message)
{
	static struct packet packet;
	struct sync *sync = call->owner;
	struct err err = { 0 };

	if (!sync->call)
		return;
	if (packet_get(message, &packet, &err) < 0) {
		sync_fail(sync, err.code, err_text(&err));
		return;
	}
	switch (packet.type) {
	case PACKET_STAT:
		if (packet.has_stat && !sync->listed)
			take_entry(sync, &packet.stat);
		if (!packet.has_stat && !sync->listed)
			take_links(sync);
		sync->listed |= !packet.has_stat;
		break;
	case PACKET_DATA:
		take_data(sync, &packet);
		break;
	case PACKET_FIN:
		if (sync->finished && !sync->out.len)
			sync_end(sync);
		else if (!sync->finished)
			sync_fail(sync, -EBADMSG, "the client ended its context too soon");
		else
			grpc_end(call); /* the pipe takes the rest: then it is the end */
		return;
	case PACKET_REQ:
		sync_fail(sync, -EBADMSG, "the client asked for a file");
		break;
	case PACKET_ERR:
		err_set(&sync->error, -EIO, "%.*s", STR_ARG(str_head(packet.data, 300)));
		sync_fail(sync, -EIO, "");
		break;
	}
	if (sync->call)
		advance(sync);
}

static void on_closed(struct grpc_call *call)
{
	struct sync *sync = call->owner;

	sync->call = NULL;
	if (sync->finished && call->status == GRPC_OK) {
		if (!sync->out.len)
			sync_end(sync);
		return;
	}
	if (!sync->error.code)
		err_set(&sync->error, -EIO, "%s",
			*call->text ? call->text : "the client's session is gone");
	sync_end(sync);
}

static void on_pipe(struct loop_io *io, uint32_t events)
{
	struct sync *sync = io->owner;

	if (events & EPOLLERR) {
		sync_fail(sync, -EPIPE, "the context is not wanted any more");
		return;
	}
	write_out(sync);
	if (sync->fd < 0)
		return;
	if (sync->call && sync->out.len < SYNC_OUT_HIGH) {
		advance(sync);
		if (sync->call && !sync->call->held)
			grpc_hold(sync->call, false);
	}
	if (!sync->call && !sync->out.len && sync->fd >= 0)
		sync_end(sync);
}

/* ---- start ---- */

static void add_header(const char **headers, size_t *count, const char *name, const char *value)
{
	headers[(*count)++] = name;
	headers[(*count)++] = value;
}

static struct grpc_call *call_client(struct session *session, const struct sync_request *request)
{
	const char *headers[2 * SYNC_PATTERNS_MAX * 2 + 4];
	size_t count = 0;

	add_header(headers, &count, "dir-name", request->dir);
	for (size_t i = 0; request->follow && request->follow[i] && i < SYNC_PATTERNS_MAX; i++)
		add_header(headers, &count, "followpaths", request->follow[i]);
	for (size_t i = 0; request->excludes && request->excludes[i] && i < SYNC_PATTERNS_MAX; i++)
		add_header(headers, &count, "exclude-patterns", request->excludes[i]);
	headers[count] = NULL;
	return grpc_call(session->grpc, method, headers);
}

struct sync *sync_start(struct session *session, const struct sync_request *request,
			const struct sync_ops *ops, void *owner, struct err *err)
{
	int fd OWN_FD = request->fd;
	struct sync *sync;

	if (!session_offers(session, method)) {
		err_set(err, -ENOTSUP, "the client's session offers no files");
		return NULL;
	}
	sync = calloc(1, sizeof(*sync));
	if (sync)
		*sync = (struct sync){ .loop = session->grpc->client->server->loop,
				       .fd = -1,
				       .files = request->files,
				       .file_count = request->file_count,
				       .ops = ops,
				       .owner = owner };
	if (!sync || !(sync->call = call_client(session, request))) {
		free(sync);
		err_set(err, -ENOMEM, "no room for another directory of the client");
		return NULL;
	}
	sync->last = &sync->first;
	sync->call->owner = sync;
	sync->call->message = on_message;
	sync->call->closed = on_closed;
	buf_init(&sync->out, 64 << 20);
	sync->more = request->more;
	if (request->part)
		begin_part(sync, request->part);
	if (fd >= 0) {
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
		if (loop_add(sync->loop, &sync->io, fd, 0, on_pipe, sync, err) < 0) {
			sync_cancel(sync);
			return NULL;
		}
		sync->fd = take_fd(&fd);
	}
	return sync;
}

void sync_cancel(struct sync *sync)
{
	if (!sync)
		return;
	if (sync->call)
		grpc_cancel(sync->call);
	sync_free(sync);
}
