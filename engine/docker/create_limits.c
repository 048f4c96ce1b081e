/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container may use at most, out of HostConfig: memory, processors, disk, processes. Runs in
 * the api role, on foreign JSON. Must never take a limit that would not be in force.
 */
#include <errno.h>
#include "engine/docker/create.h"

#define DISK_MAX (UINT64_C(1) << 50)

enum {
	MEMORY_MIN = 6 << 20,
	DISK_MIN = 1 << 20,
	CPU_MILLI_MAX = 1 << 20,
	CPU_MIN_US = 1000,
	PIDS_UPDATE_MINOR = 40
};

static int limits_memory(struct create *create, const struct json *host, struct err *err)
{
	struct container_def *def = &create->def;
	int r = create_number(host, "Memory", 0, INT64_MAX, &def->mem_limit, err);

	if (r >= 0)
		r = create_number(host, "MemoryReservation", 0, INT64_MAX, &def->host.memory_low,
				  err);
	if (r >= 0)
		r = create_number(host, "MemorySwap", -1, INT64_MAX, &def->host.memory_and_swap,
				  err);
	if (r < 0)
		return r;
	if (def->mem_limit && def->mem_limit < MEMORY_MIN)
		return err_set(err, -EINVAL, "Minimum memory limit allowed is 6MB");
	if (def->host.memory_and_swap > 0 && !def->mem_limit)
		return err_set(
			err, -EINVAL,
			"You should always set the Memory limit when using Memoryswap limit, "
			"see usage");
	if (def->host.memory_and_swap > 0 && def->host.memory_and_swap < def->mem_limit)
		return err_set(err, -EINVAL,
			       "Minimum memoryswap limit should be larger than memory limit, see "
			       "usage");
	if (def->host.memory_low && def->host.memory_low < MEMORY_MIN)
		return err_set(err, -EINVAL, "Minimum memory reservation allowed is 6MB");
	if (def->mem_limit && def->host.memory_low > def->mem_limit)
		return err_set(err, -EINVAL,
			       "Minimum memory limit can not be less than memory reservation "
			       "limit, see usage");
	if (def->mem_limit && !def->host.memory_and_swap)
		def->host.memory_and_swap =
			def->mem_limit > INT64_MAX / 2 ? DEF_SWAP_UNLIMITED : def->mem_limit * 2;
	return 0;
}

/* Docker's only option where a storage driver knows one: --storage-opt size=1G. */
static int limits_disk(struct create *create, const struct json *host, struct err *err)
{
	const struct json *options = json_get(host, "StorageOpt"), *value;
	struct json_iter iter;
	struct str key;
	uint64_t bytes;

	if (create_empty(options))
		return 0;
	if (json_type(options) != JSON_OBJECT)
		return err_set(err, -EINVAL, "HostConfig.StorageOpt: an object is expected");
	json_iter_init(&iter, options);
	while (json_iter_next(&iter, &key, &value)) {
		if (!str_is(key, "size"))
			return err_set(err, -EINVAL, "Unknown option %.*s", STR_ARG(key));
		if (str_to_size(json_str(value), DISK_MAX, &bytes) < 0)
			return err_set(err, -EINVAL,
				       "invalid size: --storage-opt size: expected a "
				       "number and k, m or g");
		if (bytes < DISK_MIN)
			return err_set(err, -EINVAL, "Minimum disk limit allowed is 1MB");
		create->def.disk_limit = (int64_t)bytes;
	}
	return 0;
}

/* Control groups of version 2 have no such controller. */
static int limits_realtime(const struct json *host, struct err *err)
{
	if (create_empty(json_get(host, "CpuRealtimePeriod")) &&
	    create_empty(json_get(host, "CpuRealtimeRuntime")))
		return 0;
	return err_set(err, -EINVAL, "kernel does not support CPU real-time scheduler");
}

static int limits_cpu(struct create *create, const struct json *host, struct err *err)
{
	struct container_def *def = &create->def;
	int64_t nano = def->cpus * 1000000;
	int64_t shares = 0;
	int r;

	if (json_i64(json_get(host, "CpuShares"), INT64_MIN, -1, &shares) >= 0)
		return err_set(err, -EINVAL,
			       "invalid CPU shares (%lld): value must be a positive integer",
			       (long long)shares);
	r = create_number(host, "NanoCpus", 0, INT64_C(1000000) * CPU_MILLI_MAX, &nano, err);

	if (r >= 0)
		r = create_number(host, "CpuShares", 0, 262144, &def->host.cpu_shares, err);
	if (r >= 0)
		r = create_number(host, "CpuPeriod", 0, 1000000, &def->host.cpu_period_us, err);
	if (r >= 0)
		r = create_number(host, "CpuQuota", -1, INT64_MAX, &def->host.cpu_quota_us, err);
	if (def->host.cpu_quota_us < 0)
		def->host.cpu_quota_us = 0;
	if (r >= 0 && !create_empty(json_get(host, "CpusetCpus")))
		r = create_text(create, host, "CpusetCpus", &def->host.cpuset_cpus, err);
	if (r >= 0 && !create_empty(json_get(host, "CpusetMems")))
		r = create_text(create, host, "CpusetMems", &def->host.cpuset_mems, err);
	if (r < 0)
		return r;
	if (nano && (def->host.cpu_period_us || def->host.cpu_quota_us))
		return err_set(err, -EINVAL,
			       "Conflicting options: Nano CPUs and CPU %s cannot both be set",
			       def->host.cpu_period_us ? "Period" : "Quota");
	if (def->host.cpu_period_us && def->host.cpu_period_us < CPU_MIN_US)
		return err_set(err, -EINVAL,
			       "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than "
			       "1s (i.e. 1000000)");
	if (def->host.cpu_quota_us && def->host.cpu_quota_us < CPU_MIN_US)
		return err_set(err, -EINVAL, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
	if (nano > create->cpus * INT64_C(1000000000) && create->cpus)
		return err_set(err, -EINVAL,
			       "range of CPUs is from 0.01 to %u.00, as there are only %u CPUs "
			       "available",
			       create->cpus, create->cpus);
	if (nano && nano < 1000000)
		return err_set(err, -EINVAL, "NanoCPUs are too small: at least 0.001 of a CPU");
	def->cpus = nano / 1000000;
	return 0;
}

int create_limits(struct create *create, const struct json *host, struct err *err)
{
	struct container_def *def = &create->def;
	int64_t pids = def->pids_limit;
	int r = limits_memory(create, host, err);

	if (r >= 0)
		r = limits_realtime(host, err);
	if (r >= 0)
		r = limits_cpu(create, host, err);
	if (r >= 0)
		r = limits_disk(create, host, err);
	if (r >= 0)
		r = create_number(host, "PidsLimit", INT64_MIN, INT32_MAX, &pids, err);
	if (r >= 0)
		r = create_number(host, "BlkioWeight", 0, 1000, &def->host.blkio_weight, err);
	if (r >= 0 && def->host.blkio_weight && def->host.blkio_weight < 10)
		return err_set(err, -EINVAL, "Range of blkio weight is from 10 to 1000");
	def->pids_limit = pids < 0 ? 0 : pids;
	return r;
}
