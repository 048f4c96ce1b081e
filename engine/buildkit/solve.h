/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_SOLVE_H
#define HOY_ENGINE_BUILDKIT_SOLVE_H

#include "engine/buildkit/deliver.h"
#include "engine/buildkit/outline.h"
#include "engine/buildkit/report.h"
#include "engine/buildkit/request.h"
#include "engine/buildkit/sync.h"

/*
 * One build of a client that speaks BuildKit's protocol. Known by the reference that the client
 * gives to all its calls; whichever of them comes first makes it.
 *
 *   NEW -- Solve of Control, and the frontend with it or over LLBBridge --> SESSION
 *   NEW -- no Solve of Control within SOLVE_UNASKED_MS --> ENDED, its calls are refused
 *   SESSION -- the client's session is there --> FILES (Dockerfile, .dockerignore)
 *   FILES --> ASKING (secrets, then logins that the Dockerfile needs) --> BUILDING (engine main
 *   has it, the context goes there) --> ENDED, which every state goes to with an error
 *
 * Where files of the result are wanted (--output type=local, tar) they leave after that, before
 * Control's Solve is answered.
 *
 * A context that is no directory of the client has its Dockerfile in it: then the build is held by
 * engine main once that is there, and ASKING comes again within BUILDING.
 */
enum solve_state {
	SOLVE_STATE_NEW,
	SOLVE_STATE_SESSION,
	SOLVE_STATE_FILES,
	SOLVE_STATE_ASKING,
	SOLVE_STATE_BUILDING,
	SOLVE_STATE_ENDED,
};

enum {
	SOLVES_MAX = 32,
	SOLVES_PER_CLIENT = 8, /* of one name */
	SOLVE_REF_MAX = 128,
	SOLVE_ARENA_MAX = 16 << 20,
	SOLVE_COMMAND_MAX = 24 << 10, /* of a RUN that failed, as the reason quotes it */
	SOLVE_TEXT_MAX = SOLVE_COMMAND_MAX + 4096, /* of the reason */
	SOLVE_LINGER_MS = 10000,
	SOLVE_UNASKED_MS = 10000, /* until Control's Solve has to be there */
	SOLVE_FILES = 2,	  /* Dockerfile, its own .dockerignore */
	SOLVE_WARNINGS_MAX = 128,
	SOLVE_ANSWER_MAX = 8 << 20,
	SOLVE_TREES_MAX = BUILD_CONTEXTS_MAX + 1,
	SOLVE_SESSION_TRIES = 250,
	SOLVE_SESSION_MS = 20,
};

/* A directory of the client: the context, if it is one, is the first, named ones come behind it. */
struct solve_tree {
	bool own;	  /* the build's own context */
	const char *dir;  /* as the client knows it */
	const char *part; /* of the tar: "0", "1"...; NULL = all of it */
	struct sync_file ignore;
};

struct solve {
	struct solve *next;
	struct docker_server *server;
	char who[GATE_NAME_MAX + 1]; /* whose build it is */
	char from[64];		     /* where it was begun */
	enum docker_role role;
	char ref[SOLVE_REF_MAX];
	enum solve_state state;
	struct arena arena;
	struct solve_request request;
	struct engine_context wanted;
	int64_t begun_ns;     /* wall clock, 0 = not yet */
	bool asked;	      /* Control's Solve has come */
	bool planned;	      /* the Dockerfile is one */
	bool returned;	      /* LLBBridge's Return has come */
	bool over, forgotten; /* nobody waits for it; it was known long enough */
	/* Calls that wait for their answer: Control's Solve, LLBBridge's. */
	struct grpc_call *control, *bridge;
	struct solve_stream *stream; /* or POST /build */
	struct report report;
	/* What is asked of the client: one at a time. */
	struct sync *sync;
	struct grpc_call *ask;
	struct buf answer;
	struct sync_file files[SOLVE_FILES];
	struct solve_tree trees[SOLVE_TREES_MAX];
	uint32_t tree_count, tree;			 /* the one that is fetched */
	int pipe_fd;					 /* towards engine main, -1 = none */
	struct upload *upload;				 /* a context from stdin, under way */
	uint32_t told_secrets, told_logins, told_agents; /* those that engine main has */
	struct outline outline;
	uint32_t asked_secrets, asked_hosts, asked_agents;
	struct agent *agents[ENGINE_CONTEXT_AGENTS_MAX]; /* those that steps can reach */
	uint32_t agent_count;
	/* Steps that are told of: by number of engine main's, and those that have none. */
	struct report_vertex *steps[OUTLINE_STEPS_MAX + 1];
	struct report_vertex *definition, *loading, *metadata;
	uint64_t moved; /* bytes of the context */
	uint32_t step;	/* the last that began */
	bool at_main;	/* engine main has not said its last word */
	struct loop_timer timer;
	struct loop_timer leaving; /* of who asked by POST /build */
	unsigned tries;
	char image[DIGEST_TEXT_MAX]; /* what was built, "" = nothing */
	struct str before;	     /* the images that were there; ptr NULL = not asked */
	bool dropped;		     /* the image was there for its files alone */
	struct deliver *deliver;     /* its files, on their way to the client */
	struct report_vertex *exporting;
	/* Of what is asked instead of a build: */
	struct subrequest_warning *warnings; /* SOLVE_WARNINGS_MAX */
	uint32_t warning_count;
	bool wrong;	     /* something was found */
	struct buf answered; /* JSON, "" = nothing was asked */
	int32_t failed_status;
	const char *failed_command;
	struct err error;
	uint32_t error_line, failed_step; /* of the Dockerfile; 0 = unknown */
};

/* ---- solve.c: the calls of a client; each of them ends its call, now or later ---- */
void solve_control(struct grpc_call *call, struct str message);
void solve_bridge(struct grpc_call *call, struct str message);
void solve_return(struct grpc_call *call, struct str message);
void solve_status(struct grpc_call *call, struct str message);
/* One that a client of POST /build asks for, with an empty request in memory of its own; NULL: it
 * is there, or there are too many. */
struct solve *solve_open(const struct docker_client *client, const char *ref);
void solve_closed(struct solve *solve); /* nobody waits for its answer any more */
/* All that are under way, or the one of this reference. */
void solve_each(const char *ref, void (*fn)(const struct solve *solve, void *owner), void *owner);
/* What became of it, as entries of a map. */
void solve_put_response(const struct solve *solve, struct buf *message, uint32_t field);
/* ---- stream.c: POST /build?version=2 ---- */
void solve_stream_end(struct solve *solve);
/* The build is over: error code 0 = image is its result. */
void solve_end(struct solve *solve);
/* With an error: its place, "Dockerfile:3:1: ", becomes error_line. */
void solve_fail(struct solve *solve, const struct err *err);

/* A socket of the build of that token, which leads to an agent; fd is taken over. */
void solve_take_agent(uint64_t token, const char *id, int fd);

/* ---- solve_gather.c: from NEW to BUILDING ---- */
void solve_begin(struct solve *solve);
struct session *solve_session(const struct solve *solve);
/* ---- solve_ask.c: secrets and logins of the outline, then solve_build() or solve_go() ---- */
void solve_ask(struct solve *solve);
/* ---- solve_build.c: BUILDING ---- */
void solve_build(struct solve *solve);
void solve_take_inputs(struct solve *solve, struct str inputs);
/* What a directory of the client is told as. */
const char *solve_tree_title(struct solve *solve, const char *what);
/* Fetches it; ops->done() follows, or the build has failed. */
void solve_sync(struct solve *solve, const struct sync_request *request,
		const struct sync_ops *ops);
/* The outline has been made: registries of caches and repositories have logins too. */
int solve_add_logins(struct solve *solve, struct err *err);

/* ---- solve_call.c: what is asked instead of a build (docker build --call) ---- */
/* Without engine main: the Dockerfile is there. */
void solve_describe(struct solve *solve, const struct build_inputs *inputs);
/* One of its own, and of the report. */
void solve_take_warning(struct solve *solve, const struct subrequest_warning *warning);
/* Into the pipe: all that warnings are told by. */
int solve_put_ignore(struct solve *solve, struct err *err);
/* What was found is an answer, an error in the Dockerfile too. */
void solve_lint_end(struct solve *solve);
/* Of LLBBridge's Result, as a map. */
void solve_put_answer(const struct solve *solve, struct buf *result);

/* ---- solve_export.c ---- */
/* The result is no image that stays: it goes when nobody waits any more. */
bool solve_is_passing(const struct solve *solve);
/* Of such a build: which images are there, before it begins; solve_build() follows. */
void solve_look(struct solve *solve);
/* Its files to the client; solve_finished() follows. */
void solve_export(struct solve *solve);
/* With solve->error where it failed. */
void solve_finished(struct solve *solve);
void solve_drop(struct solve *solve);

/* ---- solve_tell.c: what engine main says, and what clients are told ---- */
void solve_take_note(struct solve *solve, struct wire *in);
void solve_tell_result(struct solve *solve);
void solve_tell_failure(struct solve *solve);
/* google.rpc.Status of what went wrong; text is its message. */
void solve_put_failure(const struct solve *solve, struct buf *text, struct buf *status);

#endif
