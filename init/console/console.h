/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_CONSOLE_H
#define HOY_INIT_CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "init/console/edit.h"
#include "init/console/progress.h"
#include "init/console/remote_input.h"
#include "init/console/verbs.h"
#include "init/console/words.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/msg.h"

/* Everything the console program holds. One per process, no heap but for replies. */
enum console_server {
	CONSOLE_SERVER_INIT,
	CONSOLE_SERVER_NETD,
	CONSOLE_SERVER_ENGINE,
	CONSOLE_SERVER_COUNT
};

struct console {
	int in_fd, out_fd;
	bool is_tty;  /* what is printed goes to a terminal */
	bool keys;    /* and what is read are a person's keys, one by one */
	bool is_unit; /* started by init on a terminal: fd 3 is ours, login counts */
	int unit_fd;  /* the pair with init, -1 = none */
	int run_fd;   /* /run/hoy */
	int servers[CONSOLE_SERVER_COUNT]; /* -1 = not connected */
	unsigned rows, columns;
	bool claimed, logged_in, quit;
	bool idle;	     /* nobody typed for too long */
	bool hung_up;	     /* the terminal is gone, or its carrier: quit is set, too */
	struct edit *typing; /* the line that is: drawn anew below log lines; NULL = none */
	char hostname[64];
	char terminal[32]; /* "/dev/ttyS0", "" = none */
	struct edit edit;
	int64_t alive_at_ms;	   /* when init heard of us last */
	bool interrupted;	   /* Ctrl-C while a command ran */
	bool full_screen;	   /* log lines are not printed into it */
	struct progress *progress; /* on the screen now; NULL = none */
	int patience_ms;	   /* of a call; 0 = 20 s */
	struct buf *capture;	   /* what is printed goes here instead; NULL = to the terminal */
	bool json;		   /* --json: everything is printed as JSON */
	char json_line[4096];	   /* of what is printed, until its newline comes */
	size_t json_len;
	const char *json_name;	   /* of the lines of this command, NULL = "line" */
	int exit_code;		   /* of a command in a container; 0 = none */
	int64_t idle_ms;	   /* without a key this long a login ends, 0 = never */
	int64_t typed_at_ms;	   /* the last key of this login */
	bool remote;		   /* both ways in frames (remote.h) */
	bool resized;		   /* by its client; whoever cares takes it back */
	struct remote_input input; /* of its client */
};

/* ---- terminal (tty.c) ---- */
void console_tty_raw(struct console *console);
void console_tty_restore(struct console *console);
/* Keys come one by one and log lines stay away; off: the cursor stands below the screen. */
void console_full_screen(struct console *console, bool on);
/* From here on a lost carrier hangs the terminal up, where the line has one. */
void console_tty_carrier(struct console *console);
/* Asks the terminal for its size; 24 x 80 where it does not answer within 200 ms. */
void console_tty_size(struct console *console);
/* Writes all, dropping what a stopped terminal does not take within 3 s. "\n" becomes "\r\n". */
void console_write(struct console *console, const char *text, size_t len);
void console_raw(struct console *console, const char *bytes, size_t len);
void console_printf(struct console *console, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* One JSON value for --json: the members of an object, as script.h writes them. */
void console_json(struct console *console, struct str members);
/* With --json: what stands there without a newline is a line too. */
void console_json_end(struct console *console);
/* What is typed, as read(); -1 and EAGAIN: nothing, but console->resized. */
ssize_t console_read(struct console *console, void *dst, size_t cap);
/* Bytes of a container's stdout (1) or stderr (2) as they are, to what is no terminal: all of them,
 * however long it takes. */
void console_bytes(struct console *console, int stream, const char *bytes, size_t len);
/* Foreign bytes, each line escaped. */
void console_foreign(struct console *console, struct str text);
/* Waits for input on the terminal or on fd (-1 = none); serves init meanwhile. Bits: 1 terminal,
 * 2 fd. 0 = timeout (-1 = none). */
int console_wait(struct console *console, int fd, int timeout_ms);
/* True when Ctrl-C came since the command began. Takes what was typed. */
bool console_interrupted(struct console *console);
/* A line of input under `prompt`, without echo; false at Ctrl-C or end. */
bool console_ask(struct console *console, const char *prompt, bool hidden, char *dst, size_t cap);

/* ---- the others (client.c) ---- */
/* A call and its only answer; connects first. The texts in err are for the person. */
int console_call(struct console *console, enum console_server server, uint16_t type,
		 struct str body, struct msg *ret_reply, struct err *err);
/* The same, but it gives up after timeout_ms instead of 20 s: -ETIMEDOUT. */
int console_call_within(struct console *console, enum console_server server, uint16_t type,
			struct str body, int timeout_ms, struct msg *ret_reply, struct err *err);
/* Sends a call without waiting; returns its fd for console_wait, answers come by msg_recv. */
int console_send(struct console *console, enum console_server server, uint16_t type,
		 struct str body, uint32_t serial, struct err *err);
/* The next answer on that connection: 1, 0 = gone, or an error (the other side's words; the reply
 * keeps nothing but its serial then). */
int console_next(struct console *console, enum console_server server, struct msg *ret_reply,
		 struct err *err);
void console_drop(struct console *console, enum console_server server);
/* A call that answers with lines until it is done: more() takes them, NULL before the last. */
struct console_job {
	uint16_t type;
	const char *done; /* put in front of its last line */
	const char *name; /* of the last line with --json, NULL = "text"; of others "progress" */
	const char *background; /* said when a person stops waiting: it goes on */
	bool one_line, quiet;	/* bars drawn in place on a terminal; the last line alone, bare */
	char *last; /* takes the last line too, `last_cap` bytes; NULL = nobody wants it */
	size_t last_cap;
	const char *silence; /* said every 5 s until the first line comes; NULL = nothing */
	void (*more)(struct console *console, void *owner, struct wire *in), *owner;
};
/* Prints them; Ctrl-C leaves the job alone. */
int console_follow(struct console *console, const struct console_job *job, struct str body,
		   struct err *err);
/* A call on the pair that init made for this console: the password's hash, log lines. */
int console_unit_call(struct console *console, uint16_t type, struct str body,
		      struct msg *ret_reply, struct err *err);
/* A call of init that tells a console from any other `hoy`: on that pair, where there is one. */
int console_own_call(struct console *console, uint16_t type, struct str body, struct msg *ret_reply,
		     struct err *err);
/* Takes what init sends on its own (log lines, stop). */
void console_serve_init(struct console *console);

/* ---- command lines (verbs.c) ---- */
/* Runs one command line. */
int console_run(struct console *console, const char *line);
/* What went wrong, as a line or as JSON. */
void console_error(struct console *console, int code, const struct err *err);
/* The same as console_run() for words as they are: nothing in them is a quote or a pipe. */
int console_run_words(struct console *console, const char *const *words, int count);
void console_complete(struct console *console, struct buf *out);
void console_help(struct console *console, const char *line);

#endif
