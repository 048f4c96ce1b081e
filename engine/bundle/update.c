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

	if (!value)
		return 0;
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

static void put_text(struct json_writer *w, const char *key, const char *value)
{
	if (value)
		json_member_text(w, key, value);
}

/* The options as the file that could have been given: the parser reads only that. */
static int make_resources(const struct options *o, struct buf *out, struct err *err)
{
	struct json_writer w;
	int r;

	json_writer_init(&w, out);
	json_begin_object(&w);
	json_key(&w, "memory");
	json_begin_object(&w);
	r = put_number(&w, "limit", "memory", o->memory, true, err);
	if (r == 0)
		r = put_number(&w, "reservation", "memory-reservation", o->memory_reservation, true,
			       err);
	if (r == 0)
		r = put_number(&w, "swap", "memory-swap", o->memory_swap, true, err);
	json_end_object(&w);
	json_key(&w, "cpu");
	json_begin_object(&w);
	if (r == 0)
		r = put_number(&w, "period", "cpu-period", o->cpu_period, false, err);
	if (r == 0)
		r = put_number(&w, "quota", "cpu-quota", o->cpu_quota, false, err);
	if (r == 0)
		r = put_number(&w, "burst", "cpu-burst", o->cpu_burst, false, err);
	if (r == 0)
		r = put_number(&w, "shares", "cpu-share", o->cpu_share, false, err);
	if (r == 0)
		r = put_number(&w, "idle", "cpu-idle", o->cpu_idle, false, err);
	put_text(&w, "cpus", o->cpuset_cpus);
	put_text(&w, "mems", o->cpuset_mems);
	json_end_object(&w);
	json_key(&w, "blockIO");
	json_begin_object(&w);
	if (r == 0)
		r = put_number(&w, "weight", "blkio-weight", o->blkio_weight, false, err);
	json_end_object(&w);
	if (o->pids_limit) {
		json_key(&w, "pids");
		json_begin_object(&w);
		if (r == 0)
			r = put_number(&w, "limit", "pids-limit", o->pids_limit, false, err);
		json_end_object(&w);
	}
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
