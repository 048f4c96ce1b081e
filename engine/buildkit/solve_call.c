/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about a Dockerfile in the place of a build (docker build --call, --check). Runs in the
 * api role. Must never build for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/buildkit/pb.h"
#include "engine/buildkit/solve.h"
#include "engine/buildkit/tar.h"
#include "lib/own.h"

void solve_describe(struct solve *solve, const struct build_inputs *inputs)
{
	struct err err = { 0 };

	if (subrequest_put(&solve->answered, solve->request.subrequest, inputs, &solve->arena,
			   &err) < 0)
		solve_fail(solve, &err);
	else
		solve_end(solve);
}

void solve_take_warning(struct solve *solve, const struct subrequest_warning *warning)
{
	char line[2048];
	const struct report_warning told = { .text = line,
					     .detail = warning->description,
					     .url = warning->url,
					     .line = warning->line };

	(void)snprintf(line, sizeof(line), *warning->rule ? "%s: %s" : "%s%s", warning->rule,
		       warning->detail);
	if (*warning->rule && warning->line)
		(void)snprintf(line + strlen(line), sizeof(line) - strlen(line), " (line %u)",
			       warning->line);
	if (solve->request.subrequest != SUBREQUEST_LINT) {
		report_warning(&solve->report, solve->definition, &told);
		return;
	}
	if (!solve->warnings)
		solve->warnings =
			arena_array(&solve->arena, SOLVE_WARNINGS_MAX, sizeof(*solve->warnings));
	if (solve->warnings && solve->warning_count < SOLVE_WARNINGS_MAX)
		solve->warnings[solve->warning_count++] = *warning;
}

/* The only file of the context that a rule looks at: short enough for a pipe that nobody reads yet
 * (else the rule sees what there is room for). */
int solve_put_ignore(struct solve *solve, struct err *err)
{
	const struct buf *own = &solve->files[1].data, *data = own;
	struct buf tar OWN(buf_done) = { 0 };
	struct packet_stat stat = { .path = STR(".dockerignore"), .mode = 0644 };
	ssize_t n;

	if (!solve->files[1].found && solve->tree_count)
		data = &solve->trees[0].ignore.data;
	buf_init(&tar, SYNC_FILE_MAX + (64 << 10));
	if (data->len) {
		stat.size = data->len;
		tar_put_entry(&tar, &stat);
		(void)buf_add_str(&tar, buf_str(data));
		tar_put_padding(&tar, data->len);
	}
	tar_put_end(&tar);
	(void)fcntl(solve->pipe_fd, F_SETPIPE_SZ, 1 << 20);
	(void)fcntl(solve->pipe_fd, F_SETFL, O_NONBLOCK);
	n = write(solve->pipe_fd, tar.data, tar.len);
	return n == (ssize_t)tar.len
		       ? 0
		       : err_set(err, -E2BIG, "a .dockerignore is too long for --check");
}

void solve_lint_end(struct solve *solve)
{
	const struct subrequest_lint lint = { .filename = solve->wanted.dockerfile,
					      .dockerfile = buf_str(&solve->files[0].data),
					      .warnings = solve->warnings,
					      .count = solve->warning_count,
					      .error = solve->error.code ? err_text(&solve->error)
									 : "",
					      .error_line = solve->error_line };

	/* Without a Dockerfile there is nothing to answer. */
	if (!solve->files[0].found || (solve->error.code && !solve->error_line))
		return;
	subrequest_put_lint(&solve->answered, &lint);
	solve->wrong = lint.count || *lint.error;
	solve->error = (struct err){ 0 };
	report_end(&solve->report, solve->definition, "");
}

void solve_put_answer(const struct solve *solve, struct buf *result)
{
	bool lint = solve->request.subrequest == SUBREQUEST_LINT;
	struct str json = buf_str(&solve->answered);

	pb_put_entry(result, 10, "result.json", json);
	pb_put_entry(result, 10, "result.txt", json);
	pb_put_entry(result, 10, "version", STR(SUBREQUEST_VERSION));
	if (lint)
		pb_put_entry(result, 10, "result.statuscode", solve->wrong ? STR("1") : STR("0"));
}
