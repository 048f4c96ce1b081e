/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_PLAN_PUT_H
#define HOY_ENGINE_RUN_PLAN_PUT_H

#include "engine/run/plan.h"

/* Between the plan_*.c files that write: pieces of the wire form. */

void plan_put_text(struct buf *out, const char *text); /* NULL as "" */
void plan_put_strings(struct buf *out, const char *const *list);
void plan_put_op(struct buf *out, const struct plan_op *op, uint32_t *count);
/* "0 100000 65536\n" for each row. */
void plan_put_map(struct buf *out, const struct run_mapping *rows, size_t count);
size_t plan_list_len(const char *const *list);
/* The id that the host knows an id of the container by; the id itself without a mapping. */
uint32_t plan_outside(const struct run_mapping *rows, size_t count, uint32_t id);

/* devpts is made in the child: then its uid= and gid= are counted as the container does. */
bool plan_pts_inside(const struct run_spec *spec);

/* A mount of the caller takes this very place. */
bool plan_mount_covers(const struct run_spec *spec, const char *target);

/* One mount of the caller. `tree` counts the cloned sources. */
void plan_put_mount(struct buf *out, const struct run_spec *spec, const struct run_mount *mount,
		    uint16_t *tree, uint32_t *count);
/* The operations of RUN_LAYOUT_LISTED up to the nodes and links of /dev. */
void plan_put_listed(struct buf *out, const struct run_spec *spec, uint32_t *count);
/* The standard nodes and links, and those of the spec. */
void plan_put_nodes(struct buf *out, const struct run_spec *spec, uint32_t *count);
void plan_put_hooks(struct buf *out, const struct run_spec *spec);

#endif
