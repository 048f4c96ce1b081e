/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_REMOTE_H
#define HOY_INIT_CONSOLE_REMOTE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "engine/api/gate_msg.h"
#include "init/console/remote_input.h"
#include "init/console/words.h"
#include "lib/buf.h"
#include "lib/err.h"

/*
 * `hoy -H HOST VERB...`: the same program on both sides of the gate's TLS, whose ALPN is
 * GATE_PROTOCOL_HOY. One command for each connection.
 *
 * client -> machine: u32 length (big endian), that many bytes of words, each with a NUL behind it,
 *		      a struct remote_screen; then frames {u8 kind, u32 length (big endian), bytes}:
 *		      INPUT any number of times, an empty one is its end; SCREEN when it changes.
 * machine -> client: frames: an empty OUTPUT once the words are read, OUTPUT and ERRORS any number
 *		      of times, END once with one byte, the exit code. No END: the connection broke.
 */

enum remote_frame {
	REMOTE_FRAME_OUTPUT = 1,
	REMOTE_FRAME_END,
	REMOTE_FRAME_ERRORS, /* what a command in a container wrote as such */
	REMOTE_FRAME_INPUT,
	REMOTE_FRAME_SCREEN,
};

enum {
	REMOTE_PORT = 2376,
	REMOTE_HEAD_SIZE = 5,
	REMOTE_REQUEST_MAX = WORDS_TEXT_MAX,
	REMOTE_FRAME_MAX = 8 << 20,
};

struct console;

/* ---- codec (remote.c), pure ---- */
/* -E2BIG: more words or bytes than a command line holds. */
int remote_request_put(struct buf *out, char *const *words, int count,
		       const struct remote_screen *screen, struct err *err);
/* The number in front of the words; -EBADMSG when it cannot be. */
int remote_request_size(const unsigned char head[4], size_t *ret_size, struct err *err);
/* Copies the words out of what came; -EBADMSG: no NUL at the end, no or too many words. */
int remote_request_get(struct str body, struct words *ret_words, struct err *err);
void remote_head_put(unsigned char head[REMOTE_HEAD_SIZE], enum remote_frame kind, size_t size);
/* -EBADMSG: no kind of ours, or a size that its kind cannot have. */
int remote_head_get(const unsigned char head[REMOTE_HEAD_SIZE], enum remote_frame *ret_kind,
		    size_t *ret_size, struct err *err);
/* Whether that role may give this command from elsewhere; -EACCES with the role it needs, or
 * because it asks a person at the machine's own terminal. */
int remote_may(const struct words *words, enum gate_role role, struct err *err);

/* ---- the machine's side (remote_serve.c): `hoy --serve ROLE WHO` with the stream on 0 and 1 ----
 */
/* Reads one command, runs it as that role and tells its exit code. */
void remote_serve(struct console *console, const char *role, const char *who);
/* What the client types: bytes; 0 = its end, or (console->quit) it is gone; -1 and EAGAIN: nothing,
 * its screen is another one. */
ssize_t remote_read(struct console *console, void *dst, size_t cap);
void remote_take_screen(struct console *console);
/* Output as a frame; false = the client is gone. */
bool remote_write(int fd, enum remote_frame kind, const char *bytes, size_t len);

/* ---- the client's side (remote_client.c): `hoy -H HOST[:PORT] [--cert DIR] VERB...` ---- */
/* Returns the exit code. Needs no privilege and no machine of Hoy's around it. */
int remote_client(int argc, char **argv);

#endif
