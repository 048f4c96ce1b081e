/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the handing over of a seccomp listener. Runs in `create`, `run` and `exec`. It must never
 * start a container whose filter waits for an agent that is not there.
 */
#include "engine/bundle/agent.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/bundle/terminal.h"
#include "engine/json/json.h"
#include "lib/own.h"

enum { TEXT_MAX = 8 << 20 };

int agent_prepare(struct apply *apply, struct err *err)
{
	return apply->plan->flags & PLAN_FLAG_LISTENER ? apply_listener_page(apply, err) : 0;
}

static void put_state(struct json_writer *w, const struct state *state, const char *status)
{
	json_begin_object(w);
	json_member_text(w, "ociVersion", "1.2.0");
	json_member_text(w, "id", state->id);
	json_member_text(w, "status", status);
	json_member_u64(w, "pid", state->pid);
	json_member_text(w, "bundle", state->bundle);
	json_key(w, "annotations");
	json_begin_object(w);
	for (size_t i = 0; i < state->pair_count; i++)
		json_member_text(w, state->pairs[i].key, state->pairs[i].value);
	json_end_object(w);
	json_end_object(w);
}

static int send_document(const char *path, struct str text, int fd, struct err *err)
{
	OWN_FD int agent = terminal_connect(path, err);
	size_t sent = 0;
	int r;

	if (agent < 0)
		return err_prefix(err, "config.json: linux.seccomp.listenerPath: failed to connect "
				       "with seccomp agent");
	r = terminal_send_fd(agent, text, fd, &sent, err);
	while (r == 0 && sent < text.len) {
		ssize_t n = send(agent, text.ptr + sent, text.len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			r = err_sys(err, -errno, "seccomp agent");
		sent += n > 0 ? (size_t)n : 0;
	}
	return r;
}

int agent_hand_over(struct apply *apply, const struct answer *answer, const struct state *state,
		    const char *status, int pidfd, uint32_t pid, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	OWN_FD int listener = -1;
	struct json_writer w;

	if (!(apply->plan->flags & PLAN_FLAG_LISTENER))
		return 0;
	if (!answer->listener_path)
		return err_set(err, -EINVAL, "the filter has a listener, but nobody to take it");
	listener = apply_take_listener(apply, pidfd, err);
	if (listener < 0)
		return listener;
	buf_init(&text, TEXT_MAX);
	json_writer_init(&w, &text);
	json_begin_object(&w);
	json_member_text(&w, "ociVersion", "1.2.0");
	json_key(&w, "fds");
	json_begin_array(&w);
	json_put_text(&w, "seccompFd");
	json_end_array(&w);
	json_member_u64(&w, "pid", pid);
	if (answer->listener_metadata)
		json_member_text(&w, "metadata", answer->listener_metadata);
	json_key(&w, "state");
	put_state(&w, state, status);
	json_end_object(&w);
	if (buf_error(&text))
		return err_sys(err, buf_error(&text), "seccomp agent");
	return send_document(answer->listener_path, buf_str(&text), listener, err);
}
