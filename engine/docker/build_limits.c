/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build's RUN may use, out of the query of POST /build or an option of BuildKit's. Runs in
 * the api role. Must never take a limit that would not be in force.
 */
#include <errno.h>
#include <string.h>
#include "engine/docker/build.h"
#include "lib/own.h"

enum { LIMIT_TEXT_MAX = 8192, LIMIT_MEMORY_MIN = 6 << 20, LIMIT_PERIOD_MIN_US = 1000 };

static int read_number(struct docker_client *client, const char *name, int64_t least,
		       int64_t *ret_value, struct err *err)
{
	char text[32] = "";

	*ret_value = 0;
	if (!docker_query(client, name, text, sizeof(text)) || !*text ||
	    str_to_i64(str_from(text), least, INT64_MAX, ret_value) >= 0)
		return 0;
	return err_set(err, -EINVAL, "%s: invalid number %.30s", name, text);
}

static int check_limits(struct build_limits *limits, struct err *err)
{
	if (limits->memory && limits->memory < LIMIT_MEMORY_MIN)
		return err_set(err, -EINVAL, "Minimum memory limit allowed is 6MB");
	if (limits->memory_and_swap > 0 && !limits->memory)
		return err_set(err, -EINVAL,
			       "You should always set the Memory limit when using Memoryswap "
			       "limit, see usage");
	if (limits->memory_and_swap > 0 && limits->memory_and_swap < limits->memory)
		return err_set(err, -EINVAL,
			       "Minimum memoryswap limit should be larger than memory limit, see "
			       "usage");
	if (limits->memory && !limits->memory_and_swap)
		limits->memory_and_swap = limits->memory > INT64_MAX / 2 ? -1 : limits->memory * 2;
	if (limits->cpu_period_us &&
	    (limits->cpu_period_us < LIMIT_PERIOD_MIN_US || limits->cpu_period_us > 1000000))
		return err_set(err, -EINVAL,
			       "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than "
			       "1s (i.e. 1000000)");
	if (limits->cpu_quota_us && limits->cpu_quota_us < LIMIT_PERIOD_MIN_US)
		return err_set(err, -EINVAL, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
	return 0;
}

/* [{"Name": "nofile", "Soft": 1, "Hard": 2}]: "nofile=1:2" */
static int read_ulimits(struct docker_client *client, struct build_limits *limits, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	char query[LIMIT_TEXT_MAX] = "";
	const struct json *one;
	struct json_doc doc = { 0 };
	struct json_iter iter;
	struct str none;
	int r = 0;

	if (!docker_query(client, "ulimits", query, sizeof(query)) || !*query)
		return 0;
	if (json_parse(str_from(query), sizeof(query), &doc, NULL) < 0)
		return err_set(err, -EINVAL, "ulimits: invalid JSON");
	buf_init(&text, 1024);
	json_iter_init(&iter, doc.root);
	while (r >= 0 && json_iter_next(&iter, &none, &one)) {
		struct str name = json_str(json_get(one, "Name"));
		int64_t soft = -1, hard = -1;

		if (json_i64(json_get(one, "Soft"), -1, INT64_MAX, &soft) < 0 ||
		    json_i64(json_get(one, "Hard"), -1, INT64_MAX, &hard) < 0 || !name.len ||
		    memchr(name.ptr, ',', name.len))
			r = err_set(err, -EINVAL, "ulimits: a name and two numbers are expected");
		else if (hard != -1 && (soft == -1 || soft > hard))
			r = err_set(err, -EINVAL,
				    "ulimit soft limit must be less than or equal to hard limit: "
				    "soft %lld, hard %lld",
				    (long long)soft, (long long)hard);
		else
			(void)buf_printf(&text, "%s%.*s=%lld:%lld", text.len ? "," : "",
					 STR_ARG(name), (long long)soft, (long long)hard);
	}
	json_done(&doc);
	if (r >= 0 && buf_error(&text))
		r = err_set(err, -E2BIG, "ulimits: too many");
	limits->ulimits = r < 0 ? "" : arena_text(&client->arena, buf_str(&text));
	return r;
}

int build_take_network(const char *mode, enum docker_role role, struct engine_context *wanted,
		       struct err *err)
{
	wanted->network_none = !strcmp(mode, "none");
	wanted->network_host = wanted->host_allowed = !strcmp(mode, "host");
	if (wanted->network_host && role < DOCKER_ROLE_ADMIN)
		return err_set(err, -EACCES,
			       "access denied: a build in the machine's network needs the role "
			       "admin");
	if (!strncmp(mode, "container:", 10))
		return err_set(err, -EINVAL,
			       "build --network %.100s is not supported by this engine: leave it "
			       "out",
			       mode);
	if (*mode && strcmp(mode, "default") != 0 && strcmp(mode, "bridge") != 0 &&
	    !wanted->network_none && !wanted->network_host)
		wanted->limits.network = mode;
	return 0;
}

int build_read_limits(struct docker_client *client, struct engine_context *wanted, struct err *err)
{
	struct build_limits *limits = &wanted->limits;
	const struct {
		const char *name;
		int64_t least, *value;
	} numbers[] = { { "memory", 0, &limits->memory },
			{ "memswap", -1, &limits->memory_and_swap },
			{ "shmsize", 0, &limits->shm_bytes },
			{ "cpushares", 0, &limits->cpu_shares },
			{ "cpuquota", 0, &limits->cpu_quota_us },
			{ "cpuperiod", 0, &limits->cpu_period_us } };
	char cpus[256] = "", mems[256] = "", network[256] = "";
	int r = 0;

	(void)docker_query(client, "cpusetcpus", cpus, sizeof(cpus));
	(void)docker_query(client, "cpusetmems", mems, sizeof(mems));
	(void)docker_query(client, "networkmode", network, sizeof(network));
	limits->cpuset_cpus = arena_text(&client->arena, str_from(cpus));
	limits->cpuset_mems = arena_text(&client->arena, str_from(mems));
	limits->network = arena_text(&client->arena, str_from(network));
	if (!limits->cpuset_cpus || !limits->cpuset_mems || !limits->network)
		return err_set(err, -ENOMEM, "no memory for a request");
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(numbers); i++)
		r = read_number(client, numbers[i].name, numbers[i].least, numbers[i].value, err);
	if (r >= 0)
		r = read_ulimits(client, limits, err);
	if (r >= 0)
		r = check_limits(limits, err);
	if (r >= 0) {
		const char *mode = limits->network;

		limits->network = "";
		r = build_take_network(mode, client->role, wanted, err);
	}
	return r;
}
