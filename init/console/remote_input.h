/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_REMOTE_INPUT_H
#define HOY_INIT_CONSOLE_REMOTE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "init/console/words.h"
#include "lib/err.h"

/* What a client of `hoy -H` sends behind its words (remote.h), and which commands want it. Pure. */
enum { REMOTE_INPUT_MAX = 65536, REMOTE_SCREEN_SIZE = 5 };

/* What the client's output is: the first thing behind the words, and of each frame SIZE. */
struct remote_screen {
	uint16_t rows, columns; /* 0 = no terminal */
	bool keys;		/* its input is one, too, and keys come one by one */
};

/* u16 rows, u16 columns, u8 keys */
void remote_screen_put(unsigned char dst[REMOTE_SCREEN_SIZE], const struct remote_screen *screen);
void remote_screen_get(const unsigned char src[REMOTE_SCREEN_SIZE],
		       struct remote_screen *ret_screen);

enum remote_got {
	REMOTE_GOT_NOTHING, /* a part of a head */
	REMOTE_GOT_BYTES,   /* what was taken is input, as it is */
	REMOTE_GOT_SCREEN,  /* input->screen is another one */
	REMOTE_GOT_END,	    /* of the input: nothing is to come any more */
};

struct remote_input {
	unsigned char head[5], size[REMOTE_SCREEN_SIZE];
	size_t head_len, size_len;
	size_t left; /* bytes of the frame that are still to come */
	bool over;
	struct remote_screen screen;
};

/* How many bytes to read next, 1 to cap, which is at least 1. */
size_t remote_input_want(const struct remote_input *input, size_t cap);
/* Takes len bytes, at most as many as it wanted: enum remote_got, or -EBADMSG. */
int remote_input_take(struct remote_input *input, const unsigned char *bytes, size_t len,
		      struct err *err);

/* ---- what a command does with what its client types ---- */
enum remote_need {
	REMOTE_NEED_NOTHING,
	REMOTE_NEED_BYTES,  /* its input is read to its end, as it is */
	REMOTE_NEED_KEYS,   /* keys, one by one; of a file its bytes, Ctrl-D behind them */
	REMOTE_NEED_SCREEN, /* keys where a terminal is, else nothing */
};

/* --json in front of the verb counts for nothing. */
enum remote_need remote_need(const struct words *words);

#endif
