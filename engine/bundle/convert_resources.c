/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what the resources of config.json, written in cgroup v1's terms, are in cgroup v2's. Runs in
 * hoy-oci's sandboxed parser; pure. It must never leave out a limit without a warning.
 */
#include "engine/bundle/convert.h"

#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "lib/str.h"

/* -1 (and what is below) means no limit. */
static int64_t limit_of(struct runtime_i64 given)
{
	if (!given.set || given.value == 0)
		return CGROUP_UNSET;
	return given.value < 0 ? CGROUP_MAX : given.value;
}

static int convert_memory(struct convert *c, const struct runtime_resources *given,
			  struct cgroup_resources *ret)
{
	ret->memory_max = limit_of(given->memory.limit);
	ret->memory_low = limit_of(given->memory.reservation);
	ret->memory_check = given->memory.check_before_update;
	if (given->memory.kernel.set || given->memory.kernel_tcp.set)
		convert_warn(c, "linux.resources.memory.kernel: cgroup v2 has no such limit, it is "
				"left out");
	if (given->memory.swappiness.set)
		convert_warn(c, "linux.resources.memory.swappiness: cgroup v2 has no such value, "
				"it is left out");
	if (given->memory.disable_oom_killer)
		convert_warn(c, "linux.resources.memory.disableOOMKiller: cgroup v2 has no such "
				"switch, it is left out");
	if (!given->memory.swap.set || given->memory.swap.value == 0)
		return 0;
	return cgroup_swap_of_oci(given->memory.limit.set ? given->memory.limit.value : 0,
				  given->memory.swap.value, &ret->swap_max, c->err);
}

static void convert_cpu(struct convert *c, const struct runtime_resources *given,
			struct cgroup_resources *ret)
{
	if (given->cpu.shares.set && given->cpu.shares.value)
		ret->cpu_weight = cgroup_weight_of_shares(given->cpu.shares.value);
	ret->cpu_quota_us = limit_of(given->cpu.quota);
	if (given->cpu.period.set && given->cpu.period.value)
		ret->cpu_period_us = (int64_t)(given->cpu.period.value & INT64_MAX);
	if (given->cpu.burst.set)
		ret->cpu_burst_us = (int64_t)(given->cpu.burst.value & INT64_MAX);
	if (given->cpu.idle.set)
		ret->cpu_idle = given->cpu.idle.value;
	if ((given->cpu.realtime_period.set && given->cpu.realtime_period.value) ||
	    (given->cpu.realtime_runtime.set && given->cpu.realtime_runtime.value))
		convert_warn(c, "linux.resources.cpu.realtimeRuntime: cgroup v2 has no such "
				"limit, it is left out");
	ret->cpus = given->cpu.cpus && given->cpu.cpus[0] ? given->cpu.cpus : NULL;
	ret->mems = given->cpu.mems && given->cpu.mems[0] ? given->cpu.mems : NULL;
}

/* The row of a device in the list, a new one where it is not there yet; NULL when it is full. */
static struct cgroup_io_limit *limit_row(struct answer *answer, size_t *count,
					 const struct runtime_io_rate *rate)
{
	struct cgroup_io_limit *row = answer->io_limits;

	for (size_t i = 0; i < *count; i++)
		if (row[i].major == (uint32_t)rate->major && row[i].minor == (uint32_t)rate->minor)
			return &row[i];
	if (*count == CGROUP_ROWS_MAX)
		return NULL;
	row[*count] = (struct cgroup_io_limit){ .major = (uint32_t)rate->major,
						.minor = (uint32_t)rate->minor,
						.rbps = CGROUP_UNSET,
						.wbps = CGROUP_UNSET,
						.riops = CGROUP_UNSET,
						.wiops = CGROUP_UNSET };
	return &row[(*count)++];
}

static int too_many(struct convert *c, const char *what)
{
	return err_set(c->err, -E2BIG, "config.json: linux.resources.%s: more than %d entries",
		       what, CGROUP_ROWS_MAX);
}

static int convert_rates(struct convert *c, const struct runtime_resources *given, size_t *count)
{
	const struct runtime_io_rates *const lists[] = { &given->io.read_bps, &given->io.write_bps,
							 &given->io.read_iops,
							 &given->io.write_iops };

	for (size_t kind = 0; kind < ARRAY_LEN(lists); kind++) {
		for (size_t i = 0; i < lists[kind]->count; i++) {
			const struct runtime_io_rate *rate = &lists[kind]->items[i];
			struct cgroup_io_limit *row = limit_row(c->answer, count, rate);
			int64_t value = rate->rate ? (int64_t)(rate->rate & INT64_MAX) : CGROUP_MAX;

			if (!row)
				return too_many(c, "blockIO");
			int64_t *const cells[] = { &row->rbps, &row->wbps, &row->riops,
						   &row->wiops };

			*cells[kind] = value;
		}
	}
	return 0;
}

static int convert_io(struct convert *c, const struct runtime_resources *given,
		      struct cgroup_resources *ret)
{
	int r = convert_rates(c, given, &ret->io_limit_count);

	if (r < 0)
		return r;
	if (given->io.weights.count > CGROUP_ROWS_MAX)
		return too_many(c, "blockIO.weightDevice");
	if (given->io.weight.set && given->io.weight.value)
		ret->io_weight = cgroup_weight_of_blkio(given->io.weight.value);
	for (size_t i = 0; i < given->io.weights.count; i++) {
		const struct runtime_io_weight *row = &given->io.weights.items[i];

		if (!row->weight.set || !row->weight.value)
			continue;
		c->answer->io_weights[ret->io_weight_count++] = (struct cgroup_io_weight){
			.major = (uint32_t)row->major,
			.minor = (uint32_t)row->minor,
			.weight = cgroup_weight_of_blkio(row->weight.value),
		};
	}
	if (given->io.leaf_weight.set && given->io.leaf_weight.value)
		convert_warn(c, "linux.resources.blockIO.leafWeight: cgroup v2 has no such value, "
				"it is left out");
	return 0;
}

static int convert_rows(struct convert *c, const struct runtime_resources *given,
			struct cgroup_resources *ret)
{
	if (given->hugepages.count > CGROUP_ROWS_MAX)
		return too_many(c, "hugepageLimits");
	if (given->rdma.count > CGROUP_ROWS_MAX)
		return too_many(c, "rdma");
	if (given->unified.count > CGROUP_ROWS_MAX)
		return too_many(c, "unified");
	for (size_t i = 0; i < given->hugepages.count; i++)
		c->answer->hugetlb[i] = (struct cgroup_hugetlb){
			.size = given->hugepages.items[i].size,
			.limit_bytes = (int64_t)(given->hugepages.items[i].limit & INT64_MAX),
		};
	for (size_t i = 0; i < given->rdma.count; i++) {
		const struct runtime_rdma *row = &given->rdma.items[i];

		c->answer->rdma[i] = (struct cgroup_rdma){
			.device = row->name,
			.handles = row->handles.set ? (int64_t)row->handles.value : CGROUP_UNSET,
			.objects = row->objects.set ? (int64_t)row->objects.value : CGROUP_UNSET,
		};
	}
	for (size_t i = 0; i < given->unified.count; i++) {
		const char *file = given->unified.items[i].key;

		if (strchr(file, '/'))
			return err_set(c->err, -EINVAL,
				       "config.json: linux.resources.unified.%.60s: expected a "
				       "file name without a slash",
				       file);
		c->answer->unified[i] =
			(struct cgroup_unified){ file, given->unified.items[i].value };
	}
	ret->hugetlb_count = given->hugepages.count;
	ret->rdma_count = given->rdma.count;
	ret->unified_count = given->unified.count;
	return 0;
}

int convert_resources(struct convert *c, const struct runtime_resources *given,
		      struct cgroup_resources *ret)
{
	int r;

	cgroup_resources_init(ret);
	ret->io_limits = c->answer->io_limits;
	ret->io_weights = c->answer->io_weights;
	ret->hugetlb = c->answer->hugetlb;
	ret->rdma = c->answer->rdma;
	ret->unified = c->answer->unified;
	ret->pids_max = limit_of(given->pids);
	r = convert_memory(c, given, ret);
	convert_cpu(c, given, ret);
	if (given->net_class.set || given->net_priorities.count)
		convert_warn(c, "linux.resources.network: cgroup v2 has no network classes, they "
				"are left out");
	if (r == 0)
		r = convert_io(c, given, ret);
	return r < 0 ? r : convert_rows(c, given, ret);
}
