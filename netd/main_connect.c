/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns live changes of a container's networks: CONNECT and DISCONNECT are an ATTACH with one
 * network more or less. Run by netd main. It must never touch the interfaces of networks that stay.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "netd/main.h"

static struct attachment *require(struct netd *netd, struct str id, const struct msg *msg,
				  struct err *err)
{
	struct attachment *attachment = attachment_find(&netd->attachments, id);
	char shown[NETD_ID_MAX * 4 + 1];
	struct stat st;

	if (!attachment) {
		str_escape(id, shown, sizeof(shown));
		err_set(err, -ENOENT,
			"container %s is not attached to any network; attach it first", shown);
		return NULL;
	}
	if (fstat(msg->fds[0], &st) < 0 || st.st_dev != attachment->netns_dev ||
	    st.st_ino != attachment->netns_ino) {
		err_set(err, -ESTALE, "container %.*s is attached in another network namespace",
			STR_ARG(attachment->attach.name));
		return NULL;
	}
	return attachment;
}

static bool is_on(const struct attachment *attachment, struct str network)
{
	for (uint32_t i = 0; i < attachment->attach.network_count; i++)
		if (str_eq(attachment->attach.networks[i].name, network))
			return true;
	return false;
}

int main_connect(struct netd *netd, struct str id, const struct netd_attach_network *network,
		 struct msg *msg, struct buf *reply, struct err *err)
{
	struct netd_attach_network networks[NETD_NETWORKS_MAX];
	struct attachment *old = require(netd, id, msg, err);
	struct netd_attach attach;

	if (!old)
		return err->code;
	attach = old->attach;
	if (is_on(old, network->name))
		return err_set(err, -EEXIST, "container %.*s is on network %.*s already",
			       STR_ARG(attach.name), STR_ARG(network->name));
	if (attach.network_count == NETD_NETWORKS_MAX)
		return err_set(err, -ENOSPC, "container %.*s: at most %d networks",
			       STR_ARG(attach.name), NETD_NETWORKS_MAX);
	memcpy(networks, attach.networks, attach.network_count * sizeof(*networks));
	networks[attach.network_count++] = *network;
	attach.networks = networks;
	attach.flags |= NETD_ATTACH_PORTS_WAIT;
	return main_attach(netd, &attach, msg, reply, err);
}

int main_disconnect(struct netd *netd, struct str id, struct str network, struct msg *msg,
		    struct buf *reply, struct err *err)
{
	struct netd_attach_network networks[NETD_NETWORKS_MAX];
	struct attachment *old = require(netd, id, msg, err);
	struct netd_attach attach;

	if (!old)
		return err->code;
	attach = old->attach;
	if (!is_on(old, network)) {
		char shown[NETD_NAME_MAX * 4 + 1];

		str_escape(network, shown, sizeof(shown));
		return err_set(err, -ENOENT, "container %.*s is not on network %s",
			       STR_ARG(attach.name), shown);
	}
	attach.network_count = 0;
	for (uint32_t i = 0; i < old->attach.network_count; i++)
		if (!str_eq(old->attach.networks[i].name, network))
			networks[attach.network_count++] = old->attach.networks[i];
	attach.networks = networks;
	attach.flags |= NETD_ATTACH_PORTS_WAIT;
	return main_attach(netd, &attach, msg, reply, err);
}
