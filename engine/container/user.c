/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the container's program runs as: asked of a files role, which reads the container's own
 * passwd and group. Runs in engine main. Must never read those files itself.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/files_msg.h"
#include "engine/container/launch.h"
#include "engine/container/parts.h"
#include "lib/own.h"

/*
 * The primary group stands among the others: a process that gives it up with setgid() has it still,
 * and files that deny it something deny it on (CVE-2022-36109).
 */
static void set_groups(struct container *container, const uint32_t *more, uint32_t count)
{
	const uint32_t room = ARRAY_LEN(container->groups) - 1;

	container->groups[0] = container->gid;
	container->group_count = 1 + (count < room ? count : room);
	if (count)
		memcpy(container->groups + 1, more, (container->group_count - 1) * sizeof(*more));
}

static void on_user(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct container *container = owner;
	struct files_user user = { 0 };
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply && container->phase == CONTAINER_PHASE_USER)
		container_fail(container, err);
	if (!reply)
		return;
	wire_init(&in, reply->body.ptr, reply->body.len);
	files_user_get(&in, &user);
	if (wire_end(&in) < 0) {
		err_set(&bad, -EBADMSG, "role files: malformed answer");
		if (container->phase == CONTAINER_PHASE_USER)
			container_fail(container, &bad);
		return;
	}
	container->user_known = true;
	container->uid = user.uid;
	container->gid = user.gid;
	set_groups(container, user.groups, user.group_count);
	(void)str_copy(str_head(str_from(user.home), sizeof(container->home) - 1), container->home,
		       sizeof(container->home));
	worker_stop(&container->files);
	container_user_done(container);
}

/* Whether one of the further groups has to be looked up in the container's own files. */
static bool group_named(const struct container_def *def)
{
	uint64_t number;

	for (uint32_t i = 0; def->host_set && i < def->host.group_add.count; i++) {
		if (str_to_u64(str_from(def->host.group_add.items[i]), 0, UINT32_MAX - 1, &number) <
		    0)
			return true;
	}
	return false;
}

/* 1 = the answer is on its way, 0 = it is root: nothing to look up. */
int container_user(struct container *container, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	memcpy(container->home, "/root", 6);
	if ((!*container->def.user || !strcmp(container->def.user, "root") ||
	     !strcmp(container->def.user, "0")) &&
	    !group_named(&container->def)) {
		container->user_known = true;
		set_groups(container, NULL, 0);
		return 0;
	}
	buf_init(&body, 32768);
	wire_put_text(&body, container->def.user);
	if (group_named(&container->def)) {
		const struct image_texts *groups = &container->def.host.group_add;

		wire_put_u32(&body, groups->count);
		for (uint32_t i = 0; i < groups->count; i++)
			wire_put_text(&body, groups->items[i]);
	}
	r = worker_start(&container->files, container->env->loop, "files", NULL, 0, NULL, 0, NULL,
			 container, err);
	if (r >= 0)
		r = msg_peer_call(&container->files.peer, FILES_MSG_PASSWD, buf_str(&body),
				  &container->root_fd, 1, on_user, container, err);
	return r < 0 ? (int)r : 1;
}
