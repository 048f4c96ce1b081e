/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what is asked of the log: INIT_MSG_LOG and LOG_FROM. Runs in PID 1. Must never wait for a
 * reader, and never allocate.
 */
#include <errno.h>
#include "init/sup_calls.h"

static void kernel_log(struct msg_peer *peer, struct msg *msg, uint32_t lines, bool follow)
{
	struct err err = { 0 };

	if (follow)
		ctl_refuse(peer, msg, -EINVAL, "the kernel's log is shown once: log kernel [-n N]");
	else if (sup_kmsg_send(peer, msg->serial, lines, &err) < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}

void ctl_log(struct msg_peer *peer, struct msg *msg)
{
	struct wire in;
	struct sup_unit *unit = NULL;
	struct str name;
	uint32_t lines;
	bool follow;
	int index = -1;

	wire_init(&in, msg->body.ptr, msg->body.len);
	name = wire_str(&in, 24);
	lines = wire_u32(&in);
	follow = wire_bool(&in);
	if (wire_end(&in) < 0) {
		ctl_refuse(peer, msg, -EBADMSG, "malformed LOG");
		return;
	}
	if (str_is(name, "kernel")) {
		kernel_log(peer, msg, lines, follow);
		return;
	}
	if (str_is(name, "init")) {
		index = SUP_LOG_INIT;
	} else if (name.len > 0) {
		unit = sup_unit_find(ctl_sup(), name);
		if (unit == NULL) {
			ctl_refuse(peer, msg, -ENOENT,
				   "no such unit; there are init, disk, netd, engine, console and "
				   "kernel");
			return;
		}
		index = (int)unit->index;
	}
	if (sup_follow(ctl_sup(), peer, msg->serial, index, lines, follow) < 0)
		ctl_refuse(peer, msg, -EBUSY, "too many readers of the log; end one of them");
}

void ctl_log_from(struct msg_peer *peer, struct msg *msg)
{
	struct wire in;
	uint64_t number;

	wire_init(&in, msg->body.ptr, msg->body.len);
	number = wire_u64(&in);
	if (wire_end(&in) < 0)
		ctl_refuse(peer, msg, -EBADMSG, "malformed LOG_FROM");
	else
		sup_follow_from(ctl_sup(), peer, msg->serial, number);
}
