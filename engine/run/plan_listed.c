/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the writing of mounts, nodes of /dev and hooks: what the OCI runtime specification lists, as
 * operations. Runs in engine main, hoy-oci's parser and tests; touches nothing. Must never change
 * the order of a listed layout.
 */
#include "engine/run/plan_put.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/own.h"
#include "lib/str.h"

enum { MODE_STICKY = 01777, DATA_MAX = 4096 };

/* ---- pieces ---- */

void plan_put_text(struct buf *out, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	wire_put_u32(out, (uint32_t)len + 1);
	wire_put_bytes(out, len ? text : "", len + 1);
}

size_t plan_list_len(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

void plan_put_strings(struct buf *out, const char *const *list)
{
	size_t n = plan_list_len(list);

	wire_put_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		plan_put_text(out, list[i]);
}

void plan_put_op(struct buf *out, const struct plan_op *op, uint32_t *count)
{
	wire_put_u8(out, (uint8_t)op->kind);
	wire_put_u32(out, op->flags);
	wire_put_u8(out, op->fd);
	wire_put_u32(out, op->mode);
	wire_put_u32(out, op->uid);
	wire_put_u32(out, op->gid);
	wire_put_u32(out, op->major);
	wire_put_u32(out, op->minor);
	wire_put_u64(out, op->size);
	plan_put_text(out, op->source);
	plan_put_text(out, op->target);
	(*count)++;
}

static void put_map_text(struct buf *out, const struct run_mapping *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "%u %u %u\n", rows[i].inside, rows[i].outside, rows[i].count);
}

void plan_put_map(struct buf *out, const struct run_mapping *rows, size_t count)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, PLAN_MAP_MAX);
	put_map_text(&text, rows, count);
	if (buf_error(&text) && !out->error)
		out->error = buf_error(&text);
	wire_put_u32(out, (uint32_t)text.len + 1);
	wire_put_bytes(out, text.len ? text.data : "", text.len);
	wire_put_u8(out, 0);
}

uint32_t plan_outside(const struct run_mapping *rows, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++)
		if (id >= rows[i].inside && id - rows[i].inside < rows[i].count)
			return rows[i].outside + (id - rows[i].inside);
	return count ? UINT32_MAX : id;
}

/* ---- mounts ---- */

/*
 * A terminal has to be there before the child is. Else nobody out here needs an instance, and made
 * by the child it stands in its place in the list of mounts, which the kernel keeps in the order of
 * their making. The kernel gives the first node to root, so there has to be one.
 */
bool plan_pts_inside(const struct run_spec *spec)
{
	if (spec->layout != RUN_LAYOUT_LISTED || spec->process.tty)
		return false;
	return spec->user.mode == RUN_NS_MODE_HOST ||
	       (spec->user.mode == RUN_NS_MODE_NEW &&
		plan_outside(spec->uid_map, spec->uid_map_count, 0) != UINT32_MAX &&
		plan_outside(spec->gid_map, spec->gid_map_count, 0) != UINT32_MAX);
}

/* Ids of devpts are counted as its maker does, and left out when the container has no such one. */
static const char *devpts_data(const struct run_spec *spec, const char *data, char dst[DATA_MAX])
{
	struct str rest = str_from(data ? data : ""), part;
	size_t len = 0;

	if (spec->user.mode == RUN_NS_MODE_HOST || !data)
		return data;
	dst[0] = '\0';
	while (str_cut(&rest, ',', &part)) {
		uint64_t id = 0;
		uint32_t outside = 0;
		int n;

		if (str_starts(part, STR("gid=")) || str_starts(part, STR("uid="))) {
			bool group = part.ptr[0] == 'g';

			if (str_to_u64(str_skip(part, 4), 0, UINT32_MAX, &id) < 0)
				continue;
			outside = group ? plan_outside(spec->gid_map, spec->gid_map_count,
						       (uint32_t)id)
					: plan_outside(spec->uid_map, spec->uid_map_count,
						       (uint32_t)id);
			if (outside == UINT32_MAX)
				continue;
			if (plan_pts_inside(spec))
				outside = (uint32_t)id;
			n = snprintf(dst + len, DATA_MAX - len, "%s%cid=%u", len ? "," : "",
				     group ? 'g' : 'u', outside);
		} else {
			n = snprintf(dst + len, DATA_MAX - len, "%s%.*s", len ? "," : "",
				     STR_ARG(part));
		}
		if (n < 0 || (size_t)n >= DATA_MAX - len)
			return data; /* too long: the kernel is asked as it stands */
		len += (size_t)n;
	}
	return dst;
}

/* A container whose root hears of the host's mounts hears of them in its binds, too. */
static void put_propagation(struct buf *out, const struct run_spec *spec,
			    const struct run_mount *mount)
{
	unsigned kind = mount->propagation;
	bool below = mount->propagation_below;

	if (kind == RUN_PROPAGATION_DEFAULT && mount->kind == RUN_MOUNT_KIND_BIND &&
	    (spec->root_propagation == RUN_PROPAGATION_SLAVE ||
	     spec->root_propagation == RUN_PROPAGATION_SHARED)) {
		kind = RUN_PROPAGATION_SLAVE;
		below = true;
	}
	wire_put_u8(out, (uint8_t)(kind | (below ? PLAN_PROPAGATION_BELOW : 0u)));
}

static void put_extras(struct buf *out, const struct run_spec *spec, const struct run_mount *mount,
		       const char *data, uint16_t tree)
{
	bool own = mount->idmap == RUN_IDMAP_CONTAINER || mount->idmap == RUN_IDMAP_ABLE;
	const struct run_mapping *uids = own ? spec->uid_map : mount->uid_map;
	const struct run_mapping *gids = own ? spec->gid_map : mount->gid_map;

	wire_put_u32(out, mount->clear);
	wire_put_u32(out, mount->set_below);
	wire_put_u32(out, mount->clear_below);
	put_propagation(out, spec, mount);
	wire_put_u8(out, (uint8_t)(mount->idmap | (mount->idmap_below ? PLAN_IDMAP_BELOW : 0)));
	wire_put_u16(out, tree);
	plan_put_text(out, mount->kind == RUN_MOUNT_KIND_FILESYSTEM ? mount->type : "");
	plan_put_text(out, data);
	plan_put_map(out, uids, own ? spec->uid_map_count : mount->uid_map_count);
	plan_put_map(out, gids, own ? spec->gid_map_count : mount->gid_map_count);
}

void plan_put_mount(struct buf *out, const struct run_spec *spec, const struct run_mount *mount,
		    uint16_t *tree, uint32_t *count)
{
	bool bind = mount->kind == RUN_MOUNT_KIND_BIND;
	struct plan_op op = {
		.kind = bind					   ? PLAN_OP_BIND
			: mount->kind == RUN_MOUNT_KIND_FILESYSTEM ? PLAN_OP_FILESYSTEM
								   : PLAN_OP_TMPFS,
		.target = mount->target,
		.source = mount->kind == RUN_MOUNT_KIND_TMPFS ? NULL : mount->source,
		.fd = bind && !mount->source ? (uint8_t)mount->source_fd : 0,
		.flags = mount->flags,
		.size = mount->size_bytes,
		.mode = mount->kind != RUN_MOUNT_KIND_TMPFS ? 0
			: mount->mode			    ? mount->mode
							    : MODE_STICKY,
	};
	const char *data = mount->data;
	char text[DATA_MAX];

	if (op.kind == PLAN_OP_FILESYSTEM && strcmp(mount->type, "devpts") == 0)
		data = devpts_data(spec, data, text);
	plan_put_op(out, &op, count);
	if (op.kind != PLAN_OP_TMPFS)
		put_extras(out, spec, mount, data, bind ? (*tree)++ : 0);
}

void plan_put_listed(struct buf *out, const struct run_spec *spec, uint32_t *count)
{
	uint16_t tree = 0;
	bool dev_is_bound = false;

	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct run_mount *mount = &spec->mounts[i];
		size_t lead = strspn(mount->target, "/");

		plan_put_mount(out, spec, mount, &tree, count);
		if (strcmp(mount->target + lead, "dev") == 0)
			dev_is_bound = mount->kind == RUN_MOUNT_KIND_BIND;
	}
	/* A /dev of the host's has its nodes. */
	if (!dev_is_bound)
		plan_put_nodes(out, spec, count);
}

/* ---- nodes and links ---- */

bool plan_mount_covers(const struct run_spec *spec, const char *target)
{
	for (size_t i = 0; i < spec->mount_count; i++)
		if (strcmp(spec->mounts[i].target, target) == 0)
			return true;
	return false;
}

/* No user namespace may make a device: a standard one is the host's own, a listed one is made
 * outside, with the mode and the owner that the list wants. Where outside is a user namespace too,
 * every one is the host's. */
static void put_node(struct buf *out, const struct run_spec *spec, const struct plan_op *node,
		     bool standard, uint32_t *count)
{
	struct plan_op op = *node;

	if (spec->layout == RUN_LAYOUT_LISTED && plan_mount_covers(spec, op.target))
		return;
	op.kind = PLAN_OP_NODE;
	if ((spec->nested || spec->user.mode != RUN_NS_MODE_HOST) && !S_ISFIFO(op.mode)) {
		bool made = !standard && !spec->nested;

		op.kind = made ? PLAN_OP_NODE_MADE : PLAN_OP_NODE_BIND;
		if (made) {
			op.uid = plan_outside(spec->uid_map, spec->uid_map_count, op.uid);
			op.gid = plan_outside(spec->gid_map, spec->gid_map_count, op.gid);
		}
	}
	plan_put_op(out, &op, count);
}

static void put_links(struct buf *out, const struct run_spec *spec, uint32_t *count)
{
	static const char *const links[][2] = {
		{ "/dev/fd", "/proc/self/fd" },	      { "/dev/stdin", "/proc/self/fd/0" },
		{ "/dev/stdout", "/proc/self/fd/1" }, { "/dev/stderr", "/proc/self/fd/2" },
		{ "/dev/core", "/proc/kcore" },	      { "/dev/ptmx", "pts/ptmx" },
	};

	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		struct plan_op op = { .kind = PLAN_OP_LINK,
				      .target = links[i][0],
				      .source = links[i][1] };

		if (spec->layout == RUN_LAYOUT_ENGINE || !plan_mount_covers(spec, op.target))
			plan_put_op(out, &op, count);
	}
}

void plan_put_nodes(struct buf *out, const struct run_spec *spec, uint32_t *count)
{
	static const struct plan_op nodes[] = {
		{ .target = "/dev/null", .major = 1, .minor = 3 },
		{ .target = "/dev/zero", .major = 1, .minor = 5 },
		{ .target = "/dev/full", .major = 1, .minor = 7 },
		{ .target = "/dev/random", .major = 1, .minor = 8 },
		{ .target = "/dev/urandom", .major = 1, .minor = 9 },
		{ .target = "/dev/tty", .major = 5, .minor = 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		struct plan_op op = nodes[i];

		op.mode = S_IFCHR | 0666;
		put_node(out, spec, &op, true, count);
	}
	for (size_t i = 0; i < spec->device_count; i++) {
		const struct run_device *device = &spec->devices[i];
		uint32_t type = device->fifo ? S_IFIFO : device->block ? S_IFBLK : S_IFCHR;
		struct plan_op op = {
			.target = device->path,
			.mode = type | (device->mode & 0777),
			.major = device->major,
			.minor = device->minor,
			.uid = device->uid,
			.gid = device->gid,
		};

		put_node(out, spec, &op, false, count);
	}
	put_links(out, spec, count);
}

/* ---- hooks ---- */

void plan_put_hooks(struct buf *out, const struct run_spec *spec)
{
	uint32_t count = 0;

	for (int i = 0; i < RUN_HOOK_POINTS; i++)
		count += (uint32_t)spec->hooks[i].count;
	wire_put_u32(out, count);
	for (int i = 0; i < RUN_HOOK_POINTS; i++) {
		for (size_t j = 0; j < spec->hooks[i].count; j++) {
			const struct run_hook *hook = &spec->hooks[i].hooks[j];
			const char *const own[] = { hook->path, NULL };

			wire_put_u8(out, (uint8_t)i);
			wire_put_u32(out, hook->timeout_s);
			plan_put_text(out, hook->path);
			plan_put_strings(out, hook->argv && hook->argv[0] ? hook->argv : own);
			plan_put_strings(out, hook->env);
		}
	}
	for (int i = 0; i < RUN_HOOK_POINTS; i++) {
		plan_put_text(out, spec->hooks[i].state_head);
		plan_put_text(out, spec->hooks[i].state_tail);
	}
}
