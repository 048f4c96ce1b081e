/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from cgroupsPath and resources to a control group. Runs in `create` and `run`. It
 * must never leave a limit out without a word, and never remove a group that it did not make.
 */
#include "engine/bundle/group.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "engine/bundle/say.h"
#include "engine/bundle/signals.h"
#include "engine/run/cgroup.h"
#include "lib/own.h"
#include "lib/str.h"

enum { MISSING_MAX = 256, UNDO_TRIES = 200, UNDO_PAUSE_MS = 10 };

int group_path(const char *given, const char *id, char *dst, size_t cap, struct err *err)
{
	struct str rest = str_from(given), part;
	size_t len = 0;

	dst[0] = '\0';
	while (str_cut(&rest, '/', &part)) {
		int n;

		if (part.len == 0 || str_is(part, "."))
			continue;
		n = str_is(part, "..") ? -1
				       : snprintf(dst + len, cap - len, "%s%.*s", len ? "/" : "",
						  STR_ARG(part));
		if (n < 0 || (size_t)n >= cap - len)
			return err_set(err, -EINVAL,
				       "config.json: linux.cgroupsPath: expected a path of at "
				       "most %zu bytes without '..'",
				       cap - 1);
		len += (size_t)n;
	}
	if (len == 0)
		(void)snprintf(dst, cap, "hoy-oci/%s", id);
	return 0;
}

static int set_limits(struct launch *launch, enum cgroup_host host, struct err *err)
{
	char missing[MISSING_MAX] = "";
	int r = cgroup_resources_set(launch->group, &launch->answer.resources, missing,
				     sizeof(missing), err);

	if (r < 0)
		return err_prefix(err, "control group");
	if (!missing[0])
		return 0;
	if (host == CGROUP_HOST_UNIFIED)
		return err_set(err, -EOPNOTSUPP,
			       "control group: the host hands down no controller for %s (no such "
			       "file or directory); enable it in cgroup.subtree_control of the "
			       "groups above, or leave the limit out of config.json",
			       missing);
	say(SAY_LEVEL_WARNING,
	    "this host has no pure cgroup v2: the container runs without its limits of %s",
	    missing);
	return 0;
}

/* podman's --cgroups=disabled: the container stays in its caller's group, nothing is set. */
static bool is_disabled(const struct launch *launch)
{
	const char *manager = launch->cmd->options.cgroup_manager;

	return manager && strcmp(manager, "disabled") == 0;
}

int group_plan(struct launch *launch, struct err *err)
{
	int r;

	if (is_disabled(launch))
		return 0;
	r = group_path(launch->answer.cgroups_path, launch->id, launch->paths->group,
		       sizeof(launch->paths->group), err);
	return r < 0 ? r : cgroup_host_open(&launch->host, &launch->top, err);
}

static int count_process(uint32_t pid, void *owner)
{
	(void)pid;
	++*(size_t *)owner;
	return 0;
}

/*
 * A group that was there before us: a frozen one would hold the container's first process for ever,
 * and processes in it would die with the container.
 */
static int check_found(const struct launch *launch, struct err *err)
{
	struct cgroup_stats stats;
	size_t processes = 0;
	int r = signals_each_pid(launch->group, count_process, &processes, err);

	if (r == 0 && processes > 0)
		return err_set(err, -EBUSY, "container's cgroup is not empty: %zu processes in %s",
			       processes, launch->paths->group);
	if (r == 0)
		r = cgroup_stats(launch->group, &stats, err);
	if (r == 0 && stats.frozen)
		return err_set(err, -EBUSY,
			       "container's cgroup unexpectedly frozen: %s; write 0 to its "
			       "cgroup.freeze",
			       launch->paths->group);
	return r;
}

/* Who is root of a user namespace only may be given no control group at all. */
static int go_without(struct launch *launch, int r, struct err *why)
{
	if (!launch->job.nested || (r != -EACCES && r != -EPERM && r != -EROFS))
		return r;
	say(SAY_LEVEL_WARNING,
	    "no control group may be made in this user namespace: the container runs without "
	    "one, and without limits");
	say(SAY_LEVEL_DEBUG, "%s", err_text(why));
	own_close(&launch->top);
	launch->state.flags &= (uint8_t)~STATE_FLAG_CGROUP;
	return 0;
}

int group_make(struct launch *launch, struct err *err)
{
	struct err why = { 0 };
	int r = 0;

	uint32_t controllers = cgroup_resources_controllers(&launch->answer.resources);

	if (is_disabled(launch))
		return 0;
	if (launch->top < 0) {
		say(SAY_LEVEL_WARNING, "this host has no cgroup v2: the container runs without a "
				       "control group, without limits and device rules");
		return 0;
	}
	launch->group = cgroup_path_make(launch->top, launch->paths->group, controllers,
					 &launch->group_new, &why);
	if (launch->group < 0) {
		r = go_without(launch, launch->group, &why);
		return r < 0 ? err_set(err, r, "control group %s: %s", launch->paths->group,
				       err_text(&why))
			     : 0;
	}
	if (!launch->group_new)
		r = check_found(launch, err);
	return r < 0 ? r : set_limits(launch, launch->host, err);
}

void group_undo(struct launch *launch)
{
	if (launch->group < 0 || !launch->group_new)
		return;
	(void)cgroup_kill(launch->group, NULL);
	for (int i = 0; i < UNDO_TRIES; i++) {
		if (cgroup_path_remove(launch->top, launch->paths->group, NULL) != -EBUSY)
			return;
		(void)poll(NULL, 0, UNDO_PAUSE_MS);
	}
}
