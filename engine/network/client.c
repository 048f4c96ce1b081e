/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to netd. Runs in engine main. Must never wait for netd: a call that cannot be sent
 * fails, and up() tells when to try again.
 */
#include <errno.h>
#include <string.h>
#include "engine/network/client.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"

enum { CLIENT_RETRY_MS = 250, CLIENT_QUEUE_MAX = 4 << 20, CLIENT_EVENT_MAX = 256 };

static void client_connect(struct loop_timer *timer);

static void client_gone(struct msg_peer *peer)
{
	struct network_client *client = peer->owner;

	client->up = false;
	log_warn("connection to netd is gone, trying again");
	loop_timer_set(client->loop, &client->retry, CLIENT_RETRY_MS, client_connect, client);
}

static void on_event(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct network_client *client = owner;
	struct netd_event event;
	char text[CLIENT_EVENT_MAX];

	(void)peer;
	(void)err;
	if (!reply || netd_event_decode(reply->body, &event, NULL) < 0)
		return;
	(void)str_copy(str_head(event.text, sizeof(text) - 1), text, sizeof(text));
	client->ops->event(client->owner, event.kind, text);
}

static void client_connect(struct loop_timer *timer)
{
	struct network_client *client = timer->owner;
	struct err err = { 0 };
	int fd = msg_connect(client->run_fd, "netd.sock", &err);

	msg_peer_done(&client->peer);
	if (fd < 0 ||
	    msg_peer_init(&client->peer, client->loop, fd, 1, NULL, 0, CLIENT_QUEUE_MAX,
			  client_gone, client, &err) < 0 ||
	    msg_peer_call(&client->peer, NETD_MSG_SUBSCRIBE, STR(""), NULL, 0, on_event, client,
			  &err) < 0) {
		log_debug("netd: %s", err_text(&err));
		loop_timer_set(client->loop, timer, CLIENT_RETRY_MS, client_connect, client);
		return;
	}
	client->up = true;
	client->ops->up(client->owner);
}

void network_client_start(struct network_client *client, struct loop *loop, int run_fd,
			  const struct network_client_ops *ops, void *owner)
{
	memset(client, 0, sizeof(*client));
	client->loop = loop;
	client->run_fd = run_fd;
	client->ops = ops;
	client->owner = owner;
	client->peer.fd = -1;
	loop_timer_set(loop, &client->retry, 0, client_connect, client);
}

void network_client_stop(struct network_client *client)
{
	if (!client->loop)
		return;
	loop_timer_stop(client->loop, &client->retry);
	msg_peer_done(&client->peer);
	client->loop = NULL;
}
