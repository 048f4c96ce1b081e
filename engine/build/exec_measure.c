/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How big the caches are that a step has written to, so that they can be pruned by size. Runs in
 * engine main. Must never walk one itself: the files role does.
 */
#include <errno.h>
#include "engine/build/exec_job.h"
#include "lib/log.h"
#include "lib/own.h"

static int measure(struct build_lane *lane, struct err *err);

static void on_measured(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct build_lane *lane = owner;
	struct err bad = { 0 };
	struct wire in;
	uint64_t bytes = 0;

	(void)peer;
	if (reply) {
		wire_init(&in, reply->body.ptr, reply->body.len);
		(void)wire_u64(&in);
		bytes = wire_u64(&in);
		if (wire_end(&in) < 0)
			err_set(&bad, -EBADMSG, "role files: malformed answer");
	} else {
		bad = *err;
	}
	if (!bad.code)
		(void)build_cache_set_size(lane->job->env->containers->data_fd,
					   build_cache_name(lane->step.mounts.measured), bytes,
					   &bad);
	if (bad.code) /* it is pruned by age all the same */
		log_warn("size of a cache mount: %s", err_text(&bad));
	bad = (struct err){ 0 };
	lane->step.mounts.measured = build_cache_next(lane->step.mounts.measured);
	if (measure(lane, &bad) < 0)
		build_job_fail(lane, &bad);
}

static int measure(struct build_lane *lane, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	int tree OWN_FD = -1;

	if (!m->measured)
		return build_job_ran(lane, err);
	tree = build_cache_tree(lane->job->env->containers->data_fd, build_cache_name(m->measured),
				err);
	return tree < 0 ? tree
			: build_job_files(lane, FILES_MSG_USAGE, STR(""), &tree, 1, on_measured,
					  err);
}

int build_job_measure(struct build_lane *lane, struct err *err)
{
	lane->step.mounts.measured = lane->step.mounts.caches;
	return measure(lane, err);
}
