/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what makes this machine itself in IPv6: its local prefix (RFC 4193) and the secret behind
 * its stable addresses (RFC 7217). Both are random, drawn once and kept on the data partition. Run
 * by netd main. It must never give containers that run another prefix.
 *
 * File "ip6" in /run/hoy/netd and /data/state: u32 version 1, 16 bytes prefix, 16 bytes secret.
 */
#include <errno.h>
#include <string.h>
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"
#include "netd/container/network_subnet.h"
#include "netd/main.h"

enum { FILE_VERSION = 1, FILE_MAX = 64 };

static bool load(int dirfd, struct main_self *ret_self)
{
	OWN(buf_done) struct buf file = { 0 };
	struct main_self self;
	struct wire in;
	uint32_t version;

	buf_init(&file, FILE_MAX);
	if (dirfd < 0 || fs_read(dirfd, "ip6", FS_BENEATH, FILE_MAX - 1, &file, NULL) < 0)
		return false;
	wire_init(&in, file.data, file.len);
	version = wire_u32(&in);
	wire_bytes(&in, self.ula.b, sizeof(self.ula.b));
	wire_bytes(&in, self.secret, sizeof(self.secret));
	if (wire_end(&in) < 0 || version != FILE_VERSION || self.ula.b[0] != 0xfd)
		return false;
	self.ula = ip6_network(&self.ula, 48);
	*ret_self = self;
	return true;
}

static void save(int dirfd, const struct main_self *self)
{
	OWN(buf_done) struct buf file = { 0 };
	struct err err;

	buf_init(&file, FILE_MAX);
	wire_put_u32(&file, FILE_VERSION);
	wire_put_bytes(&file, self->ula.b, sizeof(self->ula.b));
	wire_put_bytes(&file, self->secret, sizeof(self->secret));
	if (fs_replace(dirfd, "ip6", file.data, file.len, 0600, &err) < 0)
		log_warn("keep the IPv6 prefix: %s", err_text(&err));
}

void main_self_start(struct netd *netd)
{
	struct main_self *self = &netd->self;

	if (!fs_exists(netd->sysctl_fd, "net/ipv6/conf/all", FS_BENEATH)) {
		log_notice("the kernel has no IPv6; containers get IPv4 only");
		return;
	}
	if (!load(netd->state_fd, self)) {
		random_must(self->secret, sizeof(self->secret));
		random_must(self->ula.b, sizeof(self->ula.b));
		self->ula.b[0] = 0xfd;
		self->ula = ip6_network(&self->ula, 48);
		save(netd->state_fd, self);
	}
	netd->networks.ula = self->ula;
}

static void renumber(struct netd *netd)
{
	struct err err;

	for (size_t i = 0; i < netd->networks.count; i++)
		if (!netd->networks.list[i].given6)
			network_drop_guard6(&netd->networks.list[i], &netd->route);
	networks_set_ula(&netd->networks, &netd->self.ula);
	if (main_firewall_load(netd, &err) < 0)
		log_err("%s", err_text(&err));
	for (size_t i = 0; i < netd->networks.count; i++)
		if (network_ensure(&netd->networks.list[i], &netd->route, netd->sysctl_fd, &err) <
		    0)
			log_err("%s", err_text(&err));
}

void main_self_data(struct netd *netd)
{
	struct main_self known;

	if (ip6_is_zero(&netd->self.ula))
		return;
	if (!load(netd->data_fd, &known)) {
		save(netd->data_fd, &netd->self);
		return;
	}
	if (!memcmp(&known, &netd->self, sizeof(known)))
		return;
	if (netd->attachments.first) {
		log_warn("containers run with another IPv6 prefix than the one that is kept; it "
			 "counts from the next boot");
		return;
	}
	netd->self = known;
	save(netd->state_fd, &netd->self);
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
		memcpy(netd->uplinks.list[i].secret, known.secret, sizeof(known.secret));
	renumber(netd);
	main_link_scan_soon(netd);
}
