/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_VIEW_MSG_H
#define HOY_ENGINE_API_VIEW_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/engine_msg.h"
#include "lib/buf.h"
#include "lib/str.h"
#include "lib/wire.h"

/*
 * What engine main tells the api role about containers, volumes and networks. Slices point into the
 * body that was read.
 */

/* {} -> as ENGINE_MSG_VIEWS of all, without the definitions that an `edition` stands for */
enum { ENGINE_MSG_VIEWS_BRIEF = 0x35f };

enum engine_state {
	ENGINE_STATE_CREATED,
	ENGINE_STATE_RUNNING,
	ENGINE_STATE_PAUSED,
	ENGINE_STATE_RESTARTING,
	ENGINE_STATE_REMOVING,
	ENGINE_STATE_EXITED,
	ENGINE_STATE_COUNT,
};

enum { ENGINE_VIEW_NETWORKS_MAX = 8, ENGINE_DEF_MAX = 1 << 20, ENGINE_LABELS_MAX = 1024 };

struct engine_address {
	struct str network, ip4, gateway, mac, ip6, gateway6; /* "" where a family is missing */
	uint8_t prefix, prefix6;
	struct str host_ip; /* where ports without an address are published; "" = everywhere */
	uint8_t flags;	    /* enum netd_attached_flag */
};

/* One container; `def` is its definition (container_def_decode), empty when it never had one. */
struct engine_view {
	struct str id, name, reference, error, status;
	struct str health; /* "starting", "healthy", "unhealthy", "none" */
	enum engine_state state;
	bool declared, oom;
	int32_t pid, exit_code;
	uint32_t restarts;
	/* Of a declared one: "no", "always", "on-failure", "unless-stopped"; "" = see its
	 * definition */
	struct str policy;
	uint32_t policy_max;
	int64_t created_ns, started_ns, finished_ns;
	struct engine_address addresses[ENGINE_VIEW_NETWORKS_MAX];
	uint32_t address_count;
	struct str def;
	/* One definition has one for as long as engine main lives: the same, the same definition,
	 * ports as they were picked too. 0 = it has none. */
	uint64_t edition;
};

void engine_view_put(struct buf *out, const struct engine_view *view);
void engine_view_get(struct wire *in, struct engine_view *ret_view);

/* Something happened; type and action are Docker's words. labels: "name=value". */
struct engine_event {
	int64_t time_ns;
	struct str type, action, id, name, image;
	int32_t number;	    /* exit code or signal */
	int64_t duration_s; /* of "die": how long it ran */
	uint32_t label_count;
	struct str labels[64]; /* the first ones */
};

void engine_event_put(struct buf *out, const struct engine_event *event);
void engine_event_get(struct wire *in, struct engine_event *ret_event);

struct engine_volume {
	struct str name, path, api;
	int64_t created_s;
	uint32_t users;
};

void engine_volume_put(struct buf *out, const struct engine_volume *volume);
void engine_volume_get(struct wire *in, struct engine_volume *ret_volume);

struct engine_network {
	struct str name, id, subnet, gateway, bridge, api, driver, subnet6, gateway6;
	bool internal, fixed;
	int64_t created_s;
};

void engine_network_put(struct buf *out, const struct engine_network *network);
void engine_network_get(struct wire *in, struct engine_network *ret_network);

#endif
