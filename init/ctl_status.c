/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the answer to INIT_MSG_STATUS_GET: machine, memory, data partition, units. Runs in PID 1.
 * Must never wait, and never allocate.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "init/sup_calls.h"
#include "lib/fs.h"
#include "lib/own.h"

static void fill_unit(const struct sup_unit *unit, struct init_unit_status *out)
{
	static const uint8_t shown[UNIT_STATE_COUNT] = {
		[UNIT_STATE_STOPPED] = INIT_UNIT_STOPPED,
		[UNIT_STATE_STARTING] = INIT_UNIT_STARTING,
		[UNIT_STATE_READY] = INIT_UNIT_READY,
		[UNIT_STATE_STOPPING] = INIT_UNIT_STOPPING,
		[UNIT_STATE_RESTARTING] = INIT_UNIT_STOPPING,
		[UNIT_STATE_BACKOFF] = INIT_UNIT_BACKOFF,
	};

	snprintf(out->name, sizeof(out->name), "%s", unit->name);
	out->state = shown[unit->state];
	out->pid = (uint32_t)unit->pid;
	out->restarts = unit->restarts;
	out->since_ms = unit->since.ns / 1000000;
	out->retry_ms = unit->retry_at_ms;
	memcpy(out->text, unit->text, sizeof(out->text));
	out->exit_count = unit->exit_count;
	memcpy(out->exits, unit->exits, sizeof(out->exits));
}

/* MemAvailable of /proc/meminfo, in KiB. */
static uint64_t memory_available_kib(void)
{
	OWN_FD int fd = fs_open(AT_FDCWD, "/proc/meminfo", FS_HOST, O_RDONLY, 0, NULL);
	char text[1024];
	struct str rest, line;
	uint64_t value = 0;
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;

	rest = str_make(text, n > 0 ? (size_t)n : 0);
	while (str_cut(&rest, '\n', &line)) {
		if (!str_starts(line, STR("MemAvailable:")))
			continue;
		line = str_trim(str_skip(line, 13));
		line = str_head(line, line.len > 3 ? line.len - 3 : 0); /* " kB" */
		if (str_to_u64(str_trim(line), 0, UINT64_MAX, &value) < 0)
			value = 0;
	}
	return value;
}

void ctl_status_get(struct msg_peer *peer, struct msg *msg)
{
	static struct init_status status;
	struct sup *sup = ctl_sup();
	struct buf body = sup_body();
	struct sysinfo info = { 0 };
	struct statvfs st;

	(void)sysinfo(&info);
	status = (struct init_status){ .uptime_ms = sup_uptime_ms(),
				       .wall_s = wall_now_s(),
				       .clock = (uint8_t)sup->clock,
				       .claimed = sup->hash[0] != '\0',
				       .data = (uint8_t)sup->data,
				       .mem_available_kib = memory_available_kib(),
				       .config_issues = sup->config_issues };
	status.mem_kib = (uint64_t)info.totalram * info.mem_unit / 1024;
	snprintf(status.hostname, sizeof(status.hostname), "%s", sup->hostname);
	snprintf(status.version, sizeof(status.version), "%s", HOY_VERSION);
	snprintf(status.boot_reason, sizeof(status.boot_reason), "%s", sup->boot_reason);
	snprintf(status.data_device, sizeof(status.data_device), "%.31s", sup->data_device);
	snprintf(status.data_text, sizeof(status.data_text), "%s", sup->data_text);
	status.data_bytes = sup->data_bytes;
	if (sup->data == INIT_DATA_READY && statvfs("/data", &st) == 0)
		status.data_free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	for (size_t i = 0; i < SUP_COUNT; i++)
		if (sup->units[i].enabled)
			fill_unit(&sup->units[i], &status.units[status.unit_count++]);
	init_status_put(&body, &status);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}
