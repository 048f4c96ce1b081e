/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_REMOTE_TALK_H
#define HOY_INIT_CONSOLE_REMOTE_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include "init/console/remote_input.h"
#include "lib/err.h"

/*
 * One command of `hoy -H` once its words are sent: what it prints comes, what is typed or read goes
 * over, both at once: neither waits for the other.
 */
enum { REMOTE_TALK_CHUNK = 16384 };

struct remote_tls;

struct remote_talk {
	struct remote_tls *tls;
	int fd;
	enum remote_need need;
	struct remote_screen screen;
	char out[REMOTE_TALK_CHUNK + 8]; /* a frame on its way to the machine */
	size_t out_at, out_len;
	bool done; /* with this exit code */
	unsigned char code;
	bool input_over, line_open; /* line_open: what was read last has no line end yet */
};

/* Looks at this process's terminal. */
void remote_talk_init(struct remote_talk *talk, enum remote_need need);
/* Takes the machine's sign of life; -ETIMEDOUT by the limits of its socket. */
int remote_talk_begin(struct remote_talk *talk, struct err *err);
/* Until the command ends: its exit code, or an error. The terminal is as it was then. */
int remote_talk(struct remote_talk *talk, struct err *err);

#endif
