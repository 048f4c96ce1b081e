/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_CONVERT_H
#define HOY_ENGINE_BUNDLE_CONVERT_H

#include "engine/bundle/answer.h"
#include "engine/oci/runtime_config.h"
#include "engine/run/spec.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"

/*
 * From what a config.json says to what engine/run understands: pure functions of the sandboxed
 * parser. All memory comes from the arena; what is made lives as long as it and the config.
 */
struct convert {
	struct arena *arena;
	const struct runtime_config *config;
	const char *bundle;    /* absolute; relative sources begin here */
	const char *root;      /* absolute; set by convert_config() */
	bool may_miss_process; /* `create`: the container waits, its start is refused */
	struct answer *answer; /* namespaces and warnings are added to it */
	struct err *err;
};

/* The whole container. */
int convert_config(struct convert *c, struct run_spec *ret_spec);
/* Its first process, or that of an exec. */
int convert_process(struct convert *c, const struct runtime_process *process,
		    struct run_process *ret_process);
/* One mount; the path in messages is mounts[index]. */
int convert_mount(struct convert *c, const struct runtime_mount *mount, size_t index,
		  struct run_mount *ret_mount);
/* An absolute path without ".", ".." and "//"; a relative one begins at base. NULL: no memory. */
const char *convert_path(struct convert *c, const char *base, const char *path);
/* The path lies below top, which is not "/". By their texts. */
bool convert_below(const char *path, const char *top);
/* Mount options that are understood, NULL behind the last one: for features. */
const char *convert_option_name(size_t index);

int convert_resources(struct convert *c, const struct runtime_resources *resources,
		      struct cgroup_resources *ret_resources);
int convert_device_rules(struct convert *c, const struct runtime_resources *resources,
			 struct run_device_rule **ret_rules, size_t *ret_count);
int convert_mappings(struct convert *c, const struct runtime_idmaps *maps,
		     const struct run_mapping **ret_maps, size_t *ret_count);

/* A line for the caller to warn with; "config.json: " is put in front. */
__attribute__((format(printf, 2, 3))) void convert_warn(struct convert *c, const char *fmt, ...);

int convert_no_memory(struct convert *c);

#endif
