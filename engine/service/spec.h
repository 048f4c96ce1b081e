/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_SPEC_H
#define HOY_ENGINE_SERVICE_SPEC_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/oci/image.h"
#include "engine/service/machine.h"
#include "engine/service/window.h"
#include "lib/arena.h"
#include "lib/ini.h"

/*
 * One [service NAME] section in the form the engine works with. Made from checked INI values; lives
 * in the arena it was made in. Unset strings are "", unset numbers are the stated value.
 */
enum {
	SERVICE_LIST_MAX = 64,
	SERVICE_NAME_MAX = 64,
	SERVICE_COUNT_MAX = 1024,
};

struct service_list {
	const char **items; /* NULL-terminated */
	uint32_t count;
	bool set; /* tells `command =` unset from empty */
};

struct service_port {
	uint8_t proto;	  /* IPPROTO_TCP or IPPROTO_UDP */
	uint32_t host_ip; /* IPv4 in network byte order, 0 = every address */
	uint16_t host_port, container_port, count;
	uint8_t families; /* SERVICE_PORT_*: that one alone; 0 = IPv4, and IPv6 if there is any */
	uint8_t host_ip6[16]; /* not zero: this one address, families is SERVICE_PORT_IP6 */
};

enum service_port_family { SERVICE_PORT_IP4 = 1, SERVICE_PORT_IP6 = 2 }; /* as netd has them */
enum { SERVICE_PORT_IP_MAX = 46 };

enum service_volume_kind { SERVICE_VOLUME_NAMED, SERVICE_VOLUME_BIND };

struct service_volume {
	enum service_volume_kind kind;
	const char *source; /* a volume's name or an absolute host path */
	const char *target;
	bool read_only;
};

enum service_need { SERVICE_NEED_STARTED, SERVICE_NEED_HEALTHY, SERVICE_NEED_COMPLETED };

struct service_dependency {
	const char *name;
	enum service_need need;
};

/* healthcheck.*: what is not set is the image's. */
struct service_health {
	struct image_texts test; /* engine/health/test.h; count 0 = not set */
	int64_t interval_ms, timeout_ms, start_period_ms, start_interval_ms; /* -1 = not set */
	uint32_t retries;						     /* 0 = not set */
};

/* When a registry is asked for a newer image under the same name. */
enum service_pull {
	SERVICE_PULL_MISSING,  /* only for one that the store has not */
	SERVICE_PULL_ALWAYS,   /* at each start; what the store has where it does not answer */
	SERVICE_PULL_SCHEDULE, /* while it runs, once in each update_window, or a day */
};

enum service_userns {
	SERVICE_USERNS_DEFAULT, /* as [engine] userns_mode says */
	SERVICE_USERNS_HOST,
	SERVICE_USERNS_AUTO
};

enum service_wait {
	SERVICE_WAIT_NETWORK,
	SERVICE_WAIT_CLOCK,
	SERVICE_WAIT_VOLUME,
	SERVICE_WAIT_DEVICE
};

struct service_wait_for {
	enum service_wait kind;
	const char *name; /* of the volume, path of the device below /dev/, else "" */
};

struct service_spec {
	const char *name;
	const char *group; /* its section's name: the same, but for replicas (NAME-1, NAME-2 ...) */
	const char *image; /* reference, "" when built */
	const char *build; /* context directory, "" when pulled */
	const char *build_dockerfile, *build_target; /* "" = Dockerfile, the last stage */
	struct service_list build_args;		     /* "NAME=value" */
	struct service_list command, entrypoint, environment, networks, cap_add, cap_drop, devices,
		tmpfs, labels, dns, extra_hosts;
	struct service_list aliases, addresses; /* of networks.*: "web", and as service_address()
						 * writes it */
	struct service_list sysctls, ulimits, security_opt, group_add, dns_search;
	int64_t shm_size; /* bytes, 0 = the usual */
	struct service_port *ports;
	uint32_t port_count;
	struct service_volume *volumes;
	uint32_t volume_count;
	struct service_dependency *depends_on;
	uint32_t depends_count;
	enum service_restart restart;
	uint32_t restart_max; /* on-failure:N; 0 = no limit */
	int64_t mem_limit;    /* bytes, 0 = none */
	int64_t disk_limit;   /* bytes beside volumes, 0 = none */
	int64_t cpus;	      /* thousandths of a CPU, 0 = none */
	int64_t pids_limit;
	const char *user, *working_dir, *hostname, *stop_signal;
	int64_t stop_grace_ms;
	int64_t log_max_size;
	uint32_t log_max_file;
	bool privileged, read_only, init, tty;
	uint32_t replicas;	 /* 1 = one container, of the section's name */
	const char *schedule;	 /* "" = runs always */
	const char *schedule_at; /* "FILE:LINE" of it, for messages */
	struct service_list profiles;
	struct service_wait_for *wait_for;
	uint32_t wait_count;
	int64_t trial_ms; /* 0 = changes are not on trial */
	enum service_pull pull;
	enum service_userns userns;
	struct update_window window; /* days 0 = none is given */
	struct service_health health;
};

extern const struct ini_schema service_schema; /* services.ini */
/* services.ini, and networks of network.ini: what Compose files become. */
const struct ini_schema *compose_schema(void);
extern const struct ini_schema engine_schema; /* engine.ini */

/* From a section that has no issues. NULL when the arena is full. */
struct service_spec *service_spec_make(struct arena *arena, const struct ini_section *section,
				       struct err *err);

/* Where a port is published: an IPv4 or IPv6 address, "0.0.0.0" and "::" for all of one family, ""
 * for every one. -EINVAL. */
int service_port_address(struct str text, struct service_port *port);
/* The address as people write it; "0.0.0.0" also for every one of both families. */
const char *service_port_ip(const struct service_port *port, char text[SERVICE_PORT_IP_MAX]);
/* "[HOST_IP:]HOST[-HOST]:CONTAINER[-CONTAINER][/tcp|/udp]"; an IPv6 address in brackets. */
int service_port_parse(struct str text, struct service_port *ret_port, struct err *err);
/* "NAME:/target[:ro|:rw]" or "/host/path:/target[:ro|:rw]"; strings point into the arena. */
int service_volume_parse(struct arena *arena, struct str text, struct service_volume *ret_volume,
			 struct err *err);
/* "network", "clock", "volume:NAME" or "device:/dev/PATH"; the name points into the arena. */
int service_wait_parse(struct arena *arena, struct str text, struct service_wait_for *ret_wait,
		       struct err *err);
/* "NAME=SOFT:HARD" of "NAME=SOFT[:HARD]"; -1 is no limit. */
int service_ulimit_parse(struct arena *arena, struct str text, const char **ret_text,
			 struct err *err);
/* "NETWORK=10.0.0.5", "NETWORK=ip6:..." or "NETWORK=mac:..." of the value of a key
 * networks.NETWORK.WORD, as engine/container/net.c reads it; "" for an alias. -EINVAL. */
int service_address(struct arena *arena, struct str key, struct str value, const char **ret_text,
		    struct err *err);
/* `["a", "b"]`, or words as a POSIX shell splits them (quotes and backslash, no expansion). */
int service_command_parse(struct arena *arena, struct str text, struct service_list *ret_list,
			  struct err *err);

/*
 * The order in which `count` services start, as indices into specs; a service comes behind all it
 * depends on. -ELOOP names the members of a cycle in err and leaves ret_bad[i] true for each of
 * them; -ENOENT for a dependency that is not declared. Bad ones are left out of the order.
 */
int service_order(struct service_spec *const *specs, uint32_t count, uint32_t *ret_order,
		  uint32_t *ret_count, bool *ret_bad, struct err *err);

#endif
