/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Docker refuses of a create request by its form alone: members of a wrong type, in the words
 * of Go's JSON, and texts that can never be meant. Runs in the api role, on foreign JSON. Pure;
 * must never refuse what Docker takes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "engine/docker/create.h"
#include "engine/run/spec.h"
#include "lib/own.h"

#define MS_NS INT64_C(1000000)

/* ---- types ---- */

struct member {
	const char *key;
	enum json_type type;
};

static const struct member config_members[] = {
	{ "AttachStdin", JSON_BOOL },	  { "AttachStdout", JSON_BOOL },
	{ "AttachStderr", JSON_BOOL },	  { "Tty", JSON_BOOL },
	{ "OpenStdin", JSON_BOOL },	  { "StdinOnce", JSON_BOOL },
	{ "NetworkDisabled", JSON_BOOL }, { "Hostname", JSON_STRING },
	{ "Domainname", JSON_STRING },	  { "User", JSON_STRING },
	{ "Image", JSON_STRING },	  { "WorkingDir", JSON_STRING },
	{ "StopSignal", JSON_STRING },	  { "MacAddress", JSON_STRING },
	{ "StopTimeout", JSON_NUMBER },	  { "Env", JSON_ARRAY },
	{ "ExposedPorts", JSON_OBJECT },  { "Volumes", JSON_OBJECT },
	{ "Labels", JSON_OBJECT },	  { "Healthcheck", JSON_OBJECT },
	{ "HostConfig", JSON_OBJECT },	  { "NetworkingConfig", JSON_OBJECT },
};

static const struct member host_members[] = {
	{ "AutoRemove", JSON_BOOL },
	{ "Privileged", JSON_BOOL },
	{ "PublishAllPorts", JSON_BOOL },
	{ "ReadonlyRootfs", JSON_BOOL },
	{ "Init", JSON_BOOL },
	{ "OomKillDisable", JSON_BOOL },
	{ "NetworkMode", JSON_STRING },
	{ "IpcMode", JSON_STRING },
	{ "PidMode", JSON_STRING },
	{ "UTSMode", JSON_STRING },
	{ "UsernsMode", JSON_STRING },
	{ "CgroupnsMode", JSON_STRING },
	{ "Runtime", JSON_STRING },
	{ "Isolation", JSON_STRING },
	{ "CpusetCpus", JSON_STRING },
	{ "CpusetMems", JSON_STRING },
	{ "Binds", JSON_ARRAY },
	{ "Mounts", JSON_ARRAY },
	{ "Dns", JSON_ARRAY },
	{ "DnsOptions", JSON_ARRAY },
	{ "DnsSearch", JSON_ARRAY },
	{ "ExtraHosts", JSON_ARRAY },
	{ "GroupAdd", JSON_ARRAY },
	{ "Links", JSON_ARRAY },
	{ "SecurityOpt", JSON_ARRAY },
	{ "VolumesFrom", JSON_ARRAY },
	{ "Devices", JSON_ARRAY },
	{ "Ulimits", JSON_ARRAY },
	{ "PortBindings", JSON_OBJECT },
	{ "RestartPolicy", JSON_OBJECT },
	{ "LogConfig", JSON_OBJECT },
	{ "Sysctls", JSON_OBJECT },
	{ "Tmpfs", JSON_OBJECT },
	{ "Memory", JSON_NUMBER },
	{ "MemorySwap", JSON_NUMBER },
	{ "MemoryReservation", JSON_NUMBER },
	{ "NanoCpus", JSON_NUMBER },
	{ "CpuShares", JSON_NUMBER },
	{ "CpuPeriod", JSON_NUMBER },
	{ "CpuQuota", JSON_NUMBER },
	{ "PidsLimit", JSON_NUMBER },
	{ "ShmSize", JSON_NUMBER },
	{ "OomScoreAdj", JSON_NUMBER },
	{ "BlkioWeight", JSON_NUMBER },
};

/* As Go's decoder names what it found, and what it wanted. */
static const char *found_name(enum json_type type)
{
	return type == JSON_STRING   ? "string"
	       : type == JSON_NUMBER ? "number"
	       : type == JSON_ARRAY  ? "array"
	       : type == JSON_OBJECT ? "object"
				     : "bool";
}

static const char *wanted_name(enum json_type type)
{
	return type == JSON_STRING   ? "string"
	       : type == JSON_NUMBER ? "int64"
	       : type == JSON_ARRAY  ? "[]string"
	       : type == JSON_OBJECT ? "object"
				     : "bool";
}

static int check_types(const struct json *object, const struct member *members, size_t count,
		       const char *place, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct json *value = json_get(object, members[i].key);
		enum json_type type = json_type(value), wanted = members[i].type;

		if (!value || type == JSON_NULL || type == wanted)
			continue;
		return err_set(err, -EINVAL,
			       "invalid JSON: json: cannot unmarshal %s into Go struct field "
			       "%s.%s of type %s",
			       found_name(type), place, members[i].key, wanted_name(wanted));
	}
	return 0;
}

/* ---- texts ---- */

typedef int check_fn(struct str text, struct err *err);

static int check_each(const struct json *list, check_fn *check, struct err *err)
{
	const struct json *value;
	struct json_iter iter;
	struct str none;
	int r = 0;

	json_iter_init(&iter, list);
	while (r >= 0 && json_iter_next(&iter, &none, &value)) {
		if (json_type(value) == JSON_STRING)
			r = check(json_str(value), err);
	}
	return r;
}

static int check_capability(struct str text, const char *list, struct err *err)
{
	char name[64], upper[64];
	uint64_t bits;

	if (str_copy(text, name, sizeof(name)) < 0)
		name[0] = 0;
	if (run_caps_parse(name, &bits, NULL) >= 0)
		return 0;
	for (size_t i = 0;; i++) {
		upper[i] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 'a' + 'A') : name[i];
		if (!name[i])
			break;
	}
	return err_set(err, -EINVAL, "invalid %s: unknown capability: \"%s%s\"", list,
		       strncmp(upper, "CAP_", 4) ? "CAP_" : "", upper);
}

static int check_cap_add(struct str text, struct err *err)
{
	return check_capability(text, "CapAdd", err);
}

static int check_cap_drop(struct str text, struct err *err)
{
	return check_capability(text, "CapDrop", err);
}

/* "name=value", of old also "name:value". */
static int check_security(struct str text, struct err *err)
{
	static const char *const names[] = { "apparmor", "seccomp", "label", "no-new-privileges",
					     "writable-cgroups" };
	ptrdiff_t at = str_find(text, '=');
	struct str name, value;

	if (str_is(text, "no-new-privileges") || str_is(text, "disable") ||
	    str_is(text, "writable-cgroups"))
		return 0;
	if (at < 0)
		at = str_find(text, ':');
	if (at < 0)
		return err_set(err, -EINVAL, "invalid --security-opt 1: \"%.*s\"", STR_ARG(text));
	name = str_head(text, (size_t)at);
	value = str_skip(text, (size_t)at + 1);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_is(name, names[i]) &&
		    (i < 3 || str_is(value, "true") || str_is(value, "false")))
			return 0;
	}
	return err_set(err, -EINVAL, "invalid --security-opt 2: \"%.*s\"",
		       text.len > 200 ? 200 : (int)text.len, text.ptr);
}

static int check_host_name(struct str text, struct err *err)
{
	ptrdiff_t colon = str_find(text, ':');
	unsigned char bytes[16];
	char address[INET6_ADDRSTRLEN] = "";
	struct str ip;

	if (colon <= 0 || (size_t)colon + 1 == text.len)
		return err_set(err, -EINVAL, "bad format for add-host: \"%.*s\"", STR_ARG(text));
	ip = str_skip(text, (size_t)colon + 1);
	if (ip.len > 2 && ip.ptr[0] == '[' && str_ends(ip, STR("]")))
		ip = str_head(str_skip(ip, 1), ip.len - 2);
	if (str_is(ip, "host-gateway") ||
	    (str_copy(ip, address, sizeof(address)) >= 0 &&
	     (inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1)))
		return 0;
	return err_set(err, -EINVAL, "invalid IP address in add-host: \"%.*s\"", STR_ARG(ip));
}

static int check_link(struct str text, struct err *err)
{
	struct str rest = text, word;
	unsigned parts = 0;

	while (str_cut(&rest, ':', &word))
		parts++;
	return parts > 2 ? err_set(err, -EINVAL, "bad format for links: %.*s", STR_ARG(text)) : 0;
}

static int check_health(const struct json *health, struct err *err)
{
	static const char *const times[] = { "Interval", "Timeout", "StartPeriod",
					     "StartInterval" };
	int64_t number;

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		number = 0;
		(void)json_i64(json_get(health, times[i]), INT64_MIN, INT64_MAX, &number);
		if (number && number < MS_NS)
			return err_set(err, -EINVAL, "%s in Healthcheck cannot be less than 1ms",
				       times[i]);
	}
	number = 0;
	(void)json_i64(json_get(health, "Retries"), INT64_MIN, INT64_MAX, &number);
	return number < 0 ? err_set(err, -EINVAL, "Retries in Healthcheck cannot be negative") : 0;
}

static int check_annotations(const struct json *annotations, struct err *err)
{
	const struct json *value;
	struct json_iter iter;
	struct str key;

	json_iter_init(&iter, annotations);
	while (json_iter_next(&iter, &key, &value)) {
		if (!key.len)
			return err_set(err, -EINVAL,
				       "invalid Annotations: the empty string is not permitted as "
				       "an annotation key");
	}
	return 0;
}

/* ---- numbers ---- */

static int check_numbers(const struct json *host, struct err *err)
{
	int64_t memory = 0, shm = 0, score = 0;

	(void)json_i64(json_get(host, "Memory"), INT64_MIN, INT64_MAX, &memory);
	(void)json_i64(json_get(host, "ShmSize"), INT64_MIN, INT64_MAX, &shm);
	(void)json_i64(json_get(host, "OomScoreAdj"), INT64_MIN, INT64_MAX, &score);
	if (memory < 0)
		return err_set(err, -EINVAL, "Minimum memory limit allowed is 6MB");
	if (shm < 0)
		return err_set(err, -EINVAL, "SHM size can not be less than 0");
	if (score < -DEF_OOM_SCORE_MAX || score > DEF_OOM_SCORE_MAX)
		return err_set(err, -EINVAL,
			       "Invalid value %lld, range for oom score adj is [-1000, 1000]",
			       (long long)score);
	return 0;
}

/* ---- mounts ---- */

/* Options of one type of mount given with another. */
static int check_mounts(const struct json *mounts, struct err *err)
{
	static const struct {
		const char *key, *type;
	} options[] = { { "BindOptions", "bind" },
			{ "VolumeOptions", "volume" },
			{ "TmpfsOptions", "tmpfs" },
			{ "ImageOptions", "image" } };
	static const char propagations[] = "private rprivate shared rshared slave rslave";
	const struct json *mount;
	struct json_iter iter;
	struct str none, word;

	json_iter_init(&iter, mounts);
	while (json_iter_next(&iter, &none, &mount)) {
		struct str type = json_str(json_get(mount, "Type"));
		struct str how = json_str(json_get(json_get(mount, "BindOptions"), "Propagation"));
		struct str rest = str_from(propagations);
		bool known = !how.len;

		for (size_t i = 0; i < ARRAY_LEN(options); i++) {
			const struct json *value = json_get(mount, options[i].key);

			if (!value || json_type(value) == JSON_NULL ||
			    str_is(type, options[i].type))
				continue;
			return err_set(err, -EINVAL,
				       "invalid mount config for type \"%.*s\": field %s must not "
				       "be specified",
				       STR_ARG(type), options[i].key);
		}
		while (str_cut(&rest, ' ', &word))
			known |= str_eq(word, how);
		if (!known)
			return err_set(err, -EINVAL,
				       "invalid mount config for type \"bind\": invalid "
				       "propagation mode: %.*s",
				       STR_ARG(how));
	}
	return 0;
}

int create_check(const struct json *body, struct err *err)
{
	const struct json *host = json_get(body, "HostConfig");
	const struct {
		const char *key;
		check_fn *check;
	} lists[] = {
		{ "CapAdd", check_cap_add },	   { "CapDrop", check_cap_drop },
		{ "SecurityOpt", check_security }, { "ExtraHosts", check_host_name },
		{ "Links", check_link },
	};
	int r = check_types(body, config_members, ARRAY_LEN(config_members),
			    "ContainerConfigWrapper.Config", err);

	if (r >= 0)
		r = check_types(host, host_members, ARRAY_LEN(host_members),
				"HostConfig.HostConfig", err);
	if (r >= 0)
		r = check_health(json_get(body, "Healthcheck"), err);
	if (r >= 0)
		r = check_numbers(host, err);
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(lists); i++)
		r = check_each(json_get(host, lists[i].key), lists[i].check, err);
	if (r >= 0)
		r = check_annotations(json_get(host, "Annotations"), err);
	return r < 0 ? r : check_mounts(json_get(host, "Mounts"), err);
}
