/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/run/cgroup.h"
#include "engine/run/cgroup_resource.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

/*
 * A plain directory with the files of a group: what is written into an empty one can be read, a
 * file that is not there is a controller that is missing.
 */
static int dir_fd = -1;

static void add_files(const char *const *names)
{
	for (; *names; names++) {
		int fd = openat(dir_fd, *names, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

		(void)close(fd);
	}
}

static const char *content(const char *name)
{
	static char text[512];
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void test_terms(void)
{
	struct err err = { 0 };
	int64_t swap = 0;

	is_int((int)cgroup_weight_of_shares(1024), 39, "1024 shares");
	is_int((int)cgroup_weight_of_shares(2), 1, "the fewest shares");
	is_int((int)cgroup_weight_of_shares(1), 1, "fewer than that");
	is_int((int)cgroup_weight_of_shares(262144), 10000, "the most shares");
	is_int((int)cgroup_weight_of_shares(UINT64_MAX), 10000, "more than that");
	ok(cgroup_weight_of_shares(0) == CGROUP_UNSET, "no shares");
	is_int((int)cgroup_weight_of_blkio(10), 1, "the smallest blkio weight");
	is_int((int)cgroup_weight_of_blkio(1000), 10000, "the largest");
	ok(cgroup_weight_of_blkio(0) == CGROUP_UNSET, "none");
	is_int(cgroup_swap_of_oci(100, 300, &swap, &err), 0, "swap");
	ok(swap == 200, "without the memory");
	is_int(cgroup_swap_of_oci(100, 100, &swap, &err), 0, "no swap");
	ok(swap == 0, "is 0");
	is_int(cgroup_swap_of_oci(100, -1, &swap, &err), 0, "any swap");
	ok(swap == CGROUP_MAX, "is max");
	is_int(cgroup_swap_of_oci(100, CGROUP_UNSET, &swap, &err), 0, "unset");
	ok(swap == CGROUP_UNSET, "stays unset");
	is_int(cgroup_swap_of_oci(100, 99, &swap, &err), -EINVAL, "below the memory");
	is_int(cgroup_swap_of_oci(CGROUP_UNSET, 99, &swap, &err), -EINVAL, "without memory");
}

static void test_all_files(void)
{
	static const struct cgroup_io_limit limits[] = { { 8, 0, 1000, CGROUP_UNSET, 0, 7 } };
	static const struct cgroup_io_weight weights[] = { { 8, 16, 500 } };
	static const struct cgroup_hugetlb huge[] = { { "2MB", 4 << 20 } };
	static const struct cgroup_rdma rdma[] = { { "mlx5_0", 3, CGROUP_MAX } };
	static const struct cgroup_unified unified[] = { { "memory.high", "5000" } };
	static const char *const names[] = {
		"memory.max",	   "memory.low",	   "memory.min",     "memory.high",
		"memory.swap.max", "cpu.weight",	   "cpu.max",	     "cpu.max.burst",
		"cpu.idle",	   "cpuset.cpus",	   "cpuset.mems",    "pids.max",
		"io.max",	   "hugetlb.2MB.max",	   "rdma.max",	     "io.weight",
		"other.file",	   "hugetlb.2MB.rsvd.max", "memory.current", NULL
	};
	struct cgroup_resources r;
	struct err err = { 0 };
	char missing[256];

	add_files(names);
	cgroup_resources_init(&r);
	r.memory_max = 1 << 20;
	r.memory_low = 4096;
	r.memory_min = 0;
	r.swap_max = CGROUP_MAX;
	r.cpu_weight = 39;
	r.cpu_quota_us = 50000;
	r.cpu_burst_us = 1000;
	r.cpus = "0-1";
	r.mems = "0";
	r.pids_max = CGROUP_MAX;
	r.io_limits = limits;
	r.io_limit_count = 1;
	r.io_weights = weights;
	r.io_weight_count = 1;
	r.hugetlb = huge;
	r.hugetlb_count = 1;
	r.rdma = rdma;
	r.rdma_count = 1;
	r.unified = unified;
	r.unified_count = 1;
	is_int(cgroup_resources_set(dir_fd, &r, missing, sizeof(missing), &err), 0, "set: %s",
	       err.text);
	is_text(missing, "", "nothing is missing");
	is_text(content("memory.max"), "1048576", "memory.max");
	is_text(content("memory.swap.max"), "max", "memory.swap.max");
	is_text(content("memory.min"), "0", "memory.min");
	is_text(content("memory.high"), "5000", "unified");
	is_text(content("cpu.weight"), "39", "cpu.weight");
	is_text(content("cpu.max"), "50000 100000", "cpu.max");
	is_text(content("cpu.idle"), "", "cpu.idle is left alone");
	is_text(content("cpuset.cpus"), "0-1", "cpuset.cpus");
	is_text(content("pids.max"), "max", "pids.max");
	is_text(content("io.max"), "8:0 rbps=1000 riops=max wiops=7", "io.max");
	is_text(content("io.weight"), "8:16 500", "io.weight");
	is_text(content("hugetlb.2MB.max"), "4194304", "hugetlb");
	is_text(content("hugetlb.2MB.rsvd.max"), "4194304", "its reservations");
	is_text(content("rdma.max"), "mlx5_0 hca_handle=3 hca_object=max", "rdma.max");
	ok(cgroup_resources_controllers(&r) ==
		   (CGROUP_CONTROLLER_CPU | CGROUP_CONTROLLER_MEMORY | CGROUP_CONTROLLER_PIDS |
		    CGROUP_CONTROLLER_IO | CGROUP_CONTROLLER_CPUSET | CGROUP_CONTROLLER_HUGETLB |
		    CGROUP_CONTROLLER_RDMA),
	   "all controllers are needed");
}

static void test_missing(void)
{
	static const struct cgroup_unified bad[] = {
		{ "../x.max", "1" }, { "cgroup.procs", "1" }, { "notes", "1" }, { "foo.bar", "1" }
	};
	static const struct cgroup_unified none[] = { { "misc.max", "a 1" } };
	struct cgroup_resources r;
	struct err err = { 0 };
	char missing[256];

	cgroup_resources_init(&r);
	is_int((int)cgroup_resources_controllers(&r), 0, "nothing is needed for nothing");
	is_int(cgroup_resources_set(dir_fd, &r, missing, sizeof(missing), &err), 0, "nothing");
	(void)unlinkat(dir_fd, "memory.max", 0);
	(void)unlinkat(dir_fd, "pids.max", 0);
	r.memory_max = r.pids_max = 5;
	r.unified = none;
	r.unified_count = 1;
	is_int(cgroup_resources_set(dir_fd, &r, missing, sizeof(missing), &err), 0, "set");
	is_text(missing, "memory.max, pids.max, misc.max", "what is missing is named");
	ok(cgroup_resources_controllers(&r) & CGROUP_CONTROLLER_MISC, "unified needs its own");
	is_int(cgroup_resources_set(dir_fd, &r, missing, 8, &err), 0, "a short list");
	ok(strlen(missing) < 8, "is cut");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cgroup_resources_init(&r);
		r.unified = &bad[i];
		r.unified_count = 1;
		is_int(cgroup_resources_set(dir_fd, &r, missing, sizeof(missing), &err), -EINVAL,
		       "unified %s", bad[i].file);
	}
	ok(strstr(err_text(&err), "the requested cgroup controller `foo` is not available"),
	   "a controller of no known name: %s", err_text(&err));
}

static void test_paths(void)
{
	struct err err = { 0 };
	bool fresh = false;
	int fd = cgroup_path_make(dir_fd, "/a/b/c", 0, &fresh, &err);

	ok(fd >= 0 && fresh, "a path is made: %s", err.text);
	(void)close(fd);
	fd = cgroup_path_make(dir_fd, "a/b/c", 0, &fresh, &err);
	ok(fd >= 0 && !fresh, "and is there");
	(void)close(fd);
	is_int(cgroup_path_make(dir_fd, "../x", 0, NULL, &err), -EINVAL, "no way up: %s", err.text);
	is_int(cgroup_path_make(dir_fd, "a/./x", 0, NULL, &err), -EINVAL, "no dot");
	is_int(cgroup_path_make(dir_fd, "//", 0, NULL, &err), -EINVAL, "not the top");
	is_int(cgroup_path_make(dir_fd, "", 0, NULL, &err), -EINVAL, "not nothing");
	is_int(cgroup_path_remove(dir_fd, "/a/b", &err), 0, "removed with what is below");
	ok(fs_exists(dir_fd, "a", FS_BENEATH) && !fs_exists(dir_fd, "a/b", FS_BENEATH),
	   "the parent stays");
	is_int(cgroup_path_remove(dir_fd, "/none/at/all", &err), 0, "what is not there is gone");
}

int main(void)
{
	char path[] = "/tmp/hoy-cgroup-XXXXXX";
	OWN_FD int top = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!mkdtemp(path))
		return 1;
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_terms();
	test_all_files();
	test_missing();
	test_paths();
	(void)close(dir_fd);
	(void)fs_remove_tree(top, path + 5, NULL);
	return tap_done();
}
