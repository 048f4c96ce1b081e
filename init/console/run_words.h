/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_RUN_WORDS_H
#define HOY_INIT_CONSOLE_RUN_WORDS_H

#include <stdbool.h>
#include <stdint.h>
#include "init/console/words.h"
#include "lib/buf.h"

/*
 * The words of `run`, which are docker's, as keys of services.ini(5); and the frames that what runs
 * answers with. Pure.
 */
enum { RUN_SECTION_MAX = 16384, RUN_FRAME_HEAD = 8, RUN_MORE_MAX = 32 };

struct run_wish {
	bool detach;  /* -d: nobody waits for its end */
	bool remove;  /* --rm: it goes when it ends */
	bool tty;     /* -t: keys go in, bytes come out as they are */
	bool input;   /* -i: what is typed goes in, or what a file holds */
	bool publish; /* -P: any free port leads to each that the image declares */
	const char *ports[RUN_MORE_MAX], *volumes[RUN_MORE_MAX]; /* -p 80, -v /data: without a port
								  * or name on this side */
	uint32_t port_count, volume_count;
	const char *name;  /* "" = one is made; points into the words */
	const char *image; /* the same */
};

/*
 * "run [OPTION...] IMAGE [COMMAND...]": a section of services.ini into out. -EINVAL names the
 * option and, where there is one that is nearly the same, that.
 */
int run_words_parse(const struct words *words, struct run_wish *ret_wish, struct buf *out,
		    struct err *err);

/* The pause in ms before try `attempt` + 2 to reach a registry (0-based): 2 s doubling to 60 s. */
int run_pause_ms(unsigned attempt);
/* Whether another try may succeed: nobody answered, or not yet. */
bool run_retry_helps(int code);

/* Output without a terminal, as the shim frames it (engine/api/shim_msg.h). */
struct run_frames {
	unsigned char head[RUN_FRAME_HEAD];
	size_t head_len;
	size_t left; /* bytes of the frame that are still to come */
	int stream;  /* 1 stdout, 2 stderr */
};

/*
 * The next piece of one stream in front of *bytes, which it takes away; its stream in *ret_stream.
 * Empty: all was taken. -EBADMSG: no frame.
 */
int run_frames_next(struct run_frames *frames, struct str *bytes, struct str *ret_piece,
		    int *ret_stream, struct err *err);

#endif
