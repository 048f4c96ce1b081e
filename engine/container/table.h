/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_TABLE_H
#define HOY_ENGINE_CONTAINER_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/container/container.h"
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/loop.h"

/*
 * The containers that were made over the API: the same /data/containers/<id> and the same state
 * file as a declared one, with def.declared off. The table keeps what a declared one has in its
 * service: a name, whether it is wanted, its restart policy, how it ended. Runs in engine main.
 *
 *   CREATED -> STARTING -> RUNNING -> EXITED          a failed start: back to CREATED or EXITED
 *                            |-> RESTARTING -> STARTING (policy), EXITED when it is stopped
 * Removed from every state but STARTING; a running one is killed first.
 */
enum table_state {
	TABLE_STATE_CREATED,
	TABLE_STATE_STARTING,
	TABLE_STATE_RUNNING,
	TABLE_STATE_RESTARTING,
	TABLE_STATE_EXITED,
};

enum table_wait { TABLE_WAIT_START, TABLE_WAIT_STOP, TABLE_WAIT_REMOVE };

struct table_entry;

/* Somebody who is told once what has become of it; err NULL = it went well. */
struct table_call {
	struct table_call *next;
	enum table_wait kind;
	void (*done)(void *owner, const struct err *err);
	void *owner;
};

struct table_entry {
	struct table_entry *next;
	struct table *table;
	struct arena arena; /* of def */
	struct container_def def;
	uint64_t edition;	  /* of def, and of the ports that were picked for this start */
	struct image_lease lease; /* its layers, also while it does not run */
	char id[CONTAINER_ID_LEN + 1];
	enum table_state state;
	bool paused, removing, manual_stop, restart_asked, oom;
	bool tell_restart;	     /* once it has started: that was a restart */
	bool volumes_too;	     /* removing: those without a name go as well */
	struct container *container; /* while it starts or runs */
	int64_t created_s, started_ns, finished_ns;
	int32_t exit_code;
	uint32_t restarts; /* in a row, of the policy */
	char error[ERR_TEXT_MAX];
	struct loop_timer timer, burial, killed;
	struct mono running_since;
	int64_t ran_s; /* the last time, once it has ended */
	struct table_call *calls;
};

struct table_ops {
	/* Docker's word for what happened: "create" "start" "die" ... */
	void (*event)(void *owner, const struct table_entry *entry, const char *action,
		      int32_t number);
	void (*exec_ended)(void *owner, struct container *container, uint32_t exec_id,
			   int32_t code);
	void (*container_gone)(void *owner, struct container *container);
	/* Its shim is there, the program not yet: who waits to attach is connected now. */
	void (*launched)(void *owner, struct table_entry *entry);
	/* Its directory went; anonymous volumes may go too. */
	void (*removed)(void *owner, const struct table_entry *entry, bool volumes);
};

enum { TABLE_MAX = 4096 };

struct table {
	struct container_env *env;
	const struct table_ops *ops;
	void *owner;
	struct table_entry *first;
	uint32_t count;
	bool stopping;
	void (*stopped)(void *owner);
	void *stopped_owner;
};

/* From now on its definition counts as another one, for who has kept what it said. */
void table_edit(struct table_entry *entry);

void table_init(struct table *table, struct container_env *env, const struct table_ops *ops,
		void *owner);

/* By name, id, or the beginning of an id that fits only one; NULL. *ret_many: more than one fits.
 */
struct table_entry *table_find(struct table *table, const char *text, bool *ret_many);

/* A new container, durable on return; id: 64 hex digits that no other has. NULL with err. */
struct table_entry *table_create(struct table *table, const char *id,
				 const struct container_def *def, struct err *err);

/*
 * done() follows, maybe from within the call. -EALREADY (and no done): it is as it was wanted.
 * grace_ms -1 = its own; signal 0 = its own.
 */
int table_start(struct table_entry *entry, void (*done)(void *owner, const struct err *err),
		void *owner, struct err *err);
int table_stop(struct table_entry *entry, int64_t grace_ms, int signal,
	       void (*done)(void *owner, const struct err *err), void *owner, struct err *err);
int table_restart(struct table_entry *entry, int64_t grace_ms, int signal,
		  void (*done)(void *owner, const struct err *err), void *owner, struct err *err);
int table_remove(struct table_entry *entry, bool force, bool volumes,
		 void (*done)(void *owner, const struct err *err), void *owner, struct err *err);
/* After SIGKILL done() comes with its end, as Docker answers, or -ETIMEDOUT after 10 s; after
 * others at once; it may be NULL. */
int table_kill(struct table_entry *entry, int signal,
	       void (*done)(void *owner, const struct err *err), void *owner, struct err *err);
int table_pause(struct table_entry *entry, bool pause, struct err *err);
/* Gives it this definition (same name or another): durable, and limits hold at once. */
int table_change(struct table_entry *entry, const struct container_def *def, struct err *err);
/* done() of this owner will not be called any more. */
void table_forget(struct table *table, const void *owner);

/* /data is there: takes /data/containers/<id> over. False: it belongs to somebody else. */
bool table_adopt(struct table *table, const char *id);
/* All are adopted: starts what its policy wants to run. */
void table_boot(struct table *table);
void table_reattach(struct table *table);
/* Stops all; stopped() once none runs. */
void table_stop_all(struct table *table, int64_t grace_max_ms, void (*stopped)(void *owner),
		    void *owner);

/* ---- parts, for table*.c only ---- */
struct table_entry *table_add(struct table *table, const char *id, const struct container_def *def,
			      struct err *err);
void table_drop(struct table_entry *entry);
int table_begin(struct table_entry *entry, struct err *err);
int table_write(struct table_entry *entry, struct err *err);
int table_take_def(struct table_entry *entry, const struct container_def *def, struct err *err);
int table_call_add(struct table_entry *entry, enum table_wait kind,
		   void (*done)(void *owner, const struct err *err), void *owner, struct err *err);
void table_calls_done(struct table_entry *entry, enum table_wait kind, const struct err *err);
void table_event(const struct table_entry *entry, const char *action, int32_t number);
void table_settled(struct table_entry *entry);
void table_remove_now(struct table_entry *entry, bool volumes);
void table_arm_restart(struct table_entry *entry);
extern const struct container_ops table_container_ops;

#endif
