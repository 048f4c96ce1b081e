/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONTAINER_ATTACHMENT_H
#define HOY_NETD_CONTAINER_ATTACHMENT_H

#include "lib/arena.h"
#include "netd/container/network.h"

/*
 * The containers that are attached: what the engine asked for, with the addresses they got. Kept in
 * memory and as one file each in the state directory, so that a restarted netd knows ports, names
 * and addresses before the engine has come back.
 */
enum { ATTACHMENTS_MAX = 1024, ATTACHMENT_TAG_MAX = 11 };

struct attachment {
	struct attachment *next;
	struct arena arena;	      /* holds what `attach` points to */
	struct netd_attach attach;    /* every ip4 and ip6 that its networks have filled in */
	char tag[ATTACHMENT_TAG_MAX]; /* of the id: what its interfaces are called by */
	/* Place of each network's interface: eth0 has 0. It stays while others come and go. */
	uint8_t slots[NETD_NETWORKS_MAX];
	uint64_t netns_dev, netns_ino;
	int udp_fd, tcp_fd; /* resolver sockets inside, -1 = none (yet) */
	struct nl inside;   /* the namespace's links; fd -1 until the engine has attached it */
};

struct attachments {
	struct attachment *first;
	size_t count;
	int state_fd; /* directory of the files, not owned; -1 = memory only */
};

/* A deep copy of `attach`, not in the list yet. NULL when memory ran out. */
struct attachment *attachment_new(const struct netd_attach *attach);
void attachment_free(struct attachment *attachment); /* closes its fds; accepts NULL */

struct attachment *attachment_find(const struct attachments *attachments, struct str id);
/* Takes it into the list in place of one with the same id, which is freed, and writes its file. */
int attachment_put(struct attachments *attachments, struct attachment *attachment, struct err *err);
/* Out of the list, freed, file removed. */
void attachment_remove(struct attachments *attachments, struct attachment *attachment);
/* Reads the files; a damaged one is removed and named in err (the rest is loaded). */
int attachment_load_all(struct attachments *attachments, struct err *err);
void attachment_done_all(struct attachments *attachments);

/* Pure. Networks that `before` has keep their slot, the others get the lowest free ones. */
void attachment_place(struct attachment *attachment, const struct attachment *before);
bool attachment_has_slot(const struct attachment *attachment, uint8_t slot);

/*
 * Fills in the missing addresses of `attach` (strings go into its arena): the wish, else what this
 * id would have had, else the next free one. On a shared segment none that the host has in `state`
 * (NULL = not known). -EADDRINUSE names the holder, -ENOSPC.
 */
int attachment_pick_addresses(const struct attachments *attachments, struct networks *networks,
			      const struct rtnl_state *state, struct attachment *attachment,
			      struct err *err);

/*
 * Each interface's MAC address, asked for or following from its addresses, against those of the
 * network's other containers and its bridge. -EADDRINUSE names the holder.
 */
int attachment_check_macs(const struct attachments *attachments, struct networks *networks,
			  const struct attachment *attachment, struct err *err);

/*
 * The rows for the firewall: to the addresses of each family on the first network that has it and
 * is not internal. Their number; -EINVAL when there are ports but no such network, or the family is
 * missing that a port asks for (NETD_ATTACH_PORTS_WAIT: such rows are left out).
 * ret_ports holds ATTACHMENT_ROWS rows for each port.
 */
enum { ATTACHMENT_ROWS = 2 };
int attachment_nft_ports(const struct attachment *attachment, struct networks *networks,
			 struct nft_port *ret_ports, struct err *err);

/* One of its ports with the address of its network where it names none itself. */
struct netd_port attachment_port(const struct attachment *attachment, struct networks *networks,
				 uint32_t i);

/* -EADDRINUSE with the holder's name when a port of `attachment` is published by another container.
 */
int attachment_check_ports(const struct attachments *attachments, struct networks *networks,
			   const struct attachment *attachment, struct err *err);
/* The same against sockets of the host; ports that `before` (or NULL) published are ours already.
 */
int attachment_check_host(const struct attachment *attachment, const struct attachment *before,
			  struct networks *networks, struct err *err);

#endif
