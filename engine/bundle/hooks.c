/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the hooks of a later call. Runs in `start`, `run` and `delete`. It must never wait for a
 * hook longer than its timeout, and never let one of them keep a container from being removed.
 */
#include "engine/bundle/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "engine/run/apply.h"
#include "engine/run/plan.h"
#include "lib/fs.h"
#include "lib/own.h"

int hooks_run(const struct container *container, enum run_hook_point point, struct err *err)
{
	struct buf bytes OWN(buf_done) = { 0 };
	struct plan plan;
	int r;

	buf_init(&bytes, PLAN_SIZE_MAX + 1);
	r = fs_read(container->dir, STATE_PLAN, FS_BENEATH, PLAN_SIZE_MAX, &bytes, err);
	if (r == 0)
		r = plan_decode(bytes.data, bytes.len, &plan, err);
	return r < 0 ? r : apply_hooks(&plan, point, container->state.pid, err);
}
