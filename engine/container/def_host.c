/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a definition that only Docker's HostConfig speaks of, in wire form. Runs in engine
 * main and the api role. Pure; must never take a row whose bounds were not checked.
 */
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include "engine/container/def_host.h"
#include "engine/run/spec_mount.h"
#include "engine/run/spec_process.h"
#include "engine/service/machine.h"
#include "lib/own.h"

enum { HOST_LISTS = 10, HOST_TEXTS = 11, HOST_NUMBERS = 9, HOST_FLAGS = 5, HOST_TEXT_MAX = 4096 };

/* The fields of each kind, in the order of the wire. */
struct host_fields {
	struct image_texts *lists[HOST_LISTS];
	const char **texts[HOST_TEXTS];
	int64_t *numbers[HOST_NUMBERS];
	bool *flags[HOST_FLAGS];
};

static void host_fields(struct def_host *host, struct host_fields *fields)
{
	*fields = (struct host_fields){
		.lists = { &host->sysctls, &host->security_opt, &host->ulimits, &host->group_add,
			   &host->dns_search, &host->dns_options, &host->masked_paths,
			   &host->readonly_paths, &host->device_rules, &host->addresses },
		.texts = { &host->domainname, &host->pid_mode, &host->ipc_mode, &host->uts_mode,
			   &host->cgroup_mode, &host->userns_mode, &host->network_from,
			   &host->cpuset_cpus, &host->cpuset_mems, &host->log_driver, &host->api },
		.numbers = { &host->shm_bytes, &host->memory_low, &host->memory_and_swap,
			     &host->cpu_shares, &host->cpu_quota_us, &host->cpu_period_us,
			     &host->blkio_weight, &host->oom_score_adj, &host->created_ns },
		.flags = { &host->paths_set, &host->auto_remove, &host->stdin_open,
			   &host->stdin_once, &host->wanted },
	};
}

void def_host_init(struct def_host *host)
{
	struct host_fields fields;

	memset(host, 0, sizeof(*host));
	host_fields(host, &fields);
	for (size_t i = 0; i < HOST_TEXTS; i++)
		*fields.texts[i] = "";
	host->cgroup_parent = ""; /* def_wire.c has it */
}

static void put_texts(struct buf *out, const struct image_texts *texts)
{
	wire_put_u32(out, texts->count);
	for (uint32_t i = 0; i < texts->count; i++)
		wire_put_text(out, texts->items[i]);
}

void def_host_encode(const struct def_host *host, const struct def_mount_more *more,
		     uint32_t mounts, struct buf *out)
{
	static const struct def_mount_more none = { .subpath = "" };
	struct def_host copy = *host;
	struct host_fields fields;

	host_fields(&copy, &fields);
	for (size_t i = 0; i < HOST_LISTS; i++)
		put_texts(out, fields.lists[i]);
	for (size_t i = 0; i < HOST_TEXTS; i++)
		wire_put_text(out, *fields.texts[i]);
	for (size_t i = 0; i < HOST_NUMBERS; i++)
		wire_put_i64(out, *fields.numbers[i]);
	for (size_t i = 0; i < HOST_FLAGS; i++)
		wire_put_u8(out, *fields.flags[i]);
	wire_put_u8(out, host->restart);
	wire_put_u32(out, host->restart_max);
	for (uint32_t i = 0; i < mounts; i++) {
		const struct def_mount_more *row = more ? &more[i] : &none;

		wire_put_u32(out, row->flags);
		wire_put_u64(out, row->size_bytes);
		wire_put_u32(out, row->mode);
		wire_put_u8(out, row->propagation);
		wire_put_text(out, row->subpath);
	}
}

static const char *get_text(struct wire *in, struct arena *arena, size_t max, bool *room)
{
	const char *text = arena_text(arena, wire_str(in, max));

	*room = *room && text;
	return text ? text : "";
}

static void get_texts(struct wire *in, struct arena *arena, struct image_texts *texts, bool *room)
{
	uint32_t count = wire_count(in, IMAGE_TEXTS_MAX);

	texts->items = arena_array(arena, count + 1U, sizeof(*texts->items));
	*room = *room && texts->items;
	for (uint32_t i = 0; texts->items && i < count; i++)
		texts->items[texts->count++] = get_text(in, arena, HOST_TEXT_MAX, room);
}

/* Only two of them may be below zero, and not far. */
static void check_numbers(struct wire *in, const struct def_host *host)
{
	const int64_t plain[] = { host->shm_bytes,    host->memory_low,	   host->cpu_shares,
				  host->cpu_quota_us, host->cpu_period_us, host->blkio_weight,
				  host->created_ns };

	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		if (plain[i] < 0)
			in->error = -EBADMSG;
	}
	if (host->memory_and_swap < DEF_SWAP_UNLIMITED ||
	    host->oom_score_adj < -DEF_OOM_SCORE_MAX || host->oom_score_adj > DEF_OOM_SCORE_MAX ||
	    host->restart > SERVICE_RESTART_UNLESS_STOPPED)
		in->error = -EBADMSG;
}

static void get_more(struct wire *in, struct arena *arena, struct def_mount_more *row, bool *room)
{
	row->flags = wire_u32(in);
	row->size_bytes = wire_u64(in);
	row->mode = wire_u32(in);
	row->propagation = wire_u8(in);
	row->subpath = get_text(in, arena, HOST_TEXT_MAX, room);
	if (row->flags & ~(uint32_t)DEF_MOUNT_MASK || row->mode > 07777 ||
	    row->propagation >= RUN_PROPAGATION_KINDS)
		in->error = -EBADMSG;
}

bool def_host_decode(struct wire *in, struct arena *arena, uint32_t mounts,
		     struct def_host *ret_host, struct def_mount_more **ret_more)
{
	struct def_mount_more *more = arena_array(arena, mounts + 1U, sizeof(*more));
	struct def_host host = { .cgroup_parent = "" };
	struct host_fields fields;
	bool room = more != NULL;

	host_fields(&host, &fields);
	for (size_t i = 0; i < HOST_LISTS; i++)
		get_texts(in, arena, fields.lists[i], &room);
	for (size_t i = 0; i < HOST_TEXTS; i++)
		*fields.texts[i] =
			get_text(in, arena,
				 fields.texts[i] == &host.api ? DEF_API_MAX : HOST_TEXT_MAX, &room);
	for (size_t i = 0; i < HOST_NUMBERS; i++)
		*fields.numbers[i] = wire_i64(in);
	for (size_t i = 0; i < HOST_FLAGS; i++)
		*fields.flags[i] = wire_bool(in);
	host.restart = wire_u8(in);
	host.restart_max = wire_u32(in);
	check_numbers(in, &host);
	for (uint32_t i = 0; more && i < mounts; i++)
		get_more(in, arena, &more[i], &room);
	*ret_host = host;
	*ret_more = more;
	return room;
}

/* ---- what came later: written only where there is something to say ---- */

bool def_host_has_more(const struct def_host *host, const struct def_mount_more *more,
		       uint32_t mounts)
{
	for (uint32_t i = 0; more && i < mounts; i++) {
		if (more[i].layer_count)
			return true;
	}
	return host->seccomp.len > 0 || host->blkio.count > 0;
}

void def_host_encode_more(const struct def_host *host, const struct def_mount_more *more,
			  uint32_t mounts, struct buf *out)
{
	wire_put_str(out, host->seccomp);
	wire_put_u32(out, host->seccomp_flags);
	put_texts(out, &host->blkio);
	for (uint32_t i = 0; i < mounts; i++) {
		wire_put_u32(out, more[i].layer_count);
		for (uint32_t k = 0; k < more[i].layer_count; k++)
			wire_put_bytes(out, more[i].layers[k].bytes, SHA256_SIZE);
	}
}

static bool get_program(struct wire *in, struct arena *arena, struct def_host *host)
{
	struct str program = wire_blob(in, DEF_SECCOMP_MAX);
	char *copy = arena_alloc(arena, program.len + 1);

	host->seccomp_flags = wire_u32(in);
	if (program.len % sizeof(struct sock_filter) ||
	    host->seccomp_flags & ~(uint32_t)RUN_SECCOMP_FLAG_MASK ||
	    (!program.len && host->seccomp_flags))
		in->error = -EBADMSG;
	if (!copy)
		return false;
	if (program.len)
		memcpy(copy, program.ptr, program.len);
	host->seccomp = str_make(copy, program.len);
	return true;
}

bool def_host_decode_more(struct wire *in, struct arena *arena, uint32_t mounts,
			  struct def_host *host, struct def_mount_more *more)
{
	bool room = get_program(in, arena, host);

	get_texts(in, arena, &host->blkio, &room);
	for (uint32_t i = 0; room && i < mounts; i++) {
		uint32_t count = wire_count(in, IMAGE_LAYERS_MAX);

		more[i].layers = arena_array(arena, count + 1U, sizeof(*more[i].layers));
		room = more[i].layers != NULL;
		for (uint32_t k = 0; room && k < count; k++)
			wire_bytes(in, more[i].layers[more[i].layer_count++].bytes, SHA256_SIZE);
	}
	if (room && !in->error && !def_host_has_more(host, more, mounts))
		in->error = -EBADMSG;
	return room;
}
