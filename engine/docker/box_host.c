/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HostConfig as inspect shows it: what was said at creation, and for each member that was left out
 * what Docker shows then, in Docker's order. Runs in the api role. Must never hide a member that
 * was said.
 */
#include <string.h>
#include "engine/docker/view.h"
#include "lib/own.h"

/* A member and the JSON that stands for "not said". */
struct member {
	const char *key, *fallback;
};

static const char masked[] =
	"[\"/proc/asound\",\"/proc/acpi\",\"/proc/interrupts\",\"/proc/kcore\",\"/proc/keys\","
	"\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\","
	"\"/proc/sched_debug\",\"/proc/scsi\",\"/sys/firmware\","
	"\"/sys/devices/virtual/powercap\"]";
static const char readonly[] = "[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
			       "\"/proc/sysrq-trigger\"]";

static const struct member members[] = {
	{ "Binds", "null" },
	{ "ContainerIDFile", "\"\"" },
	{ "LogConfig", "{\"Type\":\"json-file\",\"Config\":{}}" },
	{ "NetworkMode", "\"bridge\"" },
	{ "PortBindings", "null" },
	{ "RestartPolicy", "{\"Name\":\"no\",\"MaximumRetryCount\":0}" },
	{ "AutoRemove", "false" },
	{ "VolumeDriver", "\"\"" },
	{ "VolumesFrom", "null" },
	{ "ConsoleSize", "[0,0]" },
	{ "CapAdd", "null" },
	{ "CapDrop", "null" },
	{ "CgroupnsMode", "\"private\"" },
	{ "Dns", "null" },
	{ "DnsOptions", "null" },
	{ "DnsSearch", "null" },
	{ "ExtraHosts", "null" },
	{ "GroupAdd", "null" },
	{ "IpcMode", "\"private\"" },
	{ "Cgroup", "\"\"" },
	{ "Links", "null" },
	{ "OomScoreAdj", "0" },
	{ "PidMode", "\"\"" },
	{ "Privileged", "false" },
	{ "PublishAllPorts", "false" },
	{ "ReadonlyRootfs", "false" },
	{ "SecurityOpt", "null" },
	{ "UTSMode", "\"\"" },
	{ "UsernsMode", "\"\"" },
	{ "ShmSize", "67108864" },
	{ "Runtime", "\"runc\"" },
	{ "Isolation", "\"\"" },
	{ "CpuShares", "0" },
	{ "Memory", "0" },
	{ "NanoCpus", "0" },
	{ "CgroupParent", "\"\"" },
	{ "BlkioWeight", "0" },
	{ "BlkioWeightDevice", "null" },
	{ "BlkioDeviceReadBps", "null" },
	{ "BlkioDeviceWriteBps", "null" },
	{ "BlkioDeviceReadIOps", "null" },
	{ "BlkioDeviceWriteIOps", "null" },
	{ "CpuPeriod", "0" },
	{ "CpuQuota", "0" },
	{ "CpuRealtimePeriod", "0" },
	{ "CpuRealtimeRuntime", "0" },
	{ "CpusetCpus", "\"\"" },
	{ "CpusetMems", "\"\"" },
	{ "Devices", "null" },
	{ "DeviceCgroupRules", "null" },
	{ "DeviceRequests", "null" },
	{ "MemoryReservation", "0" },
	{ "MemorySwap", "0" },
	{ "MemorySwappiness", "null" },
	{ "OomKillDisable", "null" },
	{ "PidsLimit", "null" },
	{ "Ulimits", "null" },
	{ "CpuCount", "0" },
	{ "CpuPercent", "0" },
	{ "IOMaximumIOps", "0" },
	{ "IOMaximumBandwidth", "0" },
	{ "MaskedPaths", masked },
	{ "ReadonlyPaths", readonly },
};

static bool listed(struct str key)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (str_is(key, members[i].key))
			return true;
	}
	return false;
}

/* A privileged container sees all paths: none is named. */
static const char *fallback_of(const struct json *said, const struct member *member)
{
	bool paths = member->fallback == masked || member->fallback == readonly;

	return paths && json_true(json_get(said, "Privileged")) ? "null" : member->fallback;
}

/* {"80/tcp":[{"HostPort":"1"}]} with a HostIp in each, as Docker's types have it. */
static void put_bindings(struct json_writer *w, const struct json *ports)
{
	const struct json *list, *binding;
	struct json_iter iter, inner;
	struct str key, none;

	json_begin_object(w);
	json_iter_init(&iter, ports);
	while (json_iter_next(&iter, &key, &list)) {
		json_key_str(w, key);
		if (json_type(list) != JSON_ARRAY) {
			json_put_value(w, list);
			continue;
		}
		json_begin_array(w);
		json_iter_init(&inner, list);
		while (json_iter_next(&inner, &none, &binding)) {
			json_begin_object(w);
			json_member_str(w, "HostIp", json_str(json_get(binding, "HostIp")));
			json_member_str(w, "HostPort", json_str(json_get(binding, "HostPort")));
			json_end_object(w);
		}
		json_end_array(w);
	}
	json_end_object(w);
}

void docker_put_host_config(struct json_writer *w, const struct json *said, int64_t swap)
{
	const struct json *value;
	struct json_iter iter;
	struct str key;

	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		value = json_get(said, members[i].key);
		json_key(w, members[i].key);
		if (!strcmp(members[i].key, "MemorySwap") && swap &&
		    json_type(value) != JSON_NUMBER)
			json_put_i64(w, swap);
		else if (!strcmp(members[i].key, "PortBindings") && json_type(value) == JSON_OBJECT)
			put_bindings(w, value);
		else if (value && json_type(value) != JSON_NULL)
			json_put_value(w, value);
		else
			json_put_raw(w, str_from(fallback_of(said, &members[i])));
	}
	json_iter_init(&iter, said);
	while (json_iter_next(&iter, &key, &value)) {
		if (listed(key))
			continue;
		json_key_str(w, key);
		json_put_value(w, value);
	}
	json_end_object(w);
}
