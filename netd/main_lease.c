/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the files of DHCPv4 leases: of this boot in /run/hoy/netd, of all boots in /data/state. Run
 * by netd main. It must never take a lease of another interface's hardware.
 */
#include <stdio.h>
#include <string.h>
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/dhcp/dhcp_msg.h"
#include "netd/main.h"

enum { LEASE_FILE_MAX = 2048, LEASE_VERSION = 3, LEASE_NAME = 32 };

static void lease_name(const struct uplink *uplink, char dst[LEASE_NAME])
{
	snprintf(dst, LEASE_NAME, "lease.%s", uplink->name);
	for (char *c = dst; *c; c++)
		if (*c == '/')
			*c = '_';
}

void main_lease_save(const struct netd *netd, const struct uplink *uplink)
{
	OWN(buf_done) struct buf file = { 0 };
	char name[LEASE_NAME];
	struct err err;

	buf_init(&file, LEASE_FILE_MAX);
	wire_put_u32(&file, LEASE_VERSION);
	wire_put_bytes(&file, uplink->mac, sizeof(uplink->mac));
	wire_put_i64(&file, uplink->asked.ns);
	dhcp_lease_encode(&uplink->lease, &file);
	lease_name(uplink, name);
	if (fs_replace(netd->state_fd, name, file.data, file.len, 0600, &err) < 0)
		log_warn("keep the lease: %s", err_text(&err));
	if (netd->data_fd >= 0 &&
	    fs_replace(netd->data_fd, name, file.data, file.len, 0600, &err) < 0)
		log_warn("keep the lease on the data partition: %s", err_text(&err));
}

void main_lease_drop(const struct netd *netd, const struct uplink *uplink)
{
	char name[LEASE_NAME];

	lease_name(uplink, name);
	(void)fs_unlink(netd->state_fd, name, NULL);
	if (netd->data_fd >= 0)
		(void)fs_unlink(netd->data_fd, name, NULL);
}

bool main_lease_read(int dirfd, const struct uplink *uplink, struct dhcp_start *start)
{
	OWN(buf_done) struct buf file = { 0 };
	char name[LEASE_NAME];
	struct dhcp_lease lease;
	uint8_t mac[6];
	struct wire in;
	uint32_t version;
	int64_t asked;

	if (dirfd < 0)
		return false;
	buf_init(&file, LEASE_FILE_MAX);
	lease_name(uplink, name);
	if (fs_read(dirfd, name, FS_BENEATH, LEASE_FILE_MAX - 1, &file, NULL) < 0)
		return false;
	wire_init(&in, file.data, file.len);
	version = wire_u32(&in);
	wire_bytes(&in, mac, sizeof(mac));
	asked = wire_i64(&in);
	dhcp_lease_decode(&in, &lease);
	if (wire_end(&in) < 0 || version != LEASE_VERSION || memcmp(mac, uplink->mac, 6) != 0)
		return false;
	start->lease = lease;
	start->bound_ns = asked;
	return true;
}
