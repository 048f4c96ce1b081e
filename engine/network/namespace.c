/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces of containers: made here, handed to netd as fds. Runs in engine main, the only
 * process of the engine that may enter one, and only to open sockets in it: it reads and writes
 * nothing there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/network/client.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { NAMESPACE_BACKLOG = 64, NAMESPACE_NETLINK_ROUTE = 0, NAMESPACE_NETLINK_NETFILTER = 12 };

/*
 * Docker's address of the resolver inside a container: 127.0.0.11. Any port will do: netd leads
 * port 53 there, so that a container may serve port 53 itself.
 */
#define NAMESPACE_DNS_ADDRESS 0x7f00000bU

void network_namespace_init(struct network_namespace *ns)
{
	*ns = (struct network_namespace){ -1, -1, -1, -1, -1 };
}

void network_namespace_done(struct network_namespace *ns)
{
	own_close(&ns->netns_fd);
	own_close(&ns->netlink_fd);
	own_close(&ns->udp_fd);
	own_close(&ns->tcp_fd);
	own_close(&ns->netfilter_fd);
}

static int open_dns(int type, struct err *err)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(NAMESPACE_DNS_ADDRESS) };
	int fd OWN_FD = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int one = 1;

	if (fd < 0)
		return err_sys(err, -errno, "socket for the resolver in a network namespace");
	/* After a restart of netd the old pair may still be served. */
	if (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)&sin, sizeof(sin)) < 0)
		return err_sys(err, -errno, "bind 127.0.0.11 in a network namespace");
	if (type == SOCK_STREAM && listen(fd, NAMESPACE_BACKLOG) < 0)
		return err_sys(err, -errno, "listen on 127.0.0.11 in a network namespace");
	return take_fd(&fd);
}

/*
 * lo has to be up before the resolver's sockets are bound: in a namespace without any route the
 * kernel takes 127.0.0.11 for a broadcast address, leaves the socket without a source address, and
 * its answers would come from 127.0.0.1.
 */
static int loopback_up(struct err *err)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd OWN_FD = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return err_sys(err, -errno, "flags of lo in a network namespace");
	ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_UP);
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return err_sys(err, -errno, "bring lo up in a network namespace");
	return 0;
}

static int open_inside(struct network_namespace *ns, struct err *err)
{
	int r = loopback_up(err);

	if (r < 0)
		return r;
	ns->netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NAMESPACE_NETLINK_ROUTE);
	if (ns->netlink_fd < 0)
		return err_sys(err, -errno, "netlink socket in a network namespace");
	ns->netfilter_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NAMESPACE_NETLINK_NETFILTER);
	if (ns->netfilter_fd < 0)
		return err_sys(err, -errno, "netfilter socket in a network namespace");
	ns->udp_fd = open_dns(SOCK_DGRAM, err);
	if (ns->udp_fd < 0)
		return ns->udp_fd;
	ns->tcp_fd = open_dns(SOCK_STREAM, err);
	return ns->tcp_fd < 0 ? ns->tcp_fd : 0;
}

static int enter(int netns_fd, struct network_namespace *ns, struct err *err)
{
	if (netns_fd >= 0) {
		ns->netns_fd = fcntl(netns_fd, F_DUPFD_CLOEXEC, 3);
		if (ns->netns_fd < 0 || setns(ns->netns_fd, CLONE_NEWNET) < 0)
			return err_sys(err, -errno, "enter a container's network namespace");
		return 0;
	}
	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(err, -errno, "make a network namespace");
	ns->netns_fd = fs_open(-1, "/proc/self/ns/net", FS_HOST, O_RDONLY, 0, err);
	return ns->netns_fd < 0 ? ns->netns_fd : 0;
}

int network_namespace_open(int netns_fd, struct network_namespace *ret_ns, struct err *err)
{
	struct network_namespace ns OWN(network_namespace_done);
	int own OWN_FD = fs_open(-1, "/proc/self/ns/net", FS_HOST, O_RDONLY, 0, err);
	int r;

	network_namespace_init(&ns);
	if (own < 0)
		return own;
	r = enter(netns_fd, &ns, err);
	if (r >= 0)
		r = open_inside(&ns, err);
	/* Whatever happened above: nothing of ours may run in a container's namespace. */
	if (setns(own, CLONE_NEWNET) < 0)
		return err_set(err, -ENOTRECOVERABLE,
			       "cannot return to the machine's network namespace");
	if (r < 0)
		return r;
	*ret_ns = ns;
	network_namespace_init(&ns);
	return 0;
}

int network_namespace_socket(int netns_fd, struct err *err)
{
	int own OWN_FD = fs_open(-1, "/proc/self/ns/net", FS_HOST, O_RDONLY, 0, err);
	int fd OWN_FD = -1;

	if (own < 0)
		return own;
	if (netns_fd >= 0 && setns(netns_fd, CLONE_NEWNET) < 0)
		return err_sys(err, -errno, "enter a container's network namespace");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		fd = err_sys(err, -errno, "socket in a network namespace");
	if (netns_fd >= 0 && setns(own, CLONE_NEWNET) < 0)
		return err_set(err, -ENOTRECOVERABLE,
			       "cannot return to the machine's network namespace");
	return fd < 0 ? fd : take_fd(&fd);
}

int network_namespace_sysctl(int netns_fd, const char *path, struct str value, struct err *err)
{
	int own OWN_FD = fs_open(-1, "/proc/self/ns/net", FS_HOST, O_RDONLY, 0, err);
	int r;

	if (own < 0)
		return own;
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return err_sys(err, -errno, "enter a container's network namespace");
	r = fs_write_control(-1, path, value, err);
	if (setns(own, CLONE_NEWNET) < 0)
		return err_set(err, -ENOTRECOVERABLE,
			       "cannot return to the machine's network namespace");
	return r;
}
