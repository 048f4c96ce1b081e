/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the talk of netd main with init: readiness, signs of life, orders. It must never block on
 * init, nor end because of a message it does not know.
 */
#include "init/api/init_msg.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/main_tell.h"

enum { QUEUE_MAX = 16 << 10, TEXT_MAX = 200, RELEASE_MS = 1000 };

static void stop_late(struct loop_timer *timer)
{
	struct netd *netd = timer->owner;

	netd->loop.quit = true;
}

static void take_stop(struct msg_peer *peer, struct msg *msg)
{
	struct netd *netd = peer->owner;

	(void)msg;
	/* Containers keep their network until they are gone; the lease is given back at power-off
	 * only: after a reboot the same one is asked for at once. */
	main_link_stop(netd, netd->going_off);
	if (main_link_releasing(netd))
		loop_timer_set(&netd->loop, &netd->stop, RELEASE_MS, stop_late, netd);
	else
		netd->loop.quit = true;
}

static void take_off(struct msg_peer *peer, struct msg *msg)
{
	struct netd *netd = peer->owner;

	(void)msg;
	netd->going_off = true;
}

static void take_reload(struct msg_peer *peer, struct msg *msg)
{
	struct netd *netd = peer->owner;
	struct err err;

	(void)msg;
	if (main_conf_load(netd, &err) < 0) {
		log_err("reload: %s", err_text(&err));
		return;
	}
	main_networks_load(netd);
	if (main_rules_load(netd, main_firewall_load, &err) < 0) {
		log_err("reload: %s", err_text(&err));
		return;
	}
	for (size_t i = 0; i < netd->networks.count; i++) {
		struct network *made;

		if (main_network_set(netd, &netd->networks.list[i], &made, &err) < 0)
			log_err("reload: %s", err_text(&err));
	}
	main_link_scan_soon(netd);
}

static void take_clock(struct msg_peer *peer, struct msg *msg)
{
	/* Leases run on the boot clock: a step of the wall clock changes nothing here. */
	(void)peer;
	(void)msg;
}

static void take_data(struct msg_peer *peer, struct msg *msg)
{
	struct wire in;
	bool ready;

	wire_init(&in, msg->body.ptr, msg->body.len);
	ready = wire_bool(&in);
	(void)wire_str(&in, TEXT_MAX * 2);
	if (wire_end(&in) == 0)
		main_link_data(peer->owner, ready);
}

static const struct msg_rule rules[] = {
	{ INIT_MSG_OFF, "OFF", 0, 0, 0, 0, 1, take_off },
	{ INIT_MSG_STOP, "STOP", 8, 8, 0, 0, 1, take_stop },
	{ INIT_MSG_RELOAD, "RELOAD", 0, 0, 0, 0, 1, take_reload },
	{ INIT_MSG_CLOCK, "CLOCK", 1, 1, 0, 0, 1, take_clock },
	{ INIT_MSG_DATA, "DATA", 5, 1024, 0, 0, 1, take_data },
};

static void tell(struct netd *netd, uint16_t type, const char *text)
{
	OWN(buf_done) struct buf body = { 0 };

	if (!msg_peer_alive(&netd->init))
		return;
	buf_init(&body, TEXT_MAX + 8);
	if (text)
		wire_put_str(&body, str_head(str_from(text), TEXT_MAX));
	(void)msg_peer_send(&netd->init, type, buf_str(&body), NULL, 0, NULL);
}

static void alive(struct loop_timer *timer)
{
	struct netd *netd = timer->owner;

	tell(netd, INIT_MSG_ALIVE, NULL);
	loop_timer_set(&netd->loop, timer, INIT_ALIVE_EVERY_MS, alive, netd);
}

static void init_gone(struct msg_peer *peer)
{
	struct netd *netd = peer->owner;

	log_err("init closed the connection; ending");
	netd->loop.quit = true;
}

int main_init_start(struct netd *netd, int fd, struct err *err)
{
	int r = msg_peer_init(&netd->init, &netd->loop, fd, 1, rules, ARRAY_LEN(rules), QUEUE_MAX,
			      init_gone, netd, err);

	if (r == 0)
		loop_timer_set(&netd->loop, &netd->alive, INIT_ALIVE_EVERY_MS, alive, netd);
	return r;
}

void main_init_ready(struct netd *netd, const char *text)
{
	tell(netd, INIT_MSG_READY, text);
}

void main_init_hostname(struct netd *netd, const char *name)
{
	tell(netd, INIT_MSG_HOSTNAME, name);
}

void main_init_status(struct netd *netd, const char *text)
{
	tell(netd, INIT_MSG_STATUS, text);
}
