/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns layer commits and the check of the store. Runs in the store role. Must never publish a layer
 * without its trailer, nor keep the loop for longer than one slice.
 */
#include "engine/store/sum.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"

#define SUM_SLICE (UINT64_C(4) << 20)

struct sum_name {
	char text[STORE_NAME_MAX];
	bool layer;
};

struct sum_job {
	struct sum_job *next;
	uint32_t serial;
	bool check, discard;
	int fd; /* of the file that is being read; -1 = none yet */
	struct content_hash hash;
	struct trailer trailer; /* commit: what it becomes; check: what it says */
	/* check only */
	struct sum_name *names;
	uint32_t name_count, name_at, damaged;
	struct digest *gone; /* blobs that were taken away; a NULL with a count of 0 is fine */
	uint32_t gone_count;
};

static void job_free(struct sum_job *job)
{
	own_close(&job->fd);
	free(job->names);
	free(job->gone);
	free(job);
}

static void on_slice(struct loop_timer *timer);

static void run_soon(struct sum_queue *queue)
{
	if (queue->first)
		loop_timer_set(queue->loop, &queue->timer, 0, on_slice, queue);
}

void sum_init(struct sum_queue *queue, struct loop *loop, struct store *store,
	      const struct sum_events *events, void *owner)
{
	*queue = (struct sum_queue){
		.loop = loop, .store = store, .events = events, .owner = owner
	};
}

void sum_done(struct sum_queue *queue)
{
	loop_timer_stop(queue->loop, &queue->timer);
	while (queue->first) {
		struct sum_job *job = queue->first;
		queue->first = job->next;
		job_free(job);
	}
}

/* The first of the queue is through: out with it, then whoever waits is told. */
static struct sum_job *unqueue(struct sum_queue *queue)
{
	struct sum_job *job = queue->first;
	queue->first = job->next;
	queue->count--;
	run_soon(queue);
	return job;
}

static int enqueue(struct sum_queue *queue, struct sum_job *job, struct err *err)
{
	if (queue->count >= SUM_JOBS_MAX) {
		job_free(job);
		return err_set(err, -EBUSY, "store: %d layers are being published already",
			       SUM_JOBS_MAX);
	}
	struct sum_job **at = &queue->first;
	while (*at)
		at = &(*at)->next;
	*at = job;
	queue->count++;
	run_soon(queue);
	return 0;
}

static struct sum_job *job_new(uint32_t serial, struct err *err)
{
	struct sum_job *job = calloc(1, sizeof(*job));
	if (!job) {
		err_set(err, -ENOMEM, "store: out of memory");
		return NULL;
	}
	job->serial = serial;
	job->fd = -1;
	return job;
}

/* ---- commit ---- */

int sum_commit(struct sum_queue *queue, int fd, const struct store_layer *layer, uint32_t serial,
	       struct err *err)
{
	OWN_FD int file = fd;
	struct stat st;
	if (fstat(file, &st) < 0)
		return err_sys(err, -errno, "cannot stat a layer");
	if (!S_ISREG(st.st_mode) || st.st_size < TRAILER_SIZE || st.st_size % TRAILER_SIZE != 0)
		return err_set(err, -EBADMSG, "a layer of %lld bytes is no EROFS image",
			       (long long)st.st_size);
	struct sum_job *job = job_new(serial, err);
	if (!job)
		return -ENOMEM;
	job->fd = take_fd(&file);
	job->trailer.layer = *layer;
	job->trailer.layer.size = (uint64_t)st.st_size;
	content_hash_init(&job->hash, job->fd, job->trailer.layer.size, true);
	return enqueue(queue, job, err);
}

static int write_trailer(struct sum_queue *queue, struct sum_job *job, struct err *err)
{
	uint8_t block[TRAILER_SIZE];
	trailer_encode(&job->trailer, block);
	if (lseek(job->fd, (off_t)job->trailer.layer.size, SEEK_SET) < 0)
		return err_sys(err, -errno, "cannot append to a layer");
	int r = fs_write_fd(job->fd, block, sizeof(block), err);
	if (r < 0)
		return r;
	return store_layer_publish(queue->store, take_fd(&job->fd), &job->trailer.layer, err);
}

static void commit_slice(struct sum_queue *queue, struct sum_job *job)
{
	char shown[DIGEST_TEXT_MAX];
	struct err err = { 0 };
	int r = content_hash_step(&job->hash, SUM_SLICE, &job->trailer.content, &err);
	if (r == 1) {
		run_soon(queue);
		return;
	}
	if (r == 0)
		r = write_trailer(queue, job, &err);
	if (r < 0)
		(void)err_prefix(&err, "layer %s", digest_text(&job->trailer.layer.digest, shown));
	(void)unqueue(queue);
	queue->events->commit_done(queue->owner, job->serial, r < 0 ? NULL : &job->trailer.layer,
				   r < 0 ? &err : NULL);
	job_free(job);
}

/* ---- check ---- */

struct listing {
	struct sum_job *job;
	bool layer;
};

static int add_name(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	struct listing *list = owner;
	struct sum_job *job = list->job;
	(void)dirfd;
	(void)type;
	if (strlen(name) >= STORE_NAME_MAX)
		return 0;
	struct sum_name *bigger = realloc(job->names, (job->name_count + 1) * sizeof(*job->names));
	if (!bigger)
		return err_set(err, -ENOMEM, "out of memory for checking the store");
	job->names = bigger;
	(void)snprintf(bigger[job->name_count].text, STORE_NAME_MAX, "%s", name);
	bigger[job->name_count++].layer = list->layer;
	return 0;
}

int sum_check(struct sum_queue *queue, uint32_t serial, bool discard, struct err *err)
{
	struct sum_job *job = job_new(serial, err);
	if (!job)
		return -ENOMEM;
	job->check = true;
	job->discard = discard;
	struct listing blobs = { job, false }, layers = { job, true };
	int r = fs_each(queue->store->blobs, add_name, &blobs, err);
	if (r == 0)
		r = fs_each(queue->store->layers, add_name, &layers, err);
	if (r < 0) {
		job_free(job);
		return r;
	}
	return enqueue(queue, job, err);
}

/* Opens the next file: 0, or why it is damaged. */
static int check_open(struct sum_queue *queue, struct sum_job *job, struct err *err)
{
	const struct sum_name *name = &job->names[job->name_at];
	struct digest digest;
	uint64_t size = 0;
	if (str_unhex(str_head(str_from(name->text), 64), digest.bytes, sizeof(digest.bytes)) < 0)
		return err_set(err, -EBADMSG, "is no name of the store");
	if (!name->layer) {
		job->fd = store_blob_open(queue->store, &digest, &size, err);
		job->trailer.content = digest;
	} else {
		struct store_layer layer;
		job->fd = store_layer_open(queue->store, &digest, &layer, err);
		if (job->fd >= 0 && trailer_read(job->fd, &job->trailer, err) < 0)
			return -EBADMSG;
		size = job->trailer.layer.size;
	}
	if (job->fd < 0)
		return job->fd;
	content_hash_init(&job->hash, job->fd, size, name->layer);
	return 0;
}

static int check_file(struct sum_queue *queue, struct sum_job *job, struct err *err)
{
	struct digest is;
	int r = job->fd < 0 ? check_open(queue, job, err) : 0;
	if (r == 0)
		r = content_hash_step(&job->hash, SUM_SLICE, &is, err);
	if (r == 0 && memcmp(&is, &job->trailer.content, sizeof(is)) != 0)
		r = err_set(err, -EBADMSG, "has another content than when it was stored");
	return r;
}

/* Out of memory: its images are made whole by their next pull. */
static void note_gone(struct sum_job *job, const struct sum_name *name)
{
	struct digest digest;
	if (name->layer || str_unhex(str_from(name->text), digest.bytes, sizeof(digest.bytes)) < 0)
		return;
	struct digest *more = realloc(job->gone, (job->gone_count + 1) * sizeof(*more));
	if (!more)
		return;
	job->gone = more;
	job->gone[job->gone_count++] = digest;
}

/* Not for an error of the disk: the next try may read it. */
static void discard_damaged(struct sum_queue *queue, struct sum_job *job, int why)
{
	const struct sum_name *name = &job->names[job->name_at];
	int dir = name->layer ? queue->store->layers : queue->store->blobs;
	struct err err = { 0 };
	if (why != -EBADMSG)
		return;
	if (store_discard(queue->store, dir, name->text, &err) < 0)
		queue->events->check_line(queue->owner, job->serial, err_text(&err));
	else
		note_gone(job, name);
}

static void check_slice(struct sum_queue *queue, struct sum_job *job)
{
	struct err err = { 0 };
	if (job->name_at == job->name_count) {
		const struct sum_found found = { job->name_count, job->damaged, job->gone_count,
						 job->gone };
		(void)unqueue(queue);
		queue->events->check_done(queue->owner, job->serial, &found);
		job_free(job);
		return;
	}
	int r = check_file(queue, job, &err);
	if (r < 0 && r != -ENOENT) { /* what went meanwhile was nobody's */
		const struct sum_name *name = &job->names[job->name_at];
		char line[ERR_TEXT_MAX + 120];
		int at = snprintf(line, sizeof(line),
				  "%s/sha256/%s: ", name->layer ? "layers" : "blobs", name->text);
		bool said = strncmp(err_text(&err), line, (size_t)at) == 0;
		(void)snprintf(line + (said ? 0 : at), sizeof(line) - (size_t)at, "%s",
			       err_text(&err));
		job->damaged++;
		queue->events->check_line(queue->owner, job->serial, line);
		if (job->discard)
			discard_damaged(queue, job, r);
	}
	if (r <= 0) {
		own_close(&job->fd);
		job->name_at++;
	}
	run_soon(queue);
}

static void on_slice(struct loop_timer *timer)
{
	struct sum_queue *queue = timer->owner;
	struct sum_job *job = queue->first;
	if (job->check)
		check_slice(queue, job);
	else
		commit_slice(queue, job);
}
