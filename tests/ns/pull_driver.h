/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_TESTS_NS_PULL_DRIVER_H
#define HOY_TESTS_NS_PULL_DRIVER_H

#include <stdbool.h>
#include <sys/types.h>
#include "engine/api/pull_msg.h"
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/msg.h"

/* Parts of pull_driver that its files share. */
struct driver_options {
	const char *engine, *system_ca, *name, *folder;
	const char *save, *known; /* files: the image record, out and in */
	struct pull_start start;
	int kill_at;  /* bytes of a layer after which the role is killed; 0 = never */
	int pause_at; /* the same, after which "paused" is said and a line of stdin awaited */
	bool refuse;  /* the pipe of the first layer is closed and the layer called too big */
	unsigned long long room; /* bytes of layers that fit; 0 = any */
	bool raw;		 /* unpack: no layer */
};

extern struct driver_options driver_options;
extern struct arena driver_arena;
extern pid_t driver_pid; /* the role's */

/* Says what the tool itself cannot go on with, and ends it. */
void driver_die(const char *what, const struct err *err);
/* A role's process; returns our end of its message socket. */
int driver_start(const char *role);
/* Closes fd, reaps the role: `result`, or 3 when the role ended badly. */
int driver_end(int fd, int result);
/* Prints a reply; -1 = more follow, else the exit status. */
int driver_reply(int fd, const struct msg *msg);
/* What a role asks about blobs (pull_blobs.c), and blobs that flow until it says something. */
void driver_blob(int fd, struct msg *msg);
void driver_blob_end(int fd, const struct msg *msg);
void driver_source(int fd, struct msg *msg);
void driver_need(int fd, const struct msg *msg);
void driver_flow(int fd);
/* The role is gone: what it gave up is named. */
void driver_drain(int fd);
/* `unpack FILE`: the exit status. raw: the file is no layer. */
int driver_unpack(const char *engine, const char *file, bool raw);

#endif
