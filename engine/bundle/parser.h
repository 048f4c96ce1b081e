/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_PARSER_H
#define HOY_ENGINE_BUNDLE_PARSER_H

#include <sys/types.h>
#include "engine/bundle/answer.h"
#include "engine/bundle/args.h"

/*
 * The process that reads JSON: a fork of hoy-oci without files, capabilities or a user of the host,
 * which knows the bytes from before the fork and answers over a pipe. Between parser_begin() and
 * parser_end() the caller does what does not depend on the answer.
 */
enum parser_kind {
	PARSER_KIND_CONTAINER, /* config -> plan and all that is beside it */
	PARSER_KIND_EXEC,      /* config, and a process file or `overrides` -> plan of an exec */
	PARSER_KIND_RESOURCES, /* a resources file -> resources, and the device program */
};

/* What `exec` says on its command line, on top of the container's own process. */
struct parser_exec {
	const char *const *argv; /* NULL = that of the process */
	const struct args_list *env, *caps, *groups;
	const char *cwd, *user, *apparmor, *label;
	bool tty, no_new_privs;
};

struct parser_job {
	enum parser_kind kind;
	struct str config;  /* bytes of config.json */
	struct str process; /* bytes of a process or resources file, empty = none */
	const char *id, *bundle;
	const struct parser_exec *exec;
	uint32_t preserve_fds;
	uint32_t listen_fds;	   /* the first of them: sd_listen_fds(3), 0 = none */
	const char *listen_names;  /* LISTEN_FDNAMES, NULL = none */
	const char *notify_source; /* the directory of NOTIFY_SOCKET, NULL = none */
	const char *notify_target;
	bool no_pivot, no_new_keyring, may_miss_process;
	bool nested; /* we are in a user namespace ourselves */
	/* The parser's own: */
	pid_t pid;
	int answer_fd;
};

/* Forks. void_fd is an empty directory, the root of the parser from now on. */
int parser_begin(struct parser_job *job, int void_fd, struct err *err);

/* Waits for the answer; its texts point into memory. An error of the parser becomes err. */
int parser_end(struct parser_job *job, struct buf *memory, struct answer *ret_answer,
	       struct err *err);

/*
 * What the parser does with the job: pure. Writes an answer, also for an error. What it allocates
 * it leaves to the end of its process, which is next.
 */
void parser_work(const struct parser_job *job, struct buf *out);

#endif
