/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the start of role main: directories, sandbox, firewall, bridges, helpers, in the order that
 * never leaves containers open or cut off. fd 3 is the pair to init, fd 4 the listening netd.sock,
 * fds 5 and 6 the pair that keeps sockets over a restart. It must never parse a byte from the
 * network, and never wait for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/sandbox.h"
#include "netd/container/veth.h"
#include "netd/main_splice.h"
#include "netd/main_tell.h"
#include "netd/role.h"

enum { FD_INIT = 3, FD_LISTEN = 4, FD_KEEP_WRITE = 5, FD_KEEP_READ = 6, FILES_MAX = 8192 };

#define CAP_BIT(cap) (UINT64_C(1) << (cap))

static int open_dirs(struct netd *netd, struct err *err)
{
	netd->config_fd =
		fs_open(AT_FDCWD, "/run/hoy/config", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	netd->data_fd = -1;
	netd->state_fd = fs_open_dir(AT_FDCWD, "/run/hoy/netd", FS_HOST, 0700, err);
	netd->attach_fd = fs_open_dir(AT_FDCWD, "/run/hoy/netd/attach", FS_HOST, 0700, err);
	netd->etc_fd = fs_open_dir(AT_FDCWD, ROLE_ROOT "/etc", FS_HOST, 0755, err);
	netd->sysctl_fd = fs_open(AT_FDCWD, "/proc/sys", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	if (netd->state_fd < 0 || netd->attach_fd < 0 || netd->etc_fd < 0 || netd->sysctl_fd < 0)
		return -1;
	return 0;
}

/* The roles drop to their users by themselves: for that and nothing else the last four are kept. */
static int enter_sandbox(struct err *err)
{
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_NETLINK,
		.capabilities = CAP_BIT(CAP_NET_ADMIN) | CAP_BIT(CAP_NET_RAW) |
				CAP_BIT(CAP_NET_BIND_SERVICE) | CAP_BIT(CAP_SETUID) |
				CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_SETPCAP) |
				CAP_BIT(CAP_SYS_CHROOT) |
				(main_time_allowed() ? CAP_BIT(CAP_SYS_TIME) : 0),
		.files_max = FILES_MAX,
	};

	return sandbox_enter(&sandbox, err);
}

/* A container that died with its namespace while nobody watched: its host end is gone as well. */
static void drop_dead_containers(struct netd *netd)
{
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	struct attachment *a, *next;

	if (rtnl_state_load(&netd->route, &state, NULL) < 0)
		return;
	for (a = netd->attachments.first; a; a = next) {
		bool alive = a->attach.network_count == 0;

		next = a->next;
		for (uint32_t i = 0; i < a->attach.network_count && !alive; i++) {
			struct veth veth = { 0 };

			veth_name(&veth, a->tag, a->slots[i]);
			alive = rtnl_state_named(&state, veth.host_name) != NULL;
		}
		/* A share in an interface of the host has no end here that could tell. */
		for (uint32_t i = 0; i < a->attach.network_count && !alive; i++) {
			const struct network *network =
				network_find(&netd->networks, a->attach.networks[i].name);

			alive = network && !network_is_bridge(network);
		}
		if (!alive)
			attachment_remove(&netd->attachments, a);
	}
}

static int start_containers(struct netd *netd, struct err *err)
{
	struct err failed = { 0 };
	int r;

	main_self_start(netd);
	main_dhcp6_networks_recall(netd);
	main_networks_load(netd);
	netd->attachments.state_fd = netd->attach_fd;
	if (attachment_load_all(&netd->attachments, &failed) < 0)
		log_warn("%s", err_text(&failed));
	drop_dead_containers(netd);
	keep_load(&netd->keep, &netd->attachments, &netd->splice_udp_fd, &netd->splice_fd);
	main_splice_listen(netd);
	r = nft_open(&netd->nft, err);
	if (r == 0 && !nft_owned(&netd->nft))
		log_warn("the kernel cannot protect the firewall table from others");
	if (r == 0)
		r = main_rules_load(netd, main_firewall_load, err);
	if (r == 0 && nft_load_bridge(&netd->nft, &failed) < 0)
		log_warn("%s: containers may play router to their neighbours", err_text(&failed));
	/* From here on nothing passes that the table does not allow; now the bridges may carry. */
	for (size_t i = 0; i < netd->networks.count && r == 0; i++)
		if (network_ensure(&netd->networks.list[i], &netd->route, netd->sysctl_fd,
				   &failed) < 0)
			log_err("%s", err_text(&failed));
	if (r == 0)
		r = sysctl_set(netd->sysctl_fd, "net/ipv4/ip_forward", "1", false, err);
	if (r == 0)
		r = sysctl_set(netd->sysctl_fd, "net/ipv6/conf/all/forwarding", "1", true, err);
	return r;
}

static int start_network(struct netd *netd, struct err *err)
{
	static const char *const bridge_calls[] = { "net/bridge/bridge-nf-call-iptables",
						    "net/bridge/bridge-nf-call-ip6tables",
						    "net/bridge/bridge-nf-call-arptables" };
	int r = nl_open(&netd->route, NETLINK_ROUTE, err);

	if (r == 0)
		r = veth_loopback(&netd->route, err);
	main_probe_sysctls(netd);
	/* Containers on one bridge talk below the firewall; a kernel with these on would not let a
	 * container reach its own published port. */
	for (size_t i = 0; i < ARRAY_LEN(bridge_calls) && r == 0; i++)
		r = sysctl_set(netd->sysctl_fd, bridge_calls[i], "0", true, err);
	if (r == 0)
		r = main_conf_load(netd, err);
	if (r == 0)
		r = start_containers(netd, err);
	return r;
}

/* What nobody has to wait for: a container may be attached before its resolver answers. */
static int start_roles(struct netd *netd, struct err *err)
{
	int r = main_helper_start(netd, &netd->dhcp, "dhcp", err);

	if (r == 0)
		r = main_helper_start(netd, &netd->dns_role, "dns", err);
	if (r == 0)
		r = main_link_start(netd, err);
	return r;
}

int role_main(void)
{
	struct netd *netd = calloc(1, sizeof(*netd));
	struct err err = { 0 };

	log_init("netd", LOG_PRIO_INFO);
	if (!netd)
		fatal("no memory");
	netd->route.fd = netd->events.fd = netd->nft.nl.fd = -1;
	keep_open(&netd->keep, FD_KEEP_WRITE, FD_KEEP_READ);
	if (open_dirs(netd, &err) < 0 || enter_sandbox(&err) < 0 ||
	    loop_init(&netd->loop, &err) < 0 || main_init_start(netd, FD_INIT, &err) < 0 ||
	    start_network(netd, &err) < 0 || main_client_start(netd, FD_LISTEN, &err) < 0)
		fatal("%s", err_text(&err));
	main_init_ready(netd, "lo, firewall and bridges are up");
	log_notice("ready with %zu networks and %zu containers", netd->networks.count,
		   netd->attachments.count);
	if (start_roles(netd, &err) < 0)
		fatal("%s", err_text(&err));
	if (loop_run(&netd->loop, &err) < 0)
		fatal("%s", err_text(&err));
	attachment_done_all(&netd->attachments);
	free(netd);
	return 0;
}
