/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what others may ask of PID 1: the table of messages and their handlers, and init.sock. Must
 * never wait for an answer or a reader, and never allocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "init/api/config_msg.h"
#include "init/api/send_msg.h"
#include "init/fault.h"
#include "init/sup_calls.h"
#include "lib/log.h"
#include "lib/own.h"

enum {
	DAEMONS = INIT_PEER_NETD | INIT_PEER_ENGINE | INIT_PEER_CONSOLE | SUP_PEER_DISK |
		  SUP_PEER_SYSLOG | SUP_PEER_SEND,
	PEOPLE = INIT_PEER_CONSOLE | INIT_PEER_CLIENT,
};

static struct sup *the_sup; /* peers of clients and units have different owners */

struct sup *ctl_sup(void)
{
	return the_sup;
}

static void ok(struct msg_peer *peer, const struct msg *msg, struct str body)
{
	(void)msg_reply(peer, msg->type, msg->serial, body, NULL, 0);
}

void ctl_refuse(struct msg_peer *peer, const struct msg *msg, int code, const char *text)
{
	struct err err = { 0 };

	(void)err_set(&err, code, "%s", text);
	(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}

static struct wire body_of(const struct msg *msg)
{
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	return in;
}

/* ---- daemons ---- */

static void on_ready(struct msg_peer *peer, struct msg *msg)
{
	struct sup_unit *unit = sup_unit_of_peer(the_sup, peer);
	struct wire in = body_of(msg);
	struct str text = wire_str(&in, 200);

	if (unit == NULL || wire_end(&in) < 0)
		return;
	sup_unit_text(unit, text);
	sup_unit_event(unit, UNIT_EVENT_READY);
}

static void on_status(struct msg_peer *peer, struct msg *msg)
{
	struct sup_unit *unit = sup_unit_of_peer(the_sup, peer);
	struct wire in = body_of(msg);
	struct str text = wire_str(&in, 200);

	if (unit != NULL && wire_end(&in) == 0)
		sup_unit_text(unit, text);
}

static void on_alive(struct msg_peer *peer, struct msg *msg)
{
	struct sup_unit *unit = sup_unit_of_peer(the_sup, peer);

	(void)msg;
	if (unit != NULL)
		sup_unit_alive(unit);
}

/* ---- disk role ---- */

static void on_data(struct msg_peer *peer, struct msg *msg)
{
	struct sup *sup = the_sup;
	struct wire in = body_of(msg);
	uint8_t state = wire_u8(&in);
	struct str device = wire_str(&in, sizeof(sup->data_device) - 1);
	struct str text = wire_str(&in, sizeof(sup->data_text) - 1);
	uint64_t bytes = wire_u64(&in);
	bool was_ready = sup_data_stands(sup), is_ready;

	(void)peer;
	if (wire_end(&in) < 0 || state > INIT_DATA_LOST || sup_power_going(sup))
		return;
	(void)str_copy(device, sup->data_device, sizeof(sup->data_device));
	(void)str_copy(text, sup->data_text, sizeof(sup->data_text));
	sup->data_bytes = bytes;
	sup->data = (enum init_data_state)state;
	is_ready = sup_data_stands(sup);
	if (state != INIT_DATA_SEARCHING && state != INIT_DATA_CHECKING)
		sup->data_known = true;
	if (is_ready && !was_ready) {
		sup_mark(sup, "data", sup_monotonic_ms(), "data ready %s", sup->data_text);
	} else if (!is_ready) {
		sup->disk_logs = false;
		sup_say(sup, state >= INIT_DATA_DAMAGED ? LOG_PRIO_ERR : LOG_PRIO_NOTICE,
			"data: %s", sup->data_text);
	}
	if (is_ready)
		sup_log_disk_ready(sup);
	if (is_ready != was_ready)
		for (size_t i = SUP_NETD; i <= SUP_ENGINE; i++)
			sup_unit_send_data(&sup->units[i]);
	sup_syslog_settle(sup, is_ready != was_ready);
	ctl_answer_askers(sup);
}

static void apply_config(struct sup *sup, bool changed)
{
	/* The first one is news to daemons too that did not wait for a slow disk. */
	size_t end = sup->config_known ? SUP_COUNT : SUP_CONSOLE;

	ctl_name_use(sup);
	if (changed || !sup->config_known)
		for (size_t i = SUP_NETD; i < end; i++)
			sup_unit_send(&sup->units[i], INIT_MSG_RELOAD, (struct str){ 0 });
	sup->config_known = true;
	sup_start_daemons(sup, false);
	ctl_answer_askers(sup);
}

static void on_config(struct msg_peer *peer, struct msg *msg)
{
	struct sup *sup = the_sup;
	struct wire in = body_of(msg);
	bool changed = wire_bool(&in);
	struct str hostname = wire_str(&in, sizeof(sup->own_name) - 1);
	struct str timezone = wire_str(&in, sizeof(sup->timezone) - 4);
	bool login = wire_bool(&in);
	uint32_t idle_s = wire_u32(&in);
	uint8_t prio = wire_u8(&in);
	struct str hash = wire_str(&in, INIT_HASH_MAX - 1);
	uint32_t issues = wire_u32(&in);
	struct str failsafe = wire_str(&in, DISK_FAILSAFE_MAX - 1);
	struct str ship = wire_blob(&in, sizeof(sup->ship));
	bool hash_changed;

	(void)peer;
	if (wire_end(&in) < 0)
		return;
	hash_changed = !str_is(hash, sup->hash) || login != sup->login;
	if (hostname.len > 0)
		(void)str_copy(hostname, sup->own_name, sizeof(sup->own_name));
	snprintf(sup->timezone, sizeof(sup->timezone), "TZ=%.*s", STR_ARG(timezone));
	if (hash.len > 0 || !sup->hash_volatile)
		(void)str_copy(hash, sup->hash, sizeof(sup->hash));
	sup->login = login;
	sup->idle_s = idle_s;
	sup->config_issues = issues;
	if (prio != 0 && !sup->cmdline.log_given) {
		sup->console_prio = prio;
		sup->prio_given = true;
	}
	sup_failsafe(sup, failsafe);
	if (ship.len > 0)
		memcpy(sup->ship, ship.ptr, ship.len);
	sup->ship_len = ship.len;
	apply_config(sup, changed || hash_changed);
	sup_syslog_settle(sup, changed);
}

static void on_saved(struct msg_peer *peer, struct msg *msg)
{
	struct sup *sup = the_sup;
	struct wire in = body_of(msg);
	int64_t saved_s = wire_i64(&in);
	struct str reason = wire_str(&in, DISK_REASON_MAX - 1);

	(void)peer;
	if (wire_end(&in) < 0)
		return;
	(void)str_escape(reason, sup->boot_reason, sizeof(sup->boot_reason));
	sup_say(sup, LOG_PRIO_NOTICE, "last end: %s", sup->boot_reason);
	fault_use_file();
	if (saved_s > 0)
		sup_clock_raise(sup, saved_s, false);
}

static void on_logged(struct msg_peer *peer, struct msg *msg)
{
	struct wire in;
	uint64_t number;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	number = wire_u64(&in);
	if (wire_end(&in) == 0)
		sup_log_disk_wrote(the_sup, number);
}

static void on_fault_file(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	(void)msg;
	if (sup_power_going(the_sup)) /* it would keep /data busy */
		return;
	fault_release_file();
	fault_use_file();
}

static void on_reset_asked(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	(void)msg;
	sup_power_begin(the_sup, INIT_POWER_ACT_FACTORY_RESET,
			"asked for by the volume HOY_RESET at the machine");
}

/* ---- acts ---- */

static void on_unit(struct msg_peer *peer, struct msg *msg)
{
	static const uint8_t events[] = { [INIT_UNIT_ACT_START] = UNIT_EVENT_UP,
					  [INIT_UNIT_ACT_STOP] = UNIT_EVENT_DOWN,
					  [INIT_UNIT_ACT_RESTART] = UNIT_EVENT_RESTART };
	struct wire in = body_of(msg);
	struct str name = wire_str(&in, 24);
	uint8_t act = wire_u8(&in);
	struct sup_unit *unit;

	if (wire_end(&in) < 0 || act < INIT_UNIT_ACT_START || act > INIT_UNIT_ACT_RESTART) {
		ctl_refuse(peer, msg, -EBADMSG, "malformed UNIT");
		return;
	}
	unit = sup_unit_find(the_sup, name);
	if (unit == NULL || unit->index == SUP_DISK) {
		ctl_refuse(peer, msg, -ENOENT, "no such unit; there are netd, engine and console");
		return;
	}
	if (sup_power_going(the_sup)) {
		ctl_refuse(peer, msg, -EBUSY, "the machine is going down");
		return;
	}
	ok(peer, msg, (struct str){ 0 });
	sup_unit_event(unit, (enum unit_event)events[act]);
}

static void on_lines(struct msg_peer *peer, struct msg *msg)
{
	struct sup_unit *unit = sup_unit_of_peer(the_sup, peer);
	struct wire in = body_of(msg);
	uint8_t prio = wire_u8(&in);

	if (wire_end(&in) < 0 || prio > 7 || unit == NULL) {
		ctl_refuse(peer, msg, -EBADMSG, "malformed LINES");
		return;
	}
	unit->lines_taken = true;
	unit->lines_prio = prio;
	sup_kmsg_hush();
	ok(peer, msg, (struct str){ 0 });
}

/* ---- password ---- */

static void answer_auth(struct sup *sup, struct msg_peer *peer, uint32_t serial)
{
	char memory[INIT_HASH_MAX + 16];
	struct buf body = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };
	bool claimed = sup->hash[0] != '\0';

	wire_put_u8(&body, claimed);
	wire_put_text(&body, sup->hash);
	wire_put_u8(&body, claimed && sup->login);
	wire_put_u32(&body, sup->idle_s);
	(void)msg_reply(peer, INIT_MSG_AUTH_GET, serial, buf_str(&body), NULL, 0);
}

/* A disk role that failed for good tells no configuration any more. */
static bool auth_known(const struct sup *sup)
{
	return sup->data_known && (sup->config_known || sup->data == INIT_DATA_FAILED);
}

void ctl_answer_askers(struct sup *sup)
{
	for (size_t i = 0; auth_known(sup) && i < SUP_ASKERS_MAX; i++) {
		struct msg_peer *peer = sup->askers[i].peer;

		sup->askers[i].peer = NULL;
		if (peer != NULL && msg_peer_alive(peer))
			answer_auth(sup, peer, sup->askers[i].serial);
	}
}

/* Nobody knows whether the machine is claimed before its disk and its layers were looked at. */
static void on_auth_get(struct msg_peer *peer, struct msg *msg)
{
	struct sup *sup = the_sup;

	if (auth_known(sup)) {
		answer_auth(sup, peer, msg->serial);
		return;
	}
	for (size_t i = 0; i < SUP_ASKERS_MAX; i++)
		if (sup->askers[i].peer == NULL || sup->askers[i].peer == peer) {
			sup->askers[i].peer = peer;
			sup->askers[i].serial = msg->serial;
			return;
		}
	ctl_refuse(peer, msg, -EBUSY, "too many wait for this already");
}

/* One outstanding request to the disk role on behalf of somebody. */
struct relay {
	struct msg_peer *peer;
	uint32_t serial;
	uint16_t type;
	char hash[INIT_HASH_MAX];
};

static struct relay relays[8];

static struct relay *relay_new(struct msg_peer *peer, const struct msg *msg)
{
	for (size_t i = 0; i < ARRAY_LEN(relays); i++)
		if (relays[i].peer == NULL) {
			relays[i] = (struct relay){ .peer = peer,
						    .serial = msg->serial,
						    .type = msg->type };
			return &relays[i];
		}
	return NULL;
}

/* A peer that is gone must not be answered, nor whoever comes to sit in its place. */
void ctl_forget(struct sup *sup, const struct msg_peer *peer)
{
	sup_follow_forget(sup, peer);
	ctl_send_forget(peer);
	for (size_t i = 0; i < ARRAY_LEN(relays); i++)
		if (relays[i].peer == peer) {
			msg_peer_forget(&sup->units[SUP_DISK].peer, &relays[i]);
			relays[i].peer = NULL;
		}
	for (size_t i = 0; i < SUP_ASKERS_MAX; i++)
		if (sup->askers[i].peer == peer)
			sup->askers[i].peer = NULL;
}

static void auth_stored(struct msg_peer *disk, void *owner, struct msg *reply,
			const struct err *err)
{
	struct relay *relay = owner;
	struct msg_peer *peer = relay->peer;
	uint8_t durable = reply != NULL;

	(void)disk;
	relay->peer = NULL;
	if (reply == NULL && err->code != -ENODEV && err->code != -EPIPE) {
		(void)msg_reply_err(peer, relay->type, relay->serial, err);
		return;
	}
	memcpy(the_sup->hash, relay->hash, sizeof(the_sup->hash));
	the_sup->hash_volatile = !durable;
	sup_say(the_sup, LOG_PRIO_NOTICE, "console password set%s",
		durable ? "" : ", until the next start only: there is no data partition");
	(void)msg_reply(peer, relay->type, relay->serial, str_make(&durable, 1), NULL, 0);
}

static void config_came(struct msg_peer *disk, void *owner, struct msg *reply,
			const struct err *err)
{
	struct relay *relay = owner;
	struct msg_peer *peer = relay->peer;

	(void)disk;
	relay->peer = NULL;
	if (reply == NULL)
		(void)msg_reply_err(peer, relay->type, relay->serial, err);
	else
		(void)msg_reply(peer, relay->type, relay->serial, reply->body, reply->fds,
				reply->nfds);
}

static void ask_disk(struct relay *relay, struct msg *msg, uint16_t type, msg_reply_fn *fn)
{
	struct msg_peer *disk = &the_sup->units[SUP_DISK].peer;
	struct err err = { 0 };

	if (msg_peer_call(disk, type, msg->body, NULL, 0, fn, relay, &err) < 0)
		fn(disk, relay, NULL, &err);
}

static void on_auth_set(struct msg_peer *peer, struct msg *msg)
{
	struct sup *sup = the_sup;
	struct wire in = body_of(msg);
	struct str hash = wire_str(&in, INIT_HASH_MAX - 1);
	struct relay *relay;

	if (wire_end(&in) < 0 || hash.len != 60) {
		ctl_refuse(peer, msg, -EINVAL, "the password hash is not of the form $2b$");
		return;
	}
	if (peer->identity == INIT_PEER_CLIENT && (sup->hash[0] != '\0' || !sup->data_known)) {
		ctl_refuse(peer, msg, -EPERM, "the machine is claimed: change it on the console");
		return;
	}
	relay = relay_new(peer, msg);
	if (relay == NULL) {
		ctl_refuse(peer, msg, -EBUSY, "too many requests wait for the disk");
		return;
	}
	(void)str_copy(hash, relay->hash, sizeof(relay->hash));
	ctl_audit_act(peer, "claim", "begun");
	ask_disk(relay, msg, DISK_MSG_AUTH_SET, auth_stored);
}

/* What only goes on to the disk role, and its answer back. */
static void pass_on(struct msg_peer *peer, struct msg *msg, uint16_t type)
{
	struct relay *relay = relay_new(peer, msg);

	if (relay == NULL)
		ctl_refuse(peer, msg, -EBUSY, "too many requests wait for the disk");
	else
		ask_disk(relay, msg, type, config_came);
}

static void on_config_get(struct msg_peer *peer, struct msg *msg)
{
	pass_on(peer, msg, DISK_MSG_CONFIG_GET);
}

static void on_config_media(struct msg_peer *peer, struct msg *msg)
{
	ctl_audit_act(peer, "config media confirm", "begun");
	pass_on(peer, msg, DISK_MSG_MEDIA);
}

static void on_boots(struct msg_peer *peer, struct msg *msg)
{
	pass_on(peer, msg, DISK_MSG_BOOTS);
}

/* What is in memory goes first: the disk role takes messages in their order. */
static void on_log_files(struct msg_peer *peer, struct msg *msg)
{
	sup_log_flush_disk(the_sup);
	pass_on(peer, msg, DISK_MSG_LOG_FILES);
}

static void on_support_file(struct msg_peer *peer, struct msg *msg)
{
	pass_on(peer, msg, DISK_MSG_SUPPORT_FILE);
}

static void on_auth_try(struct msg_peer *peer, struct msg *msg)
{
	pass_on(peer, msg, DISK_MSG_AUTH_TRY);
}

/* The body goes on as it is: the disk role reads it. Only secrets are the console's. */
static void on_config_act(struct msg_peer *peer, struct msg *msg)
{
	if ((uint8_t)msg->body.ptr[0] == INIT_CONFIG_SECRETS &&
	    peer->identity != INIT_PEER_CONSOLE) {
		ctl_refuse(peer, msg, -EPERM,
			   "secrets are shown on the machine's own console only");
		return;
	}
	ctl_audit_config(peer, (uint8_t)msg->body.ptr[0]);
	pass_on(peer, msg, DISK_MSG_CONFIG_ACT);
}

/* ---- the table ---- */

const struct msg_rule ctl_rules[] = {
	{ INIT_MSG_READY, "READY", 4, 204, 0, 0, DAEMONS, on_ready },
	{ INIT_MSG_STATUS, "STATUS", 4, 204, 0, 0, DAEMONS, on_status },
	{ INIT_MSG_ALIVE, "ALIVE", 0, 0, 0, 0, DAEMONS, on_alive },
	{ INIT_MSG_HOSTNAME, "HOSTNAME", 4, 67, 0, 0, INIT_PEER_NETD, ctl_hostname },
	{ INIT_MSG_STATUS_GET, "STATUS_GET", 0, 0, 0, 0, PEOPLE, ctl_status_get },
	{ INIT_MSG_UNIT, "UNIT", 5, 29, 0, 0, PEOPLE, on_unit },
	{ INIT_MSG_POWER, "POWER", 5, 69, 0, 0, PEOPLE, ctl_power },
	{ INIT_MSG_LOG, "LOG", 9, 33, 0, 0, PEOPLE, ctl_log },
	{ INIT_MSG_LOG_FROM, "LOG_FROM", 8, 8, 0, 0, SUP_PEER_SYSLOG, ctl_log_from },
	{ INIT_MSG_AUTH_GET, "AUTH_GET", 0, 0, 0, 0, INIT_PEER_CONSOLE, on_auth_get },
	{ INIT_MSG_AUTH_SET, "AUTH_SET", 4, 4 + INIT_HASH_MAX, 0, 0, PEOPLE, on_auth_set },
	{ INIT_MSG_CONFIG_GET, "CONFIG_GET", 4, 36, 0, 0, PEOPLE, on_config_get },
	{ INIT_MSG_CONFIG_MEDIA, "CONFIG_MEDIA", 0, 0, 0, 0, INIT_PEER_CONSOLE, on_config_media },
	{ INIT_MSG_CONFIG_ACT, "CONFIG_ACT", 17, SUP_REPLY_MAX, 0, 0, PEOPLE, on_config_act },
	{ INIT_MSG_AUTH_TRY, "AUTH_TRY", 1, 1, 0, 0, INIT_PEER_CONSOLE, on_auth_try },
	{ INIT_MSG_AUDIT, "AUDIT", 5, 5, 0, 0, INIT_PEER_CONSOLE, ctl_audit },
	{ INIT_MSG_LOG_FILES, "LOG_FILES", 0, 0, 0, 0, PEOPLE, on_log_files },
	{ INIT_MSG_SUPPORT_FILE, "SUPPORT_FILE", 0, 0, 0, 0, PEOPLE, on_support_file },
	{ INIT_MSG_SUPPORT_SEND, "SUPPORT_SEND", 5, 260, 0, 0, PEOPLE, ctl_send },
	{ INIT_MSG_SEND_STEP, "SEND_STEP", 16, 16, 0, 0, SUP_PEER_SEND, ctl_send_step },
	{ INIT_MSG_SEND_END, "SEND_END", 8, 600, 0, 0, SUP_PEER_SEND, ctl_send_end },
	{ INIT_MSG_BOOTS, "BOOTS", 0, 0, 0, 0, PEOPLE, on_boots },
	{ INIT_MSG_LINES, "LINES", 1, 1, 0, 0, INIT_PEER_CONSOLE, on_lines },
	{ DISK_MSG_DATA, "DISK_DATA", 17, 1024, 0, 0, SUP_PEER_DISK, on_data },
	{ DISK_MSG_CONFIG, "DISK_CONFIG", 31, 4096, 0, 0, SUP_PEER_DISK, on_config },
	{ DISK_MSG_LOGGED, "DISK_LOGGED", 8, 8, 0, 0, SUP_PEER_DISK, on_logged },
	{ DISK_MSG_FAULT_FILE, "DISK_FAULT_FILE", 0, 0, 0, 0, SUP_PEER_DISK, on_fault_file },
	{ DISK_MSG_RESET_ASKED, "DISK_RESET_ASKED", 0, 0, 0, 0, SUP_PEER_DISK, on_reset_asked },
	{ DISK_MSG_SAVED, "DISK_SAVED", 12, 1024, 0, 0, SUP_PEER_DISK, on_saved },
};
const size_t ctl_rule_count = ARRAY_LEN(ctl_rules);

/* ---- init.sock ---- */

static void client_gone(struct msg_peer *peer)
{
	struct sup_client *client = CONTAINER_OF(peer, struct sup_client, peer);

	ctl_forget(the_sup, peer);
	msg_peer_done(peer);
	client->used = false;
}

static void take_client(struct sup *sup, int *fd)
{
	uint32_t uid, gid;
	int pid;

	if (msg_credentials(*fd, &uid, &gid, &pid, NULL) < 0 ||
	    (uid != 0 && gid != INIT_CONSOLE_GID))
		return;
	for (size_t i = 0; i < SUP_CLIENTS_MAX; i++) {
		struct sup_client *client = &sup->clients[i];

		if (client->used)
			continue;
		if (msg_peer_init(&client->peer, &sup->loop, *fd, INIT_PEER_CLIENT, ctl_rules,
				  ctl_rule_count, 0, client_gone, client, NULL) == 0) {
			client->used = true;
			*fd = -1;
		}
		return;
	}
}

static void client_waits(struct loop_io *io, uint32_t events)
{
	struct sup *sup = io->owner;
	OWN_FD int fd = accept4(sup->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0)
		take_client(sup, &fd);
}

void ctl_init(struct sup *sup)
{
	struct err err;

	the_sup = sup;
	if (sup->listen_fd < 0)
		return;
	if (loop_add(&sup->loop, &sup->listen_io, sup->listen_fd, EPOLLIN, client_waits, sup,
		     &err) < 0)
		sup_say(sup, LOG_PRIO_ERR, "init.sock: %s", err_text(&err));
}
