/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the opening of packet sockets. Run by netd main, which passes them on and never reads them.
 * It must never hand out one without its filter, or one that sees all links.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>
#include "lib/own.h"
#include "netd/link/packet.h"

enum { KEEP_ALL = 0x40000 };

/* IPv4 packets, from the IP header on: protocol UDP, no fragment, destination port 68. */
static const struct sock_filter dhcp_code[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 6),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 4, 0),
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
	BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 68, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, KEEP_ALL),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

/* IPv6 packets, from the IPv6 header on: ICMPv6 at once, hop limit 255, type 134. */
static const struct sock_filter nd_code[] = {
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58 << 8 | 255, 0, 3),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 134, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, KEEP_ALL),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

/* IPv6 packets, from the IPv6 header on: UDP at once, destination port 546. */
static const struct sock_filter dhcp6_code[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 3),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 42), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 546, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, KEEP_ALL),	BPF_STMT(BPF_RET | BPF_K, 0),
};

static const struct sock_filter arp_code[] = {
	BPF_STMT(BPF_RET | BPF_K, KEEP_ALL),
};

static int open_filtered(int index, uint16_t protocol, const struct sock_filter *code, size_t count,
			 struct err *err)
{
	const struct sockaddr_ll address = { .sll_family = AF_PACKET,
					     .sll_protocol = htons(protocol),
					     .sll_ifindex = index };
	struct sock_filter copy[16];
	const struct sock_fprog program = { .len = (unsigned short)count, .filter = copy };
	/* Protocol 0: nothing arrives before the filter and the link are set. */
	OWN_FD int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(err, -errno, "open a packet socket");
	for (size_t i = 0; i < count; i++)
		copy[i] = code[i];
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return err_sys(err, -errno, "filter a packet socket");
	if (bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0)
		return err_sys(err, -errno, "bind a packet socket to link %d", index);
	return take_fd(&fd);
}

int packet_open_dhcp(int index, struct err *err)
{
	return open_filtered(index, ETHERTYPE_IP, dhcp_code, ARRAY_LEN(dhcp_code), err);
}

int packet_open_arp(int index, struct err *err)
{
	return open_filtered(index, ETHERTYPE_ARP, arp_code, ARRAY_LEN(arp_code), err);
}

int packet_open_dhcp6(int index, struct err *err)
{
	const int one = 1;
	OWN_FD int fd =
		open_filtered(index, ETHERTYPE_IPV6, dhcp6_code, ARRAY_LEN(dhcp6_code), err);

	/* Is a packet's checksum there already? */
	if (fd >= 0 && setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) < 0)
		return err_sys(err, -errno, "set up a packet socket");
	return take_fd(&fd);
}

int packet_open_nd(int index, struct err *err)
{
	return open_filtered(index, ETHERTYPE_IPV6, nd_code, ARRAY_LEN(nd_code), err);
}
