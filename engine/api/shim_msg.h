/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_SHIM_MSG_H
#define HOY_ENGINE_API_SHIM_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * Between engine main and the shim of one container. The shim is started with these fds and nothing
 * else; stderr is the log pipe. When main is gone the shim goes on and takes the next main on
 * SHIM_FD_LISTEN (uid 0 only; the newest connection gets the one-way messages).
 */
enum {
	SHIM_FD_MAIN = 3,   /* SEQPACKET pair with main */
	SHIM_FD_PLAN = 4,   /* sealed memfd of run_plan_memfd() */
	SHIM_FD_DIR = 5,    /* /data/containers/<id>: log/ and exit are written there */
	SHIM_FD_CGROUP = 6, /* the container's cgroup directory */
	SHIM_FD_LISTEN = 7, /* listening SEQPACKET socket /run/hoy/engine/shim/<id>.sock */
	SHIM_FD_NETNS = 8,  /* network namespace */
	SHIM_FD_ROOT = 9,   /* O_PATH of the root's mount (rootfs_mount) */
	SHIM_FD_EXTRA = 10, /* namespaces and bind sources given by fd, up to SHIM_FD_MAX */
	SHIM_FD_MAX = 18,
};

/*
 * Calls of main and their replies (a reply has the same type), bodies in wire form. A shim lives on
 * while main is replaced, so each side says its version (shim_version.h): the shim refuses a START
 * of another one with -EPROTO; main keeps a shim of another version and uses what every version
 * has: SIGNAL, STOP, RELEASE, EXITED and the head of STATE, to which later ones may only append.
 *
 * START        {u16 version of main, u64 log max_size bytes, u32 log max_file, u8 log off,
 *              and for the log driver syslog {u8 enum shim_log_format, u8 stream, u32 facility,
 *              blob struct sockaddr, text host name, text tag}}
 *              -> {u32 pid on the host} fds [pidfd] once execve succeeded; else an error that names
 *              the step. The container then counts as exited and the shim ends.
 * SIGNAL       {u32 exec id (0 = the container's first process), u32 signal}; SIGKILL to 0 kills
 *              the whole cgroup
 * RESIZE       {u32 exec id, u16 rows, u16 columns}
 * ATTACH       {u8 enum shim_attach} -> {u8 tty, and with PLACE u64 inode of the log file (0 =
 * there is none), u64 its size: what is not in the log up to there is in the stream} fds [stream
 * socket]. What is read from it is the output: raw with a tty, else frames {u8 1 stdout | 2 stderr,
 * 3 zero bytes, u32 big-endian length, bytes}; what is written goes to stdin, shutdown(SHUT_WR)
 * closes stdin. A reader that does not keep up loses its connection, never the container. EXEC {}
 * fds [sealed memfd of run_plan_encode_exec()]
 *              -> {u32 exec id, u32 pid, u8 tty} fds [pty master] or [stdin writer or /dev/null,
 *              stdout reader, stderr reader]
 * STATE        {} -> head {u16 version of the shim, u8 enum shim_state, u32 pid, shim_exit record},
 *              then {u64 dropped log lines, u32 count, {u32 exec id, u32 pid} each}, fds [pidfd]
 *              while it runs
 * STOP         {}: cgroup.kill; EXITED follows as usual
 * RELEASE      {}: main has taken the exit: the shim ends without waiting any longer. Refused with
 *              -EBUSY while the container runs.
 * Before START the shim ends when the connection drops.
 *
 * One-way from the shim:
 * EXITED       shim_exit record
 * EXEC_EXITED  {u32 exec id, i32 code, u32 signal}
 * OOM          {u64 count of processes killed so far}
 */
enum shim_msg {
	SHIM_MSG_START = 0x0601,
	SHIM_MSG_SIGNAL,
	SHIM_MSG_RESIZE,
	SHIM_MSG_ATTACH,
	SHIM_MSG_EXEC,
	SHIM_MSG_STATE,
	SHIM_MSG_STOP,
	SHIM_MSG_RELEASE,
	SHIM_MSG_EXITED,
	SHIM_MSG_EXEC_EXITED,
	SHIM_MSG_OOM,
};

enum shim_attach {
	SHIM_ATTACH_STDIN = 1, /* stdin is wanted */
	SHIM_ATTACH_PLACE = 2, /* the stream begins with the line that the log has not got yet */
};

/* How a line looks on its way to a syslog server. */
enum shim_log_format {
	SHIM_LOG_PLAIN, /* as a local socket takes it: no host name */
	SHIM_LOG_RFC3164,
	SHIM_LOG_RFC5424,
	SHIM_LOG_RFC5424_MICRO,
};

enum shim_state {
	SHIM_STATE_CREATED,
	SHIM_STATE_STARTING, /* between START and execve */
	SHIM_STATE_RUNNING,
	SHIM_STATE_EXITED,
	SHIM_STATE_COUNT,
};

enum {
	SHIM_EXECS_MAX = 16,  /* at the same time */
	SHIM_CLIENTS_MAX = 4, /* attached streams at the same time */
	SHIM_EXIT_TEXT_MAX = 192,
};

#define SHIM_EXIT_FILE "exit"
#define SHIM_LOG_DIR   "log"
#define SHIM_LOG_FILE  "json.log" /* rotated: json.log.1 is the youngest old one */

/* How the container ended; wire: {i32 code, u32 signal, u8 oom, i64 started, i64 finished}. */
struct shim_exit {
	int32_t code;	    /* of exit(2); 128 + signal when a signal ended it */
	uint32_t signal;    /* 0 = none */
	bool oom;	    /* the kernel killed a process of it for memory */
	int64_t started_ns; /* wall clock, nanoseconds since 1970; 0 = never */
	int64_t finished_ns;
};

/* SHIM_MSG_EXITED and the part of SHIM_MSG_STATE. */
struct wire;
void shim_exit_get(struct wire *in, struct shim_exit *ret_exit);
void shim_exit_put(struct buf *out, const struct shim_exit *status);

/* The status file: one line "hoy-exit 1 CODE SIGNAL OOM STARTED FINISHED SUM\n". */
int shim_exit_format(const struct shim_exit *status, char dst[SHIM_EXIT_TEXT_MAX]);
int shim_exit_parse(struct str text, struct shim_exit *ret_exit, struct err *err);

struct shim_running {
	uint32_t exec_id, pid;
};

/* The body of the reply to SHIM_MSG_STATE; of another version's the head alone, the rest is 0. */
struct shim_report {
	uint16_t version;
	enum shim_state state;
	uint32_t pid;
	struct shim_exit exit;
	uint64_t dropped_lines;
	uint32_t exec_count;
	struct shim_running execs[SHIM_EXECS_MAX];
};
int shim_report_decode(struct str body, struct shim_report *ret_report, struct err *err);

#endif
