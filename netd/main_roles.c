/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the dhcp, dns, ntp and splice roles: starting, feeding, starting again. Run by netd main. It
 * must never trust what they say further than its form: a lease goes through the same checks as one
 * from a file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/own.h"
#include "lib/spawn.h"
#include "netd/dhcp/dhcp_msg.h"
#include "netd/dhcp6/dhcp6_msg.h"
#include "netd/dns/dns_msg.h"
#include "netd/ntp/ntp_msg.h"
#include "netd/splice/splice_msg.h"
#include "netd/main_splice.h"

enum {
	QUEUE_MAX = 1 << 20,
	RESTART_FIRST_MS = 200,
	RESTART_MAX_MS = 30000,
	STEADY_MS = 60000, /* a role that lived so long starts afresh at once */
	ROLE_OOM_SCORE = 300,
};

static void take_lease(struct msg_peer *peer, struct msg *msg)
{
	struct main_helper *helper = peer->owner;
	struct dhcp_report report;
	struct mono asked;

	if (dhcp_report_decode(msg->body, &report) < 0) {
		log_err("dhcp role sent a malformed lease; ignored");
		return;
	}
	asked.ns = report.asked_ns;
	main_link_lease(helper->netd, report.index, asked, &report.lease);
}

static void take_lost(struct msg_peer *peer, struct msg *msg)
{
	struct main_helper *helper = peer->owner;
	char why[128];
	struct wire in;
	uint32_t index;

	wire_init(&in, msg->body.ptr, msg->body.len);
	index = wire_u32(&in);
	wire_text(&in, why, sizeof(why));
	if (wire_end(&in) == 0)
		main_link_lost(helper->netd, index, why);
}

static void take_state(struct msg_peer *peer, struct msg *msg)
{
	struct main_helper *helper = peer->owner;
	char state[sizeof(((struct uplink *)0)->dhcp_state)];
	struct uplink *uplink;
	struct wire in;
	uint32_t index;

	wire_init(&in, msg->body.ptr, msg->body.len);
	index = wire_u32(&in);
	wire_text(&in, state, sizeof(state));
	uplink = wire_end(&in) == 0 && index ? uplink_find(&helper->netd->uplinks, (int)index)
					     : NULL;
	if (uplink)
		memcpy(msg->type == DHCP6_MSG_STATE ? uplink->dhcp6_state : uplink->dhcp_state,
		       state, sizeof(state));
}

static void take_adjust(struct msg_peer *peer, struct msg *msg)
{
	struct main_helper *helper = peer->owner;
	struct wire in;
	int64_t offset_ns;
	bool at_once;

	wire_init(&in, msg->body.ptr, msg->body.len);
	offset_ns = wire_i64(&in);
	at_once = wire_bool(&in);
	if (wire_end(&in) == 0)
		main_time_adjust(helper->netd, offset_ns, at_once);
}

static void take_time_state(struct msg_peer *peer, struct msg *msg)
{
	struct main_helper *helper = peer->owner;
	struct main_time_report report;
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	report.verdict = wire_u8(&in);
	report.agreed = wire_u8(&in);
	report.synchronised = wire_bool(&in);
	report.offset_ns = wire_i64(&in);
	if (wire_end(&in) == 0)
		main_time_state(helper->netd, &report);
}

static void take_known(struct msg_peer *peer, struct msg *msg)
{
	struct main_helper *helper = peer->owner;
	struct nd_known known;
	struct wire in;
	uint32_t index;

	wire_init(&in, msg->body.ptr, msg->body.len);
	index = wire_u32(&in);
	nd_known_decode(&in, &known);
	if (wire_end(&in) < 0)
		log_err("dhcp role sent a malformed record of routers; ignored");
	else
		main_link_known(helper->netd, index, &known);
}

static void take_lease6(struct msg_peer *peer, struct msg *msg)
{
	struct main_helper *helper = peer->owner;
	struct dhcp6_report report;

	if (dhcp6_report_decode(msg->body, &report) < 0)
		log_err("dhcp role sent a malformed DHCPv6 lease; ignored");
	else
		main_link_lease6(helper->netd, report.index, (struct mono){ report.asked_ns },
				 &report.lease);
}

static void take_lost6(struct msg_peer *peer, struct msg *msg)
{
	struct main_helper *helper = peer->owner;
	char why[128];
	struct wire in;
	uint32_t index;

	wire_init(&in, msg->body.ptr, msg->body.len);
	index = wire_u32(&in);
	wire_text(&in, why, sizeof(why));
	if (wire_end(&in) == 0)
		main_link_lost6(helper->netd, index, why);
}

static const struct msg_rule ntp_rules[] = {
	{ NTP_MSG_ADJUST, "ADJUST", 9, 9, 0, 0, 1, take_adjust },
	{ NTP_MSG_STATE, "STATE", 11, 11, 0, 0, 1, take_time_state },
};

static const struct msg_rule dhcp_rules[] = {
	{ DHCP_MSG_LEASE, "LEASE", 40, DHCP_MSG_BODY_MAX, 0, 0, 1, take_lease },
	{ DHCP_MSG_LOST, "LOST", 8, 256, 0, 0, 1, take_lost },
	{ DHCP_MSG_STATE, "STATE", 8, 64, 0, 0, 1, take_state },
	{ DHCP_MSG_ND_KNOWN, "ND_KNOWN", 26, DHCP_MSG_BODY_MAX, 0, 0, 1, take_known },
	{ DHCP6_MSG_LEASE, "DHCP6_LEASE", 33, DHCP_MSG_BODY_MAX, 0, 0, 1, take_lease6 },
	{ DHCP6_MSG_LOST, "DHCP6_LOST", 8, 256, 0, 0, 1, take_lost6 },
	{ DHCP6_MSG_STATE, "DHCP6_STATE", 8, 64, 0, 0, 1, take_state },
};

static const struct msg_rule dns_rules[] = {
	{ DNS_MSG_LINK, "LINK", 9, 256, 0, 0, 1, main_dns_link },
};

static const struct msg_rule splice_rules[] = {
	{ SPLICE_MSG_WHERE, "WHERE", 3, 3, 0, 0, 1, main_splice_where },
};

static void restart_due(struct loop_timer *timer);

static void role_ended(struct main_helper *helper)
{
	struct netd *netd = helper->netd;
	siginfo_t info = { 0 };
	char how[64] = "gone";

	if (helper->pidfd >= 0 &&
	    waitid(P_PIDFD, (id_t)helper->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid)
		spawn_describe_exit(info.si_code, info.si_status, how, sizeof(how));
	loop_remove(&netd->loop, &helper->exit_io);
	own_close(&helper->pidfd);
	msg_peer_done(&helper->peer);
	if (mono_diff_ms(mono_now(), helper->started) > STEADY_MS)
		helper->failures = 0;
	log_err("role %s ended: %s; starting it again", helper->role, how);
	loop_timer_set(&netd->loop, &helper->restart,
		       backoff_ms(helper->failures++, RESTART_FIRST_MS, RESTART_MAX_MS,
				  (uint32_t)helper->started.ns),
		       restart_due, helper);
}

static void exit_ready(struct loop_io *io, uint32_t events)
{
	(void)events;
	role_ended(io->owner);
}

static void helper_gone(struct msg_peer *peer)
{
	/* Its end follows on the pidfd: that is where it is counted. */
	(void)peer;
}

static int spawn_role(struct main_helper *helper, int *ret_fd, struct err *err)
{
	char name[32];
	const char *argv[] = { name, helper->role, NULL };
	struct spawn spawn;
	OWN_FD int ours = -1, theirs = -1;
	int pair[2], r;
	pid_t pid;

	snprintf(name, sizeof(name), "hoy-netd");
	r = msg_pair(pair, err);
	if (r < 0)
		return r;
	ours = pair[0];
	theirs = pair[1];
	spawn_init(&spawn, "/proc/self/exe", argv);
	spawn.fds[0] = theirs;
	spawn.nfds = 1;
	spawn.log_fd = STDERR_FILENO;
	spawn.envp = (const char *const *)environ; /* what init gave us: nothing, on the machine */
	spawn.oom_score_adj = ROLE_OOM_SCORE;
	r = spawn_start(&spawn, &pid, &helper->pidfd, err);
	if (r < 0)
		return err_prefix(err, "start role %s", helper->role);
	*ret_fd = take_fd(&ours);
	return 0;
}

/*
 * Questions wait in the sockets, which it reads as soon as it has them: so it gets them last, when
 * it knows whom to ask and who is called what.
 */
static void feed_dns(struct netd *netd)
{
	main_dns_upstreams(netd);
	for (const struct attachment *a = netd->attachments.first; a; a = a->next)
		main_dns_attach(netd, a, false);
	for (const struct attachment *a = netd->attachments.first; a; a = a->next)
		main_dns_attach(netd, a, true);
}

static const struct role {
	const char *name;
	const struct msg_rule *rules;
	size_t rule_count;
	void (*begin)(struct netd *netd); /* tells a new process what it has to know */
} role_table[] = {
	{ "dhcp", dhcp_rules, ARRAY_LEN(dhcp_rules), main_link_forget_dhcp },
	{ "dns", dns_rules, ARRAY_LEN(dns_rules), feed_dns },
	{ "ntp", ntp_rules, ARRAY_LEN(ntp_rules), main_time_forget },
	{ "splice", splice_rules, ARRAY_LEN(splice_rules), main_splice_begin },
};

static int start_role(struct main_helper *helper, struct err *err)
{
	const struct role *role = role_table;
	struct netd *netd = helper->netd;
	int fd = -1, r = spawn_role(helper, &fd, err);

	while (strcmp(role->name, helper->role) != 0)
		role++;
	helper->started = mono_now();
	if (r == 0)
		r = msg_peer_init(&helper->peer, &netd->loop, fd, 1, role->rules, role->rule_count,
				  QUEUE_MAX, helper_gone, helper, err);
	if (r == 0)
		r = loop_add(&netd->loop, &helper->exit_io, helper->pidfd, EPOLLIN, exit_ready,
			     helper, err);
	if (r < 0)
		return r;
	role->begin(netd);
	return 0;
}

static void restart_due(struct loop_timer *timer)
{
	struct main_helper *helper = timer->owner;
	struct err err;

	if (start_role(helper, &err) == 0)
		return;
	log_err("%s", err_text(&err));
	own_close(&helper->pidfd);
	msg_peer_done(&helper->peer);
	loop_timer_set(&helper->netd->loop, timer, RESTART_MAX_MS, restart_due, helper);
}

int main_helper_start(struct netd *netd, struct main_helper *helper, const char *role,
		      struct err *err)
{
	*helper = (struct main_helper){ .netd = netd, .role = role, .pidfd = -1 };
	return start_role(helper, err);
}

void main_helper_send(struct main_helper *helper, uint16_t type, struct str body, const int *fds,
		      size_t nfds)
{
	struct err err;

	/* Without a peer it is told everything when it is there again. */
	if (msg_peer_alive(&helper->peer) &&
	    msg_peer_send(&helper->peer, type, body, fds, nfds, &err) < 0)
		log_err("message to role %s: %s", helper->role, err_text(&err));
}

void main_dns_attach(struct netd *netd, const struct attachment *attachment, bool with_sockets)
{
	const int fds[2] = { attachment->udp_fd, attachment->tcp_fd };
	struct netd_attach attach = attachment->attach;
	OWN(buf_done) struct buf body = { 0 };
	bool reaches_out = false;

	/* A container that is on internal networks only must not reach out through the resolver. */
	for (uint32_t i = 0; i < attach.network_count; i++) {
		const struct network *network =
			network_find(&netd->networks, attach.networks[i].name);

		reaches_out |= network && !network->internal;
	}
	if (!reaches_out)
		attach.flags |= NETD_ATTACH_NO_FORWARD;
	buf_init(&body, MSG_BODY_INLINE_MAX);
	netd_attach_encode(&attach, &body);
	if (buf_error(&body) < 0)
		log_err("names of container %.*s are too long", STR_ARG(attach.name));
	else
		main_helper_send(&netd->dns_role, DNS_MSG_ATTACH, buf_str(&body), fds,
				 with_sockets && fds[0] >= 0 && fds[1] >= 0 ? 2 : 0);
}

void main_dns_detach(struct netd *netd, struct str id)
{
	OWN(buf_done) struct buf body = { 0 };

	buf_init(&body, 256);
	wire_put_str(&body, id);
	main_helper_send(&netd->dns_role, DNS_MSG_DETACH, buf_str(&body), NULL, 0);
}
