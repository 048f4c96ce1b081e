/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONF_SERVE_H
#define HOY_INIT_CONF_SERVE_H

#include "init/conf_revision.h"
#include "lib/loop.h"
#include "lib/msg.h"

/* The answers to DISK_MSG_CONFIG_ACT, and the time in which a revision has to be confirmed. */
struct conf_serve {
	struct revisions revisions;
	struct loop *loop;
	struct loop_timer deadline;
	void (*changed)(void); /* another revision counts: the layer has to be made anew */
};

void conf_serve_init(struct conf_serve *serve, struct loop *loop, void (*changed)(void));
/* The data partition is there. */
void conf_serve_open(struct conf_serve *serve, int data_fd);
void conf_serve_done(struct conf_serve *serve);
/* A line for `config issues`, "" = nothing is wrong. */
const char *conf_serve_note(const struct conf_serve *serve);
void conf_serve_act(struct conf_serve *serve, struct msg_peer *peer, struct msg *msg);

#endif
