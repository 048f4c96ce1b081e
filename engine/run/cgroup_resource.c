/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the limits of a control group in all their kinds, and the way from OCI's v1 terms to them.
 * Runs in engine main and in hoy-oci. Must never leave a limit out without naming it.
 */
#include "engine/run/cgroup_resource.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "engine/run/cgroup.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/str.h"

enum {
	SHARES_MIN = 2,
	SHARES_MAX = 262144,
	WEIGHT_MAX = 10000,
	BLKIO_MIN = 10,
	BLKIO_MAX = 1000,
	PERIOD_US = 100000,
	VALUE_MAX = 160,
};

void cgroup_resources_init(struct cgroup_resources *resources)
{
	*resources = (struct cgroup_resources){
		.memory_max = CGROUP_UNSET,
		.memory_low = CGROUP_UNSET,
		.memory_min = CGROUP_UNSET,
		.memory_high = CGROUP_UNSET,
		.swap_max = CGROUP_UNSET,
		.cpu_weight = CGROUP_UNSET,
		.cpu_quota_us = CGROUP_UNSET,
		.cpu_period_us = CGROUP_UNSET,
		.cpu_burst_us = CGROUP_UNSET,
		.cpu_idle = CGROUP_UNSET,
		.pids_max = CGROUP_UNSET,
		.io_weight = CGROUP_UNSET,
	};
}

int64_t cgroup_weight_of_shares(uint64_t shares)
{
	if (shares == 0)
		return CGROUP_UNSET;
	if (shares < SHARES_MIN)
		shares = SHARES_MIN;
	if (shares > SHARES_MAX)
		shares = SHARES_MAX;
	return (int64_t)(1 + (shares - SHARES_MIN) * (WEIGHT_MAX - 1) / (SHARES_MAX - SHARES_MIN));
}

int64_t cgroup_weight_of_blkio(uint64_t weight)
{
	if (weight == 0)
		return CGROUP_UNSET;
	if (weight < BLKIO_MIN)
		weight = BLKIO_MIN;
	if (weight > BLKIO_MAX)
		weight = BLKIO_MAX;
	return (int64_t)(1 + (weight - BLKIO_MIN) * (WEIGHT_MAX - 1) / (BLKIO_MAX - BLKIO_MIN));
}

int cgroup_swap_of_oci(int64_t memory, int64_t memory_and_swap, int64_t *ret_swap, struct err *err)
{
	if (memory_and_swap == CGROUP_UNSET || memory_and_swap == 0) {
		*ret_swap = CGROUP_UNSET;
		return 0;
	}
	if (memory_and_swap < 0) {
		*ret_swap = CGROUP_MAX;
		return 0;
	}
	if (memory == CGROUP_UNSET || memory == 0)
		return err_set(err, -EINVAL, "memory.swap needs memory.limit");
	if (memory < 0)
		return err_set(err, -EINVAL, "memory.swap with a memory.limit of -1");
	if (memory_and_swap < memory)
		return err_set(err, -EINVAL, "memory.swap %lld is below memory.limit %lld",
			       (long long)memory_and_swap, (long long)memory);
	*ret_swap = memory_and_swap - memory;
	return 0;
}

static bool is_set(int64_t value)
{
	return value != CGROUP_UNSET;
}

static uint32_t controller_of(const char *file)
{
	static const struct {
		const char *prefix;
		uint32_t bit;
	} table[] = {
		{ "cpuset.", CGROUP_CONTROLLER_CPUSET },   { "cpu.", CGROUP_CONTROLLER_CPU },
		{ "memory.", CGROUP_CONTROLLER_MEMORY },   { "pids.", CGROUP_CONTROLLER_PIDS },
		{ "io.", CGROUP_CONTROLLER_IO },	   { "rdma.", CGROUP_CONTROLLER_RDMA },
		{ "hugetlb.", CGROUP_CONTROLLER_HUGETLB }, { "misc.", CGROUP_CONTROLLER_MISC },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strncmp(file, table[i].prefix, strlen(table[i].prefix)) == 0)
			return table[i].bit;
	return 0;
}

uint32_t cgroup_resources_controllers(const struct cgroup_resources *r)
{
	bool memory = is_set(r->memory_max) || is_set(r->memory_low) || is_set(r->memory_min) ||
		      is_set(r->memory_high) || is_set(r->swap_max);
	bool cpu = is_set(r->cpu_weight) || is_set(r->cpu_quota_us) || is_set(r->cpu_period_us) ||
		   is_set(r->cpu_burst_us) || is_set(r->cpu_idle);
	bool io = is_set(r->io_weight) || r->io_limit_count || r->io_weight_count;
	uint32_t bits = (memory ? CGROUP_CONTROLLER_MEMORY : 0u) |
			(cpu ? CGROUP_CONTROLLER_CPU : 0u) | (io ? CGROUP_CONTROLLER_IO : 0u) |
			(r->cpus || r->mems ? CGROUP_CONTROLLER_CPUSET : 0u) |
			(is_set(r->pids_max) ? CGROUP_CONTROLLER_PIDS : 0u) |
			(r->hugetlb_count ? CGROUP_CONTROLLER_HUGETLB : 0u) |
			(r->rdma_count ? CGROUP_CONTROLLER_RDMA : 0u);

	for (size_t i = 0; i < r->unified_count; i++)
		bits |= controller_of(r->unified[i].file);
	return bits;
}

/* ---- writing ---- */

struct writer {
	int fd;
	char *missing;
	size_t cap;
	struct err *err;
	int error;
};

static void note_missing(struct writer *to, const char *file)
{
	size_t len = to->cap ? strlen(to->missing) : 0;

	if (len < to->cap)
		(void)snprintf(to->missing + len, to->cap - len, "%s%s", len ? ", " : "", file);
}

/* A name as it may stand in a directory of cgroupfs. */
static bool name_is_clean(const char *name)
{
	return name[0] && name[0] != '.' && strlen(name) < VALUE_MAX && !strchr(name, '/');
}

static void put(struct writer *to, const char *file, const char *text)
{
	int r;

	if (to->error)
		return;
	r = fs_write_control(to->fd, file, str_from(text), to->err);
	/* Without the controller the file is not there; without the device it is no device. */
	if (r == -ENOENT || r == -EOPNOTSUPP)
		note_missing(to, file);
	else if (r < 0)
		to->error = r;
}

static void put_number(struct writer *to, const char *file, int64_t value)
{
	char text[24] = "max";

	if (!is_set(value))
		return;
	if (value >= 0)
		(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	put(to, file, text);
}

static void put_memory(struct writer *to, const struct cgroup_resources *r)
{
	struct buf current OWN(buf_done) = { 0 };
	uint64_t used = 0;

	buf_init(&current, VALUE_MAX);
	if (r->memory_check && is_set(r->memory_max) && r->memory_max > 0 &&
	    fs_read(to->fd, "memory.current", FS_BENEATH, VALUE_MAX - 1, &current, NULL) >= 0 &&
	    str_to_u64(str_trim(buf_str(&current)), 0, UINT64_MAX, &used) == 0 &&
	    used > (uint64_t)r->memory_max) {
		to->error =
			err_set(to->err, -EBUSY, "memory.limit %lld is below the %llu bytes in use",
				(long long)r->memory_max, (unsigned long long)used);
		return;
	}
	/* Swap may grow before and shrink behind the memory limit: unlimited first never fails. */
	put_number(to, "memory.swap.max", r->swap_max);
	put_number(to, "memory.max", r->memory_max);
	put_number(to, "memory.low", r->memory_low);
	put_number(to, "memory.min", r->memory_min);
	put_number(to, "memory.high", r->memory_high);
}

static void put_cpu(struct writer *to, const struct cgroup_resources *r)
{
	char text[64];

	put_number(to, "cpu.idle", r->cpu_idle);
	/* An idle group has no weight. */
	if (r->cpu_idle != 1)
		put_number(to, "cpu.weight", r->cpu_weight);
	/* The burst is bounded by the quota: a smaller one first, a larger one behind it. */
	if (is_set(r->cpu_quota_us) || is_set(r->cpu_period_us)) {
		int64_t period = is_set(r->cpu_period_us) && r->cpu_period_us > 0 ? r->cpu_period_us
										  : PERIOD_US;

		if (is_set(r->cpu_quota_us) && r->cpu_quota_us > 0)
			(void)snprintf(text, sizeof(text), "%lld %lld", (long long)r->cpu_quota_us,
				       (long long)period);
		else
			(void)snprintf(text, sizeof(text), "max %lld", (long long)period);
		put(to, "cpu.max", text);
	}
	put_number(to, "cpu.max.burst", r->cpu_burst_us);
	if (r->cpus)
		put(to, "cpuset.cpus", r->cpus);
	if (r->mems)
		put(to, "cpuset.mems", r->mems);
}

static int add_value(char *text, size_t cap, const char *key, int64_t value)
{
	size_t len = strlen(text);

	if (!is_set(value))
		return 0;
	/* In OCI's rows 0 takes a limit away. */
	if (value <= 0)
		return snprintf(text + len, cap - len, " %s=max", key);
	return snprintf(text + len, cap - len, " %s=%lld", key, (long long)value);
}

static void put_io(struct writer *to, const struct cgroup_resources *r)
{
	char text[VALUE_MAX];

	if (is_set(r->io_weight)) {
		(void)snprintf(text, sizeof(text), "default %lld", (long long)r->io_weight);
		put(to, "io.weight", text);
	}
	for (size_t i = 0; i < r->io_weight_count; i++) {
		const struct cgroup_io_weight *row = &r->io_weights[i];

		(void)snprintf(text, sizeof(text), "%u:%u %lld", row->major, row->minor,
			       (long long)row->weight);
		put(to, "io.weight", text);
	}
	for (size_t i = 0; i < r->io_limit_count; i++) {
		const struct cgroup_io_limit *row = &r->io_limits[i];

		(void)snprintf(text, sizeof(text), "%u:%u", row->major, row->minor);
		(void)add_value(text, sizeof(text), "rbps", row->rbps);
		(void)add_value(text, sizeof(text), "wbps", row->wbps);
		(void)add_value(text, sizeof(text), "riops", row->riops);
		(void)add_value(text, sizeof(text), "wiops", row->wiops);
		put(to, "io.max", text);
	}
}

static void put_others(struct writer *to, const struct cgroup_resources *r)
{
	char name[VALUE_MAX * 2], text[VALUE_MAX * 2];

	put_number(to, "pids.max", r->pids_max);
	for (size_t i = 0; i < r->hugetlb_count && !to->error; i++) {
		if (!name_is_clean(r->hugetlb[i].size)) {
			to->error = err_set(to->err, -EINVAL, "hugepageLimits: no such page size");
			return;
		}
		(void)snprintf(name, sizeof(name), "hugetlb.%s.max", r->hugetlb[i].size);
		put_number(to, name, r->hugetlb[i].limit_bytes);
		/* Reserved pages are counted apart since 5.7; the same limit holds for them. */
		(void)snprintf(name, sizeof(name), "hugetlb.%s.rsvd.max", r->hugetlb[i].size);
		if (fs_exists(to->fd, name, FS_BENEATH))
			put_number(to, name, r->hugetlb[i].limit_bytes);
	}
	for (size_t i = 0; i < r->rdma_count && !to->error; i++) {
		const struct cgroup_rdma *row = &r->rdma[i];

		if (!name_is_clean(row->device)) {
			to->error = err_set(to->err, -EINVAL, "rdma: no such device");
			return;
		}
		(void)snprintf(text, sizeof(text), "%s", row->device);
		(void)add_value(text, sizeof(text), "hca_handle", row->handles);
		(void)add_value(text, sizeof(text), "hca_object", row->objects);
		put(to, "rdma.max", text);
	}
}

/* The words are crun's: who drives a runtime looks for them. */
static int check_unified(const char *file, struct err *err)
{
	char shown[VALUE_MAX];

	str_escape(str_from(file), shown, sizeof(shown));
	if (!strchr(file, '.'))
		return err_set(err, -EINVAL,
			       "unified: the specified key has not the form CONTROLLER.VALUE `%s`",
			       shown);
	/* cgroup.procs and its like are no limits. */
	if (!name_is_clean(file) || strncmp(file, "cgroup.", 7) == 0)
		return err_set(err, -EINVAL, "unified '%s': expected a file of the group's limits",
			       shown);
	return 0;
}

/* What this program knows this host may lack; a controller of no name that it knows is an error. */
static void miss_unified(struct writer *to, const char *file)
{
	char shown[VALUE_MAX];

	if (controller_of(file)) {
		note_missing(to, file);
		return;
	}
	str_escape(str_make(file, strcspn(file, ".")), shown, sizeof(shown));
	to->error =
		err_set(to->err, -EINVAL,
			"unified: the requested cgroup controller `%s` is not available", shown);
}

static void put_unified(struct writer *to, const struct cgroup_resources *r)
{
	for (size_t i = 0; i < r->unified_count && !to->error; i++) {
		struct str rest = str_from(r->unified[i].value), line;

		to->error = check_unified(r->unified[i].file, to->err);
		/* The kernel takes one row with each write. */
		while (str_cut(&rest, '\n', &line) && !to->error) {
			int r2 = line.len ? fs_write_control(to->fd, r->unified[i].file, line,
							     to->err)
					  : 0;

			if (r2 == -ENOENT)
				miss_unified(to, r->unified[i].file);
			else if (r2 < 0)
				to->error = r2;
		}
	}
}

int cgroup_resources_set(int cgroup_fd, const struct cgroup_resources *resources, char *missing,
			 size_t cap, struct err *err)
{
	struct writer to = { .fd = cgroup_fd, .missing = missing, .cap = cap, .err = err };

	if (cap)
		missing[0] = '\0';
	put_memory(&to, resources);
	put_cpu(&to, resources);
	put_io(&to, resources);
	put_others(&to, resources);
	put_unified(&to, resources);
	return to.error;
}
