/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_MANAGER_H
#define HOY_ENGINE_SERVICE_MANAGER_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/engine_msg.h"
#include "engine/build/exec.h"
#include "engine/oci/reference.h"
#include "engine/container/container.h"
#include "engine/image/take.h"
#include "engine/service/ends.h"
#include "engine/service/machine.h"
#include "engine/service/spec.h"
#include "engine/service/trial.h"
#include "engine/service/turn.h"
#include "engine/service/update.h"
#include "lib/ini.h"
#include "lib/loop.h"
#include "lib/msg.h"

/*
 * The declared containers: drives one service machine for each [service] section, carries its
 * actions out, and answers what the console asks about them.
 */
struct manager;

struct service {
	struct service *next;
	struct manager *manager;
	char name[SERVICE_NAME_MAX + 1];
	char group[SERVICE_NAME_MAX + 1]; /* its section; another than name for replicas */
	struct service_spec *spec;	  /* in manager->config's arena; NULL when refused */
	struct digest section;		  /* of the section's text: tells a changed definition */
	struct digest source;		  /* of what in it says what is built, and its name */
	enum service_state state;
	bool declared;	     /* false: its section is gone, it is being stopped */
	bool was_declared;   /* before this reading of the configuration */
	bool operator_stop;  /* stopped by a person: stays so until the next boot, or for ever
				where restart = unless-stopped */
	bool operator_start; /* started by a person, whatever its profiles say */
	uint32_t rank;	     /* start order */
	/* the image it runs from, once prepared */
	struct arena image_arena;
	struct image image;
	/* work under way */
	struct image_take *take;
	struct build_job *build;
	struct build_job *rebuild;	 /* while it runs from the image of before */
	struct loop_timer rebuild_again; /* one that failed */
	bool rebuild_due;		 /* rebuild_again is set */
	unsigned rebuild_failures;
	bool stale;	   /* its context may be another one than the image was made of */
	bool section_due;  /* it changed since what runs was started */
	bool source_moved; /* and what is built, or its name, did */
	bool image_stays;  /* cycled for its section: the next start is from the image of before */
	char rebuild_line[160];
	struct turn start;	/* while it is STARTING */
	struct loop_timer late; /* a start that does not get on gives its turn back */
	struct container *container;
	char container_id[CONTAINER_ID_LEN + 1]; /* of the last one, "" = none */
	struct digest container_def;		 /* its definition */
	struct loop_timer retry, restart, schedule, waits;
	struct mono retry_at, running_since;
	int64_t due_s;	     /* SCHEDULED: wall time of the next run, 0 = not known yet */
	bool schedule_asked; /* the api role has not answered yet */
	bool schedule_every; /* an interval: the clock does not matter */
	uint32_t failures;   /* in a row, for the back-off */
	uint32_t quick_ends;
	uint32_t restarts;
	uint32_t retries; /* since it ran for a while or was started: for on-failure:N */
	bool ran;	  /* ended at least once since boot */
	struct shim_exit last_exit;
	struct trial trial;
	struct service_update update;
	struct service_ends ends;	/* over reboots */
	char reason[ENGINE_STATUS_MAX]; /* why it waits or was refused */
	char end_text[96];		/* how it ended last */
	char progress[160];
};

struct manager_env {
	struct loop *loop;
	struct container_env *containers;
	struct msg_peer *store;
	struct build_env *builds;
	int run_fd; /* /run/hoy */
	/* For whoever waits for a process started by exec; may be NULL. */
	void (*exec_ended)(void *owner, struct container *container, uint32_t exec_id,
			   int32_t code);
	void (*container_gone)(void *owner, struct container *container);
	/* A directory below containers/ that no section owns: true = somebody took it over. */
	bool (*adopt_other)(void *owner, const char *id);
	/* Ids that others have attached, as NETD_MSG_SYNC lists them; body NULL: only counts. */
	uint32_t (*put_attached)(void *owner, struct buf *body);
	/* "start", "die" (number: exit code); may be NULL. */
	void (*event)(void *owner, const struct service *s, const char *action, int32_t number);
	const struct service_networks *networks; /* networks.h; may be NULL */
	void *owner;
};

struct manager {
	struct manager_env env;
	struct ini_config config;	 /* services.ini, the one in force */
	struct ini_config engine_config; /* engine.ini */
	struct service *services;
	struct compose_file *compose_files;
	struct turns starts;
	bool data_ready, stopping, first_reported;
	bool network_up, clock_good; /* for wait_for */
	bool keep_blobs; /* engine.ini: compressed layers stay in the store, however they came */
	bool preloading; /* archives of /config/images are taken in before anything is pulled */
	struct image_take *preload;
	uint32_t preload_next;
	struct loop_timer ends_timer; /* what ended is written, soon */
	struct mono ends_since;	      /* one of the writes spent is regained every ten seconds */
	int ends_spent;
	bool ends_known;	       /* the file was read */
	struct loop_timer sweep, sync; /* what was kept of services that are gone goes; netd */
	void (*stopped)(void *owner);  /* once, after manager_stop() and the last end */
	void *owner;
};

int manager_init(struct manager *manager, const struct manager_env *env, struct err *err);

/* Reads services.ini and engine.ini of all layers and applies the difference to what runs. */
int manager_load(struct manager *manager, struct err *err);

/* What the layers on trial would change: the answer to ENGINE_MSG_CHECK. Changes nothing. */
int manager_try(struct manager *manager, struct buf *out, struct err *err);

/* /data is there: adopt what runs, take archives in, start what is declared. Once. */
void manager_data_ready(struct manager *manager);

/* Something outside changed (link, DNS, clock, store): whoever waits may try at once. */
void manager_kick(struct manager *manager, const char *why);

/* The same, with what it means for wait_for. */
void manager_network(struct manager *manager, bool up, const char *why);
void manager_clock(struct manager *manager, bool good);

/* netd is (again) there: attach what runs. */
void manager_reattach(struct manager *manager);

/* Stops all in reverse order of their dependencies; grace_max_ms bounds each one's grace. */
void manager_stop(struct manager *manager, int64_t grace_max_ms, void (*stopped)(void *owner),
		  void *owner);

struct service *manager_find(struct manager *manager, const char *name);
/* As err, with the nearest name in it. */
int manager_unknown(struct manager *manager, const char *name, struct err *err);
int manager_act(struct manager *manager, const char *name, enum engine_act act, int64_t argument,
		struct err *err);
void manager_row(const struct service *service, struct engine_row *ret_row);
/* The registry settings for a reference's host; texts live in the arena. */
void manager_pull_hosts(struct manager *manager, const char *reference, struct arena *arena,
			struct pull_start *start);
/* The same as a callback: owner is the manager. */
void manager_hosts(void *owner, const char *reference, struct arena *arena,
		   struct pull_start *start);

/* ---- parts, for engine/service only ---- */
void service_event(struct service *service, enum service_event event);
void service_reason(struct service *service, const char *text);
void service_prepare(struct service *service);
/* rebuild.c: builds in the background, for a service that runs; then, if what would start is
 * another definition, it is cycled. Begins anew where one is under way. */
void service_rebuild(struct service *service);
/* It runs: the same, but one that is under way or waits for its time goes on. */
void service_rebuild_started(struct service *service);
void service_rebuild_stop(struct service *service);
void service_rebuild_status(const struct service *service, struct buf *out);
/* The name of its image: `image`, or one of our own for what is built. */
int service_image_name(const struct service *service, char ret_name[OCI_REFERENCE_MAX],
		       struct err *err);
struct build_job *service_build(struct service *service, const struct build_job_ops *ops,
				struct err *err);
/* pull = always, and the registry gave none: it goes on with the store's. */
void service_keep_stored(struct service *service, const struct err *err);
void service_cancel(struct service *service);
void service_start(struct service *service);
void service_stop(struct service *service);
void manager_preload(struct manager *manager);
void manager_adopt(struct manager *manager);
void manager_check_waiting(struct manager *manager);
void manager_stop_next(struct manager *manager);
/* Who was stopped for good (restart = unless-stopped) in an earlier boot stays so. */
void manager_recall_stopped(struct manager *manager);
/* One more end; the record is written soon, and at the end of the engine. */
void service_ended(struct service *service, const char *text);
bool service_in_group(const struct service *service, const char *group);
/* Everything in wait_for is there; else the reason is set and it is looked for again. */
bool service_waits_over(struct service *service);
void service_schedule(struct service *service);
void service_schedule_stop(struct service *service);
bool service_marked_stopped(const struct service *service);
void service_mark_stopped(const struct service *service, bool stopped);

#endif
