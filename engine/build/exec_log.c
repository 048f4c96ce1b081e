/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a RUN step prints, on its way to whoever watches. Runs in engine main, which must never read
 * more of it than where one of the shim's lines ends: the text stays escaped as it was written.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/build/exec_job.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { LOG_PERIOD_MS = 100, LOG_BLOCK = 64 << 10 };

static const char head[] = "{\"log\":\"", tail[] = "\",\"stream\":\"";

/*
 * The text of one line of the shim's log: it stands behind {"log":" and ends before ","stream":"
 * with all that is special escaped. False when it is none.
 */
static bool log_text(struct str line, struct str *ret_text, bool *ret_stderr)
{
	const char *end = line.len ? memmem(line.ptr, line.len, tail, sizeof(tail) - 1) : NULL;

	if (!end || !str_starts(line, str_from(head)))
		return false;
	*ret_text = str_make(line.ptr + sizeof(head) - 1,
			     (size_t)(end - line.ptr) - (sizeof(head) - 1));
	*ret_stderr = str_starts(str_skip(line, (size_t)(end - line.ptr) + sizeof(tail) - 1),
				 STR("stderr"));
	return true;
}

void build_job_log_tail(struct build_lane *lane, char *dst, size_t cap)
{
	struct buf text OWN(buf_done) = { 0 }, lines OWN(buf_done) = { 0 };
	struct str rest, line, part;
	int fd OWN_FD = -1;
	bool is_stderr;

	*dst = 0;
	buf_init(&text, BUILD_JOB_LOG_MAX + LOG_BLOCK);
	buf_init(&lines, BUILD_JOB_LOG_MAX + LOG_BLOCK);
	if (container_logs(lane->job->env->containers, lane->step.scratch, &fd, 1, NULL) < 1 ||
	    fs_read_fd(fd, BUILD_JOB_LOG_MAX + LOG_BLOCK, &text, NULL) < 0)
		return;
	rest = buf_str(&text);
	while (str_cut(&rest, '\n', &line)) {
		if (!log_text(line, &part, &is_stderr))
			continue;
		if (str_ends(part, STR("\\n")))
			part.len -= 2;
		(void)buf_printf(&lines, "%s%.*s", lines.len ? " | " : "", STR_ARG(part));
	}
	(void)str_escape(str_skip(buf_str(&lines), lines.len > 300 ? lines.len - 300 : 0), dst,
			 cap);
}

static void pass_line(struct build_lane *lane, struct str line)
{
	struct buf copy OWN(buf_done) = { 0 };
	struct build_note note = { .step = lane->step.op->step };
	struct str text;
	bool is_stderr;

	if (!log_text(line, &text, &is_stderr))
		return;
	buf_init(&copy, LOG_BLOCK * 2);
	if (buf_add_str(&copy, text) < 0)
		return;
	note.kind = is_stderr ? BUILD_NOTE_STDERR : BUILD_NOTE_STDOUT;
	note.text = buf_text(&copy);
	build_job_note(lane->job, &note);
}

/* All whole lines that are there by now. */
static void drain(struct build_lane *lane)
{
	static char block[LOG_BLOCK];
	struct build_step *step = &lane->step;

	for (;;) {
		ssize_t n = pread(step->log_fd, block, sizeof(block), (off_t)step->log_at);
		struct str rest = str_make(block, n > 0 ? (size_t)n : 0), line;
		size_t done = 0;

		while (rest.len > 0 && memchr(rest.ptr, '\n', rest.len) &&
		       str_cut(&rest, '\n', &line)) {
			done += line.len + 1;
			pass_line(lane, line);
		}
		/* A line that fills the block is nobody's of ours: it is passed over. */
		if (done == 0 && n == (ssize_t)sizeof(block))
			done = sizeof(block);
		if (done == 0)
			return;
		step->log_at += done;
	}
}

static void look(struct build_lane *lane)
{
	struct build_step *step = &lane->step;
	struct stat now, before;
	int fd OWN_FD = -1;

	if (container_logs(lane->job->env->containers, step->scratch, &fd, 1, NULL) < 1)
		return;
	if (step->log_fd >= 0) {
		drain(lane);
		if (fstat(fd, &now) < 0 || fstat(step->log_fd, &before) < 0 ||
		    now.st_ino == before.st_ino)
			return;
		own_close(&step->log_fd); /* the shim has begun a new one */
	}
	step->log_fd = take_fd(&fd);
	step->log_at = 0;
	drain(lane);
}

static void on_period(struct loop_timer *timer)
{
	struct build_lane *lane = timer->owner;

	look(lane);
	loop_timer_set(lane->job->env->containers->loop, timer, LOG_PERIOD_MS, on_period, lane);
}

void build_job_log_start(struct build_lane *lane)
{
	if (lane->job->ops.note)
		loop_timer_set(lane->job->env->containers->loop, &lane->step.log_timer,
			       LOG_PERIOD_MS, on_period, lane);
}

void build_job_log_end(struct build_lane *lane)
{
	if (lane->job->ops.note)
		look(lane);
	loop_timer_stop(lane->job->env->containers->loop, &lane->step.log_timer);
}
