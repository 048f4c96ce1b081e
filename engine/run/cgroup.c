/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the control groups of containers and builds. Runs in engine main. Must never touch a group
 * that it did not make, and never leave a limit out without cgroup_missing() naming it.
 */
#include "engine/run/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/run/cgroup_resource.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { CGROUP_FILE_MAX = 16384, CGROUP_LINE_MAX = 512, CPU_PERIOD_US = 100000 };

static const struct {
	uint32_t bit;
	const char *name;
} controllers[] = {
	{ CGROUP_CONTROLLER_CPU, "cpu" },	{ CGROUP_CONTROLLER_MEMORY, "memory" },
	{ CGROUP_CONTROLLER_PIDS, "pids" },	{ CGROUP_CONTROLLER_IO, "io" },
	{ CGROUP_CONTROLLER_CPUSET, "cpuset" }, { CGROUP_CONTROLLER_HUGETLB, "hugetlb" },
	{ CGROUP_CONTROLLER_RDMA, "rdma" },	{ CGROUP_CONTROLLER_MISC, "misc" },
};

static int read_file(int fd, const char *name, struct buf *out)
{
	buf_init(out, CGROUP_FILE_MAX);
	return fs_read(fd, name, FS_BENEATH, CGROUP_FILE_MAX - 1, out, NULL);
}

static uint32_t read_controllers(int fd, const char *file)
{
	char text[CGROUP_LINE_MAX];
	struct str rest, part;
	uint32_t bits = 0;

	rest = str_trim(cgroup_read_line(fd, file, text, sizeof(text)));
	while (str_cut(&rest, ' ', &part))
		for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
			if (str_is(part, controllers[i].name))
				bits |= controllers[i].bit;
	return bits;
}

struct str cgroup_read_line(int fd, const char *name, char *dst, size_t cap)
{
	OWN_FD int file = fs_open(fd, name, FS_BENEATH, O_RDONLY, 0, NULL);
	ssize_t n = file < 0 ? -1 : read(file, dst, cap);
	size_t len = n < 0 ? 0 : (size_t)n;

	return str_make(dst, len > 0 && dst[len - 1] == '\n' ? len - 1 : len);
}

uint32_t cgroup_controllers(int cgroup_fd)
{
	return read_controllers(cgroup_fd, "cgroup.controllers");
}

/* One by one: a controller that refuses (cpu with realtime tasks) must not take the others along.
 */
void cgroup_hand_down(int fd, uint32_t wanted)
{
	uint32_t have = read_controllers(fd, "cgroup.controllers");
	uint32_t done = read_controllers(fd, "cgroup.subtree_control");

	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		char text[16];
		int n = snprintf(text, sizeof(text), "+%s", controllers[i].name);

		if (wanted & have & ~done & controllers[i].bit)
			(void)fs_write_control(fd, "cgroup.subtree_control",
					       str_make(text, (size_t)n), NULL);
	}
}

int cgroup_root_open(struct cgroup_root *root, const char *name, struct err *err)
{
	enum cgroup_host host;
	OWN_FD int top = -1;
	int fd = cgroup_host_open(&host, &top, err);

	if (fd < 0)
		return fd;
	if (host == CGROUP_HOST_LEGACY)
		return err_set(err, -EOPNOTSUPP,
			       "/sys/fs/cgroup is no cgroup v2 and has none at unified; boot the "
			       "host with cgroup_no_v1=all, or mount cgroup2 there");
	cgroup_hand_down(top, UINT32_MAX);
	fd = fs_open_dir(top, name, FS_BENEATH, 0755, err);
	if (fd < 0)
		return fd;
	cgroup_hand_down(fd, UINT32_MAX);
	root->fd = fd;
	root->controllers = read_controllers(fd, "cgroup.subtree_control");
	return 0;
}

void cgroup_root_close(struct cgroup_root *root)
{
	if (root)
		own_close(&root->fd);
}

static uint32_t wanted(const struct cgroup_limits *limits)
{
	return (limits->memory_bytes ? CGROUP_CONTROLLER_MEMORY : 0u) |
	       (limits->cpu_milli ? CGROUP_CONTROLLER_CPU : 0u) |
	       (limits->pids ? CGROUP_CONTROLLER_PIDS : 0u);
}

const char *cgroup_missing(const struct cgroup_root *root, const struct cgroup_limits *limits,
			   char *dst, unsigned cap)
{
	uint32_t missing = wanted(limits) & ~root->controllers;
	size_t len = 0;

	if (cap > 0)
		dst[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		int n;

		if (!(missing & controllers[i].bit) || len >= cap)
			continue;
		n = snprintf(dst + len, cap - len, "%s%s", len ? ", " : "", controllers[i].name);
		len += n > 0 ? (size_t)n : 0;
	}
	return dst;
}

/* 0 = "max". */
static int write_number(int fd, const char *file, uint64_t value, struct err *err)
{
	char text[24] = "max";

	if (value)
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return fs_write_control(fd, file, str_from(text), err);
}

static int set_memory(int fd, const struct cgroup_limits *limits, struct err *err)
{
	char swap[24];
	int r = write_number(fd, "memory.max", limits->memory_bytes, err);

	if (r < 0)
		return r;
	/* All of a container or nothing: half a container serves nobody. */
	r = fs_write_control(fd, "memory.oom.group", STR("1"), err);
	if (r < 0 || !limits->memory_bytes)
		return r;
	(void)snprintf(swap, sizeof(swap), "%llu", (unsigned long long)limits->swap_bytes);
	r = fs_write_control(fd, "memory.swap.max", str_from(swap), err);
	return r == -ENOENT ? 0 : r; /* a kernel without swap */
}

static int set_cpu(int fd, uint32_t milli, struct err *err)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "max %d", CPU_PERIOD_US);
	if (milli)
		(void)snprintf(text, sizeof(text), "%llu %d",
			       (unsigned long long)milli * (CPU_PERIOD_US / 1000), CPU_PERIOD_US);
	return fs_write_control(fd, "cpu.max", str_from(text), err);
}

int cgroup_set(struct cgroup_root *root, int cgroup_fd, const struct cgroup_limits *limits,
	       struct err *err)
{
	int r = 0;

	if (root->controllers & CGROUP_CONTROLLER_MEMORY)
		r = set_memory(cgroup_fd, limits, err);
	if (r == 0 && root->controllers & CGROUP_CONTROLLER_CPU)
		r = set_cpu(cgroup_fd, limits->cpu_milli, err);
	if (r == 0 && root->controllers & CGROUP_CONTROLLER_PIDS)
		r = write_number(cgroup_fd, "pids.max", limits->pids, err);
	return r;
}

int cgroup_create(struct cgroup_root *root, const char *id, const struct cgroup_limits *limits,
		  struct err *err)
{
	OWN_FD int fd = -1;
	int r = fs_mkdir(root->fd, id, 0755, err);

	if (r < 0 && r != -EEXIST)
		return r;
	fd = cgroup_open(root, id, err);
	if (fd < 0)
		return fd;
	r = cgroup_set(root, fd, limits, err);
	if (r < 0)
		return err_prefix(err, "cgroup %s", id);
	return take_fd(&fd);
}

int cgroup_open(struct cgroup_root *root, const char *id, struct err *err)
{
	return fs_open(root->fd, id, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
}

int cgroup_freeze(int cgroup_fd, bool frozen, struct err *err)
{
	return fs_write_control(cgroup_fd, "cgroup.freeze", frozen ? STR("1") : STR("0"), err);
}

int cgroup_kill(int cgroup_fd, struct err *err)
{
	return fs_write_control(cgroup_fd, "cgroup.kill", STR("1"), err);
}

/* ---- reading ---- */

static uint64_t read_number(int fd, const char *file, uint64_t unset)
{
	struct buf text OWN(buf_done) = { 0 };
	struct str rest, line;
	uint64_t value;

	if (read_file(fd, file, &text) < 0)
		return unset;
	rest = buf_str(&text);
	if (!str_cut(&rest, '\n', &line) || str_to_u64(line, 0, UINT64_MAX, &value) < 0)
		return unset;
	return value;
}

/* "key value" lines. */
static uint64_t read_key(int fd, const char *file, const char *key)
{
	struct buf text OWN(buf_done) = { 0 };
	struct str rest, line, name;
	uint64_t value = 0;

	if (read_file(fd, file, &text) < 0)
		return 0;
	rest = buf_str(&text);
	while (str_cut(&rest, '\n', &line))
		if (str_cut(&line, ' ', &name) && str_is(name, key))
			(void)str_to_u64(line, 0, UINT64_MAX, &value);
	return value;
}

int cgroup_stats(int cgroup_fd, struct cgroup_stats *ret_stats, struct err *err)
{
	struct buf events OWN(buf_done) = { 0 };
	int r = read_file(cgroup_fd, "cgroup.events", &events);

	if (r < 0)
		return err_sys(err, r, "the cgroup is gone");
	*ret_stats = (struct cgroup_stats){
		.memory_bytes = read_number(cgroup_fd, "memory.current", 0),
		.memory_max = read_number(cgroup_fd, "memory.max", UINT64_MAX),
		.memory_cache = read_key(cgroup_fd, "memory.stat", "inactive_file"),
		.cpu_usec = read_key(cgroup_fd, "cpu.stat", "usage_usec"),
		.pids = read_number(cgroup_fd, "pids.current", 0),
		.oom_kills = read_key(cgroup_fd, "memory.events", "oom_kill"),
		.populated = read_key(cgroup_fd, "cgroup.events", "populated") != 0,
		.frozen = read_key(cgroup_fd, "cgroup.events", "frozen") != 0,
	};
	return 0;
}

/* ---- removal ---- */

static int remove_below(int dirfd, const char *name, unsigned char type, void *owner,
			struct err *err)
{
	OWN_FD int fd = -1;
	int r;

	(void)owner;
	if (type != DT_DIR)
		return 0;
	/* Most have nothing below. Only the kernel counts who is still in them. */
	r = fs_rmdir(dirfd, name, NULL);
	if (r == 0 || r == -ENOENT)
		return 0;
	fd = fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	/* Groups that the container made; their depth is bounded by cgroup.max.depth and PATH_MAX.
	 */
	r = fs_each(fd, remove_below, NULL, err);
	if (r == 0)
		r = fs_rmdir(dirfd, name, err);
	return r == -ENOENT ? 0 : r;
}

int cgroup_remove(struct cgroup_root *root, const char *id, struct err *err)
{
	return remove_below(root->fd, id, DT_DIR, NULL, err);
}
