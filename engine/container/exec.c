/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of a further process in a running container: what a person runs by `exec` and what
 * probes its health get the same confinement; and the calls to a shim that may be of another
 * version than this engine. Runs in engine main; must never ask such a shim what it may misread.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/shim_version.h"
#include "engine/container/exec.h"
#include "engine/container/launch.h"
#include "engine/container/parts.h"
#include "engine/run/spec.h"
#include "lib/own.h"

enum { EXEC_PLAN_MAX = 8 << 20 };

/* The container's environment, what was asked for over it, and what a program expects. */
static int exec_env(const struct container *container, const struct container_exec *exec,
		    struct arena *arena, const char *const **ret_env, struct err *err)
{
	const struct image_texts *own = &container->def.env;
	const char *home = exec->user ? exec->user->home : container->home;
	struct image_texts env = { 0 };
	const char **vector;
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < own->count; i++)
		r = image_texts_add(arena, &env, own->items[i], err);
	for (uint32_t i = 0; r >= 0 && exec->env && exec->env[i]; i++)
		r = image_texts_add(arena, &env, exec->env[i], err);
	if (r >= 0)
		r = container_link_env(container, arena, &env, err);
	if (r >= 0 && !image_env_get(&env, "HOME"))
		r = image_env_set(arena, &env, "HOME", home, err);
	if (r >= 0 && exec->tty && !image_env_get(&env, "TERM"))
		r = image_env_set(arena, &env, "TERM", "xterm", err);
	if (r < 0)
		return r;
	vector = arena_array(arena, env.count + 1U, sizeof(*vector));
	if (!vector)
		return err_set(err, -ENOMEM, "no memory for an environment");
	memcpy(vector, env.items, env.count * sizeof(*vector));
	*ret_env = vector;
	return 0;
}

int container_exec_plan(const struct container *container, const struct container_exec *exec,
			struct arena *arena, struct err *err)
{
	const struct files_user *user = exec->user;
	uint32_t groups[FILES_GROUPS_MAX + 1]; /* the primary one among them, as in user.c */
	struct buf plan OWN(buf_done) = { 0 };
	struct run_spec spec;
	struct run_mapping ids;
	struct run_seccomp_filter filter;
	struct run_process process;
	struct run_rlimit limits[RUN_RLIMITS_MAX];
	int r;

	run_spec_init(&spec);
	process = spec.process;
	r = exec_env(container, exec, arena, &process.env, err);
	if (r >= 0)
		r = container_def_caps(&container->def, &process.caps, err);
	if (r >= 0)
		r = launch_rlimits(&container->def, limits, &process, err);
	if (r >= 0 && container->def.host_set)
		r = launch_security(&container->def.host, &process, &filter, err);
	if (r < 0)
		return r;
	process.oom_score_adj =
		container->def.host_set ? (int)container->def.host.oom_score_adj : 0;
	process.keep_project = container->def.disk_limit > 0;
	process.argv = exec->argv;
	process.cwd = *exec->workdir ? exec->workdir : container->def.workdir;
	process.uid = user ? user->uid : container->uid;
	process.gid = user ? user->gid : container->gid;
	process.groups = container->groups;
	process.group_count = container->group_count;
	if (user) {
		groups[0] = user->gid;
		memcpy(groups + 1, user->groups, user->group_count * sizeof(groups[0]));
		process.groups = groups;
		process.group_count = user->group_count + 1;
	}
	process.tty = exec->tty;
	process.stdin_open = !exec->no_stdin;
	process.rows = exec->rows;
	process.columns = exec->columns;
	buf_init(&plan, EXEC_PLAN_MAX);
	spec.process = process;
	spec.privileged = container->def.privileged || exec->privileged;
	launch_userns(container, SHIM_FD_EXTRA, &ids, &spec);
	r = run_plan_encode_exec_spec(&spec, &plan, err);
	return r < 0 ? r : run_plan_memfd(&plan, err);
}

int64_t container_call(struct container *container, uint16_t type, struct str body, const int *fds,
		       size_t nfds, msg_reply_fn *fn, void *owner, struct err *err)
{
	unsigned theirs = container->shim_version;

	if (theirs && theirs != shim_version())
		return err_set(err, -EPROTO,
			       "the shim of %s speaks version %u, this engine version %u: restart "
			       "the container",
			       container->def.name, theirs, shim_version());
	return msg_peer_call(&container->shim, type, body, fds, nfds, fn, owner, err);
}
