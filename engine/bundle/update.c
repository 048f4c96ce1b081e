/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns `update`: from options or a resources file to the files of the control group. It must never
 * change one limit when another one cannot be understood.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "engine/bundle/command.h"
#include "engine/bundle/parser.h"
#include "engine/bundle/say.h"
#include "engine/json/json.h"
#include "engine/oci/runtime_config.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/str.h"

enum { MISSING_MAX = 256 };

/* A member with the number of an option; sizes may have a unit, -1 is "no limit". */
static int put_number(struct json_writer *w, const char *key, const char *option, const char *value,
		      bool size, struct err *err)
{
	int64_t number;
	uint64_t bytes;

	if (size && value[0] != '-') {
		if (str_to_size(str_from(value), INT64_MAX, &bytes) < 0)
			return err_set(err, -EINVAL, "--%s: expected a size such as 64m", option);
		number = (int64_t)bytes;
	} else if (str_to_i64(str_from(value), INT64_MIN, INT64_MAX, &number) < 0) {
		if (value[0] != '-' || str_to_i64(str_from(value + 1), 0, INT64_MAX, &number) < 0)
			return err_set(err, -EINVAL, "--%s: expected a number", option);
		number = -number;
	}
	json_member_i64(w, key, number);
	return 0;
}

enum kind { KIND_NUMBER, KIND_SIZE, KIND_TEXT };

/* Which option stands for which member; the members of one object stand together. */
static const struct row {
	const char *object, *key, *option;
	size_t offset; /* in struct options */
	enum kind kind;
} rows[] = {
	{ "memory", "limit", "memory", offsetof(struct options, memory), KIND_SIZE },
	{ "memory", "reservation", "memory-reservation",
	  offsetof(struct options, memory_reservation), KIND_SIZE },
	{ "memory", "swap", "memory-swap", offsetof(struct options, memory_swap), KIND_SIZE },
	{ "memory", "kernel", "kernel-memory", offsetof(struct options, kernel_memory), KIND_SIZE },
	{ "memory", "kernelTCP", "kernel-memory-tcp", offsetof(struct options, kernel_memory_tcp),
	  KIND_SIZE },
	{ "cpu", "period", "cpu-period", offsetof(struct options, cpu_period), KIND_NUMBER },
	{ "cpu", "quota", "cpu-quota", offsetof(struct options, cpu_quota), KIND_NUMBER },
	{ "cpu", "burst", "cpu-burst", offsetof(struct options, cpu_burst), KIND_NUMBER },
	{ "cpu", "shares", "cpu-share", offsetof(struct options, cpu_share), KIND_NUMBER },
	{ "cpu", "idle", "cpu-idle", offsetof(struct options, cpu_idle), KIND_NUMBER },
	{ "cpu", "realtimePeriod", "cpu-rt-period", offsetof(struct options, cpu_rt_period),
	  KIND_NUMBER },
	{ "cpu", "realtimeRuntime", "cpu-rt-runtime", offsetof(struct options, cpu_rt_runtime),
	  KIND_NUMBER },
	{ "cpu", "cpus", "cpuset-cpus", offsetof(struct options, cpuset_cpus), KIND_TEXT },
	{ "cpu", "mems", "cpuset-mems", offsetof(struct options, cpuset_mems), KIND_TEXT },
	{ "blockIO", "weight", "blkio-weight", offsetof(struct options, blkio_weight),
	  KIND_NUMBER },
	{ "pids", "limit", "pids-limit", offsetof(struct options, pids_limit), KIND_NUMBER },
};

/* The options as the file that could have been given: the parser reads only that. */
static int make_resources(const struct options *o, struct buf *out, struct err *err)
{
	const char *object = NULL;
	struct json_writer w;
	int r = 0;

	if (o->cache_schema || o->bandwidth_schema)
		return err_set(err, -ENOTSUP,
			       "--%s: shares of the processor's cache and memory "
			       "bandwidth (resctrl) are not supported",
			       o->cache_schema ? "l3-cache-schema" : "mem-bw-schema");
	json_writer_init(&w, out);
	json_begin_object(&w);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		const char *value = *(const char *const *)((const char *)o + row->offset);

		if (!value)
			continue;
		if (!object || strcmp(object, row->object) != 0) {
			if (object)
				json_end_object(&w);
			json_key(&w, row->object);
			json_begin_object(&w);
			object = row->object;
		}
		if (row->kind == KIND_TEXT)
			json_member_text(&w, row->key, value);
		else
			r = put_number(&w, row->key, row->option, value, row->kind == KIND_SIZE,
				       err);
	}
	if (object)
		json_end_object(&w);
	json_end_object(&w);
	return r < 0 ? r : buf_error(out);
}

static int read_resources(const char *path, struct buf *out, struct err *err)
{
	OWN_FD int fd = -1;
	int r;

	if (strcmp(path, "-") == 0)
		return fs_read_fd(STDIN_FILENO, RUNTIME_CONFIG_MAX, out, err);
	/* The operator's own path. */
	fd = fs_open(AT_FDCWD, path, FS_HOST, O_RDONLY | O_NONBLOCK, 0, err);
	if (fd < 0)
		return err_prefix(err, "--resources");
	r = fs_read_fd(fd, RUNTIME_CONFIG_MAX, out, err);
	return r < 0 ? err_prefix(err, "--resources %s", path) : 0;
}

static int set_limits(const struct state *state, const struct answer *answer, struct err *err)
{
	OWN_FD int group = state_cgroup_open(state, err);
	char missing[MISSING_MAX] = "";
	int r;

	if (group < 0)
		return group;
	r = cgroup_resources_set(group, &answer->resources, missing, sizeof(missing), err);
	if (r == 0 && missing[0])
		r = err_set(err, -EOPNOTSUPP,
			    "this host has no cgroup v2 controller for %s: not changed", missing);
	return r;
}

int command_update(struct command *cmd, struct err *err)
{
	struct container container OWN(container_done) = { .dir = -1 };
	struct parser_job job = { .kind = PARSER_KIND_RESOURCES, .id = cmd->argv[0] };
	struct buf text OWN(buf_done) = { 0 };
	struct buf memory OWN(buf_done) = { 0 };
	struct answer answer OWN(answer_done) = { 0 };
	OWN_FD int void_fd = -1;
	int r = container_open(cmd, cmd->argv[0], &container, err);

	if (r < 0)
		return r;
	if (state_status(container.dir, &container.state) == STATE_STATUS_STOPPED)
		return err_set(err, -ESRCH, "container not running");
	buf_init(&text, RUNTIME_CONFIG_MAX + 1);
	r = cmd->options.resources ? read_resources(cmd->options.resources, &text, err)
				   : make_resources(&cmd->options, &text, err);
	if (r < 0)
		return r;
	void_fd = command_void(cmd, err);
	if (void_fd < 0)
		return void_fd;
	job.process = buf_str(&text);
	r = parser_begin(&job, void_fd, err);
	if (r == 0)
		r = parser_end(&job, &memory, &answer, err);
	for (size_t i = 0; r == 0 && i < answer.warning_count; i++)
		say(SAY_LEVEL_WARNING, "%s", answer.warnings[i]);
	return r < 0 ? r : set_limits(&container.state, &answer, err);
}
