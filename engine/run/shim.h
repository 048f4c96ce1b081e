/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_SHIM_H
#define HOY_ENGINE_RUN_SHIM_H

#include "engine/run/apply.h"
#include "engine/run/shim_syslog.h"
#include "lib/loop.h"
#include "lib/msg.h"

/*
 * The parts of the shim: one container, one loop, no heap. All of it is one static struct shim in
 * role_shim.c; every buffer has its size here.
 */
enum {
	SHIM_CHUNK = 8192,    /* one read of the container's output */
	SHIM_LINE_MAX = 8192, /* a longer line is logged in pieces */
	SHIM_LOG_OUT = 65536, /* log lines collected for one write */
	SHIM_STDIN_BUF = 4096,
	SHIM_PEERS = 3, /* connections of main: the old one may still be there */
	SHIM_BODY_MAX = 1024,
};

/*
 * The large buffers, apart from all else: a page that nobody wrote to costs nothing, and so a
 * container that says nothing has none of these. Behind the rest of struct shim.
 */
struct shim_room {
	char line[2][SHIM_LINE_MAX];
	char out[SHIM_LOG_OUT];
	char frame[8 + SHIM_CHUNK];
	char in_buf[SHIM_STDIN_BUF];
	char syslog[SHIM_SYSLOG_OUT];
};

/* ---- shim_log.c: json-file lines, rotation ---- */

struct shim_log {
	int dir_fd; /* log/, -1 while it cannot be opened */
	int fd;	    /* json.log */
	bool off;   /* logging is switched off */
	uint64_t size, max_size;
	uint32_t max_file;
	uint64_t dropped;	 /* lines, all in all */
	uint64_t dropped_unsaid; /* of these, not yet mentioned in the log */
	struct mono retry;	 /* when a failed open is tried again */
	size_t out_len, out_lines;
	size_t partial[2];	/* bytes in room->line[] */
	struct shim_room *room; /* line and out */
	struct shim_syslog *syslog;
};

/* Opens (and repairs the last line of) the log below dir_fd. A failure is no error: lines drop. */
void shim_log_open(struct shim_log *log, int dir_fd, uint64_t max_size, uint32_t max_file,
		   bool off);
/* stream 0 = stdout, 1 = stderr. */
void shim_log_add(struct shim_log *log, int stream, const char *data, size_t len);
/* Writes what is collected; with `last` also lines that have no end yet. */
void shim_log_flush(struct shim_log *log, bool last);

/* ---- shim_stream.c: output to the log and to attached clients, stdin ---- */

struct shim_client {
	struct shim_streams *streams;
	int fd; /* -1 = free */
	struct loop_io io;
	bool wants_stdin, half_closed;
	size_t sent; /* of the frame in flight */
};

struct shim_streams {
	struct loop *loop;
	struct shim_log *log;
	bool tty;
	int out[2]; /* stdout and stderr readers, with a tty the master alone; -1 = ended */
	struct loop_io out_io[2];
	int in; /* stdin writer, with a tty a copy of the master; -1 = none or closed */
	struct loop_io in_io;
	int slave; /* kept open until the container is gone, so that the master never hangs up */
	struct shim_client clients[SHIM_CLIENTS_MAX];
	struct loop_timer stalled;
	struct shim_room *room; /* frame and in_buf */
	size_t frame_len;	/* header and data in frame[], 0 = none in flight */
	size_t in_at, in_len;
	bool carried; /* set when output was read: whoever asks clears it */
	bool in_ends; /* a client closed its side: stdin ends behind what is in in_buf */
	void (*ended)(void *owner); /* all output was read */
	void *owner;
};

void shim_streams_init(struct shim_streams *streams, struct loop *loop, struct shim_log *log);
/* Takes the fds over and begins to read. */
int shim_streams_start(struct shim_streams *streams, bool tty, const int out[2], int in, int slave,
		       struct err *err);
/* A new client; returns the other end of its socket. -EBUSY when all places are taken. */
int shim_streams_attach(struct shim_streams *streams, unsigned flags, struct err *err);
/* The container is gone: what is left is read, then ended() is called. */
void shim_streams_finish(struct shim_streams *streams);
/* Stops reading and lets the clients go, whatever is left. */
void shim_streams_close(struct shim_streams *streams);
/* There is output that was not read or not delivered yet. */
bool shim_streams_open(const struct shim_streams *streams);

/* ---- shim_exec.c: further processes ---- */

struct shim;
struct shim_exec {
	uint32_t id; /* 0 = free */
	struct shim *shim;
	uint32_t pid;
	int pidfd, report, master;
	int give[3]; /* fds for main, until the answer */
	size_t give_count;
	bool started;
	struct msg_peer *asked_by; /* NULL when main went away before the answer */
	uint32_t serial;
	struct loop_io pidfd_io, report_io;
};

/* ---- role_shim.c ---- */

/* What each shim writes to stands first, on one page; the peers are taken one by one. */
struct shim {
	struct loop loop;
	unsigned newest; /* index of the connection that gets one-way messages */
	struct loop_io listen_io, pidfd_io, report_io, oom_io;
	struct loop_timer drain, retry;
	enum shim_state state;
	struct shim_exit exit;
	uint32_t pid;
	int pidfd, report, pts, own_pidns, oom_fd, master;
	uint64_t oom_kills;
	bool durable, announced;
	struct msg_peer *start_peer;
	uint32_t start_serial, last_exec_id;
	struct shim_log log;
	struct shim_streams streams;
	struct msg_peer peers[SHIM_PEERS];
	struct shim_exec execs[SHIM_EXECS_MAX];
	struct shim_syslog syslog;
	struct shim_room room;
};

/* A buffer for a message body: static memory, so that it never grows and is never freed. */
void shim_body(struct buf *body, char memory[SHIM_BODY_MAX]);
/* One-way to the newest main; lost when there is none: STATE tells the same. */
void shim_tell(struct shim *shim, uint16_t type, const struct buf *body);

/* The plan in a sealed memfd, mapped. -EPERM when it is not sealed. */
int shim_map_plan(int fd, const void **ret_data, size_t *ret_len, struct plan *ret_plan,
		  struct err *err);
void shim_unmap_plan(const void *data, size_t len);

/* Reaps by pidfd; the exit code as a shell counts it, and the signal. */
int shim_reap(int pidfd, int32_t *ret_code, uint32_t *ret_signal);

/* SIGKILL to the whole container, also to what is being forked. */
void shim_kill_all(struct shim *shim);

/* ---- shim_call.c: handlers of messages ---- */

void shim_signal_message(struct msg_peer *peer, struct msg *msg);
void shim_resize_message(struct msg_peer *peer, struct msg *msg);
void shim_attach_message(struct msg_peer *peer, struct msg *msg);
void shim_state_message(struct msg_peer *peer, struct msg *msg);
void shim_stop_message(struct msg_peer *peer, struct msg *msg);
void shim_release_message(struct msg_peer *peer, struct msg *msg);

/* ---- shim_exec.c, besides its record above ---- */

void shim_exec_message(struct msg_peer *peer, struct msg *msg);
struct shim_exec *shim_exec_find(struct shim *shim, uint32_t id);
/* The connection is gone: no answer any more. */
void shim_exec_forget(struct shim *shim, const struct msg_peer *peer);

#endif
